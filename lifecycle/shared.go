package lifecycle

import (
	"context"
	"slices"
	"time"

	"verifier"
	"verifier/rules"
)

const (
	sharedServices = 5                  // how many others are asked
	sharedSince    = 7 * 24 * time.Hour // they passed since
	sharedTimeout  = 10 * time.Second
)

// shared asks, before a rollback is proposed or sent, whether the failing rule is worse for services of the environment that
// nobody has deployed. It names those that are; nobody asked or no answer is nil, which denies nothing.
func (r *Runner) shared(ctx context.Context, w verifier.Watched, e Judged, sources Backends, world World) []string {
	v := w.Verification
	rule, ok := deciding(w, e, r.Now())
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	now := r.Now()
	before := earlier(now.Add(-rule.Watch), v.From) // a rollback that waited is sent long after its watch
	others, err := r.Store.PassedRecently(ctx, v.Deploy.Environment, now.Add(-sharedSince), before, 4*sharedServices)
	r.failed("look for other services", err)
	var worse []string
	asked := 0
	for _, other := range others {
		if asked == sharedServices || ctx.Err() != nil {
			break
		}
		if related(world.Catalogue, other.Deploy.Place, v.Deploy.Place) || other.Deploy.GroupOrID() == v.Deploy.GroupOrID() || !rule.Select.Matches(other.Deploy) {
			continue
		}
		asked++
		if worseElsewhere(ctx, w, other, rule, sources, world, now) {
			worse = append(worse, other.Deploy.Service)
		}
	}
	slices.Sort(worse)
	return slices.Compact(worse)
}

// deciding is the failing rule on which a rollback is about to be proposed or sent.
func deciding(w verifier.Watched, e Judged, now time.Time) (verifier.Rule, bool) {
	v := w.Verification
	r := v.Rollback
	about := r == nil || r.State == verifier.RollbackApproved && r.SendAt != nil && !now.Before(*r.SendAt) && !e.Recovered || e.Relapsed
	if !about {
		return verifier.Rule{}, false
	}
	for _, f := range e.Findings {
		if f.RollsBack() {
			return ruleNamed(w.Rules, f.Rule)
		}
	}
	return verifier.Rule{}, false
}

// worseElsewhere judges the rule for another service over the same stretches.
func worseElsewhere(ctx context.Context, of verifier.Watched, other verifier.Verification, rule verifier.Rule, sources Backends, world World, now time.Time) bool {
	v := of.Verification
	as := verifier.Verification{
		ID: other.ID, Deploy: other.Deploy, State: verifier.Observing, From: v.From, Until: v.Until, Baseline: v.Baseline,
	}
	as.Deploy.Hosts = nil
	if v.Baseline != nil {
		before := *v.Baseline
		before.Version = other.Deploy.Version
		as.Baseline = &before
	}
	w := verifier.Watched{Verification: as, Rules: []verifier.Rule{rule}, Noise: of.Noise}
	d := other.Deploy
	evidence, _, _ := gather(ctx, w, world.Catalogue.Service(d.Place, d.Team), sources, true, now)
	return rules.Judge(rule, caseOf(w, rule, evidence, sources, now), now).RollsBack()
}
