package lifecycle

import (
	"slices"
	"time"

	"verifier"
	"verifier/rules"
	"verifier/words"
)

// A change that joined a failed watch may have undone the fault: a toggle that is put back, a configuration that is taken back. It gets
// a stretch of its own, as long as a watch; where all rules that had failed pass on it, what was wrong is over.

// mending is when the last change came that joined the failed watch and may have undone the fault; zero for none.
func mending(v verifier.Verification) time.Time {
	var last time.Time
	if v.State != verifier.FailedState || v.Ended != nil || v.Mended != nil {
		return last
	}
	for _, j := range v.Joined {
		if len(j.Hosts) == 0 { // else it brought the same to further hosts
			last = latest(last, j.At)
		}
	}
	return last
}

// undone judges the rules that had failed on the stretch since the last change that joined: pending until that is as long as a watch.
// It is empty where nothing may have undone the fault.
func undone(w verifier.Watched, evidence []verifier.Evidence, sources Backends, now time.Time) verifier.Outcome {
	v := w.Verification
	since := mending(v)
	if since.IsZero() {
		return ""
	}
	out := verifier.Pass
	if now.Before(v.Until) {
		out = verifier.Pending
	}
	for _, f := range v.Findings {
		if f.Outcome != verifier.Fail || !f.Counts() {
			continue
		}
		r, known := ruleNamed(w.Rules, f.Rule)
		if !known {
			return verifier.Inconclusive
		}
		switch judgedSince(w, r, evidence, sources, since, now) {
		case verifier.Fail:
			return verifier.Fail
		case verifier.Inconclusive:
			return verifier.Inconclusive
		case verifier.Pending:
			out = verifier.Pending
		}
	}
	return out
}

// judgedSince is what the rule says of the stretch since then alone.
func judgedSince(w verifier.Watched, r verifier.Rule, evidence []verifier.Evidence, sources Backends, since, now time.Time) verifier.Outcome {
	v := w.Verification
	if r.Measure.Results != "" {
		posted := slices.DeleteFunc(slices.Clone(v.Results), func(t verifier.TestResult) bool { return t.At.Before(since) })
		return rules.JudgeResults(r, posted, since, v.Until, nil, now).Outcome
	}
	c := caseOf(w, r, evidence, sources, now)
	c.From = since
	return rules.Judge(r, c, now).Outcome
}

// mended ends what was wrong: the change that joined has undone it.
func (c *change) mended(v *verifier.Verification) {
	since := mending(*v)
	v.Mended = &c.now
	if r := v.Rollback; r != nil && mayBeStopped(r.State) && !r.Person {
		c.settle(v, verifier.RollbackCancelled, Auto, recoveredReason)
	}
	c.update(v)
	c.resolveMember(v.ID, c.mendedText(v, since))
}

func (c *change) mendedText(v *verifier.Verification, since time.Time) string {
	what := "change"
	for _, p := range c.scene.History {
		if p.Deploy.At.Equal(since) && p.Deploy.Change != verifier.Release {
			what = string(p.Deploy.Change)
		}
	}
	return "back to normal since the " + what + " at " + words.Time(since, c.now, c.Zone) + ", bad for " + words.Duration(since.Sub(v.From))
}
