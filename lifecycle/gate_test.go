package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// door is a gate into production after staging, with what staging saw of 1.4 an hour ago.
type door struct {
	GateCase
	staging    []verifier.Past // newest first
	production []verifier.Past
}

func newDoor() *door {
	d := &door{GateCase: GateCase{
		Place: verifier.Place{Service: "checkout", Environment: "Production"}, Team: "payments", Version: "1.4",
		Gates: []verifier.Gate{{After: []string{"Staging"}}}, Watches: map[string]verifier.Verification{},
	}}
	d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Passed)}
	return d
}

// past is a release an hour ago that was judged half an hour ago.
func (d *door) past(id, version string, state verifier.State, change ...func(*verifier.Past, *verifier.Verification)) verifier.Past {
	at, decided := begin.Add(-time.Hour), begin.Add(-30*time.Minute)
	p := verifier.Past{State: state, Deploy: verifier.Deploy{ID: id, Version: version, Status: verifier.Succeeded, Change: verifier.Release, Kind: verifier.KindRelease, At: at}}
	v := verifier.Verification{ID: id, State: state, Until: begin.Add(10 * time.Minute)}
	if !state.Watching() {
		v.DecidedAt, p.Ended = &decided, &decided
	}
	if state == verifier.FailedState {
		v.Findings = []verifier.Finding{{Rule: "errors", Outcome: verifier.Fail, Text: "Errors doubled.", OnFail: verifier.FailRollback}}
	}
	for _, f := range change {
		f(&p, &v)
	}
	if state != "" {
		d.Watches[id] = v
	}
	return p
}

func (d *door) ask() verifier.GateAnswer {
	d.History = map[string][][]verifier.Past{"staging": {d.staging}, "production": {d.production}}
	return AskGate(d.GateCase, begin)
}

// TestGate asks in every way that a version may have come.
func TestGate(t *testing.T) {
	t.Parallel()
	tests := func(failed int, names ...string) func(*verifier.Past, *verifier.Verification) {
		return func(_ *verifier.Past, v *verifier.Verification) {
			for _, name := range names {
				r := verifier.TestResult{Name: name, Tests: 9, Failed: failed}
				if failed > 0 {
					r.Failures = []string{"pays: no button"}
				}
				v.Results = append(v.Results, r)
			}
		}
	}
	status := func(s verifier.Status) func(*verifier.Past, *verifier.Verification) {
		return func(p *verifier.Past, _ *verifier.Verification) { p.Deploy.Status = s }
	}
	marked := func(good bool) func(*verifier.Past, *verifier.Verification) {
		return func(p *verifier.Past, _ *verifier.Verification) {
			p.Deploy.Mark = &verifier.Mark{Good: good, By: "anna", Cause: "prices", At: begin}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*door)
		want   verifier.GateOutcome
		reason verifier.GateReason // the only one; empty for none
		text   string              // is in the answer
	}{
		{"it passed", func(*door) {}, verifier.GatePassed, "", "it passed in Staging"},
		{"nothing is demanded", func(d *door) { d.Gates, d.staging = nil, nil }, verifier.GatePassed, "", "no gate demands anything"},
		{"it was never there", func(d *door) { d.Version = "1.5" }, verifier.GatePending, verifier.GateNotDeployed, "may not pass yet: 1.5 was not deployed to Staging"},
		{"it is being deployed", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", "", status(verifier.Started))} }, verifier.GatePending, verifier.GateWatching, "is being deployed to Staging"},
		{"its deploy failed", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", "", status(verifier.Failed))} }, verifier.GateShut, verifier.GateFailed, "the deploy of 1.4 to Staging failed"},
		{"a failed deploy was repeated", func(d *door) { d.staging = append(d.staging, d.past("s0", "1.4", "", status(verifier.Failed))) }, verifier.GatePassed, "", ""},
		{"it is watched", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Observing)} }, verifier.GatePending, verifier.GateWatching, "is watched in Staging until 24 Nov 10:10 UTC"},
		{"it failed", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.FailedState)} }, verifier.GateShut, verifier.GateFailed, "1.4 failed in Staging: Errors doubled"},
		{"its failing was dismissed", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.FailedState, marked(true))} }, verifier.GatePassed, "", ""},
		{"it was marked bad later", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Passed, marked(false))} }, verifier.GateShut, verifier.GateCondemned, "marked bad in Staging by anna: prices"},
		{"it was rolled back", func(d *door) {
			back := d.past("s2", "1.3", verifier.Passed)
			back.Deploy.Kind, back.Deploy.Previous, back.Deploy.At = verifier.KindRollback, "1.4", begin.Add(-time.Minute)
			d.staging = append([]verifier.Past{back}, d.staging...)
		}, verifier.GateShut, verifier.GateCondemned, "rolled back to 1.3 in Staging at 24 Nov 09:59"},
		{"it failed where it goes", func(d *door) { d.production = []verifier.Past{d.past("p1", "1.4", verifier.FailedState)} }, verifier.GateShut, verifier.GateFailed, "failed in Production"},
		{"nobody could tell", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Undecided)} }, verifier.GateUntold, verifier.GateInconclusive, "is inconclusive"},
		{"nobody could tell, which is enough", func(d *door) {
			d.Gates[0].Inconclusive = true
			d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Undecided)}
		}, verifier.GatePassed, "", ""},
		{"its watch was cut off", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Superseded)} }, verifier.GateUntold, verifier.GateInconclusive, "is superseded"},
		{"a cut off watch came before a whole one", func(d *door) {
			d.staging = []verifier.Past{d.past("s2", "1.4", verifier.CancelledState), d.past("s1", "1.4", verifier.Passed)}
		}, verifier.GatePassed, "", ""},
		{"nobody watched", func(d *door) { d.staging = []verifier.Past{d.past("s1", "1.4", "")} }, verifier.GateUntold, verifier.GateNotWatched, "not watched"},
		{"it passed too long ago", func(d *door) { d.Gates[0].MaxAge = 10 * time.Minute }, verifier.GateUntold, verifier.GateTooOld, "30 min ago; at most 10 min"},
		{"a way back is never too old", func(d *door) {
			d.Gates[0].MaxAge = 10 * time.Minute
			d.production = []verifier.Past{d.past("p2", "1.5", verifier.FailedState), d.past("p1", "1.4", verifier.Passed)}
		}, verifier.GatePassed, "", ""},
		{"tests passed", func(d *door) {
			d.Gates[0].Results = []string{"smoke", "ui-*"}
			d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Passed, tests(0, "smoke", "ui-chrome"))}
		}, verifier.GatePassed, "", ""},
		{"tests failed", func(d *door) {
			d.Gates[0].Results = []string{"smoke"}
			d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Passed, tests(2, "smoke"))}
		}, verifier.GateShut, verifier.GateResultsFailed, "2 of 9 tests of smoke failed: pays: no button"},
		{"tests told nothing", func(d *door) { d.Gates[0].Results = []string{"smoke"} }, verifier.GatePending, verifier.GateResultsMissing, "no results of smoke yet"},
		{"no test was run", func(d *door) {
			d.Gates[0].Results = []string{"smoke"}
			d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Passed, func(_ *verifier.Past, v *verifier.Verification) {
				v.Results = []verifier.TestResult{{Name: "smoke", Tests: 2, Skipped: 2}}
			})}
		}, verifier.GatePending, verifier.GateResultsMissing, "smoke ran no tests"},
		{"the gate is held", func(d *door) {
			d.Holds = []verifier.Hold{{By: "ben", Reason: "sale", Stops: []string{verifier.StopsGate}, Teams: []string{"pay*"}}}
		}, verifier.GateShut, verifier.GateHeld, "held by ben: sale"},
		{"rollbacks are held", func(d *door) { d.Holds = []verifier.Hold{{By: "ben", Stops: []string{verifier.StopsRollback}}} }, verifier.GatePassed, "", ""},
		{"two gates say the same once", func(d *door) { d.Version, d.Gates = "1.5", append(d.Gates, d.Gates[0]) }, verifier.GatePending, verifier.GateNotDeployed, ""},
	} {
		d := newDoor()
		c.change(d)
		a := d.ask()
		var reasons []verifier.GateReason
		for _, r := range a.Reasons {
			reasons = append(reasons, r.Reason)
		}
		want := []verifier.GateReason{c.reason}
		if c.reason == "" {
			want = nil
		}
		if a.Outcome != c.want || !slices.Equal(reasons, want) || a.Allowed != (c.want == verifier.GatePassed) || !strings.Contains(a.Text, c.text) {
			t.Errorf("%s: %s for %v: %s\nwant %s for %v: …%s…", c.name, a.Outcome, reasons, a.Text, c.want, want, c.text)
		}
	}
}

// TestGateOfTargets asks every target that had the version.
func TestGateOfTargets(t *testing.T) {
	t.Parallel()
	d := newDoor()
	d.History = map[string][][]verifier.Past{"staging": {d.staging, {d.past("s2", "1.4", verifier.FailedState)}, {d.past("s3", "1.3", verifier.Passed)}}}
	if a := AskGate(d.GateCase, begin); a.Outcome != verifier.GateShut || len(a.Reasons) != 1 || a.Reasons[0].Verification != "s2" {
		t.Errorf("%+v", a)
	}
	failed, begun, other := d.past("s4", "1.4", ""), d.past("s5", "1.4", ""), []verifier.Past{d.past("s6", "1.3", verifier.Passed)}
	failed.Deploy.Status, begun.Deploy.Status = verifier.Failed, verifier.Started
	for _, c := range []struct {
		last verifier.Past
		want verifier.GateOutcome
	}{{failed, verifier.GateShut}, {begun, verifier.GatePending}} {
		d.History["staging"] = [][]verifier.Past{d.staging, {c.last}, other}
		if a := AskGate(d.GateCase, begin); a.Outcome != c.want || len(a.Reasons) != 1 {
			t.Errorf("passed in one target, %s in another: %+v", c.last.Deploy.Status, a)
		}
	}
}

// TestGateHearsMark takes a person's word about a deploy that nobody watched before the watch over an older one.
func TestGateHearsMark(t *testing.T) {
	t.Parallel()
	d := newDoor()
	again := d.past("s2", "1.4", "")
	again.Deploy.Mark = &verifier.Mark{Good: true, By: "anna", Cause: "looked", At: begin}
	d.staging = []verifier.Past{again, d.past("s1", "1.4", verifier.Undecided)}
	if a := d.ask(); !a.Allowed {
		t.Errorf("%+v", a)
	}
}

// TestGateOverrideOfOne covers the one hold, mark or result that was known, and no second of the same kind.
func TestGateOverrideOfOne(t *testing.T) {
	t.Parallel()
	hold := func(by string) verifier.Hold {
		return verifier.Hold{By: by, Reason: "disk", Stops: []string{verifier.StopsGate}}
	}
	results := func(d *door, names ...string) {
		v := d.Watches["s1"]
		v.Results = nil
		for _, name := range names {
			v.Results = append(v.Results, verifier.TestResult{Name: name, Tests: 2, Failed: 1})
		}
		d.Watches["s1"] = v
	}
	mark := func(cause string) *verifier.Mark { return &verifier.Mark{By: "anna", Cause: cause, At: begin} }
	for name, change := range map[string][2]func(*door){
		"hold": {func(d *door) { d.Holds = []verifier.Hold{hold("ben")} }, func(d *door) { d.Holds = append(d.Holds, hold("cleo")) }},
		"results": {
			func(d *door) {
				d.Gates[0].Results = []string{"smoke", "ui"}
				results(d, "smoke", "ui")
				d.Gates[0].Results = []string{"smoke"}
			},
			func(d *door) { d.Gates[0].Results = []string{"smoke", "ui"} },
		},
		"mark": {func(d *door) { d.staging[0].Deploy.Mark = mark("slow") }, func(d *door) { d.staging[0].Deploy.Mark = mark("loses orders") }},
	} {
		d := newDoor()
		change[0](d)
		d.Override = &verifier.GateOverride{By: "anna", Reason: "sale", At: begin, Until: begin.Add(time.Hour), Despite: d.ask().Reasons}
		if a := d.ask(); !a.Allowed || len(a.Reasons) == 0 {
			t.Errorf("%s: what was known is not covered: %+v", name, a)
		}
		change[1](d)
		if a := d.ask(); a.Allowed {
			t.Errorf("%s: one that came later is covered: %+v", name, a)
		}
	}
}

// TestGateOverride lets pass what was known, and nothing that came up later.
func TestGateOverride(t *testing.T) {
	t.Parallel()
	d := newDoor()
	d.staging = []verifier.Past{d.past("s1", "1.4", verifier.Undecided)}
	d.Override = &verifier.GateOverride{By: "anna", Reason: "sale", At: begin, Until: begin.Add(time.Hour), Despite: d.ask().Reasons}
	a := d.ask()
	if !a.Allowed || a.Override == nil || a.Outcome != verifier.GateUntold || !strings.Contains(a.Text, "may pass: anna overrode the gate (sale), although the watch over 1.4 in Staging is inconclusive") {
		t.Errorf("%+v", a)
	}
	d.Holds = []verifier.Hold{{By: "ben", Reason: "disk", Stops: []string{verifier.StopsGate}}}
	if a := d.ask(); a.Allowed || a.Override != nil || a.Outcome != verifier.GateShut {
		t.Errorf("the override covers what it did not know: %+v", a)
	}
	d.Holds = nil
	d.staging = []verifier.Past{d.past("s1", "1.4", verifier.FailedState)}
	if a := d.ask(); a.Allowed {
		t.Errorf("the override covers a verdict that came later: %+v", a)
	}
}

// TestResultsOfTests brings results into a watch: they decide at once where they fail, and are waited for no longer than within.
func TestResultsOfTests(t *testing.T) {
	t.Parallel()
	zero := 0.0
	smoke := verifier.Rule{
		Name: "smoke", Measure: verifier.Measure{Results: "smoke*"}, Limit: &verifier.Limit{Above: &zero, Within: 10 * time.Minute}, OnFail: verifier.FailAlert,
		Severity: verifier.SeverityPage, OnNoData: verifier.NoDataInconclusive, Watch: 15 * time.Minute, Every: 15 * time.Second, Confidence: 0.99,
	}
	for _, c := range []struct {
		name    string
		results []verifier.TestResult
		want    verifier.State
		by      time.Duration // of the verdict, at the latest
		text    string
	}{
		{"failed", []verifier.TestResult{{Name: "smoke", Tests: 3, Failed: 1, Failures: []string{"pays"}, At: begin}}, verifier.FailedState, 5*time.Minute + time.Second, "1 of 3 tests of smoke failed: pays."},
		{"passed", []verifier.TestResult{{Name: "smoke-1", Tests: 3}, {Name: "smoke-2", Tests: 2}}, verifier.Passed, 16 * time.Minute, "Tests passed: smoke-1 (3), smoke-2 (2)."},
		{"mended", []verifier.TestResult{{Name: "smoke", Tests: 3, Failed: 1, At: begin}, {Name: "smoke", Tests: 3, At: begin.Add(time.Second)}}, verifier.Passed, 16 * time.Minute, "Tests passed: smoke (3)."},
		{"never came", []verifier.TestResult{{Name: "ui", Tests: 3}}, verifier.Undecided, 16 * time.Minute, "No results of smoke* came until"},
		{"were skipped", []verifier.TestResult{{Name: "smoke", Tests: 3, Skipped: 3}}, verifier.Undecided, 16 * time.Minute, "No test of smoke* was run."},
	} {
		s := newSim(t, verifier.ModeOff)
		s.good("checkout")
		list := append(slices.Clone(s.rules), smoke)
		s.world.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return list, "sha256:smoke" }
		id := s.deploy("checkout", "1.1").Verification
		deployed := s.clock
		s.run(5 * time.Minute)
		if v := s.get(id); v.State != verifier.Observing || !strings.Contains(v.Findings[1].Text, "Waiting for the results of smoke* until") {
			t.Fatalf("%s: it is %s: %+v", c.name, v.State, v.Findings)
		}
		if err := s.decide(id, Resulted{Verification: id, Results: c.results}); err != nil {
			t.Fatal(err)
		}
		s.run(15 * time.Minute)
		v := s.get(id)
		f := v.Findings[1]
		if v.State != c.want || v.DecidedAt.Sub(deployed) > c.by || !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: %s after %s: %s", c.name, v.State, v.DecidedAt.Sub(deployed), f.Text)
		}
	}
}

// TestReplayHearsResults judges a rule on results by what came in while the watch went on.
func TestReplayHearsResults(t *testing.T) {
	t.Parallel()
	zero := 0.0
	list := []verifier.Rule{{
		Name: "smoke", Measure: verifier.Measure{Results: "smoke"}, Limit: &verifier.Limit{Above: &zero}, OnFail: verifier.FailAlert, Severity: verifier.SeverityPage,
		OnNoData: verifier.NoDataInconclusive, Watch: 15 * time.Minute, Every: time.Minute, Confidence: 0.99,
	}}
	for failed, want := range map[int]verifier.State{0: verifier.Passed, 1: verifier.FailedState} {
		d := verifier.Deploy{ID: "d", Place: verifier.Place{Service: "a", Environment: "staging"}, Version: "1", Status: verifier.Succeeded, Change: verifier.Release, Kind: verifier.KindRelease, At: begin, RecordedAt: begin}
		scene := &verifier.Scene{Place: d.Place, Deploy: d, History: []verifier.Past{{Deploy: d}}}
		world := World{Catalogue: &verifier.Catalogue{}, Unrelated: DefaultUnrelated, Rules: func(verifier.Deploy) ([]verifier.Rule, string) { return list, "x" }}
		at := begin.Add(5*time.Minute + time.Second)
		came := Happened{at, Resulted{Verification: "d", Results: []verifier.TestResult{{Name: "smoke", Tests: 2, Failed: failed, At: at}}}}
		if _, err := Replay(t.Context(), world, scene, Backends{}, came); err != nil {
			t.Fatal(err)
		}
		if v := scene.Watch("d"); v.State != want || v.DecidedAt.Before(at) || failed > 0 && v.DecidedAt.After(at.Add(time.Second)) {
			t.Errorf("%d failed: it is %s, decided %s after the deploy", failed, v.State, v.DecidedAt.Sub(begin))
		}
	}
}

// TestResultsAreKept holds how many names there may be, and that the last of a name stays.
func TestResultsAreKept(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	id := s.deploy("checkout", "1.0").Verification
	s.run(time.Hour)
	for _, at := range []time.Duration{2, 1} {
		if err := s.decide(id, Resulted{Verification: id, Results: []verifier.TestResult{{Name: "smoke", Tests: int(at), At: begin.Add(at)}}}); err != nil {
			t.Fatal(err)
		}
	}
	v := s.get(id)
	if len(v.Results) != 1 || v.Results[0].Tests != 2 || v.Ended == nil {
		t.Errorf("results after the watch: %+v, ended %v", v.Results, v.Ended)
	}
	var many []verifier.TestResult
	for i := range maxResults {
		many = append(many, verifier.TestResult{Name: fmt.Sprint(i)})
	}
	if err := s.decide(id, Resulted{Verification: id, Results: many}); err == nil || len(s.get(id).Results) != 1 {
		t.Errorf("%v, and %d are kept", err, len(s.get(id).Results))
	}
}
