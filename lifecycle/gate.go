package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/record"
)

// GateCase is what a gate's answer is made of.
type GateCase struct {
	Place    verifier.Place // where the version wants to go
	Team     string
	Version  string
	Gates    []verifier.Gate              // into that environment, for that service
	History  map[string][][]verifier.Past // of the service by environment in lower case, one for each target, newest first
	Watches  map[string]verifier.Verification
	Holds    []verifier.Hold
	Override *verifier.GateOverride
	Zone     *time.Location // of times in the sentences; nil: UTC
	Unknown  string         // why nobody knows the service; empty where somebody does
}

// AskGate says whether the version may pass. It is pure.
func AskGate(c GateCase, now time.Time) verifier.GateAnswer {
	a := verifier.GateAnswer{Place: c.Place, Version: c.Version, Reasons: []verifier.GateProblem{}, Override: c.Override, At: now}
	for _, h := range c.Holds {
		if h.Active(now) && h.Covers(verifier.StopsGate, c.Place, c.Team) {
			a.Reasons = append(a.Reasons, verifier.GateProblem{Reason: verifier.GateHeld, Environment: c.Place.Environment, Text: heldBy + h.By + ": " + h.Reason})
		}
	}
	if c.Unknown != "" {
		a.Reasons = append(a.Reasons, verifier.GateProblem{Reason: verifier.GateUnknownService, Environment: c.Place.Environment, Text: c.Unknown})
	}
	for _, history := range c.History[strings.ToLower(c.Place.Environment)] {
		if record.Condemned(history, c.Version) {
			a.Reasons = append(a.Reasons, c.condemned(history, c.Place.Environment))
		}
	}
	for _, g := range c.Gates {
		for _, environment := range g.After {
			a.Reasons = append(a.Reasons, c.passed(g, environment, now)...)
		}
	}
	a.Reasons = withoutTwins(a.Reasons)
	a.Outcome = outcomeOf(a.Reasons)
	if c.Override != nil && !c.Override.Covers(a.Reasons) {
		a.Override = nil
	}
	a.Allowed = a.Outcome == verifier.GatePassed || a.Override != nil
	a.Text = c.sentence(a)
	return a
}

// passed says what the version lacks in an environment that it must have passed, in each target that had it.
func (c GateCase) passed(g verifier.Gate, environment string, now time.Time) (problems []verifier.GateProblem) {
	there := false
	because := func(reason verifier.GateReason, format string) {
		problems = append(problems, verifier.GateProblem{Reason: reason, Environment: environment, Text: fmt.Sprintf(format, c.Version, environment)})
	}
	for _, history := range c.History[strings.ToLower(environment)] {
		live, tried := c.lastOf(history)
		switch {
		case live >= 0:
			problems = append(problems, c.lacks(g, environment, history, live, now)...)
		case tried == verifier.Started:
			because(verifier.GateWatching, "%s is being deployed to %s")
		case tried == verifier.Failed:
			because(verifier.GateFailed, "the deploy of %s to %s failed")
		}
		there = there || tried != ""
	}
	if !there {
		because(verifier.GateNotDeployed, "%s was not deployed to %s in the last 90 days")
	}
	return problems
}

// lastOf finds where in a history the version was made live last, -1 for never, and how the last try to release it ended.
func (c GateCase) lastOf(history []verifier.Past) (live int, tried verifier.Status) {
	for i, p := range history {
		if !record.Same(p.Deploy.Version, c.Version) || p.Deploy.Change != verifier.Release {
			continue
		}
		tried = cmp.Or(tried, p.Deploy.Status)
		if p.Deploy.MovesLive() {
			return i, tried
		}
	}
	return -1, tried
}

// lacks says what is wrong with a version that was live, history[i] last.
func (c GateCase) lacks(g verifier.Gate, environment string, history []verifier.Past, i int, now time.Time) (problems []verifier.GateProblem) {
	v, p := c.watchOf(history, i)
	where := within(environment, history[i].Deploy)
	because := func(reason verifier.GateReason, format string, args ...any) {
		problems = append(problems, verifier.GateProblem{Reason: reason, Environment: environment, Text: fmt.Sprintf(format, args...), Verification: v.ID})
	}
	if record.Condemned(history, c.Version) {
		return []verifier.GateProblem{c.condemned(history, environment)}
	}
	sound := p.Sound()
	switch {
	case sound:
	case p.State == "":
		because(verifier.GateNotWatched, "%s was deployed to %s and not watched", c.Version, where)
	case p.State.Watching():
		because(verifier.GateWatching, "%s is watched in %s until %s", c.Version, where, c.clock(v.Until))
	case p.State == verifier.Undecided && g.Inconclusive:
	default:
		because(verifier.GateInconclusive, "the watch over %s in %s is %s%s", c.Version, where, p.State, why(v))
	}
	if g.MaxAge > 0 && sound && v.DecidedAt != nil && now.Sub(*v.DecidedAt) > g.MaxAge && !c.provenThere() {
		because(verifier.GateTooOld, "%s passed in %s %s ago; at most %s", c.Version, where, spell(now.Sub(*v.DecidedAt)), spell(g.MaxAge))
	}
	for _, name := range g.Results {
		if reason, text := demanded(name, v.Results); reason != "" {
			because(reason, "%s in %s: %s", c.Version, where, text)
		}
	}
	return problems
}

// condemned says what speaks against the version there: a person's word or a verdict, else that it was rolled back.
func (c GateCase) condemned(history []verifier.Past, environment string) verifier.GateProblem {
	out := verifier.GateProblem{Reason: verifier.GateCondemned, Environment: environment}
	for _, p := range history {
		d, where := p.Deploy, within(environment, p.Deploy)
		switch {
		case record.Same(d.Version, c.Version) && d.Mark != nil && !d.Mark.Good:
			out.Text = strings.TrimSuffix(fmt.Sprintf("%s was marked bad in %s by %s: %s", c.Version, where, d.Mark.By, d.Mark.Cause), ": ")
			return out
		case record.Same(d.Version, c.Version) && d.Mark == nil && p.State == verifier.FailedState:
			v := c.Watches[d.ID]
			out.Reason, out.Verification, out.Text = verifier.GateFailed, v.ID, fmt.Sprintf("%s failed in %s%s", c.Version, where, why(v))
			return out
		case d.Kind == verifier.KindRollback && d.MovesLive() && record.Same(d.Previous, c.Version) && out.Text == "":
			out.Text = fmt.Sprintf("%s was rolled back to %s in %s at %s", c.Version, d.Version, where, c.clock(d.At))
		}
	}
	return out
}

// within is an environment, with the deploy's target where it has one.
func within(environment string, d verifier.Deploy) string {
	return verifier.Place{Environment: environment, Target: d.Target}.Where()
}

// provenThere reports whether the version passed where it wants to go: a way back is not shut by the age of its pass before.
func (c GateCase) provenThere() bool {
	for _, history := range c.History[strings.ToLower(c.Place.Environment)] {
		if slices.ContainsFunc(history, func(p verifier.Past) bool {
			return record.Same(p.Deploy.Version, c.Version) && p.Deploy.MovesLive() && p.Sound()
		}) {
			return true
		}
	}
	return false
}

func (c GateCase) clock(t time.Time) string {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2 Jan 15:04 MST")
}

// watchOf is the watch that speaks of the version: where it was deployed once more, the newest that came to a verdict or still may.
func (c GateCase) watchOf(history []verifier.Past, i int) (verifier.Verification, verifier.Past) {
	found := history[i]
	if found.Deploy.Mark != nil {
		return c.Watches[found.Deploy.ID], found // a person's word stands above older watches
	}
	for _, p := range history[i:] {
		if !record.Same(p.Deploy.Version, c.Version) && p.Deploy.MovesLive() {
			break
		}
		if record.Same(p.Deploy.Version, c.Version) && p.State != "" && p.State != verifier.Superseded && p.State != verifier.CancelledState {
			found = p
			break
		}
	}
	return c.Watches[found.Deploy.ID], found
}

// demanded says what is wrong with tests that must have passed; reason is empty for nothing.
func demanded(glob string, results []verifier.TestResult) (reason verifier.GateReason, text string) {
	found := false
	for _, r := range results {
		if !verifier.Glob(glob, r.Name) {
			continue
		}
		found = true
		switch {
		case r.Failed > 0:
			return verifier.GateResultsFailed, fmt.Sprintf("%d of %d tests of %s failed%s", r.Failed, r.Tests, r.Name, firstFailure(r))
		case !r.Passed():
			return verifier.GateResultsMissing, r.Name + " ran no tests"
		}
	}
	if !found {
		return verifier.GateResultsMissing, "no results of " + glob + " yet"
	}
	return "", ""
}

func firstFailure(r verifier.TestResult) string {
	if len(r.Failures) == 0 {
		return ""
	}
	return ": " + r.Failures[0]
}

func why(v verifier.Verification) string {
	if f := worst(v.Findings); f != nil {
		return ": " + strings.TrimSuffix(f.Text, ".")
	}
	if v.Reason != "" {
		return " (" + v.Reason + ")"
	}
	return ""
}

// withoutTwins leaves out what several gates demand alike.
func withoutTwins(reasons []verifier.GateProblem) []verifier.GateProblem {
	out := reasons[:0]
	for _, r := range reasons {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// outcomeOf is the worst of the reasons: what waiting cannot mend before what it can.
func outcomeOf(reasons []verifier.GateProblem) verifier.GateOutcome {
	outcome := verifier.GatePassed
	for _, r := range reasons {
		switch r.Reason {
		case verifier.GateHeld, verifier.GateCondemned, verifier.GateFailed, verifier.GateResultsFailed:
			return verifier.GateShut
		case verifier.GateWatching, verifier.GateNotDeployed, verifier.GateResultsMissing:
			if outcome == verifier.GatePassed {
				outcome = verifier.GatePending
			}
		default:
			outcome = verifier.GateUntold
		}
	}
	return outcome
}

func (c GateCase) sentence(a verifier.GateAnswer) string {
	what := fmt.Sprintf("%s %s into %s", c.Place.Service, c.Version, c.Place.Environment)
	var after []string
	for _, g := range c.Gates {
		after = append(after, g.After...)
	}
	texts := make([]string, len(a.Reasons))
	for i, r := range a.Reasons {
		texts[i] = r.Text
	}
	switch {
	case a.Override != nil && a.Outcome != verifier.GatePassed:
		return fmt.Sprintf("%s may pass: %s overrode the gate (%s), although %s", what, a.Override.By, a.Override.Reason, strings.Join(texts, "; "))
	case a.Outcome == verifier.GatePassed && len(after) == 0:
		return fmt.Sprintf("%s may pass: no gate demands anything", what)
	case a.Outcome == verifier.GatePassed:
		return fmt.Sprintf("%s may pass: it passed in %s", what, strings.Join(after, " and "))
	}
	yet := ""
	if a.Outcome == verifier.GatePending {
		yet = " yet"
	}
	return fmt.Sprintf("%s may not pass%s: %s", what, yet, strings.Join(texts, "; "))
}
