package alerting

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify/pagerduty"
)

// source is the text of the configuration, for saying where in it something is wrong: Alertmanager's own errors do not.
type source struct {
	file  string
	lines []string
	nodes []node
	tree  map[string]any
}

// node is one value of the text with the keys that lead to it.
type node struct {
	path         []string // keys, and numbers of list entries
	value        string   // of a scalar
	line, column int      // of the key, or of the value where it has none
}

func newSource(text []byte, file string) *source {
	s := &source{file: file, lines: strings.Split(string(text), "\n")}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil || len(parsed.Docs) == 0 || yaml.Unmarshal(text, &s.tree) != nil {
		return s // the loader says what is wrong
	}
	s.walk(parsed.Docs[0].Body, nil, 0, 0)
	return s
}

// empty reports whether nothing stands behind any of the keys, as in receivers: [] and route: {}.
func (s *source) empty() bool {
	for _, value := range s.tree {
		if v := reflect.ValueOf(value); value != nil && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0) {
			return false
		}
	}
	return s.tree != nil
}

func (s *source) walk(n ast.Node, path []string, line, column int) {
	if n == nil {
		return
	}
	if at := n.GetToken(); at != nil && line == 0 {
		line, column = at.Position.Line, at.Position.Column
	}
	found := node{path: slices.Clone(path), line: line, column: column}
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) == 0 && len(path) > 0 {
			s.nodes = append(s.nodes, found)
		}
		for _, pair := range n.Values {
			s.walk(pair, path, 0, 0)
		}
		return
	case *ast.MappingValueNode:
		at := n.Key.GetToken()
		s.walk(n.Value, append(path, at.Value), at.Position.Line, at.Position.Column)
		return
	case *ast.SequenceNode:
		s.nodes = append(s.nodes, found)
		for i, entry := range n.Values {
			s.walk(entry, append(path, strconv.Itoa(i)), 0, 0)
		}
		return
	default:
		if at := n.GetToken(); at != nil {
			found.value = at.Value
		}
	}
	s.nodes = append(s.nodes, found)
}

// under is the first value below those keys, in the order of the text.
func (s *source) under(path ...string) (node, bool) {
	i := slices.IndexFunc(s.nodes, func(n node) bool { return len(n.path) >= len(path) && slices.Equal(n.path[:len(path)], path) })
	if i < 0 {
		return node{}, false
	}
	return s.nodes[i], true
}

var (
	lineText   = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	fieldText  = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	wrongText  = regexp.MustCompile("^cannot unmarshal !!\\w+ `(.*?)(?:\\.\\.\\.)?` into (.*)$")
	quotedText = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"|` + "`([^`]*)`")
)

// explain gives each of the loader's problems its place in the file, an excerpt, and what to write instead.
func (s *source) explain(err error) error {
	var problems []error
	for text := range strings.Lines(err.Error()) {
		text = strings.TrimSpace(text)
		if text == "" || text == "yaml: unmarshal errors:" {
			continue
		}
		if m := lineText.FindStringSubmatch(text); m != nil {
			line, _ := strconv.Atoi(m[1]) // unreachable error: digits
			problems = append(problems, s.atLine(line, m[2]))
			continue
		}
		problems = append(problems, s.find(text))
	}
	return errors.Join(problems...)
}

func (s *source) atLine(line int, text string) error {
	word := ""
	if m := fieldText.FindStringSubmatch(text); m != nil {
		word = m[1]
		text = fmt.Sprintf("unknown key %q%s", word, didYouMean(word))
	} else if m := wrongText.FindStringSubmatch(text); m != nil {
		word = m[1]
		text = fmt.Sprintf("%q is no %s", word, strings.TrimPrefix(m[2], "config."))
	}
	column := 1
	if line >= 1 && line <= len(s.lines) {
		found := s.lines[line-1]
		column = 1 + len(found) - len(strings.TrimLeft(found, " -"))
		if i := strings.Index(found, word); word != "" && i >= 0 {
			column = 1 + i
		}
	}
	return s.problem(line, column, "%s", text)
}

// find looks for what the text names between quotes, else for the receiver that it is about.
func (s *source) find(text string) error {
	advice := ""
	switch {
	case strings.HasPrefix(text, "undefined receiver"):
		advice = "; receivers are: " + s.names("receivers")
	case strings.HasPrefix(text, "undefined time interval"):
		advice = "; time intervals are: " + s.names("time_intervals")
	case strings.HasPrefix(text, "no route"):
		text, advice = "route is missing", "; write route: {receiver: NAME}"
	case strings.HasPrefix(text, "root route must specify a default receiver"):
		text, advice = "route has no receiver", "; write route: {receiver: NAME}; receivers are: "+s.names("receivers")
	}
	at := cmp.Or(s.quoted(text), s.culprit(text), s.spoken(text), &node{line: 1, column: 1})
	if route, ok := s.under("route"); ok && strings.HasPrefix(text, "route has no") {
		at = &route
	}
	return s.problem(at.line, at.column, "%s%s", text, advice)
}

// quoted is the value that the text has between quotes. The last one is it: what is there twice is wrong where it is said again.
func (s *source) quoted(text string) *node {
	for _, m := range quotedText.FindAllStringSubmatch(text, -1) {
		word := strings.TrimSuffix(strings.TrimPrefix(cmp.Or(m[1], m[2]), "^(?:"), ")$")
		for _, n := range slices.Backward(s.nodes) {
			if n.value == word && !(strings.Contains(text, "not unique") && n.path[0] == "route") || m[2] != "" && word != "" && strings.Contains(n.value, word) {
				return &n
			}
		}
	}
	return nil
}

// spoken is the longest key that the text speaks of.
func (s *source) spoken(text string) *node {
	var best *node
	length := 4
	for _, n := range slices.Backward(s.nodes) {
		key := strings.ReplaceAll(n.path[len(n.path)-1], "_", " ")
		if len(key) > length && strings.Contains(strings.ReplaceAll(text, "_", " "), key) {
			best, length = &n, len(key)
		}
	}
	return best
}

// culprit is the entry of a receiver that the loader says the same of when it is alone.
func (s *source) culprit(text string) *node {
	receivers, _ := s.tree["receivers"].([]any)
	for i, r := range receivers {
		fields, _ := r.(map[string]any)
		for key, list := range fields {
			entries, _ := list.([]any)
			for j, entry := range entries {
				alone := map[string]any{
					"global": s.tree["global"], "route": map[string]any{"receiver": "x"},
					"receivers": []any{map[string]any{"name": "x", key: []any{entry}}},
				}
				written, err := yaml.Marshal(alone)
				if err != nil {
					continue
				}
				if _, err := parse(string(written)); err != nil && strings.Contains(err.Error(), text) {
					n, _ := s.under("receivers", strconv.Itoa(i), key, strconv.Itoa(j)) // unreachable otherwise: the tree is of the same text
					return &n
				}
			}
		}
	}
	return nil
}

// names are those of a list's entries.
func (s *source) names(list string) string {
	var names []string
	for _, n := range s.nodes {
		if len(n.path) == 3 && n.path[0] == list && n.path[2] == "name" {
			names = append(names, n.value)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// problem is an error with its place and the line that it is about.
func (s *source) problem(line, column int, format string, args ...any) error {
	text := fmt.Sprintf("%s:%d:%d: ", s.file, line, column) + fmt.Sprintf(format, args...)
	if line >= 1 && line <= len(s.lines) && s.lines[line-1] != "" {
		margin := fmt.Sprintf("%5d | ", line)
		text += "\n" + margin + s.lines[line-1] + "\n" + strings.Repeat(" ", len(margin)-2) + "| " + strings.Repeat(" ", max(0, column-1)) + "^"
	}
	return errors.New(text)
}

// refused names the keys that have no meaning here.
func (s *source) refused() error {
	var problems []error
	seen := map[string]bool{}
	for _, n := range s.nodes {
		for depth, key := range n.path {
			at := strings.Join(n.path[:depth+1], ".")
			if seen[at] {
				continue
			}
			switch {
			case depth == 0 && key == "inhibit_rules":
				seen[at] = true
				problems = append(problems, s.problem(n.line-s.up(n, depth), 1,
					"inhibit_rules: there is nothing to inhibit: one incident already stands for all deploys of a group; take it out"))
			case n.path[0] == "route" && slices.Contains([]string{"group_by", "group_wait", "group_interval"}, key):
				seen[at] = true
				problems = append(problems, s.problem(n.line, n.column,
					"%s has no effect: incidents are grouped by deploy group, environment and team, and are told at once; take it out", key))
			}
		}
	}
	return errors.Join(problems...)
}

// up is how many lines the key of that depth stands above the value.
func (s *source) up(n node, depth int) int {
	for line := n.line; line >= 1; line-- {
		if strings.HasPrefix(strings.TrimLeft(s.lines[line-1], `"'`), n.path[depth]) {
			return n.line - line
		}
	}
	return 0
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
			if _, said := s.under("receivers", strconv.Itoa(i), "slack_configs", strconv.Itoa(j), "send_resolved"); sc.UpdateMessage && !said {
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

// didYouMean is the nearest key of Alertmanager's configuration.
func didYouMean(word string) string {
	best, distance := "", 3
	var look func(reflect.Type, int)
	look = func(t reflect.Type, depth int) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || depth > 4 {
			return
		}
		for i := range t.NumField() {
			key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if n := levenshtein.ComputeDistance(word, key); key != "" && n < distance {
				best, distance = key, n
			}
			look(t.Field(i).Type, depth+1)
		}
	}
	look(reflect.TypeFor[config.Config](), 0)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
