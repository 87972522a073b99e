package lifecycle

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"verifier"
)

// outage is the sim's source, down from one moment to another.
type outage struct {
	*sim
	from, until time.Time
}

func (o outage) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := o.sim.Ask(ctx, questions)
	if o.clock.Before(o.from) || !o.clock.Before(o.until) {
		return answers
	}
	for i := range answers {
		answers[i] = verifier.Answer{Err: &verifier.SourceError{Reason: verifier.SourceDown, Err: errors.New("answered 503 Service Unavailable")}}
	}
	return answers
}

// TestOutageInTheMiddleOfAWatch: the source answers 503 for a while. A good version passes and a bad one fails, on the same samples as
// without the outage. One that lasts past the end of the watch lengthens it.
func TestOutageInTheMiddleOfAWatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		after     time.Duration
		lasts     time.Duration
		lengthens bool
	}{
		{"60 s", 5 * time.Minute, time.Minute, false},
		{"five minutes in the middle", 5 * time.Minute, 5 * time.Minute, false},
		{"from the first question", 0, 5 * time.Minute, false},
		{"five minutes over the end", 13 * time.Minute, 5 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole, _ := watchThrough(t, 0, 0, false)
			v, samples := watchThrough(t, tt.after, tt.lasts, false)
			if v.State != verifier.Passed {
				t.Errorf("the good version is %s\n%s", v.State, detail(v))
			}
			if want := samplesOf(whole); want[0] < 50 || !slices.Equal(samplesOf(v), want) {
				t.Errorf("judged on %v, want %v", samplesOf(v), want)
			}
			if n := 15 * 4; samples < n {
				t.Errorf("%d samples, want at least the %d of the watch", samples, n)
			}
			if lengthened := v.Ended.After(whole.Ended.Add(time.Minute)); lengthened != tt.lengthens {
				t.Errorf("it ends %s, without the outage %s; lengthened: want %t", v.Ended, whole.Ended, tt.lengthens)
			}
			if bad, _ := watchThrough(t, tt.after, tt.lasts, true); bad.State != verifier.FailedState {
				t.Errorf("the bad version is %s\n%s", bad.State, detail(bad))
			}
		})
	}
}

// samplesOf is how much each finding was judged on.
func samplesOf(v verifier.Verification) []int {
	var out []int
	for _, f := range v.Findings {
		out = append(out, int(f.Exposure)/100)
	}
	return out
}

// watchThrough watches one version through an outage of the source, and says how many samples were kept of it.
func watchThrough(t *testing.T, after, lasts time.Duration, bad bool) (verifier.Verification, int) {
	t.Helper()
	s := newSim(t, verifier.ModeSuggest)
	s.good("checkout")
	if bad {
		s.broken["checkout 1.1"] = 0.2
	}
	down := outage{sim: s, from: s.clock.Add(after), until: s.clock.Add(after + lasts)}
	s.runner.Sources = func() Backends { return Backends{"logs": down} }
	id := s.deploy("checkout", "1.1").Verification
	s.run(40 * time.Minute)
	evidence, err := s.store.Evidence(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range evidence {
		if e.Arm == verifier.ArmDeployed {
			n = len(e.Samples)
		}
	}
	v := s.get(id)
	if v.Ended == nil {
		t.Fatalf("the watch has no end: %s", detail(v))
	}
	return v, n
}

// TestOutageThatStays: who waits in vain knows nothing, and says so. It neither passes nor fails.
func TestOutageThatStays(t *testing.T) {
	t.Parallel()
	v, _ := watchThrough(t, 2*time.Minute, time.Hour, false)
	if v.State != verifier.Undecided || v.Findings[0].Reason != verifier.SourceDown {
		t.Errorf("it is %s\n%s", v.State, detail(v))
	}
}

// TestWatchWithoutAMeasurement ends before its first one: that is no success.
func TestWatchWithoutAMeasurement(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("checkout")
	id := s.deploy("checkout", "1.1").Verification
	if err := s.order(id, verifier.Cancel, ""); err != nil {
		t.Fatal(err)
	}
	s.expect(id, verifier.CancelledState, "")
	first, second := s.deploy("checkout", "1.2").Verification, s.deploy("checkout", "1.3").Verification
	s.expect(first, verifier.Superseded, "")
	s.run(time.Hour)
	s.expect(second, verifier.Passed, "")
	s.rules[0].Watch = s.rules[0].Settle // nothing is left to be judged
	id = s.deploy("checkout", "1.4").Verification
	s.run(time.Hour)
	s.expect(id, verifier.Undecided, "")
}
