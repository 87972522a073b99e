package rules

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"verifier"
)

// TestSelfCheck: a pass that its own numbers contradict is taken back, whoever made it.
func TestSelfCheck(t *testing.T) {
	f64 := func(x float64) *float64 { return &x }
	limited := verifier.Rule{Limit: &verifier.Limit{Above: f64(0.1)}}
	low := verifier.Rule{Limit: &verifier.Limit{Below: f64(0.1)}}
	exit := verifier.Rule{Limit: &verifier.Limit{Exit: new(int)}}
	compared := verifier.Rule{Compare: &verifier.Compare{}}
	either := verifier.Rule{Limit: limited.Limit, Compare: compared.Compare}
	asGood := verifier.Rule{Limit: limited.Limit, OnNoData: verifier.NoDataPass}
	posted := verifier.Rule{Limit: limited.Limit, Measure: verifier.Measure{Results: "*"}}
	for _, c := range []struct {
		name   string
		rule   verifier.Rule
		f      verifier.Finding
		chance bool
		want   string // part of what is said, empty where the pass stands
	}{
		{"inside", limited, verifier.Finding{Value: f64(0.1), Samples: 3}, false, ""},
		{"over", limited, verifier.Finding{Value: f64(1), Samples: 3}, false, "over the limit"},
		{"below", low, verifier.Finding{Value: f64(0.05), Samples: 3}, false, "over the limit"},
		{"another exit code", exit, verifier.Finding{Value: f64(1), Samples: 3}, false, "over the limit"},
		{"no step", limited, verifier.Finding{Value: f64(0)}, false, "no data"},
		{"no value", limited, verifier.Finding{Samples: 3}, false, "no data"},
		{"no data is as good as any", asGood, verifier.Finding{}, false, ""},
		{"worse than before", compared, verifier.Finding{Value: f64(2), Limit: f64(1.5), Baseline: f64(1), Samples: 3}, false, "over the limit"},
		{"lower than before", compared, verifier.Finding{Value: f64(0.2), Limit: f64(0.5), Baseline: f64(1), Samples: 3}, false, "over the limit"},
		{"worse, as chance explains", compared, verifier.Finding{Value: f64(2), Limit: f64(1.5), Baseline: f64(1), Samples: 3}, true, ""},
		{"like before", compared, verifier.Finding{Value: f64(1.2), Limit: f64(1.5), Baseline: f64(1), Samples: 3}, false, ""},
		{"over the limit, like before", either, verifier.Finding{Value: f64(1.2), Limit: f64(1.5), Baseline: f64(1), Samples: 3}, false, ""},
		{"posted", posted, verifier.Finding{Value: f64(0), Exposure: 7}, false, ""},
		{"posted and failed", posted, verifier.Finding{Value: f64(1), Exposure: 7}, false, "over the limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.f.Outcome, c.f.Text = verifier.Pass, "Text."
			got := checked(c.rule, c.f, c.chance)
			if c.want == "" && (got.Outcome != verifier.Pass || got.Text != "Text.") {
				t.Errorf("it was taken back: %s", got.Text)
			}
			if c.want != "" && (got.Outcome != verifier.Inconclusive || got.Reason == "" || !strings.Contains(got.Text, Refused) || !strings.Contains(got.Text, c.want)) {
				t.Errorf("it passed: %+v", got)
			}
		})
	}
}

// TestAnyEvidence: whatever the evidence is, a pass has a value that its limit allows and data in most of the steps, is no pass where
// every value that was seen is over the limit, and the self-check finds nothing to take back.
func TestAnyEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := anyRule(t), verifier.Case{}
		c.From = time.Date(2026, 11, 24, 13, 45, 0, 0, time.UTC)
		n := rapid.IntRange(1, 60).Draw(t, "steps")
		c.Until, c.Ended = c.From.Add(time.Duration(n)*r.Every), rapid.IntRange(0, 3).Draw(t, "ended") > 0
		until := c.Until
		if !c.Ended {
			until = c.From.Add(time.Duration(n/2) * r.Every)
		}
		before := c.From.Add(-30 * r.Every)
		c.Baseline = &verifier.Baseline{From: before, Until: c.From, Version: "1.0"}
		after := anySamples(t, r, c.From, until, "after")
		c.Arms = map[verifier.Arm]verifier.Evidence{
			verifier.ArmDeployed: {From: c.From, Until: until, Samples: after},
			verifier.ArmBefore:   {From: before, Until: c.From, Samples: everyStep(r, before, c.From, 0.01), Settled: true},
		}
		if rapid.Bool().Draw(t, "peers") {
			c.Arms[verifier.ArmPeers] = verifier.Evidence{From: c.From, Until: until, Samples: anySamples(t, r, c.From, until, "peers")}
		}
		f := Judge(r, c, c.Until)
		if strings.Contains(f.Text, Refused) {
			t.Fatalf("the self-check had to take a pass back: %s", f.Text)
		}
		if f.Outcome != verifier.Pass || r.OnNoData == verifier.NoDataPass {
			return
		}
		due := int(until.Sub(c.From) / r.Every)
		if f.Value == nil || 2*len(after) <= due {
			t.Fatalf("passed with data in %d of %d steps: %s", len(after), due, f.Text)
		}
		if r.Limit == nil || r.Compare != nil {
			return
		}
		if crosses(*r.Limit, *f.Value) {
			t.Fatalf("passed with a value over the limit: %s", f.Text)
		}
		over := 0
		for _, s := range after {
			if crosses(*r.Limit, s.Value) {
				over++
			}
		}
		if over == len(after) && r.Measure.Count == "" {
			t.Fatalf("passed, and every value was over the limit: %s", f.Text)
		}
	})
}

func anyRule(t *rapid.T) verifier.Rule {
	r := verifier.Rule{Name: "x", Every: 15 * time.Second, Watch: time.Hour, Confidence: 0.99}
	switch rapid.IntRange(0, 2).Draw(t, "measure") {
	case 0:
		r.Measure.Count = "x"
	case 1:
		r.Measure.Ratio = &verifier.Ratio{Of: "a", To: "b"}
	default:
		r.Measure.PromQL = "x"
	}
	bound := rapid.SampledFrom([]float64{0.1, 0.5, 3}).Draw(t, "bound")
	l := verifier.Limit{For: time.Duration(rapid.IntRange(0, 8).Draw(t, "for")) * r.Every, Within: time.Duration(rapid.IntRange(0, 4).Draw(t, "within")) * r.Every}
	switch rapid.IntRange(0, 2).Draw(t, "side") {
	case 0:
		l.Above = &bound
	case 1:
		l.Below = &bound
	default:
		l.Equals = &bound
	}
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if kind != 1 {
		r.Limit = &l
	}
	if kind == 1 || kind == 2 {
		worse := rapid.SampledFrom([]verifier.Worse{verifier.Higher, verifier.Lower, verifier.Either}).Draw(t, "worse")
		r.Compare = &verifier.Compare{With: []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers}, Worse: worse, Tolerate: 0.25}
	}
	r.MinSamples = rapid.IntRange(0, 3).Draw(t, "min_samples")
	r.OnNoData = rapid.SampledFrom([]verifier.OnNoData{verifier.NoDataInconclusive, verifier.NoDataFail, verifier.NoDataPass}).Draw(t, "on_no_data")
	return r
}

// anySamples are steps of which some are missing, one by one or all from some time on.
func anySamples(t *rapid.T, r verifier.Rule, from, until time.Time, label string) []verifier.Sample {
	share := rapid.SampledFrom([]int{1, 5, 9, 10}).Draw(t, label+" tenths")
	stops := rapid.IntRange(0, 60).Draw(t, label+" stops")
	var out []verifier.Sample
	for i, s := range everyStep(r, from, until, 0) {
		if rapid.IntRange(0, 9).Draw(t, label) < share && i < stops {
			out = append(out, sampleOf(r, s.T, rapid.SampledFrom([]float64{0, 0.01, 0.5, 0.9, 5}).Draw(t, label)))
		}
	}
	return out
}

func everyStep(r verifier.Rule, from, until time.Time, value float64) []verifier.Sample {
	var out []verifier.Sample
	for at := from.Add(r.Every); !at.After(until); at = at.Add(r.Every) {
		out = append(out, sampleOf(r, at, value))
	}
	return out
}

func sampleOf(r verifier.Rule, at time.Time, value float64) verifier.Sample {
	s := verifier.Sample{T: at, Value: value}
	if r.Measure.Ratio != nil {
		s.Value = min(value, 1)
		s.Count, s.Exposure = s.Value*100, 100
	} else if r.Measure.Count != "" {
		s.Count, s.Exposure = value*10, 100
		s.Value = s.Count
	}
	return s
}
