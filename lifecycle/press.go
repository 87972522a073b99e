package lifecycle

import (
	"net/url"
	"strings"
	"time"

	"verifier"
)

// Presses are what a person may do with the verification now and would not be refused: the buttons of the console and the links of
// alerts. admin may cross a deploy that is marked irreversible.
func (w World) Presses(s *verifier.Scene, v verifier.Verification, admin bool, now time.Time) []verifier.Press {
	var state verifier.RollbackState
	if v.Rollback != nil {
		state = v.Rollback.State
	}
	var out []verifier.Press
	add := func(verb verifier.Verb, text string) { out = append(out, verifier.Press{Verb: verb, Text: text}) }
	approves := state == verifier.RollbackProposed && v.Rollback.Mode != verifier.ModeSuggest
	switch {
	case approves && w.wouldRollBack(s, v, v.Rollback.To, admin, now):
		add(verifier.Approve, "Approve the rollback")
	case !approves && w.wouldRollBack(s, v, "", admin, now):
		add(verifier.RollBack, "Roll back now")
	}
	switch state {
	case verifier.RollbackProposed:
		add(verifier.Deny, "Deny the rollback")
	case verifier.RollbackApproved:
		add(verifier.Cancel, "Stop the rollback")
	}
	if v.State.Watching() {
		add(verifier.Cancel, "Cancel the watch")
	}
	if v.State == verifier.FailedState && !dismissed(&v) {
		add(verifier.Dismiss, "Dismiss the verdict")
	}
	return out
}

// wouldRollBack reports whether a person's rollback would be accepted.
func (w World) wouldRollBack(s *verifier.Scene, v verifier.Verification, to string, admin bool, now time.Time) bool {
	if w.Catalogue.Service(v.Deploy.Place, v.Deploy.Team).Rollback.By == "" {
		return false
	}
	if r := v.Rollback; r != nil && !r.Over() && (r.State == verifier.RollbackSent || r.State == verifier.RollbackConfirmed) || alreadyRollingBack(s, &v) != nil {
		return false // one at a time
	}
	g := w.guard(s, &v, asked{person: true, admin: admin, reason: "asked", to: to}, now)
	return len(g.denials()) == 0 && (g.to != "" || len(g.candidates) > 0)
}

func (c *change) pressable(v *verifier.Verification) []verifier.Press {
	return c.Presses(c.scene, *v, false, c.now)
}

func (c *change) page(verification string) string {
	if c.URL == "" {
		return ""
	}
	return c.URL + "/verifications/" + url.PathEscape(verification)
}

func (c *change) incidentPage(id string) string {
	if c.URL == "" {
		return ""
	}
	return c.URL + "/incidents/" + url.PathEscape(id)
}

// links are what a person may press under the message: what would be accepted now, and where to read on. Those that act lead to a
// page that asks once more.
func (c *change) links(m verifier.Member) []verifier.Link {
	var links []verifier.Link
	if page := c.page(m.Verification); page != "" {
		for _, p := range m.Presses {
			if m.Resolved == nil && p.Verb != verifier.Dismiss {
				links = append(links, verifier.Link{Text: p.Text, URL: page + "/" + string(p.Verb)})
			}
		}
		links = append(links, verifier.Link{Text: "Evidence", URL: page})
	}
	if changes := m.Labels["changes"]; changes != "" {
		links = append(links, verifier.Link{Text: "Changes", URL: changes})
	}
	if runbook := c.Catalogue.Service(m.Place, m.Labels["team"]).Links["runbook"]; runbook != "" {
		links = append(links, verifier.Link{Text: "Runbook", URL: runbook})
	}
	return links
}

// groupLinks lead to all members; what is to be done is done for each.
func (c *change) groupLinks(in *verifier.Incident, worst verifier.Member) []verifier.Link {
	var links []verifier.Link
	if page := c.incidentPage(in.ID); page != "" {
		links = append(links, verifier.Link{Text: "All deploys of this incident", URL: page})
	}
	if runbook := c.Catalogue.Service(worst.Place, worst.Labels["team"]).Links["runbook"]; runbook != "" {
		links = append(links, verifier.Link{Text: "Runbook", URL: runbook})
	}
	return links
}

// changesLink compares what is deployed with what was before, by commits where both are known.
func (c *change) changesLink(d verifier.Deploy) string {
	repo := strings.TrimSuffix(d.Repository, "/")
	if d.Previous == "" || !strings.HasPrefix(repo, "http://") && !strings.HasPrefix(repo, "https://") {
		return ""
	}
	from, to := d.Previous, d.Version
	if was := c.liveBefore(d); was != nil && was.Commit != "" && d.Commit != "" {
		from, to = was.Commit, d.Commit
	}
	return repo + "/compare/" + url.PathEscape(from) + "..." + url.PathEscape(to)
}
