package lifecycle

import (
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/rules"
)

// judge makes the findings of a watch out of its evidence; their sentences tell times in the zone, nil is UTC. What was decided stays decided.
func judge(w verifier.Watched, evidence []verifier.Evidence, sources Backends, wait paces, zone *time.Location, now time.Time) []verifier.Finding {
	v := w.Verification
	findings := make([]verifier.Finding, 0, len(w.Rules))
	for _, r := range w.Rules {
		if i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == r.Name }); i >= 0 && v.Findings[i].Decided() {
			findings = append(findings, v.Findings[i])
			continue
		}
		if r.Measure.Results != "" {
			findings = append(findings, rules.JudgeResults(r, v.Results, v.From, v.Until, zone, now))
			continue
		}
		asOf := now
		if wait.later(r.Measure.Source, now) { // it does not end before its turn
			asOf = earlier(now, v.Until.Add(-time.Nanosecond))
		}
		put := func(c *verifier.Case) { c.Zone, c.Load = zone, loadFor(r, w.Rules, evidence) }
		c := caseOf(w, r, evidence, sources, asOf)
		put(&c)
		f := rules.Judge(r, c, now)
		if c.Ended {
			f = extended(w, r, evidence, sources, f, put, now)
		}
		if said := wait[r.Measure.Source].said; said != "" {
			f.Text = sentence(f.Text) + " " + sentence(said)
		}
		findings = append(findings, f)
	}
	return findings
}

// lagOf is how late the rule's source is; one that is gone from the configuration answers nothing any more.
func lagOf(sources Backends, r verifier.Rule) time.Duration {
	if s, ok := sources[r.Measure.Source]; ok {
		return s.Lag()
	}
	return 0
}

// caseOf is what one rule is judged by.
func caseOf(w verifier.Watched, r verifier.Rule, evidence []verifier.Evidence, sources Backends, now time.Time) verifier.Case {
	v, lag, apart := w.Verification, lagOf(sources, r), apartIn(sources, w.Verification, r)
	c := verifier.Case{
		Deploy: v.Deploy, From: v.From, Whole: wholeAt(v, changesOf(v)), Until: v.Until, Baseline: v.Baseline, Arms: map[verifier.Arm]verifier.Evidence{},
		Traffic: traffic(r, v, evidence, now), Noise: verifier.NoiseOf(w.Noise, v.Deploy.Service),
	}
	for _, j := range v.Joined {
		if !apart || len(j.Hosts) == 0 {
			c.Skip = append(c.Skip, verifier.Span{From: j.At, To: j.At.Add(r.Settle)})
		}
	}
	if !apart {
		c.Skip = append(c.Skip, unsettled(v, r)...)
	}
	for _, e := range evidence {
		if e.Rule == r.Name {
			c.Arms[e.Arm] = e
		}
	}
	deployed, asked := c.Arms[verifier.ArmDeployed]
	if !asked {
		deployed = verifier.Evidence{Rule: r.Name, Arm: verifier.ArmDeployed}
	}
	c.Ended = ended(v, r, deployed, lag, now)
	if c.Ended && deployed.Trouble == "" && deployed.Until.Before(floor(v.Until, r.Every)) && deployed.Partial == "" {
		deployed.Trouble = verifier.Lagging
		if !asked {
			deployed.Trouble, deployed.Problem = verifier.SourceGone, "no source named "+r.Measure.Source+" is configured any more"
		}
		c.Arms[verifier.ArmDeployed] = deployed
	}
	return c
}

// graceInTrouble is how long after the end of the watch a source that does not answer is waited for.
const graceInTrouble = 5 * time.Minute

// ended reports whether no more evidence will come for the rule: all steps were asked for, and once more a lag later, or the
// source has been waited for long enough.
func ended(v verifier.Verification, r verifier.Rule, deployed verifier.Evidence, lag time.Duration, now time.Time) bool {
	final := v.Until.Add(2 * lag)
	if now.Before(final) || v.Deploy.Status == verifier.Started { // more hosts are to come
		return false
	}
	if deployed.Trouble == "" && deployed.Partial == "" && !deployed.Again.Before(floor(v.Until, r.Every)) {
		return true
	}
	return !now.Before(final.Add(min(graceInTrouble, r.Watch)))
}

// traffic reports whether other evidence of the watch shows that requests still come: some other rule had data in its last steps.
func traffic(r verifier.Rule, v verifier.Verification, evidence []verifier.Evidence, now time.Time) bool {
	for _, e := range evidence {
		if e.Rule == r.Name || e.Arm != verifier.ArmDeployed || len(e.Samples) == 0 {
			continue
		}
		last := e.Samples[len(e.Samples)-1]
		if last.T.After(v.From.Add(r.Settle)) && e.Until.Sub(last.T) <= 2*r.Every && (last.Value > 0 || last.Exposure > 0) {
			return true
		}
	}
	return false
}

// recovered looks, at the end of a countdown, at the rules that asked for the rollback: all of them must be back.
func recovered(w verifier.Watched, evidence []verifier.Evidence, sources Backends, zone *time.Location, now time.Time) (bool, string) {
	v := w.Verification
	if !countsDown(&v) {
		return false, ""
	}
	since := *v.Rollback.ProposedAt // the verdict that asked for this rollback
	var texts []string
	for _, f := range v.Findings {
		if !f.RollsBack() {
			continue
		}
		r, ok := ruleNamed(w.Rules, f.Rule)
		if !ok {
			return false, "the rule " + f.Rule + " is gone"
		}
		c := caseOf(w, r, evidence, sources, now)
		c.Zone = zone
		back, text := rules.Recovered(r, c, since, now)
		texts = append(texts, text)
		if !back {
			return false, text
		}
	}
	return len(texts) > 0, strings.Join(texts, "; ")
}

// relapsed judges the rules that asked for a rollback anew, from when the last one was called off.
func relapsed(w verifier.Watched, evidence []verifier.Evidence, sources Backends, now time.Time) bool {
	v := w.Verification
	if v.Rollback == nil || v.Rollback.State != verifier.RollbackCancelled || v.Rollback.Reason != recoveredReason {
		return false
	}
	return slices.ContainsFunc(v.Findings, func(f verifier.Finding) bool {
		r, ok := ruleNamed(w.Rules, f.Rule)
		if !ok || !f.RollsBack() {
			return false
		}
		c := caseOf(w, r, evidence, sources, now)
		c.From, c.Ended = v.Rollback.At, false
		r.Settle = 0
		return rules.Judge(r, c, now).RollsBack()
	})
}

func ruleNamed(list []verifier.Rule, name string) (verifier.Rule, bool) {
	i := slices.IndexFunc(list, func(r verifier.Rule) bool { return r.Name == name })
	if i < 0 {
		return verifier.Rule{}, false
	}
	return list[i], true
}

// next is when the watch is looked at again: when the next step of any undecided rule is complete and it is its turn, or the last lag
// is over.
func next(w verifier.Watched, evidence []verifier.Evidence, findings []verifier.Finding, sources Backends, wait paces, now time.Time) time.Time {
	due := now.Add(time.Minute)
	for i, r := range w.Rules {
		if i < len(findings) && findings[i].Decided() && !findings[i].RollsBack() {
			continue
		}
		if r.Measure.Results != "" {
			due = earlier(due, latest(rules.ResultsUntil(r, w.Verification.From, w.Verification.Until), now.Add(r.Every)))
			continue
		}
		if wait.later(r.Measure.Source, now) {
			due = earlier(due, wait[r.Measure.Source].turn)
			continue
		}
		lag := lagOf(sources, r)
		due = earlier(due, nextOf(w.Verification, r, evidence, lag, now))
	}
	return due
}

func nextOf(v verifier.Verification, r verifier.Rule, evidence []verifier.Evidence, lag time.Duration, now time.Time) time.Time {
	at := floor(now.Add(-lag), r.Every).Add(r.Every).Add(lag)
	if at.After(v.Until.Add(lag)) {
		at = v.Until.Add(2 * lag)
	}
	i := slices.IndexFunc(evidence, func(e verifier.Evidence) bool {
		return e.Rule == r.Name && e.Arm == verifier.ArmDeployed && (e.Trouble != "" || e.Partial != "")
	})
	if i >= 0 || !at.After(now) {
		at = now.Add(max(r.Every, 100*time.Millisecond))
	}
	if r.Extend > 0 && !now.Before(v.Until.Add(2*lag)) {
		at = now.Add(slowly(r))
	}
	return at
}

// fillName fills the templates that a name in the catalogue may hold.
func fillName(name string, d verifier.Deploy) string {
	return strings.NewReplacer(
		"{{.Service}}", d.Service, "{{.Environment}}", d.Environment, "{{.Target}}", d.Target, "{{.Version}}", d.Version, "{{.Team}}", d.Team,
	).Replace(name)
}
