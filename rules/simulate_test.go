package rules_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"verifier"
	"verifier/rules"
)

func poisson(r *rand.Rand, mean float64) float64 {
	k, left := 0.0, math.Exp(-mean)
	for p := r.Float64(); p > left; p *= r.Float64() {
		k++
	}
	return k
}

// The stated confidence is kept at the very edge of what is tolerated, over the whole watch, looked at after every step.
func TestFalseAlarms(t *testing.T) {
	const runs, alpha = 400, 0.05
	random := rand.New(rand.NewPCG(3, 4))
	noise := func(mean float64) func(int) (float64, float64) {
		return func(int) (float64, float64) { return min(poisson(random, mean), 50), 50 }
	}
	ratio := ratioRule()
	metric := ratioRule()
	metric.Measure = verifier.Measure{Source: "metrics", Count: "x"}
	slow := valueRule()
	normal := func(int) float64 { return 0.2 + 0.04*random.NormFloat64() }
	alike := func() func(int) float64 {
		x := 0.0
		return func(int) float64 { x = x/2 + 0.04*random.NormFloat64(); return 0.2 + x }
	}
	strict, fewer := valueRule(), ratioRule()
	strict.Compare.Tolerate, strict.Compare.AtLeast = 0, 0
	fewer.Compare.Worse, fewer.Compare.Tolerate = verifier.Lower, 0.05
	bursts := func(int) (float64, float64) {
		if random.Float64() < 0.05 {
			return 20, 50
		}
		return 0, 50
	}
	for _, c := range []struct {
		name string
		rule verifier.Rule
		of   func() verifier.Case
	}{
		{"ratio", ratio, func() verifier.Case { return shop(past(120, noise(0.5)), events(settled, 60, noise(0.75))) }},
		{"ratio against peers", ratio, func() verifier.Case {
			return without(peers(shop(nil, events(settled, 60, noise(0.75))), events(settled, 60, noise(0.5))), verifier.ArmBefore)
		}},
		{"count", metric, func() verifier.Case {
			zero := func(of func(int) (float64, float64)) func(int) (float64, float64) {
				return func(i int) (float64, float64) { c, _ := of(i); return c, 0 }
			}
			return shop(past(120, zero(noise(2))), events(settled, 60, zero(noise(3))))
		}},
		{"bursts", ratio, func() verifier.Case { return shop(past(120, bursts), events(settled, 60, bursts)) }},
		{"values", slow, func() verifier.Case {
			return shop(values(deployed.Add(-35*time.Minute), 120, normal), values(settled, 60, normal))
		}},
		{"values, nothing tolerated, of a short time before", strict, func() verifier.Case {
			return shop(values(deployed.Add(-3*time.Minute), 5, normal), values(settled, 60, normal))
		}},
		{"values that are like their neighbours", slow, func() verifier.Case {
			return shop(values(deployed.Add(-35*time.Minute), 120, alike()), values(settled, 60, alike()))
		}},
		{"fewer", fewer, func() verifier.Case { return shop(past(120, noise(40)), events(settled, 60, noise(38))) }},
		{"against both", ratio, func() verifier.Case {
			return peers(shop(past(120, noise(0.5)), events(settled, 60, noise(0.75))), events(settled, 60, noise(0.5)))
		}},
	} {
		c.rule.Confidence = 1 - alpha
		alarms := 0
		for range runs {
			if rules.Judge(c.rule, c.of(), until.Add(time.Minute)).Outcome == verifier.Fail {
				alarms++
			}
		}
		if share := float64(alarms) / runs; share > alpha+0.022 { // two standard errors
			t.Errorf("%s: false alarm in %.3f of runs, want at most %g", c.name, share, alpha)
		}
	}
}

// Clear regressions are found soon, and good deploys with ordinary traffic pass.
func TestPower(t *testing.T) {
	const runs = 200
	random := rand.New(rand.NewPCG(5, 6))
	share := func(r verifier.Rule, of func() verifier.Case, want verifier.Outcome) float64 {
		hits := 0
		for range runs {
			if rules.Judge(r, of(), until.Add(time.Minute)).Outcome == want {
				hits++
			}
		}
		return float64(hits) / runs
	}
	noise := func(mean float64) func(int) (float64, float64) {
		return func(int) (float64, float64) { return min(poisson(random, mean), 50), 50 }
	}
	normal := func(mean float64) func(int) float64 {
		return func(int) float64 { return mean + 0.02*random.NormFloat64() }
	}
	late := func(i int) (float64, float64) {
		if i < 48 {
			return noise(0.25)(i)
		}
		return noise(2.5)(i)
	}
	old := deployed.Add(-35 * time.Minute)
	for _, c := range []struct {
		name string
		rule verifier.Rule
		of   func() verifier.Case
		want verifier.Outcome
		min  float64
	}{
		{"ten times the errors within 8 steps", ratioRule(), func() verifier.Case {
			return shop(past(120, noise(0.25)), events(settled, 8, noise(2.5)))
		}, verifier.Fail, 0.9},
		{"ten times the peers' errors within 22 steps", ratioRule(), func() verifier.Case {
			return without(peers(shop(nil, events(settled, 22, noise(2.5))), events(settled, 22, noise(0.25))), verifier.ArmBefore)
		}, verifier.Fail, 0.9},
		{"errors that begin in the last 3 minutes", ratioRule(), func() verifier.Case {
			return shop(past(120, noise(0.25)), events(settled, 60, late))
		}, verifier.Fail, 0.95},
		{"the same", ratioRule(), func() verifier.Case { return shop(past(120, noise(0.25)), events(settled, 60, noise(0.25))) }, verifier.Pass, 0.95},
		{"no errors at all", ratioRule(), func() verifier.Case { return shop(past(120, same(0, 50)), events(settled, 60, same(0, 50))) }, verifier.Pass, 1},
		{"half slower within 6 steps", valueRule(), func() verifier.Case {
			return shop(values(old, 120, normal(0.2)), values(settled, 6, normal(0.3)))
		}, verifier.Fail, 0.9},
		{"as fast", valueRule(), func() verifier.Case { return shop(values(old, 120, normal(0.2)), values(settled, 60, normal(0.2))) }, verifier.Pass, 0.97},
	} {
		if got := share(c.rule, c.of, c.want); got < c.min {
			t.Errorf("%s: %s in %.3f of runs, want %g", c.name, c.want, got, c.min)
		}
	}
}

// Whatever the samples are, Judge answers, and impossible ones never pass.
func TestJudgeNeverPanics(t *testing.T) {
	odd := rapid.SampledFrom([]float64{0, 1, 3, 50, 1e-9, 1e15, 1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -1, math.NaN(), math.Inf(1), math.Inf(-1)})
	sane := rapid.SampledFrom([]float64{0, 0, 1, 3, 0.2, 50})
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]*rapid.Generator[float64]{odd, sane, sane}).Draw(t, "kind of values")
		draw := func(label string, from time.Time) []verifier.Sample {
			var out []verifier.Sample
			at := from
			for range rapid.IntRange(0, 70).Draw(t, label) {
				at = at.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 1, 2, 0, -1}).Draw(t, "gap")) * step)
				out = append(out, verifier.Sample{T: at, Value: value.Draw(t, "value"), Count: value.Draw(t, "count"), Exposure: value.Draw(t, "exposure") * 100})
			}
			return out
		}
		c := peers(shop(draw("before", deployed.Add(-35*time.Minute)), draw("after", settled)), draw("peers", settled))
		c.Ended = rapid.Bool().Draw(t, "ended")
		r := rapid.SampledFrom([]verifier.Rule{ratioRule(), valueRule(), countRule(verifier.Limit{Above: ptr(3.0)})}).Draw(t, "rule")
		if r.Compare != nil {
			cmp := *r.Compare
			cmp.Worse = rapid.SampledFrom([]verifier.Worse{verifier.Higher, verifier.Lower, verifier.Either}).Draw(t, "worse")
			cmp.Tolerate, cmp.AtLeast = rapid.Float64Range(0, 2).Draw(t, "tolerate"), rapid.Float64Range(0, 2).Draw(t, "at least")
			r.Compare = &cmp
		}
		r.Every = rapid.SampledFrom([]time.Duration{step, 0, time.Hour}).Draw(t, "every")
		f := rules.Judge(r, c, until.Add(time.Minute))
		for _, s := range c.Arms[verifier.ArmDeployed].Samples {
			if f.Outcome == verifier.Pass && c.Ended && (math.IsNaN(s.Value) || math.IsInf(s.Count, 0) || s.Exposure < 0) {
				t.Fatalf("passes on %+v: %s", s, f.Text)
			}
		}
		if _, err := json.Marshal(f); err != nil {
			t.Fatalf("it cannot be kept: %v: %+v", err, f)
		}
		if f.Text == "" || strings.Contains(f.Text, "NaN") && r.Compare != nil {
			t.Fatalf("says %q", f.Text)
		}
		rules.Recovered(r, c, settled, until)
	})
}

func BenchmarkJudge(b *testing.B) {
	c := peers(shop(past(120, same(0.3, 50)), events(settled, 240, same(0.3, 50))), events(settled, 240, same(0.6, 100)))
	c.Until = settled.Add(240 * step)
	r := ratioRule()
	r.Compare.AtLeast = 0.005
	for _, bench := range []struct {
		name string
		rule verifier.Rule
	}{{"ratio", r}, {"limit", countRule(verifier.Limit{Above: ptr(10000.0), Within: 5 * time.Minute})}, {"value", valueRule()}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				rules.Judge(bench.rule, c, until)
			}
		})
	}
}
