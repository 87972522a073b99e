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
	"github.com/goccy/go-yaml/ast"
	"github.com/prometheus/alertmanager/config"
)

// explain says what is wrong with the text that the loader refused: all that can be told apart.
func (s *source) explain(refusal error) error {
	problems := append(s.parts(), s.links()...)
	if len(problems) == 0 {
		problems = s.said(refusal, s.tree, write(s.tree), func(v *value) *value { return v })
	}
	return errors.Join(problems...)
}

// parts asks the loader for each part by itself.
func (s *source) parts() (problems []error) {
	global := s.tree.get("global")
	nobody := list(mapping([]string{"name"}, text("x")))
	to := mapping([]string{"receiver"}, text("x"))
	whole := func(routes, receivers, intervals *value) *value {
		out := mapping([]string{"route", "receivers", "time_intervals"}, routes, receivers, intervals)
		if global != nil {
			out.keys, out.values = append(out.keys, "global"), append(out.values, global)
		}
		return out
	}
	problems = s.kinds()
	if about := global; about != nil {
		global = nil
		alone := s.tried(about, func(v *value) *value {
			out := whole(to, nobody, list())
			out.keys, out.values = append(out.keys, "global"), append(out.values, v)
			return out
		})
		if problems = append(problems, alone...); len(alone) == 0 {
			global = about
		}
	}
	for _, r := range s.entries("receivers") {
		bare := mapping(nil)
		for i, key := range r.keys {
			if !strings.HasSuffix(key, "_configs") || r.values[i].kind != ast.SequenceType {
				bare.keys, bare.values = append(bare.keys, key), append(bare.values, r.values[i])
				continue
			}
			for _, entry := range r.values[i].values {
				problems = append(problems, s.tried(entry, func(v *value) *value {
					return whole(to, list(mapping([]string{"name", key}, text("x"), list(v))), list())
				})...)
			}
		}
		bare.line, bare.column = r.line, r.column
		problems = append(problems, s.tried(bare, func(v *value) *value { return whole(to, list(named(v)), list()) })...)
	}
	for _, interval := range s.entries("time_intervals") {
		problems = append(problems, s.tried(interval, func(v *value) *value { return whole(to, nobody, list(v)) })...)
	}
	if route := s.tree.get("route"); route != nil && route.kind == ast.MappingType && route.get("receiver") != nil {
		receivers, intervals := s.standIns(route)
		problems = append(problems, s.tried(route, func(v *value) *value { return whole(v, receivers, intervals) })...)
	}
	return problems
}

// named is the receiver under the name that the stand-in for the routes has.
func named(receiver *value) *value {
	for i, key := range receiver.keys {
		if key == "name" {
			return receiver.with(i, text("x"))
		}
	}
	out := *receiver
	out.keys, out.values = append(slices.Clone(out.keys), "name"), append(slices.Clone(out.values), text("x"))
	return &out
}

// entries are those of a list that are mappings.
func (s *source) entries(key string) (entries []*value) {
	if v := s.tree.get(key); v != nil && v.kind == ast.SequenceType {
		for _, entry := range v.values {
			if entry.kind == ast.MappingType {
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

// kinds names the top-level keys whose values are no lists or maps.
func (s *source) kinds() (problems []error) {
	for i, key := range s.tree.keys {
		v := s.tree.values[i]
		switch isMap := key == "route" || key == "global"; {
		case v.kind == ast.NullType:
		case isMap && v.kind != ast.MappingType:
			problems = append(problems, s.problem(v, "%s must be a map", key))
		case !isMap && v.kind != ast.SequenceType:
			problems = append(problems, s.problem(v, "%s must be a list", key))
		}
	}
	return problems
}

// standIns are receivers and intervals by all names that the routes have for them: whether they exist is another question.
func (s *source) standIns(route *value) (receivers, intervals *value) {
	names := map[string]map[string]bool{"receiver": {}, "interval": {}}
	eachRoute(route, func(r *value) {
		if v := r.get("receiver"); v != nil {
			names["receiver"][v.text] = true
		}
		for _, interval := range intervalsOf(r) {
			names["interval"][interval.text] = true
		}
	})
	receivers, intervals = list(), list()
	for name := range names["receiver"] {
		receivers.values = append(receivers.values, mapping([]string{"name"}, text(name)))
	}
	for name := range names["interval"] {
		intervals.values = append(intervals.values, mapping([]string{"name"}, text(name)))
	}
	return receivers, intervals
}

func eachRoute(route *value, do func(*value)) {
	if route == nil {
		return
	}
	do(route)
	if routes := route.get("routes"); routes != nil {
		for _, r := range routes.values {
			eachRoute(r, do)
		}
	}
}

func intervalsOf(route *value) (all []*value) {
	for _, key := range []string{"mute_time_intervals", "active_time_intervals"} {
		if v := route.get(key); v != nil && v.kind == ast.SequenceType {
			all = append(all, v.values...)
		}
	}
	return all
}

// links holds names against each other: what the routes name must exist, and nothing may exist twice.
func (s *source) links() (problems []error) {
	for _, of := range []string{"receivers", "time_intervals"} {
		first := map[string]int{}
		for _, entry := range s.entries(of) {
			name := entry.get("name")
			switch {
			case name == nil || name.text == "":
				problems = append(problems, s.problem(entry, "name is missing"))
			case first[name.text] > 0:
				problems = append(problems, s.problem(name, "duplicate name %q, first in line %d", name.text, first[name.text]))
			default:
				first[name.text] = name.line
			}
		}
	}
	receivers, intervals := s.names("receivers"), s.names("time_intervals")
	route := s.tree.get("route")
	switch {
	case route == nil:
		return append(problems, s.problem(nil, "route is missing; write route: {receiver: NAME}"))
	case route.kind != ast.MappingType && route.kind != ast.NullType:
		return problems
	case route.get("receiver") == nil:
		problems = append(problems, s.problem(route, "route has no receiver; write route: {receiver: NAME}; receivers are: %s", listed(receivers)))
	}
	eachRoute(route, func(r *value) {
		if v := r.get("receiver"); v != nil && !slices.Contains(receivers, v.text) {
			problems = append(problems, s.problem(v, "undefined receiver %q used in route; receivers are: %s", v.text, listed(receivers)))
		}
		for _, v := range intervalsOf(r) {
			if !slices.Contains(intervals, v.text) {
				problems = append(problems, s.problem(v, "undefined time interval %q used in route; time intervals are: %s", v.text, listed(intervals)))
			}
		}
	})
	return problems
}

func listed(names []string) string { return cmp.Or(strings.Join(names, ", "), "none") }

// tried is what the loader says of a value; whole makes a file of it.
func (s *source) tried(about *value, whole func(*value) *value) []error {
	w := write(whole(about))
	if _, err := parse(w.text.String()); err != nil {
		return s.said(err, about, w, whole)
	}
	return nil
}

var (
	lineText  = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	fieldText = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	wrongText = regexp.MustCompile("^cannot unmarshal !!\\w+(?: `.*`)? into (.*)$")
)

// said gives each of the loader's sentences its place.
func (s *source) said(err error, about *value, w *written, whole func(*value) *value) (problems []error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		if line == "" || line == "yaml: unmarshal errors:" {
			continue
		}
		m := lineText.FindStringSubmatch(line)
		if m == nil {
			at := firstOf(culprit(about, whole, line), spoken(about, line), about)
			problems = append(problems, s.about(at, "%s", line))
			continue
		}
		n, _ := strconv.Atoi(m[1]) // unreachable error: digits
		at := w.at(n)
		if f := fieldText.FindStringSubmatch(m[2]); f != nil {
			problems = append(problems, s.problem(at, "unknown key %q%s", f[1], didYouMean(f[1])))
		} else if t := wrongText.FindStringSubmatch(m[2]); t != nil {
			problems = append(problems, s.about(at, "must be %s", kindOf(t[1])))
		} else {
			problems = append(problems, s.about(at, "%s", m[2]))
		}
	}
	return problems
}

// about is an error about a value, with the keys that lead to it.
func (s *source) about(v *value, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if path := s.tree.pathTo(v); path != "" {
		text = strings.TrimPrefix(path, ".") + ": " + text
	}
	return s.problem(v, "%s", text)
}

// pathTo is the path of a value below this one, as .receivers[0].name; empty where it is not there.
func (v *value) pathTo(other *value) string {
	for i, inner := range v.values {
		step := "[" + strconv.Itoa(i) + "]"
		if v.kind == ast.MappingType {
			step = "." + v.keys[i]
		}
		if inner == other {
			return step
		}
		if rest := inner.pathTo(other); rest != "" {
			return step + rest
		}
	}
	return ""
}

// kindOf is what people call a type of the loader's.
func kindOf(t string) string {
	switch {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "float"):
		return "a number"
	case t == "string":
		return "text"
	}
	return "a map, like {key: value}"
}

func firstOf(values ...*value) *value { return cmp.Or(values...) }

// lacking are sentences about what is not there.
var lacking = regexp.MustCompile(`(?i)^(missing|no )|required|at least one|one of|lacks|must be configured`)

// culprit is the innermost value without which the loader is content, or else says something else.
func culprit(v *value, whole func(*value) *value, said string) *value {
	for _, content := range []bool{true, false} {
		if !content && lacking.MatchString(said) {
			break // what is there is not what is wrong
		}
		for i, inner := range v.values {
			if v.kind == ast.MappingType && v.keys[i] == "receiver" && !content {
				continue // a route needs one
			}
			_, err := parse(write(whole(v.without(i))).text.String())
			if err != nil && (content || strings.Contains(err.Error(), said)) {
				continue
			}
			if speaksOf(said, inner.name) {
				return inner
			}
			if deeper := culprit(inner, func(x *value) *value { return whole(v.with(i, x)) }, said); deeper != nil {
				return deeper
			}
			return inner
		}
	}
	return nil
}

// files places what is wrong with files of secrets: each key by its text, in the order in which they are written.
func (s *source) files(missing []missingFile) error {
	var problems []error
	used := map[*value]bool{}
	for _, m := range missing {
		at := s.tree.search(func(key string, v *value) bool { return key == m.key && v.text == m.given && !used[v] })
		used[at] = true
		problems = append(problems, s.problem(at, "%s: cannot read %q: %v", m.key, m.given, m.err))
	}
	return errors.Join(problems...)
}

// search is the first value below for which that holds; nil where there is none.
func (v *value) search(holds func(key string, v *value) bool) *value {
	for i, inner := range v.values {
		if v.kind == ast.MappingType && holds(v.keys[i], inner) {
			return inner
		}
		if found := inner.search(holds); found != nil {
			return found
		}
	}
	return nil
}

// spoken is the value whose key is the longest that a sentence speaks of.
func spoken(about *value, said string) (best *value) {
	var look func(*value)
	look = func(v *value) {
		for _, inner := range v.values {
			if speaksOf(said, inner.name) && (best == nil || len(inner.name) > len(best.name)) {
				best = inner
			}
			look(inner)
		}
	}
	if about != nil {
		look(about)
	}
	return best
}

// speaksOf reports whether a sentence holds a key, with blanks or underscores. Short keys are ordinary words.
func speaksOf(said, key string) bool {
	blanks := strings.NewReplacer("_", " ")
	return len(key) > 3 && strings.Contains(blanks.Replace(strings.ToLower(said)), blanks.Replace(key))
}

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
