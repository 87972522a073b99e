package lifecycle

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestExtend: a service with little traffic is watched on until enough was seen. What is found late alerts, and rolls nothing back; what
// is still too little at the end is inconclusive.
func TestExtend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		need   float64 // requests; the sim has 100 in each step of 15 s
		broken float64
		state  verifier.State
		after  time.Duration // the deploy
	}{
		{"enough after an hour, good", 24_000, 0, verifier.Passed, time.Hour},
		{"enough after an hour, bad", 24_000, 0.2, verifier.FailedState, time.Hour},
		{"never enough", 1e9, 0.2, verifier.Undecided, 2*time.Hour + 15*time.Minute},
		{"enough within the watch", 1_000, 0.2, verifier.FailedState, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeAuto)
			s.good("checkout")
			s.rules[0].MinExposure, s.rules[0].Extend = tt.need, 2*time.Hour
			s.world.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return s.rules, "sha256:extended" }
			if tt.broken > 0 {
				s.broken["checkout 1.1"] = tt.broken
			}
			deployed := s.clock
			id := s.deploy("checkout", "1.1").Verification
			if tt.after > 0 {
				s.run(30 * time.Minute)
				v := s.expect(id, verifier.Observing, "")
				if !strings.Contains(v.Findings[0].Text, "It is looked at until") {
					t.Errorf("half an hour later it says: %s", v.Findings[0].Text)
				}
			}
			s.run(3 * time.Hour)
			v := s.get(id)
			if v.State != tt.state || v.Ended == nil {
				t.Fatalf("it is %s, want %s\n%s", v.State, tt.state, detail(v))
			}
			if took := v.DecidedAt.Sub(deployed); took < tt.after || took > tt.after+20*time.Minute {
				t.Errorf("decided after %s, want about %s", took, tt.after)
			}
			if late := tt.state == verifier.FailedState && tt.after > 0; late && (v.Rollback == nil || v.Rollback.State != verifier.RollbackVetoed || len(s.calls) > 0) {
				t.Errorf("a late finding rolls back: %+v, %d calls", v.Rollback, len(s.calls))
			}
		})
	}
}
