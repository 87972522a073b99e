package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// UpperRate is the exact (Clopper-Pearson) upper bound of a probability of which k successes in n trials were seen; the truth
// is above it with probability alpha at most. Fractions of events are welcome.
func UpperRate(k, n, alpha float64) float64 {
	if !(n > 0) || k >= n {
		return 1
	}
	k = max(k, 0)
	return mathext.InvRegIncBeta(k+1, n-k, 1-alpha)
}

// UpperMean is the exact upper bound of a Poisson mean of which k events were seen.
func UpperMean(k, alpha float64) float64 { return mathext.GammaIncRegCompInv(max(k, 0)+1, alpha) }

// LowerMean is the exact lower bound of a Poisson mean of which k events were seen.
func LowerMean(k, alpha float64) float64 {
	if k <= 0 {
		return 0
	}
	return mathext.GammaIncRegInv(k, alpha)
}

// Dispersion is how much more counts vary from step to step than independent events would: Pearson's statistic by its degrees
// of freedom, at least 1. exposure has one entry for each count.
func Dispersion(counts, exposure []float64) float64 {
	k, n := Sum(counts), Sum(exposure)
	if len(counts) < 2 || !(k > 0) || !(n > 0) {
		return 1
	}
	chi2 := 0.0
	for i, x := range counts {
		if mean := k * exposure[i] / n; mean > 0 {
			chi2 += (x - mean) * (x - mean) / mean
		}
	}
	return max(1, chi2/float64(len(counts)-1))
}

// Alike is how much a value is like the one before it: the autocorrelation at lag 1, from -1 to 1; 0 where all are the same or too
// few to tell.
func Alike(values []float64) float64 {
	if len(values) < 3 {
		return 0
	}
	mean := Sum(values) / float64(len(values))
	both, own := 0.0, 0.0
	for i, x := range values {
		own += (x - mean) * (x - mean)
		if i > 0 {
			both += (x - mean) * (values[i-1] - mean)
		}
	}
	if !(own > 0) || math.IsInf(own, 0) || math.IsNaN(both) {
		return 0
	}
	return both / own
}

// Sum adds up.
func Sum(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

// Median is the middle value, or the mean of the two in the middle; NaN without any.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	m := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[m]
	}
	return sorted[m-1]/2 + sorted[m]/2
}
