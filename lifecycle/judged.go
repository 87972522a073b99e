package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/rules"
)

// judged takes the findings of one wake: the verdict first, then whatever of the rollback was waiting for the time.
func (c *change) judged(e Judged) error {
	v := c.watch(e.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", e.Verification, verifier.ErrNotFound)
	}
	if v.Revision != e.Revision {
		return conflict("revision", "the verification changed while it was judged")
	}
	c.rules = e.Rules
	if len(e.Evidence) > 0 {
		c.out.Evidence = append(c.out.Evidence, verifier.EvidenceOf{Verification: v.ID, Evidence: e.Evidence})
	}
	if e.Undone == verifier.Pass {
		c.mended(v)
	}
	if v.Ended == nil {
		c.observe(v, e)
	}
	c.elapsed(v, e)
	return nil
}

func (c *change) observe(v *verifier.Verification, e Judged) {
	v.DueAt = e.Next
	if c.waitsBehind(v) {
		return
	}
	if v.Deploy.Status == verifier.Started && c.unended(v) {
		return
	}
	if len(e.Evidence) > 0 && v.State == verifier.Waiting {
		v.State = verifier.Observing
	}
	noteOutage(v, e, c.now)
	known := failing(v.Findings)
	v.Findings = e.Findings
	if now := failing(v.Findings); len(now) > len(known) {
		c.failed(v, e)
	}
	if !anyPending(v.Findings) {
		c.finished(v, e)
	}
}

// unended looks after a deploy that was started and has not ended: it is told of when it takes too long, and closed when nobody waits
// for it any more. It reports whether there is nothing to be judged.
func (c *change) unended(v *verifier.Verification) bool {
	c.overdue(v)
	over := c.actUntil(v.Deploy)
	if !c.now.Before(over) {
		c.close(v, verifier.CancelledState, noEnd)
		c.goOn(v.Deploy)
		return true
	}
	if v.Overdue == nil {
		over = earlier(over, c.overdueAt(v.Deploy))
	}
	if !asksFor(*v) || c.now.After(v.Until.Add(graceInTrouble)) {
		v.DueAt = over
		return !asksFor(*v)
	}
	v.DueAt = earlier(v.DueAt, over)
	return false
}

// failed enters the verdict with the first failing rule that counts; later ones add to it, and may make a rollback of an alert.
func (c *change) failed(v *verifier.Verification, e Judged) {
	if v.State.Watching() {
		v.State = verifier.FailedState
		v.FailedAt, v.DecidedAt = &c.now, &c.now
		c.concluded(v)
	}
	if r := v.Rollback; (r == nil || r.Person && r.State == verifier.RollbackVetoed) && !dismissed(v) && slices.ContainsFunc(v.Findings, verifier.Finding.RollsBack) {
		c.propose(v, asked{shared: e.Shared, rules: e.Rules})
	}
	if v.Rollback == nil && !v.Late && needsPerson(v) {
		c.lookAtEnvironment(v)
	}
	c.update(v)
}

// dismissed reports whether a person has said that the deploy is good: the daemon does not roll it back by itself any more.
func dismissed(v *verifier.Verification) bool { return v.Mark != nil && v.Mark.Good }

// finished ends a watch of which nothing more is to be learned.
func (c *change) finished(v *verifier.Verification, e Judged) {
	if v.State == verifier.FailedState {
		if !c.now.Before(v.Until) && !countsDown(v) && e.Undone != verifier.Pending {
			c.end(v)
		}
		return
	}
	switch v.Deploy.Status {
	case verifier.Started: // what was seen so far is good; there is more to come
		return
	case verifier.Failed: // some hosts have it, and do well: no version passes by that
		c.close(v, verifier.CancelledState, deployFailed)
		c.concluded(v)
		return
	}
	outcome, reason := rules.Verdict(v.Findings)
	switch outcome {
	case verifier.Pass:
		c.close(v, verifier.Passed, "")
	case verifier.Inconclusive:
		c.close(v, verifier.Undecided, string(reason))
	default:
		return
	}
	c.concluded(v)
}

// countsDown reports whether a rollback will be sent unless its rules recover: they are asked about until then.
func countsDown(v *verifier.Verification) bool {
	r := v.Rollback
	return r != nil && r.State == verifier.RollbackApproved && (r.SendAt != nil || r.Paused != nil && !r.Person)
}

// concluded draws what follows for others from a verdict: the rollback that this deploy answers has helped or not, and what was
// wrong in this place before is over.
func (c *change) concluded(v *verifier.Verification) {
	if v.Answers != "" {
		c.answered(v)
	}
	if v.State == verifier.Passed {
		c.resolvePlace(v)
	}
	if v.State == verifier.Passed || v.State == verifier.Undecided {
		c.tellVerdict(v)
	}
	c.wakeBehind(v)
}

// answered carries the verdict on a rollback's own deploy back to the rollback. Where there is none, nobody can tell whether it helped.
func (c *change) answered(v *verifier.Verification) {
	failed := c.watch(v.Answers)
	if failed == nil || failed.Rollback == nil || failed.Rollback.State != verifier.RollbackConfirmed {
		return
	}
	r := failed.Rollback
	switch {
	case v.State == verifier.Passed:
		c.settle(failed, verifier.RollbackRecovered, "", "")
		r.RecoveredAt = &c.now
	case v.State == verifier.FailedState:
		c.settle(failed, verifier.RollbackFailed, "", notRecovered)
	case v.State == verifier.CancelledState && v.Reason == deployFailed:
		c.settle(failed, verifier.RollbackFailed, "", "the deploy of "+r.To+" failed")
		r.ConfirmedAt, r.Answer = nil, ""
	default:
		r.Unclear = unclear(failed, v, c.now)
		c.audit(Daemon, "rollback unclear", failed.ID, r.Unclear.Reason, "to "+r.To)
	}
	c.update(failed)
}

const notRecovered = "not_recovered"

// unclear is why the watch over the version that is back did not tell, with what the rule that had failed saw before and after.
func unclear(failed, answer *verifier.Verification, now time.Time) *verifier.Unclear {
	out := &verifier.Unclear{Reason: answer.Reason, At: now}
	if out.Reason == "" {
		out.Reason = string(answer.State)
	}
	if f := worst(failed.Findings); f != nil {
		out.Rule, out.Failed = f.Rule, figure(failed.Findings, f.Rule)
		out.After = figure(answer.Findings, f.Rule)
	}
	return out
}

func figure(findings []verifier.Finding, rule string) *verifier.Figure {
	for _, f := range findings {
		if f.Rule == rule && f.Decided() {
			return &verifier.Figure{Value: f.Value, Count: f.Count, Exposure: f.Exposure, Unit: f.Unit, Text: f.Text}
		}
	}
	return nil
}

// failing are the names of the rules that make the verification fail.
func failing(findings []verifier.Finding) []string {
	var names []string
	for _, f := range findings {
		if f.Outcome == verifier.Fail && f.Counts() {
			names = append(names, f.Rule)
		}
	}
	return names
}

func anyPending(findings []verifier.Finding) bool {
	return slices.ContainsFunc(findings, func(f verifier.Finding) bool { return f.Outcome == verifier.Pending })
}

// worst is the failing finding that weighs most: one that rolls back before one that pages before the rest.
func worst(findings []verifier.Finding) *verifier.Finding {
	var best *verifier.Finding
	for i := range findings {
		f := &findings[i]
		if f.Outcome == verifier.Fail && f.Counts() && (best == nil || weight(f) > weight(best)) {
			best = f
		}
	}
	return best
}

// weight is how much a failing finding matters: what rolls back, what pages, what was not so before the deploy.
func weight(f *verifier.Finding) int {
	switch {
	case f.Before:
		return 0
	case f.RollsBack():
		return 3
	case f.Severity == verifier.SeverityPage:
		return 2
	}
	return 1
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}
