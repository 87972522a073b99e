package lifecycle

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestPutBackResolves: a change that failed and was put back ends its incident after a clean stretch, wherever it was watched; one that
// undid nothing does not.
func TestPutBackResolves(t *testing.T) {
	t.Parallel()
	for _, change := range []verifier.Change{verifier.Config, verifier.Toggle, verifier.Infra, verifier.Scale} {
		for name, c := range map[string]struct {
			release, ended, helps bool
		}{
			"its own watch":              {false, false, true},
			"of a release":               {true, false, true},
			"after the watch":            {false, true, true},
			"it does not help":           {false, false, false},
			"after the watch, in vain":   {false, true, false},
			"of a release, but it fails": {true, false, false},
		} {
			t.Run(string(change)+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newSim(t, verifier.ModeAuto)
				s.good("checkout")
				version := "1.0"
				if c.release {
					version = "1.1"
					s.deploy("checkout", version)
					s.run(5 * time.Minute)
				} else {
					s.run(time.Hour)
				}
				on := s.deploy("checkout", version, changed(change))
				s.breaks("checkout " + version)
				s.run(3 * time.Minute)
				v := s.get(on.Verification)
				if v.State != verifier.FailedState || v.Incident == "" {
					t.Fatalf("%s, incident %q", v.State, v.Incident)
				}
				if c.release && v.Rollback != nil && v.Rollback.State == verifier.RollbackApproved { // a scale-out leaves it to the daemon
					if err := s.order(v.ID, verifier.Deny, ""); err != nil {
						t.Fatal(err)
					}
				}
				if c.ended {
					s.run(30 * time.Minute)
				}
				if c.helps {
					s.until["checkout "+version] = s.clock
				}
				off := s.deploy("checkout", version, changed(change))
				if joined := off.Verification == v.ID; joined == c.ended {
					t.Errorf("joined %v", joined)
				}
				s.run(30 * time.Minute)
				in, err := s.store.Incident(t.Context(), v.Incident)
				if err != nil || (in.Resolved != nil) != c.helps {
					t.Fatalf("resolved %v: %s (%v)\n%s", in.Resolved, in.Text, err, detail(s.get(v.ID)))
				}
				if last := s.told[len(s.told)-1]; c.helps && last.Resolved == nil {
					t.Errorf("last told %q", last.Title)
				}
				if c.helps && !c.ended && !strings.Contains(in.Members[0].Resolution, string(change)) {
					t.Errorf("resolution %q", in.Members[0].Resolution)
				}
				if v := s.get(v.ID); v.Ended == nil || v.State != verifier.FailedState {
					t.Errorf("%s, ended %v", v.State, v.Ended)
				}
			})
		}
	}
}

// TestResultsSuffice as samples of a rollback: posted tests that failed are proof enough.
func TestResultsSuffice(t *testing.T) {
	t.Parallel()
	none := 0.0
	for _, tests := range []int{0, 1, 40} { // a suite may fail before its first test
		s := newSim(t, verifier.ModeAuto)
		s.good("checkout")
		smoke := s.rules[0]
		smoke.Name, smoke.Compare, smoke.Limit = "smoke", nil, &verifier.Limit{Above: &none}
		smoke.Measure = verifier.Measure{Results: "smoke"}
		s.rules = []verifier.Rule{s.rules[0], smoke}
		s.world.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return s.rules, "sha256:smoke" }
		id := s.deploy("checkout", "1.1").Verification
		s.run(30 * time.Second)
		result := verifier.TestResult{Name: "smoke", Tests: tests, Failed: 1, At: s.clock}
		if err := s.decide(id, Resulted{Verification: id, Results: []verifier.TestResult{result}}); err != nil {
			t.Fatal(err)
		}
		s.run(time.Second)
		s.expect(id, verifier.FailedState, verifier.RollbackApproved)
		s.run(3 * time.Minute)
		back := s.expect(id, verifier.FailedState, verifier.RollbackConfirmed).Rollback.Answer
		if err := s.decide(back, Resulted{back, []verifier.TestResult{{Name: "smoke", Tests: 1, At: s.clock}}}); err != nil {
			t.Fatal(err)
		}
		s.run(30 * time.Minute)
		s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
	}
}
