package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// Incidents gives an incident as it is now.
type Incidents interface {
	Incident(ctx context.Context, id string) (verifier.Incident, error)
}

// Performer sends. muted reports whether people want to hear nothing of the incident now.
func (a *Alerting) Performer(from Incidents, muted func(verifier.Incident, time.Time) bool) verifier.Performer {
	return &performer{a, from, muted, time.Now}
}

type performer struct {
	*Alerting
	incidents Incidents
	muted     func(verifier.Incident, time.Time) bool
	now       func() time.Time
}

// memory is what an action remembers of what it sent.
type memory struct {
	Revision int64             `json:"revision"`
	Sent     bool              `json:"sent"`
	Resolved bool              `json:"resolved"`
	At       time.Time         `json:"at"`
	Thread   map[string]string `json:"thread,omitempty"`
}

// pagers wake people: they are triggered only where a person is needed.
var pagers = []string{"pagerduty", "opsgenie", "victorops", "incidentio"}

// recheck is how long what is muted waits until it is looked at again.
const recheck = time.Minute

// Perform sends the incident as it is now, if there is anything new to say.
func (p *performer) Perform(ctx context.Context, action verifier.Action) (verifier.Performed, error) {
	var mem memory
	if len(action.Memory) > 0 {
		if err := json.Unmarshal(action.Memory, &mem); err != nil {
			return verifier.Performed{}, fmt.Errorf("read what was sent before: %w", err)
		}
	}
	in, err := p.incidents.Incident(ctx, action.Subject)
	if err != nil {
		return verifier.Performed{}, err
	}
	m, n, err := p.target(in, action.Key)
	if err != nil {
		return verifier.Performed{Message: err.Error()}, nil
	}
	integration := p.integrations[m.receiver][n]
	now := p.now()
	if !mem.wants(in, now, m.repeat, slices.Contains(pagers, integration.Name()), integration.SendResolved()) {
		return verifier.Performed{Again: mem.again(in, m.repeat)}, nil
	}
	quiet, err := p.quiet(m, now)
	if err != nil {
		return verifier.Performed{}, err
	}
	if quiet || p.muted(in, now) {
		return verifier.Performed{Again: now.Add(recheck)}, nil
	}
	if mem.Thread, err = send(ctx, integration, m, in, mem.Thread, now); err != nil {
		return verifier.Performed{}, err
	}
	mem.Revision, mem.Sent, mem.Resolved, mem.At = in.Revision, true, in.Resolved != nil, now
	kept, err := json.Marshal(mem)
	return verifier.Performed{Memory: kept, Again: mem.again(in, m.repeat), Message: "sent to " + m.receiver}, err
}

// wants reports whether there is anything to send. What was resolved is never opened again, and what was never opened is not resolved.
func (mem memory) wants(in verifier.Incident, now time.Time, repeat time.Duration, pager, sendResolved bool) bool {
	switch {
	case mem.Resolved:
		return false
	case in.Resolved != nil:
		return mem.Sent && sendResolved
	case pager && !in.Person:
		return false
	}
	return !mem.Sent || mem.Revision != in.Revision || !once(in) && repeat > 0 && !now.Before(mem.At.Add(repeat))
}

// again is when an incident that stays open is told of again; zero: never.
func (mem memory) again(in verifier.Incident, repeat time.Duration) time.Time {
	if !mem.Sent || mem.Resolved || in.Resolved != nil || repeat <= 0 || once(in) {
		return time.Time{}
	}
	return mem.At.Add(repeat)
}

// once reports whether the incident is news and no trouble: it is told and never repeated.
func once(in verifier.Incident) bool {
	return in.Kind == verifier.IncidentReport || strings.HasPrefix(in.ID, "told/")
}

// trouble says whether a failed sending is worth another try: always, but for what the channel refused for good.
func trouble(err error, again bool) error {
	err = outbound.Redact(err)
	text := err.Error()
	refused := !again && (strings.Contains(text, "unexpected status code 4") || strings.Contains(text, "status code 4"))
	if refused && !strings.Contains(text, "429") && !strings.Contains(text, "408") && !strings.Contains(text, "425") {
		return err
	}
	return &verifier.TemporaryError{Err: err}
}
