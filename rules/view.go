package rules

import (
	"cmp"
	"math"
	"slices"
	"time"

	"verifier"
)

// view is what one rule sees of a case: the judged steps, and what is wrong with the rest.
type view struct {
	rule  verifier.Rule
	c     verifier.Case
	start time.Time         // steps that start earlier are not judged
	after []verifier.Sample // judged steps of the deployed version

	trouble verifier.Reason
	problem string
	partial bool
	ended   bool // no more evidence will come

	trials   bool // events counted among an exposure; else per step
	scatter  bool // that exposure is only what their scatter tells
	count    float64
	exposure float64
}

func look(r verifier.Rule, c verifier.Case) view {
	deployed := c.Arms[verifier.ArmDeployed]
	v := view{rule: r, c: c, start: c.From.Add(r.Settle), trouble: deployed.Trouble, problem: deployed.Problem}
	samples, problem := v.sound(deployed.Samples)
	if problem != "" {
		v.trouble, v.problem = verifier.BadData, problem
	}
	if partial := cmp.Or(deployed.Partial, deployed.Bounded); partial != "" {
		v.partial = true
		if v.trouble == "" {
			v.trouble, v.problem = verifier.PartialData, partial
		}
	}
	if r.Measure.Ratio != nil && !v.exposed() {
		v = v.counted()
		samples = v.c.Arms[verifier.ArmDeployed].Samples[:len(samples)]
	}
	v.after = v.judged(samples)
	reached := deployed.Until.Add(r.Every).After(c.Until)
	v.ended = c.Ended
	if v.ended && v.trouble == "" && !reached {
		v.trouble, v.problem = verifier.Lagging, "answered only up to "+v.clock(deployed.Until)
	}
	for _, s := range v.after {
		v.count += s.Count
		v.exposure += s.Exposure
	}
	v.trials = r.Measure.Ratio != nil || v.exposed() && (r.Measure.Counts() || r.Measure.Patterns != "")
	return v
}

// exposed reports whether any arm says what its events are counted among.
func (v view) exposed() bool {
	for _, e := range v.c.Arms {
		if hasExposure(e.Samples) {
			return true
		}
	}
	return false
}

// judged are the samples of steps that lie after the settling and within the watch.
func (v view) judged(samples []verifier.Sample) []verifier.Sample {
	from, to := 0, len(samples)
	for from < to && samples[from].T.Add(-v.rule.Every).Before(v.start) {
		from++
	}
	for to > from && samples[to-1].T.After(v.c.Until) {
		to--
	}
	return v.withoutSkipped(samples[from:to])
}

func (v view) withoutSkipped(samples []verifier.Sample) []verifier.Sample {
	if len(v.c.Skip) == 0 {
		return samples
	}
	return slices.DeleteFunc(slices.Clone(samples), func(s verifier.Sample) bool {
		return slices.ContainsFunc(v.c.Skip, func(skip verifier.Span) bool { return skip.Overlaps(s.T.Add(-v.rule.Every), s.T) })
	})
}

// baseline is the evidence of an arm that can be compared with; why says what is wrong with one that cannot.
func (v view) baseline(arm verifier.Arm) (samples []verifier.Sample, why verifier.Reason, problem string) {
	e, ok := v.c.Arms[arm]
	if !ok {
		return nil, verifier.NoBaseline, ""
	}
	samples, problem = v.sound(e.Samples)
	switch {
	case problem != "":
		return nil, verifier.BadData, problem
	case e.Partial != "" || e.Bounded != "":
		return nil, verifier.PartialData, cmp.Or(e.Partial, e.Bounded)
	case aligned(arm):
		samples = v.judged(samples)
	}
	if len(samples) == 0 && e.Trouble != "" {
		return nil, e.Trouble, e.Problem
	}
	if len(samples) == 0 {
		return nil, verifier.NoBaseline, ""
	}
	return samples, "", ""
}

// enough reports whether so much was seen that a crossing counts.
func (v view) enough(samples int, exposure float64) bool {
	return samples >= v.rule.MinSamples && (!v.trials || exposure >= v.rule.MinExposure)
}

// steps is how many steps are judged in the whole watch.
func (v view) steps() int {
	if v.rule.Every <= 0 {
		return 1
	}
	return max(1, int(v.c.Until.Sub(v.start)/v.rule.Every))
}

func hasExposure(samples []verifier.Sample) bool {
	for _, s := range samples {
		if s.Exposure > 0 {
			return true
		}
	}
	return false
}

// roundingSlack lets PromQL's increase() extrapolate the events of a ratio a little further than what they are counted among.
const roundingSlack = 1.1

// Larger ones are mistakes of the query, and their sums no numbers.
const (
	mostValue = 1e100
	mostCount = 1e15
)

// sound is the samples up to the first that cannot be believed, and what is wrong with that one.
func (v view) sound(samples []verifier.Sample) ([]verifier.Sample, string) {
	for i, s := range samples {
		problem := ""
		switch {
		case !finite(s.Value) || !finite(s.Count) || !finite(s.Exposure):
			problem = "a value that is no number"
		case max(s.Value, -s.Value) > mostValue || s.Count > mostCount || s.Exposure > mostCount:
			problem = "a value beyond all measure"
		case s.Count < 0 || s.Exposure < 0:
			problem = "a negative count"
		case v.rule.Measure.Ratio != nil && s.Exposure == 0 && s.Count > 0,
			s.Exposure > 0 && s.Count > s.Exposure*roundingSlack:
			problem = number(s.Count) + " events among " + number(s.Exposure)
		case i > 0 && !s.T.After(samples[i-1].T):
			problem = "steps out of order"
		}
		if problem != "" {
			return samples[:i], problem + " at " + v.clock(s.T)
		}
	}
	return samples, ""
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
