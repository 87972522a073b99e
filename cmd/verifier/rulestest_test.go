package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

const testedRules = `rules:
  - name: error-burst
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 10, within: 5m}
    on_fail: rollback
  - name: error-ratio
    measure: {source: logs, ratio: {of: 'status:>=500', to: 'status:*'}}
    compare: {with: [before, peers], worse: higher, tolerate: 50%, at_least: 0.005}
    on_fail: rollback
  - name: response-time
    measure: {source: metrics, promql: 'latency{service="{{.Service}}"}', unit: s}
    compare: {with: before, worse: higher, tolerate: 20%}
    select: {environment: production}
`

func ruleTestFiles(t *testing.T, tests string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yaml"), testedRules)
	path := filepath.Join(dir, "rules_test.yaml")
	write(t, path, tests)
	return path
}

const goodRuleTests = `rules: rules.yaml
tests:
  - name: a burst of errors
    series:
      error-burst: {before: 0x119, deployed: 0x3 4x30, among: {before: 50x119, deployed: 50x3 50x30}}
    expect:
      verdict: failed
      within: 3m
      rules: {error-burst: {outcome: fail, reason: limit_crossed, after: 60s}}
  - name: an incident that the old version shares condemns nobody
    series:
      error-ratio: {before: 1x119, deployed: 1x7 20x51, peers: 4x7 80x51, among: {before: 100x119, deployed: 100x7 100x51, peers: 400x7 400x51}}
    expect: {verdict: passed, rules: {error-ratio: {outcome: pass}}}
  - name: worse than its peers
    series:
      error-ratio: {before: 1x119, deployed: 1x7 20x51, peers: 4x59, among: {before: 100x119, deployed: 100x7 100x51, peers: 400x59}}
    expect: {verdict: failed, rules: {error-ratio: {outcome: fail, reason: worse, within: 5m}}}
  - name: slower, step by step
    deploy: {service: checkout, environment: production, version: 1.4.2}
    series:
      response-time: {before: 0.2+0.0001x119, deployed: 0.2x10 0.3+0.01x30 _x5}
    expect: {verdict: failed, rules: {response-time: {outcome: fail}}}
  - name: a first deploy has nothing to be compared with
    series:
      response-time: {deployed: 0.2x59}
    expect: {verdict: inconclusive, rules: {response-time: {outcome: inconclusive, reason: no_baseline}}}
`

// Series in, outcomes and times out: what holds passes.
func TestRuleTests(t *testing.T) {
	t.Parallel()
	path := ruleTestFiles(t, goodRuleTests)
	code, out := command(t, "test", path)
	if code != exitOK || !strings.Contains(out, "5 of 5 tests passed") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// What does not hold fails, each test by itself and in words.
func TestRuleTestsFail(t *testing.T) {
	t.Parallel()
	tests := strings.NewReplacer("verdict: failed\n      within: 3m", "verdict: passed\n      within: 3m", "after: 60s", "after: 10m",
		"reason: worse, within: 5m", "reason: worse, within: 61s").Replace(goodRuleTests)
	code, out := command(t, "test", ruleTestFiles(t, tests), "--format", "json")
	var results []ruleTestResult
	text, _, _ := strings.Cut(out, "exit ")
	if err := json.Unmarshal([]byte(text), &results); err != nil || len(results) != 5 || !strings.HasSuffix(out, "exit 1") || code == exitOK {
		t.Fatalf("exit %d: %v:\n%s", code, err, out)
	}
	first := strings.Join(results[0].Problems, "\n")
	if !strings.Contains(first, "the verdict is failed, want passed") || !strings.Contains(first, "after the deploy, want 10m0s or later: Error burst") {
		t.Errorf("the first: %s", first)
	}
	if p := results[2].Problems; len(p) != 1 || !strings.Contains(p[0], "error-ratio: decided") || !strings.Contains(p[0], "want within 1m1s") {
		t.Errorf("the third: %q", p)
	}
	if len(results[1].Problems)+len(results[3].Problems)+len(results[4].Problems) != 0 {
		t.Errorf("the others: %+v", results)
	}
}

// Every mistake is named with its place and what to write instead.
func TestRuleTestsBad(t *testing.T) {
	t.Parallel()
	change := func(old, new string) string { return strings.Replace(goodRuleTests, old, new, 1) }
	for _, tt := range []struct{ text, want string }{
		{"", "the file is empty; write rules: and tests:"},
		{"rules: rules.yaml\ntests: []\n", "there is no test"},
		{change("rules: rules.yaml\n", ""), "rules: is missing"},
		{change("rules: rules.yaml", "rules: nothing.yaml"), "nothing.yaml"},
		{change("rules: rules.yaml", "rules: [{name: a}]"), "rules: must be text, not a list"},
		{change("0x3 4x30", "0x3 many"), `"many" is not a valid step: write 5, 5x10`},
		{change("0x3 4x30", "0x999999999"), "at most 100000 steps"},
		{change("deployed: 50x3 50x30", "deployed: 50x3"), "among.deployed: has 4 steps and deployed has 35"},
		{change("error-burst: {before", "error-bursts: {before"), "did you mean error-burst?"},
		{change("verdict: failed", "verdict: fail"), `invalid verdict "fail": must be passed, failed, inconclusive`},
		{change("outcome: fail, reason: limit_crossed", "outcome: failed, reason: limit_crossed"), `invalid outcome "failed": must be pass, fail, inconclusive`},
		{change("reason: limit_crossed", "reason: limit"), `invalid reason "limit": must be no_data,`},
		{change("within: 3m", "within: soon"), `"soon" is not a valid duration (try 90s or 5m)`},
		{change("series:", "serious:"), "serious"},
		{change("- name: a burst of errors\n    series", "- series"), "the test has no name"},
		{change("expect: {verdict: passed, rules: {error-ratio: {outcome: pass}}}", "expect: {}"), "expects nothing; write expect"},
	} {
		code, out := command(t, "test", ruleTestFiles(t, tt.text))
		if code != exitTrouble || !strings.Contains(out, tt.want) {
			t.Errorf("%q: exit %d, want %q:\n%s", tt.want, code, tt.want, out)
		}
	}
	if code, out := command(t, "test", "/nowhere.yaml"); code != exitTrouble || !strings.Contains(out, "/nowhere.yaml") {
		t.Errorf("exit %d: %s", code, out)
	}
}
