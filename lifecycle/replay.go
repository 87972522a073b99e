package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"verifier"
)

// maxWakes bounds a replay; the longest watch at the quickest step has fewer.
const maxWakes = 10_000_000

// Happened is what else came in while the watch went on.
type Happened struct {
	At    time.Time
	Event Event
}

// Replay runs one deploy from its arrival to the end of its watch with simulated time, through the same questions, judges and
// Step as the daemon; what happened meanwhile, in order of time, is heard of at its time. The scene holds what the record knew; it is changed as the replay goes on. It returns what was written, in
// order; nothing is acted upon.
func Replay(ctx context.Context, world World, scene *verifier.Scene, sources Backends, meanwhile ...Happened) ([]verifier.Effects, error) {
	d := scene.Deploy
	now := d.RecordedAt
	if now.IsZero() {
		now = d.At
	}
	first, err := world.Step(scene, Arrived{}, now)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", d.ID, err)
	}
	trail := []verifier.Effects{first}
	w := verifier.Watched{}
	if first.RuleSet != nil {
		w.Rules = first.RuleSet.Rules
	}
	apply(scene, first)
	for range maxWakes {
		v := scene.Watch(d.ID)
		if v == nil || v.DueAt.IsZero() || ctx.Err() != nil {
			return trail, ctx.Err()
		}
		var effects verifier.Effects
		if len(meanwhile) > 0 && !meanwhile[0].At.After(v.DueAt) {
			now = latest(now, meanwhile[0].At)
			effects, err = world.Step(scene, meanwhile[0].Event, now)
			meanwhile = meanwhile[1:]
		} else {
			now = latest(now, v.DueAt)
			w.Verification = *v
			effects, err = replayWake(ctx, world, scene, &w, sources, now)
		}
		if err != nil {
			return trail, fmt.Errorf("replay %s at %s: %w", d.ID, now.Format(time.RFC3339), err)
		}
		trail = append(trail, effects)
		apply(scene, effects)
	}
	return trail, fmt.Errorf("replay %s: no end after %d wakes", d.ID, maxWakes)
}

func replayWake(ctx context.Context, world World, scene *verifier.Scene, w *verifier.Watched, sources Backends, now time.Time) (verifier.Effects, error) {
	r := &Runner{Now: func() time.Time { return now }}
	v := w.Verification
	e := Judged{Verification: v.ID, Revision: v.Revision, Rules: w.Rules, Findings: v.Findings}
	if asksFor(v) {
		r.look(ctx, *w, world, sources, &e)
	}
	if e.Evidence != nil {
		w.Evidence = e.Evidence
	}
	if quiet(v, e, now) {
		return quietly(v, e, now), nil
	}
	return world.Step(scene, e, now)
}

// apply writes the effects into the scene, as the store does into the record.
func apply(s *verifier.Scene, e verifier.Effects) {
	for _, v := range e.Verifications {
		v.Revision++
		if i := slices.IndexFunc(s.Watches, func(w verifier.Verification) bool { return w.ID == v.ID }); i >= 0 {
			s.Watches[i] = v
		} else {
			s.Watches = append(s.Watches, v)
		}
		for i := range s.History {
			if p := &s.History[i]; p.Deploy.ID == v.ID {
				p.State, p.Baseline, p.Ended = v.State, v.Baseline, v.Ended
				if v.Rollback != nil {
					p.Rollback = v.Rollback.State
				}
			}
		}
		if v.FailedAt != nil && !slices.ContainsFunc(s.Failures, func(f verifier.Failure) bool { return f.Verification == v.ID }) {
			s.Failures = append(s.Failures, verifier.Failure{Verification: v.ID, Place: v.Deploy.Place, Group: v.Deploy.GroupOrID(), At: *v.FailedAt, Incident: v.Incident})
		}
	}
	for _, in := range e.Incidents {
		in.Revision++
		if i := slices.IndexFunc(s.Incidents, func(known verifier.Incident) bool { return known.ID == in.ID }); i >= 0 {
			s.Incidents[i] = in
		} else {
			s.Incidents = append(s.Incidents, in)
		}
	}
	s.Holds = append(s.Holds, e.Holds...)
}
