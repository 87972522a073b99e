package rules

import (
	"fmt"
	"time"

	"verifier"
)

const stepsToRecover = 2

// Recovered looks at the plain value of the steps since the verdict, without a test: it is back if at least two steps have data
// and the value is inside the limit (a count's scaled to that stretch) or inside the tolerance. Anything doubtful is not back.
func Recovered(r verifier.Rule, c verifier.Case, since, now time.Time) (ok bool, text string) {
	v := look(r, c)
	e := c.Arms[verifier.ArmDeployed]
	samples, problem := v.sound(e.Samples)
	if problem != "" || e.Trouble != "" || e.Partial != "" || e.Bounded != "" {
		return false, v.subject() + ": too little is known since " + v.clock(since)
	}
	v.start = since
	var judged []verifier.Sample
	for _, s := range samples {
		if !s.T.Add(-r.Every).Before(since) && !s.T.After(now) {
			judged = append(judged, s)
		}
	}
	judged = v.withoutSkipped(judged)
	v.after = judged
	value, known := v.plain(judged)
	if len(judged) < stepsToRecover || !known {
		return false, fmt.Sprintf("%s: %s with data since %s, too little data to tell", v.subject(), plural(len(judged), "step"), v.clock(since))
	}
	back := r.Limit != nil && v.insideLimit(*r.Limit, judged) || r.Compare != nil && v.insideTolerance(*r.Compare, value)
	word := "still over the limit"
	if back {
		word = "back inside the limit"
	}
	return back, fmt.Sprintf("%s: %s since %s, %s", v.subject(), v.quantity(value), v.clock(since), word)
}

// insideLimit holds the stretch against the limit.
func (v view) insideLimit(l verifier.Limit, samples []verifier.Sample) bool {
	if v.rule.Measure.Patterns != "" && l.New != nil {
		return v.patternsInside(l, samples)
	}
	if v.rule.Measure.Count == "" {
		var all sums
		for _, s := range samples {
			all.add(s, 1)
		}
		value, ok := all.value(v, len(samples))
		return ok && !crosses(l, value)
	}
	count := 0.0
	for _, s := range samples {
		count += s.Count
	}
	scale := float64(len(samples)) * float64(v.rule.Every) / float64(max(l.Within, v.rule.Every, 1))
	return !crosses(scaled(l, scale), count)
}

func scaled(l verifier.Limit, by float64) verifier.Limit {
	times := func(f *float64) *float64 {
		if f == nil {
			return nil
		}
		x := *f * by
		return &x
	}
	l.Above, l.Below, l.Equals = times(l.Above), times(l.Below), times(l.Equals)
	return l
}

// insideTolerance reports whether the value is inside what any baseline tolerates: it must be worse than each to be worse.
func (v view) insideTolerance(cmp verifier.Compare, value float64) bool {
	arms, _ := v.baselines(cmp)
	for _, a := range arms {
		inside := true
		for _, side := range directions(cmp.Worse) {
			inside = inside && !beyond(side, value, tolerated(cmp, side, a.base))
		}
		if inside {
			return true
		}
	}
	return false
}
