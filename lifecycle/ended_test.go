package lifecycle

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestNothingIsPendingAtTheEnd ends watches before their rules are decided: what was not judged says so, and is pending no more.
func TestNothingIsPendingAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*sim, string)
		want string
	}{
		"superseded": {func(s *sim, _ string) { s.deploy("checkout", "1.2") }, "before there were enough data"},
		"cancelled":  {func(s *sim, id string) { s.must(s.order(id, verifier.Cancel, "")) }, "because somebody cancelled it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeOff)
			s.good("checkout")
			id := s.deploy("checkout", "1.1").Verification
			s.run(20 * time.Second)
			c.end(s, id)
			v := s.get(id)
			if v.Ended == nil || len(v.Findings) == 0 {
				t.Fatalf("ended %v with %d findings", v.Ended, len(v.Findings))
			}
			for _, f := range v.Findings {
				if f.Outcome != verifier.Inconclusive || f.At == nil || !strings.Contains(f.Text, c.want) {
					t.Errorf("%s is %s (%v): %s", f.Rule, f.Outcome, f.At, f.Text)
				}
			}
		})
	}
}
