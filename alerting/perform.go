package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
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
	Tried    bool              `json:"tried,omitempty"` // it may have been sent: no answer came, or the daemon was killed
	Resolved bool              `json:"resolved"`
	Withdrew bool              `json:"withdrew,omitempty"` // a pager was told that nobody is needed any more; the incident goes on
	At       time.Time         `json:"at"`
	Thread   map[string]string `json:"thread,omitempty"`
}

// pagers wake people: they are triggered only where a person is needed. Pushover is one because its default is an emergency.
var pagers = []string{"pagerduty", "opsgenie", "victorops", "incidentio", "pushover"}

// recheck is how long what is muted waits until it is looked at again, and how long a test stays open on a pager.
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
	t, err := p.target(in, action.Key)
	if err != nil {
		return verifier.Performed{Message: err.Error()}, nil
	}
	mem.Tried = mem.Tried || action.Interrupted
	done, err := p.perform(ctx, action.Key, t, in, &mem)
	done.Memory = mem.kept()
	return done, err
}

// perform sends to one integration. Whoever was told hears the end of it, wherever the routes send the incident now.
func (p *performer) perform(ctx context.Context, key string, t target, in verifier.Incident, mem *memory) (verifier.Performed, error) {
	if !t.routed && !mem.told() {
		return verifier.Performed{Message: "the routes send this elsewhere now"}, nil
	}
	integration, _ := p.integration(t.receiver, t.kind, t.index) // unreachable otherwise: target found it
	now, pager := p.now(), slices.Contains(pagers, t.kind)
	if once(in) {
		if in.Resolved, t.repeat = nil, 0; mem.Sent {
			in.Revision = mem.Revision // what became of it since is no news
		}
	}
	if pager && test(in) && mem.Sent {
		in.Resolved = &now
	}
	withdraws := pager && !in.Person && in.Resolved == nil && mem.Sent && !mem.Withdrew
	if !mem.wants(in, now, t.repeat, pager, integration.SendResolved()) {
		return verifier.Performed{Again: mem.again(in, t.repeat)}, nil
	}
	quiet, err := p.quiet(t.matched, now)
	if err != nil {
		return verifier.Performed{}, err
	}
	if quiet && !test(in) || p.muted(in, now) {
		return verifier.Performed{Again: now.Add(recheck)}, nil
	}
	if withdraws {
		in.Resolved, in.Easing = &now, true
	}
	if mem.Thread, err = p.send(ctx, t, in, fmt.Sprintf("%s/%d", key, in.Revision), mem.Thread, now); err != nil {
		mem.Tried = true
		return verifier.Performed{}, err
	}
	mem.Revision, mem.Sent, mem.Resolved, mem.Withdrew, mem.At = in.Revision, true, in.Resolved != nil && !withdraws, withdraws, now
	again := mem.again(in, t.repeat)
	if pager && test(in) && !mem.Resolved {
		again = now.Add(recheck)
	}
	return verifier.Performed{Again: again, Message: "sent to " + t.receiver}, nil
}

// told reports whether the receiver may have heard of the incident.
func (mem memory) told() bool { return mem.Sent || mem.Tried }

func (mem memory) kept() json.RawMessage {
	text, _ := json.Marshal(mem) // unreachable error: plain fields
	return text
}

// wants reports whether there is anything to send. What was resolved is never opened again, and what was never opened is not resolved. A
// page ends when nobody is needed any more, and begins anew when somebody is needed again.
func (mem memory) wants(in verifier.Incident, now time.Time, repeat time.Duration, pager, sendResolved bool) bool {
	switch {
	case mem.Resolved:
		return false
	case in.Resolved != nil:
		return mem.told() && sendResolved && !mem.Withdrew
	case pager && !in.Person:
		return mem.Sent && sendResolved && !mem.Withdrew
	}
	return !mem.Sent || mem.Revision != in.Revision || repeat > 0 && !now.Before(mem.At.Add(repeat))
}

// again is when an incident that stays open is told of again; zero: never.
func (mem memory) again(in verifier.Incident, repeat time.Duration) time.Time {
	if !mem.Sent || mem.Resolved || mem.Withdrew || in.Resolved != nil || repeat <= 0 {
		return time.Time{}
	}
	return mem.At.Add(repeat)
}

// once reports whether the incident is news and no trouble: it is told and never repeated.
func once(in verifier.Incident) bool { return in.Kind == verifier.IncidentReport || in.News }

// test reports whether somebody tries a receiver.
func test(in verifier.Incident) bool { return strings.HasPrefix(in.ID, "test/") }
