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
		for n, i := range a.integrations[m.receiver] {
			out = append(out, verifier.Action{
				Key: fmt.Sprintf("alert/%s/%s/%s/%d", in.ID, m.receiver, i.Name(), n), Kind: verifier.ActionAlert, Subject: in.ID,
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

// target finds the integration that an action's key names.
func (a *Alerting) target(in verifier.Incident, key string) (m matched, n int, err error) {
	rest := strings.TrimPrefix(key, "alert/"+in.ID+"/")
	for _, m := range a.receiversOf(in) {
		if after, ok := strings.CutPrefix(rest, m.receiver+"/"); ok {
			_, index, _ := strings.Cut(after, "/")
			n, err := strconv.Atoi(index)
			if err == nil && n < len(a.integrations[m.receiver]) && after == fmt.Sprintf("%s/%d", a.integrations[m.receiver][n].Name(), n) {
				return m, n, nil
			}
		}
	}
	return matched{}, 0, fmt.Errorf("%s is no longer in the configuration, or the routes send this elsewhere now", rest)
}

// Receivers are the names of all receivers.
func (a *Alerting) Receivers() []string { return slices.Sorted(maps.Keys(a.integrations)) }

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
		ID: fmt.Sprintf("test/%s/%d", receiver, now.UnixMilli()), Kind: verifier.IncidentReport, Receiver: receiver, Opened: now, Updated: now, Person: true,
		Labels: map[string]string{"kind": string(verifier.IncidentReport), "severity": string(verifier.SeverityPage)}, Severity: verifier.SeverityPage,
		Title: "A test of the receiver " + receiver, Text: "Sent by " + by + " to see that messages of verifier arrive. Nothing is wrong.",
	}
}
