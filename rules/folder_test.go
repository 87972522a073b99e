package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const oneRule = "rules:\n  - name: %NAME\n    measure: {source: metrics, promql: up}\n    limit: {below: 1}\n"

func ruleNamed(name string) string { return strings.ReplaceAll(oneRule, "%NAME", name) }

// TestFolderDefaults: all files of a folder inherit the defaults of its defaults.yaml; their own replace them key by key.
func TestFolderDefaults(t *testing.T) {
	dir := folder(t, map[string]string{
		"defaults.yaml": "defaults: {settle: 2m, watch: 20m, every: 30s, confidence: 95%, select: {environment: production, change: release}}\n",
		"payments.yaml": "team: payments\ndefaults: {watch: 10m, select: {change: [release, config]}}\n" + ruleNamed("a"),
		"search.yml":    "team: search\n" + ruleNamed("b"),
		"all.yaml":      "defaults: {select: {environment: '*'}}\n" + ruleNamed("c"),
	})
	set, err := Load(dir, checks)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]verifier.Rule{}
	for _, r := range set.Rules() {
		got[r.Name] = r
	}
	a, b, c := got["a"], got["b"], got["c"]
	if a.Settle != 2*time.Minute || a.Watch != 10*time.Minute || a.Every != 30*time.Second || a.Confidence != 0.95 || b.Watch != 20*time.Minute {
		t.Errorf("a: %+v\nb: %+v", a, b)
	}
	for name, want := range map[string]verifier.Select{
		"a": {Environment: []string{"production"}, Team: []string{"payments"}, Change: []string{"release", "config"}},
		"b": {Environment: []string{"production"}, Team: []string{"search"}, Change: []string{"release"}},
		"c": {Environment: []string{"*"}, Change: []string{"release"}},
	} {
		if diff := cmp.Diff(want, got[name].Select); diff != "" {
			t.Errorf("%s selects (-want +got):\n%s", name, diff)
		}
	}
	if want := filepath.Join(dir, "payments.yaml") + ":4 (defaults: " + filepath.Join(dir, "defaults.yaml") + ")"; a.Where != want {
		t.Errorf("a is at %s, want %s", a.Where, want)
	}
	if c.Where == "" || len(set.Files()) != 4 {
		t.Errorf("files %v", set.Files())
	}
	staging := verifier.Deploy{Place: verifier.Place{Service: "x", Environment: "staging"}, Team: "payments", Change: verifier.Release}
	if list, _ := set.For(staging); len(list) != 1 || list[0].Name != "c" {
		t.Errorf("staging is watched by %+v", list)
	}
}

func TestFolderDefaultsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"a team", map[string]string{"defaults.yaml": "team: payments\ndefaults: {watch: 1h}\n", "a.yaml": ruleNamed("a")}, []string{"team: not allowed in the folder's defaults"}},
		{"two", map[string]string{"defaults.yaml": "defaults: {watch: 1h}\n", "defaults.yml": "defaults: {watch: 2h}\n", "a.yaml": ruleNamed("a")}, []string{"keep one of the two"}},
		{"nothing else", map[string]string{"defaults.yaml": "defaults: {watch: 1h}\n"}, []string{"it has defaults and no rules"}},
		{"an unknown key", map[string]string{"defaults.yaml": "defaults: {wach: 1h}\n", "a.yaml": ruleNamed("a")}, []string{"defaults.yaml:1:12", `unknown field "wach"; did you mean watch?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(folder(t, c.files), checks)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}

// TestAllMistakesAtOnce: mistakes of every layer (keys, types, values, sources, queries) are named in one go, over all files, and what
// follows from a mistake is not named again.
func TestAllMistakesAtOnce(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.yaml": `defaults: {wach: 15m, every: often}
rules:
  - name: one
    measure: {source: metrics, promql: up, unti: s}
    limit: {above: many, belw: 3}
  - name: two
    measure: {source: metrcs, promql: up}
    limit: {below: 1}
    on_fail: alarm
  - just text
  - name: three
    measure: {promql: up, query: up}
    compare: {worse: bigger, at_least: -1}
    every: 1ms
    confidence: 3
  - override: one
    limit: {below: 2}
  - override: nobody
    limit: {below: 2}
`,
		"b.yaml": "rules:\n  - name: four\n    measure: {source: metrics, promql: 'up('}\n    limit: {exit: 0}\n  - name: five\n    measure: {promql: up}\n    limit: {below: 1}\n    severity: red\n",
	})
	_, err := Load(dir, checks)
	if err == nil {
		t.Fatal("it was taken")
	}
	text := err.Error()
	for _, want := range []string{
		"a.yaml:1:12: unknown field \"wach\"; did you mean watch?", "a.yaml:1:30: ", "a.yaml:4:44: unknown field \"unti\"", "a.yaml:5:20: \"many\" is not a number", "a.yaml:5:26: unknown field \"belw\"",
		"a.yaml:7:23: measure.source: metrcs", "a.yaml:9:14: on_fail", "a.yaml:10:", "asks for promql and query at once", "compare.worse", "compare.at_least", "every: 1 ms",
		"unknown field \"confidence\"", "there is no rule nobody", "b.yaml:3:", "source is missing", "severity", "only a command has an exit code",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	for _, not := range []string{"there is no rule one", "judges nothing", "a.yaml:12:14: measure: source"} {
		if strings.Contains(text, not) {
			t.Errorf("%q follows from another mistake", not)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestPercentages: what is a share may be written in percent.
func TestPercentages(t *testing.T) {
	ratio := "    measure: {source: metrics, ratio: {of: a, to: b}}\n"
	for _, c := range []struct{ name, rule, want string }{
		{"at_least", ratio + "    compare: {at_least: 0.5%}\n", "0.005"},
		{"at_least, quoted", ratio + "    compare: {at_least: '0.5 %'}\n", "0.005"},
		{"above", ratio + "    limit: {above: 5%}\n", "0.05"},
		{"a number", ratio + "    limit: {above: 0.05}\n", "0.05"},
		{"an exponent", ratio + "    limit: {above: 1e9}\n", "1,000,000,000"},
		{"a negative exponent", ratio + "    limit: {above: 5.5e-1}\n", "0.55"},
		{"a negative number", ratio + "    limit: {above: -3}\n", "-3"},
		{"a unit of percent", "    measure: {source: metrics, promql: up, unit: '%'}\n    limit: {above: 90%}\n", "90"},
		{"a unit", "    measure: {source: metrics, promql: up, unit: s}\n    compare: {at_least: 5%}\n", "compare.at_least: the rule measures s, which has no percentages"},
		{"text", ratio + "    limit: {above: five}\n", `"five" is not a number; write one like 10 or 0.5`},
		{"a list", ratio + "    limit: {above: [5]}\n", "a list is not a number"},
		{"many percent signs", ratio + "    limit: {above: '5%%'}\n", "is not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load(filepath.Join(folder(t, map[string]string{"a.yaml": "rules:\n  - name: a\n" + c.rule}), "a.yaml"), checks)
			got := ""
			switch {
			case err != nil:
				got = err.Error()
			case set.Rules()[0].Limit != nil:
				got = number(*set.Rules()[0].Limit.Above)
			default:
				got = number(set.Rules()[0].Compare.AtLeast)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
