package rules

import (
	"verifier"
	"verifier/stats"
)

const (
	leastOften = 0.1 // values of neighbouring steps are alike: a baseline that never exceeds proves less than it seems
	mostOften  = 0.5 // a version like its peers exceeds them at most every other time
	mostAlike  = 0.95
	fewValues  = 3
)

// exceedance judges values without counts by how often they exceed what each baseline tolerates, against how often the stretch
// before exceeded that itself. There, values that are like their neighbours count for less. The stated confidence holds for values
// whose autocorrelation is a half or less; of very slow ones (0.8) twice as many are false alarms. To hold it there too, weighing
// the evidence as well, would take most of the power from all others.
func (v view) exceedance(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) match {
	var peers []verifier.Sample
	often := 1.0
	bounds := make([]float64, 0, len(arms))
	for _, a := range arms {
		if a.arm == verifier.ArmPeers {
			peers = a.samples
			continue
		}
		bound := tolerated(cmp, side, a.base)
		bounds = append(bounds, bound)
		own := alone(values(a.samples))
		often = min(often, max(leastOften, stats.UpperRate(own*exceeding(a.samples, side, bound), own*float64(len(a.samples)), alpha/4)))
	}
	peer := map[int64]float64{}
	for _, p := range peers {
		peer[p.T.UnixNano()] = p.Value
	}
	bet := stats.BetAbove(v.steps())
	var m match
	n, over := 0, 0.0
	for _, s := range v.after {
		exceeds, rate := true, often
		for _, b := range bounds {
			exceeds = exceeds && beyond(side, s.Value, b)
		}
		if p, ok := peer[s.T.UnixNano()]; ok {
			exceeds, rate = exceeds && beyond(side, s.Value, tolerated(cmp, side, p)), min(often, mostOften)
		} else if len(bounds) == 0 {
			continue
		}
		x := 0.0
		if exceeds {
			x = 1
		}
		n, over = n+1, over+x
		bet.Take(x, 1, rate, 1)
		m.worse = m.worse || bet.Evidence() >= 4/(3*alpha) && v.enough(n, 0)
	}
	m.inside = n > 0 && stats.Below(over, float64(n), mostOften) <= alpha*stats.NewLooks(v.steps()).Share(n)
	m.fine = n >= fewValues && bet.Evidence() <= 2 && over <= float64(n)/2
	return m
}

// alone is how much of a value is its own, and not its neighbour's: so much of a sample counts.
func alone(values []float64) float64 {
	alike := min(max(stats.Alike(values), 0), mostAlike)
	return (1 - alike) / (1 + alike)
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
