package verifier

import "time"

// TestResult is how one run of tests ended that belongs to a deploy: smoke tests, UI tests. Of one name the last counts.
type TestResult struct {
	Name     string    `json:"name"`
	Tests    int       `json:"tests"`
	Failed   int       `json:"failed"` // with errors
	Skipped  int       `json:"skipped"`
	Failures []string  `json:"failures,omitempty"` // the first of the failed tests, by name and message
	URL      string    `json:"url,omitempty"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
}

// MaxResults is how many names of results are kept of one deploy.
const MaxResults = 50

// Passed reports whether tests were run and none failed.
func (r TestResult) Passed() bool { return r.Failed == 0 && r.Tests > r.Skipped }
