package rules

import (
	"slices"

	"verifier"
	"verifier/stats"
)

// match is how the deployed version stands against one baseline (or, for values, all of them) in one direction.
type match struct {
	worse  bool // surely worse than is tolerated, at some look
	inside bool // surely inside the tolerance now
	fine   bool // nothing speaks for worse, and a clear change would have been seen
}

// against is one baseline with its samples.
type against struct {
	arm     verifier.Arm
	samples []verifier.Sample
	base    float64 // its plain value
}

func (v view) judgeCompare(cmp verifier.Compare) ruling {
	arms, missing := v.baselines(cmp)
	if len(arms) == 0 {
		return missing
	}
	value, ok := v.plain(v.after)
	said := ruling{baseline: &arms[0].base}
	if !ok {
		said.outcome, said.reason, said.text = verifier.Inconclusive, verifier.TooLittleData, v.subject()+": no data "+v.afterText()+" to compare"
		return said
	}
	said.value = &value
	worse, inside, fine := verifier.Worse(""), true, true
	sides := directions(cmp.Worse)
	for _, side := range sides {
		matches := v.matches(cmp, side, arms, v.alpha()/float64(len(sides)))
		if every(matches, func(m match) bool { return m.worse }) {
			worse = side
		}
		inside = inside && slices.ContainsFunc(matches, func(m match) bool { return m.inside })
		fine = fine && slices.ContainsFunc(matches, func(m match) bool { return m.fine })
	}
	side := worse
	if side == "" {
		side = sides[0]
	}
	tolerated := tolerated(cmp, side, arms[0].base)
	said.limit = &tolerated
	said.outcome, said.reason = v.comparison(worse != "", inside, fine)
	said.text = v.compareText(said, arms)
	return said
}

// comparison is the outcome. Looking again and again is paid for; a change that begins late is not seen by passing early, so
// that waits for the middle of the watch.
func (v view) comparison(worse, inside, fine bool) (verifier.Outcome, verifier.Reason) {
	last := v.after[len(v.after)-1].T
	halfway := last.Sub(v.start) >= v.c.Until.Sub(v.start)/2
	switch {
	case worse && !v.partial:
		return verifier.Fail, verifier.IsWorse
	case inside && halfway && !v.partial, fine && v.ended:
		return verifier.Pass, ""
	case v.ended:
		return verifier.Inconclusive, verifier.TooLittleData
	}
	return verifier.Pending, ""
}

// baselines are the arms that can be compared with, or else why there are none.
func (v view) baselines(cmp verifier.Compare) ([]against, ruling) {
	var arms []against
	reason, problem, coming := verifier.NoBaseline, "", false
	for _, arm := range cmp.With {
		samples, why, what := v.baseline(arm)
		if why == "" {
			if base, ok := v.plain(samples); ok {
				arms = append(arms, against{arm, samples, base})
			}
			continue
		}
		if why != verifier.NoBaseline {
			reason, problem = why, what
		}
		coming = coming || !v.c.Arms[arm].Settled && (arm != verifier.ArmBefore || v.c.Baseline != nil)
	}
	switch {
	case len(arms) > 0:
		return arms, ruling{}
	case coming && !v.ended:
		return nil, pending(v.subject() + ": waiting for what to compare with")
	case reason == verifier.NoBaseline:
		return nil, inconclusive(reason, v.subject()+": nothing to compare "+v.version()+" with: "+v.whyNoBaseline(cmp))
	}
	return nil, inconclusive(reason, v.subject()+": what to compare with could not be read: "+problem)
}

// matches holds the deployed version against each baseline. Values are held against all at once.
func (v view) matches(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) []match {
	if !v.rule.Measure.Counts() {
		return []match{v.exceedance(cmp, side, arms, alpha)}
	}
	f := v.frame(cmp, side)
	weight := 1.0
	for _, a := range arms {
		if a.arm == verifier.ArmBefore {
			weight = 1 / f.dispersion(a.samples)
		}
	}
	var out []match
	for _, a := range arms {
		if a.arm == verifier.ArmPeers {
			out = append(out, v.againstPeers(f, a.samples, alpha, weight))
		} else {
			out = append(out, v.againstFixed(f, a.samples, alpha, weight))
		}
	}
	return out
}

// plain is the value of a stretch: the ratio of the sums, the mean count of a step, the median of values.
func (v view) plain(samples []verifier.Sample) (float64, bool) {
	if len(samples) == 0 {
		return 0, false
	}
	if !v.rule.Measure.Counts() {
		return stats.Median(values(samples)), true
	}
	count, exposure := 0.0, 0.0
	for _, s := range samples {
		count += s.Count
		exposure += s.Exposure
	}
	if v.trials {
		return min(count/exposure, 1), exposure > 0
	}
	return count / float64(len(samples)), true
}

// tolerated is how far a value may go from its baseline: a change must exceed both tolerances.
func tolerated(cmp verifier.Compare, side verifier.Worse, base float64) float64 {
	room := max(cmp.Tolerate*max(base, -base), cmp.AtLeast)
	if side == verifier.Lower {
		return base - room
	}
	return base + room
}

func directions(w verifier.Worse) []verifier.Worse {
	if w == verifier.Either {
		return []verifier.Worse{verifier.Higher, verifier.Lower}
	}
	if w == verifier.Lower {
		return []verifier.Worse{verifier.Lower}
	}
	return []verifier.Worse{verifier.Higher}
}

// alpha is the chance of a false alarm that the rule may have.
func (v view) alpha() float64 {
	if c := v.rule.Confidence; c > 0 && c < 1 {
		return 1 - c
	}
	return 0.01
}

func values(samples []verifier.Sample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s.Value
	}
	return out
}

func every(matches []match, is func(match) bool) bool {
	return len(matches) > 0 && !slices.ContainsFunc(matches, func(m match) bool { return !is(m) })
}
