package lifecycle

import (
	"time"

	"verifier"
)

// What stops a rollback that is proposed or counts down: a newer release that succeeded cancels it, one that was merely started
// pauses it, and a configuration, a toggle or infrastructure that changed leaves it to a person. A scale-out and the same version once
// more stop nothing.

// isNewer reports whether d is another release, later than the verification's.
func isNewer(d verifier.Deploy, than verifier.Deploy) bool {
	return d.Change == verifier.Release && !d.Void && d.ID != than.ID && than.Before(d) && !sameAgain(d, than)
}

// muddles reports whether d may be the cause of what the watch sees, so that only a person may roll the release back.
func muddles(d verifier.Deploy, than verifier.Deploy) bool {
	switch d.Change {
	case verifier.Config, verifier.Toggle, verifier.Infra:
		return !d.Void && d.ID != than.ID && than.Before(d) && d.Status != verifier.Failed
	}
	return false
}

// underWay is a newer release that was started and has no end yet, or nil.
func (w World) underWay(s *verifier.Scene, v *verifier.Verification, now time.Time) *verifier.Deploy {
	for i := range s.History {
		p := &s.History[i]
		if !isNewer(p.Deploy, v.Deploy) || p.Deploy.Status != verifier.Started {
			continue
		}
		closed := p.State == verifier.CancelledState && p.Ended != nil
		if within := w.Catalogue.Service(p.Deploy.Place, p.Deploy.Team).Rollback.ActWithin; !closed && now.Before(p.Deploy.At.Add(within)) {
			return &p.Deploy
		}
	}
	return nil
}

// replaced is the newest release that went live after the verification's, or nil.
func replaced(s *verifier.Scene, v *verifier.Verification) *verifier.Deploy {
	for i := range s.History { // newest first
		if d := &s.History[i].Deploy; d.MovesLive() && isNewer(*d, v.Deploy) {
			return d
		}
	}
	return nil
}

// rollbacksBefore are the verifications of releases older than d whose rollback waits for a person or its time.
func (c *change) rollbacksBefore(d verifier.Deploy) []*verifier.Verification {
	var out []*verifier.Verification
	for _, old := range c.scene.Watches {
		if old.ID != d.ID && old.Rollback != nil && old.Deploy.Before(d) && mayBeStopped(old.Rollback.State) {
			out = append(out, c.watch(old.ID))
		}
	}
	return out
}

func mayBeStopped(s verifier.RollbackState) bool {
	return s == verifier.RollbackProposed || s == verifier.RollbackApproved
}

// stopOlder lets a deploy that went live stop what waits in its place.
func (c *change) stopOlder(d verifier.Deploy) {
	for _, v := range c.rollbacksBefore(d) {
		switch {
		case !mayBeStopped(v.Rollback.State): // it is what d answers
		case isNewer(d, v.Deploy):
			c.settle(v, verifier.RollbackCancelled, Daemon, deployedText(d))
			c.update(v)
		case muddles(d, v.Deploy):
			c.vetoIfStopped(v)
		}
	}
}

func deployedText(d verifier.Deploy) string {
	if d.By == "" {
		return d.Version + " was deployed"
	}
	return d.By + " deployed " + d.Version
}

// goOn pauses and resumes what waits in the place of a release that was started, or has failed.
func (c *change) goOn(d verifier.Deploy) {
	if d.Change != verifier.Release {
		return
	}
	for _, v := range c.rollbacksBefore(d) {
		c.pauseOrResume(v)
	}
}

// pauseOrResume lets a rollback wait as long as a newer release is under way. It reports whether it waits.
func (c *change) pauseOrResume(v *verifier.Verification) bool {
	r := v.Rollback
	newer := c.underWay(c.scene, v, c.now)
	switch {
	case newer == nil && r.Paused == nil:
		return false
	case newer == nil:
		c.resume(v)
		return r.Paused != nil
	case r.Paused == nil:
		c.pause(v, newer)
	case r.Paused.Deploy != newer.ID:
		r.Paused.Deploy, r.Paused.Version, r.Paused.By = newer.ID, newer.Version, newer.By
	}
	r.Paused.Long = !c.now.Before(c.pausedLong(v))
	c.update(v)
	return true
}

// pausedLong is when a person is called because the pause goes on.
func (c *change) pausedLong(v *verifier.Verification) time.Time {
	return v.Rollback.Paused.At.Add(c.service(v.Deploy).Rollback.ConfirmWithin)
}

func (c *change) pause(v *verifier.Verification, newer *verifier.Deploy) {
	r := v.Rollback
	r.Paused = &verifier.Pause{Deploy: newer.ID, Version: newer.Version, By: newer.By, At: c.now}
	if r.SendAt != nil {
		r.Paused.Left = max(0, r.SendAt.Sub(c.now))
		r.SendAt = nil
	}
	c.audit(Daemon, "rollback paused", v.ID, newer.Version+" was started", "to "+r.To)
}

// resume lets the rollback go on where it was paused. The guards are asked again.
func (c *change) resume(v *verifier.Verification) {
	r := v.Rollback
	left := r.Paused.Left
	r.PausedFor += c.now.Sub(r.Paused.At)
	r.Paused = nil
	c.audit(Daemon, "rollback resumed", v.ID, "", "to "+r.To)
	if r.Person {
		c.send(v, askedAgain(r))
		return
	}
	c.record(v, c.guard(v, askedAgain(r)))
	switch {
	case len(r.Reasons) > 0:
		c.settle(v, verifier.RollbackVetoed, "", "")
	case r.State == verifier.RollbackApproved:
		send := c.now.Add(left)
		r.SendAt = &send
	}
	c.update(v)
}

// askedAgain is what the guards are asked of a rollback that waited.
func askedAgain(r *verifier.Rollback) asked {
	a := asked{person: r.Person, admin: r.Admin, to: r.To}
	if r.Person {
		a.reason = r.Reason
	}
	return a
}

// alreadyRollingBack is another verification of the place whose rollback is approved, sent or not yet judged, or nil: there is one at
// a time.
func alreadyRollingBack(s *verifier.Scene, v *verifier.Verification) *verifier.Verification {
	for i := range s.Watches {
		other := &s.Watches[i]
		r := other.Rollback
		if other.ID == v.ID || r == nil || r.Over() || r.State == verifier.RollbackProposed || other.Deploy.Place.Key() != v.Deploy.Place.Key() {
			continue
		}
		if r.State == verifier.RollbackConfirmed {
			if answer := s.Watch(r.Answer); answer == nil || answer.Ended != nil {
				continue
			}
		}
		return other
	}
	return nil
}

// pausedFor is how long the rollback was paused altogether.
func pausedFor(r *verifier.Rollback, now time.Time) time.Duration {
	switch {
	case r == nil:
		return 0
	case r.Paused != nil:
		return r.PausedFor + now.Sub(r.Paused.At)
	}
	return r.PausedFor
}
