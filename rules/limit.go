package rules

import (
	"cmp"
	"time"

	"verifier"
)

// window is a stretch of steps and what its value is.
type window struct {
	from, to time.Time
	value    float64
}

// crossing is what a limit found in a series.
type crossing struct {
	first *window // that failed it: the newest of a run that held for as long as the limit says
	worst *window // of all that held so long, the one that came nearest
	peak  *window // that came nearest, whether it held or not
}

func (v view) judgeLimit(l verifier.Limit) ruling {
	found := v.cross(l, v.after, v.c.Until, v.enough)
	said := ruling{limit: bound(l, found)}
	if w := found.first; w != nil && !(v.partial && v.misleads(l)) {
		said.outcome, said.reason = verifier.Fail, verifier.LimitCrossed
		said.value, said.from, said.to = &w.value, w.from, w.to
		said.before = v.crossedBefore(l)
		said.text = v.limitText(l, *w, said)
		return said
	}
	nearest := cmp.Or(found.worst, found.peak)
	if nearest != nil {
		said.value = &nearest.value
	}
	if !v.ended {
		said.outcome, said.text = verifier.Pending, v.limitSoFar(l, nearest)
		return said
	}
	if found.worst == nil {
		return inconclusive(verifier.TooLittleData, v.subject()+": "+v.tooShort(l))
	}
	said.outcome, said.text = verifier.Pass, v.limitKept(l, found, said)
	return said
}

// misleads reports whether an answer that lacks a part could cross the limit by that alone: a count that is too high already is not.
func (v view) misleads(l verifier.Limit) bool {
	return v.rule.Measure.Count == "" || l.Above == nil || l.Below != nil || l.Equals != nil
}

// crossedBefore reports whether the stretch before the deploy crossed the limit in any such window.
func (v view) crossedBefore(l verifier.Limit) bool {
	samples, why, _ := v.baseline(verifier.ArmBefore)
	if why != "" {
		return false
	}
	return v.cross(l, samples, v.c.Arms[verifier.ArmBefore].Until, func(int, float64) bool { return true }).first != nil
}

// cross slides the limit's window over the samples.
func (v view) cross(l verifier.Limit, samples []verifier.Sample, until time.Time, enough func(int, float64) bool) crossing {
	var found crossing
	if len(samples) == 0 {
		return found
	}
	rhythm := v.rhythm()
	start := samples[0].T.Add(-v.rule.Every)
	within := max(l.Within, v.rule.Every, 1)
	whole := min(within, max(until.Sub(start), 0).Truncate(max(v.rule.Every, 1)))
	var sums sums
	first, seen := 0, 0.0
	run := run{limit: l}
	for i, s := range samples {
		sums.add(s, 1)
		seen += s.Exposure
		for !samples[first].T.After(s.T.Add(-within)) {
			sums.add(samples[first], -1)
			first++
		}
		value, ok := sums.value(v, i-first+1)
		full := s.T.Sub(start) >= whole && (!v.sumLacks(l) || sums.steps >= int(rhythm.share*float64(whole/max(v.rule.Every, 1))))
		if !ok || !full && (v.rule.Measure.Count == "" || v.sumLacks(l)) {
			continue // an average needs its window; a count that is too high already will not fall
		}
		w := window{samples[first].T.Add(-v.rule.Every), s.T, value}
		if found.peak == nil || nearer(l, value, found.peak.value) {
			found.peak = &w
		}
		if !enough(i+1, seen) {
			run = run.anew()
			continue
		}
		held := run.take(w, v.stands(samples, i, rhythm))
		if held == nil {
			continue
		}
		if found.worst == nil || nearer(l, held.value, found.worst.value) {
			found.worst = held
		}
		if crosses(l, held.value) {
			found.first = &w
			return found
		}
	}
	return found
}

// sumLacks reports whether a count that lacks steps may cross the limit by that alone.
func (v view) sumLacks(l verifier.Limit) bool {
	return v.rule.Measure.Count != "" && (l.Below != nil || l.Equals != nil)
}

// stands is how long a value stands for: its step, and the time since the value before where the series is known to have no more of
// them. A step that is missing neither ends a run nor makes it longer.
func (v view) stands(samples []verifier.Sample, i int, r rhythm) time.Duration {
	own := time.Duration(samples[i].Width()) * v.rule.Every
	if i == 0 {
		return own
	}
	return max(own, min(samples[i].T.Sub(samples[i-1].T), time.Duration(r.cadence*float64(v.rule.Every))))
}

// sums are the sums of a window.
type sums struct {
	count, exposure, values float64
	steps                   int
}

func (a *sums) add(s verifier.Sample, sign float64) {
	a.count += sign * s.Count
	a.exposure += sign * s.Exposure
	a.values += sign * s.Value
	a.steps += int(sign) * s.Width()
}

// value is what the limit looks at: counts are summed, ratios are of sums, values are averaged.
func (a *sums) value(v view, n int) (float64, bool) {
	switch {
	case v.rule.Measure.Ratio != nil:
		return min(a.count/a.exposure, 1), a.exposure > 0
	case v.rule.Measure.Count != "":
		return a.count, true
	}
	return a.values / float64(n), n > 0
}

func crosses(l verifier.Limit, value float64) bool {
	switch {
	case l.Above != nil && value > *l.Above, l.Below != nil && value < *l.Below:
		return true
	case l.Equals != nil && value != *l.Equals, l.Exit != nil && value != float64(*l.Exit):
		return true
	}
	return l.New != nil && value > float64(*l.New)
}

// nearer reports whether a comes nearer to crossing than b, or crosses further.
func nearer(l verifier.Limit, a, b float64) bool {
	switch {
	case crosses(l, a) != crosses(l, b):
		return crosses(l, a)
	case l.Above != nil || l.New != nil:
		return a > b
	case l.Below != nil:
		return a < b
	}
	return false
}

// bound is the limit as one number: the side that was crossed, or came nearest.
func bound(l verifier.Limit, found crossing) *float64 {
	switch {
	case l.Above != nil && l.Below != nil && found.first != nil && found.first.value < *l.Below:
		return l.Below
	case l.Above != nil:
		return l.Above
	case l.Below != nil:
		return l.Below
	case l.Equals != nil:
		return l.Equals
	case l.Exit != nil:
		return number64(*l.Exit)
	case l.New != nil:
		return number64(*l.New)
	}
	return nil
}

func number64(n int) *float64 {
	f := float64(n)
	return &f
}
