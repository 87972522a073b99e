package lifecycle

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"verifier"
	"verifier/words"
)

// World is what Step knows besides the scene: the configuration as it is now. It is read live, so a stricter mode or a new guard
// holds for watches that are running already; only rules are those of the verification's creation.
type World struct {
	Catalogue *verifier.Catalogue
	Rules     func(verifier.Deploy) (rules []verifier.Rule, hash string)
	Route     func(verifier.Incident, time.Time) []verifier.Action // who is to be told of an incident; nil tells nobody
	Sinks     func(verifier.State) []string                        // the sinks that a verification in this state is written to; nil: none
	URL       string                                               // of the console, without a slash at its end
	Unrelated Unrelated
	Zone      *time.Location // of the times that people read; nil is UTC
	Frozen    string         // why everything is held by the file beside the store; empty when it is not there
}

// Unrelated says how many services failing together within how long make it the environment's fault.
type Unrelated struct {
	Services int           `yaml:"services"`
	Within   time.Duration `yaml:"within"`
}

// DefaultUnrelated is what holds where nothing is configured.
var DefaultUnrelated = Unrelated{Services: 3, Within: 5 * time.Minute}

// Daemon is who is named where nobody else decided.
const (
	Daemon = "verifier"
	Auto   = "auto"
)

// Event is what happened: Arrived, Judged, Ordered, Called, Readied or Held.
type Event interface{ event() }

// Arrived says that the scene's deploy was recorded, or that new facts about it were.
type Arrived struct{}

// Judged brings the findings of one wake. Shared names the services of the environment, without a deploy of their own, for which
// a failing rule is worse too.
type Judged struct {
	Verification string
	Revision     int64
	Findings     []verifier.Finding
	Evidence     []verifier.Evidence
	Recovered    bool             // at the end of the countdown: every rule that asked for the rollback is back inside its limit
	RecoveredBy  string           // that in words
	Shared       []string         // nil when nobody was asked
	Relapsed     bool             // a rollback was called off, and a rule that asked for it fails again since
	Undone       verifier.Outcome // whether a change that joined the failed watch has undone the fault; empty where none may have
	Next         time.Time
	Rules        []verifier.Rule
}

// Ordered is a person's word on a verification.
type Ordered struct {
	Verification string
	verifier.Order
}

// Called is what became of the call of a rollback. Refused and GaveUp are empty when it was taken.
type Called struct {
	Verification string
	Key          string // the action's
	Message      string
	Stuck        bool // the tool's task waits for a person
	Refused      string
	GaveUp       string
}

// Held says that a hold was put: a rollback that waits is vetoed at once if it is covered.
type Held struct{ Verification string }

// Readied is what the tool said, when a watch began, of deploying the version before again.
type Readied struct {
	Verification string
	WayBack      verifier.WayBack
}

func (Readied) event() {}
func (Arrived) event() {}
func (Held) event()    {}
func (Judged) event()  {}
func (Ordered) event() {}
func (Called) event()  {}

// Step is every decision of the daemon: what follows from the event, in words and rows. It changes neither the scene nor the
// world. Errors are ErrConflict (the state does not allow it, or somebody else was there first), ErrInvalid and ErrNotFound.
func (w World) Step(s *verifier.Scene, e Event, now time.Time) (verifier.Effects, error) {
	c := &change{World: w, scene: s, now: now, touched: map[string]bool{}, told: map[string]bool{}}
	var err error
	switch e := e.(type) {
	case Arrived:
		c.arrived()
	case Judged:
		err = c.judged(e)
	case Ordered:
		err = c.ordered(e)
	case Called:
		err = c.called(e)
	case Readied:
		err = c.readied(e)
	case Resulted:
		err = c.resulted(e)
	case Held:
		c.held(e)
	default:
		panic(fmt.Sprintf("unreachable: event %T", e))
	}
	if err != nil {
		return verifier.Effects{}, err
	}
	return c.effects(), nil
}

// change is one decision being made: copies of what it touches, and what it writes besides.
type change struct {
	World
	scene   *verifier.Scene
	now     time.Time
	watches []*verifier.Verification // touched, in order
	touched map[string]bool
	told    map[string]bool // incidents already copied
	cases   []*verifier.Incident
	rules   []verifier.Rule // of the watch that was judged
	out     verifier.Effects
}

// watch is the verification to be changed: a copy of the scene's, made once.
func (c *change) watch(id string) *verifier.Verification {
	for _, v := range c.watches {
		if v.ID == id {
			return v
		}
	}
	v := c.scene.Watch(id)
	if v == nil {
		return nil
	}
	w := copyOf(*v)
	w.Deploy = asRecorded(c.scene, w.Deploy)
	return c.adopt(w)
}

// asRecorded is the deploy with what the record derives of it now: an older deploy that arrived later may have made a rollback of
// it, or have unmade one. A release that so became a redeploy stays what its watch was opened for.
func asRecorded(s *verifier.Scene, d verifier.Deploy) verifier.Deploy {
	for _, p := range s.History {
		if p.Deploy.ID != d.ID {
			continue
		}
		if kind := p.Deploy.Kind; kind == verifier.KindRollback || d.Kind == verifier.KindRollback {
			d.Kind = kind
		}
		if p.Deploy.Kind != verifier.KindRedeploy {
			d.Previous = p.Deploy.Previous
		}
	}
	return d
}

func (c *change) adopt(v verifier.Verification) *verifier.Verification {
	c.watches = append(c.watches, &v)
	c.touched[v.ID] = true
	return c.watches[len(c.watches)-1]
}

func copyOf(v verifier.Verification) verifier.Verification {
	if v.Rollback != nil {
		r := *v.Rollback
		v.Rollback = &r
	}
	v.Findings = append([]verifier.Finding(nil), v.Findings...)
	v.Joined = append([]verifier.Joined(nil), v.Joined...)
	return v
}

func (c *change) effects() verifier.Effects {
	c.tell()
	for _, v := range c.watches {
		v.DueAt = c.due(v)
		c.sink(v)
		c.out.Verifications = append(c.out.Verifications, *v)
	}
	for _, in := range c.cases {
		c.out.Incidents = append(c.out.Incidents, *in)
		if c.Route != nil {
			c.out.Actions = append(c.out.Actions, c.Route(*in, c.now)...)
		}
	}
	return c.out
}

func (c *change) audit(by, what, subject, reason, detail string) {
	c.out.Audit = append(c.out.Audit, verifier.Audit{At: c.now, By: by, What: what, Subject: subject, Reason: reason, Detail: detail})
}

func (c *change) service(d verifier.Deploy) verifier.Service {
	return c.Catalogue.Service(d.Place, d.Team)
}

// due is when the verification must be looked at next; zero when nothing is waited for.
func (c *change) due(v *verifier.Verification) time.Time {
	var due time.Time
	sooner := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	if v.Ended == nil {
		sooner(cmp.Or(v.DueAt, c.now))
	}
	r := v.Rollback
	if r == nil {
		return due
	}
	switch r.State {
	case verifier.RollbackProposed, verifier.RollbackApproved:
		if r.Paused != nil {
			sooner(c.now.Add(pausePoll))
			if long := c.pausedLong(v); !r.Paused.Long {
				sooner(long)
			}
			break
		}
		sooner(c.expiresAt(v))
		if r.SendAt != nil {
			sooner(*r.SendAt)
		}
	case verifier.RollbackSent:
		sooner(r.SentAt.Add(c.service(v.Deploy).Rollback.ConfirmWithin))
	}
	return due
}

// pausePoll is how often a rollback that is paused looks whether the newer release is still under way.
const pausePoll = time.Minute

// actUntil is the end of the stretch in which the daemon may act on a deploy.
func (c *change) actUntil(d verifier.Deploy) time.Time {
	return d.At.Add(c.service(d).Rollback.ActWithin)
}

// end closes the watch: nothing more is asked. What no rule has decided by then stays undecided.
func (c *change) end(v *verifier.Verification) {
	if v.Ended != nil {
		return
	}
	v.Ended = &c.now
	for i := range v.Findings {
		if f := &v.Findings[i]; f.Outcome == verifier.Pending {
			f.Outcome, f.Reason, f.At = verifier.Inconclusive, verifier.TooLittleData, &c.now
			f.Text = "Not judged: the watch ended " + words.Time(c.now, c.now, c.Zone) + whyEnded(v) + "."
		}
	}
}

// whyEnded is why a watch ended before its rules were decided, for the end of a sentence.
func whyEnded(v *verifier.Verification) string {
	switch {
	case v.State == verifier.Superseded && v.Reason == joinedReason:
		return ", because another watch covers the deploy"
	case v.State == verifier.Superseded, v.State == verifier.FailedState:
		return " before there were enough data"
	case v.Reason == deployFailed:
		return ", because the deploy failed"
	case v.Reason == noEnd:
		return ", because the deploy had no end"
	case v.State == verifier.CancelledState:
		return ", because somebody cancelled it"
	}
	return ""
}

// close ends a watch that has no verdict yet.
func (c *change) close(v *verifier.Verification, state verifier.State, reason string) {
	if v.State.Watching() {
		v.State, v.Reason = state, reason
		v.DecidedAt = &c.now
	}
	c.end(v)
}

func conflict(field, format string, args ...any) error {
	return &verifier.ConflictError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

func isConflict(err error) bool { return errors.Is(err, verifier.ErrConflict) }
