package sources

import (
	"time"

	"verifier"
)

// late is how long after the end of a step it may still be asked by a source that knows the present alone.
const late = 5 * time.Second

// tooLate reports whether the newest step of the question is over for so long that the present is not its.
func tooLate(q verifier.Question, now time.Time) bool {
	return now.Sub(q.To) > max(q.Step, late)
}

// ofThePast is the answer to what cannot be asked any more: nothing is known of it.
func ofThePast(q verifier.Question, query string) verifier.Answer {
	return verifier.Answer{Until: q.From, Query: query}
}

// stands is the one sample of a value that is read now: it stands at the end of the newest step.
func stands(q verifier.Question, value float64) []verifier.Sample {
	return []verifier.Sample{{T: q.To, Value: value}}
}

// onlyPresent says what is wrong with a question to a source that knows the present alone.
func onlyPresent(q verifier.Question) error {
	switch {
	case q.Step <= 0 || !q.To.After(q.From):
		return verifier.Invalid("step", "of %v from %s to %s is none", q.Step, q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	case q.Subject.Peers:
		return verifier.Invalid("peers", "cannot be told from changed hosts by a command or an address")
	}
	return nil
}
