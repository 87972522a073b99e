package rules

import (
	"verifier"
)

// fewShares is how many shares it takes to tell by their scatter what they are shares of.
const fewShares = 8

// careful is the part of the trials found by the scatter that is reckoned with.
const careful = 0.7

// counted turns shares of which nobody said what they are shares of into counts: of so many trials as explain how much they vary
// from step to step.
func (v view) counted() view {
	arms := map[verifier.Arm]verifier.Evidence{}
	trials := map[verifier.Arm]float64{}
	for arm, e := range v.c.Arms {
		samples := e.Samples
		if arm != verifier.ArmBefore {
			samples = v.judged(samples)
		}
		trials[arm] = trialsOf(samples)
	}
	for arm, e := range v.c.Arms {
		n := trials[arm]
		for _, other := range []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers, verifier.ArmDeployed} {
			if n == 0 {
				n = trials[other] // without a single event of its own
			}
		}
		e.Samples = among(e.Samples, max(n, 1))
		arms[arm] = e
	}
	v.c.Arms, v.trials, v.scatter = arms, true, true
	return v
}

func among(shares []verifier.Sample, trials float64) []verifier.Sample {
	out := make([]verifier.Sample, len(shares))
	for i, s := range shares {
		s.Count, s.Exposure = min(max(s.Value, 0), 1)*trials, trials
		out[i] = s
	}
	return out
}

// trialsOf is how many trials a step has: at least as many as its smallest event takes, one among so many, and as many as explain
// the scatter (the variance of a share is p(1-p)/n). 0 where there is no event.
func trialsOf(shares []verifier.Sample) float64 {
	least, events, sum, apart := 0.0, 0.0, 0.0, 0.0
	for i, s := range shares {
		if s.Value > 0 {
			least += 1 / s.Value
			events++
		}
		sum += s.Value
		if i > 0 {
			d := s.Value - shares[i-1].Value
			apart += d * d / 2
		}
	}
	if events == 0 {
		return 0
	}
	n := float64(len(shares))
	if mean := sum / n; n >= fewShares && apart > 0 {
		return max(least/events, careful*mean*(1-mean)/(apart/(n-1)))
	}
	return least / events
}
