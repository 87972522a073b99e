package rules_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/rules"
)

// kept leaves out the samples that the function does not want.
func kept(samples []verifier.Sample, want func(i int) bool) []verifier.Sample {
	i := -1
	return slices.DeleteFunc(slices.Clone(samples), func(verifier.Sample) bool { i++; return !want(i) })
}

func notEvery(k int) func(int) bool  { return func(i int) bool { return i%k != k-1 } }
func onlyEvery(k int) func(int) bool { return func(i int) bool { return i%k == 0 } }
func limitOf(l verifier.Limit) verifier.Rule {
	r := valueRule()
	r.Name, r.Compare, r.Limit = "lim", nil, &l
	return r
}

// TestPassNeedsData: nothing passes that has data in half of the steps that could be expected or in fewer, or that stopped having data.
func TestPassNeedsData(t *testing.T) {
	low := limitOf(verifier.Limit{Below: ptr(0.5), For: 30 * time.Second})
	compared := valueRule()
	compared.Compare.Worse = verifier.Lower
	burst := countRule(verifier.Limit{Above: ptr(10.0), Within: 5 * time.Minute})
	ratio := ratioRule()
	asGood := low
	asGood.OnNoData = verifier.NoDataPass
	patterns := ratioRule()
	patterns.Measure = verifier.Measure{Source: "logs", Patterns: "level:ERROR"}
	patterns.Compare, patterns.Limit = nil, &verifier.Limit{New: ptr(0), SeenAtLeast: 1}
	probe := limitOf(verifier.Limit{Exit: ptr(0)})
	probe.Measure = verifier.Measure{Source: "checks", Command: []string{"x"}}
	dense := values(deployed.Add(-35*time.Minute), 120, always(0.9))
	after, logged, old := values(settled, 60, always(0.9)), events(settled, 60, same(0, 100)), past(120, same(0, 100))
	shares, oldShares := events(settled, 60, same(1, 200)), past(120, same(1, 200))

	for _, c := range []struct {
		name string
		rule verifier.Rule
		c    verifier.Case
		want verifier.Outcome
		text string
	}{
		{"one step", low, shop(dense, after[:1]), verifier.Inconclusive, "data"},
		{"two steps", low, shop(dense, after[:2]), verifier.Inconclusive, "data in only 2 of 60 steps of 15 s; at least 31 are needed"},
		{"half of the steps", low, shop(dense, kept(after, onlyEvery(2))), verifier.Inconclusive, "data in only 30 of 60 steps"},
		{"one in three is missing", low, shop(dense, kept(after, notEvery(3))), verifier.Pass, ""},
		{"begins late", low, shop(dense, after[40:]), verifier.Inconclusive, "data in only 20 of 60 steps"},
		{"begins somewhat late", low, shop(dense, after[20:]), verifier.Pass, ""},
		{"stops", low, shop(dense, after[:40]), verifier.Inconclusive, "no data since 13:56 UTC"},
		{"stops shortly before the end", low, shop(dense, after[:52]), verifier.Pass, ""},
		{"slow, as it always was", low, shop(kept(dense, onlyEvery(4)), kept(after, onlyEvery(4))), verifier.Pass, ""},
		{"slow, and then silent", low, shop(kept(dense, onlyEvery(4)), kept(after, onlyEvery(4))[:2]), verifier.Inconclusive, "data in only 2 of 60 steps of 15 s, where about 15 were expected; at least 8 are needed"},
		{"no limit on time", limitOf(verifier.Limit{Below: ptr(0.5)}), shop(dense, after[:1]), verifier.Inconclusive, "data in only 1 of 60 steps"},
		{"mean of a window", limitOf(verifier.Limit{Below: ptr(0.5), Within: time.Minute}), shop(dense, after[:10]), verifier.Inconclusive, "data in only 10 of 60 steps"},
		{"first deploy", low, without(shop(nil, after[:20]), verifier.ArmBefore), verifier.Inconclusive, "data in only 20 of 60 steps"},
		{"comparison", compared, shop(dense, after[:4]), verifier.Inconclusive, "data in only 4 of 60 steps"},
		{"comparison of shares", ratio, shop(oldShares, shares[:30]), verifier.Inconclusive, "data in only 30 of 60 steps"},
		{"comparison, all there", ratio, shop(oldShares, shares), verifier.Pass, ""},
		{"log without errors", burst, shop(old, logged), verifier.Pass, ""},
		{"log that stops", burst, shop(old, logged[:20]), verifier.Inconclusive, "data in only 20 of 60 steps"},
		{"log that began shortly before the deploy, and stops", burst, shop(old[100:], logged[:8]), verifier.Inconclusive, "data in only 8 of 60 steps"},
		{"quiet log, as it always was", burst, shop(kept(old, onlyEvery(5)), kept(logged, onlyEvery(5))), verifier.Pass, ""},
		{"quiet log, first deploy", burst, without(shop(nil, kept(logged, onlyEvery(3))), verifier.ArmBefore), verifier.Pass, ""},
		{"log that stops, first deploy", burst, without(shop(nil, logged[:8]), verifier.ArmBefore), verifier.Inconclusive, "data in only 8 of 60 steps"},
		{"patterns", patterns, shop(old, logged[:5]), verifier.Inconclusive, "data in only 5 of 60 steps"},
		{"probe that ran once", probe, without(shop(nil, values(settled, 1, always(0))), verifier.ArmBefore), verifier.Inconclusive, "data in only 1 of 60 steps"},
		{"no data is as good as any", asGood, shop(dense, after[:2]), verifier.Pass, ""},
		{"steps of another change do not count", low, skipping(shop(dense, kept(after, func(i int) bool { return i < 20 || i >= 55 })), settled.Add(5*time.Minute), settled.Add(825*time.Second)), verifier.Pass, ""},
		{"steps that the store merged", low, shop(dense, mergedBy2(after)), verifier.Pass, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rules.Judge(c.rule, c.c, until)
			if f.Outcome != c.want || !strings.Contains(f.Text, c.text) {
				t.Errorf("got %s (%s): %s\nwant %s: %s", f.Outcome, f.Reason, f.Text, c.want, c.text)
			}
		})
	}
}

func skipping(c verifier.Case, from, to time.Time) verifier.Case {
	c.Skip = []verifier.Span{{From: from, To: to}}
	return c
}

func mergedBy2(samples []verifier.Sample) []verifier.Sample {
	var out []verifier.Sample
	for i := 1; i < len(samples); i += 2 {
		s := samples[i]
		s.Steps = 2
		out = append(out, s)
	}
	return out
}

// TestForWithMissingSteps: a missing step neither ends nor extends the run of `for`.
func TestForWithMissingSteps(t *testing.T) {
	high := func(d time.Duration) verifier.Rule { return limitOf(verifier.Limit{Above: ptr(0.1), For: d}) }
	dense := values(deployed.Add(-35*time.Minute), 120, always(0.01))
	bad := values(settled, 60, always(0.9))
	spikes := values(settled, 60, func(i int) float64 { return []float64{0.9, 0.9, 0.01, 0.01, 0.01}[i%5] })
	exit := limitOf(verifier.Limit{Exit: ptr(0), For: 30 * time.Second})
	exit.Measure = verifier.Measure{Source: "checks", Command: []string{"x"}, Exit: true}
	counts := countRule(verifier.Limit{Below: ptr(40.0), Within: time.Minute})
	counts.Measure = verifier.Measure{Source: "metrics", Count: "x"}

	for _, c := range []struct {
		name string
		rule verifier.Rule
		c    verifier.Case
		want verifier.Outcome
		at   time.Duration // after the settling, of the failure
		text string
	}{
		{"no gap", high(time.Minute), shop(dense, bad), verifier.Fail, time.Minute, ""},
		{"every third is missing", high(time.Minute), shop(dense, kept(bad, notEvery(3))), verifier.Fail, 75 * time.Second, ""},
		{"every fourth is missing", high(time.Minute), shop(dense, kept(bad, notEvery(4))), verifier.Fail, 75 * time.Second, ""},
		{"every other is missing", high(time.Minute), shop(dense, kept(bad, onlyEvery(2))), verifier.Fail, 105 * time.Second, ""},
		{"a long hole does not count", high(time.Minute), shop(dense, kept(bad, func(i int) bool { return i < 2 || i > 30 })), verifier.Fail, 33 * step, ""},
		{"slow cadence", high(5 * time.Minute), shop(kept(dense, onlyEvery(4)), kept(bad, onlyEvery(4))), verifier.Fail, 21 * step, ""},
		{"all bad, and too few to hold so long", high(10 * time.Minute), shop(dense, kept(bad, notEvery(2))), verifier.Inconclusive, 0, "30 steps with data, and the limit must be crossed for 10 min"},
		{"spikes that do not hold", high(time.Minute), shop(dense, spikes), verifier.Pass, 0, "Lim: at most 10 ms for 1 min, briefly 900 ms; limit 100 ms for 1 min."},
		{"spikes and gaps", high(time.Minute), shop(dense, kept(spikes, notEvery(4))), verifier.Pass, 0, "briefly 900 ms"},
		{"exit code that does not hold", exit, without(shop(nil, values(settled, 60, func(i int) float64 { return float64(i % 2) })), verifier.ArmBefore), verifier.Pass, 0, "Lim: 0 for 30 s, briefly 1; must be 0 for 30 s."},
		{"a sum that lacks a step is not low", counts, shop(past(120, same(12, 0)), kept(events(settled, 60, same(12, 0)), notEvery(7))), verifier.Pass, 0, "at least 48"},
		{"a sum that is low", counts, shop(past(120, same(12, 0)), kept(events(settled, 60, same(9, 0)), notEvery(7))), verifier.Fail, time.Minute, "36 in 1 min"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rules.Judge(c.rule, c.c, until)
			if f.Outcome != c.want || !strings.Contains(f.Text, c.text) {
				t.Errorf("got %s (%s): %s\nwant %s: %s", f.Outcome, f.Reason, f.Text, c.want, c.text)
			}
			if c.at != 0 && !f.To.Equal(settled.Add(c.at)) {
				t.Errorf("it failed at %s, want %s", f.To.Sub(settled), c.at)
			}
		})
	}
}
