package main

import (
	"context"
	"time"

	"verifier"
	"verifier/cases"
	"verifier/lifecycle"
	"verifier/sources"
)

// The two versions of a case.
const (
	oldVersion = "before"
	newVersion = "deployed"
)

// replayCase judges a case as the daemon would have: the same questions, judges and steps, in simulated time. rules is what is
// judged; nil is the case's own default.
func replayCase(ctx context.Context, c cases.Case, rules func(verifier.Deploy) ([]verifier.Rule, string)) (verifier.Verification, error) {
	if rules == nil {
		list := c.Rules()
		rules = func(verifier.Deploy) ([]verifier.Rule, string) { return list, "default" }
	}
	aligned, by := c.Aligned()
	d := verifier.Deploy{
		ID: "case", Place: verifier.Place{Service: c.Service, Environment: "case"}, Version: newVersion, Status: verifier.Succeeded,
		Change: verifier.Release, Kind: verifier.KindRelease, At: aligned.DeployedAt, RecordedAt: aligned.DeployedAt, Hosts: []string{newVersion},
	}
	old := d
	old.ID, old.Version, old.At = "before", oldVersion, aligned.Before().Add(-settleOf(rules, d)-2*c.Step)
	scene := &verifier.Scene{Place: d.Place, Deploy: d, History: []verifier.Past{
		{Deploy: d}, {Deploy: old, State: verifier.Passed, Ended: &aligned.DeployedAt},
	}}
	world := lifecycle.World{Catalogue: &verifier.Catalogue{}, Rules: rules, Unrelated: lifecycle.DefaultUnrelated}
	_, err := lifecycle.Replay(ctx, world, scene, lifecycle.Backends{cases.SourceName: recorded(aligned)})
	v := scene.Watch(d.ID)
	if v == nil {
		return verifier.Verification{}, err
	}
	return moved(*v, -by), err
}

func settleOf(rules func(verifier.Deploy) ([]verifier.Rule, string), d verifier.Deploy) (settle time.Duration) {
	list, _ := rules(d)
	for _, r := range list {
		settle = max(settle, r.Settle)
	}
	return settle
}

// recorded is the source that a case makes. A record that stops in the middle of the watch may lag: it is complete up to its newest
// sample. One in which nothing at all comes after the deploy does not: that the record should end with the deploy by chance is not
// to be expected.
func recorded(c cases.Case) sources.Recorded {
	series := map[string]cases.Series{}
	for _, s := range c.Series {
		series[s.Name] = s
	}
	name := func(m verifier.Measure) string { return sources.Named(m) }
	last := c.Newest(c.Until)
	return sources.Recorded{
		Of: func(q verifier.Question) ([]verifier.Sample, bool) {
			s, ok := series[name(q.Measure)]
			if q.Subject.Peers {
				return s.Control, ok
			}
			return s.Deployed, ok
		},
		Complete: func(now time.Time) time.Time {
			if newest := c.Newest(now); last.After(c.DeployedAt.Add(c.Step)) && now.After(last) {
				return newest
			}
			return now
		},
		Peers: func(m verifier.Measure) bool { return len(series[name(m)].Control) > 0 },
	}
}

// moved puts the times of a verification back to where the case has them.
func moved(v verifier.Verification, by time.Duration) verifier.Verification {
	shift := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		moved := t.Add(by)
		return &moved
	}
	v.From, v.Until = v.From.Add(by), v.Until.Add(by)
	v.FailedAt, v.DecidedAt, v.Ended = shift(v.FailedAt), shift(v.DecidedAt), shift(v.Ended)
	for i, f := range v.Findings {
		f.From, f.To, f.At = f.From.Add(by), f.To.Add(by), shift(f.At)
		v.Findings[i] = f
	}
	return v
}
