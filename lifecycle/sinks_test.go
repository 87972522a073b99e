package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

// sinkTo lets the simulation write everything to two sinks, of which the second wants verdicts only, and keeps what was written.
func (s *sim) sinkTo(fails func(a verifier.Action) error) (written func() []verifier.SinkOrder, keys func() []string) {
	var orders []verifier.SinkOrder
	var done []string
	s.world.Sinks = func(state verifier.State) []string {
		if state == verifier.Waiting {
			return []string{"github"}
		}
		return []string{"github", "index"}
	}
	s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) {
		to.Names = map[string]string{"index": "Shop ({{.Environment}})"}
	}})
	s.runner.Performers[verifier.ActionSink] = performs(func(_ context.Context, a verifier.Action) (verifier.Performed, error) {
		if err := fails(a); err != nil {
			return verifier.Performed{}, err
		}
		var o verifier.SinkOrder
		if err := json.Unmarshal(a.Payload, &o); err != nil {
			return verifier.Performed{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		orders, done = append(orders, o), append(done, a.Key)
		return verifier.Performed{}, nil
	})
	return func() []verifier.SinkOrder { return orders }, func() []string { slices.Sort(done); return done }
}

func never(verifier.Action) error { return nil }

func TestVerdictsGoToEachSinkOnce(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	written, keys := s.sinkTo(never)
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(30 * time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	want := []string{"sink/github/" + id + "/failed", "sink/github/" + id + "/waiting", "sink/index/" + id + "/failed"}
	if got := keys(); !slices.Equal(got, want) {
		t.Fatalf("wrote %q, want %q", got, want)
	}
	for _, o := range written() {
		name := map[string]string{"github": "checkout", "index": "Shop (production)"}[o.Sink]
		if o.Service != name || o.URL != "https://v/verifications/"+id || o.Verification.ID != id {
			t.Errorf("%s: service %q, url %s", o.Sink, o.Service, o.URL)
		}
		if o.State == verifier.FailedState && (o.Verification.State != verifier.FailedState || !o.Verification.DecidedAt.Equal(*v.DecidedAt) || len(o.Verification.Findings) != 1) {
			t.Errorf("%s has %+v", o.Sink, o.Verification)
		}
	}
}

func TestEveryEndIsWritten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(s *sim) string
		want string
	}{
		"passed":       {func(s *sim) string { return s.deploy("checkout", "1.1").Verification }, "waiting passed"},
		"inconclusive": {func(s *sim) string { s.silent["checkout"] = true; return s.deploy("checkout", "1.1").Verification }, "waiting inconclusive"},
		"no rules":     {func(s *sim) string { s.rules = nil; return s.deploy("checkout", "1.1").Verification }, "waiting inconclusive"},
		"superseded": {func(s *sim) string {
			id := s.deploy("checkout", "1.1").Verification
			s.run(time.Minute)
			s.deploy("checkout", "1.2")
			return id
		}, "waiting superseded"},
		"failed deploy": {func(s *sim) string { return s.fact("x", "1.1", verifier.Failed).Verification }, "cancelled"},
		"never ended":   {func(s *sim) string { s.started("x", "1.1"); s.run(2 * time.Hour); return "x" }, "cancelled"},
		"late and older": {func(s *sim) string {
			return s.fact("x", "0.9", verifier.Succeeded, at(s.clock.Add(-48*time.Hour))).Verification
		}, "inconclusive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeOff)
			s.good("checkout")
			_, keys := s.sinkTo(never)
			id := tt.do(s)
			s.run(30 * time.Minute)
			var got []string
			for _, k := range keys() {
				if state, ok := strings.CutPrefix(k, "sink/github/"+id+"/"); ok {
					got = append(got, state)
				}
			}
			want := strings.Fields(tt.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("wrote %v, want %v", got, want)
			}
		})
	}
}

// A sink that is down delays no verdict, and gets everything under the same key when it is back.
func TestSinkThatIsDown(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeOff)
	s.good("checkout")
	var back atomic.Bool
	var tries atomic.Int32
	_, keys := s.sinkTo(func(a verifier.Action) error {
		if back.Load() {
			return nil
		}
		tries.Add(1)
		return &verifier.TemporaryError{Err: errors.New("down")}
	})
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	s.run(20 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if len(keys()) != 0 || tries.Load() < 6 {
		t.Fatalf("wrote %v in %d tries", keys(), tries.Load())
	}
	back.Store(true)
	s.run(20 * time.Minute)
	if got := keys(); len(got) != 3 {
		t.Errorf("when it is back: %v", got)
	}
}
