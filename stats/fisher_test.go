package stats_test

import (
	"math"
	"testing"

	"verifier/stats"
)

// TestFisher holds p-values against exact sums of binomial coefficients, two of them from textbooks.
func TestFisher(t *testing.T) {
	for _, c := range []struct {
		k, n, l, m int
		want       float64
	}{
		{3, 4, 1, 4, 0.4857143},    // the lady tasting tea
		{1, 10, 11, 14, 0.0027595}, // Agresti's textbook table of dieters
		{0, 1, 5, 10, 1},
		{1, 1, 0, 1, 1},
		{0, 0, 5, 10, 1},
		{8, 10, 1, 10, 0.0054776},
		{10, 418, 52, 2338, 0.8574707},
	} {
		if got := stats.Fisher(c.k, c.n, c.l, c.m); math.Abs(got-c.want) > 1e-3*max(c.want, 0.01) {
			t.Errorf("%d of %d and %d of %d: p = %.7f, want %.7f", c.k, c.n, c.l, c.m, got, c.want)
		}
		if got, back := stats.Fisher(c.k, c.n, c.l, c.m), stats.Fisher(c.l, c.m, c.k, c.n); math.Abs(got-back) > 1e-9 {
			t.Errorf("it is not symmetric: %g and %g", got, back)
		}
	}
}
