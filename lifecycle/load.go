package lifecycle

import (
	"slices"

	"verifier"
)

// loadFor is the requests of each step, as other rules of the watch saw them: what a ratio counts among, or else what a rule counts
// that looks for less of it. nil where nobody measures them.
func loadFor(r verifier.Rule, rules []verifier.Rule, evidence []verifier.Evidence) map[verifier.Arm][]verifier.Sample {
	for _, of := range []func(verifier.Rule) (func(verifier.Sample) float64, bool){amongRequests, countsRequests} {
		for _, other := range rules {
			requests, ok := of(other)
			if !ok || other.Name == r.Name || other.Every != r.Every {
				continue
			}
			if load := loadOf(other, requests, evidence); len(load[verifier.ArmDeployed]) > 0 && len(load[verifier.ArmBefore]) > 0 {
				return load
			}
		}
	}
	return nil
}

// loadWanted reports whether a rule that is decided is asked for all the same: others, which are not, are held against its requests.
func loadWanted(w verifier.Watched, r verifier.Rule) bool {
	_, among := amongRequests(r)
	_, counts := countsRequests(r)
	return (among || counts) && slices.ContainsFunc(w.Rules, func(other verifier.Rule) bool {
		bare := other.Compare != nil && other.Measure.Ratio == nil
		return bare && other.Name != r.Name && other.Every == r.Every && !settledRule(w.Verification, other)
	})
}

func amongRequests(r verifier.Rule) (func(verifier.Sample) float64, bool) {
	return func(s verifier.Sample) float64 { return s.Exposure }, r.Measure.Ratio != nil
}

func countsRequests(r verifier.Rule) (func(verifier.Sample) float64, bool) {
	return func(s verifier.Sample) float64 { return s.Count }, r.Measure.Count != "" && r.Compare != nil && r.Compare.Worse != verifier.Higher
}

func loadOf(r verifier.Rule, requests func(verifier.Sample) float64, evidence []verifier.Evidence) map[verifier.Arm][]verifier.Sample {
	load := map[verifier.Arm][]verifier.Sample{}
	for _, e := range evidence {
		if e.Rule != r.Name {
			continue
		}
		for _, s := range e.Samples {
			if n := requests(s); n > 0 {
				load[e.Arm] = append(load[e.Arm], verifier.Sample{T: s.T, Value: n})
			}
		}
	}
	return load
}
