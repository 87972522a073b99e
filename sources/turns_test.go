package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

// askInTurns asks in the order of time as the runner does: at its turn, and then when its next step is complete.
func askInTurns(t *testing.T, s *turns, c BudgetConfig, watches int, step, span time.Duration) (asked map[string][]time.Time, said string) {
	t.Helper()
	due, asked := map[string]time.Time{}, map[string][]time.Time{}
	for i := range watches {
		due[fmt.Sprint(i)] = noon
	}
	for {
		next := ""
		for w, at := range due {
			if next == "" || at.Before(due[next]) || at.Equal(due[next]) && w < next {
				next = w
			}
		}
		now := due[next]
		if now.After(noon.Add(span)) {
			return asked, said
		}
		at, text := s.next(next, 2, step, c, now)
		if at.After(now) {
			due[next] = at
			continue
		}
		s.note(now, 2, 2, 0)
		asked[next] = append(asked[next], now)
		due[next] = now.Truncate(step).Add(step)
		if text != "" {
			said = text
		}
	}
}

// TestCadenceSlowsEvenly: fifty watches that ask two questions every 15 s of a source with five calls a second are asked about every 20 s,
// all alike, and never more than is allowed.
func TestCadenceSlowsEvenly(t *testing.T) {
	for _, tt := range []struct {
		name      string
		perSecond float64
		every     time.Duration
		says      string
	}{
		{"it fits", 50, 15 * time.Second, ""},
		{"a little too many", 5, 20 * time.Second, "asked every 20s instead of 15s: its budget is 5 calls a second (per_second)"},
		{"far too many", 1, 100 * time.Second, "asked every 1m40s instead of 15s: its budget is 1 calls a second (per_second)"},
		{"less than one a second", 0.5, 200 * time.Second, "asked every 3m20s instead of 15s: its budget is 0.5 calls a second (per_second)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			span := 10 * tt.every
			asked, said := askInTurns(t, &turns{}, BudgetConfig{PerSecond: tt.perSecond, AtOnce: 10}, 50, 15*time.Second, span)
			if said != tt.says {
				t.Errorf("it says %q, want %q", said, tt.says)
			}
			var all []time.Time
			fewest, most := 1<<30, 0
			for _, list := range asked {
				all = append(all, list...)
				fewest, most = min(fewest, len(list)), max(most, len(list))
				for i := 1; i < len(list); i++ {
					if gap := list[i].Sub(list[i-1]); gap > tt.every+15*time.Second {
						t.Fatalf("a watch waited %s, want about %s", gap, tt.every)
					}
				}
			}
			if len(asked) != 50 || most-fewest > 1 || fewest < 9 {
				t.Errorf("%d watches asked between %d and %d times", len(asked), fewest, most)
			}
			slices.SortFunc(all, time.Time.Compare)
			if calls := float64(2 * len(all)); calls > tt.perSecond*(span.Seconds()+5)+4 {
				t.Errorf("%g calls in %s", calls, span)
			}
		})
	}
}

// TestTurnsKnowWhatCallsTake: where nothing but at_once is set, slow calls are what slows the watches, and shared questions do not.
func TestTurnsKnowWhatCallsTake(t *testing.T) {
	s := &turns{}
	if at, _ := s.next("a", 100, time.Second, BudgetConfig{AtOnce: 2}, noon); at.After(noon) {
		t.Error("nothing is known of the calls, and the watch waits")
	}
	s.note(noon, 10, 10, 20)
	if n, why := s.perSecond(BudgetConfig{AtOnce: 2}); n != 1 || why != "its budget is 2 calls at once (at_once), and each takes 2s" {
		t.Errorf("%g calls a second: %s", n, why)
	}
	shared := &turns{}
	shared.note(noon, 1000, 1, 0.01)
	for i := range 500 {
		if at, _ := shared.next(fmt.Sprint(i), 1, time.Second, BudgetConfig{PerSecond: 1, AtOnce: 2}, noon); at.After(noon) {
			t.Fatalf("the %d. watch waits, where a thousand ask one question", i)
		}
	}
}

// TestBreakersProbeOutOfStep: sources that go down together are not tried together.
func TestBreakersProbeOutOfStep(t *testing.T) {
	var delays []time.Duration
	for range 20 {
		l := Limit("logs", &scripted{err: down(errors.New("connection refused"))}, nil)
		for range failuresInARow {
			l.Ask(t.Context(), make([]verifier.Question, 1))
		}
		delays = append(delays, l.breaker.RemainingDelay())
	}
	slices.Sort(delays)
	if first, last := delays[0], delays[len(delays)-1]; first < 3*time.Second || last > 15*time.Second || last-first < 2*time.Second {
		t.Errorf("they are tried after %s", delays)
	}
}

// TestNoQuestionIsNoAnswer: a wake that asks nothing does not say that the source is back.
func TestNoQuestionIsNoAnswer(t *testing.T) {
	l := Limit("logs", &scripted{err: down(errors.New("connection refused"))}, nil)
	for range failuresInARow {
		l.Ask(t.Context(), make([]verifier.Question, 1))
		l.Ask(t.Context(), nil)
	}
	if l.Trouble() == "" {
		t.Error("questions between that asked nothing count as answers")
	}
}

// TestRetryAfterHoldsTheWholeSource: of ten questions that wait for one place, those behind the one that was told to wait are not asked.
func TestRetryAfterHoldsTheWholeSource(t *testing.T) {
	var calls atomic.Int32
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		says(429, "slow down", "Retry-After", "60").ServeHTTP(w, r)
	})
	p, err := NewPrometheus(PrometheusConfig{URL: faultServer(t, h), Budget: BudgetConfig{AtOnce: 1}}, faultWay(t))
	if err != nil {
		t.Fatal(err)
	}
	l := Limit("metrics", p, nil)
	var questions []verifier.Question
	for i := range 10 {
		questions = append(questions, ask(verifier.Measure{PromQL: fmt.Sprintf("up == %d", i)}, shop))
	}
	for range 3 {
		for _, a := range l.Ask(t.Context(), questions) {
			failure, ok := errors.AsType[*verifier.SourceError](a.Err)
			if !ok || failure.Reason != verifier.SourceDown || failure.Waits || !strings.Contains(a.Err.Error(), "left alone") && !strings.Contains(a.Err.Error(), "429") {
				t.Errorf("%v", a.Err)
			}
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls, want the one that was told", n)
	}
}

// TestBudgetIsNoTrouble: what our own budget did not let through in time is marked as such.
func TestBudgetIsNoTrouble(t *testing.T) {
	p, err := NewPrometheus(PrometheusConfig{URL: faultServer(t, says(200, matrix())), Budget: BudgetConfig{PerSecond: 0.01}}, faultWay(t))
	if err != nil {
		t.Fatal(err)
	}
	l := Limit("metrics", p, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l.Ask(ctx, []verifier.Question{ask(verifier.Measure{PromQL: "up"}, shop)})
	a := l.Ask(ctx, []verifier.Question{ask(verifier.Measure{PromQL: "down"}, shop)})[0]
	if failure, ok := errors.AsType[*verifier.SourceError](a.Err); !ok || !failure.Waits {
		t.Errorf("%+v", a)
	}
}
