package lifecycle

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

// hanging answers nothing until the time for asking is over.
type hanging struct{ *sim }

func (h hanging) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	<-ctx.Done()
	out := make([]verifier.Answer, len(questions))
	for i := range out {
		out[i].Err = &verifier.SourceError{Reason: verifier.SourceDown, Err: ctx.Err()}
	}
	return out
}

func TestSourceThatHangsEndsTheWatchInconclusive(t *testing.T) {
	s := newSim(t, verifier.ModeAuto)
	s.good("shop")
	s.runner.AskTimeout = 5 * time.Millisecond
	s.runner.Sources = func() Backends { return Backends{"logs": hanging{s}} }
	id := s.deploy("shop", "1.1").ID
	s.run(40 * time.Minute)
	v := s.get(id)
	if v.State != verifier.Undecided || v.Reason != string(verifier.SourceDown) || v.Ended == nil {
		t.Errorf("ended as %s %s: %+v", v.State, v.Reason, v.Findings)
	}
}

func TestLateEventIsNoLateWake(t *testing.T) {
	s := newSim(t, verifier.ModeAuto)
	var most time.Duration
	s.runner.Observer.Woke = func(late time.Duration) { most = max(most, late) }
	now := s.runner.Now()
	s.runner.observeLateness(now, verifier.Watched{Verification: verifier.Verification{
		DueAt: now.AddDate(-7, 0, 0), Deploy: verifier.Deploy{RecordedAt: now.Add(-time.Second)},
	}})
	if most != time.Second {
		t.Errorf("an event of seven years ago, recorded a second ago, was looked at %s late", most)
	}
}

func TestReceiverThatHangsIsTriedAgain(t *testing.T) {
	s := newSim(t, verifier.ModeAuto)
	s.runner.ActTimeout = 5 * time.Millisecond
	s.follows = false
	hangs := true
	s.runner.Performers[verifier.ActionAlert] = performs(func(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
		if !hangs {
			return s.tell(ctx, a)
		}
		hangs = false
		<-ctx.Done()
		return verifier.Performed{}, &verifier.TemporaryError{Err: errors.New("no answer")}
	})
	s.good("shop")
	s.breaks("shop 1.1")
	id := s.deploy("shop", "1.1").ID
	s.run(3 * time.Minute)
	if v := s.get(id); v.State != verifier.FailedState {
		t.Fatalf("1.1 is %s", v.State)
	}
	a, err := s.store.Action(t.Context(), "alert/"+s.get(id).Incident+"/chat")
	if err != nil || a.State != verifier.ActionDone || len(s.told) == 0 || !strings.Contains(s.told[0].Title, "1.1") {
		t.Errorf("the alert is %+v (%v) after %d messages", a, err, len(s.told))
	}
}
