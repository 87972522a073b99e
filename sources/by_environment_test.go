package sources

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

// named answers every question with its own name as the query, or its error.
type named struct {
	name  string
	lag   time.Duration
	peers bool
	err   error
}

func (n *named) Lag() time.Duration             { return n.lag }
func (n *named) HasPeers(verifier.Measure) bool { return n.peers }
func (n *named) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	out := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		out[i] = verifier.Answer{Query: n.name + " " + q.Subject.Service, Err: n.err}
	}
	return out
}

func TestByEnvironmentAsksTheRightOne(t *testing.T) {
	b := NewByEnvironment(map[string]Backend{
		"Production": &named{name: "p", lag: time.Second, peers: true}, "staging": &named{name: "s", lag: 3 * time.Second},
		"prod*": &named{name: "other p"}, "prod-us-*": &named{name: "us"},
	})
	if b.Lag() != 3*time.Second || b.HasPeers(verifier.Measure{}) {
		t.Errorf("lag %s, peers %t; want the longest lag, and peers only where all have them", b.Lag(), b.HasPeers(verifier.Measure{}))
	}
	var questions []verifier.Question
	places := []string{"production", "staging", "PRODUCTION", "prod-eu", "prod-us-1", "test"}
	for _, e := range places {
		questions = append(questions, verifier.Question{Subject: verifier.Subject{Service: e, Environment: e}})
	}
	answers := b.Ask(t.Context(), questions)
	for i, want := range []string{"p production", "s staging", "p PRODUCTION", "other p prod-eu", "us prod-us-1", ""} {
		if answers[i].Query != want {
			t.Errorf("%s was asked of %q, want %q", places[i], answers[i].Query, want)
		}
	}
	var failure *verifier.SourceError
	if !errors.As(answers[5].Err, &failure) || failure.Reason != verifier.SourceGone || !strings.Contains(failure.Error(), `no server for the environment "test"; it has prod*, prod-us-*, production, staging`) {
		t.Errorf("an environment without a server: %v", answers[5].Err)
	}
}

// TestOneEnvironmentsTroubleIsItsOwn: staging's server is down and left alone; production's is asked all the time.
func TestOneEnvironmentsTroubleIsItsOwn(t *testing.T) {
	busy := &verifier.SourceError{Reason: verifier.SourceDown, After: time.Hour, Err: errors.New("no route")}
	l := Limit("metrics", NewByEnvironment(map[string]Backend{"production": &named{name: "p"}, "staging": &named{name: "s", err: busy}}), nil)
	of := func(environment string) verifier.Answer {
		return l.Ask(t.Context(), []verifier.Question{{Subject: verifier.Subject{Environment: environment}}})[0]
	}
	for range 2 * failuresInARow {
		if a := of("staging"); a.Err == nil {
			t.Fatal("staging answers")
		}
		if a := of("production"); a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if a := of("staging"); !strings.Contains(a.Err.Error(), "asked to be left alone") {
		t.Errorf("staging is asked on: %v", a.Err)
	}
	down := down(errors.New("no route"))
	l = Limit("metrics", NewByEnvironment(map[string]Backend{"production": &named{}, "staging": &named{err: down}}), nil)
	for range failuresInARow {
		of("staging")
	}
	if got := l.Trouble(); got != "staging: no route" {
		t.Errorf("the trouble is %q", got)
	}
	if a := of("production"); a.Err != nil {
		t.Errorf("production is left alone for staging's trouble: %v", a.Err)
	}
}

func TestByEnvironmentChecksAll(t *testing.T) {
	check := CheckByEnvironment(map[string]func(verifier.Measure) (time.Duration, error){"production": CheckPrometheus, "staging": CheckFiles})
	if _, err := check(verifier.Measure{PromQL: "up"}); err == nil || !strings.HasPrefix(err.Error(), "promql: in staging: is nothing log files can answer") {
		t.Error(err)
	}
	check = CheckByEnvironment(map[string]func(verifier.Measure) (time.Duration, error){"production": CheckPrometheus, "staging": CheckPrometheus})
	if window, err := check(verifier.Measure{PromQL: "sum(rate(up[2m]))"}); err != nil || window != 2*time.Minute {
		t.Error(window, err)
	}
}
