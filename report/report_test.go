package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"verifier"
	"verifier/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func production(environment string) bool { return environment == "production" }

func month(t testing.TB, s string) report.Bounds {
	t.Helper()
	b, err := report.Month(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tally is n succeeded releases to production, changed.
func tally(month, team string, n int, change ...func(*verifier.Tally)) verifier.Tally {
	t := verifier.Tally{
		Month: month, Service: team + "-api", Environment: "production", Team: team, Change: verifier.Release,
		Status: verifier.Succeeded, Kind: verifier.KindRelease, State: verifier.Passed, N: n,
	}
	for _, c := range change {
		c(&t)
	}
	return t
}

func kind(k verifier.Kind) func(*verifier.Tally)   { return func(t *verifier.Tally) { t.Kind = k } }
func state(s verifier.State) func(*verifier.Tally) { return func(t *verifier.Tally) { t.State = s } }
func failed(t *verifier.Tally)                     { t.Status, t.State = verifier.Failed, verifier.CancelledState }
func auto(t *verifier.Tally)                       { t.Auto = true }
func condemned(t *verifier.Tally)                  { t.State, t.Condemned = verifier.FailedState, true }
func marked(word string) func(*verifier.Tally)     { return func(t *verifier.Tally) { t.Marked = word } }
func reverted(t *verifier.Tally)                   { t.Reverted = true }
func corrected(t *verifier.Tally)                  { t.Corrected = true }
func voided(t *verifier.Tally)                     { t.Corrected, t.Void = true, true }
func staging(t *verifier.Tally)                    { t.Environment = "staging" }
func change(c verifier.Change) func(*verifier.Tally) {
	return func(t *verifier.Tally) { t.Change, t.Kind = c, "" }
}

func september() ([]verifier.Tally, []verifier.Timing) {
	const m = "2016-09"
	tallies := []verifier.Tally{
		tally(m, "payments", 201), tally(m, "payments", 5, kind(verifier.KindRollback), auto), tally(m, "payments", 6, condemned, reverted),
		tally(m, "payments", 21, kind(verifier.KindRedeploy), state("")), tally(m, "payments", 3, failed),
		tally(m, "search", 150, state("")), tally(m, "search", 3, kind(verifier.KindRollback)), tally(m, "search", 12, state(verifier.Undecided)),
		tally(m, "search", 1, condemned, marked("good")), tally(m, "search", 1, marked("bad"), corrected), tally(m, "search", 1, state(verifier.Undecided), reverted),
		tally(m, "", 14), tally(m, "", 2, kind(verifier.KindRollback)), tally(m, "", 1, voided), tally(m, "", 1, condemned, marked("bad")),
		tally(m, "search", 1, voided, kind(verifier.KindRollback)), tally(m, "search", 1, started),
		tally(m, "search", 900, staging), tally(m, "search", 90, staging, kind(verifier.KindRollback)), tally(m, "search", 9, staging, corrected),
		tally(m, "payments", 70, change(verifier.Config)), tally(m, "payments", 7, change(verifier.Toggle), failed),
		tally("2016-10", "payments", 33), tally("2016-02", "payments", 44),
		tally("2016-04", "payments", 300), tally("2016-04", "payments", 12, kind(verifier.KindRollback)), tally("2016-04", "payments", 2, failed),
		tally("2016-06", "payments", 380), tally("2016-06", "payments", 9, kind(verifier.KindRollback)), tally("2016-06", "payments", 30, staging),
		tally("2016-07", "payments", 1204), tally("2016-07", "payments", 11, kind(verifier.KindRollback)),
		tally("2016-08", "payments", 402), tally("2016-08", "payments", 20, kind(verifier.KindRollback)), tally("2016-08", "payments", 11, failed),
	}
	var timings []verifier.Timing
	for i, seconds := range []int{240, 250, 1000, 20} {
		timings = append(timings, verifier.Timing{
			Deploy: fmt.Sprint(i), Service: "payments-api", Environment: "production", Team: "payments", At: time.Date(2016, 9, i+1, 0, 0, 0, 0, time.UTC),
			ToVerdict: time.Duration(seconds) * time.Second, ToRecovery: time.Duration(seconds*2) * time.Second,
		})
	}
	none, elsewhere, early := timings[0], timings[0], timings[0]
	none.ToVerdict, none.ToRecovery = 0, 0
	elsewhere.Environment, elsewhere.ToVerdict = "staging", time.Hour
	early.At, early.ToVerdict = early.At.Add(-1), time.Hour
	return tallies, append(timings, none, elsewhere, early)
}

func started(t *verifier.Tally) { t.Status = verifier.Started }

func makeReport(t testing.TB, m, by string, tallies []verifier.Tally, timings []verifier.Timing) report.Report {
	t.Helper()
	r, err := report.Make(month(t, m), by, tallies, nil, timings, production)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGolden(t *testing.T) {
	tallies, timings := september()
	full := makeReport(t, "2016-09", "team", tallies, timings)
	full.URL = "https://verifier.example.com/deploys"
	quiet := tallies[:0:0]
	for _, tl := range tallies {
		if tl.Month < "2016-09" {
			quiet = append(quiet, tl)
		}
	}
	for name, r := range map[string]report.Report{
		"full":   full,
		"empty":  makeReport(t, "2016-09", "service", nil, nil),
		"quiet":  makeReport(t, "2016-09", "", quiet, nil),
		"first":  makeReport(t, "2016-09", "service", []verifier.Tally{tally("2016-09", "payments", 1)}, nil),
		"broken": makeReport(t, "2016-09", "", []verifier.Tally{tally("2016-09", "payments", 2, failed)}, nil),
	} {
		for _, format := range report.Formats {
			if name != "full" && format != "text" && format != "json" {
				continue
			}
			t.Run(name+"/"+format, func(t *testing.T) {
				var got bytes.Buffer
				if err := r.Write(&got, format); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestFigures(t *testing.T) {
	tallies, timings := september()
	got := makeReport(t, "2016-09", "team", tallies, timings)
	rate, verdict, recovery := 0.0239, 245.0, 490.0
	precision, recall := 0.875, 0.778
	want := report.Figures{
		Deploys: 418, Rollbacks: 10, RollbackRate: &rate, RollbackRateInterval: []float64{0.013, 0.043}, FailedDeploys: 3, Redeploys: 21,
		AutomaticRollbacks: 5, ManualRollbacks: 5, Corrected: 3, MedianToVerdict: &verdict, MedianToRecovery: &recovery,
		Coverage: report.Coverage{Deployed: 418, Watched: 247, Inconclusive: 13, Caught: 7, Missed: 2, FalselyCondemned: 1, Precision: &precision, Recall: &recall},
	}
	if diff := cmp.Diff(want, got.Figures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"production"}, got.Environments); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	var rows, months []string
	for _, r := range got.Rows {
		rows = append(rows, fmt.Sprintf("%s %d/%d", r.Name, r.Rollbacks, r.Deploys))
	}
	for _, m := range got.Before {
		months = append(months, fmt.Sprintf("%s %d/%d", m.Month, m.Rollbacks, m.Deploys))
	}
	if diff := cmp.Diff([]string{"payments 5/233", "search 3/168", " 2/17"}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2016-04 12/312", "2016-05 0/0", "2016-06 9/389", "2016-07 11/1215", "2016-08 20/422"}, months); diff != "" {
		t.Errorf("months (-want +got):\n%s", diff)
	}
}

// TestContract holds the JSON against the fields that must not move.
func TestContract(t *testing.T) {
	tallies, timings := september()
	r := makeReport(t, "2016-09", "", tallies, timings)
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	compact := strings.Join(strings.Fields(b.String()), "")
	const want = `{"month":"2016-09","deploys":418,"rollbacks":10,"rollback_rate":0.0239,"rollback_rate_interval":[0.013,0.043],"failed_deploys":3,`
	if !strings.HasPrefix(compact, want) {
		t.Errorf("got %s, want it to begin with %s", compact, want)
	}
	var back report.Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestRateLiesInItsInterval(t *testing.T) {
	bounds := month(t, "2016-09")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(1, 50), rapid.IntRange(1, 2_000_000)).Draw(t, "deploys")
		k := rapid.IntRange(0, n).Draw(t, "rollbacks")
		r, err := report.Make(bounds, "", []verifier.Tally{tally("2016-09", "a", n-k), tally("2016-09", "a", k, kind(verifier.KindRollback))}, nil, nil, production)
		if err != nil {
			t.Fatal(err)
		}
		if rate, i := *r.RollbackRate, r.RollbackRateInterval; rate < i[0] || rate > i[1] {
			t.Fatalf("%d of %d: %v is not in %v", k, n, rate, i)
		}
	})
}

// TestImportedHistory: deploys that nobody watched say nothing about the judge.
func TestImportedHistory(t *testing.T) {
	r := makeReport(t, "2016-09", "", []verifier.Tally{
		tally("2016-09", "a", 20, state("")), tally("2016-09", "a", 5, state(""), reverted), tally("2016-09", "a", 2, state(""), marked("bad")),
	}, nil)
	if c := r.Coverage; c.Missed != 0 || c.Precision != nil || c.Recall != nil || c.Deployed != 27 {
		t.Errorf("%+v", c)
	}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0 of 27 watched (0.0 %), 0 inconclusive; 0 caught, 0 missed, 0 false alarms", "precision –, recall –"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// TestMonthsCompared: two proportions are compared, each with its own chance.
func TestMonthsCompared(t *testing.T) {
	rolledBack := kind(verifier.KindRollback)
	for _, c := range []struct {
		name           string
		before, rolled int
		now, back      int
		want           string
	}{
		{"one deploy before", 1, 0, 40, 8, "0.0 % in the month before: 0 of 1 rolled back; too few deploys to compare"},
		{"one rollback before", 0, 1, 40, 1, "100.0 % in the month before: 1 of 1 rolled back; too few deploys to compare"},
		{"few", 10, 0, 40, 8, "the difference is not significant (Fisher's exact test, p = 0.33)"},
		{"about the same", 90, 10, 45, 6, "the difference is not significant"},
		{"many", 990, 10, 80, 20, "the difference is significant (Fisher's exact test, p < 0.001)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := makeReport(t, "2016-09", "", []verifier.Tally{
				tally("2016-08", "a", c.before), tally("2016-08", "a", c.rolled, rolledBack), tally("2016-09", "a", c.now), tally("2016-09", "a", c.back, rolledBack),
			}, nil)
			var b strings.Builder
			if err := r.Text(&b); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), c.want) {
				t.Errorf("%q is not in\n%s", c.want, b.String())
			}
		})
	}
}

func TestCSVReads(t *testing.T) {
	tallies, timings := september()
	tallies = append(tallies, tally("2016-09", `a,"b`, 1))
	var b bytes.Buffer
	if err := makeReport(t, "2016-09", "team", tallies, timings).CSV(&b); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1+1+4+5 || lines[5][2] != `a,"b` {
		t.Errorf("got %d lines: %q", len(lines), lines)
	}
}

func TestHTMLEscapes(t *testing.T) {
	r := makeReport(t, "2016-09", "team", []verifier.Tally{tally("2016-09", "<script>alert(1)</script>|x", 1)}, nil)
	r.URL = "javascript:alert(1)"
	fragment, err := r.Fragment()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(fragment); strings.Contains(s, "<script") || strings.Contains(s, "javascript:") || strings.Contains(s, "<html") {
		t.Errorf("not escaped, or no fragment:\n%s", s)
	}
	var b bytes.Buffer
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "<script") || !strings.Contains(s, `\|x`) {
		t.Errorf("not escaped:\n%s", s)
	}
}

func TestMonth(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*3600)
	b, err := report.Month("2016-12", berlin)
	if err != nil {
		t.Fatal(err)
	}
	want := report.Bounds{Name: "2016-12", From: time.Date(2016, 12, 1, 0, 0, 0, 0, berlin), To: time.Date(2017, 1, 1, 0, 0, 0, 0, berlin)}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n, name := range map[int]string{1: "2016-11", 12: "2015-12", -1: "2017-01", 0: "2016-12"} {
		if got := b.Back(n).Name; got != name {
			t.Errorf("%d back: %s, want %s", n, got, name)
		}
	}
}

func TestBadInput(t *testing.T) {
	for _, s := range []string{"", "2016", "2016-13", "2016-00", "2016-9", "09-2016", "sept", "2016-09-01", " 2016-09", "0000-01", "1969-12", strings.Repeat("9", 10000)} {
		_, err := report.Month(s, time.UTC)
		if !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), "like 2016-09") || len(err.Error()) > 150 {
			t.Errorf("month %.20q: %v", s, err)
		}
	}
	if _, err := report.Make(month(t, "2016-09"), "colour", nil, nil, nil, production); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("by colour: %v", err)
	}
	if err := (report.Report{}).Write(&bytes.Buffer{}, "pdf"); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("format pdf: %v", err)
	}
}

func FuzzMonth(f *testing.F) {
	f.Add("2016-09")
	f.Add("9999-12")
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := report.Month(s, time.UTC); err == nil && (b.Name != s || !b.From.Before(b.To)) {
			t.Errorf("%q: %+v", s, b)
		}
	})
}

// TestRules sets a rule's month beside the months before.
func TestRules(t *testing.T) {
	tallies := []verifier.RuleTally{
		{Month: "2016-09", Environment: "production", Rule: "times", Caught: 3, FalselyCondemned: 1},
		{Month: "2016-08", Environment: "production", Rule: "times", Caught: 1, Missed: 2},
		{Month: "2016-07", Environment: "production", Rule: "times", Caught: 1},
		{Month: "2016-09", Environment: "staging", Rule: "times", Missed: 9},
		{Month: "2016-09", Environment: "production", Rule: "errors", Missed: 1},
	}
	r, err := report.Make(month(t, "2016-09"), "", []verifier.Tally{tally("2016-09", "a", 9)}, tallies, nil, production)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rules) != 2 || r.Rules[1].Rule != "times" || *r.Rules[1].Precision != .75 || *r.Rules[1].Recall != 1 || *r.Rules[1].Before.Recall != .5 || r.Rules[0].Precision != nil {
		t.Errorf("%+v", r.Rules)
	}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The judge, by rule", "times      3 of 4  3 of 3            2 of 2         2 of 4", "errors          –  0 of 1                 –              –"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func BenchmarkMake(b *testing.B) {
	var tallies []verifier.Tally
	for i := range 50_000 {
		tallies = append(tallies, tally("2016-09", fmt.Sprint("team-", i%300), 20))
	}
	for range b.N {
		if _, err := report.Make(month(b, "2016-09"), "team", tallies, nil, nil, func(string) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
