package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"verifier/stats"
)

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n       int
		confidence float64
		low, high  float64
	}{
		{10, 418, 0.95, 0.01304, 0.04347},
		{0, 10, 0.95, 0, 0.27753},
		{10, 10, 0.95, 0.72247, 1},
		{81, 263, 0.95, 0.2553, 0.3662}, // Newcombe 1998, table I
		{15, 148, 0.95, 0.0624, 0.1605}, // Newcombe 1998, table I
		{0, 0, 0.95, 0, 1},
	} {
		low, high := stats.Wilson(c.k, c.n, c.confidence)
		if math.Abs(low-c.low) > 6e-5 || math.Abs(high-c.high) > 6e-5 {
			t.Errorf("%d of %d at %g: %.5f to %.5f, want %.5f to %.5f", c.k, c.n, c.confidence, low, high, c.low, c.high)
		}
	}
}

func TestWilsonCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const runs, n, p = 4000, 400, 0.024
	covered := 0
	for range runs {
		k := 0
		for range n {
			if r.Float64() < p {
				k++
			}
		}
		if low, high := stats.Wilson(k, n, 0.95); low <= p && p <= high {
			covered++
		}
	}
	if share := float64(covered) / runs; share < 0.93 || share > 0.98 {
		t.Errorf("covers the truth in %.3f of runs, want about 0.95", share)
	}
}
