package lifecycle

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"verifier"
)

// TestAnyCourseOfEvents drives the daemon's decisions, on a real store with simulated time, through random releases, starts, failures,
// scale-outs, toggles, holds, orders, restarts and late events, and checks after every step and at the end what must hold whatever
// happened: who is paged, what is rolled back and to what, and that every link of a page is accepted when it is pressed.
func TestAnyCourseOfEvents(t *testing.T) {
	checks := "15"
	if os.Getenv("VERIFIER_LONG") != "" {
		checks = "400"
	}
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(checks) // unreachable error: it is a number
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "course-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		c := newCourse(rt, newSimIn(rt, dir, verifier.ModeAuto))
		defer c.store.Close()
		for range rapid.IntRange(5, 40).Draw(rt, "events") {
			c.happen()
			c.check()
		}
		c.quiet()
		c.check()
		c.checkEnd()
	})
}

// course is a sim to which things happen at random, and what the test itself knows about them.
type course struct {
	*sim
	rt      *rapid.T
	places  []verifier.Place
	next    map[string]int               // the number of the next version, by place
	bad     map[string]bool              // versions that are broken, by place and version
	changed map[string][]time.Time       // configurations, toggles and infrastructure that changed, by place
	started map[string][]verifier.Deploy // deploys without an end, by place
	held    bool                         // a person's hold over everything
	watches map[string]verifier.Place    // every verification
	calls   int                          // checked already
	told    int                          // checked already
	log     []string                     // what happened, for the reader of a failure
}

func newCourse(rt *rapid.T, s *sim) *course {
	s.rules[0].Every = time.Minute
	c := &course{
		sim: s, rt: rt, next: map[string]int{}, bad: map[string]bool{}, changed: map[string][]time.Time{}, started: map[string][]verifier.Deploy{}, watches: map[string]verifier.Place{},
		places: []verifier.Place{
			{Service: "checkout", Environment: "production", Target: "eu"}, {Service: "checkout", Environment: "production", Target: "us"}, {Service: "search", Environment: "production"},
		},
	}
	for _, p := range c.places {
		c.release(p, false)
	}
	s.run(40 * time.Minute)
	for _, p := range c.places {
		c.release(p, false)
	}
	s.run(20 * time.Minute)
	return c
}

func (c *course) note(format string, args ...any) {
	c.log = append(c.log, c.clock.Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (c *course) fail(format string, args ...any) {
	c.rt.Helper()
	c.rt.Fatalf("%s\nwhat happened:\n  %s", fmt.Sprintf(format, args...), strings.Join(c.log, "\n  "))
}

// version is a new version of the place, broken or not.
func (c *course) version(p verifier.Place, bad bool) string {
	key := liveKey(p)
	name := fmt.Sprintf("1.%d", c.next[key])
	c.next[key]++
	if bad {
		c.bad[key+" "+name] = true
		c.broken[key+" "+name] = 0.2
	}
	return name
}

func (c *course) send(p verifier.Place, change func(*verifier.Deploy)) verifier.Deploy {
	var sent verifier.Deploy
	r := c.deploy(p.Service, "", func(d *verifier.Deploy) {
		d.Place = p
		change(d)
		sent = *d
	})
	if r.Verification != "" {
		c.watches[r.Verification] = p
	}
	c.note("%s %s of %s %s in %q (%s)", sent.Change, sent.Status, sent.Service, sent.Version, sent.Target, sent.ID)
	return sent
}

func (c *course) release(p verifier.Place, bad bool) {
	version := c.version(p, bad)
	c.send(p, func(d *verifier.Deploy) { d.Version = version })
}

func (c *course) place() verifier.Place { return rapid.SampledFrom(c.places).Draw(c.rt, "place") }

// liveVersion is what runs in the place, and since when.
func (c *course) liveVersion(p verifier.Place) version {
	all := c.live[liveKey(p)]
	return all[len(all)-1]
}

// happen is one thing that happens.
func (c *course) happen() {
	events := map[string]func(){
		"release":     func() { c.release(c.place(), rapid.Bool().Draw(c.rt, "bad")) },
		"bad release": func() { c.release(c.place(), true) },
		"start": func() {
			p := c.place()
			version := c.version(p, rapid.Bool().Draw(c.rt, "bad"))
			d := c.send(p, func(d *verifier.Deploy) { d.Version, d.Status = version, verifier.Started })
			c.started[liveKey(p)] = append(c.started[liveKey(p)], d)
		},
		"end": func() {
			p := c.place()
			waiting := c.started[liveKey(p)]
			if len(waiting) == 0 {
				return
			}
			status := rapid.SampledFrom([]verifier.Status{verifier.Succeeded, verifier.Failed}).Draw(c.rt, "end")
			c.started[liveKey(p)] = waiting[1:]
			c.send(p, func(d *verifier.Deploy) { d.ID, d.Version, d.Status = waiting[0].ID, waiting[0].Version, status })
		},
		"redeploy": func() {
			p := c.place()
			c.send(p, func(d *verifier.Deploy) { d.Version = c.liveVersion(p).name })
		},
		"older version by hand": func() {
			p := c.place()
			all := c.live[liveKey(p)]
			c.send(p, func(d *verifier.Deploy) { d.Version, d.By = rapid.SampledFrom(all).Draw(c.rt, "version").name, "cara" })
		},
		"change": func() {
			p := c.place()
			change := rapid.SampledFrom([]verifier.Change{verifier.Scale, verifier.Toggle, verifier.Config, verifier.Infra}).Draw(c.rt, "change")
			c.send(p, func(d *verifier.Deploy) { d.Version, d.Change = c.liveVersion(p).name, change })
			if change != verifier.Scale {
				c.changed[liveKey(p)] = append(c.changed[liveKey(p)], c.clock)
			}
		},
		"late release": func() {
			p, version := c.place(), ""
			version = c.version(p, false)
			at := c.clock.Add(-time.Duration(rapid.IntRange(1, 180).Draw(c.rt, "minutes late")) * time.Minute)
			c.send(p, func(d *verifier.Deploy) { d.Version, d.At = version, at })
		},
		"hold": func() {
			c.held = !c.held
			c.note("hold %t", c.held)
			if !c.held {
				if err := c.store.EndHold(c.rt.Context(), "all", "ben", c.clock); err != nil {
					c.rt.Fatal(err)
				}
				return
			}
			err := c.store.PutHold(c.rt.Context(), verifier.Hold{ID: "all", By: "ben", Reason: "sale", At: c.clock, Stops: []string{verifier.StopsRollback}})
			if err != nil {
				c.rt.Fatal(err)
			}
			for id := range c.watches {
				_ = c.decide(id, Held{Verification: id}) // a conflict is the runner's turn
			}
		},
		"order": func() {
			if len(c.watches) == 0 {
				return
			}
			id := rapid.SampledFrom(c.ids()).Draw(c.rt, "verification")
			verb := rapid.SampledFrom([]verifier.Verb{verifier.Approve, verifier.Deny, verifier.Cancel, verifier.RollBack, verifier.Dismiss}).Draw(c.rt, "verb")
			to := ""
			if rapid.Bool().Draw(c.rt, "names a version") {
				to = rapid.SampledFrom(c.live[liveKey(c.watches[id])]).Draw(c.rt, "version").name
			}
			err := c.order(id, verb, to)
			if err != nil && !errors.Is(err, verifier.ErrConflict) && !errors.Is(err, verifier.ErrInvalid) {
				c.fail("%s %s: %v", verb, id, err)
			}
			c.note("%s %s %s: %v", verb, id, to, err)
		},
		"mode": func() {
			mode := rapid.SampledFrom([]verifier.RollbackMode{verifier.ModeAuto, verifier.ModeApprove, verifier.ModeSuggest, verifier.ModeOff}).Draw(c.rt, "mode")
			c.note("mode %s", mode)
			c.entries = append(c.entries[:1:1], verifier.Entry{Apply: func(to *verifier.Service) { to.Rollback.Mode = mode }})
		},
		"deploy tool": func() {
			c.follows = rapid.Bool().Draw(c.rt, "follows")
			refuses := rapid.Bool().Draw(c.rt, "refuses")
			c.note("the deploy tool follows: %t, refuses: %t", c.follows, refuses)
			c.answer = func(verifier.RollbackCall) error {
				if refuses {
					return errors.New("no")
				}
				return nil
			}
		},
		"restart": func() {
			c.note("restart")
			was := c.runner
			c.runner = &Runner{
				lanes: newLanes(), Store: was.Store, Now: was.Now, Log: was.Log, World: was.World, Sources: was.Sources, Performers: was.Performers, Observer: was.Observer,
			}
			if err := c.store.Reclaim(c.rt.Context(), c.clock, lease); err != nil {
				c.rt.Fatal(err)
			}
		},
		"time": func() {
			d := time.Duration(rapid.IntRange(5, 1500).Draw(c.rt, "seconds")) * time.Second
			c.note("%s pass", d)
			c.run(d)
		},
	}
	names := make([]string, 0, len(events))
	for name := range events {
		names = append(names, name)
	}
	slices.Sort(names)
	events[rapid.SampledFrom(names).Draw(c.rt, "event")]()
	if rapid.Bool().Draw(c.rt, "some minutes after it") {
		c.note("5 min pass")
		c.run(5 * time.Minute)
	}
}

func (c *course) ids() []string {
	ids := make([]string, 0, len(c.watches))
	for id := range c.watches {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// quiet lets everything come to its end: no deploy waits any more, nothing else happens.
func (c *course) quiet() {
	c.note("quiet")
	c.run(3 * time.Hour)
}

// all are the verifications as they stand, by id.
func (c *course) all() map[string]verifier.Verification {
	out := map[string]verifier.Verification{}
	for _, id := range c.ids() {
		v, err := c.store.Verification(c.rt.Context(), id)
		if err != nil {
			c.fail("%v", err)
		}
		out[id] = v
	}
	return out
}

// check holds what must be true at every moment.
func (c *course) check() {
	all := c.all()
	inProgress := map[string]string{}
	for id, v := range all {
		r := v.Rollback
		if r == nil || r.State != verifier.RollbackApproved && r.State != verifier.RollbackSent {
			continue
		}
		key := v.Deploy.Place.Key()
		if other := inProgress[key]; other != "" {
			c.fail("two rollbacks of %s are in progress at once: of %s and of %s", v.Deploy.Place, other, id)
		}
		inProgress[key] = id
	}
	for ; c.calls < len(c.sim.calls); c.calls++ {
		c.checkCall(c.sim.calls[c.calls], all)
	}
	for ; c.told < len(c.sim.told); c.told++ {
		c.checkTold(c.sim.told[c.told])
	}
	c.checkLinks()
}

// checkCall holds one call for a rollback against what the test knows.
func (c *course) checkCall(call verifier.RollbackCall, all map[string]verifier.Verification) {
	v := all[call.Verification]
	p := v.Deploy.Place
	key := liveKey(p)
	c.note("rollback of %s %s in %q to %s by %s", call.Service, call.From, call.Target, call.To, call.By)
	if call.Target != p.Target || call.Service != p.Service {
		c.fail("the rollback of %s was sent to %s (%s)", p, call.Service, call.Target)
	}
	if !slices.ContainsFunc(c.live[key], func(l version) bool { return l.name == call.To && l.at.Before(call.At) }) {
		c.fail("the rollback of %s goes to %s, which was never live there", p, call.To)
	}
	for _, other := range all {
		if d := other.Deploy; d.Place.Key() == p.Key() && d.Version == call.To && other.FailedAt != nil && !other.FailedAt.After(call.At) && !dismissed(&other) && !passedLater(all, other) {
			c.fail("the rollback of %s goes to %s, which failed there (%s)", p, call.To, other.ID)
		}
	}
	if call.By != Auto {
		return
	}
	if c.held {
		c.fail("%s was rolled back by the daemon under a hold", p)
	}
	if !c.bad[key+" "+call.From] {
		c.fail("%s of %s is good and was rolled back by the daemon", call.From, p)
	}
	for _, at := range c.changed[key] {
		if at.After(v.Deploy.At) && !at.After(call.At) {
			c.fail("%s was rolled back by the daemon although its configuration changed during the watch", p)
		}
	}
}

// passedLater reports whether the version passed in the same place after it failed.
func passedLater(all map[string]verifier.Verification, failed verifier.Verification) bool {
	for _, v := range all {
		if v.State == verifier.Passed && v.Deploy.Place.Key() == failed.Deploy.Place.Key() && v.Deploy.Version == failed.Deploy.Version && failed.Deploy.Before(v.Deploy) {
			return true
		}
	}
	return false
}

// checkTold holds a message against the habits of what people read.
func (c *course) checkTold(in verifier.Incident) {
	c.note("told (person %t): %s", in.Person, in.Title)
	for _, text := range []string{in.Title, in.Text} {
		for _, bad := range []string{"  ", "not_recovered", "0001-01-01", "no_target", "too_few_samples", " to :", "by :", "()", "to was", "<nil>", "%!"} {
			if strings.Contains(text, bad) {
				c.fail("a message holds %q: %q", bad, text)
			}
		}
	}
	if strings.TrimSpace(in.Title) == "" {
		c.fail("a message without a title: %+v", in)
	}
}

// checkEnd holds what must be true when everything is over: no bad release is live that nobody was woken for.
func (c *course) checkEnd() {
	all := c.all()
	for id, v := range all {
		d := v.Deploy
		key := liveKey(d.Place)
		live := c.liveVersion(d.Place)
		if v.State != verifier.FailedState || v.Late || d.Version != live.name || live.at.After(d.At) || !d.MovesLive() || !c.bad[key+" "+live.name] {
			continue
		}
		r := v.Rollback
		switch {
		case dismissed(&v), r != nil && r.By != nil && *r.By != Auto && *r.By != Daemon: // a person's word
		case r != nil && (r.State == verifier.RollbackSent || r.State == verifier.RollbackApproved): // in progress
		case !c.woken(id):
			c.fail("%s of %s is bad and live, and nobody was woken (%s, rollback %s)\n%s", d.Version, d.Place, v.State, rollbackState(&v), detail(v))
		}
	}
	for id, v := range all {
		if v.Ended == nil {
			c.fail("the watch %s of %s has not ended (%s)", id, v.Deploy.Place, v.State)
		}
		for _, f := range v.Findings {
			if f.Outcome == verifier.Pending {
				c.fail("the watch %s has ended (%s) and %s is pending", id, v.State, f.Rule)
			}
		}
	}
}

// woken reports whether the last message about the verification still asks for somebody.
func (c *course) woken(id string) bool {
	for _, in := range slices.Backward(c.sim.told) {
		if i := slices.IndexFunc(in.Members, func(m verifier.Member) bool { return m.Verification == id }); i >= 0 {
			return in.Person && in.Members[i].Person && in.Members[i].Resolved == nil
		}
	}
	return false
}

var errOnlyAsked = errors.New("only asked")

// checkLinks presses every link of the last word on every open incident, without doing what it asks for.
func (c *course) checkLinks() {
	last := map[string]verifier.Incident{}
	for _, in := range c.sim.told {
		last[in.ID] = in
	}
	for _, in := range last {
		for _, link := range in.Links {
			page, verb, acts := strings.Cut(link.URL, "#")
			if !acts {
				continue
			}
			id := page[strings.LastIndex(page, "/")+1:]
			world := c.runner.World()
			_, err := c.store.Decide(c.rt.Context(), id, func(scene *verifier.Scene) (verifier.Effects, error) {
				_, err := world.Step(scene, Ordered{Verification: id, Order: verifier.Order{Verb: verbOf(verb), By: "ben", Reason: "because"}}, c.clock)
				if err == nil {
					err = errOnlyAsked
				}
				return verifier.Effects{}, err
			})
			if !errors.Is(err, errOnlyAsked) {
				c.fail("the link %q of %q is refused: %v", link.Text, in.Title, err)
			}
		}
	}
}

// verbOf is what the anchor of a link asks for.
func verbOf(anchor string) verifier.Verb {
	if anchor == "stop" {
		return verifier.Cancel
	}
	return verifier.Verb(anchor)
}
