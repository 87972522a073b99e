package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// environmentHold begins the id of a hold that the daemon made itself.
const environmentHold = "environment:"

func environmentHoldID(env string) string { return environmentHold + strings.ToLower(env) }

// environmentHeld reports whether the daemon holds the environment to be the trouble.
func (c *change) environmentHeld(env string) bool {
	return slices.ContainsFunc(slices.Concat(c.scene.Holds, c.out.Holds), func(h verifier.Hold) bool {
		return h.ID == environmentHoldID(env) && h.Active(c.now)
	})
}

// lookAtEnvironment asks, of a failure that no rollback answers, whether the environment is the trouble.
func (c *change) lookAtEnvironment(v *verifier.Verification) {
	g := &guarding{World: c.World, scene: c.scene, v: v, now: c.now}
	if held, why := g.environment(); held {
		c.holdEnvironment(v, why)
	}
}

// holdEnvironment stops rollbacks in the environment for an hour, and says so once: from then on the services of the environment
// wake nobody by themselves, those that failed before neither where the page is not sent yet.
func (c *change) holdEnvironment(v *verifier.Verification, why string) {
	env := v.Deploy.Environment
	if c.environmentHeld(env) {
		return
	}
	id, until := environmentHoldID(env), c.now.Add(time.Hour)
	c.out.Holds = append(c.out.Holds, verifier.Hold{
		ID: id, By: Daemon, Reason: why, At: c.now, Until: &until, Services: []string{}, Environments: []string{env}, Teams: []string{},
		Stops: []string{verifier.StopsRollback},
	})
	c.audit(Daemon, "hold", id, why, "")
	c.environmentIncident(env, id, why, until)
	for _, known := range c.scene.Incidents {
		for i, m := range known.Members {
			if m.Person && m.Resolved == nil && strings.EqualFold(m.Place.Environment, env) {
				excuse(&c.incident(known.ID).Members[i], false)
			}
		}
	}
}

// excuse keeps a member from waking anybody: its environment has a page of its own. A rollback that a person asked for and that
// went wrong is still theirs to know.
func excuse(m *verifier.Member, byPerson bool) {
	if !m.Person || byPerson {
		return
	}
	m.Person, m.Says = false, "No rollback: "+m.Place.Environment+" itself seems to be the trouble"
	m.Rollback = joined(m.Rollback, "The environment has an alert of its own")
}

// environmentIncident is the one page about an environment whose services fail together.
func (c *change) environmentIncident(env, id, why string, until time.Time) {
	in := &verifier.Incident{
		ID: fmt.Sprintf("%s/%d", id, c.now.UnixMilli()), Kind: verifier.IncidentEnvironment, Opened: c.now,
		Labels: map[string]string{"kind": string(verifier.IncidentEnvironment), "environment": env, "severity": string(verifier.SeverityPage), "outcome": "held"},
		Title:  env + " itself seems to be the trouble: rollbacks are held",
		Text: fmt.Sprintf("%s\nRollbacks in %s are held until %s, or until somebody ends the hold %s",
			line(capital(why)), env, words.Time(until, c.now, c.Zone), id),
		Severity: verifier.SeverityPage, Person: true, URL: c.URL + "/holds",
	}
	if c.URL != "" {
		in.Links = []verifier.Link{{Text: "Holds", URL: in.URL}, {Text: "Incidents", URL: c.URL + "/incidents"}}
	}
	c.cases = append(c.cases, in)
}

// vetoedWithEnvironment reports whether the rollback is held because the environment is the trouble: that has its own page.
func vetoedWithEnvironment(r *verifier.Rollback) bool {
	return environmentDenial(r) != ""
}

// environmentDenial is what the guards said of the environment where they hold it to be the trouble, else empty.
func environmentDenial(r *verifier.Rollback) string {
	for _, g := range r.Guards {
		held, byDaemon := strings.CutPrefix(g.Text, heldBy+Daemon+": ")
		switch {
		case !g.Denies:
		case g.Guard == verifier.GuardEnvironment, g.Guard == verifier.GuardHeld && byDaemon:
			return held
		}
	}
	return ""
}
