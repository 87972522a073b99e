package rules

import (
	"verifier"
)

// Refused is in the text of every pass that the self-check took back.
const Refused = "verifier refused to pass this rule"

// checked takes back a pass that its own numbers contradict: whatever a judgement says, nothing passes without data, and nothing
// passes with a value that is over the limit it states (but for a comparison that says that chance explains it). What is taken back is a bug of this program; the daemon logs it.
func checked(r verifier.Rule, f verifier.Finding, chance bool) verifier.Finding {
	if problem := contradiction(r, f, chance); problem != "" {
		f.Outcome, f.Reason, f.Confidence = verifier.Inconclusive, verifier.BadData, nil
		f.Text += " " + Refused + ": " + problem + ". Please report this."
	}
	return f
}

// contradiction is what is wrong with a pass, empty for one that stands.
func contradiction(r verifier.Rule, f verifier.Finding, chance bool) string {
	if f.Outcome != verifier.Pass {
		return ""
	}
	without := f.Samples == 0
	if r.Measure.Results != "" {
		without = f.Exposure == 0
	}
	switch {
	case without && r.OnNoData == verifier.NoDataPass:
		return ""
	case without || f.Value == nil:
		return "there is no data"
	case r.Limit != nil && !crosses(*r.Limit, *f.Value), r.Compare != nil && (chance || !overBaseline(r, f)):
		return ""
	}
	return "the value is over the limit"
}

// overBaseline reports whether a comparison's value lies beyond what it tolerates.
func overBaseline(r verifier.Rule, f verifier.Finding) bool {
	if f.Limit == nil || f.Baseline == nil {
		return true
	}
	side := r.Compare.Worse
	switch {
	case *f.Limit < *f.Baseline:
		side = verifier.Lower
	case *f.Limit > *f.Baseline:
		side = verifier.Higher
	case side == verifier.Either:
		return false // which side is meant cannot be seen
	}
	return beyond(side, *f.Value, *f.Limit)
}
