package main

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// ruleTests is a file of unit tests of rules.
type ruleTests struct {
	Rules string     `yaml:"rules"` // a file or a folder, relative to the test file
	Tests []ruleTest `yaml:"tests"`

	path string
	doc  *document
}

type ruleTest struct {
	Name   string                `yaml:"name"`
	Deploy testDeploy            `yaml:"deploy"`
	Series map[string]ruleSeries `yaml:"series"` // by rule
	Expect ruleExpect            `yaml:"expect"`
}

type testDeploy struct {
	Service     string            `yaml:"service"`
	Environment string            `yaml:"environment"`
	Target      string            `yaml:"target"`
	Version     string            `yaml:"version"`
	Team        string            `yaml:"team"`
	Change      string            `yaml:"change"`
	Labels      map[string]string `yaml:"labels"`
	At          time.Time         `yaml:"at"`
}

// ruleSeries is what one rule sees, one value a step: up to the deploy, and from it on. Among is what counts are counted among.
type ruleSeries struct {
	Before   steps       `yaml:"before"`
	Deployed steps       `yaml:"deployed"`
	Peers    steps       `yaml:"peers"`
	Among    ruleExposed `yaml:"among"`
}

type ruleExposed struct {
	Before   steps `yaml:"before"`
	Deployed steps `yaml:"deployed"`
	Peers    steps `yaml:"peers"`
}

type ruleExpect struct {
	Verdict string                 `yaml:"verdict"` // passed, failed, inconclusive
	Within  testTime               `yaml:"within"`
	Rules   map[string]ruleOutcome `yaml:"rules"`
}

type ruleOutcome struct {
	Outcome string   `yaml:"outcome"` // pass, fail, inconclusive
	Reason  string   `yaml:"reason"`
	Within  testTime `yaml:"within"`
	After   testTime `yaml:"after"`
}

// testTime is a duration as rules write it.
type testTime time.Duration

// UnmarshalText reads 5m, 90s.
func (t *testTime) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a valid duration (try 90s or 5m)", text)
	}
	*t = testTime(d)
	return nil
}

// steps are values step by step; NaN is a step without data.
type steps []float64

// token is one item of the notation that promtool has: 5, 5x10 (5 and ten more), 0+2x10, 10-1x5, _, _x3.
var stepToken = regexp.MustCompile(`^(?:(_)|([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(?:([-+][0-9.]+(?:[eE][-+]?[0-9]+)?))?)(?:x([0-9]+))?$`)

const mostTestSteps = 100_000

// UnmarshalText reads the notation.
func (s *steps) UnmarshalText(text []byte) error {
	for _, word := range strings.Fields(string(text)) {
		m := stepToken.FindStringSubmatch(word)
		if m == nil {
			return fmt.Errorf("%q is not a valid step: write 5, 5x10 (5 and ten more of it), 0+2x10, or _ and _x3 for steps without data", word)
		}
		n, more := 1, 0
		if m[4] != "" {
			count, err := strconv.Atoi(m[4])
			if err != nil || count > mostTestSteps {
				return fmt.Errorf("%q: at most %d steps", word, mostTestSteps)
			}
			n, more = count, 1
		}
		if m[1] != "" { // _x3 is three steps
			for range n {
				*s = append(*s, math.NaN())
			}
			continue
		}
		value, err := strconv.ParseFloat(m[2], 64)
		by := 0.0
		if m[3] != "" {
			by, _ = strconv.ParseFloat(m[3], 64)
		}
		if err != nil || math.IsInf(value, 0) {
			return fmt.Errorf("%q is not a number", word)
		}
		for i := range n + more {
			*s = append(*s, value+by*float64(i))
		}
	}
	return nil
}

// samples are those of the question's arm. Steps before count back from the deploy.
func (s ruleSeries) samples(q verifier.Question, deployed time.Time) []verifier.Sample {
	values, among, first := s.Deployed, s.Among.Deployed, deployed
	switch {
	case q.Subject.Peers:
		values, among = s.Peers, s.Among.Peers
	case !q.From.After(deployed) && !q.To.After(deployed):
		values, among = s.Before, s.Among.Before
		first = deployed.Add(-time.Duration(len(values)) * q.Step)
	}
	counts := q.Measure.Counts() || q.Measure.Patterns != ""
	var out []verifier.Sample
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		x := verifier.Sample{T: first.Add(time.Duration(i+1) * q.Step), Value: v}
		if counts {
			x.Count = v
		}
		if counts && i < len(among) && !math.IsNaN(among[i]) {
			x.Exposure = among[i]
			if q.Measure.Ratio != nil && x.Exposure > 0 {
				x.Value = x.Count / x.Exposure
			}
		}
		out = append(out, x)
	}
	return out
}

// testMoment is when a test's deploy is, unless it says otherwise; steps of any usual length end there.
var testMoment = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func (d testDeploy) deploy() verifier.Deploy {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	at := d.At.UTC()
	if d.At.IsZero() {
		at = testMoment
	}
	return verifier.Deploy{
		ID: "test", Place: verifier.Place{Service: or(d.Service, "service"), Environment: or(d.Environment, "production"), Target: d.Target},
		Version: or(d.Version, "new"), Team: d.Team, Labels: d.Labels, Status: verifier.Succeeded, Change: verifier.Change(or(d.Change, string(verifier.Release))),
		Kind: verifier.KindRelease, At: at, RecordedAt: at, Hosts: []string{"changed"},
	}
}

// parseRuleTests reads a file of tests; the error names everything that is wrong with it.
func parseRuleTests(path string, raw []byte) (*ruleTests, error) {
	doc, problems := parseDocument(path, raw, false)
	if doc.body == nil && len(problems) == 0 {
		return nil, fmt.Errorf("%s: the file is empty; write rules: and tests:", path)
	}
	f := &ruleTests{path: path, doc: doc}
	_, more := doc.decode(f, keysOf([]reflect.Type{reflect.TypeFor[ruleTests]()}))
	if err := verifier.SortErrors(append(problems, more...)...); err != nil {
		return nil, err
	}
	return f, f.check()
}

func (f *ruleTests) check() error {
	if f.Rules == "" {
		return f.doc.bad(key{"rules"}, "is missing; write the file or the folder of rules that is tested")
	}
	if len(f.Tests) == 0 {
		return f.doc.bad(key{"tests"}, "there is no test")
	}
	for i, t := range f.Tests {
		if t.Name == "" {
			return f.doc.bad(key{"tests", i}, "the test has no name")
		}
		if len(t.Series) == 0 {
			return f.doc.bad(key{"tests", i}, "%s: has no series; write one for each rule that it is about", t.Name)
		}
		if t.Expect.Verdict == "" && len(t.Expect.Rules) == 0 {
			return f.doc.bad(key{"tests", i}, "%s: expects nothing; write expect: {verdict: passed}", t.Name)
		}
		if err := f.checkWords(i, t.Expect); err != nil {
			return err
		}
		if err := f.checkSeries(i, t); err != nil {
			return err
		}
	}
	return nil
}

func (f *ruleTests) checkWords(i int, e ruleExpect) error {
	verdicts := []string{string(verifier.Passed), string(verifier.FailedState), string(verifier.Undecided)}
	if e.Verdict != "" && !slices.Contains(verdicts, e.Verdict) {
		return f.doc.bad(key{"tests", i, "expect", "verdict"}, "invalid verdict %q: must be %s", e.Verdict, strings.Join(verdicts, ", "))
	}
	outcomes := []string{string(verifier.Pass), string(verifier.Fail), string(verifier.Inconclusive)}
	for name, o := range e.Rules {
		if !slices.Contains(outcomes, o.Outcome) {
			return f.doc.bad(key{"tests", i, "expect", "rules", name, "outcome"}, "invalid outcome %q: must be %s", o.Outcome, strings.Join(outcomes, ", "))
		}
		if o.Reason != "" && !slices.Contains(reasonWords(), o.Reason) {
			return f.doc.bad(key{"tests", i, "expect", "rules", name, "reason"}, "invalid reason %q: must be %s", o.Reason, strings.Join(reasonWords(), ", "))
		}
	}
	return nil
}

func reasonWords() (out []string) {
	for _, r := range verifier.Reasons {
		out = append(out, string(r))
	}
	return out
}

// checkSeries holds what counts are counted among against the counts.
func (f *ruleTests) checkSeries(i int, t ruleTest) error {
	for name, s := range t.Series {
		for arm, pair := range map[string][2]steps{"before": {s.Before, s.Among.Before}, "deployed": {s.Deployed, s.Among.Deployed}, "peers": {s.Peers, s.Among.Peers}} {
			if len(pair[1]) > 0 && len(pair[1]) != len(pair[0]) {
				return f.doc.bad(key{"tests", i, "series", name, "among", arm}, "has %d steps and %s has %d", len(pair[1]), arm, len(pair[0]))
			}
		}
	}
	return nil
}
