package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"golang.org/x/time/rate"

	"verifier"
)

// BudgetConfig is how much a source may be asked.
type BudgetConfig struct {
	PerSecond float64 `yaml:"per_second"` // calls; 0 is no limit
	AtOnce    int     `yaml:"at_once"`    // calls under way; default 10
}

// budget lets calls through, as many as are allowed, in the order in which they come.
type budget struct {
	config BudgetConfig // with its defaults
	slots  chan struct{}
	rate   *rate.Limiter

	mu    sync.Mutex
	quiet time.Time // asked to be left alone until then
	asked error     // in these words
	calls float64   // since they were last asked for
	held  float64   // seconds for which they were under way
}

func newBudget(c BudgetConfig) *budget {
	limit, burst := rate.Inf, 1
	if c.PerSecond > 0 {
		limit, burst = rate.Limit(c.PerSecond), max(1, int(c.PerSecond))
	}
	atOnce := c.AtOnce
	if atOnce <= 0 {
		atOnce = 10
	}
	c.AtOnce = atOnce
	return &budget{config: c, slots: make(chan struct{}, atOnce), rate: rate.NewLimiter(limit, burst)}
}

var (
	errBudget = errors.New("the budget is used up")
	errQuiet  = errors.New("it asked to be left alone")
)

// untilKey is the key of the time until which a call may wait for the budget: a call that several share has no deadline of its own.
type untilKey struct{}

// waitsFor leaves a third of the time for the answer.
func waitsFor(ctx context.Context) context.Context {
	deadline, limited := ctx.Deadline()
	if !limited {
		return ctx
	}
	return context.WithValue(ctx, untilKey{}, deadline.Add(-time.Until(deadline)/3))
}

// enter waits until a call is allowed; leave is to be called after it. It fails where that would be too late for those who ask.
func (b *budget) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := b.patience(ctx)
	defer cancel()
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: at_once: %w", errBudget, ctx.Err())
	}
	if err := b.wait(ctx); err != nil {
		<-b.slots
		return nil, err
	}
	began := time.Now()
	return func() {
		b.mu.Lock()
		b.held += time.Since(began).Seconds()
		b.mu.Unlock()
		<-b.slots
	}, nil
}

func (b *budget) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if until, ok := ctx.Value(untilKey{}).(time.Time); ok {
		return context.WithDeadline(ctx, until)
	}
	return ctx, func() {}
}

// wait lets one call through that has its place already.
func (b *budget) wait(ctx context.Context) error {
	if err := b.rate.Wait(ctx); err != nil {
		return fmt.Errorf("%w: per_second: %w", errBudget, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if left := time.Until(b.quiet); left > 0 {
		return fmt.Errorf("%w for another %s: %w", errQuiet, left.Round(time.Second), b.asked)
	}
	b.calls++
	return nil
}

// heed stops the calls that wait, where the source asked for that.
func (b *budget) heed(err error) error {
	var failure *verifier.SourceError
	if errors.As(err, &failure) && failure.After > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.quiet, b.asked = latestOf(b.quiet, time.Now().Add(min(failure.After, mostQuiet))), failure.Err
	}
	return err
}

// spent is what was called since it was last asked for.
func (b *budget) spent() (calls, held float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls, held = b.calls, b.held
	b.calls, b.held = 0, 0
	return calls, held
}

// mostQuiet is how long a source is left alone at most, whatever it asks for.
const mostQuiet = 5 * time.Minute

// Limited is a backend that is left alone while it is down. One that was down five times in a row is left alone for 5 to 15 s, and then tried by one
// call; one that asked to be left alone is.
type Limited struct {
	Backend
	name    string
	breaker circuitbreaker.CircuitBreaker[any]
	observe func(source, result string, took time.Duration)

	mu      sync.Mutex
	quiet   time.Time       // asked to be left alone until then
	trouble string          // of the last call; empty when it was answered
	asked   bool            // anything, ever
	said    string          // why the last question was not answered; empty when it was
	costs   map[string]Cost // by measure
	lag     time.Duration
	lagAt   time.Time // when the lag was measured; zero: never

	turns turns
	probe verifier.Question // one that was not answered
}

const failuresInARow = 5

// Limit leaves a backend alone where it must be. observe, which may be nil, hears of every call.
func Limit(name string, b Backend, observe func(source, result string, took time.Duration)) *Limited {
	return &Limited{
		Backend: b, name: name, observe: observe,
		breaker: circuitbreaker.NewBuilder[any]().WithFailureThreshold(failuresInARow).WithSuccessThreshold(1).
			WithRandomDelay(5*time.Second, 15*time.Second).Build(),
	}
}

// Ask asks the backend, or fails every question while it is left alone.
func (l *Limited) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	if len(questions) == 0 {
		return nil // which says nothing of how the backend is
	}
	if why := l.closed(); why != "" {
		return fail(questions, down(errors.New(why)))
	}
	if !l.breaker.TryAcquirePermit() {
		return fail(questions, down(errors.New(l.name+" is tried again by another question")))
	}
	began := time.Now()
	answers := l.Backend.Ask(waitsFor(ctx), questions)
	l.learn(answers, time.Since(began))
	l.noteAnswers(answers)
	l.measure(questions, answers, time.Now())
	l.spend(questions, answers, time.Since(began))
	l.pace(answers)
	l.keepProbe(questions)
	return answers
}

// pace learns what the questions cost of the budget, and marks those that it did not let through. What a dead backend took is no measure.
func (l *Limited) pace(answers []verifier.Answer) {
	dead := 0
	for _, a := range answers {
		var failure *verifier.SourceError
		if errors.As(a.Err, &failure) {
			failure.Waits = errors.Is(a.Err, errBudget)
			dead++
		}
	}
	if b, limited := l.Backend.(budgeted); limited {
		if calls, held := b.limits().spent(); dead < len(answers) {
			l.turns.note(time.Now(), len(answers), calls, held)
		}
	}
}

// closed says why the backend is not asked now.
func (l *Limited) closed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := time.Until(l.quiet); wait > 0 {
		return fmt.Sprintf("%s asked to be left alone for another %s", l.name, wait.Round(time.Second))
	}
	if l.breaker.IsOpen() && l.breaker.RemainingDelay() > 0 {
		return fmt.Sprintf("%s did not answer %d times in a row, it is tried again in %s; last: %s",
			l.name, failuresInARow, l.breaker.RemainingDelay().Round(time.Second), l.trouble)
	}
	return ""
}

// learn counts the call as a failure only where the backend itself was down for every question.
func (l *Limited) learn(answers []verifier.Answer, took time.Duration) {
	result, trouble := "ok", ""
	downs := 0
	for _, a := range answers {
		var failure *verifier.SourceError
		if !errors.As(a.Err, &failure) {
			if a.Err != nil {
				result = "error"
			}
			continue
		}
		result = string(failure.Reason)
		if failure.Reason == verifier.SourceDown && !ours(failure) {
			downs++
			trouble = failure.Error()
		}
		l.leaveAlone(failure.After)
	}
	if _, many := l.Backend.(*ByEnvironment); many { // each environment is left alone by itself
		downs = 0
	}
	if downs > 0 && downs == len(answers) {
		l.breaker.RecordFailure()
	} else {
		l.breaker.RecordSuccess()
		trouble = ""
	}
	l.mu.Lock()
	l.trouble = trouble
	l.mu.Unlock()
	if l.observe != nil {
		l.observe(l.name, result, took)
	}
}

// ours reports whether it was us who did not wait for an answer.
func ours(err error) bool {
	return errors.Is(err, errBudget) || errors.Is(err, errQuiet) || errors.Is(err, context.Canceled)
}

func (l *Limited) leaveAlone(after time.Duration) {
	if _, many := l.Backend.(*ByEnvironment); many || after <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(min(after, mostQuiet)); until.After(l.quiet) {
		l.quiet = until
	}
}

// Trouble is why the backend does not answer: empty while it does, or while it failed fewer than five times in a row.
func (l *Limited) Trouble() string {
	if b, many := l.Backend.(*ByEnvironment); many {
		return b.trouble()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.breaker.IsClosed() {
		return ""
	}
	return l.trouble
}

// lagKept is how long the shortest lag stands for the source: a quiet service's newest event is old, and says nothing.
const lagKept = time.Minute

// measure notes how old the newest event is that an answer about the present saw.
func (l *Limited) measure(questions []verifier.Question, answers []verifier.Answer, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, a := range answers {
		q := questions[i]
		if a.Newest.IsZero() || now.Sub(q.To) > l.Lag()+2*q.Step {
			continue // nothing was seen, or it was asked about the past
		}
		lag := max(0, now.Sub(a.Newest))
		if l.lagAt.IsZero() || lag <= l.lag || now.Sub(l.lagAt) > lagKept {
			l.lag, l.lagAt = lag, now
		}
	}
}

// Measured is how old the newest event was when it was last looked for, the shortest of a minute; false where that is not known.
func (l *Limited) Measured() (lag time.Duration, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lag, !l.lagAt.IsZero()
}

func down(err error) error { return &verifier.SourceError{Reason: verifier.SourceDown, Err: err} }
