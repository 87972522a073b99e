package sources

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

// scripted answers as it is told, and counts how often it was asked.
type scripted struct {
	calls int
	err   error
}

func (s *scripted) Ask(_ context.Context, q []verifier.Question) []verifier.Answer {
	s.calls++
	return fail(q, s.err)
}
func (s *scripted) Lag() time.Duration             { return time.Second }
func (s *scripted) HasPeers(verifier.Measure) bool { return false }

func TestLimitLeavesADeadSourceAlone(t *testing.T) {
	backend := &scripted{err: down(errors.New("connection refused"))}
	limited := Limit("logs", backend, nil)
	var last verifier.Answer
	for range failuresInARow + 3 {
		last = limited.Ask(t.Context(), make([]verifier.Question, 2))[1]
	}
	if backend.calls != failuresInARow {
		t.Errorf("it was asked %d times, want %d", backend.calls, failuresInARow)
	}
	var failure *verifier.SourceError
	if !errors.As(last.Err, &failure) || failure.Reason != verifier.SourceDown || !strings.Contains(last.Err.Error(), "connection refused") {
		t.Errorf("the answer is %v, want source_down with the last trouble", last.Err)
	}
	if limited.Trouble() == "" {
		t.Error("its trouble is not told")
	}
}

func TestLimitForgivesWrongQuestions(t *testing.T) {
	backend := &scripted{err: badQuestion(errors.New("parse error"))}
	limited := Limit("metrics", backend, nil)
	for range 2 * failuresInARow {
		limited.Ask(t.Context(), make([]verifier.Question, 1))
	}
	if backend.calls != 2*failuresInARow || limited.Trouble() != "" {
		t.Errorf("asked %d times, trouble %q: a wrong question is not the source's fault", backend.calls, limited.Trouble())
	}
}

func TestLimitObeysRetryAfter(t *testing.T) {
	backend := &scripted{err: &verifier.SourceError{Reason: verifier.SourceDown, After: time.Minute, Err: errors.New("429")}}
	limited := Limit("apm", backend, nil)
	limited.Ask(t.Context(), make([]verifier.Question, 1))
	answer := limited.Ask(t.Context(), make([]verifier.Question, 1))[0]
	if backend.calls != 1 || !strings.Contains(answer.Err.Error(), "left alone") {
		t.Errorf("asked %d times: %v", backend.calls, answer.Err)
	}
}

// Whoever gives up waiting says nothing against the source.
func TestLimitForgivesItsOwnBudget(t *testing.T) {
	for _, err := range []error{errBudget, context.Canceled} {
		backend := &scripted{err: down(err)}
		limited := Limit("metrics", backend, nil)
		for range 2 * failuresInARow {
			limited.Ask(t.Context(), make([]verifier.Question, 1))
		}
		if backend.calls != 2*failuresInARow || limited.Trouble() != "" {
			t.Errorf("%v: asked %d times, trouble %q", err, backend.calls, limited.Trouble())
		}
	}
}

func TestBudget(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	rare, refused := newBudget(BudgetConfig{PerSecond: 2}), 0
	for range 5 {
		if leave, err := rare.enter(ctx); err == nil {
			leave()
		} else if refused++; !errors.Is(err, errBudget) || !strings.Contains(err.Error(), "per_second") {
			t.Error(err)
		}
	}
	if refused != 3 {
		t.Errorf("%d of 5 were refused within 50 ms, want 3: two a second are allowed", refused)
	}
	narrow := newBudget(BudgetConfig{AtOnce: 1})
	leave, err := narrow.enter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := narrow.enter(ctx); !errors.Is(err, errBudget) || !strings.Contains(err.Error(), "at_once") {
		t.Errorf("a second one at once: %v", err)
	}
	leave()
	if _, err := narrow.enter(t.Context()); err != nil {
		t.Errorf("after the first has left: %v", err)
	}
}

// TestLagIsMeasured by the newest event of an answer about the present; a quiet service beside it does not lengthen it.
func TestLagIsMeasured(t *testing.T) {
	now := time.Now()
	age := func(d time.Duration) verifier.Answer { return verifier.Answer{Newest: now.Add(-d)} }
	about := func(ago time.Duration) verifier.Question {
		return verifier.Question{To: now.Add(-ago), Step: time.Second}
	}
	l := Limit("logs", &named{name: "logs"}, nil)
	if _, known := l.Measured(); known {
		t.Error("it is known before anything was asked")
	}
	l.measure([]verifier.Question{about(time.Hour), about(0)}, []verifier.Answer{age(time.Hour), {}}, now)
	if lag, known := l.Measured(); known {
		t.Errorf("the past, and nothing seen, give a lag of %s", lag)
	}
	l.measure([]verifier.Question{about(0), about(0)}, []verifier.Answer{age(7 * time.Second), age(40 * time.Second)}, now)
	if lag, known := l.Measured(); lag != 7*time.Second || !known {
		t.Errorf("measured %s, %t; want 7s", lag, known)
	}
	later := now.Add(lagKept + time.Second)
	l.measure([]verifier.Question{{To: later, Step: time.Second}}, []verifier.Answer{{Newest: now}}, later)
	if lag, _ := l.Measured(); lag != later.Sub(now) {
		t.Errorf("measured %s; want %s, now that all is late", lag, later.Sub(now))
	}
}

// TestCostIsCounted by measure: questions, documents, and a share of the time of the calls that they were in.
func TestCostIsCounted(t *testing.T) {
	l := Limit("logs", &named{name: "logs"}, nil)
	cheap, dear := verifier.Measure{Count: "a"}, verifier.Measure{Count: "b"}
	docs := verifier.Answer{Samples: []verifier.Sample{{Exposure: 20}, {Exposure: 10}}}
	l.spend([]verifier.Question{{Measure: cheap}, {Measure: dear}}, []verifier.Answer{{Err: errBudget}, docs}, 10*time.Millisecond)
	l.spend([]verifier.Question{{Measure: dear}}, []verifier.Answer{docs}, 7*time.Millisecond)
	if got, want := l.Spent(dear), (Cost{2, 60, 12 * time.Millisecond}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := l.Spent(cheap), (Cost{1, 0, 5 * time.Millisecond}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := l.Spent(verifier.Measure{Count: "c"}); got != (Cost{}) {
		t.Errorf("nothing was asked, got %+v", got)
	}
}
