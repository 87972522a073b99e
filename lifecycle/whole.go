package lifecycle

import (
	"time"

	"verifier"
)

// Deploys may be heard of late, and many at once. A deploy is superseded only as far as a newer release cuts its watch short; one whose
// whole watch lies before that is judged, and what came after it waits for that verdict, which says what it is compared with.

// cutShort reports whether a newer release began before the watch over d would be over.
func (c *change) cutShort(d verifier.Deploy) bool {
	rules, _ := c.Rules(d)
	until := d.LastChange().Add(longestWatch(rules) + longestExtend(rules))
	for _, p := range c.scene.History {
		if p.Deploy.MovesLive() && p.Deploy.ID != d.ID && d.Before(p.Deploy) && p.Deploy.Began().Before(until) {
			return true
		}
	}
	return false
}

// wholeBefore reports whether all of the watch lies before d began.
func (c *change) wholeBefore(v verifier.Verification, d verifier.Deploy) bool {
	return v.Rules != "" && v.Deploy.Status == verifier.Succeeded && !c.lastStep(v).After(d.Began())
}

// lastStep is the end of what the watch may ask about.
func (c *change) lastStep(v verifier.Verification) time.Time {
	rules, _ := c.Rules(v.Deploy)
	return v.Until.Add(longestExtend(rules))
}

func longestExtend(rules []verifier.Rule) time.Duration {
	return longest(rules, func(r verifier.Rule) time.Duration { return r.Extend })
}

// unjudgedBefore is the id of the watch over the release that was live when d landed, where it has no verdict yet; else empty.
func (c *change) unjudgedBefore(d verifier.Deploy) string {
	live, _ := before(c.scene.History, d)
	if live == nil {
		return ""
	}
	if v := c.asItStands(live.Deploy.ID); v != nil && v.Ended == nil && v.State.Watching() && v.Rules != "" {
		return v.ID
	}
	return ""
}

// lineUp lets the watches over later releases wait for v's verdict, as far as they have seen nothing yet.
func (c *change) lineUp(v *verifier.Verification) {
	for _, later := range c.scene.Watches {
		if later.ID == v.ID || later.Ended != nil || later.State != verifier.Waiting || later.Rules == "" || later.Answers != "" || !v.Deploy.Before(later.Deploy) {
			continue
		}
		if c.unjudgedBefore(later.Deploy) == v.ID {
			c.watch(later.ID).Behind = v.ID
		}
	}
}

// behindPoll is how often a watch that waits for another's verdict looks for it; the verdict itself wakes it at once.
const behindPoll = 15 * time.Second

// waitsBehind reports whether the watch waits for the verdict on the deploy before. When that is there it begins, with the right
// baseline.
func (c *change) waitsBehind(v *verifier.Verification) bool {
	if v.Behind == "" {
		return false
	}
	if first := c.scene.Watch(v.Behind); first != nil && first.Ended == nil && first.State.Watching() {
		v.DueAt = c.now.Add(behindPoll)
		return true
	}
	late := v.Late
	v.Behind = ""
	c.begin(v, v.Deploy, c.scene.Watch(v.Answers))
	v.Late, v.DueAt = late, c.now
	return true
}

// wakeBehind wakes what waits for the verdict that has fallen.
func (c *change) wakeBehind(v *verifier.Verification) {
	for _, later := range c.scene.Watches {
		if later.Behind == v.ID && later.Ended == nil {
			c.watch(later.ID).DueAt = c.now
		}
	}
}

// passedSince reports whether a later release of the place has passed already.
func (c *change) passedSince(v *verifier.Verification) bool {
	for _, p := range c.scene.History {
		if p.State == verifier.Passed && p.Deploy.MovesLive() && isNewer(p.Deploy, v.Deploy) {
			return true
		}
	}
	return false
}
