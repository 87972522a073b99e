package intake

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"verifier"
)

// Bounds of what is sent besides names and versions.
const (
	maxText   = 500
	maxHosts  = 1000
	maxLabels = 50
	ahead     = 5 * time.Minute // how far a sender's clock may be ahead
)

var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// tidied is the deploy without the blanks that stand around its names and texts, which every door takes off.
func tidied(d verifier.Deploy) verifier.Deploy {
	for _, s := range []*string{
		&d.ID, &d.Service, &d.Environment, &d.Target, &d.Version, &d.PreviousVersion, &d.Group, &d.Team, &d.By, &d.Commit, &d.Repository, &d.URL, &d.Rollback.Reason,
	} {
		*s = strings.TrimFunc(*s, isBlank)
	}
	for i, host := range d.Hosts {
		d.Hosts[i] = strings.TrimFunc(host, isBlank)
	}
	return d
}

// isBlank is true of spaces, and of the byte order mark that files of Windows begin with.
func isBlank(r rune) bool { return r == '\ufeff' || unicode.IsSpace(r) }

// problems is everything that is wrong with a deploy, by its JSON names: the one validator of the API, of hooks and of CSV files.
func problems(d verifier.Deploy, now time.Time) []verifier.FieldError {
	var list []verifier.FieldError
	bad := func(field, problem string) {
		if problem != "" {
			list = append(list, verifier.FieldError{Field: field, Problem: problem})
		}
	}
	bad("service", verifier.NameProblem(d.Service))
	bad("environment", verifier.NameProblem(d.Environment))
	bad("version", verifier.VersionProblem(d.Version))
	bad("target", optional(d.Target, verifier.NameProblem))
	bad("team", optional(d.Team, verifier.NameProblem))
	bad("previous_version", optional(d.PreviousVersion, verifier.VersionProblem))
	bad("status", oneOfProblem(d.Status, verifier.Statuses))
	bad("change", oneOfProblem(d.Change, verifier.Changes))
	bad("id", idProblem(d.ID))
	if d.Status == verifier.Started && d.ID == "" {
		bad("id", "is missing; a started deploy needs one, so that its end can be joined to it")
	}
	bad("at", timeProblem(d.At, now))
	if d.StartedAt != nil {
		bad("started_at", timeProblem(*d.StartedAt, now))
	}
	for _, f := range []struct{ field, value string }{{"by", d.By}, {"commit", d.Commit}, {"group", d.Group}, {"rollback.reason", d.Rollback.Reason}} {
		bad(f.field, textProblem(f.value))
	}
	bad("url", linkProblem(d.URL))
	bad("repository", linkProblem(d.Repository))
	list = append(list, hostProblems(d.Hosts)...)
	return append(list, labelProblems(d.Labels)...)
}

func optional(s string, problem func(string) string) string {
	if s == "" {
		return ""
	}
	return problem(s)
}

func hostProblems(hosts []string) (list []verifier.FieldError) {
	if len(hosts) > maxHosts {
		return []verifier.FieldError{{Field: "hosts", Problem: fmt.Sprintf("are %d; at most %d", len(hosts), maxHosts)}}
	}
	for i, host := range hosts {
		if problem := verifier.PlainNameProblem(host); problem != "" {
			list = append(list, verifier.FieldError{Field: fmt.Sprintf("hosts[%d]", i), Problem: fmt.Sprintf("%.40q %s", host, problem)})
		}
	}
	return list
}

func labelProblems(labels map[string]string) (list []verifier.FieldError) {
	if len(labels) > maxLabels {
		return []verifier.FieldError{{Field: "labels", Problem: fmt.Sprintf("are %d; at most %d", len(labels), maxLabels)}}
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		problem := textProblem(labels[name])
		if problem == "" {
			problem = verifier.PlainNameProblem(name)
		}
		if problem != "" {
			list = append(list, verifier.FieldError{Field: "labels." + name, Problem: problem})
		}
	}
	return list
}

func oneOfProblem[T ~string](s T, all []T) string {
	if slices.Contains(all, s) {
		return ""
	}
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	last := len(words) - 1
	return fmt.Sprintf("%.40q is none; write %s or %s", s, strings.Join(words[:last], ", "), words[last])
}

func textProblem(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("has %d bytes; at most %d", len(s), maxText)
	}
	if strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }) {
		return "has control characters, or is no UTF-8; write one line of text"
	}
	return ""
}

// linkProblem is what is wrong with an address that people may follow; empty for nothing, and for none.
func linkProblem(s string) string {
	if problem := textProblem(s); problem != "" {
		return problem
	}
	if u, err := url.Parse(s); s != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return "is no address; write https://…"
	}
	return ""
}

// idProblem is what is wrong with the name of a deploy: up to 200 printable characters without spaces.
func idProblem(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("has %d bytes; at most 200", len(s))
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"'\<>`, c) }) {
		return "has spaces, quotes or other characters that do not fit; write letters, digits and ._:/@+-"
	}
	return ""
}

func timeProblem(at, now time.Time) string {
	switch {
	case at.After(now.Add(ahead)):
		return fmt.Sprintf("is %s ahead of this server's clock; at most 5 minutes", at.Sub(now).Round(time.Second))
	case at.Before(earliest):
		return "is before 2000; is that the right year?"
	}
	return ""
}
