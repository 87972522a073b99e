package lifecycle

import (
	"slices"
	"time"

	"verifier"
)

const week = 7 * 24 * time.Hour

// askOtherDays asks, once, for the steps of the whole watch as they were a week earlier, and after the deploy before.
func askOtherDays(v verifier.Verification, r verifier.Rule, s verifier.Subject, source Backend, now time.Time, of func(verifier.Arm) *verifier.Evidence) []asking {
	if now.Before(v.From.Add(r.Settle + source.Lag())) {
		return nil
	}
	s.Version, s.Hosts = "", nil
	start, end := floor(v.From, r.Every), floor(v.Until, r.Every)
	var out []asking
	ask := func(arm verifier.Arm, back time.Duration) {
		if e := of(arm); !e.Settled && !end.Add(-back).After(now) {
			out = append(out, asking{question: question(r, s, start.Add(-back), end.Add(-back)), into: e, fixed: true, back: back})
		}
	}
	if comparesWith(r, verifier.ArmLastWeek) {
		ask(verifier.ArmLastWeek, floorBy(week, r.Every))
	}
	if comparesWith(r, verifier.ArmLastDeploy) && v.Baseline != nil && !v.Baseline.Since.IsZero() {
		s.Version = v.Baseline.Version
		ask(verifier.ArmLastDeploy, start.Sub(floor(v.Baseline.Since, r.Every)))
	}
	return out
}

// floorBy is the largest multiple of the step that is not longer.
func floorBy(d, step time.Duration) time.Duration {
	if step <= 0 {
		return d
	}
	return d.Truncate(step)
}

// askBefore asks for the baseline at the first wake after settle and lag.
func askBefore(v verifier.Verification, r verifier.Rule, s verifier.Subject, source Backend, now time.Time, of func(verifier.Arm) *verifier.Evidence) (asking, bool) {
	if v.Baseline == nil || now.Before(v.From.Add(r.Settle+source.Lag())) {
		return asking{}, false
	}
	e := of(verifier.ArmBefore)
	if e.Settled {
		return asking{}, false
	}
	from := v.Baseline.From
	if earliest := v.Baseline.Until.Add(-overOf(r)); earliest.After(from) {
		from = earliest
	}
	from, to := ceil(from, r.Every), floor(v.Baseline.Until, r.Every)
	if !to.After(from) {
		e.Settled = true
		return asking{}, false
	}
	s.Version = v.Baseline.Version
	s.Hosts = nil
	return asking{question: question(r, s, from, to), into: e, fixed: true}, true
}

// moved is a question and its answer so much later.
func moved(q verifier.Question, answer verifier.Answer, by time.Duration) (verifier.Question, verifier.Answer) {
	q.From, q.To = q.From.Add(by), q.To.Add(by)
	answer.Samples = slices.Clone(answer.Samples)
	for i := range answer.Samples {
		answer.Samples[i].T = answer.Samples[i].T.Add(by)
	}
	if !answer.Until.IsZero() {
		answer.Until = answer.Until.Add(by)
	}
	answer.Skipped, answer.Absent = nil, "" // they are about another day
	return q, answer
}
