package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/record"
	"verifier/words"
)

// guarded is what the guards said of one rollback.
type guarded struct {
	answers     []verifier.GuardAnswer
	to          string
	candidates  []string
	environment string // why the environment is held to be the cause; empty when it is not
}

func (g guarded) denials() []verifier.GuardReason {
	reasons := []verifier.GuardReason{}
	for _, a := range g.answers {
		if a.Denies {
			reasons = append(reasons, a.Guard)
		}
	}
	return reasons
}

// guarding is what one guard looks at.
type guarding struct {
	World
	scene      *verifier.Scene
	v          *verifier.Verification
	asked      asked
	now        time.Time
	service    verifier.Service
	to         string
	candidates []string
}

// guards stand before every rollback, in this order; each says whether it denies, and why or why not. A person may skip some.
var guards = []struct {
	name   verifier.GuardReason
	person bool // is asked of a person's rollback too
	ask    func(*guarding) (denies bool, text string)
}{
	{verifier.GuardOff, false, (*guarding).off},
	{verifier.GuardHeld, true, (*guarding).held},
	{verifier.GuardNewer, true, (*guarding).newer},
	{verifier.GuardRollback, true, (*guarding).isRollback},
	{verifier.GuardNotRelease, true, (*guarding).notRelease},
	{verifier.GuardIrreversible, true, (*guarding).irreversible},
	{verifier.GuardNoTarget, true, (*guarding).noTarget},
	{verifier.GuardKnownBad, true, (*guarding).knownBad},
	{verifier.GuardLive, true, (*guarding).live},
	{verifier.GuardLate, false, (*guarding).late},
	{verifier.GuardTooFewSamples, false, (*guarding).tooFewSamples},
	{verifier.GuardTooMany, false, (*guarding).tooMany},
	{verifier.GuardRecentRollback, false, (*guarding).recentRollback},
	{verifier.GuardEnvironment, false, (*guarding).notItsOwn},
}

func (c *change) guard(v *verifier.Verification, a asked) guarded {
	return c.World.guard(c.scene, v, a, c.now)
}

// Guards is what every guard would say of rolling back the verification now, and the version it would go back to.
func (w World) Guards(s *verifier.Scene, v verifier.Verification, now time.Time) (answers []verifier.GuardAnswer, to string, candidates []string) {
	if !slices.ContainsFunc(s.History, func(p verifier.Past) bool { return p.Deploy.ID == v.ID }) { // a deploy that is only imagined
		imagined := *s
		imagined.History = append([]verifier.Past{{Deploy: v.Deploy}}, s.History...)
		s = &imagined
	}
	g := w.guard(s, &v, asked{}, now)
	for i, a := range g.answers {
		if a.Guard == verifier.GuardTooFewSamples && len(failing(v.Findings)) == 0 {
			g.answers[i] = verifier.GuardAnswer{Guard: a.Guard, Pending: true, Text: "asked when a rule has failed"}
		}
	}
	return g.answers, g.to, g.candidates
}

func (w World) guard(s *verifier.Scene, v *verifier.Verification, a asked, now time.Time) guarded {
	current := *v
	current.Deploy = asRecorded(s, v.Deploy)
	v = &current
	g := &guarding{World: w, scene: s, v: v, asked: a, now: now, service: w.Catalogue.Service(v.Deploy.Place, v.Deploy.Team), to: a.to}
	target, candidates := record.LastGood(s.History, v.Deploy)
	if g.to == "" {
		g.to, g.candidates = target, candidates
	}
	out := guarded{to: g.to, candidates: g.candidates}
	if out.candidates == nil {
		out.candidates = []string{}
	}
	for _, guard := range guards {
		if a.person && !guard.person {
			continue
		}
		denies, text := guard.ask(g)
		out.answers = append(out.answers, verifier.GuardAnswer{Guard: guard.name, Denies: denies, Text: text})
		if held, why := g.environment(); held && guard.name == verifier.GuardEnvironment {
			out.environment = why
		}
	}
	return out
}

func (g *guarding) off() (bool, string) {
	mode := g.service.Rollback.Mode
	r := g.v.Rollback
	lowered := r != nil && r.State == verifier.RollbackApproved && mode != verifier.ModeAuto // since it began to count down
	switch {
	case mode == verifier.ModeOff:
		return true, "rollbacks are off for " + g.v.Deploy.Service
	case lowered:
		return true, "the mode was changed to " + string(mode) + " during the countdown"
	}
	return false, "mode is " + string(mode)
}

const heldBy = "held by "

func (g *guarding) held() (bool, string) {
	if g.Frozen != "" {
		return true, g.Frozen
	}
	for _, h := range g.scene.Holds {
		// The hold that the daemon made itself over the environment yields to a person.
		if g.asked.person && strings.HasPrefix(h.ID, environmentHold) {
			continue
		}
		if h.Active(g.now) && h.Covers(verifier.StopsRollback, g.v.Deploy.Place, g.v.Deploy.Team) {
			return true, strings.TrimSuffix(heldBy+h.By+": "+h.Reason, ": ")
		}
	}
	return false, "no hold"
}

// newer looks for another release that went live since, which denies; one that was merely started lets the rollback wait. Another
// change leaves the decision to a person. A scale-out and the same version once more change nothing: deploys that go server by server
// send one event for each server.
func (g *guarding) newer() (bool, string) {
	if d := replaced(g.scene, g.v); d != nil {
		return true, g.deployedAt(*d)
	}
	muddled := g.muddled()
	if muddled != nil && !g.asked.person && g.service.Rollback.Mode == verifier.ModeAuto {
		return true, g.changedAt(*muddled) + ", which may be the cause; only a person can roll back"
	}
	if d := g.underWay(g.scene, g.v, g.now); d != nil {
		return false, fmt.Sprintf("%s was started at %s; the rollback waits for its end", d.Version, words.Time(d.At, g.now, g.Zone))
	}
	if muddled != nil {
		return false, "no newer release; " + g.changedAt(*muddled) + ", which may be the cause"
	}
	return false, "no newer release"
}

func (g *guarding) muddled() *verifier.Deploy {
	for i := range g.scene.History {
		if d := &g.scene.History[i].Deploy; muddles(*d, g.v.Deploy) {
			return d
		}
	}
	return nil
}

func (g *guarding) deployedAt(d verifier.Deploy) string {
	if d.By == "" {
		return d.Version + " was deployed at " + words.Time(d.At, g.now, g.Zone)
	}
	return d.By + " deployed " + d.Version + " at " + words.Time(d.At, g.now, g.Zone)
}

// changedAt is "ben deployed a toggle change at 14:05 UTC".
func (g *guarding) changedAt(d verifier.Deploy) string {
	did := "deployed"
	if d.Status == verifier.Started {
		did = "started"
	}
	what, at := "a "+string(d.Change)+" change", " at "+words.Time(d.At, g.now, g.Zone)
	if d.Change == verifier.Infra {
		what = "an infra change"
	}
	if d.By == "" {
		return what + " was " + did + at
	}
	return d.By + " " + did + " " + what + at
}

// sameAgain reports whether newer is the same version once more.
func sameAgain(newer, d verifier.Deploy) bool {
	return newer.Change == verifier.Release && d.Change == verifier.Release && record.Same(newer.Version, d.Version)
}

func (g *guarding) isRollback() (bool, string) {
	if g.v.Deploy.Kind == verifier.KindRollback {
		return true, "the deploy is itself a rollback"
	}
	return false, "the deploy is not itself a rollback"
}

func (g *guarding) notRelease() (bool, string) {
	d := g.v.Deploy
	if d.Change != verifier.Release {
		return true, "the deploy is a change of kind " + string(d.Change) + ", not a release"
	}
	if d.Kind == verifier.KindRedeploy {
		return true, "the deploy is a redeploy of the version that was live"
	}
	return false, "the deploy is a release"
}

func (g *guarding) irreversible() (bool, string) {
	d := g.v.Deploy
	all := append([]verifier.Deploy{d}, record.Crossed(g.scene.History, d, g.to)...)
	for _, p := range g.scene.History {
		if d.Before(p.Deploy) { // only the same version once more gets past the guard newer
			all = append(all, p.Deploy)
		}
	}
	for _, crossed := range all {
		if !crossed.Irreversible() {
			continue
		}
		text := fmt.Sprintf("%s is marked irreversible", crossed.Version)
		if crossed.ID == d.ID {
			text = "the deploy is marked irreversible"
		}
		if crossed.Rollback.Reason != "" {
			text += ": " + crossed.Rollback.Reason
		}
		if g.asked.person && g.asked.admin && g.asked.reason != "" {
			return false, text + "; crossed by an admin: " + g.asked.reason
		}
		return true, text
	}
	return false, "nothing on the way back is marked irreversible"
}

func (g *guarding) noTarget() (bool, string) {
	switch {
	case g.to != "":
		return false, "back to " + g.to
	case len(g.candidates) > 0:
		return false, "no earlier version has passed its watch here or was marked good; a person may choose among " + strings.Join(g.candidates, ", ")
	}
	return true, g.whyNoTarget()
}

// whyNoTarget says why there is nothing to go back to: nothing was there, all that was is known to be bad, or it is live already.
func (g *guarding) whyNoTarget() string {
	var versions []string
	for _, p := range g.scene.History { // newest first
		same := func(v string) bool { return record.Same(v, p.Deploy.Version) }
		if p.Deploy.MovesLive() && p.Deploy.Before(g.v.Deploy) && !same(g.v.Deploy.Version) && !slices.ContainsFunc(versions, same) {
			versions = append(versions, p.Deploy.Version)
		}
	}
	for _, v := range versions {
		if !record.Condemned(g.scene.History, v) {
			return v + " is live already, and no version before it is known to be good"
		}
	}
	switch len(versions) {
	case 0:
		return "no version was live here before"
	case 1:
		return "the only earlier version, " + versions[0] + ", is known to be bad"
	}
	return "the earlier versions (" + words.List(versions, 3) + ") are known to be bad"
}

func (g *guarding) knownBad() (bool, string) {
	switch {
	case g.to == "":
		return false, "no version to go back to is chosen yet"
	case record.Condemned(g.scene.History, g.to):
		return true, g.to + " is known to be bad"
	}
	return false, g.to + " is not known to be bad"
}

func (g *guarding) live() (bool, string) {
	live, ok := record.Live(g.scene.History, g.now)
	switch {
	case g.to == "":
		return false, "no version to go back to is chosen yet"
	case ok && record.Same(live, g.to) && g.v.Deploy.Status != verifier.Succeeded:
		return false, g.to + " is live, but perhaps not on all hosts: the deploy of " + g.v.Deploy.Version + " " + string(g.v.Deploy.Status)
	case ok && record.Same(live, g.to):
		return true, g.to + " is live already"
	}
	return false, "the target is not what is live"
}

func (g *guarding) late() (bool, string) {
	d, within := g.v.Deploy, g.service.Rollback.ActWithin
	verdict := g.now
	if g.v.FailedAt != nil {
		verdict = *g.v.FailedAt
	}
	switch {
	case g.v.Late || d.RecordedAt.Sub(d.At) > within:
		return true, fmt.Sprintf("the deploy was recorded %s after its time", spell(d.RecordedAt.Sub(d.At)))
	case g.now.Sub(d.At)-pausedFor(g.v.Rollback, g.now) > within:
		return true, fmt.Sprintf("the deploy was %s ago; rollbacks are allowed within %s (act_within)", spell(g.now.Sub(d.At)), spell(within))
	case !g.v.Until.IsZero() && verdict.After(g.v.Until.Add(graceAfterWatch)):
		return true, "the verdict came after the watch"
	}
	return false, "the verdict came in time"
}

// graceAfterWatch is how long after the end of a watch its last answers may still come in: sources lag.
const graceAfterWatch = 2 * time.Minute

func (g *guarding) tooFewSamples() (bool, string) {
	for _, f := range g.v.Findings {
		if f.RollsBack() && (f.Samples > 0 || f.Reason == verifier.WentSilent) {
			return false, fmt.Sprintf("%s has %s", f.Rule, words.Count(f.Samples, "sample"))
		}
	}
	return true, "the failing rule has too few samples"
}

func (g *guarding) tooMany() (bool, string) {
	p := g.service.Rollback
	mine := g.v.Deploy.GroupOrID()
	service, all := map[string]bool{}, map[string]bool{}
	for _, s := range g.scene.Rollbacks {
		if s.Group == mine || s.Verification == g.v.ID || g.now.Sub(s.At) > p.In {
			continue
		}
		all[s.Group] = true
		if strings.EqualFold(s.Place.Service, g.v.Deploy.Service) {
			service[s.Group] = true
		}
	}
	switch {
	case len(service) >= p.PerService:
		return true, fmt.Sprintf("%s had %s in the last %s; at most %d allowed", g.v.Deploy.Service, words.Count(len(service), "rollback"), spell(p.In), p.PerService)
	case len(all) >= p.All:
		return true, fmt.Sprintf("%s over all services in the last %s; at most %d allowed", words.Count(len(all), "rollback"), spell(p.In), p.All)
	}
	return false, fmt.Sprintf("%s of this service and %d over all in the last %s", words.Count(len(service), "rollback"), len(all), spell(p.In))
}

func (g *guarding) recentRollback() (bool, string) {
	if first := alreadyRollingBack(g.scene, g.v); first != nil {
		r := first.Rollback
		return true, fmt.Sprintf("%s is already being rolled back to %s (%s)", first.Deploy.Version, r.To, r.State)
	}
	apart := g.service.Rollback.AtLeastApart
	for _, s := range g.scene.Rollbacks {
		if s.Verification != g.v.ID && s.Place.Key() == g.v.Deploy.Place.Key() && g.now.Sub(s.At) < apart {
			return true, fmt.Sprintf("the last rollback here was %s ago; they must be at least %s apart", spell(g.now.Sub(s.At)), spell(apart))
		}
	}
	return false, fmt.Sprintf("no rollback here in the last %s", spell(apart))
}

// dependencyFailed follows the name of a service that another depends on.
const dependencyFailed = ", which it depends on, failed after a deploy of its own"

// notItsOwn denies where the trouble is somebody else's: a service that it depends on failed after a deploy of its own, or the
// environment is the cause.
func (g *guarding) notItsOwn() (bool, string) {
	for _, f := range g.scene.Failures {
		if f.Verification != g.v.ID && !strings.EqualFold(f.Place.Service, g.v.Deploy.Service) && contains(g.service.DependsOn, f.Place.Service) {
			return true, f.Place.Service + dependencyFailed
		}
	}
	return g.environment()
}

// environment denies where unrelated services fail together, or services that nobody deployed are worse too.
func (g *guarding) environment() (bool, string) {
	if len(g.asked.shared) >= 2 {
		return true, "also worse, without a deploy: " + strings.Join(g.asked.shared, ", ")
	}
	clusters := g.clusters()
	if n := g.Unrelated.Services; n > 0 && len(clusters) >= n {
		return true, fmt.Sprintf("%d unrelated services failed within %s: %s", len(clusters), spell(g.Unrelated.Within), strings.Join(clusters, ", "))
	}
	return false, "no other service is known to be failing"
}

// clusters are the failures of the environment that cannot have one deploy's cause in common, each named by one of its services:
// what is of one service or group, or depends on one another, counts once.
func (g *guarding) clusters() []string {
	failures := []verifier.Failure{{Place: g.v.Deploy.Place, Group: g.v.Deploy.GroupOrID(), At: g.now}}
	for _, f := range g.scene.Failures {
		if f.Verification != g.v.ID && g.now.Sub(f.At) <= g.Unrelated.Within {
			failures = append(failures, f)
		}
	}
	cluster := make([]int, len(failures))
	for i := range failures {
		cluster[i] = i
		for j := range i {
			if from, to := cluster[i], cluster[j]; from != to && g.related(failures[i], failures[j]) {
				for k := range cluster[:i+1] {
					if cluster[k] == from {
						cluster[k] = to
					}
				}
			}
		}
	}
	names := map[int]string{}
	for i, f := range failures {
		if _, named := names[cluster[i]]; !named {
			names[cluster[i]] = f.Place.Service
		}
	}
	return sorted(names)
}

func (g *guarding) related(a, b verifier.Failure) bool {
	return a.Group == b.Group || related(g.Catalogue, a.Place, b.Place)
}

// related reports whether trouble in one place may be that of the other: they are of one service, or depend on one another.
func related(c *verifier.Catalogue, a, b verifier.Place) bool {
	return strings.EqualFold(a.Service, b.Service) ||
		contains(c.Service(a, "").DependsOn, b.Service) || contains(c.Service(b, "").DependsOn, a.Service)
}
