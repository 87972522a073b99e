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
	steps = 60
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

// looked compares a growing sample with a fixed one after every step.
func looked(r *rand.Rand, rate, base, ratio, plus float64, baseline int, sure float64, within int) bool {
	looks := stats.NewLooks(steps)
	y := poisson(r, base*float64(baseline)) + plus*float64(baseline)
	x, n := 0.0, 0.0
	for k := 1; k <= within; k++ {
		x, n = x+trials(r, 50, rate), n+50
		if stats.Above(x, x+y, stats.Split(ratio, n, float64(baseline))) <= sure*looks.Share(k) {
			return true
		}
	}
	return false
}

// bet remembers the highest evidence so far.
type bet struct {
	stats.Bet
	peak float64
}

func watched(b stats.Bet) *bet { return &bet{Bet: b} }

func (b *bet) Take(x, n, p, weight float64) {
	b.Bet.Take(x, n, p, weight)
	b.peak = max(b.peak, b.Evidence())
}

// Ever reaching 1/alpha happens with probability alpha at most, at the very edge of the null, looked at after every step.
func TestBetKeepsItsErrorRate(t *testing.T) {
	for name, run := range map[string]func(*rand.Rand) bool{
		"above": func(r *rand.Rand) bool {
			b := watched(stats.BetAbove(steps))
			for range steps {
				b.Take(trials(r, 40, 0.03), 40, 0.03, 1)
			}
			return b.peak >= 1/alpha
		},
		"below": func(r *rand.Rand) bool {
			b := watched(stats.BetBelow(steps))
			for range steps {
				b.Take(trials(r, 40, 0.03), 40, 0.03, 1)
			}
			return b.peak >= 1/alpha
		},
		// Both arms go through the same storm, the split of traffic wanders, and an absolute tolerance is on top.
		"two arms at once": func(r *rand.Rand) bool {
			b := watched(stats.BetAbove(steps))
			const plus = 0.01
			for i := range steps {
				n, m := float64(20+r.IntN(40)), float64(20+r.IntN(100))
				rate := 0.01
				if i > 30 {
					rate = 0.2
				}
				x, y := poisson(r, n*(rate+plus)), poisson(r, m*rate)+m*plus
				b.Take(x, x+y, stats.Split(1, n, m), 1)
			}
			return b.peak >= 1/alpha
		},
		"bursts weighted down": func(r *rand.Rand) bool {
			b := watched(stats.BetAbove(steps))
			for range steps {
				x, y := 4*poisson(r, 0.5), 4*poisson(r, 0.5)
				b.Take(x, x+y, 0.5, 0.25)
			}
			return b.peak >= 1/alpha
		},
		"bounded baseline": func(r *rand.Rand) bool {
			p := stats.UpperRate(trials(r, 60, 0.1), 60, alpha/4)
			b := watched(stats.BetAbove(steps))
			for range steps {
				b.Take(trials(r, 1, 0.1), 1, p, 1)
			}
			return b.peak >= 4/(3*alpha)
		},
	} {
		if got := share(1, run); got > alpha+slack {
			t.Errorf("%s: %.4f of runs reached 1/%g, want at most %g", name, got, alpha, alpha)
		}
	}
}

func TestBetFindsLateChanges(t *testing.T) {
	got := share(6, func(r *rand.Rand) bool {
		b := watched(stats.BetAbove(steps))
		for i := range steps {
			rate := 0.005
			if i >= 40 {
				rate = 0.05
			}
			x, y := trials(r, 50, rate), trials(r, 100, 0.005)
			b.Take(x, x+y, stats.Split(1.25, 50, 100), 1)
		}
		return b.peak >= 1/0.0025
	})
	if got < 0.95 {
		t.Errorf("a tenfold rate from step 40 of 60 on was found in %.3f of runs, want 0.95", got)
	}
}

func TestLooksKeepTheirErrorRate(t *testing.T) {
	for _, c := range []struct {
		name                    string
		rate, base, ratio, plus float64
		baseline                int
	}{
		{"the same", 0.02, 0.02, 1, 0, 600},
		{"at the relative edge", 0.025, 0.02, 1.25, 0, 600},
		{"at the absolute edge", 0.02, 0.01, 1, 0.01, 600},
		{"a short baseline", 0.02, 0.02, 1, 0, 50},
		{"a long baseline", 0.01, 0.01, 1, 0, 20000},
	} {
		got := share(2, func(r *rand.Rand) bool { return looked(r, c.rate, c.base, c.ratio, c.plus, c.baseline, alpha, steps) })
		if got > alpha+slack {
			t.Errorf("%s: false alarm in %.4f of runs, want at most %g", c.name, got, alpha)
		}
	}
}

// Fivefold and tenfold error rates are found within a few steps nearly always.
func TestLooksFind(t *testing.T) {
	for _, c := range []struct {
		rate   float64
		within int
		want   float64
	}{{0.05, 7, 0.94}, {0.025, 25, 0.85}} {
		got := share(3, func(r *rand.Rand) bool { return looked(r, c.rate, 0.005, 1.25, 0, 6000, 0.0025, c.within) })
		if got < c.want {
			t.Errorf("%g against 0.005: found within %d steps in %.3f of runs, want %g", c.rate, c.within, got, c.want)
		}
	}
}

func TestLooksAddUp(t *testing.T) {
	for _, n := range []int{0, 1, 60} {
		l, sum := stats.NewLooks(n), 0.0
		for k := 1; k <= max(n, 1); k++ {
			sum += l.Share(k)
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%d looks have %g in all, want 1", n, sum)
		}
	}
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

func BenchmarkBetTake(b *testing.B) {
	bet := stats.BetAbove(240)
	for b.Loop() {
		bet.Take(1, 50, 0.02, 1)
	}
}

func BenchmarkAbove(b *testing.B) {
	for b.Loop() {
		stats.Above(40, 90, 0.3)
	}
}
