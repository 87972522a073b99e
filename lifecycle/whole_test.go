package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

// TestBacklogIsJudged: deploys that are heard of late and at once are judged each, as far as their watches are whole; the baseline and the
// target come from the release before, they tell nobody and act never.
func TestBacklogIsJudged(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]int{"in order": {0, 1, 2, 3}, "newest first": {3, 2, 1, 0}, "mixed": {1, 3, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeAuto)
			s.good("checkout")
			s.run(time.Hour)
			from := s.clock
			s.run(5 * time.Hour)
			versions := []string{"1.1", "1.2", "1.3", "1.4"}
			s.broken["checkout 1.2"] = 0.2
			for _, i := range order {
				s.fact(versions[i], versions[i], verifier.Succeeded, at(from.Add(time.Duration(i)*time.Hour)))
			}
			s.run(10 * time.Minute)
			s.expect("1.1", verifier.Passed, "")
			s.expect("1.2", verifier.FailedState, verifier.RollbackVetoed)
			s.expect("1.3", verifier.Passed, "")
			s.expect("1.4", verifier.Passed, "")
			for v, want := range map[string]string{"1.2": "1.1", "1.4": "1.3"} {
				if b := s.get(v).Baseline; b == nil || b.Version != want {
					t.Errorf("%s is compared with %+v, want %s", v, b, want)
				}
			}
			if len(s.told) != 0 || len(s.calls) != 0 {
				t.Errorf("told %d times, called %d times", len(s.told), len(s.calls))
			}
			s.broken["checkout 1.5"] = 0.2
			id := s.deploy("checkout", "1.5").Verification
			s.run(3 * time.Minute)
			if v := s.get(id); v.Rollback == nil || v.Rollback.To != "1.4" || v.Baseline.Version != "1.4" {
				t.Errorf("rollback %+v, baseline %+v; want 1.4", v.Rollback, v.Baseline)
			}
		})
	}
}

// TestBacklogThatWasCutShort supersedes only what a newer start cuts short.
func TestBacklogThatWasCutShort(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	from := s.clock
	s.run(time.Hour)
	s.fact("a", "1.1", verifier.Succeeded, at(from.Add(5*time.Minute)))
	s.fact("b", "1.2", verifier.Succeeded, at(from.Add(25*time.Minute)), func(d *verifier.Deploy) {
		began := from.Add(19 * time.Minute) // within the watch over 1.1
		d.StartedAt = &began
	})
	s.fact("c", "1.3", verifier.Succeeded, at(from.Add(40*time.Minute)), func(d *verifier.Deploy) {
		began := from.Add(40 * time.Minute)
		d.StartedAt = &began
	})
	s.run(10 * time.Minute)
	s.expect("a", verifier.Superseded, "")
	s.expect("b", verifier.Passed, "")
	s.expect("c", verifier.Passed, "")
}

// TestNextReleaseRightAfterTheWatch does not supersede a watch that only waits for its last answers.
func TestNextReleaseRightAfterTheWatch(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	s.run(15*time.Minute + 10*time.Second)
	s.expect(id, verifier.Observing, "")
	next := s.deploy("checkout", "1.2").Verification
	s.run(5 * time.Minute)
	s.expect(id, verifier.Passed, "")
	if v := s.expect(next, verifier.Observing, ""); v.Baseline == nil || v.Baseline.Version != "1.1" {
		t.Errorf("baseline %+v, want 1.1", v.Baseline)
	}
}
