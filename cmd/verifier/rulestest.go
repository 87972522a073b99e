package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/lifecycle"
	"verifier/rules"
	"verifier/sources"
)

func testCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "test FILE...", Short: "Run unit tests of rules: series in, outcomes and times out", Args: cobra.MinimumNArgs(1),
		Long: "Run unit tests of rules: series in, outcomes and times out, in the manner of promtool test rules (docs/testing-rules.md).\n" +
			"Nobody is asked. Exit code 1 says that a test failed.",
		RunE: func(c *cobra.Command, files []string) error { return testRules(c, files) },
	}
	addFormatFlag(c)
	return c
}

// ruleTestResult is what one test came to; Problems is empty when it passed.
type ruleTestResult struct {
	File     string   `json:"file"`
	Name     string   `json:"name"`
	Problems []string `json:"problems"`
}

func testRules(c *cobra.Command, files []string) error {
	var results []ruleTestResult
	for _, path := range files {
		f, err := readRuleTests(path)
		if err != nil {
			return err
		}
		some, err := f.run(c.Context())
		if err != nil {
			return err
		}
		results = append(results, some...)
	}
	failed := 0
	for _, r := range results {
		if len(r.Problems) > 0 {
			failed++
		}
	}
	if err := printed(c, results, func(w io.Writer) { printRuleTests(w, results, failed) }); err != nil {
		return err
	}
	if failed > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func printRuleTests(w io.Writer, results []ruleTestResult, failed int) {
	for _, r := range results {
		if len(r.Problems) == 0 {
			fmt.Fprintf(w, "ok    %s: %s\n", r.File, r.Name)
			continue
		}
		fmt.Fprintf(w, "FAIL  %s: %s\n", r.File, r.Name)
		for _, p := range r.Problems {
			fmt.Fprintf(w, "      %s\n", p)
		}
	}
	fmt.Fprintf(w, "%d of %d tests passed\n", len(results)-failed, len(results))
}

// run runs all tests of the file.
func (f *ruleTests) run(ctx context.Context) ([]ruleTestResult, error) {
	path := absolute(filepath.Dir(f.path), f.Rules)
	set, err := rules.Load(path, checksFor(path))
	if err != nil {
		return nil, err
	}
	var results []ruleTestResult
	for i, t := range f.Tests {
		problems, err := f.runOne(ctx, set, i)
		if err != nil {
			return nil, err
		}
		results = append(results, ruleTestResult{File: f.path, Name: t.Name, Problems: problems})
	}
	return results, nil
}

// checksFor are the checks of the sources that rules name: each measure by the source whose language it is written in.
func checksFor(path string) map[string]rules.CheckMeasure {
	check := func(m verifier.Measure) (time.Duration, error) {
		switch {
		case m.PromQL != "":
			return sources.CheckPrometheus(m)
		case m.NRQL != "":
			return sources.CheckNewRelic(m)
		}
		return 0, nil
	}
	out := map[string]rules.CheckMeasure{}
	for _, name := range rules.SourcesNamed(path) {
		out[name] = check
	}
	return out
}

// runOne judges the deploy of a test by the rules that the test has series for.
func (f *ruleTests) runOne(ctx context.Context, set *rules.Set, i int) ([]string, error) {
	t := f.Tests[i]
	d := t.Deploy.deploy()
	selected, _ := set.For(d)
	var judged []verifier.Rule
	for _, r := range selected {
		if _, ok := t.Series[r.Name]; ok {
			judged = append(judged, r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Series)) {
		if !slices.ContainsFunc(judged, func(r verifier.Rule) bool { return r.Name == name }) {
			return nil, f.doc.bad(key{"tests", i, "series", name}, "no rule of this name selects the deploy%s", didYouMean(name, namesOf(selected)))
		}
	}
	v, err := t.replay(ctx, d, judged)
	if err != nil {
		return nil, f.doc.bad(key{"tests", i}, "%v", err)
	}
	return t.Expect.problems(v, d.At), nil
}

func namesOf(list []verifier.Rule) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// replay runs the watch over the deploy in simulated time, on the test's series.
func (t ruleTest) replay(ctx context.Context, d verifier.Deploy, judged []verifier.Rule) (verifier.Verification, error) {
	series := map[string]ruleSeries{}
	old := d
	old.ID, old.Version, old.At = "before", oldVersion, d.At
	var settle time.Duration
	backends := lifecycle.Backends{}
	for _, r := range judged {
		s := t.Series[r.Name]
		series[measureKey(r.Measure)] = s
		settle = max(settle, r.Settle)
		if first := d.At.Add(-time.Duration(len(s.Before)) * r.Every); first.Before(old.At) {
			old.At = first
		}
	}
	source := sources.Recorded{
		Of: func(q verifier.Question) ([]verifier.Sample, bool) {
			s, ok := series[measureKey(q.Measure)]
			if !ok {
				return nil, false
			}
			return s.samples(q, d.At), true
		},
		Peers: func(m verifier.Measure) bool { return len(series[measureKey(m)].Peers) > 0 },
	}
	for _, r := range judged {
		backends[r.Measure.Source] = source
	}
	scene := &verifier.Scene{Place: d.Place, Deploy: d, History: []verifier.Past{{Deploy: d}}}
	if old.At.Before(d.At) { // a test without a stretch before is a first deploy
		old.At = old.At.Add(-settle - time.Minute)
		scene.History = append(scene.History, verifier.Past{Deploy: old, State: verifier.Passed, Ended: &d.At})
	}
	world := lifecycle.World{
		Catalogue: &verifier.Catalogue{}, Unrelated: lifecycle.DefaultUnrelated,
		Rules: func(verifier.Deploy) ([]verifier.Rule, string) { return judged, "test" },
	}
	_, err := lifecycle.Replay(ctx, world, scene, backends)
	if v := scene.Watch(d.ID); v != nil {
		return *v, err
	}
	return verifier.Verification{}, errors.Join(errors.New("the deploy opens no watch"), err)
}

// measureKey tells measures apart.
func measureKey(m verifier.Measure) string {
	text, _ := json.Marshal(m) // unreachable error: plain fields
	return string(text)
}

// problems is what the verification is and was not expected to be.
func (e ruleExpect) problems(v verifier.Verification, deployed time.Time) []string {
	out := []string{}
	if e.Verdict != "" && string(v.State) != e.Verdict {
		out = append(out, fmt.Sprintf("the verdict is %s, want %s", v.State, e.Verdict))
	}
	if took := timeOf(v.DecidedAt, deployed); e.Within > 0 && took > time.Duration(e.Within) {
		out = append(out, fmt.Sprintf("the verdict fell %s after the deploy, want within %s", took, time.Duration(e.Within)))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Rules)) {
		i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == name })
		if i < 0 {
			out = append(out, name+": the test has no series for it")
			continue
		}
		out = append(out, e.Rules[name].problems(v.Findings[i], deployed)...)
	}
	return out
}

func (e ruleOutcome) problems(f verifier.Finding, deployed time.Time) (out []string) {
	say := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: "+format+": %s", append(append([]any{f.Rule}, args...), f.Text)...))
	}
	took := timeOf(f.At, deployed)
	switch {
	case e.Outcome != "" && string(f.Outcome) != e.Outcome:
		say("%s %s, want %s", f.Outcome, f.Reason, e.Outcome)
	case e.Reason != "" && string(f.Reason) != e.Reason:
		say("the reason is %q, want %s", f.Reason, e.Reason)
	case e.Within > 0 && took > time.Duration(e.Within):
		say("decided %s after the deploy, want within %s", took, time.Duration(e.Within))
	case e.After > 0 && took < time.Duration(e.After):
		say("decided %s after the deploy, want %s or later", took, time.Duration(e.After))
	}
	return out
}

func timeOf(t *time.Time, since time.Time) time.Duration {
	if t == nil {
		return 0
	}
	return t.Sub(since)
}

func readRuleTests(path string) (*ruleTests, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseRuleTests(path, raw)
}
