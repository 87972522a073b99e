// Package sources asks the backends where measurements live, one file for each: Prometheus (and what speaks its API) and log files.
//
// A question goes through Limited, which stops asking a backend that is down, to the backend itself, which fills in the templates,
// keeps its budget, makes one call of what many ask at the same moment, and turns the answer into samples.
//
// Nothing is retried here: a question that failed is asked again at its verification's next wake. A step without data has no sample,
// never a zero. Values that come from outside are escaped for the query's language by Fill and cannot leave their literal. Everything
// is safe for use by many goroutines.
package sources

import (
	"time"

	"verifier"
)

// Backend is a source with what asking it needs to know.
type Backend interface {
	verifier.Source
	Lag() time.Duration             // how late its data are
	HasPeers(verifier.Measure) bool // whether it can tell changed instances from unchanged ones for this measure
}

// fail is the same failure for every question.
func fail(questions []verifier.Question, err error) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}
