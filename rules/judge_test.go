package rules_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/rules"
)

const step = 15 * time.Second

var (
	deployed = time.Date(2026, 11, 24, 13, 45, 0, 0, time.UTC)
	settled  = deployed.Add(time.Minute)
	until    = deployed.Add(16 * time.Minute) // 60 judged steps
)

func ptr[T any](x T) *T { return &x }

// events are samples of n steps from a time on: what of each is counted, and among how much.
func events(from time.Time, n int, of func(i int) (count, exposure float64)) []verifier.Sample {
	var out []verifier.Sample
	for i := range n {
		c, e := of(i)
		s := verifier.Sample{T: from.Add(time.Duration(i+1) * step), Value: c, Count: c, Exposure: e}
		out = append(out, s)
	}
	return out
}

func same(count, exposure float64) func(int) (float64, float64) {
	return func(int) (float64, float64) { return count, exposure }
}

func values(from time.Time, n int, of func(i int) float64) []verifier.Sample {
	var out []verifier.Sample
	for i := range n {
		out = append(out, verifier.Sample{T: from.Add(time.Duration(i+1) * step), Value: of(i)})
	}
	return out
}

func always(x float64) func(int) float64 { return func(int) float64 { return x } }

func ratioRule() verifier.Rule {
	return verifier.Rule{
		Name: "error-ratio", Measure: verifier.Measure{Source: "logs", Ratio: &verifier.Ratio{Of: "a", To: "b"}},
		Compare: &verifier.Compare{With: []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers}, Over: 30 * time.Minute, Worse: verifier.Higher, Tolerate: 0.5},
		OnFail:  verifier.FailRollback, Severity: verifier.SeverityPage, OnNoData: verifier.NoDataInconclusive,
		Settle: time.Minute, Watch: 15 * time.Minute, Every: step, Confidence: 0.997,
	}
}

func countRule(l verifier.Limit) verifier.Rule {
	r := ratioRule()
	r.Name, r.Measure, r.Compare, r.Limit = "errors", verifier.Measure{Source: "logs", Count: "level:ERROR"}, nil, &l
	return r
}

func valueRule() verifier.Rule {
	r := ratioRule()
	r.Name, r.Measure = "response-time", verifier.Measure{Source: "apm", PromQL: "x", Unit: "s"}
	r.Compare.Tolerate, r.Compare.AtLeast = 0.2, 0.05
	return r
}

// shop is a case at the end of its watch: what was seen before (30 minutes) and after.
func shop(before, after []verifier.Sample) verifier.Case {
	c := verifier.Case{
		Deploy: verifier.Deploy{Place: verifier.Place{Service: "checkout", Environment: "production"}, Version: "1.4.2"},
		From:   deployed, Until: until, Ended: true,
		Baseline: &verifier.Baseline{From: deployed.Add(-35 * time.Minute), Until: deployed.Add(-5 * time.Minute), Version: "1.4.0"},
		Arms: map[verifier.Arm]verifier.Evidence{
			verifier.ArmDeployed: {From: deployed, Until: until, Samples: after, Query: "q", Link: "l"},
			verifier.ArmBefore:   {From: deployed.Add(-35 * time.Minute), Until: deployed.Add(-5 * time.Minute), Samples: before, Settled: true},
		},
	}
	return c
}

func past(n int, of func(int) (float64, float64)) []verifier.Sample {
	return events(deployed.Add(-35*time.Minute), n, of)
}

func change(c verifier.Case, arm verifier.Arm, f func(*verifier.Evidence)) verifier.Case {
	e := c.Arms[arm]
	f(&e)
	c.Arms[arm] = e
	return c
}

func running(c verifier.Case, at time.Time) verifier.Case {
	c.Ended = false
	for arm, e := range c.Arms {
		if arm != verifier.ArmBefore {
			for len(e.Samples) > 0 && e.Samples[len(e.Samples)-1].T.After(at) {
				e.Samples = e.Samples[:len(e.Samples)-1]
			}
			e.Until = at
			c.Arms[arm] = e
		}
	}
	return c
}

func without(c verifier.Case, arm verifier.Arm) verifier.Case {
	delete(c.Arms, arm)
	if arm == verifier.ArmBefore {
		c.Baseline = nil
	}
	return c
}

// TestSentences is the golden table of what people read, for every outcome and reason.
func TestSentences(t *testing.T) {
	quiet := same(0.3, 50)
	steady := past(120, quiet)
	ratio, burst, slow := ratioRule(), countRule(verifier.Limit{Above: ptr(10.0), Within: 5 * time.Minute}), valueRule()
	silentRule, passRule := valueRule(), valueRule()
	silentRule.OnNoData, passRule.OnNoData = verifier.NoDataFail, verifier.NoDataPass
	needy := ratioRule()
	needy.MinExposure = 10_000
	both := ratioRule()
	both.Limit = &verifier.Limit{Above: ptr(0.02)}
	held := valueRule()
	held.Compare, held.Limit = nil, &verifier.Limit{Above: ptr(0.5), For: time.Minute}
	low := countRule(verifier.Limit{Below: ptr(5.0), Within: time.Minute})
	low.Measure = verifier.Measure{Source: "metrics", Count: "x"}
	down := ratioRule()
	down.Name, down.Compare.Worse, down.Compare.Tolerate = "success-ratio", verifier.Lower, 0.02
	exit := valueRule()
	exit.Name, exit.Compare, exit.Limit, exit.Measure = "smoke-tests", nil, &verifier.Limit{Exit: ptr(0)}, verifier.Measure{Source: "checks", Command: []string{"x"}}
	latency := func(i int) float64 { return 0.2 + 0.01*float64(i%3) }

	for _, c := range []struct {
		name    string
		rule    verifier.Rule
		c       verifier.Case
		outcome verifier.Outcome
		reason  verifier.Reason
		text    string
	}{
		{
			"worse ratio", ratio, shop(steady, events(settled, 60, same(2, 50))), verifier.Fail, verifier.IsWorse,
			"Error ratio: 4 % (120 of 3,000), 13:46 to 14:01 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), limit 0.9 % (confidence 99.7 %).",
		},
		{
			"the same ratio", ratio, shop(steady, events(settled, 60, quiet)), verifier.Pass, "",
			"Error ratio: 0.6 % (18 of 3,000), 13:46 to 14:01 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), limit 0.9 %.",
		},
		{
			"not sure yet", ratio, running(shop(steady, events(settled, 60, quiet)), settled.Add(time.Minute)), verifier.Pending, "",
			"Error ratio: 0.6 % (1.2 of 200), 13:46:00 to 13:47:00 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), limit 0.9 %; not certain yet.",
		},
		{
			"little traffic", ratio, shop(past(120, same(0.01, 1)), events(settled, 60, same(0.02, 1))), verifier.Inconclusive, verifier.TooLittleData,
			"Error ratio: 2 % (1.2 of 60), 13:46 to 14:01 UTC; before 1 % (1.2 of 120; 1.4.0, 13:10 to 13:40), limit 1.5 %; too little data to tell: 60 events after 1.4.2 and 120 before are too few, about 30,000 and 60,000 are needed.",
		},
		{
			"min_exposure", needy, shop(steady, events(settled, 60, quiet)), verifier.Inconclusive, verifier.TooLittleData,
			"Error ratio: too little data after 1.4.2: 3,000 events, 10,000 are needed.",
		},
		{
			"peers suffer too", ratio, peers(shop(steady, events(settled, 60, same(2, 50))), events(settled, 60, same(2, 50))), verifier.Pass, "",
			"Error ratio: 4 % (120 of 3,000), 13:46 to 14:01 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), unchanged hosts 4 % (120 of 3,000; 13:46 to 14:01), limit 6 %.",
		},
		{
			"peers are well", ratio, peers(shop(steady, events(settled, 60, same(2, 50))), events(settled, 60, same(1, 200))), verifier.Fail, verifier.IsWorse,
			"Error ratio: 4 % (120 of 3,000), 13:46 to 14:01 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), unchanged hosts 0.5 % (60 of 12,000; 13:46 to 14:01), limit 0.9 % (confidence 99.7 %).",
		},
		{
			"success falls", down, shop(past(120, same(49.9, 50)), events(settled, 60, same(45, 50))), verifier.Fail, verifier.IsWorse,
			"Success ratio: 90 % (2,700 of 3,000), 13:46 to 14:01 UTC; before 99.8 % (5,988 of 6,000; 1.4.0, 13:10 to 13:40), limit 97.8 % (confidence 99.7 %).",
		},
		{
			"first deploy", ratio, without(shop(nil, events(settled, 60, quiet)), verifier.ArmBefore), verifier.Inconclusive, verifier.NoBaseline,
			"Error ratio: nothing to compare 1.4.2 with: it is the first deploy in this place.",
		},
		{
			"empty baseline", ratio, shop(nil, events(settled, 60, quiet)), verifier.Inconclusive, verifier.NoBaseline,
			"Error ratio: nothing to compare 1.4.2 with: there is no data from before the deploy.",
		},
		{
			"baseline to come", ratio, running(change(shop(nil, events(settled, 60, quiet)), verifier.ArmBefore, func(e *verifier.Evidence) { e.Settled = false }), settled.Add(time.Minute)),
			verifier.Pending, "", "Error ratio: waiting for what to compare with.",
		},
		{
			"baseline unreadable", ratio, change(shop(nil, events(settled, 60, quiet)), verifier.ArmBefore, func(e *verifier.Evidence) { e.Trouble, e.Problem = verifier.SourceDown, "timeout" }),
			verifier.Inconclusive, verifier.SourceDown, "Error ratio: what to compare with could not be read: timeout.",
		},

		{
			"limit crossed", burst, shop(past(120, same(0, 100)), events(settled, 60, same(2, 100))), verifier.Fail, verifier.LimitCrossed,
			"Errors: 12 in 5 min at 13:47 UTC; limit 10.",
		},
		{
			"limit crossed before", burst, shop(past(120, same(1, 100)), events(settled, 60, same(2, 100))), verifier.Fail, verifier.LimitCrossed,
			"Errors: 12 in 5 min at 13:47 UTC; limit 10; not new: the limit was crossed before the deploy too (1.4.0, 13:10 to 13:40).",
		},
		{
			"limit kept", burst, shop(past(120, same(0, 100)), events(settled, 60, func(i int) (float64, float64) { return float64(i % 3 / 2), 100 })), verifier.Pass, "",
			"Errors: at most 7 in 5 min (20 of 6,000 documents); limit 10.",
		},
		{
			"limit so far", burst, running(shop(past(120, same(0, 100)), events(settled, 60, same(1, 100))), settled.Add(time.Minute)), verifier.Pending, "",
			"Errors: 4 in 5 min so far; limit 10.",
		},
		{
			"few documents", burst, shop(past(120, same(0, 1)), events(settled, 40, same(0, 1))), verifier.Inconclusive, verifier.TooLittleData,
			"Errors: too little data after 1.4.2: 40 documents, 50 are needed.",
		},
		{
			"held", held, shop(nil, values(settled, 60, func(i int) float64 { return []float64{0.4, 0.9}[min(1, i/10)] })), verifier.Fail, verifier.LimitCrossed,
			"Response time: 900 ms at 13:49 UTC; limit 500 ms for 1 min.",
		},
		{
			"too few", low, shop(nil, events(settled, 60, same(1, 0))), verifier.Fail, verifier.LimitCrossed,
			"Errors: 4 in 1 min at 13:47 UTC; limit at least 5.",
		},
		{
			"exit", exit, shop(nil, values(settled, 1, always(3))), verifier.Fail, verifier.LimitCrossed,
			"Smoke tests: exit code 3 at 13:46 UTC; must be 0.",
		},
		{
			"both", both, shop(steady, events(settled, 60, same(2, 50))), verifier.Fail, verifier.IsWorse,
			"Error ratio: 4 % (2 of 50) at 13:46 UTC; limit 2 %. Error ratio: 4 % (120 of 3,000), 13:46 to 14:01 UTC; before 0.6 % (36 of 6,000; 1.4.0, 13:10 to 13:40), limit 0.9 % (confidence 99.7 %).",
		},
		{
			"worse, but inside the limit", both, shop(steady, events(settled, 60, same(0.9, 50))), verifier.Pass, "",
			"Error ratio: at most 1.8 % (54 of 3,000); limit 2 %.",
		},

		{
			"slower", slow, shop(values(deployed.Add(-35*time.Minute), 120, latency), values(settled, 60, always(0.34))), verifier.Fail, verifier.IsWorse,
			"Response time: 340 ms, 13:46 to 14:01 UTC; before 210 ms (1.4.0, 13:10 to 13:40), limit 260 ms (confidence 99.7 %).",
		},
		{
			"as fast", slow, shop(values(deployed.Add(-35*time.Minute), 120, latency), values(settled, 60, latency)), verifier.Pass, "",
			"Response time: 210 ms, 13:46 to 14:01 UTC; before 210 ms (1.4.0, 13:10 to 13:40), limit 260 ms.",
		},

		{
			"no data", slow, shop(values(deployed.Add(-35*time.Minute), 120, latency), nil), verifier.Inconclusive, verifier.NoData,
			"Response time: no data after 1.4.2.",
		},
		{
			"no data fails", silentRule, shop(values(deployed.Add(-35*time.Minute), 120, latency), nil), verifier.Fail, verifier.WentSilent,
			"Response time: no data at all after 1.4.2; there was data before (1.4.0, 13:10 to 13:40).",
		},
		{
			"no data fails only if there was some", silentRule, shop(nil, nil), verifier.Inconclusive, verifier.NoData,
			"Response time: no data after 1.4.2, and none before it. If the rule is not meant for checkout, leave it out with select or write optional: true.",
		},
		{
			"no data passes", passRule, shop(nil, nil), verifier.Pass, "",
			"Response time: no data after 1.4.2, which this rule takes as good.",
		},
		{
			"silent while requests go on", burst, traffic(shop(past(120, same(0, 100)), nil)), verifier.Fail, verifier.WentSilent,
			"Errors: no data at all after 1.4.2; there was data before (1.4.0, 13:10 to 13:40), and requests still arrive.",
		},
		{
			"silent while peers speak", burst, peers(shop(past(120, same(0, 100)), events(settled, 20, same(0, 100))), events(settled, 60, same(0, 100))), verifier.Fail, verifier.WentSilent,
			"Errors: no data since 13:51 UTC; there was data before (1.4.0, 13:10 to 13:40), and unchanged hosts still have data.",
		},
		{
			"silent without proof", burst, shop(past(120, same(0, 100)), nil), verifier.Inconclusive, verifier.NoData,
			"Errors: no data after 1.4.2.",
		},
		{
			"never seen", burst, change(shop(nil, nil), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Unseen, e.Nearest = true, "checkout-web" }), verifier.Inconclusive, verifier.NeverSeen,
			"Errors: nothing of checkout in production was ever seen by logs; the nearest name there is checkout-web. If the rule is not meant for checkout, leave it out with select or write optional: true.",
		},

		{
			"source down at the end", burst, troubled(shop(nil, events(settled, 20, same(0, 100))), verifier.SourceDown, "dial tcp: refused"), verifier.Inconclusive, verifier.SourceDown,
			"Errors: logs does not answer: dial tcp: refused.",
		},
		{
			"source down meanwhile", burst, running(troubled(shop(nil, events(settled, 20, same(0, 100))), verifier.SourceDown, "dial tcp: refused"), settled.Add(time.Minute)), verifier.Pending, "",
			"Errors: logs does not answer: dial tcp: refused.",
		},
		{
			"enough was seen before it went down", burst, troubled(shop(nil, events(settled, 20, same(5, 100))), verifier.SourceDown, "dial tcp: refused"), verifier.Fail, verifier.LimitCrossed,
			"Errors: 15 in 5 min at 13:46 UTC; limit 10.",
		},
		{
			"partial", ratio, change(shop(steady, events(settled, 60, quiet)), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Partial = "2 of 5 shards failed" }), verifier.Inconclusive, verifier.PartialData,
			"Error ratio: logs answers only in part: 2 of 5 shards failed.",
		},
		{
			"partial undercounts", low, change(shop(nil, events(settled, 60, same(1, 0))), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Partial = "one of two series" }), verifier.Inconclusive, verifier.PartialData,
			"Errors: metrics answers only in part: one of two series.",
		},
		{
			"worse, as far as an answer in part can tell", ratio, change(shop(steady, events(settled, 60, same(2, 50))), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Partial = "2 of 5 shards failed" }), verifier.Inconclusive, verifier.PartialData,
			"Error ratio: logs answers only in part: 2 of 5 shards failed.",
		},
		{
			"too many even in part", burst, change(shop(past(120, same(0, 100)), events(settled, 60, same(2, 100))), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Partial = "2 of 5 shards failed" }), verifier.Fail, verifier.LimitCrossed,
			"Errors: 12 in 5 min at 13:47 UTC; limit 10.",
		},
		{
			"a metric that was never there", low, shop(nil, nil), verifier.Inconclusive, verifier.NoData,
			"Errors: no data after 1.4.2, and none before it. If the rule is not meant for checkout, leave it out with select or write optional: true.",
		},
		{
			"lagging", ratio, change(shop(steady, events(settled, 30, quiet)), verifier.ArmDeployed, func(e *verifier.Evidence) { e.Until = settled.Add(8 * time.Minute) }), verifier.Inconclusive, verifier.Lagging,
			"Error ratio: logs lags behind: answered only up to 13:54 UTC.",
		},
		{
			"gone", ratio, troubled(shop(steady, nil), verifier.SourceGone, "no index logs-*"), verifier.Inconclusive, verifier.SourceGone,
			"Error ratio: logs no longer has what the rule asks for: no index logs-*.",
		},
		{
			"bad data", ratio, shop(steady, events(settled, 60, same(80, 50))), verifier.Inconclusive, verifier.BadData,
			"Error ratio: logs gave invalid data: 80 events among 50 at 13:46 UTC.",
		},
		{
			"no rule",
			verifier.Rule{Name: "empty", Every: step},
			shop(nil, events(settled, 60, quiet)), verifier.Inconclusive, verifier.NoRules,
			"Empty: the rule has neither a limit nor a comparison.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rules.Judge(c.rule, c.c, until.Add(time.Minute))
			if !c.c.Ended {
				f = rules.Judge(c.rule, c.c, settled.Add(time.Minute))
			}
			if f.Outcome != c.outcome || f.Reason != c.reason {
				t.Errorf("got %s %s, want %s %s", f.Outcome, f.Reason, c.outcome, c.reason)
			}
			if d := cmp.Diff(c.text, f.Text); d != "" {
				t.Error(d)
			}
			if (f.At == nil) != (c.outcome == verifier.Pending) {
				t.Errorf("at is %v for %s", f.At, f.Outcome)
			}
			c.c.Zone = time.FixedZone("ACDT", 10*3600+1800) // one sentence tells one zone
			local := rules.Judge(c.rule, c.c, until.Add(time.Minute)).Text
			if strings.Contains(local, "UTC") || strings.Count(local, "ACDT") != strings.Count(f.Text, "UTC") || strings.Contains(f.Text, "UTC") && strings.Contains(local, "13:") {
				t.Errorf("in another zone: %s", local)
			}
		})
	}
}

func peers(c verifier.Case, samples []verifier.Sample) verifier.Case {
	c.Arms[verifier.ArmPeers] = verifier.Evidence{From: deployed, Until: until, Samples: samples}
	return c
}

func traffic(c verifier.Case) verifier.Case {
	c.Traffic = true
	return c
}

func troubled(c verifier.Case, why verifier.Reason, problem string) verifier.Case {
	return change(c, verifier.ArmDeployed, func(e *verifier.Evidence) { e.Trouble, e.Problem = why, problem })
}

func TestFindingIsComplete(t *testing.T) {
	r := ratioRule()
	r.Optional, r.MuteUntil = true, until.Add(time.Hour)
	now := until.Add(time.Minute)
	got := rules.Judge(r, shop(past(120, same(0.3, 50)), events(settled, 60, same(2, 50))), now)
	want := verifier.Finding{
		Rule: "error-ratio", Outcome: verifier.Fail, Reason: verifier.IsWorse, Value: ptr(0.04), Limit: ptr(0.009), Baseline: ptr(0.006),
		Confidence: ptr(0.997), Unit: "1", Count: 120, Exposure: 3000, From: settled, To: until, Query: "q", Link: "l", Muted: true,
		OnFail: verifier.FailRollback, Severity: verifier.SeverityPage, Optional: true, Samples: 60, At: &now,
		Interval: got.Interval, Text: got.Text,
	}
	if d := cmp.Diff(want, got, approx); d != "" {
		t.Error(d)
	}
	if len(got.Interval) != 2 || got.Interval[0] > 0.04 || got.Interval[1] < 0.04 {
		t.Errorf("the interval %v does not hold 0.04", got.Interval)
	}
}

var approx = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })

// Steps that span the deploy or lie within the settling are not judged, nor those after the watch.
func TestWhatIsJudged(t *testing.T) {
	r := countRule(verifier.Limit{Above: ptr(3.0)})
	c := shop(past(120, same(0, 100)), events(deployed, 70, func(i int) (float64, float64) {
		if i < 4 || i >= 64 {
			return 50, 100
		}
		return 1, 100
	}))
	f := rules.Judge(r, c, until.Add(time.Minute))
	if f.Outcome != verifier.Pass || f.Samples != 60 || !f.From.Equal(settled) || !f.To.Equal(until) {
		t.Errorf("got %s over %d steps from %s to %s: %s", f.Outcome, f.Samples, f.From, f.To, f.Text)
	}
}

// Steps in which another change took hold are neither judged nor missed.
func TestSkip(t *testing.T) {
	r := countRule(verifier.Limit{Above: ptr(3.0)})
	c := traffic(shop(past(120, same(0, 100)), events(settled, 60, func(i int) (float64, float64) {
		if i >= 20 {
			return 50, 100
		}
		return 1, 100
	})))
	c.Skip = []verifier.Span{{From: settled.Add(20 * step), To: until.Add(-3 * step)}, {From: until.Add(-3 * step), To: until.Add(time.Minute)}}
	if f := rules.Judge(r, c, until); f.Outcome != verifier.Pass || f.Samples != 20 {
		t.Errorf("got %s %s over %d steps: %s", f.Outcome, f.Reason, f.Samples, f.Text)
	}
	c.Skip = nil
	if f := rules.Judge(r, c, until); f.Reason != verifier.LimitCrossed {
		t.Errorf("without it: %s %s", f.Outcome, f.Reason)
	}
}

func TestCrossedBefore(t *testing.T) {
	r := countRule(verifier.Limit{Above: ptr(10.0), Within: 5 * time.Minute})
	c := shop(past(120, same(1, 100)), events(settled, 60, same(2, 100)))
	f := rules.Judge(r, c, until)
	if !f.Before || f.RollsBack() {
		t.Errorf("crossed before: %t, rolls back: %t", f.Before, f.RollsBack())
	}
	r.EvenIfBefore = true
	if f := rules.Judge(r, c, until); f.Before || !f.RollsBack() {
		t.Errorf("even_if_before: crossed before: %t, rolls back: %t", f.Before, f.RollsBack())
	}
}

func TestPassesEarlyOnlyWhenSureAndHalfway(t *testing.T) {
	r := ratioRule()
	full := func() verifier.Case { return shop(past(120, same(5, 500)), events(settled, 60, same(5, 500))) }
	for minutes, want := range map[int]verifier.Outcome{4: verifier.Pending, 9: verifier.Pass} {
		at := settled.Add(time.Duration(minutes) * time.Minute)
		if f := rules.Judge(r, running(full(), at), at); f.Outcome != want {
			t.Errorf("after %d minutes: %s, want %s: %s", minutes, f.Outcome, want, f.Text)
		}
	}
}

func TestVerdict(t *testing.T) {
	f := func(o verifier.Outcome, r verifier.Reason, change func(*verifier.Finding)) verifier.Finding {
		f := verifier.Finding{Outcome: o, Reason: r, OnFail: verifier.FailAlert}
		if change != nil {
			change(&f)
		}
		return f
	}
	pass, wait := f(verifier.Pass, "", nil), f(verifier.Pending, "", nil)
	fail, unknown := f(verifier.Fail, verifier.IsWorse, nil), f(verifier.Inconclusive, verifier.NoData, nil)
	muted := f(verifier.Fail, verifier.IsWorse, func(f *verifier.Finding) { f.Muted = true })
	note := f(verifier.Fail, verifier.IsWorse, func(f *verifier.Finding) { f.OnFail = verifier.FailNote })
	optional := f(verifier.Inconclusive, verifier.NoData, func(f *verifier.Finding) { f.Optional = true })
	for _, c := range []struct {
		name     string
		findings []verifier.Finding
		outcome  verifier.Outcome
		reason   verifier.Reason
	}{
		{"none", nil, verifier.Inconclusive, verifier.NoRules},
		{"all pass", []verifier.Finding{pass, pass}, verifier.Pass, ""},
		{"one fails", []verifier.Finding{wait, unknown, fail}, verifier.Fail, verifier.IsWorse},
		{"one waits", []verifier.Finding{unknown, wait, unknown}, verifier.Pending, ""},
		{"one could not tell", []verifier.Finding{pass, unknown}, verifier.Inconclusive, verifier.NoData},
		{"an optional one could not tell", []verifier.Finding{pass, optional}, verifier.Pass, ""},
		{"a muted one and a note fail", []verifier.Finding{pass, muted, note}, verifier.Pass, ""},
	} {
		if o, r := rules.Verdict(c.findings); o != c.outcome || r != c.reason {
			t.Errorf("%s: %s %s, want %s %s", c.name, o, r, c.outcome, c.reason)
		}
	}
}

func TestRecovered(t *testing.T) {
	since := settled.Add(5 * time.Minute)
	late := func(n int, of func(int) (float64, float64)) verifier.Case {
		return shop(past(120, same(0.3, 50)), append(events(settled, 20, same(5, 50)), events(since, n, of)...))
	}
	burst := countRule(verifier.Limit{Above: ptr(10.0), Within: 5 * time.Minute})
	for _, c := range []struct {
		name string
		rule verifier.Rule
		c    verifier.Case
		ok   bool
		text string
	}{
		{"ratio is back", ratioRule(), late(8, same(0.3, 50)), true, "Error ratio: 0.6 % since 13:51 UTC, back inside the limit"},
		{"ratio is not", ratioRule(), late(8, same(2, 50)), false, "Error ratio: 4 % since 13:51 UTC, still over the limit"},
		{"one step", ratioRule(), late(1, same(0, 50)), false, "Error ratio: 1 step with data since 13:51 UTC, too little data to tell"},
		{"no baseline", ratioRule(), without(late(8, same(0, 50)), verifier.ArmBefore), false, "Error ratio: 0 % since 13:51 UTC, still over the limit"},
		{"count inside the scaled limit", burst, late(8, same(0.5, 50)), true, ""},
		{"count beyond the scaled limit", burst, late(8, same(1, 50)), false, ""},
		{"source is down", burst, troubled(late(8, same(0, 50)), verifier.SourceDown, "x"), false, "Errors: too little is known since 13:51 UTC"},
		{"bad data", ratioRule(), late(8, same(60, 50)), false, "Error ratio: too little is known since 13:51 UTC"},
	} {
		ok, text := rules.Recovered(c.rule, c.c, since, since.Add(3*time.Minute))
		if ok != c.ok || c.text != "" && text != c.text {
			t.Errorf("%s: %t %q, want %t %q", c.name, ok, text, c.ok, c.text)
		}
	}
}

// A morning is compared with a morning: what grows every day at that hour condemns nobody, and what is worse than that does.
func TestLastWeek(t *testing.T) {
	ramp := func(share float64) func(int) (float64, float64) {
		return func(i int) (float64, float64) {
			n := float64(50 + 20*i)
			return math.Round(n * share * (1 + float64(i)/20)), n
		}
	}
	slow := func(times float64) func(int) float64 {
		return func(i int) float64 { return times * (0.2 + 0.005*float64(i) + 0.004*float64(i%3)) }
	}
	with := func(c verifier.Case, samples []verifier.Sample) verifier.Case {
		c.Arms[verifier.ArmLastWeek] = verifier.Evidence{Samples: samples, Settled: true}
		return c
	}
	ratio, value := ratioRule(), valueRule()
	for _, r := range []*verifier.Rule{&ratio, &value} {
		compare := *r.Compare
		compare.With = []verifier.Arm{verifier.ArmBefore, verifier.ArmLastWeek}
		r.Compare = &compare
	}
	for _, c := range []struct {
		name string
		rule verifier.Rule
		c    verifier.Case
		want verifier.Outcome
	}{
		{"shares like last week", ratio, with(shop(past(120, same(1, 50)), events(settled, 60, ramp(0.05))), events(settled, 60, ramp(0.05))), verifier.Pass},
		{"shares worse than last week", ratio, with(shop(past(120, same(1, 50)), events(settled, 60, ramp(0.1))), events(settled, 60, ramp(0.02))), verifier.Fail},
		{"times like last week", value, with(shop(values(deployed.Add(-35*time.Minute), 120, slow(1)), values(settled, 60, slow(1))), values(settled, 60, slow(1))), verifier.Pass},
		{"slower than last week", value, with(shop(values(deployed.Add(-35*time.Minute), 120, func(i int) float64 { return 0.2 + 0.004*float64(i%3) }), values(settled, 60, slow(2))), values(settled, 60, slow(1))), verifier.Fail},
	} {
		f := rules.Judge(c.rule, c.c, until.Add(time.Minute))
		if f.Outcome != c.want || c.want == verifier.Fail && !strings.Contains(f.Text, "a week earlier ") {
			t.Errorf("%s: %s, want %s: %s", c.name, f.Outcome, c.want, f.Text)
		}
	}
}
