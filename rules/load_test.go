package rules

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/sources"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checks are those of the real sources.
var checks = map[string]CheckMeasure{
	"apm":     sources.CheckNewRelic,
	"checks":  sources.CheckCommand,
	"elk":     sources.CheckElasticsearch,
	"logs":    sources.CheckFiles,
	"loki":    sources.CheckLoki,
	"metrics": sources.CheckPrometheus,
	"status":  sources.CheckHTTP,
}

// TestBadFiles holds every message against its golden file: each has one mistake.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			_, err := Load(f, checks)
			if err == nil {
				t.Fatal("it was taken")
			}
			golden := strings.TrimSuffix(f, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Error(diff)
			}
			if !strings.HasPrefix(err.Error(), f) {
				t.Errorf("the message does not begin with the file: %v", err)
			}
		})
	}
}

func loadText(t *testing.T, text string) *Set {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, checks)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deployOf(service, environment string) verifier.Deploy {
	return verifier.Deploy{Place: verifier.Place{Service: service, Environment: environment}, Change: verifier.Release, At: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
}

func TestExample(t *testing.T) {
	known := maps.Clone(checks)
	known["own"], known["clusters"] = sources.CheckPrometheus, sources.CheckPrometheus
	s, err := Load("../rules.example.yaml", known)
	if err != nil {
		t.Fatal(err)
	}
	list, hash := s.For(deployOf("checkout", "production"))
	if len(list) < 8 || !strings.HasPrefix(hash, "sha256:") {
		t.Fatalf("%d rules, %s", len(list), hash)
	}
	burst, slow := list[0], list[2]
	if burst.OnFail != verifier.FailRollback || burst.Severity != verifier.SeverityPage || *burst.Limit.Above != 50 || burst.Limit.Within != 5*time.Minute {
		t.Errorf("%+v", burst)
	}
	if slow.Settle != 2*time.Minute || slow.Severity != verifier.SeverityWarn || slow.Compare.Tolerate != 0.2 {
		t.Errorf("settle %s (want the range selector's minute in it), %+v", slow.Settle, slow.Compare)
	}
	counting := 0
	for _, r := range list {
		if r.OnFail != verifier.FailNote && !r.Muted(deployOf("", "").At) {
			counting++
		}
	}
	if got, want := burst.Confidence, 1-0.01/float64(counting); got != want {
		t.Errorf("confidence %v, want %v: divided among %d", got, want, counting)
	}
	staging, _ := s.For(deployOf("checkout", "staging"))
	if *staging[0].Limit.Above != 200 || staging[0].Limit.Within != 5*time.Minute || staging[0].OnFail != verifier.FailAlert || staging[0].Severity != verifier.SeverityWarn {
		t.Errorf("the override makes %+v of %+v", staging[0].Limit, staging[0])
	}
	if batch, _ := s.For(deployOf("batch-invoices", "production")); len(batch) != len(list)-1 {
		t.Errorf("%d rules for a batch service, %d for checkout; want one less: it is off", len(batch), len(list))
	}
	if none, _ := s.For(deployOf("checkout", "test")); len(none) != 0 {
		t.Errorf("%d rules in test, want none", len(none))
	}
}

func TestSelectReplacesKeyByKey(t *testing.T) {
	s := loadText(t, `
team: payments
defaults: {every: 200ms, settle: 0, select: {environment: production, service: 'pay-*'}}
rules:
  - name: a
    select: {service: [checkout, cart], labels: {tier: '1'}}
    measure: {source: metrics, promql: up}
    limit: {below: 1}
`)
	d := deployOf("checkout", "production")
	d.Team, d.Labels = "payments", map[string]string{"tier": "1"}
	list, _ := s.For(d)
	if len(list) != 1 || list[0].Every != 200*time.Millisecond || list[0].Settle != 0 {
		t.Fatalf("%+v", list)
	}
	for _, change := range []func(*verifier.Deploy){
		func(d *verifier.Deploy) { d.Team = "web" }, func(d *verifier.Deploy) { d.Environment = "staging" },
		func(d *verifier.Deploy) { d.Labels = nil }, func(d *verifier.Deploy) { d.Service = "pay-api" },
	} {
		other := d
		change(&other)
		if list, _ := s.For(other); len(list) != 0 {
			t.Errorf("it selects %+v", other)
		}
	}
}

func TestFolder(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": "team: web\nrules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n",
		"b.yml":  "rules:\n  - override: a\n    limit: {above: 7}\n",
		"c.txt":  "no rules",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(folder, checks)
	if err != nil {
		t.Fatal(err)
	}
	d := deployOf("x", "y")
	d.Team = "web"
	if list, _ := s.For(d); s.Len() != 1 || len(s.Files()) != 2 || len(list) != 1 || *list[0].Limit.Above != 7 {
		t.Errorf("%d rules of %v: %+v", s.Len(), s.Files(), list)
	}
	if _, err := Load(t.TempDir(), checks); err == nil || !strings.Contains(err.Error(), "has no *.yaml") {
		t.Errorf("%v", err)
	}
}

func TestDiff(t *testing.T) {
	text := "rules:\n  - name: a\n    measure: {source: metrics, promql: up}\n    limit: {above: 1}\n"
	old := loadText(t, text)
	now := loadText(t, strings.Replace(text, "above: 1", "above: 2, for: 1m", 1)+"  - name: b\n    select: {service: cart}\n    measure: {source: metrics, promql: up}\n    limit: {below: 1}\n")
	var got []string
	for _, c := range Diff(old, now, []verifier.Deploy{deployOf("cart", "production"), deployOf("checkout", "production")}) {
		if c.Rule == "a" && strings.HasPrefix(c.Text, "confidence") {
			continue // cart has one rule more
		}
		got = append(got, c.String())
	}
	want := []string{
		"a: limit.above: 1 → 2 (cart in production and 1 more)", "a: limit.for: none → 1m0s (cart in production and 1 more)", "b: added (cart in production)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if same := Diff(old, old, nil); len(same) != 0 {
		t.Errorf("nothing changed, and it says %v", same)
	}
}

// TestExampleShowsEveryKey holds the example against the schema: what can be written is in it.
func TestExampleShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../rules.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, of := range append(slices.Collect(maps.Values(schemaOf(t).Defs)), schemaOf(t)) {
		for key := range of.Properties {
			keys[key] = true
			if !regexp.MustCompile(`\b` + key + `:`).Match(text) {
				t.Errorf("the example does not show %s", key)
			}
		}
	}
	for _, key := range keysOf(reflect.TypeFor[ruleFile](), nil) {
		if !keys[key] {
			t.Errorf("%s is not in the schema", key)
		}
	}
}

// TestSchemaAcceptsWhatLoads holds files against the schema and the loader: what has a wrong shape is refused by both.
func TestSchemaAcceptsWhatLoads(t *testing.T) {
	shape := []string{
		"unknown_key", "wrong_type", "negative_duration", "no_duration", "share", "on_fail", "severity", "on_no_data", "worse", "min_samples_half", "select_key",
		"mute_until", "limit_list", "text", "flag", "empty", "percentile_field",
		"average_field", "ratio_half", "no_rules",
	}
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../rules.example.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			continue // no YAML: editors see that by themselves
		}
		root := schemaOf(t)
		refused := slices.Contains(shape, strings.TrimSuffix(filepath.Base(file), ".yaml"))
		if problem := root.problem(root, tree); (problem != "") != refused {
			t.Errorf("%s: the schema says %q", file, problem)
		}
	}
}

// schema is as much of JSON Schema as Schema uses.
type schema struct {
	Schema     string            `json:"$schema"`
	Ref        string            `json:"$ref"`
	Defs       map[string]schema `json:"$defs"`
	Type       string
	Properties map[string]schema
	Additional any `json:"additionalProperties"`
	Required   []string
	Items      *schema
	OneOf      []schema
	Enum       []any
	Const      any
	Pattern    string
	Minimum    *float64
}

func schemaOf(t *testing.T) (s schema) {
	t.Helper()
	if err := json.Unmarshal(Schema(), &s); err != nil || !strings.Contains(s.Schema, "2020-12") {
		t.Fatal(err, s.Schema)
	}
	return s
}

// problem is the first thing that does not fit; empty where all does.
func (s schema) problem(root schema, v any) string {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Defs[name].problem(root, v)
	}
	if s.OneOf != nil {
		fits := 0
		for _, one := range s.OneOf {
			if one.problem(root, v) == "" {
				fits++
			}
		}
		if fits != 1 {
			return fmt.Sprintf("%v fits %d of %d", v, fits, len(s.OneOf))
		}
		return ""
	}
	number, isNumber := v.(float64)
	switch n := v.(type) {
	case uint64:
		number, isNumber = float64(n), true
	case int64:
		number, isNumber = float64(n), true
	}
	text, isText := v.(string)
	_, isBool := v.(bool)
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	fits := map[string]bool{"": true, "string": isText, "number": isNumber, "integer": isNumber && number == float64(int(number)), "boolean": isBool, "array": isList, "object": isObject}
	switch {
	case !fits[s.Type]:
		return fmt.Sprintf("%v is no %s", v, s.Type)
	case s.Enum != nil && !slices.Contains(s.Enum, v), s.Const != nil && (!isNumber || number != s.Const):
		return fmt.Sprintf("%v is none of %v %v", v, s.Enum, s.Const)
	case isText && s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text):
		return fmt.Sprintf("%q does not match %s", text, s.Pattern)
	case isNumber && s.Minimum != nil && number < *s.Minimum:
		return fmt.Sprintf("%v is below %v", v, *s.Minimum)
	}
	for _, key := range s.Required {
		if _, there := object[key]; !there {
			return key + " is missing"
		}
	}
	for key, value := range object {
		of, known := s.Properties[key]
		if !known && s.Additional == false {
			return key + " is unknown"
		}
		if problem := of.problem(root, value); problem != "" {
			return key + ": " + problem
		}
	}
	for _, one := range list {
		if s.Items != nil && s.Items.problem(root, one) != "" {
			return s.Items.problem(root, one)
		}
	}
	return ""
}

// A later override that says nothing of off does not turn the rule on again.
func TestOverridesAddUp(t *testing.T) {
	s := loadText(t, `
rules:
  - {name: a, measure: {source: metrics, promql: up}, limit: {above: 1}}
  - {override: a, select: {service: 'batch-*'}, off: true}
  - {override: A, select: {environment: staging}, limit: {above: 2}}
  - {override: a, select: {service: batch-2}, off: false}
`)
	for service, want := range map[string]int{"batch-1": 0, "batch-2": 1, "shop": 1} {
		if list, _ := s.For(deployOf(service, "staging")); len(list) != want || want == 1 && *list[0].Limit.Above != 2 {
			t.Errorf("%s: %+v, want %d rules", service, list, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	text, err := os.ReadFile("../rules.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(path, checks)
		if err == nil && s.Len() == 0 {
			t.Error("no rules, and no error")
		}
	})
}
