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

// TestOutageInTheMiddleOfAWatch: the source answers 503 for a while. A good version passes and a bad one fails, on no fewer samples than
// without the outage, and the watch is longer by it.
func TestOutageInTheMiddleOfAWatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		after     time.Duration
		lasts     time.Duration
		lengthens bool
	}{
		{"60 s", 5 * time.Minute, time.Minute, false},
		{"five minutes in the middle", 5 * time.Minute, 5 * time.Minute, true},
		{"from the first question", 0, 5 * time.Minute, true},
		{"five minutes over the end", 13 * time.Minute, 5 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole, _ := watchThrough(t, 0, 0, false)
			v, samples := watchThrough(t, tt.after, tt.lasts, false)
			if v.State != verifier.Passed {
				t.Errorf("the good version is %s\n%s", v.State, detail(v))
			}
			if want := samplesOf(whole); want[0] < 50 || samplesOf(v)[0] < want[0] {
				t.Errorf("judged on %v, want at least %v", samplesOf(v), want)
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

// TestOutageLengthens by what it lasted, twice too, but never to more than twice the watch; and says so.
func TestOutageLengthens(t *testing.T) {
	t.Parallel()
	v, _ := watchThrough(t, 5*time.Minute, 5*time.Minute, false)
	if grown := v.Until.Sub(v.From) - 15*time.Minute; grown < 4*time.Minute || grown > 6*time.Minute || len(v.Outages) != 1 {
		t.Errorf("longer by %s for %+v, want about 5m", grown, v.Outages)
	}
	rules := []verifier.Rule{{Name: "r", Watch: 15 * time.Minute}}
	w := verifier.Verification{From: begin, Until: begin.Add(15 * time.Minute)}
	wake := func(after time.Duration, trouble verifier.Reason) {
		noteOutage(&w, Judged{
			Rules: rules, Findings: []verifier.Finding{{Rule: "r", Outcome: verifier.Pending}},
			Evidence: []verifier.Evidence{{Rule: "r", Arm: verifier.ArmDeployed, Trouble: trouble}},
		}, begin.Add(after))
	}
	for i := range 4 { // six minutes of every ten
		wake(time.Duration(10*i)*time.Minute, verifier.SourceDown)
		wake(time.Duration(10*i+6)*time.Minute, "")
	}
	wake(50*time.Minute, verifier.SourceDown)
	wake(50*time.Minute+30*time.Second, "")
	if got := w.Until.Sub(begin); got != 30*time.Minute || len(w.Outages) != 4 {
		t.Errorf("the watch of 15m is %s long after %+v, want 30m", got, w.Outages)
	}
}

// stuck is the sim's source whose newest event stays at one time until another.
type stuck struct {
	*sim
	from, until time.Time
}

func (s stuck) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := s.sim.Ask(ctx, questions)
	if s.clock.Before(s.from) || !s.clock.Before(s.until) {
		return answers
	}
	for i, q := range questions {
		if !q.To.After(s.from) {
			continue
		}
		answers[i].Samples = slices.DeleteFunc(answers[i].Samples, func(x verifier.Sample) bool { return x.T.After(s.from) })
		answers[i].Until = latest(q.From, floor(s.from, q.Step))
	}
	return answers
}

// TestStuckSource: a source whose newest event stays where it is tells nothing of what comes after. What it has when it goes on is
// judged; one that stays stuck is lagging, and neither silence nor a lack of errors.
func TestStuckSource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lasts time.Duration
		bad   bool
		state verifier.State
	}{
		{"goes on, good", 8 * time.Minute, false, verifier.Passed},
		{"goes on, bad since it was stuck", 8 * time.Minute, true, verifier.FailedState},
		{"goes on after the watch, bad", 13 * time.Minute, true, verifier.FailedState},
		{"stays", 2 * time.Hour, false, verifier.Undecided},
		{"stays, bad", 2 * time.Hour, true, verifier.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, verifier.ModeSuggest)
			s.rules[0].OnNoData = verifier.NoDataFail
			s.good("checkout")
			from := s.clock.Add(4 * time.Minute)
			if tt.bad {
				s.broken["checkout 1.1"], s.since["checkout 1.1"] = 0.2, from
			}
			source := stuck{sim: s, from: from, until: from.Add(tt.lasts)}
			s.runner.Sources = func() Backends { return Backends{"logs": source} }
			id := s.deploy("checkout", "1.1").Verification
			s.run(40 * time.Minute)
			v := s.get(id)
			if v.State != tt.state || v.Ended == nil {
				t.Errorf("it is %s, want %s\n%s", v.State, tt.state, detail(v))
			}
			if tt.state == verifier.Undecided && v.Findings[0].Reason != verifier.Lagging {
				t.Errorf("the reason is %s: %s", v.Findings[0].Reason, v.Findings[0].Text)
			}
		})
	}
}
