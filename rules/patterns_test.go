package rules_test

import (
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/rules"
)

func patternRule() verifier.Rule {
	r := countRule(verifier.Limit{New: ptr(0), SeenAtLeast: 5})
	r.Name, r.Measure = "new-error-patterns", verifier.Measure{Source: "logs", Patterns: "log.level:ERROR"}
	return r
}

// wrote are steps of 20 documents, one of which is of each pattern.
func wrote(from time.Time, n int, templates ...string) []verifier.Sample {
	out := events(from, n, same(float64(len(templates)), 20))
	for i := range out {
		for _, t := range templates {
			out[i].Patterns = append(out[i].Patterns, verifier.Pattern{Template: t, Count: 1})
		}
	}
	return out
}

func patternCase(before, after []verifier.Sample, ended bool) verifier.Case {
	from := deployed.Add(-30 * time.Minute)
	return verifier.Case{
		Deploy: verifier.Deploy{Version: "1.4.2"}, From: deployed, Until: until, Ended: ended,
		Baseline: &verifier.Baseline{From: from, Until: deployed, Version: "1.4.1"},
		Arms: map[verifier.Arm]verifier.Evidence{
			verifier.ArmDeployed: {From: deployed, Until: until, Samples: after},
			verifier.ArmBefore:   {From: from, Until: deployed, Samples: before, Settled: true},
		},
	}
}

func TestPatterns(t *testing.T) {
	before := wrote(deployed.Add(-30*time.Minute), 100, "cart of <number> is gone for customer bob", "payment declined by bank")
	sampled := wrote(settled, 12, "no rate for <mail>")
	sampled[0].Patterns[0].Sample = "no rate for <mail> yet"
	for _, test := range []struct {
		name    string
		before  []verifier.Sample
		after   []verifier.Sample
		running bool
		partial string
		lost    string // of before
		bounded string
		few     string // of before: a bound was reached
		noise   []string
		new     int
		outcome verifier.Outcome
		reason  verifier.Reason
		text    string
	}{
		{
			name: "new ones", before: before, after: sampled, outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "1 error pattern that 1.4.1 never wrote: “no rate for <mail> yet” (12 times).",
		},
		{
			name: "at once", before: before, after: sampled[:5], running: true, outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "1 error pattern that 1.4.1 never wrote: “no rate for <mail> yet” (5 times).",
		},
		{
			name: "too rare", before: before, after: append(wrote(settled, 4, "no rate"), wrote(settled.Add(4*step), 56)...), outcome: verifier.Pass,
			text: "No error pattern that 1.4.1 never wrote was seen 5 times.",
		},
		{
			name: "known, more general", before: before, after: wrote(settled, 60, "cart of <number> is gone for customer <*>"), outcome: verifier.Pass,
			text: "No error pattern that 1.4.1 never wrote was seen 5 times.",
		},
		{
			name: "same but for its second word", before: before, after: wrote(settled, 9, "payment accepted by bank"), outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "1 error pattern that 1.4.1 never wrote: “payment accepted by bank” (9 times).",
		},
		{
			name: "many", before: before, after: wrote(settled, 6, "a", "b", "c", "d", "e"), outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "5 error patterns that 1.4.1 never wrote: “a” (6 times), “b” (6 times), “c” (6 times) and 2 more.",
		},
		{
			name: "tolerated", before: before, after: wrote(settled, 60, "a"), new: 1, outcome: verifier.Pass,
			text: "1 error pattern that 1.4.1 never wrote: “a” (60 times); tolerated are 1.",
		},
		{
			name: "running", before: before, after: wrote(settled, 8), running: true, outcome: verifier.Pending,
			text: "No error pattern that 1.4.1 never wrote was seen 5 times so far.",
		},
		{
			name: "a quiet version before", before: before[:2], after: sampled, outcome: verifier.Inconclusive, reason: verifier.TooLittleData,
			text: "New error patterns: 40 documents of 1.4.1, 13:15:00 to 13:15:30 are too few to know its patterns, 50 are needed.",
		},
		{
			name: "a part of the version before", before: before, after: sampled, lost: "half of it", outcome: verifier.Inconclusive, reason: verifier.PartialData,
			text: "New error patterns: the patterns of the version before could not be read: half of it.",
		},
		{
			name: "a part of the deployed version fails", before: before, after: sampled, partial: "half of it", outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "1 error pattern that 1.4.1 never wrote: “no rate for <mail> yet” (12 times).",
		},
		{
			name: "a part of the deployed version does not pass", before: before, after: wrote(settled, 60), partial: "half of it", outcome: verifier.Inconclusive, reason: verifier.PartialData,
			text: "half of it",
		},
		{
			name: "a bound of the version before", before: before, after: sampled, few: "patterns are of the first 10,000 of 52,310 messages", outcome: verifier.Inconclusive, reason: verifier.PartialData,
			text: "New error patterns: the patterns of the version before could not be read: patterns are of the first 10,000 of 52,310 messages.",
		},
		{
			name: "a bound of the deployed version fails", before: before, after: sampled, bounded: "patterns are of the first 10,000 of 52,310 messages", outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "“no rate for <mail> yet” (12 times); patterns are of the first 10,000 of 52,310 messages.",
		},
		{
			name: "a bound of the deployed version does not pass", before: before, after: wrote(settled, 60), bounded: "patterns are of the first 10,000 of 52,310 messages", outcome: verifier.Inconclusive, reason: verifier.PartialData,
			text: "patterns are of the first 10,000 of 52,310 messages",
		},
		{
			name: "known noise", before: before, after: wrote(settled, 60, "no rate for <mail>"), noise: []string{"disk full", "no rate for <*>"}, outcome: verifier.Pass,
			text: "No error pattern that 1.4.1 never wrote was seen 5 times; 1 pattern known as noise is left out.",
		},
		{
			name: "besides known noise", before: before, after: wrote(settled, 60, "no rate for <mail>", "disk full", "x"), noise: []string{"disk full", "x"}, outcome: verifier.Fail, reason: verifier.LimitCrossed,
			text: "1 error pattern that 1.4.1 never wrote: “no rate for <mail>” (60 times); 2 patterns known as noise are left out.",
		},
		{
			name: "before the settling", before: before, after: append(wrote(deployed, 4, "starting"), wrote(settled, 60)...), outcome: verifier.Pass,
			text: "No error pattern that 1.4.1 never wrote was seen 5 times.",
		},
		{name: "no data", before: before, outcome: verifier.Inconclusive, reason: verifier.NoData, text: "no data after 1.4.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := patternCase(test.before, test.after, !test.running)
			d, b := c.Arms[verifier.ArmDeployed], c.Arms[verifier.ArmBefore]
			d.Partial, b.Partial = test.partial, test.lost
			d.Bounded, b.Bounded = test.bounded, test.few
			c.Arms[verifier.ArmDeployed], c.Arms[verifier.ArmBefore] = d, b
			c.Noise = test.noise
			r := patternRule()
			r.Limit.New = ptr(test.new)
			f := rules.Judge(r, c, until)
			if f.Outcome != test.outcome || f.Reason != test.reason || !strings.Contains(f.Text, test.text) {
				t.Errorf("%s %s: %s\nwant %s %s: %s", f.Outcome, f.Reason, f.Text, test.outcome, test.reason, test.text)
			}
		})
	}
}

func TestPatternsOfAFirstDeploy(t *testing.T) {
	c := patternCase(nil, wrote(settled, 12, "a"), true)
	c.Baseline = nil
	delete(c.Arms, verifier.ArmBefore)
	if f := rules.Judge(patternRule(), c, until); f.Outcome != verifier.Inconclusive || f.Reason != verifier.NoBaseline {
		t.Errorf("%s %s: %s", f.Outcome, f.Reason, f.Text)
	}
}

func TestPatternsRecover(t *testing.T) {
	before := wrote(deployed.Add(-30*time.Minute), 100, "old")
	still := patternCase(before, append(wrote(settled, 8, "new"), wrote(settled.Add(8*step), 4, "old")...), false)
	since := settled.Add(8 * step)
	if ok, text := rules.Recovered(patternRule(), still, since, since.Add(4*step)); !ok {
		t.Error(text)
	}
	if ok, text := rules.Recovered(patternRule(), still, settled.Add(6*step), since.Add(4*step)); ok {
		t.Error(text)
	}
}
