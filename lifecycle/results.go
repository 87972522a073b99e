package lifecycle

import (
	"fmt"
	"slices"

	"verifier"
)

// Resulted brings results of tests for a verification.
type Resulted struct {
	Verification string
	Results      []verifier.TestResult
}

func (Resulted) event() {}

// maxResults is how many names of tests one verification keeps.
const maxResults = 50

// resulted keeps results beside the findings, the last of each name, and lets the rules that demand them see them at once.
func (c *change) resulted(e Resulted) error {
	v := c.watch(e.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", e.Verification, verifier.ErrNotFound)
	}
	v.Results = slices.Clone(v.Results)
	for _, r := range e.Results {
		if i := slices.IndexFunc(v.Results, func(known verifier.TestResult) bool { return known.Name == r.Name }); i >= 0 {
			if r.At.Before(v.Results[i].At) {
				continue
			}
			v.Results = slices.Delete(v.Results, i, i+1)
		}
		v.Results = append(v.Results, r)
		c.audit(orDaemon(r.By), "results", v.ID, fmt.Sprintf("%s: %d of %d failed, %d skipped", r.Name, r.Failed, r.Tests, r.Skipped), "")
	}
	if len(v.Results) > maxResults {
		return verifier.Invalid("name", "is the %dth of this verification; at most %d are kept", len(v.Results), maxResults)
	}
	if v.Ended == nil {
		v.DueAt = c.now
	}
	return nil
}
