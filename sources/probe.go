package sources

import (
	"context"
	"time"

	"verifier"
)

// keepProbe keeps a question to try a backend by that does not answer.
func (l *Limited) keepProbe(questions []verifier.Question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble != "" {
		l.probe = questions[0]
	}
}

// Probe tries a backend that was left alone for long enough by a question that it did not answer, moved to the present, so that its
// trouble ends without a watch that asks. It does nothing where there is no trouble.
func (l *Limited) Probe(ctx context.Context) {
	if b, many := l.Backend.(*ByEnvironment); many {
		for _, part := range b.backends {
			part.Probe(ctx)
		}
		return
	}
	if l.Trouble() == "" || l.closed() != "" {
		return
	}
	l.mu.Lock()
	q := l.probe
	l.mu.Unlock()
	if q.Step <= 0 {
		return
	}
	later := time.Since(q.To.Add(l.Lag())).Truncate(q.Step)
	q.From, q.To = q.From.Add(later), q.To.Add(later)
	l.Ask(ctx, []verifier.Question{q})
}
