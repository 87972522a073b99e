package alerting

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify/pagerduty"

	"verifier"
)

// source is Alertmanager's part of the configuration, for saying where in it something is wrong: Alertmanager's own errors do not. It
// gives the loader a text of its own, in which every value has a line, and asks it for each receiver, interval and the routes by themselves,
// so that all mistakes are named at once, each at its key.
type source struct {
	file string
	tree *value // the keys that are Alertmanager's; nil where the text is no YAML
}

// ownKeys are Alertmanager's among those of the file.
var ownKeys = []string{"global", "receivers", "route", "time_intervals", "mute_time_intervals", "templates", "inhibit_rules"}

func newSource(text []byte, file string) *source {
	s := &source{file: file}
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil || len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return s // whoever reads the file says what is wrong
	}
	whole := (&reader{anchors: map[string]*value{}}).read(parsed.Docs[0].Body)
	s.tree = mapping(nil)
	for i, key := range whole.keys {
		if slices.Contains(ownKeys, key) {
			s.tree.keys, s.tree.values = append(s.tree.keys, key), append(s.tree.values, whole.values[i])
		}
	}
	return s
}

// empty reports whether nothing stands behind any of the keys, as in receivers: [] and route: {}.
func (s *source) empty() bool {
	return s.tree == nil || !slices.ContainsFunc(s.tree.values, func(v *value) bool {
		return v.kind == ast.StringType || len(v.values) > 0
	})
}

// has reports whether a key is written.
func (s *source) has(path ...string) bool { return s.tree.at(path...) != nil }

// problem is an error about a value: it stands at its key, or at the value where it has none.
func (s *source) problem(at *value, format string, args ...any) error {
	e := &verifier.FileError{File: s.file, Problem: fmt.Sprintf(format, args...)}
	switch {
	case at == nil:
		e.Line, e.Column = 1, 1
	case at.key != nil:
		e.Line, e.Column = at.key.Line, at.key.Column
	default:
		e.Line, e.Column = at.line, at.column
	}
	return e
}

// refused names the keys that have no meaning here.
func (s *source) refused() error {
	var problems []error
	if rules := s.tree.get("inhibit_rules"); rules != nil {
		problems = append(problems, s.problem(rules, "inhibit_rules has no effect: one incident already stands for all deploys of a group; remove it"))
	}
	var look func(route *value)
	look = func(route *value) {
		for _, key := range []string{"group_by", "group_wait", "group_interval"} {
			if v := route.get(key); v != nil {
				problems = append(problems, s.problem(v, "%s has no effect: incidents are grouped by deploy group, environment and team, and are sent at once; remove it", key))
			}
		}
		if routes := route.get("routes"); routes != nil {
			for _, r := range routes.values {
				look(r)
			}
		}
	}
	look(s.tree.get("route"))
	return errors.Join(problems...)
}

// names are those of a list's entries.
func (s *source) names(list string) (names []string) {
	if v := s.tree.get(list); v != nil {
		for _, entry := range v.values {
			if name := entry.get("name"); name != nil {
				names = append(names, name.text)
			}
		}
	}
	return names
}

// defaults sets what reads better here than Alertmanager's own: e-mails have a plain part too; a Slack message that is edited in place
// ends green, unless send_resolved is written; PagerDuty knows a page from a warning.
func (s *source) defaults(c *config.Config) {
	for i, r := range c.Receivers {
		for _, e := range r.EmailConfigs {
			if e.Text == "" {
				e.Text = `{{ template "email.default.text" . }}`
			}
		}
		for j, sc := range r.SlackConfigs {
			if sc.UpdateMessage && !s.has("receivers", strconv.Itoa(i), "slack_configs", strconv.Itoa(j), "send_resolved") {
				sc.VSendResolved = true
			}
		}
		for _, p := range r.PagerdutyConfigs {
			pagerDuty(p)
		}
	}
}

// pagerDuty replaces the details that are lists of labels by what people read, with a link for each of the incident's.
func pagerDuty(p *pagerduty.PagerdutyConfig) {
	if p.Severity == "" {
		p.Severity = `{{ template "pagerduty.default.severity" . }}`
	}
	for key, text := range pagerduty.DefaultPagerdutyDetails {
		if p.Details[key] == text {
			delete(p.Details, key)
		}
	}
	if len(p.Details) == 0 {
		// A detail is read as YAML once more, and a sentence with a colon would become a map: a list of one JSON string stays itself.
		p.Details["text"] = `[{{ .CommonAnnotations.text | toJson }}{{ range links .CommonAnnotations.links }}, {{ printf "%s: %s" .Text .URL | toJson }}{{ end }}]`
	}
	if len(p.Links) > 0 {
		return
	}
	for i := range mostLinks {
		one := func(what string) string {
			return fmt.Sprintf(`{{ range $i, $l := links .CommonAnnotations.links }}{{ if eq $i %d }}{{ $l.%s }}{{ end }}{{ end }}`, i, what)
		}
		p.Links = append(p.Links, pagerduty.PagerdutyLink{Href: one("URL"), Text: one("Text")})
	}
}

// mostLinks are as many as an incident has.
const mostLinks = 5
