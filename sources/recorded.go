package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"verifier"
)

// Recorded answers from samples that are there already: a replay asks it as the daemon asks a backend. It knows nothing that ended
// later than Now says.
type Recorded struct {
	// Of is the samples that a question is about, in order of time, of all times; false where there is no such series.
	Of func(verifier.Question) ([]verifier.Sample, bool)
	// Complete is up to when the record is complete at a time: a source that lags is not complete up to now. Nil: always.
	Complete func(now time.Time) time.Time
	// Peers reports whether instances on the old version are known for a measure.
	Peers func(verifier.Measure) bool
	// LagBy is how late the record is said to be.
	LagBy time.Duration
}

// Ask answers each question from the record.
func (r Recorded) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		answers[i] = r.answer(q)
	}
	return answers
}

func (r Recorded) answer(q verifier.Question) verifier.Answer {
	a := verifier.Answer{Query: Named(q.Measure), Until: q.To}
	all, known := r.Of(q)
	if !known {
		a.Err = &verifier.SourceError{Reason: verifier.SourceGone, Permanent: true, Err: fmt.Errorf("nothing named %q is recorded", a.Query)}
		return a
	}
	after := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(all, t, func(s verifier.Sample, t time.Time) int { return cmp.Compare(s.T.UnixNano(), t.UnixNano()+1) })
		return i
	}
	a.Samples = slices.Clone(all[after(q.From):max(after(q.From), after(q.To))])
	if r.Complete != nil {
		if until := r.Complete(q.To); until.Before(a.Until) {
			a.Until = until
		}
	}
	return a
}

// Named is the name that a measure calls a recorded series by.
func Named(m verifier.Measure) string {
	switch {
	case m.Ratio != nil:
		return m.Ratio.Of
	case m.Percentile != nil:
		return m.Percentile.Field
	case m.Average != nil:
		return m.Average.Field
	}
	return cmp.Or(m.Count, m.Query, m.PromQL, m.NRQL, m.HTTP, m.Patterns)
}

// CheckRecorded checks a measure of a recorded series: it has to name one.
func CheckRecorded(m verifier.Measure) (time.Duration, error) {
	if Named(m) == "" {
		return 0, errors.New("a recorded series is asked for by its name; write count: NAME, ratio: {of: NAME, to: all} or query: NAME")
	}
	return 0, nil
}

// Lag is how late the record is.
func (r Recorded) Lag() time.Duration { return r.LagBy }

// HasPeers reports whether the record has peers for the measure.
func (r Recorded) HasPeers(m verifier.Measure) bool { return r.Peers != nil && r.Peers(m) }
