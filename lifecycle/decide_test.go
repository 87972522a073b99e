package lifecycle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"verifier"
)

// TestEveryChangeIsObserved follows rollbacks that are refused and that help: what the tool answers, and what another deploy's watch
// brings about, is observed as what the own wake decides is.
func TestEveryChangeIsObserved(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		want   []verifier.RollbackState
	}{
		{"refused", errors.New("404"), []verifier.RollbackState{verifier.RollbackApproved, verifier.RollbackSent, verifier.RollbackRefused}},
		{"recovered", nil, []verifier.RollbackState{verifier.RollbackApproved, verifier.RollbackSent, verifier.RollbackRecovered}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, verifier.ModeAuto)
			s.answer = func(verifier.RollbackCall) error { return c.answer }
			var seen []verifier.RollbackState
			states := map[verifier.State]int{}
			s.runner.Observer.Moved = func(before, after verifier.Verification) {
				if before.State != after.State {
					states[after.State]++
				}
				if r := after.Rollback; r != nil && (before.Rollback == nil || before.Rollback.State != r.State) {
					seen = append(seen, r.State)
				}
			}
			s.good("shop")
			s.breaks("shop 1.1")
			id := s.deploy("shop", "1.1").ID
			s.run(60 * time.Minute)
			if got := s.get(id); got.Rollback == nil || got.Rollback.State != c.want[len(c.want)-1] {
				t.Fatalf("the rollback is %+v", got.Rollback)
			}
			for _, want := range c.want {
				if n := len(slices.DeleteFunc(slices.Clone(seen), func(s verifier.RollbackState) bool { return s != want })); n != 1 {
					t.Errorf("%s was observed %d times: %v", want, n, seen)
				}
			}
			if states[verifier.Observing] == 0 || states[verifier.FailedState] != 1 {
				t.Errorf("states of verifications: %v", states)
			}
		})
	}
}
