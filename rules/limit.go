package rules

import (
	"time"

	"verifier"
)

// window is a stretch of steps and what its value is.
type window struct {
	from, to time.Time
	value    float64
}

// crossing is what a limit found in a series: the first window that failed it, and the one that came nearest.
type crossing struct {
	first, worst *window
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
	if w := found.worst; w != nil {
		said.value = &w.value
	}
	if !v.ended {
		said.outcome, said.text = verifier.Pending, v.limitSoFar(l, found.worst)
		return said
	}
	if found.worst == nil {
		return inconclusive(verifier.TooLittleData, v.subject()+": too little data "+v.afterText()+" to hold against the limit")
	}
	said.outcome, said.text = verifier.Pass, v.limitKept(l, *found.worst, said)
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
	start := samples[0].T.Add(-v.rule.Every)
	within := max(l.Within, v.rule.Every, 1)
	whole := min(within, max(until.Sub(start), 0).Truncate(max(v.rule.Every, 1)))
	var sums sums
	first, seen := 0, 0.0
	var since, last time.Time // of the present run of crossing windows
	for i, s := range samples {
		sums.add(s, 1)
		seen += s.Exposure
		for !samples[first].T.After(s.T.Add(-within)) {
			sums.add(samples[first], -1)
			first++
		}
		if s.T.Sub(last) > v.rule.Every {
			since = time.Time{}
		}
		last = s.T
		value, ok := sums.value(v, i-first+1)
		if !ok {
			continue
		}
		w := window{samples[first].T.Add(-v.rule.Every), s.T, value}
		full := s.T.Sub(start) >= whole
		if !full && !(v.rule.Measure.Count != "" && l.Below == nil) {
			continue // an average needs its window; a count that is too high already will not fall
		}
		if found.worst == nil || nearer(l, value, found.worst.value) {
			found.worst = &w
		}
		if !crosses(l, value) || !enough(i+1, seen) {
			since = time.Time{}
			continue
		}
		if since.IsZero() {
			since = s.T.Add(-v.rule.Every)
		}
		if s.T.Sub(since) >= l.For {
			found.first = &w
			return found
		}
	}
	return found
}

// sums are the sums of a window.
type sums struct{ count, exposure, values float64 }

func (a *sums) add(s verifier.Sample, sign float64) {
	a.count += sign * s.Count
	a.exposure += sign * s.Exposure
	a.values += sign * s.Value
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
