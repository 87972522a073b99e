package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestReplayIsTheSameCode: with what the daemon saw, a replay comes to the same verdict at the same time in the same words.
func TestReplayIsTheSameCode(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	id := s.deploy("checkout", "1.1").Verification
	scene, err := s.store.Scene(t.Context(), id, s.clock)
	if err != nil {
		t.Fatal(err)
	}
	scene.Watches = nil
	s.run(2*time.Minute + 30*time.Second)
	live := s.expect(id, verifier.FailedState, verifier.RollbackApproved)
	trail, err := Replay(t.Context(), s.runner.World(), scene, Backends{"logs": s})
	if err != nil || len(trail) < 3 {
		t.Fatalf("%d decisions: %v", len(trail), err)
	}
	again := scene.Watch(id)
	if !again.FailedAt.Equal(*live.FailedAt) || again.Findings[0].Text != live.Findings[0].Text || *again.Baseline != *live.Baseline {
		t.Errorf("replayed: failed at %s, %s, %+v\nlive: %s, %s, %+v", again.FailedAt, again.Findings[0].Text, again.Baseline,
			live.FailedAt, live.Findings[0].Text, live.Baseline)
	}
	if diff := cmp.Diff(live.Rollback.Guards, firstGuards(trail)); diff != "" {
		t.Errorf("guards (-live +replayed):\n%s", diff)
	}
}

// firstGuards are the guards' answers when the rollback was proposed.
func firstGuards(trail []verifier.Effects) []verifier.GuardAnswer {
	for _, e := range trail {
		for _, v := range e.Verifications {
			if v.Rollback != nil {
				return v.Rollback.Guards
			}
		}
	}
	return nil
}
