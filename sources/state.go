package sources

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// NotAsked is the state of a source that nobody asked anything yet.
const NotAsked = "not asked yet"

// checker is a backend that can be asked whether it answers without a rule's question.
type checker interface {
	Check(context.Context) error
}

// Check asks the backend a cheap question, so that its state is known before a watch needs it. It asks nothing of one that is left alone.
func (l *Limited) Check(ctx context.Context) {
	if b, many := l.Backend.(*ByEnvironment); many {
		for _, part := range b.backends {
			part.Check(ctx)
		}
		return
	}
	c, can := l.Backend.(checker)
	if !can || l.closed() != "" {
		return
	}
	err := c.Check(ctx)
	if ctx.Err() == nil && !ours(err) {
		l.note(err)
	}
}

// note keeps what an answer says of the backend: a wrong query says nothing.
func (l *Limited) note(err error) {
	var failure *verifier.SourceError
	said := ""
	if errors.As(err, &failure) {
		if failure.Permanent && failure.Reason == verifier.BadData {
			return
		}
		said = failure.Error()
	} else if err != nil {
		said = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked, l.said = true, said
}

// noteAnswers keeps the first answer that came, else the last failure.
func (l *Limited) noteAnswers(answers []verifier.Answer) {
	var failed error
	for _, a := range answers {
		if a.Err == nil {
			l.note(nil)
			return
		}
		if !ours(a.Err) {
			failed = a.Err
		}
	}
	if failed != nil {
		l.note(failed)
	}
}

// State is how the source is, by the last question: ok, what is wrong, or NotAsked.
func (l *Limited) State() string {
	if b, many := l.Backend.(*ByEnvironment); many {
		return b.state()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.asked:
		return NotAsked
	case l.said != "":
		return l.said
	}
	return "ok"
}

// Down reports whether the last question was not answered.
func (l *Limited) Down() bool {
	if b, many := l.Backend.(*ByEnvironment); many {
		return slices.ContainsFunc(slices.Collect(maps.Values(b.backends)), (*Limited).Down)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said != ""
}

// state names the environments whose backends are not ok; one word where all are alike.
func (b *ByEnvironment) state() string {
	var all, out []string
	for _, name := range slices.Sorted(maps.Keys(b.backends)) {
		state := b.backends[name].State()
		all = append(all, state)
		if state != "ok" {
			out = append(out, name+": "+state)
		}
	}
	if all = slices.Compact(all); len(all) == 1 && (all[0] == "ok" || all[0] == NotAsked) {
		return all[0]
	}
	return strings.Join(out, "; ")
}

// Check asks for a number that needs no data.
func (p *Prometheus) Check(ctx context.Context) error {
	now := time.Now().Truncate(time.Second)
	return p.call(ctx, promRange{"vector(1)", now.Add(-time.Second).UnixNano(), now.UnixNano(), time.Second}).err
}

// Check asks for a number that needs no line.
func (l *Loki) Check(ctx context.Context) error { return l.prom.Check(ctx) }

// Check looks for the files; it reads none.
func (f *Files) Check(context.Context) error {
	_, err := f.filesOf(time.Now())
	return err
}

// Check asks for the newest document, and whether any index matches.
func (e *Elasticsearch) Check(ctx context.Context) error {
	hour := time.Now().Truncate(time.Hour)
	reply := e.search(ctx, object{
		"size": 0, "query": object{"bool": object{"filter": []object{e.between(hour.Add(-recent), hour.Add(recent))}}},
		"aggs": object{"newest_of_all": object{"max": object{"field": e.fields.time}}},
	})
	if reply.err == nil && reply.result.Shards != nil && reply.result.Shards.Total == 0 {
		return &verifier.SourceError{Reason: verifier.SourceGone, Err: errors.New("no index matches " + e.Index)}
	}
	return reply.err
}
