package lifecycle

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestPresses goes through a rollback: what is shown at each turn is what an order would be accepted for, and nothing else.
func TestPresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mode    verifier.RollbackMode
		noWay   bool
		arrange func(*sim, string)
		want    string
	}{
		{"approve", verifier.ModeApprove, false, nil, "approve deny dismiss"},
		{"suggest", verifier.ModeSuggest, false, nil, "rollback deny dismiss"},
		{"auto counts down", verifier.ModeAuto, false, nil, "rollback cancel dismiss"},
		{"off", verifier.ModeOff, false, nil, "rollback dismiss"},
		{"no way", verifier.ModeOff, true, nil, "dismiss"},
		{"approve without a way", verifier.ModeApprove, true, nil, "deny dismiss"},
		{"held", verifier.ModeOff, false, func(s *sim, _ string) {
			hold := verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}}
			if err := s.store.PutHold(s.t.Context(), hold); err != nil {
				s.t.Fatal(err)
			}
		}, "dismiss"},
		{"done", verifier.ModeOff, false, func(s *sim, id string) {
			if err := s.order(id, verifier.RollBack, ""); err != nil {
				s.t.Fatal(err)
			}
			s.run(40 * time.Minute)
			s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
		}, "dismiss"},
		{"denied", verifier.ModeApprove, false, func(s *sim, id string) {
			if err := s.order(id, verifier.Deny, ""); err != nil {
				s.t.Fatal(err)
			}
		}, "rollback dismiss"},
		{"a newer release", verifier.ModeOff, false, func(s *sim, _ string) { s.deploy("checkout", "1.2") }, "dismiss"},
		{"dismissed", verifier.ModeApprove, false, func(s *sim, id string) {
			if err := s.order(id, verifier.Dismiss, ""); err != nil {
				s.t.Fatal(err)
			}
		}, "rollback"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, c.mode)
			s.good("checkout")
			if c.noWay {
				s.entries = append(s.entries, verifier.Entry{Match: verifier.Match{Service: "checkout"}, Apply: func(to *verifier.Service) { to.Rollback.By = "" }})
			}
			s.broken["checkout 1.1"] = 0.2
			id := s.deploy("checkout", "1.1").Verification
			s.run(2 * time.Minute)
			s.expect(id, verifier.FailedState, s.rollbackOf(id))
			if c.arrange != nil {
				c.arrange(s, id)
			}
			if got := s.presses(id); got != c.want {
				t.Errorf("shows %q, want %q", got, c.want)
			}
			s.checkLinks(id)
		})
	}
}

func (s *sim) rollbackOf(id string) verifier.RollbackState {
	if r := s.get(id).Rollback; r != nil {
		return r.State
	}
	return ""
}

// presses are the verbs that the console shows of the verification now.
func (s *sim) presses(id string) string {
	s.t.Helper()
	scene, err := s.store.Scene(s.t.Context(), id, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	var verbs []string
	for _, p := range s.runner.World().Presses(scene, s.get(id), false, s.clock) {
		verbs = append(verbs, string(p.Verb))
	}
	return strings.Join(verbs, " ")
}

// checkLinks holds the links of the last message about the verification against what the console shows: a link is a button too, and
// every button is a link, but for dismissing.
func (s *sim) checkLinks(id string) {
	s.t.Helper()
	in, err := s.store.Incident(s.t.Context(), s.get(id).Incident)
	if err != nil {
		s.t.Fatal(err)
	}
	var linked []string
	for _, l := range in.Links {
		if verb, ok := strings.CutPrefix(l.URL, "https://v/verifications/"+id+"/"); ok {
			linked = append(linked, verb)
		}
	}
	shown := strings.TrimSuffix(strings.TrimSuffix(s.presses(id), "dismiss"), " ")
	if got := strings.Join(linked, " "); got != shown && in.Resolved == nil && s.holds() == 0 {
		s.t.Errorf("the message links to %q, the console shows %q", got, shown)
	}
}

func (s *sim) holds() int {
	list, err := s.store.Holds(s.t.Context(), s.clock, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list)
}
