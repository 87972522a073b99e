package lifecycle

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"verifier"
	"verifier/record"
)

// asked is how a rollback came to be asked for.
type asked struct {
	person bool
	admin  bool
	by     string
	reason string
	to     string   // a person's choice
	shared []string // services that are worse too
	rules  []verifier.Rule
}

// propose opens the rollback of a failed verification and takes it as far as its mode allows.
func (c *change) propose(v *verifier.Verification, a asked) {
	policy := c.service(v.Deploy).Rollback
	g := c.guard(v, a)
	number := 1
	if v.Rollback != nil {
		number = v.Rollback.Number + 1
	}
	v.Rollback = &verifier.Rollback{
		State: verifier.RollbackProposed, Mode: policy.Mode, From: v.Deploy.Version, To: g.to, Candidates: g.candidates,
		Reasons: []verifier.GuardReason{}, ProposedAt: &c.now, Number: number, At: c.now,
	}
	c.record(v, g)
	r := v.Rollback
	if len(r.Reasons) > 0 {
		c.settle(v, verifier.RollbackVetoed, "", "")
		return
	}
	if r.To == "" {
		r.Mode = verifier.ModeApprove // nobody but a person can choose among the candidates
	}
	if r.Mode == verifier.ModeAuto {
		send := c.now.Add(policy.Countdown)
		c.settle(v, verifier.RollbackApproved, Auto, "")
		r.SendAt = &send
	}
	c.pauseOrResume(v)
}

// record keeps what every guard said, with the rollback and in the audit.
func (c *change) record(v *verifier.Verification, g guarded) {
	r := v.Rollback
	r.Guards, r.Reasons = g.answers, g.denials()
	detail, _ := json.Marshal(g.answers) // unreachable error: strings and booleans
	c.audit(Daemon, "guard", v.ID, strings.Join(reasonNames(r.Reasons), " "), string(detail))
	if g.environment != "" && !v.Late {
		c.holdEnvironment(v, g.environment)
	}
}

// settle moves the rollback to a state. by names who did it; empty leaves the name that stands there.
func (c *change) settle(v *verifier.Verification, state verifier.RollbackState, by, reason string) {
	r := v.Rollback
	r.State, r.At, r.Reason = state, c.now, reason
	if state != verifier.RollbackApproved {
		r.SendAt = nil
	}
	if !mayBeStopped(state) {
		r.Paused = nil
	}
	if by != "" {
		r.By = &by
	}
	c.audit(orDaemon(by), "rollback "+string(state), v.ID, r.Why(), strings.TrimSuffix("to "+r.To, "to "))
}

func orDaemon(by string) string {
	if by == "" || by == Auto {
		return Daemon
	}
	return by
}

// elapsed looks at what the rollback waits for: its countdown, an approval, the confirmation.
func (c *change) elapsed(v *verifier.Verification, e Judged) {
	r := v.Rollback
	if r == nil {
		return
	}
	if mayBeStopped(r.State) && c.pauseOrResume(v) {
		c.vetoIfStopped(v)
		return
	}
	switch r.State {
	case verifier.RollbackProposed:
		if !c.expired(v) {
			c.vetoIfStopped(v)
		}
	case verifier.RollbackApproved:
		switch {
		case c.expired(v):
		case r.SendAt != nil && !c.now.Before(*r.SendAt):
			c.countedDown(v, e)
		default:
			c.vetoIfStopped(v)
		}
	case verifier.RollbackSent:
		within := c.service(v.Deploy).Rollback.ConfirmWithin
		if !c.now.Before(r.SentAt.Add(within)) {
			why := fmt.Sprintf("no deploy of %s within %s", r.To, spell(within))
			if r.Progress != "" {
				why, r.Progress = why+"; last heard: "+r.Progress, ""
			}
			c.settle(v, verifier.RollbackFailed, "", why)
			c.update(v)
		}
	case verifier.RollbackCancelled:
		if r.Reason == recoveredReason && v.Ended == nil && e.Relapsed && !dismissed(v) {
			c.propose(v, asked{shared: e.Shared, rules: e.Rules})
			c.update(v)
		}
	}
}

const recoveredReason = "recovered"

// expired ends what is proposed or counts down when the time to act on the deploy is over.
func (c *change) expired(v *verifier.Verification) bool {
	if c.now.Before(c.expiresAt(v)) {
		return false
	}
	why := "nobody approved it in time"
	if v.Rollback.State == verifier.RollbackApproved {
		why = "the countdown was not over in time"
	}
	c.settle(v, verifier.RollbackExpired, "", why)
	c.update(v)
	return true
}

// expiresAt is when what is proposed or counts down ends: the time to act on the deploy, longer by the time in which it was paused.
func (c *change) expiresAt(v *verifier.Verification) time.Time {
	return c.actUntil(v.Deploy).Add(v.Rollback.PausedFor)
}

func (c *change) held(e Held) {
	v := c.watch(e.Verification)
	if v != nil && v.Rollback != nil && mayBeStopped(v.Rollback.State) {
		c.vetoIfStopped(v)
	}
}

// vetoIfStopped lets a hold, a mode that was turned off or another change of the place end what waits, at once.
func (c *change) vetoIfStopped(v *verifier.Verification) {
	g := c.guard(v, askedAgain(v.Rollback))
	for _, a := range g.answers {
		if a.Denies && (a.Guard == verifier.GuardHeld || a.Guard == verifier.GuardOff || a.Guard == verifier.GuardNewer) {
			v.Rollback.Guards, v.Rollback.Reasons = g.answers, []verifier.GuardReason{a.Guard}
			c.settle(v, verifier.RollbackVetoed, "", "")
			c.update(v)
			return
		}
	}
}

// countedDown is the end of the countdown: called off if the trouble is over, else the guards are asked again and it is sent.
func (c *change) countedDown(v *verifier.Verification, e Judged) {
	if e.Recovered && !v.Rollback.Person {
		c.settle(v, verifier.RollbackCancelled, Auto, recoveredReason)
		c.update(v)
		return
	}
	a := askedAgain(v.Rollback)
	a.shared, a.rules = e.Shared, e.Rules
	c.send(v, a)
}

// send asks the guards once more, in the transaction that marks the rollback sent and writes the call.
func (c *change) send(v *verifier.Verification, a asked) {
	r := v.Rollback
	c.record(v, c.guard(v, a))
	if len(r.Reasons) > 0 {
		c.settle(v, verifier.RollbackVetoed, "", "")
		c.update(v)
		return
	}
	c.settle(v, verifier.RollbackSent, "", "")
	r.SentAt = &c.now
	c.out.Actions = append(c.out.Actions, c.call(v, a.reason))
	c.update(v)
}

// RollbackKey is the key of the action that calls for a rollback, the same through all its retries.
func RollbackKey(verification string, number int) string {
	return fmt.Sprintf("rollback/%s/%d", verification, number)
}

// call is the action that calls for the rollback. why is a person's reason; without one it is what is wrong.
func (c *change) call(v *verifier.Verification, why string) verifier.Action {
	r := v.Rollback
	key := RollbackKey(v.ID, r.Number)
	if f := worst(v.Findings); f != nil && why == "" {
		why = f.Text
	}
	by := Auto
	if r.By != nil {
		by = *r.By
	}
	return c.orderTool(v, verifier.ActionRollback, verifier.RollbackCall{ID: key, To: r.To, Reason: why, By: by})
}

// orderTool is an action for the tool that rolls the verification's deploy back.
func (c *change) orderTool(v *verifier.Verification, kind verifier.ActionKind, call verifier.RollbackCall) verifier.Action {
	d, service := v.Deploy, c.service(v.Deploy)
	call.Type, call.Verification, call.Service, call.Environment, call.Target = "rollback", v.ID, d.Service, d.Environment, d.Target
	call.From, call.At, call.URL, call.Deploy = d.Version, c.now, c.page(v.ID), d
	names := map[string]string{}
	for tool, name := range service.Names {
		names[tool] = fillName(name, d)
	}
	payload, _ := json.Marshal(verifier.RollbackOrder{By: service.Rollback.By, Call: call, Names: names}) // unreachable error: plain fields
	return verifier.Action{
		Key: call.ID, Kind: kind, Subject: v.ID, Payload: payload, State: verifier.ActionWaiting, Created: c.now, DueAt: c.now,
	}
}

// askWayBack orders the question whether the version before could be deployed again, where a rollback may come and the tool can be asked.
func (c *change) askWayBack(v *verifier.Verification) {
	policy := c.service(v.Deploy).Rollback
	to, _ := record.LastGood(c.scene.History, v.Deploy)
	if !policy.Asks || policy.Mode == verifier.ModeOff || to == "" || v.Late || v.Deploy.Kind == verifier.KindRollback || joins(v.Deploy) {
		return
	}
	c.out.Actions = append(c.out.Actions, c.orderTool(v, verifier.ActionReady, verifier.RollbackCall{ID: "ready/" + v.ID, To: to}))
}

func (c *change) readied(e Readied) error {
	v := c.watch(e.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", e.Verification, verifier.ErrNotFound)
	}
	v.WayBack = &e.WayBack
	return nil
}

// called takes the answer of the tool that rolls back.
func (c *change) called(e Called) error {
	v := c.watch(e.Verification)
	if v == nil {
		return fmt.Errorf("verification %s: %w", e.Verification, verifier.ErrNotFound)
	}
	r := v.Rollback
	if r == nil || RollbackKey(v.ID, r.Number) != e.Key {
		return conflict("rollback", "the answer is to %s, which is not the present rollback", e.Key)
	}
	switch {
	case e.Refused != "" && r.State == verifier.RollbackSent:
		c.settle(v, verifier.RollbackRefused, "", e.Refused)
	case e.GaveUp != "" && r.State == verifier.RollbackSent:
		c.settle(v, verifier.RollbackFailed, "", e.GaveUp)
	case e.Refused == "" && e.GaveUp == "":
		if r.Taken && r.Progress == e.Message && r.Stuck == e.Stuck {
			return nil
		}
		r.Taken, r.Progress, r.Stuck = true, e.Message, e.Stuck
		c.audit(Daemon, "rollback taken", v.ID, "", e.Message)
	}
	c.update(v)
	return nil
}
