package stats_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"pgregory.net/rapid"

	"verifier/stats"
)

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"rule of three", stats.UpperRate(0, 100, 0.05), 1 - math.Pow(0.05, 0.01)},
		{"all", stats.UpperRate(10, 10, 0.05), 1},
		{"none asked", stats.UpperRate(0, 0, 0.05), 1},
		{"5 of 20", stats.UpperRate(5, 20, 0.025), 0.4910459},
		{"mean of none", stats.UpperMean(0, 0.05), -math.Log(0.05)},
		{"mean of 10", stats.UpperMean(10, 0.025), 18.390356},
		{"mean of 10, low", stats.LowerMean(10, 0.025), 4.795389},
		{"mean of none, low", stats.LowerMean(0, 0.05), 0},
		{"odd median", stats.Median([]float64{3, 1, 2}), 2},
		{"even median", stats.Median([]float64{4, 1, 2, 3}), 2.5},
		{"dispersion of a burst", stats.Dispersion([]float64{0, 0, 0, 8}, []float64{1, 1, 1, 1}), 8},
		{"dispersion of evenness", stats.Dispersion([]float64{2, 2, 2, 2}, []float64{1, 1, 1, 1}), 1},
	} {
		if math.Abs(c.got-c.want) > 1e-6*(1+math.Abs(c.want)) {
			t.Errorf("%s: got %.8g, want %.8g", c.name, c.got, c.want)
		}
	}
	if !math.IsNaN(stats.Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

// The inverses are numerical: their results are held against the functions they invert, over all that evidence may bring.
func TestBoundsInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := math.Pow(10, rapid.Float64Range(0, 9).Draw(t, "log n"))
		k := n * math.Pow(10, -rapid.Float64Range(0, 9).Draw(t, "log share"))
		alpha := math.Pow(10, -rapid.Float64Range(1, 5).Draw(t, "log alpha"))
		high := stats.UpperRate(k, n, alpha)
		if !(high >= k/n*(1-1e-6)) || high > 1 {
			t.Fatalf("upper rate of %g in %g at %g is %g", k, n, alpha, high)
		}
		if high < 1-1e-9 { // nearer to 1 there are not enough digits to invert back
			if back := 1 - mathext.RegIncBeta(k+1, n-k, high); math.Abs(back-alpha) > 0.02*alpha+1e-9 {
				t.Fatalf("upper rate of %g in %g at %g is %g, which has %g", k, n, alpha, high, back)
			}
		}
		mean := stats.UpperMean(k, alpha)
		if back := mathext.GammaIncReg(k+1, mean); !(math.Abs(1-back-alpha) < 0.02*alpha+1e-9) {
			t.Fatalf("upper mean of %g at %g is %g, which has %g", k, alpha, mean, 1-back)
		}
	})
}

func BenchmarkUpperRate(b *testing.B) {
	for b.Loop() {
		stats.UpperRate(31, 6000, 0.0006)
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{1, 9}, 0}, {[]float64{3, 3, 3, 3}, 0}, {[]float64{1, 2, 1, 2}, -0.75}, {[]float64{1, 1, 2, 2}, 0.25}, {[]float64{1e300, -1e300, 1e300}, 0},
	} {
		if got := stats.Alike(c.values); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %g, want %g", c.values, got, c.want)
		}
	}
}
