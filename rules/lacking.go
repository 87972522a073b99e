package rules

import (
	stdcmp "cmp"
	"fmt"
	"math"
	"strings"

	"verifier"
	"verifier/stats"
	"verifier/words"
)

// scales are how many times as much data is tried in order to say how much is needed.
var scales = []float64{1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000}

// lacking says which side of a comparison that could not tell is too small, and about how much it takes.
func (v view) lacking(cmp verifier.Compare, side verifier.Worse, arms []against) string {
	least := arms[0]
	for _, a := range arms[1:] {
		if v.size(a.samples) < v.size(least.samples) {
			least = a
		}
	}
	now, base := v.size(v.after), v.size(least.samples)
	after, before := 0.0, 0.0
	switch {
	case v.rule.Measure.Counts() && v.trials:
		after, before = v.enoughOf(cmp, side, least)
	case !v.rule.Measure.Counts() && now < fewValues:
		after = fewValues
	}
	both := v.amount(now) + " " + v.afterText() + " and " + number(base) + " " + whose(least.arm)
	switch {
	case after == 0 && before == 0 || after > now && before > base:
		text := ": " + both + " are too few"
		if after > 0 {
			text += ", about " + number(after) + " and " + number(before) + " are needed"
		}
		return text
	case before > base:
		return ": " + v.tooFew(base, whose(least.arm), before)
	}
	return ": " + v.tooFew(now, v.afterText(), after)
}

// size is how much a stretch holds: events counted among so many, else steps.
func (v view) size(samples []verifier.Sample) float64 {
	if !v.trials || v.scatter {
		return float64(stepsOf(samples))
	}
	sum := 0.0
	for _, s := range samples {
		sum += s.Exposure
	}
	return sum
}

// amount is so much data: events counted among, or steps.
func (v view) amount(n float64) string {
	if v.trials && !v.scatter {
		return words.Count(int(n), strings.TrimSuffix(v.among(), "s"))
	}
	return words.CountOf(int(n), "step with data", "steps with data")
}

func (v view) tooFew(n float64, whose string, need float64) string {
	return fmt.Sprintf("%s %s %s too few, about %s are needed", v.amount(n), whose, firstOf(int(n) == 1, "is", "are"), number(need))
}

// enoughOf is how much would settle the matter if the rates stayed: of one side alone where that does it (the other is 0), else of
// both; 0 and 0 where no amount would.
func (v view) enoughOf(cmp verifier.Compare, side verifier.Worse, base against) (after, before float64) {
	f := v.frame(cmp, side)
	a, b := f.sum(v.after), f.sum(base.samples)
	value, _ := v.plain(v.after)
	worse := beyond(side, value, tolerated(cmp, side, base.base))
	level := v.alpha() * stretchCounts * stats.NewScan(v.steps()).Growing()
	settled := func(a, b arm) bool {
		if worse {
			return f.worst(a, b, 1) <= level
		}
		return f.worst(a, b, 1) > suspicious && f.precise(a, b, 1)
	}
	for _, k := range scales {
		switch {
		case settled(a, b.times(k)):
			return 0, rounded(k * b.n)
		case settled(a.times(k), b):
			return rounded(k * a.n), 0
		case settled(a.times(k), b.times(k)):
			after, before = stdcmp.Or(after, rounded(k*a.n)), stdcmp.Or(before, rounded(k*b.n))
		}
	}
	return after, before
}

func (a arm) times(k float64) arm { return arm{a.x * k, a.n * k} }

// rounded is a number to one digit, upwards: it is an estimate.
func rounded(n float64) float64 {
	if n < 10 {
		return math.Ceil(n)
	}
	unit := math.Pow(10, math.Floor(math.Log10(n)))
	return math.Ceil(n/unit) * unit
}
