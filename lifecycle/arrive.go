package lifecycle

import (
	"slices"
	"time"

	"verifier"
	"verifier/record"
)

// importTool is the tool of deploys that came in from a file: they are history and get no verification.
const importTool = "import"

// arrived decides what a recorded deploy brings about: a watch of its own, a place in a running one, the end of older ones, the
// confirmation of a rollback.
func (c *change) arrived() {
	d := c.scene.Deploy
	if d.Void || d.Tool == importTool {
		return
	}
	switch d.Status {
	case verifier.Started:
		c.started(d)
	case verifier.Succeeded:
		c.succeeded(d)
	case verifier.Failed:
		c.failedDeploy(d)
	}
}

// started opens a watch that waits for the end of the deploy, and pauses rollbacks of what it is about to replace. It is watched from
// the first host that it changed.
func (c *change) started(d verifier.Deploy) {
	c.goOn(d)
	v := c.watch(d.ID)
	if v == nil {
		v = c.open(d)
		if c.overtaken(d) {
			c.close(v, verifier.Superseded, "")
			return
		}
	}
	v.Deploy = d
	if v.Ended == nil && !c.rolls(v, d) {
		v.DueAt = earlier(c.actUntil(d), c.overdueAt(d))
	}
}

// failedDeploy ends the watch, but for a deploy that has changed some hosts already: what they do beside the others is watched.
func (c *change) failedDeploy(d verifier.Deploy) {
	v := c.watch(d.ID)
	if v == nil {
		v = c.open(d)
	}
	v.Deploy = d
	c.goOn(d)
	if v.Ended == nil && c.rolls(v, d) {
		return
	}
	wasWatching := v.State.Watching()
	c.close(v, verifier.CancelledState, deployFailed)
	if wasWatching {
		c.concluded(v)
	}
}

// Why a watch was closed before its deploy was live: if the deploy succeeds after all, the watch begins.
const (
	deployFailed = "deploy_failed"
	noEnd        = "no_end"
	joinedReason = "joined" // of a superseded one: the deploy is watched by another
)

func (c *change) succeeded(d verifier.Deploy) {
	v := c.watch(d.ID)
	switch {
	case v == nil && c.joined(d.ID):
		return
	case v == nil:
	case neverBegan(v):
		v.State, v.Reason, v.Ended, v.DecidedAt = verifier.Waiting, "", nil, nil
	case v.Ended == nil && v.Deploy.Status != verifier.Succeeded:
		c.landed(v, d)
		return
	default:
		c.refresh(v, d)
		return
	}
	answered := c.confirm(d)
	c.stopOlder(d)
	c.suspect(d)
	running := c.running(d)
	switch {
	case c.cutShort(d):
		c.supersededAtOnce(v, d, answered)
	case joins(d) && running != nil && answered == nil && !c.mends(d):
		c.join(running, d, v)
	default:
		if !joins(d) || answered != nil || c.mends(d) {
			c.supersede(d)
		}
		if v == nil {
			v = c.open(d)
		}
		c.begin(v, d, answered)
		c.joinLater(v)
	}
}

// neverBegan reports whether the watch was opened (and perhaps closed) before its deploy was live.
func neverBegan(v *verifier.Verification) bool {
	if v.State == verifier.CancelledState && (v.Reason == deployFailed || v.Reason == noEnd) {
		return true
	}
	return v.Rules == "" && (v.Ended == nil || v.State == verifier.Superseded && v.Reason != joinedReason)
}

// supersededAtOnce is the end of a deploy that arrives after a newer one did.
func (c *change) supersededAtOnce(v *verifier.Verification, d verifier.Deploy, answered *verifier.Verification) {
	if v == nil {
		v = c.open(d)
	}
	v.Deploy = d
	if answered != nil {
		v.Answers = answered.ID
	}
	c.close(v, verifier.Superseded, "")
	c.concluded(v)
}

// refresh takes facts that came later into a watch that runs already. A deploy that goes server by server ends later with each.
func (c *change) refresh(v *verifier.Verification, d verifier.Deploy) {
	was := v.Deploy
	v.Deploy = d
	switch {
	case v.Ended != nil && was.Status != verifier.Succeeded:
		c.landedUnwatched(v, d)
		return
	case v.Ended != nil && !c.reopens(v, was):
		return
	case goesOn(was, d):
		if !joins(d) {
			c.supersede(d)
		}
		c.progress(v)
		return
	}
	rules, _ := c.Rules(d)
	if d.StartedAt != nil && was.StartedAt == nil && v.State == verifier.Waiting && v.Answers == "" {
		v.Baseline = baselineOf(c.scene, d, rules)
	}
	if d.At.Equal(was.At) {
		return
	}
	if !joins(d) {
		c.supersede(d)
	}
	if !v.State.Watching() {
		v.Until = latest(v.Until, d.At.Add(longestWatch(rules)))
		return
	}
	baseline := v.Baseline // ends before the first of the servers
	c.begin(v, d, c.scene.Watch(v.Answers))
	if baseline != nil {
		v.Baseline = baseline
	}
}

// landedUnwatched is a success whose watch a person has cancelled: others see it all the same.
func (c *change) landedUnwatched(v *verifier.Verification, d verifier.Deploy) {
	if answered := c.confirm(d); answered != nil {
		v.Answers = answered.ID
		c.concluded(v)
	}
	c.stopOlder(d)
	if !joins(d) && !c.overtaken(d) {
		c.supersede(d)
	}
}

func (c *change) joined(id string) bool {
	for _, v := range c.scene.Watches {
		for _, j := range v.Joined {
			if j.ID == id {
				return true
			}
		}
	}
	return false
}

// open is a new verification for the deploy, waiting.
func (c *change) open(d verifier.Deploy) *verifier.Verification {
	return c.adopt(verifier.Verification{
		ID: d.ID, Deploy: d, State: verifier.Waiting, From: d.At, Until: d.At, Findings: []verifier.Finding{},
		Late: c.tooLate(d),
	})
}

// tooLate reports whether the deploy's end became known too long after it for anybody to be told.
func (c *change) tooLate(d verifier.Deploy) bool {
	return c.now.Sub(d.At) > c.service(d).Rollback.ActWithin
}

// begin starts the watch with the rules as they are now. answered is the verification whose rollback the deploy is, or nil.
func (c *change) begin(v *verifier.Verification, d verifier.Deploy, answered *verifier.Verification) {
	rules, hash := c.Rules(d)
	v.Deploy, v.From, v.Rules = d, d.FirstChange(), hash
	v.Late = c.tooLate(d)
	v.Baseline = baselineOf(c.scene, d, rules)
	c.answers(v, answered)
	if len(rules) == 0 {
		v.Reason = string(verifier.NoRules)
		v.Findings = []verifier.Finding{}
		c.close(v, verifier.Undecided, string(verifier.NoRules))
		c.concluded(v)
		return
	}
	c.out.RuleSet = &verifier.RuleSet{Hash: hash, Rules: rules}
	if v.Answers == "" {
		v.Behind = c.unjudgedBefore(d)
	}
	if v.Behind == "" {
		v.Unproven = c.unproven(d)
		c.askWayBack(v)
	}
	v.Until = d.LastChange().Add(longestWatch(rules))
	v.DueAt = v.From.Add(shortestStep(rules))
	for i := range rules {
		v.Findings = append(v.Findings[:i:i], pending(rules[i], v))
	}
	c.lineUp(v)
}

// unproven reports whether the release could not be rolled back by itself, since no version before it is known to be good.
func (c *change) unproven(d verifier.Deploy) bool {
	to, _ := record.LastGood(c.scene.History, d)
	return to == "" && !joins(d) && c.service(d).Rollback.Mode != verifier.ModeOff
}

// answers notes whose rollback the deploy is, and compares it with the same stretch. One that was never watched has none.
func (c *change) answers(v, answered *verifier.Verification) {
	if answered == nil {
		return
	}
	v.Answers = answered.ID
	if answered.Baseline != nil {
		v.Baseline = answered.Baseline
	}
}

func pending(r verifier.Rule, v *verifier.Verification) verifier.Finding {
	return verifier.Finding{
		Rule: r.Name, Outcome: verifier.Pending, Text: "waiting for the first data", Unit: r.Measure.Unit, From: v.From, To: v.From,
		OnFail: r.OnFail, Severity: r.Severity, Optional: r.Optional,
	}
}

// joins reports whether the deploy joins a running watch where there is one, and never rolls back.
func joins(d verifier.Deploy) bool {
	return d.Change != verifier.Release || d.Kind == verifier.KindRedeploy
}

// running is the watch of the place that still asks, of a deploy that landed before d.
func (c *change) running(d verifier.Deploy) *verifier.Verification {
	for _, v := range c.scene.Watches {
		if v.ID != d.ID && v.Ended == nil && v.Deploy.Status == verifier.Succeeded && v.Deploy.Before(d) && !d.At.After(c.lastStep(v)) {
			return c.watch(v.ID)
		}
	}
	return nil
}

// join adds the deploy to the running watch; own is the watch that its start opened, or nil.
func (c *change) join(running *verifier.Verification, d verifier.Deploy, own *verifier.Verification) {
	rules, _ := c.Rules(running.Deploy)
	joined := verifier.Joined{ID: d.ID, At: d.At}
	running.Until = running.Until.Add(longestSettle(rules) + longestStep(rules))
	if sameAgain(d, running.Deploy) && len(running.Deploy.Hosts) > 0 { // server by server, an event for each
		joined.Hosts = d.Hosts
		running.Until = latest(running.Until, d.At.Add(longestWatch(rules)))
		lookAgain(running, rules)
	}
	running.Joined = append(running.Joined, joined)
	if !mending(*running).IsZero() {
		running.Until = latest(running.Until, d.At.Add(longestWatch(rules)))
	}
	if own != nil {
		own.Deploy = d
		c.close(own, verifier.Superseded, joinedReason)
	}
}

// joinLater takes changes that landed after v, but were heard of before it, from watches of their own into v's.
func (c *change) joinLater(v *verifier.Verification) {
	if v.Ended != nil {
		return
	}
	for _, old := range c.scene.Watches {
		if old.Ended == nil && old.State.Watching() && old.Deploy.Status == verifier.Succeeded && joins(old.Deploy) && v.Deploy.Before(old.Deploy) &&
			!old.Deploy.At.After(c.lastStep(*v)) {
			own := c.watch(old.ID)
			c.join(v, own.Deploy, own)
		}
	}
}

// overtaken reports whether a newer release is live in the place already.
func (c *change) overtaken(d verifier.Deploy) bool {
	for _, p := range c.scene.History {
		if p.Deploy.MovesLive() && p.Deploy.ID != d.ID && d.Before(p.Deploy) {
			return true
		}
	}
	return false
}

// supersede ends the watches over what d replaced, as far as d cuts them short. A failed one stays failed, and is asked about no more.
// One that has only started begins anew if its deploy ends later.
func (c *change) supersede(d verifier.Deploy) {
	for _, old := range c.scene.Watches {
		if old.ID == d.ID || old.Ended != nil || !old.Deploy.Before(d) || c.wholeBefore(old, d) {
			continue
		}
		v := c.watch(old.ID)
		wasWatching := v.State.Watching()
		c.close(v, verifier.Superseded, "")
		if wasWatching {
			c.concluded(v)
		}
	}
}

// confirm finds the rollback that the deploy answers: one that was sent (or given up too early) to that version, else one that was only
// suggested, and that a person does by hand.
func (c *change) confirm(d verifier.Deploy) *verifier.Verification {
	if d.Change != verifier.Release {
		return nil
	}
	for _, old := range c.scene.Watches {
		if !old.Deploy.Before(d) || !leadsTo(old.Rollback, d.Version) || !wasSent(old.Rollback, d) && !c.byHand(&old, d) {
			continue
		}
		v := c.watch(old.ID)
		r, by := v.Rollback, ""
		if r.SentAt == nil {
			r.To, r.Person, r.By, r.Reasons = d.Version, true, nil, []verifier.GuardReason{}
			by = d.By
		}
		c.settle(v, verifier.RollbackConfirmed, by, "")
		r.ConfirmedAt, r.Answer = &c.now, d.ID
		c.update(v)
		return v
	}
	return nil
}

// leadsTo reports whether the rollback goes to that version, and nothing has confirmed it yet.
func leadsTo(r *verifier.Rollback, version string) bool {
	if r == nil || r.ConfirmedAt != nil {
		return false
	}
	same := func(candidate string) bool { return record.Same(candidate, version) }
	return same(r.To) || r.To == "" && slices.ContainsFunc(r.Candidates, same)
}

// wasSent reports whether the deploy can be what the tool was called for.
func wasSent(r *verifier.Rollback, d verifier.Deploy) bool {
	return r.SentAt != nil && !d.At.Before(r.SentAt.Add(-time.Minute))
}

// byHand reports whether the deploy undoes the failed one before the tool was called, or without it. A verdict that was dismissed is
// not undone.
func (c *change) byHand(failed *verifier.Verification, d verifier.Deploy) bool {
	r := failed.Rollback
	if r.SentAt != nil || failed.State != verifier.FailedState && !r.Person || dismissed(failed) {
		return false
	}
	return !slices.ContainsFunc(c.scene.History, func(p verifier.Past) bool {
		return p.Deploy.MovesLive() && isNewer(p.Deploy, failed.Deploy) && p.Deploy.Before(d)
	})
}
