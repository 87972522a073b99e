package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"verifier/stats"
)

const (
	alpha = 0.05
	runs  = 1500
)

// share counts how often a seeded run is true.
func share(seed uint64, run func(*rand.Rand) bool) float64 {
	r := rand.New(rand.NewPCG(seed, 7))
	hits := 0
	for range runs {
		if run(r) {
			hits++
		}
	}
	return float64(hits) / runs
}

const slack = 0.012 // two standard errors of a share of 0.05 in so many runs

func trials(r *rand.Rand, n int, p float64) float64 {
	k := 0
	for range n {
		if r.Float64() < p {
			k++
		}
	}
	return float64(k)
}

func poisson(r *rand.Rand, mean float64) float64 {
	k, left := 0, math.Exp(-mean)
	for p := r.Float64(); p > left; p *= r.Float64() {
		k++
	}
	return float64(k)
}

func TestBoundsCover(t *testing.T) {
	for _, p := range []float64{0.002, 0.05, 0.6} {
		if got := share(4, func(r *rand.Rand) bool { return stats.UpperRate(trials(r, 300, p), 300, alpha) < p }); got > alpha+slack {
			t.Errorf("%g: above its upper bound in %.4f of runs, want at most %g", p, got, alpha)
		}
	}
	for _, m := range []float64{0.5, 4} {
		if got := share(5, func(r *rand.Rand) bool { return stats.UpperMean(poisson(r, m), alpha) < m }); got > alpha+slack {
			t.Errorf("mean %g: above its upper bound in %.4f of runs", m, got)
		}
		if got := share(5, func(r *rand.Rand) bool { return stats.LowerMean(poisson(r, m), alpha) > m }); got > alpha+slack {
			t.Errorf("mean %g: below its lower bound in %.4f of runs", m, got)
		}
	}
}

func BenchmarkAbove(b *testing.B) {
	for b.Loop() {
		stats.Above(40, 90, 0.3)
	}
}

// The shares of all looks that do not overlap add up to the whole.
func TestScanAddsUp(t *testing.T) {
	for _, steps := range []int{1, 2, 7, 60, 500} {
		s, sum := stats.NewScan(steps), 0.0
		for _, w := range stats.Widths {
			if w <= steps {
				sum += s.Window(w) * float64(steps) / float64(w)
			}
		}
		sum += s.Growing() * 2 * max(1, math.Log2(float64(steps)))
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%d steps: the shares add up to %g", steps, sum)
		}
	}
}

// Independent counts have no spread; bursts that last have more of it the longer the window.
func TestSpread(t *testing.T) {
	plain := share(5, func(r *rand.Rand) bool {
		counts, exposure := make([]float64, 120), make([]float64, 120)
		for i := range counts {
			counts[i], exposure[i] = poisson(r, 3), 300
		}
		s := stats.NewSpread(counts, exposure)
		return s.Of(1) == 1 && s.Of(40) == 1 && s.Doubt(1e-6, 20) == 1e-6
	})
	if plain < 0.8 {
		t.Errorf("independent counts are taken as they are in %.2f of runs, want 0.8", plain)
	}
	bursts := share(6, func(r *rand.Rand) bool {
		counts, exposure := make([]float64, 120), make([]float64, 120)
		wobble := 0.0
		for i := range counts {
			wobble = 0.9*wobble + 0.44*r.NormFloat64()
			counts[i], exposure[i] = poisson(r, 20*math.Exp(0.5*wobble)), 300
		}
		s := stats.NewSpread(counts, exposure)
		return s.Of(1) > 1.5 && s.Of(16) > 2*s.Of(1) && s.Doubt(1e-6, 20) > 1e-6
	})
	if bursts < 0.9 {
		t.Errorf("bursts are seen in %.2f of runs, want 0.9", bursts)
	}
}

// A level is moved by no single value, and knows how far its windows went.
func TestLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	values := make([]float64, 120)
	for i := range values {
		values[i] = 10 + r.NormFloat64()
	}
	values[40] = 1e6
	l := stats.NewLevel(values, 3)
	if math.Abs(l.Mean-10) > 0.4 || l.Scale < 0.7 || l.Scale > 1.4 || l.Alike > 1.6 {
		t.Errorf("mean %.2f, scale %.2f, alike %.2f; want 10, 1, 1", l.Mean, l.Scale, l.Alike)
	}
	if got := l.Highest(1); got < 9e5 {
		t.Errorf("the highest value is %.0f above the mean, want the one that was drawn in", got)
	}
	if l.Draw(1e6) != l.High || l.Error(2, 4) < 1 {
		t.Errorf("draws 1e6 in to %.2f of %.2f; standard error of 4 values of scale 2: %.2f, want 1 or more", l.Draw(1e6), l.High, l.Error(2, 4))
	}
	if same := stats.NewLevel([]float64{5, 5, 5, 5}, 3); same.Mean != 5 || same.Scale != 0 {
		t.Errorf("a constant: %+v", same)
	}
	if none := stats.NewLevel(nil, 3); none.N != 0 || none.Alike != 1 {
		t.Errorf("nothing: %+v", none)
	}
}
