package lifecycle

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"verifier"
)

// asks is a backend with a lag that answers everything with 1 and notes what it was asked.
type asks struct {
	mu   sync.Mutex
	lag  time.Duration
	list []asking
	now  func() time.Time
}

func (a *asks) Lag() time.Duration             { return a.lag }
func (a *asks) HasPeers(verifier.Measure) bool { return false }
func (a *asks) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		a.list = append(a.list, asking{question: q, again: a.now()})
		for t := q.From.Add(q.Step); !t.After(q.To); t = t.Add(q.Step) {
			out[i].Samples = append(out[i].Samples, verifier.Sample{T: t, Value: 0.01, Count: 1, Exposure: 100})
		}
	}
	return out
}

// TestSteps replays a watch and holds its questions to the clock: whole multiples of every in unix time, nothing newer than the lag,
// each step at least twice, the second time a lag later, and the stretch before once, after settle and lag.
func TestSteps(t *testing.T) {
	for _, c := range []struct{ every, settle, lag time.Duration }{
		{15 * time.Second, time.Minute, 0},
		{15 * time.Second, time.Minute, 30 * time.Second},
		{200 * time.Millisecond, 0, 100 * time.Millisecond},
		{200 * time.Millisecond, 0, time.Second},
		{7 * time.Second, 10 * time.Second, 20 * time.Second},
	} {
		st := newStage()
		at := begin.Add(3*time.Second + 70*time.Millisecond)
		d := st.past("d3", "1.2", at.Sub(begin), "", func(d *verifier.Deploy) { d.RecordedAt = at })
		st.scene.History[1].State = verifier.Passed
		st.scene.Deploy, st.scene.Place = d, d.Place
		below := 0.0
		rule := verifier.Rule{
			Name: "r", Measure: verifier.Measure{Source: "logs", Ratio: &verifier.Ratio{Of: "bad", To: "all"}}, Limit: &verifier.Limit{Below: &below},
			Settle: c.settle, Every: c.every, Watch: 2 * time.Minute, OnFail: verifier.FailAlert, Confidence: 0.99,
		}
		source := &asks{lag: c.lag}
		w := st.world()
		w.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return []verifier.Rule{rule}, "h" }
		clock := &st.scene
		source.now = func() time.Time { return clock.Watch("d3").DueAt }
		if _, err := Replay(t.Context(), w, &st.scene, Backends{"logs": source}); err != nil {
			t.Fatal(err)
		}
		v := st.scene.Watch("d3")
		if v.State != verifier.Passed {
			t.Errorf("%v: %s %s %s", c, v.State, v.Reason, detail(*v))
		}
		before := 0
		first, last := map[time.Time]time.Time{}, map[time.Time]time.Time{}
		for _, a := range source.list {
			q := a.question
			if !q.From.Equal(floor(q.From, c.every)) || !q.To.Equal(floor(q.To, c.every)) {
				t.Errorf("%v: asked from %s to %s", c, q.From, q.To)
			}
			if q.Subject.Version != "1.2" {
				before++
				if a.again.Before(at.Add(c.settle + c.lag)) {
					t.Errorf("%v: the stretch before was asked at %s", c, a.again)
				}
				continue
			}
			for end := q.From.Add(c.every); !end.After(q.To); end = end.Add(c.every) {
				if _, known := first[end]; !known {
					first[end] = a.again
				}
				last[end] = a.again
				if end.After(a.again.Add(-c.lag)) {
					t.Errorf("%v: the step up to %s was asked at %s", c, end, a.again)
				}
			}
		}
		if before != 1 {
			t.Errorf("%v: the stretch before was asked %d times", c, before)
		}
		for end := floor(at, c.every).Add(c.every); !end.After(v.Until); end = end.Add(c.every) {
			if _, asked := first[end]; !asked || last[end].Before(end.Add(2*c.lag)) {
				t.Errorf("%v: the step up to %s was asked first at %s and last at %s", c, end, first[end], last[end])
			}
		}
	}
}

// TestOneMomentIsOneQuestion: what two watches ask about one moment is the same step.
func TestOneMomentIsOneQuestion(t *testing.T) {
	ends := func(at time.Time) []time.Time {
		v := verifier.Verification{Deploy: verifier.Deploy{At: at}, From: at, Until: at.Add(time.Minute)}
		source := &asks{now: time.Now}
		list := askings(v, verifier.Rule{Name: "r", Every: 15 * time.Second}, verifier.Service{}, source, at.Add(time.Minute),
			func(verifier.Arm) *verifier.Evidence { return &verifier.Evidence{} })
		var out []time.Time
		for _, a := range list {
			for end := a.question.From.Add(15 * time.Second); !end.After(a.question.To); end = end.Add(15 * time.Second) {
				out = append(out, end)
			}
		}
		return out
	}
	one, two := ends(begin.Add(2*time.Second)), ends(begin.Add(11*time.Second))
	if len(one) == 0 || !slices.Equal(one, two) {
		t.Errorf("%v\n%v", one, two)
	}
}

// splits is a backend that tells hosts apart.
type splits struct{ asks }

func (*splits) HasPeers(verifier.Measure) bool { return true }

// TestCountsAskThePeers: a count asks what the hosts say that were not changed, so that silence of the changed ones is seen.
func TestCountsAskThePeers(t *testing.T) {
	limit := &verifier.Limit{}
	for _, tt := range []struct {
		measure verifier.Measure
		hosts   []string
		want    bool
	}{
		{verifier.Measure{Count: "level:ERROR"}, []string{"web1"}, true},
		{verifier.Measure{Count: "level:ERROR"}, nil, false},
		{verifier.Measure{PromQL: "up"}, []string{"web1"}, false},
	} {
		v := verifier.Verification{Deploy: verifier.Deploy{At: begin, Hosts: tt.hosts}, From: begin, Until: begin.Add(time.Minute)}
		list := askings(v, verifier.Rule{Name: "r", Every: 15 * time.Second, Measure: tt.measure, Limit: limit}, verifier.Service{}, &splits{},
			begin.Add(time.Minute), func(verifier.Arm) *verifier.Evidence { return &verifier.Evidence{} })
		if got := slices.ContainsFunc(list, func(a asking) bool { return a.question.Subject.Peers }); got != tt.want {
			t.Errorf("%+v on %v: peers asked %v, want %v", tt.measure, tt.hosts, got, tt.want)
		}
	}
}

// TestOtherDays asks for the whole watch a week earlier, and after the deploy before, once; the answers' steps are those of the watch.
func TestOtherDays(t *testing.T) {
	source := &asks{lag: 15 * time.Second, now: func() time.Time { return begin }}
	r := verifier.Rule{
		Name: "r", Measure: verifier.Measure{Source: "logs", Count: "x"}, Settle: time.Minute, Every: 15 * time.Second, Watch: 15 * time.Minute,
		Compare: &verifier.Compare{With: []verifier.Arm{verifier.ArmLastWeek, verifier.ArmLastDeploy}},
	}
	v := verifier.Verification{
		From: begin.Add(7 * time.Second), Until: begin.Add(15 * time.Minute),
		Baseline: &verifier.Baseline{Version: "1.1", Since: begin.Add(-26*time.Hour + 3*time.Second), From: begin.Add(-time.Hour), Until: begin},
	}
	w := verifier.Watched{Verification: v, Rules: []verifier.Rule{r}}
	early, _, _ := gather(t.Context(), w, verifier.Service{}, Backends{"logs": source}, false, begin.Add(time.Minute))
	w.Evidence, _, _ = gather(t.Context(), w, verifier.Service{}, Backends{"logs": source}, false, begin.Add(90*time.Second))
	for _, e := range early {
		if e.Arm != verifier.ArmDeployed {
			t.Errorf("%s is asked before settle and lag are over", e.Arm)
		}
	}
	back := map[verifier.Arm]time.Duration{verifier.ArmLastWeek: 7 * 24 * time.Hour, verifier.ArmLastDeploy: 26 * time.Hour}
	for _, e := range w.Evidence {
		want, ok := back[e.Arm]
		if !ok {
			continue
		}
		delete(back, e.Arm)
		asked := slices.ContainsFunc(source.list, func(a asking) bool {
			return a.question.From.Equal(begin.Add(-want)) && a.question.To.Equal(begin.Add(15*time.Minute-want))
		})
		if n := len(e.Samples); !asked || !e.Settled || n != 60 || !e.Samples[n-1].T.Equal(begin.Add(15*time.Minute)) {
			t.Errorf("%s: asked %t, settled %t, %d samples", e.Arm, asked, e.Settled, n)
		}
	}
	n := len(source.list)
	w.Evidence, _, _ = gather(t.Context(), w, verifier.Service{}, Backends{"logs": source}, false, begin.Add(3*time.Minute))
	if len(back) > 0 || len(source.list) != n+1 {
		t.Errorf("not asked: %v; %d questions more, want the deployed version's alone", back, len(source.list)-n)
	}
}
