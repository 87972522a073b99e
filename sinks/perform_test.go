package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

// funcSink is a sink made of a function.
type funcSink struct {
	write func(context.Context, Order) (string, error)
	begun bool
}

func (f funcSink) Wants(verifier.State) bool { return true }

func (f funcSink) Write(ctx context.Context, o Order) (string, error) { return f.write(ctx, o) }

func (f funcSink) OnlyWhile(s verifier.State) bool { return f.begun && s == verifier.Waiting }

func actionOf(t *testing.T, o Order) verifier.Action {
	t.Helper()
	payload, err := json.Marshal(o.SinkOrder)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Action{Key: o.Key, Kind: verifier.ActionSink, Payload: payload}
}

func performerOf(s Sink, state verifier.State) *Performer {
	return &Performer{
		Sink:  func(name string) (Sink, bool) { return s, name == "out" },
		State: func(context.Context, string) (verifier.State, error) { return state, nil },
	}
}

func TestPerformHandsTheOrderOn(t *testing.T) {
	p := performerOf(funcSink{write: func(_ context.Context, o Order) (string, error) {
		return o.Key + " of " + o.Verification.Deploy.Version, nil
	}}, verifier.Passed)
	done, err := p.Perform(t.Context(), actionOf(t, order(verifier.Passed)))
	if err != nil || done.Message != "sink/out/github:42/passed of 1.4.2" || !done.Again.IsZero() {
		t.Errorf("%+v, %v", done, err)
	}
	o := order(verifier.Passed)
	o.Sink = "other"
	if _, err := p.Perform(t.Context(), actionOf(t, o)); !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), "other is no longer configured") {
		t.Errorf("an unknown sink: %v", err)
	}
	if _, err := p.Perform(t.Context(), verifier.Action{Payload: []byte("{")}); err == nil || errors.Is(err, verifier.ErrTemporary) {
		t.Errorf("half a payload: %v", err)
	}
}

func TestPerformLeavesASilentSinkAlone(t *testing.T) {
	calls := 0
	p := performerOf(funcSink{write: func(context.Context, Order) (string, error) {
		calls++
		return "", &verifier.TemporaryError{After: time.Minute, Err: errors.New("busy")}
	}}, verifier.Passed)
	for range 3 {
		_, err := p.Perform(t.Context(), actionOf(t, order(verifier.Passed)))
		var later *verifier.TemporaryError
		if !errors.As(err, &later) || later.After < 50*time.Second {
			t.Errorf("%v; want another try in a minute", err)
		}
	}
	if calls != 1 {
		t.Errorf("it was called %d times, want once", calls)
	}
}

func TestPerformHasAFewPlaces(t *testing.T) {
	hang, began, done := make(chan struct{}), make(chan struct{}), make(chan error)
	p := performerOf(funcSink{write: func(context.Context, Order) (string, error) { began <- struct{}{}; <-hang; return "", nil }}, verifier.Passed)
	perform := func() error { _, err := p.Perform(t.Context(), actionOf(t, order(verifier.Passed))); return err }
	for range atOnce {
		go func() { done <- perform() }()
		<-began
	}
	if err := perform(); !errors.Is(err, verifier.ErrTemporary) {
		t.Errorf("one more than there are places: %v", err)
	}
	close(hang)
	for range atOnce {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	go func() { <-began }()
	if err := perform(); err != nil {
		t.Errorf("when all places are free again: %v", err)
	}
}

func TestPerformWritesNoBeginningAfterTheEnd(t *testing.T) {
	for _, tt := range []struct {
		now   verifier.State
		state verifier.State
		begun bool
		want  string
	}{
		{verifier.Observing, verifier.Waiting, true, "written"},
		{verifier.Passed, verifier.Waiting, true, "the verdict was there first"},
		{verifier.Passed, verifier.Waiting, false, "written"},
		{verifier.Passed, verifier.Passed, true, "written"},
	} {
		p := performerOf(funcSink{begun: tt.begun, write: func(context.Context, Order) (string, error) { return "written", nil }}, tt.now)
		if done, err := p.Perform(t.Context(), actionOf(t, order(tt.state))); err != nil || done.Message != tt.want {
			t.Errorf("%+v: %q, %v", tt, done.Message, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{{"short", 5, "short"}, {"longer", 5, "lo..."}, {"äöüä", 7, "äö..."}, {"äöüä", 8, "äöüä"}} {
		if got := cut(tt.text, tt.most); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}
