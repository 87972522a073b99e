package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

func TestGoodDeployPasses(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	s.run(30 * time.Minute)
	v := s.expect(id, verifier.Passed, "")
	if v.Ended == nil || v.Baseline == nil || v.Baseline.Version != "1.0" {
		t.Errorf("ended %v, baseline %+v; want the end and a baseline of 1.0", v.Ended, v.Baseline)
	}
	if len(s.told) != 0 || len(s.calls) != 0 {
		t.Errorf("a good deploy told %d times and called %d times", len(s.told), len(s.calls))
	}
}

func TestBadDeployIsRolledBack(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(6 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
	if len(s.calls) != 1 || s.calls[0].To != "1.0" || s.calls[0].From != "1.1" || s.calls[0].ID != "rollback/"+id+"/1" {
		t.Fatalf("calls: %+v", s.calls)
	}
	s.run(30 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
	in, err := s.store.Incident(t.Context(), v.Incident)
	if err != nil || in.Resolved == nil {
		t.Errorf("the incident is not resolved: %+v (%v)", in, err)
	}
	first, last := s.told[0], s.told[len(s.told)-1]
	if first.Resolved != nil || last.Resolved == nil || first.ID != last.ID {
		t.Errorf("told first %q, last %q", first.Title, last.Title)
	}
	if first.Person {
		t.Error("a person is woken although the daemon rolls back by itself")
	}
	t.Logf("first: %s | %s\nlast: %s | %s", first.Title, first.Text, last.Title, last.Text)
}

func TestHotfixBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	bad := s.deploy("checkout", "1.1").Verification
	s.run(30 * time.Second)
	fix := s.deploy("checkout", "1.2").Verification
	s.run(30 * time.Minute)
	s.expect(bad, verifier.Superseded, "")
	s.expect(fix, verifier.Passed, "")
	if len(s.told) != 0 {
		t.Errorf("told of %q", s.told[0].Title)
	}
}

func TestRollbackByHand(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	bad := s.deploy("checkout", "1.1").Verification
	s.run(5 * time.Minute)
	s.expect(bad, verifier.FailedState, verifier.RollbackProposed)
	if !s.told[0].Person {
		t.Error("nobody is woken although a rollback waits for approval")
	}
	s.deploy("checkout", "1.0")
	s.expect(bad, verifier.FailedState, verifier.RollbackConfirmed)
	s.run(30 * time.Minute)
	v := s.expect(bad, verifier.FailedState, verifier.RollbackRecovered)
	if by := v.Rollback.By; by == nil || *by != "anna" {
		t.Errorf("by %v, want anna, who deployed it", by)
	}
	if in, _ := s.store.Incident(t.Context(), v.Incident); in.Resolved == nil {
		t.Error("the incident is not resolved by the passing of 1.0")
	}
	if len(s.calls) != 0 {
		t.Error("the tool was called although a person was faster")
	}
}

func TestVetoes(t *testing.T) {
	t.Parallel()
	no := false
	for _, c := range []struct {
		name    string
		prepare func(*sim)
		change  func(*sim, *verifier.Deploy)
		want    verifier.GuardReason
	}{
		{"irreversible", func(*sim) {}, func(_ *sim, d *verifier.Deploy) { d.Rollback = verifier.Consent{Allowed: &no, Reason: "migration"} }, verifier.GuardIrreversible},
		{"held", func(s *sim) {
			err := s.store.PutHold(s.t.Context(), verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}})
			if err != nil {
				s.t.Fatal(err)
			}
		}, nil, verifier.GuardHeld},
		{"frozen by file", func(s *sim) { s.world.Frozen = "the hold file exists" }, nil, verifier.GuardHeld},
		{"off", func(s *sim) {
			s.entries = append(s.entries, verifier.Entry{Match: verifier.Match{Service: "checkout"}, Apply: func(to *verifier.Service) { to.Rollback.Mode = verifier.ModeOff }})
		}, nil, verifier.GuardOff},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, verifier.ModeAuto)
			s.good("checkout")
			c.prepare(s)
			s.broken["checkout 1.1"] = 0.2
			id := s.deploy("checkout", "1.1", func(d *verifier.Deploy) {
				if c.change != nil {
					c.change(s, d)
				}
			}).Verification
			s.run(20 * time.Minute)
			v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
			if v.Rollback == nil || !slices.Contains(v.Rollback.Reasons, c.want) || len(s.calls) != 0 {
				t.Errorf("want it vetoed by %s and no call; calls %d", c.want, len(s.calls))
			}
			if len(s.told) == 0 || !s.told[0].Person {
				t.Error("nobody was woken although the daemon does nothing")
			}
		})
	}
}

func TestLateEventIsJudgedAndTellsNobody(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	at := s.clock
	s.clock = s.clock.Add(2 * time.Hour)
	id := s.deploy("checkout", "1.1", func(d *verifier.Deploy) { d.At = at }).Verification
	s.run(30 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if v.Rollback != nil && !slices.Contains(v.Rollback.Reasons, verifier.GuardLate) {
		t.Errorf("reasons %v, want late", v.Rollback.Reasons)
	}
	if len(s.told)+len(s.calls) != 0 {
		t.Errorf("told %d times, called %d times; want nothing", len(s.told), len(s.calls))
	}
}

func TestFirstDeployHasNoBaseline(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	id := s.deploy("checkout", "1.0").Verification
	s.run(30 * time.Minute)
	if v := s.expect(id, verifier.Undecided, ""); v.Reason != string(verifier.NoBaseline) {
		t.Errorf("reason %q, want no_baseline", v.Reason)
	}
}

func TestNoTraffic(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.silent["checkout"] = true
	s.deploy("checkout", "1.0")
	s.run(40 * time.Minute)
	id := s.deploy("checkout", "1.1").Verification
	s.run(30 * time.Minute)
	v := s.expect(id, verifier.Undecided, "")
	if !slices.Contains([]string{string(verifier.NoData), string(verifier.NeverSeen), string(verifier.NoBaseline)}, v.Reason) {
		t.Errorf("reason %q", v.Reason)
	}
}

func TestNoRules(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.rules = nil
	id := s.deploy("checkout", "1.0").Verification
	if v := s.expect(id, verifier.Undecided, ""); v.Reason != string(verifier.NoRules) || v.Ended == nil {
		t.Errorf("reason %q, ended %v; want no_rules at once", v.Reason, v.Ended)
	}
}

func TestUnrelatedServicesFailingTogether(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("cart", "checkout", "search", "stock")
	for _, name := range []string{"cart", "checkout", "search"} {
		s.broken[name+" 1.1"] = 0.2
		s.deploy(name, "1.1")
	}
	s.run(20 * time.Minute)
	if len(s.calls) != 0 {
		t.Errorf("%d rollbacks were called for although the environment is the cause", len(s.calls))
	}
	pages := 0
	for _, in := range s.told {
		if in.Kind == verifier.IncidentEnvironment {
			pages++
		} else if in.Person {
			t.Errorf("somebody is woken for %q besides", in.Title)
		}
	}
	if pages != 1 {
		t.Errorf("%d pages about the environment, want 1", pages)
	}
}

func TestSharedTrouble(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("cart", "checkout", "search", "stock")
	s.run(time.Hour)
	id := s.deploy("checkout", "1.1").Verification
	s.run(90 * time.Second)
	for _, key := range []string{"checkout 1.1", "cart 1.0", "search 1.0", "stock 1.0"} {
		s.breaks(key)
	}
	s.run(20 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if v.Rollback != nil && !slices.Contains(v.Rollback.Reasons, verifier.GuardEnvironment) && !slices.Contains(v.Rollback.Reasons, verifier.GuardHeld) {
		t.Errorf("reasons %v, want environment", v.Rollback.Reasons)
	}
	if len(s.calls) != 0 {
		t.Error("rolled back although services that nobody deployed are worse too")
	}
}

func TestThirtyDeploysOfOneGroup(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("svc-%02d", i))
	}
	s.good(names...)
	var first verifier.Verification
	for _, name := range names {
		s.broken[name+" 1.1"] = 0.2
		r := s.deploy(name, "1.1", func(d *verifier.Deploy) { d.Group = "big-bang" })
		first = s.get(r.Verification)
	}
	s.run(6 * time.Minute)
	first = s.get(first.ID)
	open, _, err := s.store.Incidents(t.Context(), verifier.IncidentFilter{Open: true})
	if err != nil || len(open) != 1 || len(open[0].Members) != 30 || open[0].ID != first.Incident {
		t.Fatalf("%d open incidents, want one with 30 members (%v)", len(open), err)
	}
	if _, single := open[0].Labels["service"]; single && open[0].Labels["service"] != "" {
		t.Errorf("labels name one service: %v", open[0].Labels)
	}
}

func TestApproveAndDenyAtOnce(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(5 * time.Minute)
	var wg sync.WaitGroup
	results := make([]error, 2)
	for i, verb := range []verifier.Verb{verifier.Approve, verifier.Deny} {
		wg.Go(func() { results[i] = s.order(id, verb, "") })
	}
	wg.Wait()
	lost := 0
	for _, err := range results {
		if errors.Is(err, verifier.ErrConflict) {
			lost++
		} else if err != nil {
			t.Error(err)
		}
	}
	if lost != 1 {
		t.Errorf("%d of approve and deny lost (%v), want one", lost, results)
	}
	s.run(30 * time.Minute)
	if want := map[bool]int{true: 1, false: 0}[results[0] == nil]; len(s.calls) != want {
		t.Errorf("%d calls, want %d", len(s.calls), want)
	}
}

func TestToolAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer error
		follow bool
		want   verifier.RollbackState
		why    string
	}{
		{"refused", errors.New("no such release"), true, verifier.RollbackRefused, "no such release"},
		{"nobody answers", &verifier.TemporaryError{Err: errors.New("503")}, true, verifier.RollbackFailed, ""},
		{"nothing comes of it", nil, false, verifier.RollbackFailed, "within"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, verifier.ModeAuto)
			s.good("checkout")
			s.answer = func(verifier.RollbackCall) error { return c.answer }
			s.follows = c.follow
			s.broken["checkout 1.1"] = 0.2
			id := s.deploy("checkout", "1.1").Verification
			s.run(40 * time.Minute)
			v := s.expect(id, verifier.FailedState, c.want)
			if v.Rollback != nil && !strings.Contains(v.Rollback.Reason, c.why) {
				t.Errorf("reason %q, want %q in it", v.Rollback.Reason, c.why)
			}
			if last := s.told[len(s.told)-1]; !last.Person || last.Resolved != nil {
				t.Errorf("the last word is %q: nobody is woken", last.Title)
			}
			for _, call := range s.calls {
				if call.ID != s.calls[0].ID {
					t.Errorf("called under the keys %s and %s", s.calls[0].ID, call.ID)
				}
			}
		})
	}
}

func TestRollbackThatDoesNotHelp(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(2 * time.Minute)
	s.breaks("checkout 1.0")
	s.run(40 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackFailed)
	if v.Rollback != nil && v.Rollback.Reason != "not_recovered" {
		t.Errorf("reason %q, want not_recovered", v.Rollback.Reason)
	}
	if len(s.calls) != 1 {
		t.Errorf("%d calls, want 1: a rollback is not rolled back", len(s.calls))
	}
}

func TestRecoveredInTheCountdown(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	for range 40 {
		s.run(15 * time.Second)
		if v := s.get(id); v.State == verifier.FailedState {
			break
		}
	}
	s.expect(id, verifier.FailedState, verifier.RollbackApproved)
	delete(s.broken, "checkout 1.1")
	s.run(3 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackCancelled)
	if len(s.calls) != 0 {
		t.Error("rolled back although the trouble was over")
	}
}

func TestDismiss(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(5 * time.Minute)
	if err := s.order(id, verifier.Dismiss, ""); err != nil {
		t.Fatal(err)
	}
	v := s.get(id)
	if v.State != verifier.FailedState || v.Mark == nil || !v.Mark.Good {
		t.Errorf("state %s, mark %+v; want failed and marked good", v.State, v.Mark)
	}
	if in, _ := s.store.Incident(t.Context(), v.Incident); in.Resolved == nil {
		t.Error("the incident is not resolved")
	}
}

func TestPersonRollsBackAnEndedWatch(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	s.run(30 * time.Minute)
	s.expect(id, verifier.Passed, "")
	if err := s.order(id, verifier.RollBack, ""); err != nil {
		t.Fatal(err)
	}
	s.run(time.Minute)
	if len(s.calls) != 1 || s.calls[0].To != "1.0" || s.calls[0].By != "ben" {
		t.Errorf("calls %+v", s.calls)
	}
}

func TestRedeployJoinsTheWatch(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	until := s.get(id).Until
	s.run(3 * time.Minute)
	joined := s.deploy("checkout", "1.1")
	if joined.Verification != id {
		t.Errorf("the redeploy is watched by %s, want %s", joined.Verification, id)
	}
	if v := s.get(id); !v.Until.After(until) || len(v.Joined) != 1 {
		t.Errorf("until %s (was %s), joined %v", v.Until, until, v.Joined)
	}
	s.run(30 * time.Minute)
	s.expect(id, verifier.Passed, "")
}

func TestStartedWithoutEnd(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	id := s.deploy("checkout", "1.1", func(d *verifier.Deploy) { d.Status = verifier.Started }).Verification
	s.run(2 * time.Hour)
	if v := s.expect(id, verifier.CancelledState, ""); v.Reason != "no_end" {
		t.Errorf("reason %q, want no_end", v.Reason)
	}
}

func TestAlertGrowsToRollback(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	quick, above := s.rules[0], 0.1
	quick.Name, quick.Compare, quick.Limit, quick.OnFail, quick.Severity = "quick", nil, &verifier.Limit{Above: &above}, verifier.FailAlert, verifier.SeverityWarn
	s.rules[0].MinSamples = 8 // it is sure later
	s.rules = append(s.rules, quick)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(40 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackRecovered)
	if len(s.calls) != 1 {
		t.Errorf("%d calls, want 1: the alert grew into a rollback", len(s.calls))
	}
}
