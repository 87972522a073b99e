package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

func (s *sim) started(id, name string) string {
	s.t.Helper()
	return s.deploy("checkout", name, func(d *verifier.Deploy) { d.ID, d.Status = id, verifier.Started }).Verification
}

// fact records one more fact about a deploy.
func (s *sim) fact(id, name string, status verifier.Status, change ...func(*verifier.Deploy)) verifier.Receipt {
	s.t.Helper()
	return s.deploy("checkout", name, append(change, func(d *verifier.Deploy) { d.ID, d.Status = id, status })...)
}

func at(t time.Time) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.At = t } }

func TestStartSupersedesNothing(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	first := s.deploy("checkout", "1.1").Verification
	s.run(time.Minute)
	second := s.started("x", "1.2")
	s.expect(second, verifier.Waiting, "")
	if v := s.get(first); v.Ended != nil {
		t.Errorf("1.1 is %s, ended %v; a start supersedes nothing", v.State, v.Ended)
	}
	s.run(time.Minute)
	s.fact("x", "1.2", verifier.Succeeded)
	s.expect(first, verifier.Superseded, "")
	v := s.expect(second, verifier.Waiting, "")
	if v.Deploy.StartedAt == nil || v.Baseline == nil || v.Baseline.Until.After(*v.Deploy.StartedAt) {
		t.Errorf("baseline %+v; want it to end at the start", v.Baseline)
	}
	s.run(30 * time.Minute)
	s.expect(second, verifier.Passed, "")
}

func TestOlderDeployIsSupersededAtOnce(t *testing.T) {
	t.Parallel()
	for _, status := range []verifier.Status{verifier.Started, verifier.Succeeded} {
		s := newSim(t, verifier.ModeAuto)
		s.good("checkout")
		before := s.clock.Add(-time.Minute)
		newer := s.deploy("checkout", "1.2").Verification
		older := s.fact("x", "1.1", status, at(before)).Verification
		if v := s.expect(older, verifier.Superseded, ""); v.Ended == nil {
			t.Errorf("%s: it has not ended", status)
		}
		s.run(30 * time.Minute)
		s.expect(newer, verifier.Passed, "")
		s.expect(older, verifier.Superseded, "")
	}
}

// TestSlowDeploy starts before another, and ends after it: then it is what is live.
func TestSlowDeploy(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	slow := s.started("slow", "1.1")
	s.run(time.Minute)
	quick := s.deploy("checkout", "1.2").Verification
	s.run(time.Minute)
	s.fact("slow", "1.1", verifier.Succeeded)
	s.expect(quick, verifier.Superseded, "")
	s.run(30 * time.Minute)
	s.expect(slow, verifier.Passed, "")
}

func TestFailedDeployIsCancelled(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	before := s.deploy("checkout", "1.1").Verification
	s.run(time.Minute)
	s.started("x", "1.2")
	s.fact("x", "1.2", verifier.Failed)
	if v := s.expect("x", verifier.CancelledState, ""); v.Reason != "deploy_failed" || v.Ended == nil {
		t.Errorf("reason %q, ended %v", v.Reason, v.Ended)
	}
	s.run(20 * time.Minute)
	s.expect(before, verifier.Passed, "")
}

// TestSuccessAfterAll tries again under the same id, or ends after everybody gave it up.
func TestSuccessAfterAll(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*sim){
		"failed first": func(s *sim) { s.fact("x", "1.1", verifier.Failed) },
		"no end":       func(s *sim) { s.started("x", "1.1"); s.run(2 * time.Hour); s.expect("x", verifier.CancelledState, "") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, verifier.ModeAuto)
			s.good("checkout")
			prepare(s)
			s.run(time.Minute)
			s.fact("x", "1.1", verifier.Succeeded)
			s.expect("x", verifier.Waiting, "")
			s.run(30 * time.Minute)
			s.expect("x", verifier.Passed, "")
		})
	}
}

// TestStartWithoutEndNoLongerCounts lets a rollback through that a running start would pause.
func TestStartWithoutEndNoLongerCounts(t *testing.T) {
	t.Parallel()
	for within, want := range map[time.Duration]verifier.RollbackState{3 * time.Hour: verifier.RollbackApproved, time.Hour: verifier.RollbackConfirmed} {
		s := newSim(t, verifier.ModeAuto)
		s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) { to.Rollback.ActWithin = within }})
		s.good("checkout")
		s.rules[0].Watch = 150 * time.Minute
		bad := s.deploy("checkout", "1.1").Verification
		s.run(time.Second)
		s.started("x", "1.2")
		s.run(61 * time.Minute)
		s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) { to.Rollback.ActWithin = 3 * time.Hour }})
		s.breaks("checkout 1.1")
		s.run(30 * time.Minute)
		if v := s.expect(bad, verifier.FailedState, want); (v.Rollback.Paused != nil) != (want == verifier.RollbackApproved) {
			t.Errorf("paused %+v", v.Rollback.Paused)
		}
	}
}

func TestCancelledByAPersonStaysCancelled(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	old := s.deploy("checkout", "1.1").Verification
	s.run(time.Second)
	s.started("x", "1.2")
	if err := s.order("x", verifier.Cancel, ""); err != nil {
		t.Fatal(err)
	}
	s.fact("x", "1.2", verifier.Succeeded, at(s.clock.Add(time.Second)))
	s.expect("x", verifier.CancelledState, "")
	s.expect(old, verifier.Superseded, "")
}

// TestServerByServer is one deploy under one id that ends on each server later: the watch moves, the baseline stays before the first.
func TestServerByServer(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.fact("x", "1.1", verifier.Succeeded)
	first := s.get("x")
	s.run(40 * time.Second)
	s.fact("x", "1.1", verifier.Succeeded)
	v := s.get("x")
	if !v.From.Equal(s.clock) || !v.Until.Equal(first.Until.Add(40*time.Second)) || v.Baseline == nil || !v.Baseline.Until.Equal(first.Baseline.Until) {
		t.Errorf("from %s until %s baseline %+v; first %s %+v", v.From, v.Until, v.Baseline, first.Until, first.Baseline)
	}
	s.run(30 * time.Minute)
	s.expect("x", verifier.Passed, "")
}

func TestLaterEndOfAFailedDeployKeepsItsFindings(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	s.fact("x", "1.1", verifier.Succeeded)
	s.run(5 * time.Minute)
	s.expect("x", verifier.FailedState, verifier.RollbackProposed)
	s.fact("x", "1.1", verifier.Succeeded)
	v := s.expect("x", verifier.FailedState, verifier.RollbackProposed)
	if len(failing(v.Findings)) != 1 || !v.Until.Equal(s.clock.Add(15*time.Minute)) {
		t.Errorf("failing %v until %s", failing(v.Findings), v.Until)
	}
}

// TestWhatJoins holds every change but a release, and a redeploy, to the running watch, a failed one too; alone they open their own,
// which alerts and never rolls back.
func TestWhatJoins(t *testing.T) {
	t.Parallel()
	for _, c := range []verifier.Change{verifier.Release, verifier.Config, verifier.Toggle, verifier.Infra, verifier.Scale} {
		same := func(d *verifier.Deploy) { d.Change = c }
		t.Run(string(c), func(t *testing.T) {
			s := newSim(t, verifier.ModeOff)
			s.good("checkout")
			id := s.deploy("checkout", "1.1").Verification
			s.run(2 * time.Minute)
			until := s.get(id).Until
			if r := s.deploy("checkout", "1.1", same); r.Verification != id || r.State != verifier.Observing {
				t.Errorf("it is watched by %s (%s), want %s", r.Verification, r.State, id)
			}
			if v := s.get(id); !v.Until.Equal(until.Add(75 * time.Second)) {
				t.Errorf("until %s, want it grown by settle and step from %s", v.Until, until)
			}
			s.breaks("checkout 1.1")
			s.run(6 * time.Minute)
			s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
			if r := s.deploy("checkout", "1.1", same); r.Verification != id || len(s.get(id).Joined) != 2 {
				t.Errorf("it is watched by %s, want the failed watch %s", r.Verification, id)
			}
			s.run(time.Hour)
			told := len(s.told)
			own := s.deploy("checkout", "1.1", same)
			if own.Verification != own.ID {
				t.Fatalf("it is watched by %q, want its own", own.Verification)
			}
			s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) { to.Rollback.Mode = verifier.ModeAuto }})
			s.run(30 * time.Minute)
			v := s.expect(own.ID, verifier.FailedState, verifier.RollbackVetoed)
			if v.Rollback.Reasons[0] != verifier.GuardNotRelease || len(s.told) == told || len(s.calls) != 0 {
				t.Errorf("reasons %v, told %d times, called %d times", v.Rollback.Reasons, len(s.told)-told, len(s.calls))
			}
		})
	}
}

// TestOwnStepAndSettleOfAJoinAreLeftOut breaks the service for just that long.
func TestOwnStepAndSettleOfAJoinAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	s.run(2*time.Minute + 7*time.Second)
	s.deploy("checkout", "1.1", func(d *verifier.Deploy) { d.Change = verifier.Config })
	s.broken["checkout 1.1"], s.since["checkout 1.1"] = 0.9, s.clock
	s.until["checkout 1.1"] = s.clock.Add(time.Minute)
	s.run(30 * time.Minute)
	s.expect(id, verifier.Passed, "")
}

// TestOrderOfArrivalOfAJoin is the same whichever of release and configuration is heard of first.
func TestOrderOfArrivalOfAJoin(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	released := s.clock
	s.run(30 * time.Second)
	own := s.deploy("checkout", "1.1", func(d *verifier.Deploy) { d.Change = verifier.Config })
	s.expect(own.ID, verifier.Waiting, "")
	release := s.deploy("checkout", "1.1", at(released))
	if v := s.get(release.ID); len(v.Joined) != 1 || v.Joined[0].ID != own.ID {
		t.Errorf("joined %v, want the configuration", v.Joined)
	}
	if v := s.expect(own.ID, verifier.Superseded, ""); v.Reason != "joined" {
		t.Errorf("reason %q", v.Reason)
	}
}

func TestLateArrivalMakesARollbackOfADeploy(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	before := s.clock
	s.run(30 * time.Second)
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.fact("x", "1.2", verifier.Succeeded, at(before))
	s.run(20 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if v.Rollback.Reasons[0] != verifier.GuardRollback || v.Deploy.Previous != "1.2" {
		t.Errorf("reasons %v, previous %q", v.Rollback.Reasons, v.Deploy.Previous)
	}
}
