package rules

import (
	"slices"
	"time"

	"verifier"
	"verifier/stats"
)

// match is how the deployed version stands against one baseline (or, for values, all of them) in one direction.
type match struct {
	worse  bool // surely worse than is tolerated, at some look
	inside bool // surely inside the tolerance now
	fine   bool // nothing speaks for worse, and a clear change would have been seen

	width int       // of the window that was worse, in steps
	to    time.Time // its end
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
	said := ruling{baseline: &arms[0].base}
	if _, ok := v.plain(v.after); !ok {
		said.outcome, said.reason, said.text = verifier.Inconclusive, verifier.TooLittleData, v.subject()+": no data "+v.afterText()+" to compare"
		return said
	}
	worse, inside, fine := verifier.Worse(""), true, true
	sides := directions(cmp.Worse)
	for _, side := range sides {
		matches := v.matches(cmp, side, arms, v.alpha()/float64(len(sides)))
		if every(matches, func(m match) bool { return m.worse }) {
			worse = side
			v = v.window(matches[0], tolerated(cmp, side, arms[0].base), side)
			arms = v.alongside(arms)
		}
		inside = inside && slices.ContainsFunc(matches, func(m match) bool { return m.inside })
		fine = fine && slices.ContainsFunc(matches, func(m match) bool { return m.fine })
	}
	value, _ := v.plain(v.after)
	said.value = &value
	said.outcome, said.reason = v.comparison(worse != "", inside, fine)
	side := worse
	if side == "" {
		side = v.sideOf(sides, value, arms[0].base)
	}
	at := arms[0]
	if said.outcome == verifier.Pass {
		at = widest(cmp, side, arms) // it must be worse than each to be worse
	}
	bound := tolerated(cmp, side, at.base)
	said.baseline, said.limit = &at.base, &bound
	said.chance = said.outcome == verifier.Pass && beyond(side, value, bound)
	said.text = v.compareText(said, arms)
	if said.outcome == verifier.Inconclusive {
		said.text += v.lacking(cmp, side, arms)
	}
	return said
}

// sideOf is the direction in which a value lies.
func (v view) sideOf(sides []verifier.Worse, value, base float64) verifier.Worse {
	if len(sides) > 1 && value < base {
		return verifier.Lower
	}
	return sides[0]
}

// widest is the baseline that tolerates the most.
func widest(cmp verifier.Compare, side verifier.Worse, arms []against) against {
	return slices.MaxFunc(arms, func(a, b against) int {
		x, y := tolerated(cmp, side, a.base), tolerated(cmp, side, b.base)
		if side == verifier.Lower {
			x, y = -x, -y
		}
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// window is the view of the steps that were worse, where the whole watch does not show it: it was better before or is again.
func (v view) window(m match, bound float64, side verifier.Worse) view {
	if all, ok := v.plain(v.after); ok && beyond(side, all, bound) {
		return v
	}
	to := len(v.after)
	for to > 1 && v.after[to-1].T.After(m.to) {
		to--
	}
	v.after = v.after[max(to-m.width, 0):to]
	v.count, v.exposure = 0, 0
	for _, s := range v.after {
		v.count += s.Count
		v.exposure += s.Exposure
	}
	return v
}

// alongside is the same baselines, those of the watch's own steps cut to the steps that this view has: what was compared is what is said.
func (v view) alongside(arms []against) []against {
	from, to := v.times(v.after)
	out := slices.Clone(arms)
	for i, a := range arms {
		if !aligned(a.arm) {
			continue
		}
		samples := slices.DeleteFunc(slices.Clone(a.samples), func(s verifier.Sample) bool { return !s.T.After(from) || s.T.After(to) })
		if base, ok := v.plain(samples); ok {
			out[i] = against{a.arm, samples, base}
		}
	}
	return out
}

// comparison is the outcome. Looking again and again is paid for; a change that begins late is not seen by passing early, so
// that waits for the middle of the watch over all hosts.
func (v view) comparison(worse, inside, fine bool) (verifier.Outcome, verifier.Reason) {
	last := v.after[len(v.after)-1].T
	start := v.start
	if whole := v.c.Whole.Add(v.rule.Settle); whole.After(start) {
		start = whole
	}
	halfway := last.Sub(start) >= v.c.Until.Sub(start)/2
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
		coming = coming || !v.c.Arms[arm].Settled && (arm == verifier.ArmPeers || v.c.Baseline != nil)
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

// matches holds the deployed version against each baseline, by the kind of data. Stretches of another day are held against step by
// step, each by itself: a morning is compared with a morning.
func (v view) matches(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) []match {
	var now []against
	var out []match
	for _, a := range arms {
		if !aligned(a.arm) || a.arm == verifier.ArmPeers {
			now = append(now, a)
			continue
		}
		out = append(out, v.matchesOf(cmp, side, []against{{verifier.ArmPeers, a.samples, a.base}}, alpha)...)
	}
	if len(now) > 0 {
		out = append(v.matchesOf(cmp, side, now, alpha), out...)
	}
	return out
}

// aligned reports whether the arm's steps are those of the watch: of others at the same time, or of another day.
func aligned(arm verifier.Arm) bool { return arm != verifier.ArmBefore }

// matchesOf holds values against all at once, and counts against each.
func (v view) matchesOf(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) []match {
	if !v.rule.Measure.Counts() {
		return []match{v.valueMatch(cmp, side, arms, alpha)}
	}
	among, ok := v.loaded()
	if !ok {
		return v.countMatches(cmp, side, arms, alpha)
	}
	found := among.countMatches(cmp, side, among.rearmed(arms), alpha)
	fixed := slices.DeleteFunc(slices.Clone(arms), func(a against) bool { return aligned(a.arm) })
	return both(found, v.countMatches(cmp, side, fixed, alpha))
}

// both is worse where events are more among the requests and more by the step too: requests may be more, and what is written
// without any request does not grow with them.
func both(among, steps []match) []match {
	for i := range among {
		among[i].worse = among[i].worse && !slices.ContainsFunc(steps, func(m match) bool { return !m.worse })
	}
	return among
}

// rearmed is the same baselines with the samples that this view has of them.
func (v view) rearmed(arms []against) []against {
	var out []against
	for _, a := range arms {
		if samples, why, _ := v.baseline(a.arm); why == "" {
			if base, ok := v.plain(samples); ok {
				out = append(out, against{a.arm, samples, base})
			}
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

func beyond(side verifier.Worse, value, bound float64) bool {
	if side == verifier.Lower {
		return value < bound
	}
	return value > bound
}
