package alerting

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// Targets are the actions that tell of an incident: one for each integration of each receiver that the routes choose.
func (a *Alerting) Targets(in verifier.Incident, now time.Time) []verifier.Action {
	var out []verifier.Action
	for _, m := range a.receiversOf(in) {
		c, ok := a.receivers[m.receiver]
		if !ok {
			continue // of an earlier configuration
		}
		for _, i := range c.integrations {
			out = append(out, verifier.Action{
				Key: fmt.Sprintf("alert/%s/%s/%s/%d", in.ID, m.receiver, i.Name(), i.Index()), Kind: verifier.ActionAlert, Subject: in.ID,
				State: verifier.ActionWaiting, Created: now, DueAt: now,
			})
		}
	}
	return out
}

// receiversOf are who hears of the incident: its own receiver alone, else what the routes say.
func (a *Alerting) receiversOf(in verifier.Incident) []matched {
	switch {
	case in.Receiver != "":
		return []matched{{receiver: in.Receiver, repeat: 24 * time.Hour}}
	case in.Kind == verifier.IncidentSource || in.Kind == verifier.IncidentReport:
		return nil // the daemon's own troubles never go to deployers
	}
	return a.match(withName(in.Labels))
}

func withName(labels map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	out["alertname"] = "Verifier"
	return out
}

// target is one integration, and what the routes say of its receiver.
type target struct {
	matched
	kind   string
	index  int
	routed bool // the incident goes there as the routes are now
}

// target finds the integration that an action's key names. It is the last two parts; names of receivers may hold slashes.
func (a *Alerting) target(in verifier.Incident, key string) (target, error) {
	rest := strings.TrimPrefix(key, "alert/"+in.ID+"/")
	parts := strings.Split(rest, "/")
	if len(parts) < 3 {
		return target{}, fmt.Errorf("%s names no integration", key)
	}
	last := len(parts) - 1
	index, err := strconv.Atoi(parts[last])
	if err != nil {
		return target{}, fmt.Errorf("%s names no integration", key)
	}
	t := target{matched: matched{receiver: strings.Join(parts[:last-1], "/")}, kind: parts[last-1], index: index}
	if _, ok := a.integration(t.receiver, t.kind, t.index); !ok {
		return t, fmt.Errorf("%s is no longer in the configuration", rest)
	}
	for _, m := range a.receiversOf(in) {
		if m.receiver == t.receiver {
			t.matched, t.routed = m, true
		}
	}
	return t, nil
}

// Receivers are the names of all receivers.
func (a *Alerting) Receivers() []string { return slices.Sorted(maps.Keys(a.receivers)) }

// Pagers are the kinds of pagers among a receiver's channels: a report must not go there.
func (a *Alerting) Pagers(receiver string) []string {
	c, known := a.receivers[receiver]
	if !known {
		return nil
	}
	var kinds []string
	for _, i := range c.integrations {
		if slices.Contains(pagers, i.Name()) {
			kinds = append(kinds, i.Name())
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// Explain names the receivers that an incident with these labels goes to.
func (a *Alerting) Explain(labels map[string]string) []string {
	names := []string{}
	for _, m := range a.match(withName(labels)) {
		names = append(names, m.receiver)
	}
	return names
}

// TestIncident is what `verifier explain --alert-test` sends.
func TestIncident(receiver string, now time.Time, by string) verifier.Incident {
	return verifier.Incident{
		ID: fmt.Sprintf("test/%s/%d", receiver, now.UnixMilli()), Kind: verifier.IncidentReport, Receiver: receiver, Opened: now, Updated: now, Resolved: &now, Person: true,
		Labels: map[string]string{"kind": string(verifier.IncidentReport), "severity": string(verifier.SeverityPage)}, Severity: verifier.SeverityPage,
		Title: "A test of the receiver " + receiver, Text: "Sent by " + by + " to see that messages of verifier arrive. Nothing is wrong.",
	}
}
