package lifecycle

import (
	"fmt"

	"verifier"
)

// Resulted brings results of tests for a verification.
type Resulted struct {
	Verification string
	Results      []verifier.TestResult
}

func (Resulted) event() {}

const maxResults = verifier.MaxResults

// resulted keeps results beside the findings, the last of each name, and lets the rules that demand them see them at once. It is linear in
// what was sent, and refuses too many names before anything is done.
func (c *change) resulted(e Resulted) error {
	v := c.watch(e.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", e.Verification, verifier.ErrNotFound)
	}
	all, news, err := joinResults(v.Results, e.Results)
	if err != nil {
		return err
	}
	v.Results = all
	for _, r := range news {
		c.audit(orDaemon(r.By), "results", v.ID, fmt.Sprintf("%s: %d of %d failed, %d skipped", r.Name, r.Failed, r.Tests, r.Skipped), "")
	}
	if v.Ended == nil {
		v.DueAt = c.now
	}
	return nil
}

// joinResults is the known results and those that came, the last of each name, in order of their arrival; news are those that it takes up.
func joinResults(known, came []verifier.TestResult) (all, news []verifier.TestResult, err error) {
	last := map[string]verifier.TestResult{}
	for _, r := range known {
		last[r.Name] = r
	}
	taken := map[string]bool{}
	for _, r := range came {
		if was, ok := last[r.Name]; ok && r.At.Before(was.At) {
			continue
		}
		last[r.Name], taken[r.Name] = r, true
		if len(last) > maxResults {
			return nil, nil, verifier.Invalid("name", "is the %dth of this verification; at most %d are kept", len(last), maxResults)
		}
	}
	for _, r := range known {
		if !taken[r.Name] {
			all = append(all, r)
		}
	}
	for _, r := range came {
		if taken[r.Name] {
			delete(taken, r.Name)
			all, news = append(all, last[r.Name]), append(news, last[r.Name])
		}
	}
	return all, news, nil
}
