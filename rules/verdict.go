package rules

import "verifier"

// Verdict puts findings together: what counts and fails, fails; else anything pending waits; else any rule that could not tell
// and is not optional is inconclusive; else pass. No findings at all are inconclusive.
func Verdict(findings []verifier.Finding) (verifier.Outcome, verifier.Reason) {
	if len(findings) == 0 {
		return verifier.Inconclusive, verifier.NoRules
	}
	outcome, reason := verifier.Pass, verifier.Reason("")
	for _, f := range findings {
		switch {
		case f.Outcome == verifier.Fail && f.Counts():
			return verifier.Fail, f.Reason
		case f.Outcome == verifier.Pending:
			outcome, reason = verifier.Pending, ""
		case f.Outcome == verifier.Inconclusive && !f.Optional && outcome == verifier.Pass:
			outcome, reason = verifier.Inconclusive, f.Reason
		}
	}
	return outcome, reason
}
