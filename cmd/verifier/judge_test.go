package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"verifier"
	"verifier/cases"
)

// caseLine is a case of half an hour before and a quarter of an hour after, in steps of 15 s: errors among requests, and a latency.
func caseLine(t *testing.T, id string, errorsAfter, latencyAfter, control int, change func(map[string]any)) string {
	t.Helper()
	const deployed, step = 1_700_000_040, 15
	var counts, values, peers [][]any
	for i := -120; i < 60; i++ {
		at := deployed + (i+1)*step
		e, l := 1, 100+i%3
		if i >= 0 {
			e, l = errorsAfter, latencyAfter+i%3
			if control > 0 {
				peers = append(peers, []any{at, 2, 200})
			}
		}
		if e >= 0 {
			counts, values = append(counts, []any{at, e, 100}), append(values, []any{at, l})
		}
	}
	c := map[string]any{
		"id": id, "service": "shop", "deployed_at": deployed, "until": deployed + 15*60, "step": step,
		"series": []any{
			map[string]any{"name": "errors", "kind": "count", "worse": "higher", "unit": "1", "deployed": counts, "control": peers},
			map[string]any{"name": "latency", "kind": "value", "worse": "higher", "unit": "ms", "deployed": values},
		},
		"label": map[string]any{"bad": true, "onset": deployed, "kind": id},
	}
	if change != nil {
		change(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func caseFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cases.jsonl")
	write(t, path, strings.Join(lines, ""))
	return path
}

// judged runs the command: its verdicts, and whatever else it wrote.
func judged(t *testing.T, args ...string) (map[string]cases.Verdict, string, int) {
	t.Helper()
	code, out := command(t, append([]string{"judge"}, args...)...)
	verdicts, rest := map[string]cases.Verdict{}, ""
	for line := range strings.Lines(out) {
		var v cases.Verdict
		if err := json.Unmarshal([]byte(line), &v); err == nil {
			verdicts[v.ID] = v
		} else {
			rest += line
		}
	}
	return verdicts, rest, code
}

// Cases in, verdicts out, each with its time and words that tell what happened; the label decides nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	lie := func(c map[string]any) { c["label"] = map[string]any{"bad": false} }
	verdicts, stderr, code := judged(t, "--cases", caseFile(t,
		caseLine(t, "good", 1, 100, 1, nil), caseLine(t, "errors", 9, 100, 1, nil), caseLine(t, "unlabelled", 9, 100, 1, lie),
		caseLine(t, "slow", 1, 200, 1, nil), caseLine(t, "silent", -1, 0, 1, nil), caseLine(t, "no peers", -1, 0, 0, nil),
	))
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for id, want := range map[string]struct {
		outcome verifier.Outcome
		within  float64
		reason  string
	}{
		"good":       {verifier.Pass, 900, "Errors: 1 %"},
		"errors":     {verifier.Fail, 240, "Errors: 9 % ("},
		"unlabelled": {verifier.Fail, 240, "unchanged hosts 1 %"},
		"slow":       {verifier.Fail, 240, "Latency: 201 ms, "},
		"silent":     {verifier.Fail, 300, "Errors: no data at all after deployed"},
		"no peers":   {verifier.Inconclusive, 1000, "no_data"},
	} {
		v := verdicts[id]
		if v.Outcome != want.outcome || v.At-1_700_000_040 > want.within || v.At <= 1_700_000_040 || !strings.Contains(v.Reason, want.reason) {
			t.Errorf("%s: %+v, want %s within %.0f s: %s", id, v, want.outcome, want.within, want.reason)
		}
	}
	if a, b := verdicts["errors"], verdicts["unlabelled"]; a.At != b.At || a.Reason != b.Reason {
		t.Errorf("the label was read: %+v %+v", a, b)
	}
}

// What cannot be is an error that says which case and line; the rest is judged, and the program ends with 2. What tells nothing has
// a reason, and is no verdict.
func TestJudgeBadInput(t *testing.T) {
	t.Parallel()
	series := func(name string, samples string) func(map[string]any) {
		return func(c map[string]any) {
			c["series"] = []any{map[string]any{"name": name, "kind": "value", "worse": "either", "deployed": json.RawMessage(samples)}}
		}
	}
	verdicts, stderr, code := judged(t, "--cases", caseFile(t,
		"{broken\n", caseLine(t, "negative", -2, 0, 1, func(c map[string]any) { c["step"] = -1 }),
		caseLine(t, "one sample", 1, 1, 0, series("x", "[[1700000100,4]]")),
		caseLine(t, "empty", 1, 1, 0, series("x", "[]")),
		caseLine(t, "constant", 1, 1, 0, series("x", constant())),
		caseLine(t, "errors", 9, 100, 1, nil),
	))
	if code != exitTrouble || !strings.Contains(stderr, ":1: this is no case") || !strings.Contains(stderr, ":2: case negative: step is -1") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if len(verdicts) != 4 || verdicts["errors"].Outcome != verifier.Fail {
		t.Errorf("%d verdicts: %+v", len(verdicts), verdicts)
	}
	for id, reason := range map[string]string{"one sample": "lagging", "empty": "no_data"} {
		if v := verdicts[id]; v.Outcome != verifier.Inconclusive || !strings.Contains(v.Reason, reason) {
			t.Errorf("%s: %+v, want inconclusive: %s", id, v, reason)
		}
	}
	if v := verdicts["constant"]; v.Outcome == verifier.Fail {
		t.Errorf("a constant is worse than itself: %+v", v)
	}
	for _, args := range [][]string{{}, {"--cases", "/nowhere"}, {"--cases", caseFile(t), "--rules", "/nowhere"}} {
		if _, stderr, code := judged(t, args...); code != exitTrouble || stderr == "" {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

func constant() string {
	var samples []string
	for i := -100; i < 60; i++ {
		samples = append(samples, fmt.Sprintf("[%d,7]", 1_700_000_040+15*(i+1)))
	}
	return "[" + strings.Join(samples, ",") + "]"
}

// Rules of one's own ask for series by name, and are judged in the case's steps.
func TestJudgeByRules(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	text := "rules:\n  - name: slow\n    measure: {source: cases, query: latency}\n    limit: {above: 150, for: 1m}\n"
	write(t, path, text)
	file := caseFile(t, caseLine(t, "errors", 9, 100, 1, nil), caseLine(t, "slow", 1, 200, 1, nil))
	verdicts, stderr, code := judged(t, "--cases", file, "--rules", path)
	if code != exitOK || verdicts["errors"].Outcome != verifier.Pass || verdicts["slow"].Outcome != verifier.Fail {
		t.Errorf("exit %d: %s: %+v", code, stderr, verdicts)
	}
	code, out := command(t, "judge", "--cases", file, "--rules", path, "--score", "--format", "json")
	var scores cases.Scores
	if err := json.Unmarshal([]byte(out), &scores); err != nil || code != exitOK || *scores.Recall != 0.5 || *scores.Precision != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
}
