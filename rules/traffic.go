package rules

import (
	"slices"

	"verifier"
)

// requests are the requests of each step of an arm, where other evidence of the watch tells them.
func (v view) requests(arm verifier.Arm) map[int64]float64 {
	out := map[int64]float64{}
	for _, s := range v.c.Load[arm] {
		out[s.T.UnixNano()] = s.Value
	}
	return out
}

// usualLoad is the requests of a step before the deploy, 0 where they are not known.
func (v view) usualLoad() float64 {
	sum, before := 0.0, v.c.Load[verifier.ArmBefore]
	for _, s := range before {
		sum += s.Value / float64(len(before))
	}
	return sum
}

// thick is the judged steps with enough requests to mean something, where their number is known.
func (v view) thick() []verifier.Sample {
	requests := v.requests(verifier.ArmDeployed)
	if len(requests) == 0 {
		return v.after
	}
	return slices.DeleteFunc(slices.Clone(v.after), func(s verifier.Sample) bool {
		n, known := requests[s.T.UnixNano()]
		return known && n < fewRequests
	})
}

// loaded is the view with counts among the requests of their steps, for a count that nothing is known of but its steps; false where
// it is counted among something already, or the requests are not known for each arm that there is.
func (v view) loaded() (view, bool) {
	if v.trials || v.rule.Measure.Count == "" || len(v.c.Load[verifier.ArmDeployed]) == 0 || len(v.c.Load[verifier.ArmBefore]) == 0 {
		return v, false
	}
	arms := map[verifier.Arm]verifier.Evidence{}
	for arm, e := range v.c.Arms {
		if len(e.Samples) > 0 && len(v.c.Load[arm]) == 0 {
			return v, false
		}
		e.Samples = v.exposedTo(e.Samples, v.requests(arm))
		arms[arm] = e
	}
	v.after = v.exposedTo(v.after, v.requests(verifier.ArmDeployed))
	v.c.Arms, v.trials = arms, true
	return v, true
}

// exposedTo are the samples whose requests are known, counted among those.
func (v view) exposedTo(samples []verifier.Sample, requests map[int64]float64) []verifier.Sample {
	var out []verifier.Sample
	for _, s := range samples {
		if n := requests[s.T.UnixNano()]; n > 0 {
			s.Exposure = max(n, s.Count)
			out = append(out, s)
		}
	}
	return out
}
