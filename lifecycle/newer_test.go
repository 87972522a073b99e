package lifecycle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestWhatStopsARollback: only a newer release that went live cancels it; a scale-out and the same version once more stop nothing; a
// configuration, a toggle or infrastructure stops the automatic way alone.
func TestWhatStopsARollback(t *testing.T) {
	t.Parallel()
	const recovered, cancelled, vetoed = verifier.RollbackRecovered, verifier.RollbackCancelled, verifier.RollbackVetoed
	for _, c := range []struct {
		name          string
		version       string
		change        func(*verifier.Deploy)
		approve, auto verifier.RollbackState
	}{
		{"release", "1.2", func(*verifier.Deploy) {}, cancelled, cancelled},
		{"older than what was suggested", "0.9", func(*verifier.Deploy) {}, cancelled, cancelled},
		{"scale", "", changed(verifier.Scale), recovered, recovered},
		{"redeploy", "1.1", func(*verifier.Deploy) {}, recovered, recovered},
		{"config", "", changed(verifier.Config), recovered, vetoed},
		{"toggle", "", changed(verifier.Toggle), recovered, vetoed},
		{"infra", "", changed(verifier.Infra), recovered, vetoed},
		{"config that failed", "", func(d *verifier.Deploy) { d.Change, d.Status = verifier.Config, verifier.Failed }, recovered, recovered},
	} {
		for _, mode := range []verifier.RollbackMode{verifier.ModeApprove, verifier.ModeAuto} {
			t.Run(c.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				s := newSim(t, mode)
				id := s.bad()
				s.run(10 * time.Second)
				s.deploy("checkout", cmpOr(c.version, "1.1"), c.change)
				s.run(10 * time.Second)
				want := c.auto
				if mode == verifier.ModeApprove {
					want = c.approve
					if want == recovered {
						s.expect(id, verifier.FailedState, verifier.RollbackProposed)
						if err := s.order(id, verifier.Approve, ""); err != nil {
							t.Fatal(err)
						}
					}
				}
				s.run(40 * time.Minute)
				v := s.expect(id, verifier.FailedState, want)
				if want == vetoed {
					if !slices.Equal(v.Rollback.Reasons, []verifier.GuardReason{verifier.GuardNewer}) || !strings.Contains(denialText(v.Rollback.Guards), "only a person") {
						t.Errorf("reasons %v: %s", v.Rollback.Reasons, denialText(v.Rollback.Guards))
					}
					if !s.told[len(s.told)-1].Person {
						t.Error("nobody is paged although the automatic way is stopped")
					}
					if err := s.order(id, verifier.RollBack, ""); err != nil {
						t.Errorf("a person's: %v", err)
					}
				}
			})
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestChangesBeforeTheVerdict leave the rollback to a person, or do not matter.
func TestChangesBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	for change, want := range map[verifier.Change]verifier.RollbackState{
		verifier.Scale: verifier.RollbackRecovered, verifier.Config: verifier.RollbackVetoed,
	} {
		s := newSim(t, verifier.ModeAuto)
		s.good("checkout")
		id := s.deploy("checkout", "1.1").Verification
		s.run(2 * time.Minute)
		s.deploy("checkout", "1.1", changed(change))
		s.run(2 * time.Minute)
		s.breaks("checkout 1.1")
		s.run(30 * time.Minute)
		s.expect(id, verifier.FailedState, want)
	}
}

// TestStartedReleasePauses: a hotfix that was merely started lets the rollback wait, and its failure lets it go on.
func TestStartedReleasePauses(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} { // the verdict falls before or after the start
		s := newSim(t, verifier.ModeAuto)
		var id string
		if before {
			id = s.bad()
			s.run(30 * time.Second)
			s.started("fix", "1.2")
		} else {
			s.good("checkout")
			s.broken["checkout 1.1"] = 0.2
			id = s.deploy("checkout", "1.1").Verification
			s.run(10 * time.Second)
			s.started("fix", "1.2")
			s.run(3 * time.Minute)
		}
		v := s.expect(id, verifier.FailedState, verifier.RollbackApproved)
		if p := v.Rollback.Paused; p == nil || p.Version != "1.2" || p.By != "anna" || p.Left <= 0 || v.Rollback.SendAt != nil {
			t.Fatalf("paused %+v, sent at %v", p, v.Rollback.SendAt)
		}
		if v.Ended != nil {
			t.Error("a start ends the failed watch")
		}
		left := v.Rollback.Paused.Left
		s.run(10 * time.Minute)
		s.expect(id, verifier.FailedState, verifier.RollbackApproved)
		if last := s.told[len(s.told)-1]; last.Person || len(s.calls) != 0 {
			t.Errorf("person %v, %d calls", last.Person, len(s.calls))
		}
		s.fact("fix", "1.2", verifier.Failed)
		if v := s.get(id); v.Rollback.Paused != nil || v.Rollback.SendAt == nil || !v.Rollback.SendAt.Equal(s.clock.Add(left)) {
			t.Errorf("paused %+v, sent at %v; want in %s", v.Rollback.Paused, v.Rollback.SendAt, left)
		}
		s.run(30 * time.Minute)
		s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
	}
}

// TestLongPausePages by itself, and a start without an end lets the rollback go on at last, although act_within is over.
func TestLongPausePages(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	id := s.bad()
	s.started("fix", "1.2")
	s.run(14 * time.Minute)
	if s.told[len(s.told)-1].Person {
		t.Error("paged too soon")
	}
	s.run(2 * time.Minute)
	if !s.told[len(s.told)-1].Person {
		t.Error("nobody is paged after confirm_within")
	}
	s.run(45 * time.Minute) // no end: act_within after the start
	s.expect("fix", verifier.CancelledState, "")
	if s.told[len(s.told)-1].Person {
		t.Error("paged although it is rolled back")
	}
	s.run(20 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
}

// TestGuardsAfterAPause are asked again.
func TestGuardsAfterAPause(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.RollbackMode{verifier.ModeApprove, verifier.ModeAuto} {
		s := newSim(t, mode)
		id := s.bad()
		s.started("fix", "1.2")
		s.run(time.Minute)
		s.run(time.Minute)
		list, _, err := s.store.Verifications(t.Context(), verifier.VerificationFilter{Service: "checkout", State: verifier.Passed})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.MarkDeploy(t.Context(), list[0].ID, verifier.Mark{By: "ben", At: s.clock}); err != nil {
			t.Fatal(err)
		}
		s.fact("fix", "1.2", verifier.Failed)
		v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
		if !slices.Contains(v.Rollback.Reasons, verifier.GuardKnownBad) {
			t.Errorf("reasons %v", v.Rollback.Reasons)
		}
	}
}

// TestPersonOrdersDuringAStart waits for its end; the order is kept, and may be taken back.
func TestPersonOrdersDuringAStart(t *testing.T) {
	t.Parallel()
	for _, verb := range []verifier.Verb{verifier.Approve, verifier.RollBack} {
		s := newSim(t, verifier.ModeApprove)
		id := s.bad()
		s.started("fix", "1.2")
		s.run(time.Minute)
		if err := s.order(id, verb, ""); err != nil {
			t.Fatal(err)
		}
		v := s.expect(id, verifier.FailedState, verifier.RollbackApproved)
		if v.Rollback.Paused == nil || len(s.calls) != 0 {
			t.Fatalf("%+v", v.Rollback)
		}
		s.run(90 * time.Second)
		s.fact("fix", "1.2", verifier.Failed)
		s.run(30 * time.Minute)
		s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
		if len(s.calls) != 1 || s.calls[0].By != "ben" {
			t.Errorf("calls %+v", s.calls)
		}
	}
}

// TestEndedRollbackPages where a rule fails on and nothing newer is live, and does not where a newer release is.
func TestEndedRollbackPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends func(*sim, string)
		page bool
	}{
		"cancelled by a person":        {func(s *sim, id string) { s.order(id, verifier.Cancel, "") }, true},
		"denied":                       {func(s *sim, id string) { s.order(id, verifier.Deny, "") }, false},
		"cancelled by a newer release": {func(s *sim, _ string) { s.deploy("checkout", "1.2") }, false},
		"dismissed":                    {func(s *sim, id string) { s.order(id, verifier.Dismiss, "") }, false},
		"vetoed by a configuration":    {func(s *sim, _ string) { s.deploy("checkout", "1.1", changed(verifier.Config)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeAuto)
			id := s.bad()
			c.ends(s, id)
			s.run(time.Minute)
			if last := s.told[len(s.told)-1]; last.Person != c.page {
				t.Errorf("person %v: %s", last.Person, last.Title)
			}
		})
	}
}

// TestOneRollbackAtATime in each place: the second is refused and told of the first.
func TestOneRollbackAtATime(t *testing.T) {
	t.Parallel()
	target := func(name string) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.Target = name } }
	s := newSim(t, verifier.ModeOff)
	for _, v := range []string{"0.9", "1.0"} {
		for _, cell := range []string{"eu", "us"} {
			s.deploy("checkout", v, target(cell))
		}
		s.run(30 * time.Minute)
	}
	s.follows = false
	eu, us := s.deploy("checkout", "1.1", target("eu")).Verification, s.deploy("checkout", "1.1", target("us")).Verification
	s.run(10 * time.Second)
	again := s.deploy("checkout", "1.1.1", target("eu"), status(verifier.Failed), func(d *verifier.Deploy) { d.Hosts = []string{"web1"} }).Verification
	s.run(10 * time.Second)
	if err := s.order(eu, verifier.RollBack, "1.0"); err != nil {
		t.Fatal(err)
	}
	err := s.order(again, verifier.RollBack, "1.0")
	for _, part := range []string{eu, "1.1", "1.0", "sent", "(eu)"} {
		if !errors.Is(err, verifier.ErrConflict) || !strings.Contains(err.Error(), part) {
			t.Errorf("second order: %v; want a conflict that names %s", err, part)
		}
	}
	if err := s.order(eu, verifier.RollBack, "1.0"); !errors.Is(err, verifier.ErrConflict) {
		t.Errorf("once more: %v", err)
	}
	if err := s.order(us, verifier.RollBack, "1.0"); err != nil {
		t.Errorf("of another target: %v", err)
	}
	s.run(20 * time.Minute) // given up: confirm_within
	s.expect(eu, s.get(eu).State, verifier.RollbackFailed)
	if err := s.order(again, verifier.RollBack, "1.0"); err != nil {
		t.Errorf("after the first has failed: %v", err)
	}
}

// TestRollbackByHandFromEveryState is confirmed and recovers, by whoever deployed it, and its incident gets its good news.
func TestRollbackByHandFromEveryState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode    verifier.RollbackMode
		prepare func(*sim, string)
	}{
		"suggested": {verifier.ModeSuggest, func(*sim, string) {}},
		"proposed":  {verifier.ModeApprove, func(*sim, string) {}},
		"counting":  {verifier.ModeAuto, func(*sim, string) {}},
		"vetoed":    {verifier.ModeOff, func(*sim, string) {}},
		"denied":    {verifier.ModeApprove, func(s *sim, id string) { s.order(id, verifier.Deny, "") }},
		"cancelled": {verifier.ModeApprove, func(s *sim, id string) { s.order(id, verifier.Cancel, "") }},
		"expired":   {verifier.ModeApprove, func(s *sim, _ string) { s.run(time.Hour) }},
		"started first": {verifier.ModeApprove, func(s *sim, id string) {
			s.started("back", "1.0")
			s.run(time.Minute)
			if s.get(id).Rollback.Paused == nil {
				s.t.Errorf("it is not paused")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, c.mode)
			id := s.bad()
			c.prepare(s, id)
			s.run(time.Second)
			s.fact("back", "1.0", verifier.Succeeded, func(d *verifier.Deploy) { d.By = "carl" })
			v := s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
			if r := v.Rollback; r.By == nil || *r.By != "carl" || r.Paused != nil || len(r.Reasons) != 0 || r.Answer != "back" {
				t.Errorf("%+v", r)
			}
			s.run(30 * time.Minute)
			v = s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
			if last := s.told[len(s.told)-1]; last.ID != v.Incident || last.Resolved == nil || len(s.calls) != 0 {
				t.Errorf("last told %q, %d calls", last.Title, len(s.calls))
			}
		})
	}
}

// TestLaterReturnIsNoRollback of a deploy that another release has replaced since.
func TestLaterReturnIsNoRollback(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	id := s.bad()
	s.deploy("checkout", "1.2")
	s.run(20 * time.Minute)
	s.deploy("checkout", "1.0")
	s.run(20 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackCancelled)
}

// TestTroubleOfAGoodDeploysRollback pages although no rule failed: a person ordered it, and it did not come about.
func TestTroubleOfAGoodDeploysRollback(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	s.follows = false
	id := s.deploy("checkout", "1.1").Verification
	s.run(20 * time.Minute)
	s.expect(id, verifier.Passed, "")
	if err := s.order(id, verifier.RollBack, "1.0"); err != nil {
		t.Fatal(err)
	}
	s.run(20 * time.Minute)
	s.expect(id, verifier.Passed, verifier.RollbackFailed)
	last := s.told[len(s.told)-1]
	if !last.Person || last.Severity != verifier.SeverityPage || last.Labels["severity"] != "page" || last.Labels["outcome"] != "failed" || last.Resolved != nil {
		t.Errorf("person %v, severity %s, labels %v, resolved %v: %s", last.Person, last.Severity, last.Labels, last.Resolved, last.Title)
	}
}
