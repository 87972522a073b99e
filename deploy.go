package verifier

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Place is where a version lives: a service in an environment, perhaps of one target (tenant, region, cell).
type Place struct {
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Target      string `json:"target"`
}

// Key is the place in lower case, for comparing and for indexes.
func (p Place) Key() string {
	return strings.ToLower(p.Service + "\x1f" + p.Environment + "\x1f" + p.Target)
}

// String is "checkout in production" or "checkout in production (eu-1)".
func (p Place) String() string { return p.Service + " in " + p.Where() }

// Where is "production", or "production (eu-1)".
func (p Place) Where() string {
	if p.Target == "" {
		return p.Environment
	}
	return p.Environment + " (" + p.Target + ")"
}

// Status is how far a deploy has come: started, succeeded or failed.
type Status string

// The statuses of a deploy.
const (
	Started   Status = "started"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
)

// Statuses lists every Status.
var Statuses = []Status{Started, Succeeded, Failed}

// Change is what a deploy changes; only a release moves the live version.
type Change string

// The changes.
const (
	Release Change = "release"
	Config  Change = "config"
	Toggle  Change = "toggle"
	Infra   Change = "infra"
	Scale   Change = "scale"
)

// Changes lists every Change.
var Changes = []Change{Release, Config, Toggle, Infra, Scale}

// Kind is what a release turned out to be, derived from the order of versions in its place; empty for other changes.
type Kind string

// The kinds. KindRelease is a newer version (or the first one), KindRollback an older one, KindRedeploy the live one again.
const (
	KindRelease  Kind = "release"
	KindRollback Kind = "rollback"
	KindRedeploy Kind = "redeploy"
)

// Consent is what a deploy says of its own rollback. Allowed false marks it irreversible.
type Consent struct {
	Allowed *bool  `json:"allowed,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Deploy is one change of one service, as the facts about it known so far say.
type Deploy struct {
	ID string `json:"id"`
	Place
	Version         string            `json:"version"`
	PreviousVersion string            `json:"previous_version,omitempty"` // as sent; used only where the record knows nothing earlier
	RollsBack       string            `json:"rolls_back,omitempty"`       // id of the deploy that its tool undoes by this one, which puts back the version before
	Status          Status            `json:"status"`
	Change          Change            `json:"change"`
	At              time.Time         `json:"at"`                   // of its end, or of its start while it has none
	AtAssumed       bool              `json:"-"`                    // the fact did not say when: At is when it came in
	StartedAt       *time.Time        `json:"started_at,omitempty"` // of its `started` event
	Group           string            `json:"group,omitempty"`
	Team            string            `json:"team,omitempty"`
	By              string            `json:"by,omitempty"`
	Commit          string            `json:"commit,omitempty"`
	Repository      string            `json:"repository,omitempty"`
	URL             string            `json:"url,omitempty"`
	Hosts           []string          `json:"hosts,omitempty"`
	Rollback        Consent           `json:"rollback"`
	Labels          map[string]string `json:"labels,omitempty"`

	// Where a tool tells of each host by itself, the deploy has ended when all of Expected are in Hosts; it failed if any of them did.
	Expected    []string `json:"expected,omitempty"`
	FailedHosts []string `json:"failed_hosts,omitempty"`

	Kind       Kind      `json:"kind,omitempty"`       // derived by record.Classify
	Previous   string    `json:"previous,omitempty"`   // version live there just before; derived
	RecordedAt time.Time `json:"recorded_at,omitzero"` // when the first fact about it came in
	Tool       string    `json:"tool,omitempty"`       // who sent it: api, github, import, ...
	Found      string    `json:"found,omitempty"`      // how, where its tool did not send it in time: FoundLate or FoundByReplay
	Void       bool      `json:"void,omitempty"`       // taken out of the record by a person
	WithoutID  bool      `json:"without_id,omitempty"` // no event named it: its id was made here, and each such event is a deploy
	Corrected  bool      `json:"corrected,omitempty"`  // edited or voided by a person; the original is kept in the audit
	Mark       *Mark     `json:"mark,omitempty"`       // a person's last word on it

	// Told says when a field was said, by its JSON name (labels as labels.<key>, hosts as hosts.<name>), where that is not At;
	// zero: the record filled it in. It lets facts be joined in any order; only package record and HostChanged read it.
	Told Told `json:"told,omitempty"`
}

// Told is when each field of a deploy was said. A zero time is null in JSON.
type Told map[string]time.Time

// MarshalJSON writes null where nobody said it.
func (t Told) MarshalJSON() ([]byte, error) {
	out := make(map[string]*time.Time, len(t))
	for name, at := range t {
		out[name] = nil
		if !at.IsZero() {
			out[name] = &at
		}
	}
	return json.Marshal(out)
}

// How a deploy was found that its tool did not send in time, or that was not understood then.
const (
	FoundLate     = "late"   // in the tool's own list
	FoundByReplay = "replay" // in a kept delivery, by a mended mapping; it has no watch
)

// Irreversible reports whether the deploy forbids rolling back over it.
func (d Deploy) Irreversible() bool { return d.Rollback.Allowed != nil && !*d.Rollback.Allowed }

// HostTold is what stands in Told before a host's name.
const HostTold = "hosts."

// HostChanged is when the host was changed: the time of the first fact that named it.
func (d Deploy) HostChanged(host string) time.Time {
	if at, ok := d.Told[HostTold+host]; ok {
		return at
	}
	return d.At
}

// FirstChange is when the first of its hosts was changed; the deploy's own time where none is known.
func (d Deploy) FirstChange() time.Time {
	first := d.At
	for _, h := range d.Hosts {
		if at := d.HostChanged(h); at.Before(first) {
			first = at
		}
	}
	return first
}

// LastChange is when the last of its hosts was changed, or when it ended where that is later.
func (d Deploy) LastChange() time.Time {
	last := d.At
	if d.Status == Started && len(d.Hosts) > 0 {
		last = d.HostChanged(d.Hosts[0])
	}
	for _, h := range d.Hosts {
		if at := d.HostChanged(h); at.After(last) {
			last = at
		}
	}
	return last
}

// Began is when the deploy began to change anything: its start, or its first host.
func (d Deploy) Began() time.Time {
	began := d.FirstChange()
	if d.StartedAt != nil && d.StartedAt.Before(began) {
		began = *d.StartedAt
	}
	return began
}

// Mixed reports whether some hosts have the deploy and others not, as far as is known: it has no end yet, or has failed.
func (d Deploy) Mixed() bool { return d.Status != Succeeded && len(d.Hosts) > 0 }

// MovesLive reports whether the deploy changed which version is live in its place.
func (d Deploy) MovesLive() bool { return d.Change == Release && d.Status == Succeeded && !d.Void }

// Before is the order of the record: by time, ties by id.
func (d Deploy) Before(e Deploy) bool {
	if !d.At.Equal(e.At) {
		return d.At.Before(e.At)
	}
	return d.ID < e.ID
}

// GroupOrID is the group, else the id: what counts once when several services go out together.
func (d Deploy) GroupOrID() string {
	if d.Group != "" {
		return d.Group
	}
	return d.ID
}

// Mark is a person's word on a deploy: good (a dismissed verdict) or bad, with the cause they saw.
type Mark struct {
	Good  bool      `json:"good"`
	Cause string    `json:"cause"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// Delivery is one request of a deploy tool, kept raw.
type Delivery struct {
	ID         string              `json:"id"` // unique for each tool: X-GitHub-Delivery, else a hash
	Tool       string              `json:"tool"`
	ReceivedAt time.Time           `json:"received_at"`
	Header     map[string][]string `json:"header,omitempty"` // without secrets
	Body       []byte              `json:"body"`
	By         string              `json:"by,omitempty"` // the token's name, or the hook's
	Outcome    DeliveryOutcome     `json:"outcome"`
	Problem    string              `json:"problem,omitempty"` // why it is not recorded as a deploy

	// KeepConflicts keeps the delivery as Conflict where a deploy contradicts the record, and records its other deploys. Without it
	// nothing is recorded.
	KeepConflicts bool `json:"-"`
}

// Unresolved are the outcomes of deliveries that a person has to look at, and that can be replayed.
var Unresolved = []DeliveryOutcome{Unmapped, Unreadable, Conflict}

// DeliveryOutcome is what became of a delivery.
type DeliveryOutcome string

// What becomes of deliveries. Those that are refused are not kept.
const (
	Recorded   DeliveryOutcome = "recorded"
	Ignored    DeliveryOutcome = "ignored"    // says nothing about a deploy
	Unmapped   DeliveryOutcome = "unmapped"   // says too little: a mapping of the hook has to say more
	Unreadable DeliveryOutcome = "unreadable" // is not what the tool is known to send
	Conflict   DeliveryOutcome = "conflict"   // contradicts what is known of a deploy with that id
	Refused    DeliveryOutcome = "refused"    // the sender did not prove who it is
)

// Receipt is the answer to one recorded deploy event.
type Receipt struct {
	ID           string `json:"id"`
	Verification string `json:"verification"` // empty for a deploy without one; the watch it joined for one that joined
	State        State  `json:"state"`
	URL          string `json:"url"`
	Note         string `json:"note,omitempty"` // what the sender should know: events without an id
	New          bool   `json:"-"`              // something new was recorded: 202, else 200

	Conflict *ConflictError `json:"-"` // the event contradicts what is known of the deploy, and changed nothing
}

// NameProblem says what is wrong with a service, environment, target or team name; empty when nothing is. Names are 1 to 200 printable
// characters without double quotes, backticks, backslashes, < and >: what people write, and what every query language can escape.
func NameProblem(s string) string {
	n := 0
	for _, r := range s {
		n++
		if !isPrintable(r) && r != joiner || strings.ContainsRune("\"`\\<>", r) {
			return "has " + quoteRune(r) + "; use printable characters without double quotes, backticks, backslashes, < and >"
		}
	}
	return lengthProblem(n)
}

// joiner makes one emoji of several.
const joiner = '\u200d'

const plainRunes = "._/:@+- "

// PlainNameProblem says what is wrong with the name of a host, a label or a rule; empty when nothing is. Such names are 1 to 200
// letters, digits, spaces and ._/:@+-
func PlainNameProblem(s string) string {
	n := 0
	for _, r := range s {
		n++
		if !isLetterOrDigit(r) && !strings.ContainsRune(plainRunes, r) {
			return "has " + quoteRune(r) + "; use letters, digits, spaces and ._/:@+-"
		}
	}
	return lengthProblem(n)
}

// VersionProblem says what is wrong with a version; empty when nothing is.
// Versions are 1 to 200 printable characters without quotes or backslash.
func VersionProblem(s string) string {
	n := 0
	for _, r := range s {
		n++
		if !isPrintable(r) || strings.ContainsRune("\"'`\\", r) {
			return "has " + quoteRune(r) + "; use printable characters without quotes or backslash"
		}
	}
	return lengthProblem(n)
}

// UnionHosts is a and b without doubles, sorted.
func UnionHosts(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
