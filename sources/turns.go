package sources

import (
	"fmt"
	"math"
	"sync"
	"time"

	"verifier"
)

// turns spreads the asking of many watches evenly over the time in which a source's budget lets them: each has its turn, in the order in
// which they come, so that the cadence of all slows alike. A watch that asks less often asks for more steps at once and loses none.
type turns struct {
	mu     sync.Mutex
	used   map[int64]float64 // calls that are promised, by unix second
	of     map[string]turn   // by watch
	swept  int64
	slowed slowed

	at               time.Time // of the last note
	questions, calls float64   // fading away
	held             float64   // seconds for which calls were under way
}

// turn is when a watch may ask, zero: it has not been promised yet, and when it last did.
type turn struct {
	at, last time.Time
	waited   bool
}

// slowed is the cadence that was last given, and until when it stands.
type slowed struct {
	every, wanted time.Duration
	until         time.Time
}

const (
	turnsFade = 30 * time.Second // half of what was noted is forgotten by then
	turnsSpan = time.Hour        // nothing is promised beyond
)

// note learns what questions cost.
func (t *turns) note(now time.Time, questions int, calls, held float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fade := math.Exp2(-now.Sub(t.at).Seconds() / turnsFade.Seconds())
	t.at = now
	t.questions, t.calls, t.held = t.questions*fade+float64(questions), t.calls*fade+calls, t.held*fade+held
}

// perSecond is how many calls fit: what the budget says, or as many as take their time at once.
func (t *turns) perSecond(c BudgetConfig) (calls float64, why string) {
	calls, why = math.Inf(1), ""
	if c.PerSecond > 0 {
		calls, why = c.PerSecond, fmt.Sprintf("its budget is %.3g calls a second (per_second)", c.PerSecond)
	}
	if t.calls > 0 && t.held > 0 && float64(c.AtOnce)*t.calls/t.held < calls {
		took := time.Duration(t.held / t.calls * float64(time.Second))
		calls, why = float64(c.AtOnce)*t.calls/t.held, fmt.Sprintf("its budget is %d calls at once (at_once), and each takes %s", c.AtOnce, took.Round(time.Millisecond))
	}
	return calls, why
}

// next is when the watch may ask so many questions, at once where it is not after now. Where its cadence is slower than the step that
// is wanted, said tells so.
func (t *turns) next(watch string, questions int, step time.Duration, c BudgetConfig, now time.Time) (at time.Time, said string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	perSecond, why := t.perSecond(c)
	if math.IsInf(perSecond, 1) {
		return now, ""
	}
	own := t.of[watch]
	cost := float64(questions)
	if t.questions > 0 {
		cost *= t.calls / t.questions
	}
	if own.at.IsZero() {
		own.at = t.promise(cost, perSecond, now)
	}
	own.waited = own.waited || own.at.After(now)
	every := latestOf(own.at, now).Sub(own.last)
	if own.waited && !own.last.IsZero() && every > step+step/4 {
		t.slowed = slowed{every, step, latestOf(own.at, now).Add(every + step)}
		said = t.slowed.text() + why
	}
	at = own.at
	if !at.After(now) {
		own = t.again(own.waited, cost, perSecond, step, now)
	}
	t.of[watch] = own
	return at, said
}

// again is what follows a turn. While watches have to wait the next one is promised at once, in the order in which they asked, so that
// none overtakes another.
func (t *turns) again(waited bool, cost, perSecond float64, step time.Duration, now time.Time) turn {
	own := turn{last: now}
	if !waited {
		return own
	}
	earliest := now.Add(step)
	if at := t.promise(cost, perSecond, earliest); at.After(earliest) {
		own.at, own.waited = at, true
	}
	return own
}

func (s slowed) text() string {
	return fmt.Sprintf("asked every %s instead of %s: ", s.every.Round(s.grain()), s.wanted)
}

func (s slowed) grain() time.Duration {
	if s.every < 10*time.Second {
		return 100 * time.Millisecond
	}
	return time.Second
}

// promise takes the first room from then on. What is more than fits into a second goes on in those that follow.
func (t *turns) promise(calls, perSecond float64, from time.Time) time.Time {
	last := from.Add(turnsSpan).Unix()
	room := func(s int64) float64 { return perSecond - t.used[s] }
	s := from.Unix()
	for s < last && room(s) <= perSecond*1e-9 {
		s++
	}
	at := from
	if s > from.Unix() {
		at = time.Unix(s, int64(t.used[s]/perSecond*float64(time.Second)))
	}
	for ; s < last && calls > 0; s++ {
		take := min(calls, max(0, room(s)))
		t.used[s] += take
		calls -= take
	}
	return at
}

// sweep forgets what is past.
func (t *turns) sweep(now time.Time) {
	if t.used == nil {
		t.used, t.of = map[int64]float64{}, map[string]turn{}
	}
	if t.swept == now.Unix() {
		return
	}
	t.swept = now.Unix()
	for s := range t.used {
		if s < t.swept {
			delete(t.used, s)
		}
	}
	for watch, own := range t.of {
		if now.Sub(latestOf(own.at, own.last)) > turnsSpan {
			delete(t.of, watch)
		}
	}
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Turn is when a watch may ask its questions: at once, where that is not after now. said tells where its cadence is slower than was
// wanted, and why. A backend that is left alone answers at once that it is.
func (l *Limited) Turn(watch string, questions []verifier.Question, now time.Time) (at time.Time, said string) {
	if b, many := l.Backend.(*ByEnvironment); many && len(questions) > 0 {
		if part := b.of(questions[0].Subject.Environment); part != nil {
			return part.Turn(watch, questions, now)
		}
		return now, ""
	}
	b, limited := l.Backend.(budgeted)
	if !limited || len(questions) == 0 || l.closed() != "" {
		return now, ""
	}
	step := questions[0].Step
	for _, q := range questions {
		step = min(step, q.Step)
	}
	at, said = l.turns.next(watch, len(questions), step, b.limits().config, now)
	if said != "" {
		said = l.name + " is " + said
	}
	return at, said
}

// Slowed tells where watches ask the source less often than they want, and by how much; empty and 0 where its budget suffices.
func (l *Limited) Slowed(now time.Time) (said string, by time.Duration) {
	if b, many := l.Backend.(*ByEnvironment); many {
		return b.slowed(now)
	}
	l.turns.mu.Lock()
	defer l.turns.mu.Unlock()
	b, limited := l.Backend.(budgeted)
	if s := l.turns.slowed; limited && now.Before(s.until) {
		_, why := l.turns.perSecond(b.limits().config)
		return s.text() + why, s.every - s.wanted
	}
	return "", 0
}

// budgeted is a backend with a budget.
type budgeted interface{ limits() *budget }

func (p *Prometheus) limits() *budget    { return p.budget }
func (l *Loki) limits() *budget          { return l.prom.budget }
func (e *Elasticsearch) limits() *budget { return e.budget }
func (n *NewRelic) limits() *budget      { return n.budget }
func (h *HTTP) limits() *budget          { return h.budget }
func (c *Command) limits() *budget       { return c.budget }
func (f *Files) limits() *budget         { return f.budget }
