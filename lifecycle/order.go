package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"verifier"
	"verifier/record"
	"verifier/words"
)

// ordered does what a person said, or says why the present state does not allow it.
func (c *change) ordered(o Ordered) error {
	v := c.watch(o.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", o.Verification, verifier.ErrNotFound)
	}
	c.audit(o.By, string(o.Verb), v.ID, o.Reason, "")
	switch o.Verb {
	case verifier.Approve:
		return c.approve(v, o)
	case verifier.Deny:
		return c.deny(v, o)
	case verifier.Cancel:
		return c.cancel(v, o)
	case verifier.RollBack:
		return c.rollBack(v, o)
	case verifier.Dismiss:
		return c.dismiss(v, o)
	}
	return verifier.Invalid("verb", "%q is none; use approve, deny, cancel, rollback or dismiss", o.Verb)
}

func (c *change) approve(v *verifier.Verification, o Ordered) error {
	if v.Rollback == nil || v.Rollback.State != verifier.RollbackProposed {
		return conflict("rollback", "nothing waits for approval: the rollback is %s", rollbackState(v))
	}
	if o.To == "" {
		o.To = v.Rollback.To // what was proposed, whatever would be by now
	}
	return c.byPerson(v, o)
}

func (c *change) deny(v *verifier.Verification, o Ordered) error {
	r := v.Rollback
	if r == nil || r.State != verifier.RollbackProposed && r.State != verifier.RollbackApproved {
		return conflict("rollback", "nothing can be denied: the rollback is %s", rollbackState(v))
	}
	c.settle(v, verifier.RollbackDenied, o.By, o.Reason)
	c.update(v)
	return nil
}

// cancel ends a watch, or on a failed one the rollback that is proposed or counting down.
func (c *change) cancel(v *verifier.Verification, o Ordered) error {
	if v.State.Watching() {
		c.close(v, verifier.CancelledState, o.Reason)
		c.concluded(v)
		return nil
	}
	r := v.Rollback
	if r == nil || r.State != verifier.RollbackProposed && r.State != verifier.RollbackApproved {
		return conflict("state", "nothing can be cancelled: the verification is %s, the rollback %s", v.State, rollbackState(v))
	}
	c.settle(v, verifier.RollbackCancelled, o.By, o.Reason)
	c.update(v)
	return nil
}

// rollBack is a person's rollback: in any mode, state and ended rollback state.
func (c *change) rollBack(v *verifier.Verification, o Ordered) error {
	if r := v.Rollback; r != nil && !r.Over() && (r.State == verifier.RollbackSent || r.State == verifier.RollbackConfirmed) {
		return c.oneAtATime(v)
	}
	return c.byPerson(v, o)
}

// byPerson approves and sends in one step; a person's word has no countdown. What the guards deny is recorded as vetoed, and a
// conflict for the person, but for a rollback of the daemon's that is under way: that stays as it is.
func (c *change) byPerson(v *verifier.Verification, o Ordered) error {
	if c.service(v.Deploy).Rollback.By == "" {
		return verifier.Invalid("rollback.by", "no way of rolling %s back is configured; write rollback: {by: {webhook: …}} for it in the catalogue", v.Deploy.Place)
	}
	if first := alreadyRollingBack(c.scene, v); first != nil {
		return c.oneAtATime(first)
	}
	to, err := c.chosen(v, o.To)
	if err != nil {
		return err
	}
	a := asked{person: true, admin: o.Admin, by: o.By, reason: o.Reason, to: to}
	was := v.Rollback
	number := 1
	if r := v.Rollback; r != nil {
		number = r.Number
		if r.Over() {
			number++
		}
	}
	v.Rollback = &verifier.Rollback{
		State: verifier.RollbackApproved, Mode: c.service(v.Deploy).Rollback.Mode, From: v.Deploy.Version, To: to, Candidates: []string{},
		ProposedAt: &c.now, Number: number, Person: true, Admin: o.Admin, At: c.now,
	}
	c.settle(v, verifier.RollbackApproved, o.By, o.Reason)
	if c.pauseOrResume(v) {
		c.vetoIfStopped(v)
	} else {
		c.send(v, a)
	}
	if v.Rollback.State == verifier.RollbackVetoed && was != nil && !was.Over() && o.Verb == verifier.RollBack {
		return Vetoed(*v)
	}
	return nil
}

// oneAtATime names the rollback that is under way in the place.
func (c *change) oneAtATime(first *verifier.Verification) error {
	r := first.Rollback
	return conflict("rollback", "%s is already being rolled back from %s to %s: verification %s, %s since %s",
		first.Deploy.Place, first.Deploy.Version, r.To, first.ID, r.State, words.TimeSeconds(r.At, c.now, c.Zone))
}

// Vetoed is what a person is told whose rollback was denied by a guard, or nil.
func Vetoed(v verifier.Verification) error {
	if v.Rollback == nil || v.Rollback.State != verifier.RollbackVetoed {
		return nil
	}
	return conflict("rollback", "vetoed: %s", denialText(v.Rollback.Guards))
}

// chosen is the version to go back to: the person's, one that was live here before; else the only one that is known to be good.
func (c *change) chosen(v *verifier.Verification, to string) (string, error) {
	target, candidates := record.LastGood(c.scene.History, v.Deploy)
	if to == "" {
		if target == "" && len(candidates) > 0 {
			return "", verifier.Invalid("to", "is required: no version before it is known to be good; choose one of %s", strings.Join(candidates, ", "))
		}
		return target, nil
	}
	for _, p := range c.scene.History {
		if p.Deploy.MovesLive() && record.Same(p.Deploy.Version, to) && p.Deploy.Before(v.Deploy) {
			return p.Deploy.Version, nil
		}
	}
	return "", verifier.Invalid("to", "%s was never live in %s before %s", to, v.Deploy.Place, v.Deploy.Version)
}

// dismiss is a person's word that the verdict was wrong.
func (c *change) dismiss(v *verifier.Verification, o Ordered) error {
	mark := verifier.Mark{Good: true, Cause: o.Reason, By: o.By, At: c.now}
	v.Mark = &mark
	c.out.Marks = map[string]verifier.Mark{v.ID: mark}
	if r := v.Rollback; r != nil && mayBeStopped(r.State) {
		c.settle(v, verifier.RollbackCancelled, o.By, "dismissed")
	}
	c.update(v)
	c.resolveMember(v.ID, "dismissed by "+o.By)
	return nil
}

func rollbackState(v *verifier.Verification) string {
	if v.Rollback == nil {
		return "not proposed"
	}
	return string(v.Rollback.State)
}

// denialText is why the guards denied a rollback, in words.
func denialText(answers []verifier.GuardAnswer) string {
	var texts []string
	for _, a := range answers {
		if a.Denies {
			texts = append(texts, a.Text)
		}
	}
	return strings.Join(texts, "; ")
}

func reasonNames(reasons []verifier.GuardReason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = string(r)
	}
	return out
}

func sorted(names map[int]string) []string { return slices.Sorted(maps.Values(names)) }

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
