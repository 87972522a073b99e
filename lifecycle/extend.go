package lifecycle

import (
	"time"

	"verifier"
	"verifier/rules"
	"verifier/words"
)

// A rule that could not tell for want of data at the end of the watch is looked at further, at a slow cadence, for as long as it says
// (extend). The watch stays open for it. What it finds then comes too late for a rollback: the first look is later than the guard's
// grace, so that it alerts alone.

// slowest is how far apart the looks are at least; more than graceAfterWatch.
const slowest = 3 * time.Minute

func slowly(r verifier.Rule) time.Duration { return max(r.Every, slowest, r.Extend/100) }

// untilOf is the end of the last step that the rule is judged by.
func untilOf(v verifier.Verification, r verifier.Rule) time.Time { return v.Until.Add(r.Extend) }

// extended judges the rule on all that was seen so far, and waits where that is too little still.
func extended(w verifier.Watched, r verifier.Rule, evidence []verifier.Evidence, sources Backends, f verifier.Finding, put func(*verifier.Case), now time.Time) verifier.Finding {
	if r.Extend <= 0 || f.Reason != verifier.TooLittleData && f.Reason != verifier.NoData {
		return f
	}
	end, lag := untilOf(w.Verification, r), lagOf(sources, r)
	longer := w
	longer.Verification.Until = floor(earlier(now.Add(-2*lag), end), r.Every)
	c := caseOf(longer, r, evidence, sources, now)
	put(&c)
	f = rules.Judge(r, c, now)
	if f.Reason != verifier.TooLittleData && f.Reason != verifier.NoData || !now.Before(end.Add(2*lag)) {
		return f
	}
	f.Outcome, f.Reason, f.At = verifier.Pending, "", nil
	f.Text = sentence(f.Text) + " It is looked at until " + words.Time(end, now, c.Zone) + "."
	return f
}
