package lifecycle

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// fleet answers for hosts with 100 requests each in every step. A host that is changed drains before, and warms up after: half of its
// requests fail meanwhile.
type fleet struct {
	*sim
	apart   bool // whether the questions tell hosts apart
	smooth  bool // nothing fails while hosts are changed
	hosts   []string
	changed map[string]time.Time
	asked   []verifier.Question
}

func newFleet(t *testing.T, mode verifier.RollbackMode, apart bool) *fleet {
	f := &fleet{sim: newSim(t, mode), apart: apart, hosts: []string{"web1", "web2", "web3", "web4"}, changed: map[string]time.Time{}}
	f.good("checkout")
	f.rules[0].Compare.With = []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers}
	f.runner.Sources = func() Backends { return Backends{"logs": f} }
	return f
}

func (f *fleet) HasPeers(verifier.Measure) bool { return f.apart }

func (f *fleet) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		f.asked = append(f.asked, q)
		for t := q.From.Add(q.Step); !t.After(q.To); t = t.Add(q.Step) {
			var bad, all float64
			for _, h := range f.hosts {
				if !f.apart || len(q.Subject.Hosts) == 0 || slices.Contains(q.Subject.Hosts, h) != q.Subject.Peers {
					bad, all = bad+f.errors(h, t), all+100
				}
			}
			if all > 0 {
				out[i].Samples = append(out[i].Samples, verifier.Sample{T: t, Value: bad / all, Count: bad, Exposure: all})
			}
		}
	}
	return out
}

func (f *fleet) errors(host string, t time.Time) float64 {
	at, changed := f.changed[host]
	switch {
	case changed && !f.smooth && t.After(at.Add(-20*time.Second)) && t.Before(at.Add(50*time.Second)):
		return 50
	case changed && t.After(at) && f.broken["checkout 1.1"] > 0:
		return 100 * f.broken["checkout 1.1"]
	}
	return 1
}

// change changes one host, and tells of it.
func (f *fleet) change(status verifier.Status, id string, hosts ...string) {
	f.t.Helper()
	f.mu.Lock()
	for _, h := range hosts {
		f.changed[h] = f.clock
	}
	f.mu.Unlock()
	f.fact(id, "1.1", status, func(d *verifier.Deploy) { d.Hosts = hosts })
}

func (f *fleet) back() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = map[string]time.Time{}
}

// TestRollingDeploy is watched from the first changed host until the watch after the last; draining and warming up are no failures,
// whether or not the source tells hosts apart.
func TestRollingDeploy(t *testing.T) {
	t.Parallel()
	for _, apart := range []bool{true, false} {
		f := newFleet(t, verifier.ModeAuto, apart)
		f.started("x", "1.1")
		f.run(2 * time.Minute)
		f.expect("x", verifier.Waiting, "")
		first := f.clock
		for i, h := range f.hosts[:3] {
			f.change(verifier.Started, "x", h)
			f.run(6 * time.Minute)
			v := f.expect("x", verifier.Observing, "")
			if want := first.Add(time.Duration(i*6+15) * time.Minute); !v.From.Equal(first) || !v.Until.Equal(want) {
				t.Errorf("after %s: from %s until %s, want %s and %s", h, v.From, v.Until, first, want)
			}
		}
		f.fact("x", "1.1", verifier.Started, func(d *verifier.Deploy) { d.Hosts = f.hosts[:2] }) // no further host
		if v := f.get("x"); !v.Until.Equal(first.Add(27 * time.Minute)) {
			t.Errorf("until %s, though nothing was changed since", v.Until)
		}
		last := f.clock
		f.change(verifier.Succeeded, "x", "web4")
		if v := f.get("x"); !v.Until.Equal(last.Add(15*time.Minute)) || !v.From.Equal(first) || v.Baseline == nil || v.Baseline.Until.After(first.Add(-2*time.Minute)) {
			t.Errorf("from %s until %s, baseline %+v", v.From, v.Until, v.Baseline)
		}
		f.run(6 * time.Minute)
		f.expect("x", verifier.Observing, "")
		f.run(13 * time.Minute)
		f.expect("x", verifier.Passed, "")
		if len(f.told) > 0 {
			t.Errorf("apart %v: told of %q", apart, f.told[0].Text)
		}
		f.questions(apart)
	}
}

// questions holds what was asked to the hosts: of the changed ones only when they have settled, and never of them as peers.
func (f *fleet) questions(apart bool) {
	peers := 0
	for _, q := range f.asked {
		if q.Subject.Version != "1.1" {
			continue
		}
		for _, h := range q.Subject.Hosts {
			at := f.changed[h]
			if apart && !q.Subject.Peers && h != "web1" && q.From.Before(at.Add(time.Minute)) {
				f.t.Errorf("%s is asked from %s; it was changed at %s", h, q.From, at)
			}
		}
		if q.Subject.Peers {
			peers++
		}
	}
	if apart != (peers > 0) {
		f.t.Errorf("apart %v: peers were asked %d times", apart, peers)
	}
}

// TestRollingDeployFailsEarly stops a deploy that is bad on its first host: what is live on the others is where it goes back to.
func TestRollingDeployFailsEarly(t *testing.T) {
	t.Parallel()
	f := newFleet(t, verifier.ModeAuto, true)
	f.broken["checkout 1.1"] = 0.3
	f.follows = false
	f.started("x", "1.1")
	f.change(verifier.Started, "x", "web1")
	f.run(6 * time.Minute)
	f.expect("x", verifier.FailedState, verifier.RollbackSent)
	if len(f.calls) != 1 || f.calls[0].To != "1.0" || f.calls[0].From != "1.1" {
		t.Fatalf("calls: %+v", f.calls)
	}
	if text := f.told[0].Text; !strings.Contains(text, "Only web1 has it: the deploy has not ended") {
		t.Errorf("told %q", text)
	}
	f.fact("x", "1.1", verifier.Failed) // the tool stops its own task
	f.expect("x", verifier.FailedState, verifier.RollbackSent)
	f.run(time.Minute)
	f.back()
	f.deploy("checkout", "1.0", func(d *verifier.Deploy) { d.ID = "back" })
	f.expect("x", verifier.FailedState, verifier.RollbackConfirmed)
	f.run(30 * time.Minute)
	f.expect("x", verifier.FailedState, verifier.RollbackRecovered)
	f.expect("back", verifier.Passed, "")
}

// TestFailedDeployIsWatchedAsMixed: a deploy that stopped half-way is compared with the hosts that it did not reach.
func TestFailedDeployIsWatchedAsMixed(t *testing.T) {
	t.Parallel()
	for broken, want := range map[float64]verifier.State{0: verifier.CancelledState, 0.3: verifier.FailedState} {
		f := newFleet(t, verifier.ModeAuto, true)
		f.broken["checkout 1.1"], f.follows, f.smooth = broken, false, true
		at := f.clock
		f.change(verifier.Failed, "x", "web1", "web2")
		f.run(5 * time.Second)
		if v := f.get("x"); !v.State.Watching() || v.Ended != nil || !v.From.Equal(at) || !v.Until.Equal(at.Add(15*time.Minute)) {
			t.Errorf("a failed deploy that changed hosts is %s from %s until %s", v.State, v.From, v.Until)
		}
		f.run(20 * time.Minute)
		v := f.get("x")
		if v.State != want || v.Ended == nil || want == verifier.CancelledState && v.Reason != "deploy_failed" {
			t.Errorf("broken %v: %s (%s), want %s\n%s", broken, v.State, v.Reason, want, detail(v))
		}
		if broken > 0 && (len(f.calls) != 1 || f.calls[0].To != "1.0") {
			t.Errorf("calls: %+v", f.calls)
		}
		if broken > 0 {
			continue
		}
		f.fact("x", "1.1", verifier.Succeeded) // tried again, and whole
		f.run(30 * time.Minute)
		f.expect("x", verifier.Passed, "")
	}
}

// TestHostByHost: one end for each server, under one id or each under its own, is one watch.
func TestHostByHost(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]string{{"x", "x", "x", "x"}, {"x", "x2", "x3", "x4"}} {
		f := newFleet(t, verifier.ModeAuto, true)
		first := f.clock
		for i, h := range f.hosts {
			f.change(verifier.Succeeded, ids[i], h)
			f.run(5 * time.Minute)
		}
		last := first.Add(15 * time.Minute)
		if v := f.expect("x", verifier.Observing, ""); !v.From.Equal(first) || v.Until.Before(last.Add(15*time.Minute)) || v.Until.After(last.Add(18*time.Minute)) {
			t.Errorf("%v: from %s until %s, want %s and %s", ids, v.From, v.Until, first, last.Add(15*time.Minute))
		}
		f.run(20 * time.Minute)
		f.expect("x", verifier.Passed, "")
		f.questions(true)
		for _, q := range f.asked {
			if q.Subject.Peers && q.From.After(last) && len(q.Subject.Hosts) != 4 {
				t.Errorf("%v: peers are all but %v at %s", ids, q.Subject.Hosts, q.From)
			}
		}
	}
}

// TestHostAfterTheVerdict opens the watch again for a host that was changed when it had passed.
func TestHostAfterTheVerdict(t *testing.T) {
	t.Parallel()
	f := newFleet(t, verifier.ModeAuto, true)
	f.smooth = true
	f.change(verifier.Succeeded, "x", "web1")
	f.run(time.Hour)
	f.expect("x", verifier.Passed, "")
	f.change(verifier.Succeeded, "x", "web2")
	v := f.expect("x", verifier.Observing, "")
	if v.Ended != nil || !v.Until.Equal(f.clock.Add(15*time.Minute)) {
		t.Errorf("ended %v, until %s", v.Ended, v.Until)
	}
	f.run(30 * time.Minute)
	f.expect("x", verifier.Passed, "")
	f.change(verifier.Succeeded, "x", "web2") // nothing new
	f.expect("x", verifier.Passed, "")
}

// TestOverdue tells once of a deploy that takes twice as long as usual.
func TestOverdue(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	for i, minutes := range []time.Duration{4, 6, 5} {
		id := string(rune('a' + i))
		s.started(id, "1.0"+id)
		s.run(minutes * time.Minute)
		s.fact(id, "1.0"+id, verifier.Succeeded)
		s.run(30 * time.Minute)
	}
	s.started("x", "1.1")
	s.run(9 * time.Minute)
	if v := s.get("x"); v.Overdue != nil || len(s.told) > 0 {
		t.Fatalf("told after 9 minutes: %+v", s.told)
	}
	s.run(2 * time.Minute)
	v := s.expect("x", verifier.Waiting, "")
	if v.Overdue == nil || len(s.told) != 1 || s.told[0].Title != "checkout 1.1 was started in production and has not ended" ||
		!strings.Contains(s.told[0].Text, "usually takes 5 min") || s.told[0].Person || s.told[0].Labels["team"] != "payments" {
		t.Errorf("told %+v", s.told)
	}
	s.run(20 * time.Minute)
	s.fact("x", "1.1", verifier.Succeeded)
	s.run(30 * time.Minute)
	s.expect("x", verifier.Passed, "")
	if len(s.told) != 1 {
		t.Errorf("told %d times", len(s.told))
	}
}

// TestPersonGoesBackFromAFailedDeploy: what is live by the record is where it goes back to, although nobody knows which hosts have what.
func TestPersonGoesBackFromAFailedDeploy(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	s.fact("x", "1.1", verifier.Failed)
	s.expect("x", verifier.CancelledState, "")
	if err := s.order("x", verifier.RollBack, ""); err != nil {
		t.Fatal(err)
	}
	s.run(30 * time.Minute)
	s.expect("x", verifier.CancelledState, verifier.RollbackRecovered)
	if len(s.calls) != 1 || s.calls[0].To != "1.0" {
		t.Errorf("calls %+v", s.calls)
	}
}
