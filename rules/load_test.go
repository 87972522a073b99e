package rules

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checks stand for the sources: metrics refuses a query whose brackets do not close, and looks back a minute for [1m].
var checks = map[string]CheckMeasure{
	"metrics": func(m verifier.Measure) (time.Duration, error) {
		if strings.Count(m.PromQL, "(") != strings.Count(m.PromQL, ")") {
			return 0, errors.New("unclosed left parenthesis")
		}
		if strings.Contains(m.PromQL, "[1m]") {
			return time.Minute, nil
		}
		return 0, nil
	},
	"logs": func(verifier.Measure) (time.Duration, error) { return 0, nil },
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
	s, err := Load("../rules.example.yaml", checks)
	if err != nil {
		t.Fatal(err)
	}
	list, hash := s.For(deployOf("checkout", "production"))
	if len(list) != 4 || !strings.HasPrefix(hash, "sha256:") {
		t.Fatalf("%d rules, %s", len(list), hash)
	}
	burst, slow := list[0], list[2]
	if burst.OnFail != verifier.FailRollback || burst.Severity != verifier.SeverityPage || *burst.Limit.Above != 50 || burst.Limit.Within != 5*time.Minute {
		t.Errorf("%+v", burst)
	}
	if slow.Settle != 2*time.Minute || slow.Severity != verifier.SeverityWarn || slow.Compare.Tolerate != 0.2 {
		t.Errorf("settle %s (want the range selector's minute in it), %+v", slow.Settle, slow.Compare)
	}
	if got, want := burst.Confidence, 1-0.01/4; got != want {
		t.Errorf("confidence %v, want %v: divided among four", got, want)
	}
	staging, _ := s.For(deployOf("checkout", "staging"))
	if *staging[0].Limit.Above != 200 || staging[0].Limit.Within != 5*time.Minute || staging[0].OnFail != verifier.FailAlert || staging[0].Severity != verifier.SeverityWarn {
		t.Errorf("the override makes %+v of %+v", staging[0].Limit, staging[0])
	}
	if batch, _ := s.For(deployOf("batch-invoices", "production")); len(batch) != 3 {
		t.Errorf("%d rules for a batch service, want 3: one is off", len(batch))
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

func TestSchema(t *testing.T) {
	var schema struct {
		Schema     string `json:"$schema"`
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(schema.Schema, "2020-12") || schema.Properties["rules"] == nil || schema.Defs["rule"].Properties["on_no_data"] == nil {
		t.Errorf("%s", Schema())
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
