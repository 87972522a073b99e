package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"verifier"
	"verifier/intake"
	"verifier/lifecycle"
)

// overrideFor is how long a person's word opens a gate.
const overrideFor = 24 * time.Hour

// overridden is what the audit calls it.
const overridden = "override"

// gate says whether a version may go to a place.
func (d *Daemon) gate(ctx context.Context, place verifier.Place, version string) (verifier.GateAnswer, error) {
	s, now := d.live(), d.now()
	place = s.catalogue.Canonical(place)
	c := lifecycle.GateCase{
		Place: place, Team: s.catalogue.Service(place, "").Team, Version: version, Gates: s.cfg.gatesInto(place), Zone: s.cfg.zone,
		History: map[string][][]verifier.Past{}, Watches: map[string]verifier.Verification{},
	}
	var err error
	if c.Unknown, err = d.stranger(ctx, place.Service); err != nil {
		return verifier.GateAnswer{}, err
	}
	environments := []string{place.Environment}
	for _, g := range c.Gates {
		environments = append(environments, g.After...)
	}
	for _, environment := range environments {
		if err := d.gateHistory(ctx, &c, environment, now); err != nil {
			return verifier.GateAnswer{}, err
		}
	}
	if c.Holds, err = d.store.Holds(ctx, now, false); err != nil {
		return verifier.GateAnswer{}, err
	}
	if c.Override, err = d.gateOverride(ctx, place, version, now); err != nil {
		return verifier.GateAnswer{}, err
	}
	return lifecycle.AskGate(c, now), nil
}

// gateHistory adds what an environment knows of the service, with the watches over the version.
func (d *Daemon) gateHistory(ctx context.Context, c *lifecycle.GateCase, environment string, now time.Time) error {
	name := strings.ToLower(environment)
	if _, known := c.History[name]; known {
		return nil
	}
	place := c.Place
	place.Environment = environment
	histories, err := d.store.Histories(ctx, place, now)
	if err != nil {
		return err
	}
	c.History[name] = histories
	var ids []string
	for _, history := range histories {
		for _, p := range history {
			if verifier.SameVersion(p.Deploy.Version, c.Version) {
				ids = append(ids, p.Deploy.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	watches, err := d.store.Watches(ctx, ids)
	if err != nil {
		return err
	}
	for id, v := range watches {
		c.Watches[id] = v
	}
	for _, history := range histories {
		for i, p := range history {
			if v, ok := watches[p.Deploy.ID]; ok && p.State == "" { // it joined the watch of another deploy
				history[i].State = v.State
			}
		}
	}
	return nil
}

// gateSubject is what the audit keeps overrides under.
func gateSubject(p verifier.Place, version string) string {
	parts := []string{"gate"}
	for _, part := range []string{strings.ToLower(p.Service), strings.ToLower(p.Environment), strings.ToLower(p.Target), verifier.VersionKey(version)} {
		parts = append(parts, url.PathEscape(part))
	}
	return strings.Join(parts, "/")
}

// gateOverride is the newest word that is still in force, or nil.
func (d *Daemon) gateOverride(ctx context.Context, p verifier.Place, version string, now time.Time) (*verifier.GateOverride, error) {
	said, err := d.store.Audit(ctx, gateSubject(p, version), 1)
	if err != nil || len(said) == 0 || !now.Before(said[0].At.Add(overrideFor)) {
		return nil, err
	}
	out := &verifier.GateOverride{By: said[0].By, Reason: said[0].Reason, At: said[0].At, Until: said[0].At.Add(overrideFor)}
	if err := json.Unmarshal([]byte(said[0].Detail), &out.Despite); err != nil {
		return nil, fmt.Errorf("read what was overridden: %w", err)
	}
	return out, nil
}

// overrideGate lets a version pass although, which is recorded and told. An open gate needs nobody's word.
func (d *Daemon) overrideGate(ctx context.Context, place verifier.Place, version, reason string) (verifier.GateAnswer, error) {
	was, err := d.gate(ctx, place, version)
	if err != nil || was.Allowed {
		return was, err
	}
	by := verifier.CallerFrom(ctx).Name
	despite, err := json.Marshal(was.Reasons)
	if err != nil {
		return was, err
	}
	in := d.overrideIncident(was, by, reason)
	err = errors.Join(d.store.Save(ctx, verifier.Effects{
		Audit:     []verifier.Audit{{At: was.At, By: by, What: overridden, Subject: gateSubject(was.Place, version), Reason: reason, Detail: string(despite)}},
		Incidents: []verifier.Incident{in}, Actions: d.live().alerting.Targets(in, was.At),
	})...)
	if err != nil {
		return was, err
	}
	d.log.Warn("a gate was overridden", "service", was.Service, "environment", was.Environment, "target", was.Target, "version", version, "by", by, "reason", reason)
	return d.gate(ctx, place, version)
}

// overrideIncident tells the team once; nothing stays open.
func (d *Daemon) overrideIncident(a verifier.GateAnswer, by, reason string) verifier.Incident {
	s := d.live()
	var texts []string
	for _, r := range a.Reasons {
		texts = append(texts, r.Text)
	}
	page := s.cfg.URL + "/gate?" + url.Values{"service": {a.Service}, "environment": {a.Environment}, "target": {a.Target}, "version": {a.Version}}.Encode()
	return verifier.Incident{
		ID:   fmt.Sprintf("%s/%d", gateSubject(a.Place, a.Version), a.At.UnixMilli()),
		Kind: verifier.IncidentVerdict, News: true, Opened: a.At, Updated: a.At, Resolved: &a.At, Severity: verifier.SeverityWarn, URL: page,
		Links: []verifier.Link{{Text: "The gate", URL: page}},
		Labels: map[string]string{
			"kind": string(verifier.IncidentVerdict), "service": a.Service, "environment": a.Environment, "target": a.Target,
			"team": s.catalogue.Service(a.Place, "").Team, "severity": string(verifier.SeverityWarn), "outcome": "overridden",
		},
		Title: fmt.Sprintf("%s let %s %s into %s past the gate", by, a.Service, a.Version, a.Environment),
		Text:  fmt.Sprintf("%s\n\nThe gate said: %s.", reason, strings.Join(texts, "; ")),
	}
}

// results takes what a test runner wrote, for a verification or for a deploy that one watches.
func (d *Daemon) results(ctx context.Context, id, name string, body []byte) (verifier.Verification, error) {
	list, err := intake.ReadResults(body, name)
	if err != nil {
		return verifier.Verification{}, err
	}
	now := d.now().UTC()
	for i := range list {
		list[i].By = verifier.CallerFrom(ctx).Name
		if list[i].At.IsZero() || list[i].At.After(now) {
			list[i].At = now
		}
	}
	watches, err := d.store.Watches(ctx, []string{id})
	if err != nil {
		return verifier.Verification{}, err
	}
	if v, ok := watches[id]; ok {
		id = v.ID // the deploy joined it
	}
	return d.runner.Decide(ctx, id, lifecycle.Resulted{Verification: id, Results: list})
}
