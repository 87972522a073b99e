package lifecycle

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/rules"
)

// update brings the incident of a failed verification up to date, opening it where there is none. Nobody hears of a deploy that
// was recorded too late to matter.
func (c *change) update(v *verifier.Verification) {
	if v.State != verifier.FailedState && v.Incident == "" && !c.troubled(v) || v.Late {
		return
	}
	in := c.incidentOf(v)
	m := memberOf(c, v)
	if i := slices.IndexFunc(in.Members, func(m verifier.Member) bool { return m.Verification == v.ID }); i >= 0 {
		m.Resolved, m.Resolution = in.Members[i].Resolved, in.Members[i].Resolution
		in.Members[i] = m
	} else {
		in.Members = append(in.Members, m)
	}
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
				in.Members[i].Resolution = fmt.Sprintf("back to normal on %s%s, bad for %s", v.Deploy.Version, c.measuredNow(v, m.Labels["rule"]), spell(v.From.Sub(m.At)))
			}
		}
	}
}

// measuredNow is what the rule that had failed finds in the watch that passed, after a comma.
func (c *change) measuredNow(v *verifier.Verification, rule string) string {
	r, known := ruleNamed(c.rules, rule)
	for _, f := range v.Findings {
		if said := rules.Measured(r, f); known && f.Rule == rule && f.Outcome == verifier.Pass && said != "" {
			return ", " + said
		}
	}
	return ""
}

// resolveMember closes one verification's part of its incident.
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
		if in.Members[i].Verification == id && in.Members[i].Resolved == nil {
			in.Members[i].Resolved, in.Members[i].Resolution = &c.now, how
		}
	}
}

// tell composes every incident that was touched, when all of the decision is known. One that reads as before is not told again.
func (c *change) tell() {
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

func (c *change) compose(in *verifier.Incident) {
	worst := worstMember(in.Members)
	open := slices.ContainsFunc(in.Members, func(m verifier.Member) bool { return m.Resolved == nil })
	in.Person = false
	in.Severity = verifier.SeverityWarn
	for _, m := range in.Members {
		in.Person = in.Person || m.Person && m.Resolved == nil
		if m.Severity == verifier.SeverityPage {
			in.Severity = verifier.SeverityPage
		}
	}
	if !open && in.Resolved == nil {
		in.Resolved = &c.now
	}
	in.Labels = labelsOf(in, worst)
	in.Title, in.Text = c.title(in, worst), c.text(in)
	in.URL, in.Links = c.page(worst.Verification), c.links(worst)
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
	labels := map[string]string{
		"kind": string(in.Kind), "environment": worst.Place.Environment, "team": worst.Labels["team"],
		"severity": string(in.Severity), "outcome": worst.Outcome,
	}
	if len(in.Members) == 1 {
		labels["service"] = worst.Place.Service
		if worst.Place.Target != "" {
			labels["target"] = worst.Place.Target
		}
	}
	return labels
}

func (c *change) title(in *verifier.Incident, m verifier.Member) string {
	what := m.Place.Service + " " + m.Version
	if n := len(in.Members); n > 1 {
		what = fmt.Sprintf("%s and %d more", what, n-1)
	}
	where := m.Place.Environment
	if m.Place.Target != "" {
		where += " (" + m.Place.Target + ")"
	}
	switch {
	case in.Resolved != nil && m.Resolution != "":
		return fmt.Sprintf("%s in %s: %s", m.Place.Service, where, m.Resolution)
	case m.Outcome != string(verifier.FailedState):
		return fmt.Sprintf("%s in %s: the rollback needs you", what, where)
	}
	return fmt.Sprintf("%s is worse in %s", what, where)
}

// maxMembers is how many members of an incident are spelled out.
const maxMembers = 10

func (c *change) text(in *verifier.Incident) string {
	var b strings.Builder
	for i, m := range in.Members {
		if i == maxMembers {
			fmt.Fprintf(&b, "and %d more\n", len(in.Members)-maxMembers)
			break
		}
		if len(in.Members) > 1 {
			fmt.Fprintf(&b, "%s %s ", m.Place.Service, m.Version)
		}
		b.WriteString(c.memberText(m) + "\n")
	}
	return strings.TrimSpace(b.String())
}

// clock writes a time in the zone that people read, with the zone's name.
func (c *change) clock(t time.Time, layout string) string {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(layout + " MST")
}

func (c *change) memberText(m verifier.Member) string {
	facts := c.clock(m.At, "15:04")
	if m.By != "" {
		facts += " by " + m.By
	}
	if m.Previous != "" {
		facts += "; before " + m.Previous
	}
	parts := []string{"(" + facts + ").", sentence(m.Text), sentence(m.Rollback)}
	if m.Resolution != "" {
		parts = append(parts, sentence(capital(m.Resolution)))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// capital begins a sentence with what an ASCII text says.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func memberOf(c *change, v *verifier.Verification) verifier.Member {
	d := v.Deploy
	m := verifier.Member{
		Verification: v.ID, Place: d.Place, Version: d.Version, Previous: d.Previous, At: d.At, By: d.By, Severity: verifier.SeverityWarn,
		Outcome: string(v.State), Rollback: c.rollbackText(v), Person: needsPerson(v) && (c.troubled(v) || replaced(c.scene, v) == nil),
		Labels: map[string]string{"team": d.Team, "repository": d.Repository, "commit": d.Commit, "url": d.URL},
	}
	if f := worst(v.Findings); f != nil {
		m.Text, m.Labels["rule"] = strings.TrimSpace(sentence(f.Text)+" "+onlyOn(*v)), f.Rule
	}
	if v.Rollback != nil {
		m.Labels["rollback"] = string(v.Rollback.State)
	}
	for _, f := range v.Findings {
		if f.Outcome == verifier.Fail && f.Counts() && f.Severity == verifier.SeverityPage {
			m.Severity = verifier.SeverityPage
		}
	}
	if c.environmentHeld(d.Environment) {
		excuse(&m, v.Rollback != nil && v.Rollback.Person)
	}
	return m
}

// needsPerson reports whether somebody is to be woken: what is wrong is worth it, and the daemon is not mending it.
func needsPerson(v *verifier.Verification) bool {
	page := slices.ContainsFunc(v.Findings, func(f verifier.Finding) bool {
		return f.Outcome == verifier.Fail && f.Counts() && f.Severity == verifier.SeverityPage
	})
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
	case verifier.RollbackConfirmed, verifier.RollbackRecovered:
		return false
	case verifier.RollbackCancelled:
		return page && v.Rollback.Reason != recoveredReason && !dismissed(v)
	case verifier.RollbackVetoed:
		return page && !vetoedWithEnvironment(v.Rollback)
	}
	return page
}

// rollbackText says what is being done about it.
func (c *change) rollbackText(v *verifier.Verification) string {
	r := v.Rollback
	if r == nil {
		return "No rule asks for a rollback"
	}
	switch r.State {
	case verifier.RollbackVetoed:
		return "Not rolled back: " + denialText(r.Guards)
	case verifier.RollbackProposed:
		if r.To == "" {
			return "Choose a version to roll back to: " + strings.Join(r.Candidates, ", ")
		}
		if r.Mode == verifier.ModeSuggest {
			return "Suggested: roll back to " + r.To
		}
		return "Waiting for approval to roll back to " + r.To
	case verifier.RollbackApproved:
		if r.SendAt != nil {
			return fmt.Sprintf("Rolling back to %s at %s", r.To, c.clock(*r.SendAt, "15:04:05"))
		}
		return "Rolling back to " + r.To
	case verifier.RollbackSent:
		if r.Stuck {
			return "Rollback to " + r.To + " was called for: " + r.Progress
		}
		return "Rollback to " + r.To + " was called for"
	case verifier.RollbackConfirmed:
		return r.To + " is back; checking that it helped"
	case verifier.RollbackRecovered:
		return "Rolled back to " + r.To + ", which runs well"
	case verifier.RollbackFailed:
		return "The rollback to " + r.To + " failed: " + r.Reason
	}
	return fmt.Sprintf("The rollback to %s was %s%s", r.To, r.State, because(r))
}

func because(r *verifier.Rollback) string {
	s := ""
	if r.By != nil && *r.By != Auto {
		s = " by " + *r.By
	}
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	return s
}

func (c *change) page(verification string) string {
	return c.URL + "/verifications/" + url.PathEscape(verification)
}

// links are what a person may press under the message; those that act lead to a page that asks once more.
func (c *change) links(m verifier.Member) []verifier.Link {
	var links []verifier.Link
	if c.URL != "" {
		page := c.page(m.Verification)
		if state := verifier.RollbackState(m.Labels["rollback"]); m.Resolved == nil && (state == verifier.RollbackProposed || state == verifier.RollbackApproved) {
			links = append(links, verifier.Link{Text: "Stop", URL: page + "#stop"})
		}
		if m.Resolved == nil {
			links = append(links, verifier.Link{Text: "Roll back now", URL: page + "#rollback"})
		}
		links = append(links, verifier.Link{Text: "Evidence", URL: page})
	}
	if repo := strings.TrimSuffix(m.Labels["repository"], "/"); repo != "" && m.Previous != "" {
		links = append(links, verifier.Link{Text: "Commits", URL: repo + "/compare/" + url.PathEscape(m.Previous) + "..." + url.PathEscape(m.Version)})
	}
	if runbook := c.Catalogue.Service(m.Place, m.Labels["team"]).Links["runbook"]; runbook != "" {
		links = append(links, verifier.Link{Text: "Runbook", URL: runbook})
	}
	return links
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
	text := ""
	for _, f := range v.Findings {
		text += sentence(f.Text) + "\n"
	}
	c.cases = append(c.cases, &verifier.Incident{
		ID: "told/" + v.ID, Kind: verifier.IncidentVerdict, News: true, Opened: c.now, Resolved: &c.now, Severity: verifier.SeverityWarn, URL: c.page(v.ID),
		Labels: map[string]string{
			"kind": string(verifier.IncidentVerdict), "service": d.Service, "environment": d.Environment, "target": d.Target, "team": d.Team,
			"severity": string(verifier.SeverityWarn), "outcome": string(v.State),
		},
		Title: fmt.Sprintf("%s %s %s in %s", d.Service, d.Version, verdictWord(v.State), d.Where()), Text: strings.TrimSpace(text),
	})
}

func verdictWord(s verifier.State) string {
	if s == verifier.Passed {
		return "passed"
	}
	return "could not be judged"
}

// spell says a duration in the two units that matter.
func spell(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
}
