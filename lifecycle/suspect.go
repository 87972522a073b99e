package lifecycle

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// suspectWithin is how soon after a deploy that passed a rollback or a hotfix says that it may have been bad.
const suspectWithin = 24 * time.Hour

// suspect notes that a version which passed may have been bad, because d undoes or mends it, and asks its team once. The answer is a
// mark, which the record and the judge's own figures go by.
func (c *change) suspect(d verifier.Deploy) {
	was := c.liveBefore(d)
	if was == nil || d.At.Sub(was.At) > suspectWithin {
		return
	}
	kind := verifier.SuspectedByRollback
	switch {
	case d.Kind == verifier.KindRollback:
	case hotfix(d, *was):
		kind = verifier.SuspectedByHotfix
	default:
		return
	}
	known := c.scene.Watch(was.ID)
	if known == nil || known.State != verifier.Passed || known.Suspected != nil || known.Mark != nil || was.Mark != nil {
		return
	}
	v := c.watch(was.ID)
	v.Suspected = &verifier.Suspicion{Kind: kind, Deploy: d.ID, Version: d.Version, At: d.At}
	if !c.tooLate(d) {
		c.askAbout(v, d)
	}
}

// liveBefore is the release of another version that was live just before d.
func (c *change) liveBefore(d verifier.Deploy) *verifier.Deploy {
	if d.Change != verifier.Release {
		return nil
	}
	return c.scene.LiveBefore(d)
}

// hotfix reports whether a release says that it mends the version before it: by the word in its version, group or labels, or by a
// version that is the old one with something added (1.4.2 and 1.4.2.1). A next number alone says nothing: many count every build.
func hotfix(d, was verifier.Deploy) bool {
	said := []string{d.Version, d.Group, d.URL}
	for k, v := range d.Labels {
		if strings.EqualFold(k, "hotfix") {
			return !strings.EqualFold(v, "false") && v != "0" && v != ""
		}
		said = append(said, v)
	}
	text := strings.ToLower(strings.Join(said, "\n"))
	if strings.Contains(text, "hotfix") || strings.Contains(text, "hot-fix") {
		return true
	}
	rest, longer := strings.CutPrefix(d.Version, was.Version)
	return longer && rest != "" && strings.ContainsAny(rest[:1], ".-+_") && strings.Contains(was.Version, ".")
}

// askAbout tells the team once; nothing stays open.
func (c *change) askAbout(v *verifier.Verification, d verifier.Deploy) {
	was := v.Deploy
	how := fmt.Sprintf("%s was rolled back to %s", was.Version, d.Version)
	if v.Suspected.Kind == verifier.SuspectedByHotfix {
		how = fmt.Sprintf("%s fixed it", d.Version)
	}
	by := ""
	if d.By != "" {
		by = " by " + d.By
	}
	text := fmt.Sprintf("%s %s passed after its deploy at %s, and %s at %s%s. Was it bad? Your answer goes into the report:\nverifier mark bad %s --cause '…'\nverifier mark good %s --cause '…'",
		was.Service, was.Version, words.Time(was.At, c.now, c.Zone), how, words.Time(d.At, c.now, c.Zone), by, was.ID, was.ID)
	page := c.URL + "/deploys/" + url.PathEscape(was.ID)
	var links []verifier.Link
	if c.URL != "" {
		links = []verifier.Link{{Text: "Answer", URL: page}, {Text: "Evidence", URL: c.page(v.ID)}}
	}
	c.cases = append(c.cases, &verifier.Incident{
		ID: "asked/" + v.ID, Kind: verifier.IncidentVerdict, News: true, Opened: c.now, Resolved: &c.now, Severity: verifier.SeverityWarn, URL: page, Links: links,
		Labels: map[string]string{
			"kind": string(verifier.IncidentVerdict), "service": was.Service, "environment": was.Environment, "target": was.Target, "team": was.Team,
			"severity": string(verifier.SeverityWarn), "outcome": "suspected",
		},
		Title: fmt.Sprintf("Was %s %s in %s bad? %s", was.Service, was.Version, was.Environment, capital(how)), Text: text,
	})
}
