package sources

import (
	"encoding/json"
	"time"

	"verifier"
)

// Cost is what asking for one measure took since the daemon started.
type Cost struct {
	Questions int
	Documents float64       // that were looked at, where the source says how many
	Took      time.Duration // a question's share of the calls that it was in
}

// spend notes what the answers cost.
func (l *Limited) spend(questions []verifier.Question, answers []verifier.Answer, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.costs == nil {
		l.costs = map[string]Cost{}
	}
	for i, q := range questions {
		key := costKey(q.Measure)
		c := l.costs[key]
		c.Questions++
		c.Took += took / time.Duration(len(questions))
		for _, s := range answers[i].Samples {
			c.Documents += s.Exposure
		}
		l.costs[key] = c
	}
}

// Spent is what was asked for a measure so far.
func (l *Limited) Spent(m verifier.Measure) Cost {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.costs[costKey(m)]
}

// costKey is the measure as it is written: rules that ask alike cost alike.
func costKey(m verifier.Measure) string {
	text, _ := json.Marshal(m) // unreachable error: plain fields
	return string(text)
}
