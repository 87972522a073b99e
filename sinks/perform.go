package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"verifier"
)

// Order is one thing to be written: the action's payload with its key.
type Order struct {
	Key string
	verifier.SinkOrder
}

// Sink is one place where verdicts are written.
type Sink interface {
	// Wants says which states of a verification are written here.
	Wants(verifier.State) bool
	// Write writes one order, at least once, and says what it did. An ErrTemporary is worth another try.
	Write(context.Context, Order) (message string, err error)
}

// Performer does sink actions. Each sink has a few places of its own, and is left alone for a moment after it did not answer, so that
// one that hangs holds up no alerts.
type Performer struct {
	Sink  func(name string) (Sink, bool)                                         // as it is configured now
	State func(ctx context.Context, verification string) (verifier.State, error) // as it is now
	Mark  func(ctx context.Context, verification string) (*verifier.Mark, error) // a person's last word on it; nil where nobody is asked

	mu    sync.Mutex
	rests map[string]*rest
}

type rest struct {
	busy  int
	until time.Time
}

const (
	atOnce    = 4                // writes to one sink
	leaveFor  = 10 * time.Second // after it did not answer
	busyAgain = time.Second
	writeFor  = 15 * time.Second
)

// Perform writes one action's order.
func (p *Performer) Perform(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	order := Order{Key: a.Key}
	if err := json.Unmarshal(a.Payload, &order.SinkOrder); err != nil {
		return verifier.Performed{}, fmt.Errorf("read the order: %w", err)
	}
	sink, known := p.Sink(order.Sink)
	if !known {
		return verifier.Performed{}, verifier.Invalid("sinks", "%s is no longer configured", order.Sink)
	}
	if err := p.enter(order.Sink); err != nil {
		return verifier.Performed{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeFor)
	defer cancel()
	message, err := p.write(ctx, sink, order)
	p.leave(order.Sink, err)
	if err != nil {
		return verifier.Performed{}, fmt.Errorf("write to %s: %w", order.Sink, err)
	}
	return verifier.Performed{Message: message}, nil
}

// write leaves out a beginning that comes after the end: what was tried again must not hide the verdict.
func (p *Performer) write(ctx context.Context, sink Sink, o Order) (string, error) {
	if begun, ok := sink.(interface{ OnlyWhile(verifier.State) bool }); ok && begun.OnlyWhile(o.State) {
		state, err := p.State(ctx, o.Verification.ID)
		if err != nil {
			return "", &verifier.TemporaryError{Err: err}
		}
		if !state.Watching() {
			return "the verdict was there first", nil
		}
	}
	if marked, ok := sink.(interface{ HeedsMarks() bool }); ok && marked.HeedsMarks() && p.Mark != nil {
		mark, err := p.Mark(ctx, o.Verification.ID)
		if err != nil {
			return "", &verifier.TemporaryError{Err: err}
		}
		o.Verification.Mark = mark // the last word counts, whatever is tried again
	}
	return sink.Write(ctx, o)
}

func (p *Performer) enter(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rests == nil {
		p.rests = map[string]*rest{}
	}
	r := p.rests[name]
	if r == nil {
		r = &rest{}
		p.rests[name] = r
	}
	if wait := time.Until(r.until); wait > 0 {
		return &verifier.TemporaryError{After: wait, Err: fmt.Errorf("%s did not answer and is left alone for %s", name, wait.Round(time.Second))}
	}
	if r.busy >= atOnce {
		return &verifier.TemporaryError{After: busyAgain, Err: fmt.Errorf("%s is being written to %d times at once", name, atOnce)}
	}
	r.busy++
	return nil
}

func (p *Performer) leave(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rests[name]
	r.busy--
	var later *verifier.TemporaryError
	switch {
	case errors.As(err, &later):
		r.until = time.Now().Add(min(max(later.After, leaveFor), 5*time.Minute))
	case errors.Is(err, verifier.ErrTemporary), errors.Is(err, context.DeadlineExceeded):
		r.until = time.Now().Add(leaveFor)
	}
}

// verdicts are the states that end the watching.
var verdicts = []verifier.State{verifier.Passed, verifier.FailedState, verifier.Undecided, verifier.Superseded, verifier.CancelledState}

func isVerdict(s verifier.State) bool { return slices.Contains(verdicts, s) }

// decided is when the verdict fell.
func decided(o Order) time.Time {
	if at := o.Verification.DecidedAt; at != nil {
		return *at
	}
	return o.At
}

// summary is the verdict in one sentence: of a failed one what was worst.
func summary(o Order) string {
	v := o.Verification
	text := fmt.Sprintf("%s %s in %s: %s", v.Deploy.Service, v.Deploy.Version, v.Deploy.Where(), o.State)
	if v.Reason != "" {
		text += " (" + v.Reason + ")"
	}
	if f := telling(o); f != nil {
		text += ". " + f.Text
	}
	return text
}

// telling is the finding that made the verdict; nil where none did.
func telling(o Order) *verifier.Finding {
	outcome := map[verifier.State]verifier.Outcome{verifier.FailedState: verifier.Fail, verifier.Undecided: verifier.Inconclusive}[o.State]
	for i, f := range o.Verification.Findings {
		if f.Outcome == outcome && (outcome != verifier.Fail || f.Counts()) && !f.Optional {
			return &o.Verification.Findings[i]
		}
	}
	return nil
}

// count is how many findings have the outcome.
func count(v verifier.Verification, outcome verifier.Outcome) int {
	n := 0
	for _, f := range v.Findings {
		if f.Outcome == outcome {
			n++
		}
	}
	return n
}

// cut shortens a text to so many bytes, between runes.
func cut(s string, most int) string {
	const dots = "..."
	if len(s) <= most {
		return s
	}
	end := 0
	for i := range s {
		if i > most-len(dots) {
			break
		}
		end = i
	}
	return s[:end] + dots
}
