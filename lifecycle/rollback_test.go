package lifecycle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// policy changes how checkout may be rolled back, from now on.
func (s *sim) policy(change func(*verifier.RollbackPolicy)) {
	s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) { change(&to.Rollback) }})
}

// bad deploys a 1.1 that fails, and waits for the verdict.
func (s *sim) bad(change ...func(*verifier.Deploy)) string {
	s.t.Helper()
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1", change...).Verification
	for range 60 {
		if s.run(5 * time.Second); s.get(id).State == verifier.FailedState {
			return id
		}
	}
	s.t.Fatalf("it did not fail\n%s", detail(s.get(id)))
	return ""
}

func TestModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[verifier.RollbackMode]verifier.RollbackState{
		verifier.ModeOff: verifier.RollbackVetoed, verifier.ModeSuggest: verifier.RollbackProposed,
		verifier.ModeApprove: verifier.RollbackProposed, verifier.ModeAuto: verifier.RollbackApproved,
	} {
		s := newSim(t, mode)
		v := s.expect(s.bad(), verifier.FailedState, want)
		if auto := v.Rollback.By != nil && *v.Rollback.By == Auto; auto != (mode == verifier.ModeAuto) || v.Rollback.Mode != mode {
			t.Errorf("%s: by %v, mode %s", mode, v.Rollback.By, v.Rollback.Mode)
		}
		s.run(70 * time.Minute)
		end := map[verifier.RollbackMode]verifier.RollbackState{
			verifier.ModeOff: verifier.RollbackVetoed, verifier.ModeSuggest: verifier.RollbackExpired,
			verifier.ModeApprove: verifier.RollbackExpired, verifier.ModeAuto: verifier.RollbackRecovered,
		}[mode]
		s.expect(v.ID, verifier.FailedState, end)
	}
}

func TestModeFallsToApproveWithCandidates(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	above := 0.1
	s.rules[0].Compare, s.rules[0].Limit = nil, &verifier.Limit{Above: &above}
	s.rules[0].MinSamples = 1000 // 0.9 and 1.0 cannot be told
	s.deploy("checkout", "0.9")
	s.run(30 * time.Minute)
	s.deploy("checkout", "1.0")
	s.run(30 * time.Minute)
	s.rules = slices.Clone(s.rules)
	s.rules[0].MinSamples = 0
	s.world.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return s.rules, "sha256:other" }
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(5 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackProposed)
	if v.Rollback.Mode != verifier.ModeApprove || v.Rollback.To != "" || !slices.Equal(v.Rollback.Candidates, []string{"1.0", "0.9"}) {
		t.Fatalf("%+v", v.Rollback)
	}
	if err := s.order(id, verifier.Approve, ""); !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), "1.0, 0.9") {
		t.Errorf("approved without a choice: %v", err)
	}
	if err := s.order(id, verifier.Approve, "7.7"); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("approved for a version that never was live: %v", err)
	}
	if err := s.order(id, verifier.Approve, "0.9"); err != nil {
		t.Error(err)
	}
	s.run(time.Second)
	if len(s.calls) != 1 || s.calls[0].To != "0.9" {
		t.Errorf("calls %+v", s.calls)
	}
}

func TestCountdownExpires(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.policy(func(p *verifier.RollbackPolicy) { p.ActWithin, p.Countdown = 5*time.Minute, 10*time.Minute })
	id := s.bad()
	s.expect(id, verifier.FailedState, verifier.RollbackApproved)
	s.run(5 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackExpired)
	s.run(10 * time.Minute)
	if last := s.told[len(s.told)-1]; len(s.calls) != 0 || !last.Person {
		t.Errorf("%d calls; the last word %q wakes nobody", len(s.calls), last.Title)
	}
}

func TestModeIsReadLive(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	id := s.bad()
	s.policy(func(p *verifier.RollbackPolicy) { p.Mode = verifier.ModeApprove })
	s.run(3 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if !slices.Equal(v.Rollback.Reasons, []verifier.GuardReason{verifier.GuardOff}) || len(s.calls) != 0 {
		t.Errorf("reasons %v, %d calls", v.Rollback.Reasons, len(s.calls))
	}
}

func TestHoldVetoesAtOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.RollbackMode{verifier.ModeApprove, verifier.ModeAuto} {
		s := newSim(t, mode)
		id := s.bad()
		if err := s.store.PutHold(t.Context(), verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}}); err != nil {
			t.Fatal(err)
		}
		if err := s.decide(id, Held{Verification: id}); err != nil {
			t.Fatal(err)
		}
		s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	}
}

// TestCountdownOutlastsTheWatch looks at what came after the end of the watch before it calls.
func TestCountdownOutlastsTheWatch(t *testing.T) {
	t.Parallel()
	for _, mends := range []bool{true, false} {
		s := newSim(t, verifier.ModeAuto)
		s.policy(func(p *verifier.RollbackPolicy) { p.Countdown = 20 * time.Minute })
		id := s.bad()
		if mends {
			s.until["checkout 1.1"] = s.clock
		}
		s.run(21 * time.Minute)
		if mends {
			v := s.expect(id, verifier.FailedState, verifier.RollbackCancelled)
			if v.Rollback.Reason != "recovered" {
				t.Errorf("reason %q", v.Rollback.Reason)
			}
		} else {
			s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
		}
		s.run(time.Minute)
		if v := s.get(id); v.Ended == nil {
			t.Error("the watch does not end")
		}
	}
}

// TestRelapse is the one end that may be proposed again, under the next key.
func TestRelapse(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	id := s.bad()
	s.until["checkout 1.1"] = s.clock
	s.run(150 * time.Second)
	s.expect(id, verifier.FailedState, verifier.RollbackCancelled)
	delete(s.until, "checkout 1.1")
	s.breaks("checkout 1.1")
	s.run(10 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
	if len(s.calls) != 1 || s.calls[0].ID != "rollback/"+id+"/2" {
		t.Errorf("calls %+v", s.calls)
	}
}

// TestEndsThatStay are not proposed again, however bad it gets.
func TestEndsThatStay(t *testing.T) {
	t.Parallel()
	for verb, want := range map[verifier.Verb]verifier.RollbackState{
		verifier.Deny: verifier.RollbackDenied, verifier.Cancel: verifier.RollbackCancelled, verifier.Dismiss: verifier.RollbackCancelled,
	} {
		s := newSim(t, verifier.ModeAuto)
		id := s.bad()
		if err := s.order(id, verb, ""); err != nil {
			t.Fatal(err)
		}
		s.run(20 * time.Minute)
		if v := s.expect(id, verifier.FailedState, want); v.Rollback.By == nil || *v.Rollback.By != "ben" || len(s.calls) != 0 {
			t.Errorf("%s: by %v, %d calls", verb, v.Rollback.By, len(s.calls))
		}
		if err := s.order(id, verifier.Approve, ""); !errors.Is(err, verifier.ErrConflict) || !strings.Contains(err.Error(), string(want)) {
			t.Errorf("approved after %s: %v", verb, err)
		}
	}
}

// TestPersonInEveryEndedState rolls back whatever became of the daemon's own.
func TestPersonInEveryEndedState(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*sim, string){
		"vetoed":    func(s *sim, _ string) {},
		"denied":    func(s *sim, id string) { s.order(id, verifier.Deny, "") },
		"cancelled": func(s *sim, id string) { s.order(id, verifier.Cancel, "") },
		"expired":   func(s *sim, _ string) { s.run(time.Hour) },
		"refused": func(s *sim, id string) {
			s.answer = func(verifier.RollbackCall) error { return errors.New("no") }
			s.order(id, verifier.Approve, "")
			s.run(time.Second)
			s.answer = func(verifier.RollbackCall) error { return nil }
		},
		"failed": func(s *sim, id string) {
			s.follows = false
			s.order(id, verifier.Approve, "")
			s.run(20 * time.Minute)
			s.follows = true
		},
		"proposed": func(*sim, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			mode := verifier.ModeApprove
			if name == "vetoed" {
				mode = verifier.ModeOff
			}
			s := newSim(t, mode)
			id := s.bad()
			prepare(s, id)
			s.expect(id, verifier.FailedState, verifier.RollbackState(name))
			before := len(s.calls)
			if err := s.order(id, verifier.RollBack, ""); err != nil {
				t.Fatal(err)
			}
			s.expect(id, verifier.FailedState, verifier.RollbackSent)
			if err := s.order(id, verifier.RollBack, ""); !errors.Is(err, verifier.ErrConflict) {
				t.Errorf("sent twice: %v", err)
			}
			s.run(30 * time.Minute)
			s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
			if len(s.calls) != before+1 || s.calls[before].By != "ben" {
				t.Errorf("calls %+v", s.calls)
			}
		})
	}
}

// TestPersonIsDeniedByGuards keeps what they said; a rollback of the daemon's that is under way stays as it is.
func TestPersonIsDeniedByGuards(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	id := s.bad(irreversible)
	if err := s.order(id, verifier.RollBack, ""); err != nil {
		t.Fatal(err)
	}
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if err := Vetoed(v); !errors.Is(err, verifier.ErrConflict) || !slices.Equal(v.Rollback.Reasons, []verifier.GuardReason{verifier.GuardIrreversible}) {
		t.Errorf("%v, reasons %v", err, v.Rollback.Reasons)
	}
	s = newSim(t, verifier.ModeAuto)
	id = s.bad()
	if err := s.order(id, verifier.RollBack, "1.1"); !errors.Is(err, verifier.ErrInvalid) {
		t.Errorf("rolled back to itself: %v", err)
	}
	hold := verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}}
	if err := s.store.PutHold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	if err := s.order(id, verifier.RollBack, ""); !errors.Is(err, verifier.ErrConflict) || !strings.Contains(err.Error(), "sale") {
		t.Errorf("rolled back under a hold: %v", err)
	}
	s.expect(id, verifier.FailedState, verifier.RollbackApproved)
}

// TestApprovalIsOfWhatWasProposed although another version would be proposed by now.
func TestApprovalIsOfWhatWasProposed(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	id := s.bad()
	list, _, err := s.store.Verifications(t.Context(), verifier.VerificationFilter{Service: "checkout", State: verifier.Passed})
	if err != nil || len(list) != 1 || list[0].Deploy.Version != "1.0" {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.store.MarkDeploy(t.Context(), list[0].ID, verifier.Mark{By: "ben", At: s.clock}); err != nil {
		t.Fatal(err)
	}
	if err := s.order(id, verifier.Approve, ""); err != nil {
		t.Fatal(err)
	}
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if v.Rollback.To != "1.0" || !slices.Contains(v.Rollback.Reasons, verifier.GuardKnownBad) {
		t.Errorf("to %s, reasons %v", v.Rollback.To, v.Rollback.Reasons)
	}
}

// TestLateEventOfTheTarget moves what was refused or given up to confirmed, and on to recovered.
func TestLateEventOfTheTarget(t *testing.T) {
	t.Parallel()
	for want, answer := range map[verifier.RollbackState]error{verifier.RollbackRefused: errors.New("no"), verifier.RollbackFailed: nil} {
		s := newSim(t, verifier.ModeApprove)
		s.follows, s.answer = false, func(verifier.RollbackCall) error { return answer }
		id := s.bad()
		if err := s.order(id, verifier.Approve, ""); err != nil {
			t.Fatal(err)
		}
		s.run(20 * time.Minute)
		v := s.expect(id, verifier.FailedState, want)
		if reason := map[bool]string{true: "no", false: "no deploy of 1.0 within 15 min; last heard: taken"}[answer != nil]; v.Rollback.Reason != reason {
			t.Errorf("reason %q, want %q", v.Rollback.Reason, reason)
		}
		back := s.deploy("checkout", "1.0").Verification
		s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
		if v, failed := s.get(back), s.get(id); v.Answers != id || v.Baseline == nil || *v.Baseline != *failed.Baseline {
			t.Errorf("%+v answers %q; want the baseline of what failed, %+v", v.Baseline, v.Answers, failed.Baseline)
		}
		s.run(30 * time.Minute)
		s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
	}
}

// TestNotRecovered is where a rule still fails. Any other end of the target's own verification tells nothing; a deploy that failed after
// all has brought nothing back.
func TestNotRecovered(t *testing.T) {
	t.Parallel()
	type end struct {
		happens func(*sim, string)
		state   verifier.RollbackState
		reason  string
	}
	for name, c := range map[string]end{
		"superseded": {func(s *sim, _ string) { s.deploy("checkout", "1.2") }, verifier.RollbackConfirmed, "superseded"},
		"cancelled":  {func(s *sim, back string) { s.order(back, verifier.Cancel, "") }, verifier.RollbackConfirmed, "because"},
		"no data":    {func(s *sim, _ string) { s.silent["checkout"] = true }, verifier.RollbackConfirmed, "no_baseline"},
		"failed":     {func(s *sim, _ string) { s.breaks("checkout 1.0") }, verifier.RollbackFailed, "not_recovered"},
		"not deployed after all": {func(s *sim, back string) {
			s.run(time.Second)
			s.fact(back, "1.0", verifier.Failed)
		}, verifier.RollbackFailed, "the deploy of 1.0 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, verifier.ModeAuto)
			id := s.bad()
			s.run(2*time.Minute + 10*time.Second)
			v := s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
			told := len(s.told)
			c.happens(s, v.Rollback.Answer)
			s.run(30 * time.Minute)
			r := s.expect(id, verifier.FailedState, c.state).Rollback
			paged := slices.ContainsFunc(s.told[told:], func(in verifier.Incident) bool { return in.Person })
			if failed := c.state == verifier.RollbackFailed; paged != failed {
				t.Errorf("paged %v", paged)
			}
			switch u := r.Unclear; {
			case c.state == verifier.RollbackFailed && (r.Reason != c.reason || u != nil):
				t.Errorf("reason %q, unclear %+v", r.Reason, u)
			case c.state == verifier.RollbackConfirmed && (u == nil || u.Reason != c.reason || u.Failed == nil || *u.Failed.Value != 0.2 || !r.Over()):
				t.Errorf("unclear %+v", u)
			}
		})
	}
}

// TestTargetArrivesBehindANewerRelease confirms the rollback, and cannot help.
func TestTargetArrivesBehindANewerRelease(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.follows = false
	id := s.bad()
	s.run(2*time.Minute + 10*time.Second)
	s.expect(id, verifier.FailedState, verifier.RollbackSent)
	back := s.clock
	s.run(5 * time.Second)
	s.deploy("checkout", "1.2")
	s.deploy("checkout", "1.0", at(back))
	if v := s.expect(id, verifier.FailedState, verifier.RollbackConfirmed); v.Rollback.Unclear == nil {
		t.Errorf("%+v", v.Rollback)
	}
}

// TestPersonRollsBackARunningWatch leaves its verdict to what follows.
func TestPersonRollsBackARunningWatch(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	s.run(time.Minute)
	if err := s.order(id, verifier.RollBack, "0.9"); err != nil {
		t.Fatal(err)
	}
	s.run(30 * time.Minute)
	s.expect(id, verifier.Superseded, verifier.RollbackRecovered)
	if len(s.calls) != 1 || s.calls[0].To != "0.9" || s.calls[0].By != "ben" || s.calls[0].Reason != "because" {
		t.Errorf("calls %+v", s.calls)
	}
}

// TestDismissedIsNotRolledBack although another rule fails, or one fails again, later.
func TestDismissedIsNotRolledBack(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	quick, above := s.rules[0], 0.1
	quick.Name, quick.Compare, quick.Limit, quick.OnFail = "quick", nil, &verifier.Limit{Above: &above}, verifier.FailAlert
	s.rules[0].MinSamples = 8 // it is sure later
	s.rules = append(s.rules, quick)
	id := s.bad()
	s.expect(id, verifier.FailedState, "")
	if err := s.order(id, verifier.Dismiss, ""); err != nil {
		t.Fatal(err)
	}
	s.run(20 * time.Minute)
	if v := s.expect(id, verifier.FailedState, ""); len(failing(v.Findings)) != 2 || len(s.calls) != 0 {
		t.Errorf("failing %v, %d calls", failing(v.Findings), len(s.calls))
	}
}

// TestDeniedPersonDoesNotDisarmTheDaemon: who asked for a rollback under a hold before there was a verdict has changed nothing.
func TestDeniedPersonDoesNotDisarmTheDaemon(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	hold := verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}}
	if err := s.store.PutHold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	if err := s.order(id, verifier.RollBack, ""); err != nil {
		t.Fatal(err)
	}
	s.expect(id, verifier.Waiting, verifier.RollbackVetoed)
	if err := s.store.EndHold(t.Context(), "h", "ben", s.clock); err != nil {
		t.Fatal(err)
	}
	s.run(30 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
}
