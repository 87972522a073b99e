package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

// TestPushOfAMonorepo breaks four services by one commit, and by four: one commit is one cause, whatever else fails.
func TestPushOfAMonorepo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		commits []string
		held    bool
	}{
		"one commit":   {[]string{"9fceb02", "9fceb02", "9fceb02", "9fceb02"}, false},
		"four commits": {[]string{"9fceb02", "1a2b3c4", "deadbee", "cafe123"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeAuto)
			services := []string{"cart", "checkout", "search", "mail"}
			s.good(services...)
			ids := make([]string, len(services))
			for i := range services {
				i = (i + 2) % len(services) // not the first that began arrives first
				s.broken[services[i]+" 1.1"] = 0.2
				ids[i] = s.deploy(services[i], "1.1", func(d *verifier.Deploy) {
					d.Commit, d.At = c.commits[i], d.At.Add(time.Duration(i-4)*time.Second)
				}).Verification
			}
			s.run(20 * time.Minute)
			for _, id := range ids {
				v := s.get(id)
				if v.Rollback == nil || (v.Rollback.SentAt == nil) != c.held {
					t.Errorf("%s: %+v", v.Deploy.Service, v.Rollback)
				}
			}
			open, _, err := s.store.Incidents(t.Context(), verifier.IncidentFilter{})
			verdicts := 0
			for _, in := range open {
				if in.Kind == verifier.IncidentVerdict && len(in.Members) > 0 {
					verdicts++
				}
			}
			if want := map[bool]int{false: 1, true: 4}[c.held]; err != nil || verdicts != want {
				t.Errorf("%d incidents, %v; want %d", verdicts, err, want)
			}
		})
	}
}
