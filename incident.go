package verifier

import (
	"strconv"
	"time"
)

// IncidentKind is what an incident is about.
type IncidentKind string

// The kinds of incident.
const (
	IncidentVerdict     IncidentKind = "verdict"
	IncidentEnvironment IncidentKind = "environment"
	IncidentSource      IncidentKind = "source"
	IncidentReport      IncidentKind = "report"
)

// Incident is what receivers are told about. Its id is the group key, so that the same page is updated and resolved.
type Incident struct {
	ID       string            `json:"id"`
	Kind     IncidentKind      `json:"kind"`
	Labels   map[string]string `json:"labels"`         // what routes go by; those of the worst member
	Title    string            `json:"title"`          // one line
	Text     string            `json:"text"`           // what happened, in sentences
	HTML     string            `json:"html,omitempty"` // a whole page for e-mail instead of Text: the report
	Severity Severity          `json:"severity"`
	Person   bool              `json:"person"`             // a person is needed: pagers are triggered, else chat alone
	Receiver string            `json:"receiver,omitempty"` // goes there and nowhere else (source, report); empty: the routes decide
	URL      string            `json:"url"`
	Links    []Link            `json:"links,omitempty"`
	Members  []Member          `json:"members,omitempty"`
	Opened   time.Time         `json:"opened"`
	Updated  time.Time         `json:"updated"`
	Resolved *time.Time        `json:"resolved"`
	Easing   bool              `json:"easing,omitempty"` // what failed is no longer live; nobody knows yet whether that helped
	News     bool              `json:"news,omitempty"`   // over as it begins: told once, never repeated, never resolved
	Revision int64             `json:"revision"`         // raised by each change; what goes out as idempotency key ends in it
}

// Member is one failed verification of an incident, as it is told.
type Member struct {
	Verification string            `json:"verification"`
	Place        Place             `json:"place"`
	Version      string            `json:"version"`
	Change       Change            `json:"change,omitempty"`
	Previous     string            `json:"previous,omitempty"`
	At           time.Time         `json:"at"`
	By           string            `json:"by,omitempty"`
	Severity     Severity          `json:"severity"`
	Outcome      string            `json:"outcome"`            // the verification's state
	Text         string            `json:"text"`               // the worst finding's sentence
	Lines        []string          `json:"lines,omitempty"`    // a sentence for each failing rule, the worst first
	Says         string            `json:"says,omitempty"`     // what is being done about it, for the title
	Rollback     string            `json:"rollback,omitempty"` // more of that, in a sentence
	Person       bool              `json:"person"`
	Easing       bool              `json:"easing,omitempty"`  // it is no longer live; nobody knows yet whether that helped
	NotNew       bool              `json:"not_new,omitempty"` // the limit was crossed before the deploy too
	Presses      []Press           `json:"presses,omitempty"` // what a person may do about it now
	Resolved     *time.Time        `json:"resolved,omitempty"`
	Resolution   string            `json:"resolution,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
}

// Headline is the title with how things stand at a glance: red pages, orange does not, yellow may be over, green is.
func (in Incident) Headline() string {
	switch {
	case in.Easing:
		return "🟡 " + in.Title
	case in.Resolved != nil && !in.News, in.News && in.Labels["outcome"] == string(Passed):
		return "🟢 " + in.Title
	case in.Kind == IncidentReport:
		return in.Title
	case in.Severity == SeverityPage:
		return "🔴 " + in.Title
	}
	return "🟠 " + in.Title
}

// Link is one thing to press or to open under a message.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// VerdictIncidentID is the id of the incident that a failed deploy belongs to: one per group (or deploy), environment and team.
// n counts those of the group from 1: what fails after an incident was resolved joins the next one.
func VerdictIncidentID(d Deploy, n int) string {
	id := "verdict/" + d.GroupOrID() + "/" + d.Environment + "/" + d.Team
	if n > 1 {
		id += "/" + strconv.Itoa(n)
	}
	return id
}
