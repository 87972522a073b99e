package rules

import (
	"verifier"
	"verifier/stats"
)

const (
	leastOften = 0.1 // values of neighbouring steps are alike: a baseline that never exceeds proves less than it seems
	mostOften  = 0.5 // a version like its baseline exceeds a point beyond its middle at most every other time
	fewValues  = 3
)

// exceedance judges values without counts by how often they exceed what each baseline tolerates, against how often the stretch
// before exceeded that itself.
func (v view) exceedance(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) match {
	var peers []verifier.Sample
	often := mostOften
	fixed := false
	bounds := make([]float64, 0, len(arms))
	for _, a := range arms {
		if a.arm == verifier.ArmPeers {
			peers = a.samples
			continue
		}
		bound := tolerated(cmp, side, a.base)
		bounds = append(bounds, bound)
		fixed = true
		often = min(often, max(leastOften, stats.UpperRate(exceeding(a.samples, side, bound), float64(len(a.samples)), alpha/4)))
	}
	peer := map[int64]float64{}
	for _, p := range peers {
		peer[p.T.UnixNano()] = p.Value
	}
	bet := stats.BetAbove(v.steps())
	var m match
	n, over := 0, 0.0
	for _, s := range v.after {
		exceeds := true
		for _, b := range bounds {
			exceeds = exceeds && beyond(side, s.Value, b)
		}
		if p, ok := peer[s.T.UnixNano()]; ok {
			exceeds = exceeds && beyond(side, s.Value, tolerated(cmp, side, p))
		} else if !fixed {
			continue
		}
		x := 0.0
		if exceeds {
			x = 1
		}
		n, over = n+1, over+x
		bet.Take(x, 1, often, 1)
		m.worse = m.worse || bet.Evidence() >= 4/(3*alpha) && v.enough(n, 0)
	}
	m.inside = n > 0 && stats.Below(over, float64(n), mostOften) <= alpha*stats.NewLooks(v.steps()).Share(n)
	m.fine = n >= fewValues && bet.Evidence() <= 2 && over <= float64(n)/2
	return m
}

func beyond(side verifier.Worse, value, bound float64) bool {
	if side == verifier.Lower {
		return value < bound
	}
	return value > bound
}

func exceeding(samples []verifier.Sample, side verifier.Worse, bound float64) float64 {
	n := 0.0
	for _, s := range samples {
		if beyond(side, s.Value, bound) {
			n++
		}
	}
	return n
}
