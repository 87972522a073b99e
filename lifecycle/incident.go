package lifecycle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"verifier"
)

// update brings the incident of a failed verification up to date, opening it where there is none. Nobody hears of a deploy that
// was recorded too late to matter.
func (c *change) update(v *verifier.Verification) {
	if v.State != verifier.FailedState && v.Incident == "" && !c.troubled(v) || v.Late || v.Incident == "" && c.passedSince(v) {
		return
	}
	in := c.incidentOf(v)
	if answered := c.memberAnswered(in, v); answered != nil {
		c.update(answered)
		return
	}
	m := memberOf(c, v)
	if i := slices.IndexFunc(in.Members, func(m verifier.Member) bool { return m.Verification == v.ID }); i >= 0 {
		m.Resolved, m.Resolution = in.Members[i].Resolved, in.Members[i].Resolution
		in.Members[i] = m
	} else {
		in.Members = append(in.Members, m)
	}
}

// memberAnswered is the failed verification whose rollback v is, where the incident tells of that already: what is wrong after the
// rollback is told with it and is no second failure.
func (c *change) memberAnswered(in *verifier.Incident, v *verifier.Verification) *verifier.Verification {
	if v.Answers == "" || !slices.ContainsFunc(in.Members, func(m verifier.Member) bool { return m.Verification == v.Answers }) {
		return nil
	}
	return c.watch(v.Answers)
}

// troubled reports whether a rollback that a person asked for of a deploy that never failed went wrong.
func (c *change) troubled(v *verifier.Verification) bool {
	r := v.Rollback
	return r != nil && (r.State == verifier.RollbackRefused || r.State == verifier.RollbackFailed)
}

// incidentOf is the incident that the verification belongs to, to be changed.
func (c *change) incidentOf(v *verifier.Verification) *verifier.Incident {
	if v.Incident == "" {
		v.Incident = c.incidentID(v)
	}
	if in := c.incident(v.Incident); in != nil {
		return in
	}
	in := &verifier.Incident{ID: v.Incident, Kind: verifier.IncidentVerdict, Opened: c.now}
	c.cases = append(c.cases, in)
	return in
}

// incidentID finds where the verification belongs: troubles of a rollback stay with what was rolled back. A resolved incident is
// never opened again.
func (c *change) incidentID(v *verifier.Verification) string {
	if v.Answers != "" {
		if failed := c.watch(v.Answers); failed != nil && failed.Incident != "" {
			return failed.Incident
		}
	}
	return c.scene.VerdictIncident(v.Deploy)
}

// incident is the one with that id, copied to be changed, or nil.
func (c *change) incident(id string) *verifier.Incident {
	for _, in := range c.cases {
		if in.ID == id {
			return in
		}
	}
	known := c.scene.Incident(id)
	if known == nil {
		return nil
	}
	in := *known
	in.Members = slices.Clone(in.Members)
	c.cases = append(c.cases, &in)
	return &in
}

// resolvePlace closes everything that was open over earlier deploys of the place: it runs well again.
func (c *change) resolvePlace(v *verifier.Verification) {
	for _, known := range c.scene.Incidents {
		if known.Kind != verifier.IncidentVerdict || known.Resolved != nil {
			continue
		}
		for i, m := range known.Members {
			if m.Place.Key() == v.Deploy.Place.Key() && m.Resolved == nil && !v.From.Before(m.At) {
				in := c.incident(known.ID)
				in.Members[i].Resolved = &c.now
				in.Members[i].Resolution = c.backText(v, m)
			}
		}
	}
}

// resolveMember closes one verification's part of its incident. The verdict on a rollback stands with what was rolled back.
func (c *change) resolveMember(id, how string) {
	v := c.watch(id)
	if v == nil || v.Incident == "" {
		return
	}
	in := c.incident(v.Incident)
	if in == nil {
		return
	}
	for i := range in.Members {
		m := &in.Members[i]
		if (m.Verification == id || v.Answers != "" && m.Verification == v.Answers) && m.Resolved == nil {
			m.Resolved, m.Resolution = &c.now, deployName(*m)+" in "+where(m.Place)+": "+how
		}
	}
}

// tell composes every incident that was touched, when all of the decision is known. One that reads as before is not told again.
func (c *change) tell() {
	c.refreshMembers()
	for _, in := range c.cases {
		if in.Kind == verifier.IncidentVerdict && len(in.Members) > 0 {
			c.compose(in)
		}
	}
	c.cases = slices.DeleteFunc(c.cases, func(in *verifier.Incident) bool {
		known := c.scene.Incident(in.ID)
		return known != nil && reflect.DeepEqual(*known, *in)
	})
	for _, in := range c.cases {
		in.Updated = c.now
	}
}

// refreshMembers brings what is told of the place up to date: another deploy or a hold may have changed what is being done, and what
// a person may press.
func (c *change) refreshMembers() {
	for _, known := range c.scene.Incidents {
		if known.Kind != verifier.IncidentVerdict || known.Resolved != nil {
			continue
		}
		for i, m := range known.Members {
			if m.Resolved != nil || m.Place.Key() != c.scene.Place.Key() {
				continue
			}
			v := c.asItStands(m.Verification)
			if v == nil {
				continue
			}
			if now := memberOf(c, v); !reflect.DeepEqual(now, m) {
				if in := c.incident(known.ID); in.Members[i].Resolved == nil {
					in.Members[i] = now
				}
			}
		}
	}
}

// asItStands is the verification as it is after this decision, not to be changed.
func (c *change) asItStands(id string) *verifier.Verification {
	for _, v := range c.watches {
		if v.ID == id {
			return v
		}
	}
	return c.scene.Watch(id)
}

func (c *change) compose(in *verifier.Incident) {
	worst := worstMember(in.Members)
	open := openMembers(in)
	in.Person, in.Severity = false, verifier.SeverityWarn
	for _, m := range in.Members {
		in.Person = in.Person || m.Person && m.Resolved == nil
		if m.Severity == verifier.SeverityPage {
			in.Severity = verifier.SeverityPage
		}
	}
	if len(open) == 0 && in.Resolved == nil {
		in.Resolved = &c.now
	}
	in.Easing = len(open) > 0 && !slices.ContainsFunc(open, func(m verifier.Member) bool { return !m.Easing })
	in.Labels = labelsOf(in, worst)
	in.Title, in.Text = c.title(in, worst), c.text(in)
	in.URL, in.Links = c.page(worst.Verification), c.links(worst)
	if len(in.Members) > 1 {
		in.URL, in.Links = c.incidentPage(in.ID), c.groupLinks(in, worst)
	}
}

func openMembers(in *verifier.Incident) []verifier.Member {
	return slices.DeleteFunc(slices.Clone(in.Members), func(m verifier.Member) bool { return m.Resolved != nil })
}

// worstMember weighs those still open first, then pages before warnings, then the earliest.
func worstMember(members []verifier.Member) verifier.Member {
	weight := func(m verifier.Member) int {
		w := 0
		if m.Resolved == nil {
			w += 4
		}
		if m.Person {
			w += 2
		}
		if m.Severity == verifier.SeverityPage {
			w++
		}
		return w
	}
	return slices.MaxFunc(members, func(a, b verifier.Member) int {
		if d := weight(a) - weight(b); d != 0 {
			return d
		}
		return b.At.Compare(a.At)
	})
}

func labelsOf(in *verifier.Incident, worst verifier.Member) map[string]string {
	outcome := worst.Outcome
	if worst.Person { // where the deploy is fine, its rollback failed
		outcome = string(verifier.FailedState)
	}
	labels := map[string]string{
		"kind": string(in.Kind), "environment": worst.Place.Environment, "team": worst.Labels["team"],
		"severity": string(in.Severity), "outcome": outcome,
	}
	if len(in.Members) == 1 {
		labels["service"] = worst.Place.Service
		if worst.Place.Target != "" {
			labels["target"] = worst.Place.Target
		}
	}
	return labels
}

func memberOf(c *change, v *verifier.Verification) verifier.Member {
	d := v.Deploy
	m := verifier.Member{
		Verification: v.ID, Place: d.Place, Version: d.Version, Change: d.Change, Previous: d.Previous, At: d.At, By: d.By, Severity: verifier.SeverityWarn,
		Outcome: string(v.State), Person: needsPerson(v) && (c.troubled(v) || replaced(c.scene, v) == nil), Presses: c.pressable(v),
		Labels: map[string]string{"team": d.Team, "repository": d.Repository, "commit": d.Commit, "url": d.URL, "changes": c.changesLink(d)},
	}
	if f := worst(v.Findings); f != nil {
		m.Text, m.Labels["rule"] = strings.TrimSpace(sentence(f.Text)+" "+onlyOn(*v)), f.Rule
		m.NotNew = f.Before
	}
	m.Lines = c.findingLines(v)
	if v.Rollback != nil {
		m.Labels["rollback"] = string(v.Rollback.State)
	}
	if slices.ContainsFunc(v.Findings, pages) || c.troubled(v) {
		m.Severity = verifier.SeverityPage
	}
	said := c.rollbackText(v)
	m.Says, m.Rollback, m.Easing = said.title, said.detail, said.easing
	if m.NotNew {
		m.Says = ""
	}
	if c.environmentHeld(d.Environment) {
		excuse(&m, v.Rollback != nil && v.Rollback.Person)
	}
	return m
}

// pages reports whether the finding is worth waking somebody: it counts, and it was not so before the deploy too.
func pages(f verifier.Finding) bool {
	return f.Outcome == verifier.Fail && f.Counts() && !f.Before && f.Severity == verifier.SeverityPage
}

// needsPerson reports whether somebody is to be woken: what is wrong is worth it, and the daemon is not mending it.
func needsPerson(v *verifier.Verification) bool {
	page := slices.ContainsFunc(v.Findings, pages)
	if v.Rollback == nil {
		return page
	}
	switch v.Rollback.State {
	case verifier.RollbackRefused, verifier.RollbackFailed:
		return true
	case verifier.RollbackSent:
		return v.Rollback.Stuck
	case verifier.RollbackApproved:
		return page && v.Rollback.Paused != nil && v.Rollback.Paused.Long
	case verifier.RollbackConfirmed, verifier.RollbackRecovered, verifier.RollbackDenied:
		return false // denied: a person has decided
	case verifier.RollbackCancelled:
		return page && v.Rollback.Reason != recoveredReason && !dismissed(v)
	case verifier.RollbackVetoed:
		return page && !vetoedWithEnvironment(v.Rollback)
	}
	return page
}

// tellVerdict tells of a good or an open end where the catalogue asks for it.
func (c *change) tellVerdict(v *verifier.Verification) {
	outcome := verifier.Pass
	if v.State == verifier.Undecided {
		outcome = verifier.Inconclusive
	}
	wanted := slices.ContainsFunc(c.service(v.Deploy).Tell, func(o verifier.Outcome) bool {
		return o == outcome || string(o) == string(v.State)
	})
	if !wanted || v.Late {
		return
	}
	d := v.Deploy
	lines := make([]string, 0, len(v.Findings))
	for _, f := range v.Findings {
		lines = append(lines, line(f.Text))
	}
	page := c.page(v.ID)
	var links []verifier.Link
	if c.URL != "" {
		links = []verifier.Link{{Text: "Evidence", URL: page}}
	}
	c.cases = append(c.cases, &verifier.Incident{
		ID: "told/" + v.ID, Kind: verifier.IncidentVerdict, News: true, Opened: c.now, Resolved: &c.now, Severity: verifier.SeverityWarn, URL: page, Links: links,
		Labels: map[string]string{
			"kind": string(verifier.IncidentVerdict), "service": d.Service, "environment": d.Environment, "target": d.Target, "team": d.Team,
			"severity": string(verifier.SeverityWarn), "outcome": string(v.State),
		},
		Title: fmt.Sprintf("%s %s in %s", deployName(verifier.Member{Place: d.Place, Version: d.Version, Change: d.Change}), verdictWord(v.State), where(d.Place)),
		Text:  strings.Join(lines, "\n"),
	})
}

func verdictWord(s verifier.State) string {
	if s == verifier.Passed {
		return "passed"
	}
	return "could not be judged"
}
