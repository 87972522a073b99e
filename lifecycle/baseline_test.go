package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestBaselines asks for the stretch that 1.2, deployed at begin, is compared with. Rules settle for a minute and look back 30 minutes.
func TestBaselines(t *testing.T) {
	rules := []verifier.Rule{{Settle: time.Minute, Every: 15 * time.Second, Compare: &verifier.Compare{Over: 30 * time.Minute}}}
	minutes := func(version string, from, until int, of string) *verifier.Baseline {
		return &verifier.Baseline{From: begin.Add(time.Duration(from) * time.Minute), Until: begin.Add(time.Duration(until) * time.Minute), Version: version, Of: of}
	}
	first := minutes("1.0", -150, -120, "")
	type line struct {
		id, version string
		minute      int
		state       verifier.State
		baseline    *verifier.Baseline
		change      []func(*verifier.Deploy)
	}
	redeploy := func(d *verifier.Deploy) { d.Kind = verifier.KindRedeploy }
	leaves := func(version string) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.Kind, d.Previous = verifier.KindRollback, version }
	}
	marked := func(good bool) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.Mark = &verifier.Mark{Good: good, At: begin.Add(-time.Minute)} }
	}
	for name, c := range map[string]struct {
		history []line
		change  []func(*verifier.Deploy)
		want    *verifier.Baseline
	}{
		"a first deploy":                    {nil, nil, nil},
		"the last half hour":                {[]line{{"a", "1.1", -120, verifier.Passed, first, nil}}, nil, minutes("1.1", -30, 0, "")},
		"no more than was settled":          {[]line{{"a", "1.1", -11, verifier.Passed, first, nil}}, nil, minutes("1.1", -10, 0, "")},
		"ends where the deploy was started": {[]line{{"a", "1.1", -120, verifier.Passed, first, nil}}, []func(*verifier.Deploy){startedAt(begin.Add(-5 * time.Minute))}, minutes("1.1", -35, -5, "")},
		"imported":                          {[]line{{"a", "1.1", -120, "", nil, nil}}, nil, minutes("1.1", -30, 0, "")},
		"inconclusive":                      {[]line{{"a", "1.1", -120, verifier.Undecided, first, nil}}, nil, minutes("1.1", -30, 0, "")},
		"inherited from a failed one":       {[]line{{"a", "1.1", -120, verifier.FailedState, first, nil}}, nil, minutes("1.0", -150, -120, "a")},
		"dismissed":                         {[]line{{"a", "1.1", -120, verifier.FailedState, first, []func(*verifier.Deploy){marked(true)}}}, nil, minutes("1.1", -30, 0, "")},
		"dismissed, and its watch left out": {[]line{{"a", "1.1", -20, verifier.FailedState, first, []func(*verifier.Deploy){marked(true)}}}, nil, minutes("1.1", -8, 0, "")},
		"marked bad":                        {[]line{{"a", "1.1", -120, verifier.Passed, first, []func(*verifier.Deploy){marked(false)}}}, nil, minutes("1.0", -150, -120, "a")},
		"superseded before it passed":       {[]line{{"a", "1.1", -120, verifier.Observing, first, nil}}, nil, minutes("1.0", -150, -120, "a")},
		"not yet settled":                   {[]line{{"a", "1.1", -1, verifier.Passed, first, nil}}, nil, minutes("1.0", -150, -120, "a")},
		"a rollback by hand of what passed": {[]line{{"a", "1.3", -120, verifier.Passed, first, nil}}, []func(*verifier.Deploy){leaves("1.3")}, minutes("1.0", -150, -120, "a")},
		"failed without a baseline":         {[]line{{"a", "1.1", -120, verifier.FailedState, nil, nil}}, nil, nil},
		"deployed once more during a watch that failed": {
			[]line{{"a", "1.1", -120, verifier.FailedState, first, nil}, {"b", "1.1", -110, "", nil, []func(*verifier.Deploy){redeploy}}}, nil, minutes("1.0", -150, -120, "a"),
		},
		"deployed once more during a watch that is superseded": {
			[]line{{"a", "1.1", -12, verifier.Observing, first, nil}, {"b", "1.1", -11, "", nil, []func(*verifier.Deploy){redeploy}}}, nil, minutes("1.0", -150, -120, "a"),
		},
		"deployed once more and passed": {
			[]line{{"a", "1.1", -120, verifier.Passed, first, nil}, {"b", "1.1", -20, "", nil, []func(*verifier.Deploy){redeploy}}}, nil, minutes("1.1", -19, 0, ""),
		},
		"what failed to deploy is not there": {
			[]line{{"a", "1.1", -120, verifier.Passed, first, nil}, {"b", "1.2", -20, verifier.CancelledState, nil, []func(*verifier.Deploy){status(verifier.Failed)}}}, nil, minutes("1.1", -30, 0, ""),
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := &stage{}
			for _, l := range c.history {
				st.past(l.id, l.version, time.Duration(l.minute)*time.Minute, l.state, l.change...)
				st.scene.History[0].Baseline = l.baseline
				if l.state == verifier.FailedState {
					ended := begin.Add(time.Duration(l.minute+12) * time.Minute)
					st.scene.History[0].Ended = &ended
				}
			}
			d := st.past("d", "1.2", 0, "", c.change...)
			got := baselineOf(&st.scene, d, rules)
			if got != nil && got.Of == "" {
				live, _ := before(st.scene.History, d)
				if dismissed := live.State == verifier.FailedState; dismissed != got.Since.IsZero() || !dismissed && !got.Since.Equal(live.Deploy.At) {
					t.Errorf("%s was deployed at %s, want %s", got.Version, got.Since, live.Deploy.At)
				}
				got.Since = time.Time{}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func startedAt(t time.Time) func(*verifier.Deploy) {
	return func(d *verifier.Deploy) { d.StartedAt = &t }
}
