package stats

import "math"

// Wilson is the score interval of a proportion: k of n, two-sided, with that confidence (0.95). Without any n it is 0 to 1.
func Wilson(k, n int, confidence float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	z := math.Sqrt2 * math.Erfinv(confidence)
	m := float64(n)
	p := float64(k) / m
	centre := p + z*z/(2*m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	whole := 1 + z*z/m
	return max(0, (centre-half)/whole), min(1, (centre+half)/whole)
}
