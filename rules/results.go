package rules

import (
	"fmt"
	"strings"
	"time"

	"verifier"
)

// JudgeResults says what a rule on results of tests says now. from is the deploy's time, until the end of its watch; limit.within says
// how long after the deploy they are waited for. It is pure.
func JudgeResults(r verifier.Rule, results []verifier.TestResult, from, until time.Time, zone *time.Location, now time.Time) verifier.Finding {
	return checked(r, judgeResults(r, results, from, until, zone, now), false)
}

func judgeResults(r verifier.Rule, results []verifier.TestResult, from, until time.Time, zone *time.Location, now time.Time) verifier.Finding {
	f := verifier.Finding{
		Rule: r.Name, From: from, To: now, Muted: r.Muted(now), OnFail: r.OnFail, Severity: r.Severity, Optional: r.Optional, Unit: r.Measure.Unit,
	}
	deadline := ResultsUntil(r, from, until)
	var passed []string
	for _, t := range results {
		if !verifier.Glob(r.Measure.Results, t.Name) {
			continue
		}
		failed := float64(t.Failed)
		f.Value, f.Count, f.Exposure, f.Link, f.Samples = &failed, failed, float64(t.Tests), t.URL, max(1, t.Tests)
		if crosses(*r.Limit, failed) {
			f.Outcome, f.Reason, f.Limit, f.To = verifier.Fail, verifier.LimitCrossed, r.Limit.Above, t.At
			f.Text = fmt.Sprintf("%d of %d tests of %s failed%s.", t.Failed, t.Tests, t.Name, firstTests(t))
			return f
		}
		if t.Tests > t.Skipped {
			passed = append(passed, fmt.Sprintf("%s (%d)", t.Name, t.Tests-t.Skipped))
		}
	}
	over := !now.Before(deadline)
	switch {
	case len(passed) > 0 && (over || !strings.ContainsAny(r.Measure.Results, "*?[")):
		f.Outcome, f.Text = verifier.Pass, "Tests passed: "+strings.Join(passed, ", ")+"."
	case !over:
		f.Outcome, f.Text = verifier.Pending, fmt.Sprintf("Waiting for the results of %s until %s.", r.Measure.Results, clock(deadline, zone))
	case f.Value != nil:
		f.Outcome, f.Reason, f.Text = verifier.Inconclusive, verifier.TooLittleData, fmt.Sprintf("No test of %s was run.", r.Measure.Results)
	case r.OnNoData == verifier.NoDataPass:
		f.Outcome, f.Text = verifier.Pass, fmt.Sprintf("No results of %s came until %s.", r.Measure.Results, clock(deadline, zone))
	case r.OnNoData == verifier.NoDataFail:
		f.Outcome, f.Reason, f.Text = verifier.Fail, verifier.WentSilent, fmt.Sprintf("No results of %s came until %s.", r.Measure.Results, clock(deadline, zone))
	default:
		f.Outcome, f.Reason, f.Text = verifier.Inconclusive, verifier.NoData, fmt.Sprintf("No results of %s came until %s.", r.Measure.Results, clock(deadline, zone))
	}
	return f
}

// ResultsUntil is how long results are waited for.
func ResultsUntil(r verifier.Rule, from, until time.Time) time.Time {
	if r.Limit != nil && r.Limit.Within > 0 && from.Add(r.Limit.Within).Before(until) {
		return from.Add(r.Limit.Within)
	}
	return until
}

func clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("15:04 MST")
}

// shownTests is how many failed tests a sentence names.
const shownTests = 3

func firstTests(t verifier.TestResult) string {
	if len(t.Failures) == 0 {
		return ""
	}
	shown := t.Failures[:min(len(t.Failures), shownTests)]
	more := ""
	if t.Failed > len(shown) {
		more = fmt.Sprintf(" and %d more", t.Failed-len(shown))
	}
	return ": " + strings.Join(shown, "; ") + more
}
