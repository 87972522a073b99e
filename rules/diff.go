package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// Change is one difference between two sets of rules, and for whom.
type Change struct {
	Places []verifier.Place `json:"places"` // empty: everybody
	Rule   string           `json:"rule"`
	Text   string           `json:"text"` // added, removed, or key: old → new
}

// String is one line for people.
func (c Change) String() string {
	whom := "everybody"
	if n := len(c.Places); n > 0 {
		whom = c.Places[0].String()
		if n > 1 {
			whom += fmt.Sprintf(" and %d more", n-1)
		}
	}
	return fmt.Sprintf("%s: %s (%s)", c.Rule, c.Text, whom)
}

// Diff says what changes for whom, by the rules that each example deploy would be watched by. Without examples the rules are
// compared as they are written.
func Diff(old, now *Set, examples []verifier.Deploy) []Change {
	places := map[[2]string][]verifier.Place{}
	note := func(was, is []verifier.Rule, p []verifier.Place) {
		for _, c := range differences(was, is) {
			places[c] = append(places[c], p...)
		}
	}
	for _, d := range examples {
		was, _ := old.For(d)
		is, _ := now.For(d)
		note(was, is, []verifier.Place{d.Place})
	}
	if len(examples) == 0 {
		note(old.rules, now.rules, nil)
	}
	var out []Change
	for _, c := range slices.SortedFunc(maps.Keys(places), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) }) {
		out = append(out, Change{Places: places[c], Rule: c[0], Text: c[1]})
	}
	return out
}

// differences are pairs of rule and what changes of it.
func differences(was, is []verifier.Rule) [][2]string {
	before, after := byName(was), byName(is)
	var out [][2]string
	for name, b := range before {
		a, still := after[name]
		if !still {
			out = append(out, [2]string{name, "removed"})
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(union(a, b))) {
			if a[key] != b[key] {
				out = append(out, [2]string{name, fmt.Sprintf("%s: %s → %s", key, orNone(b[key]), orNone(a[key]))})
			}
		}
	}
	for name := range after {
		if before[name] == nil {
			out = append(out, [2]string{name, "added"})
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// byName is each rule as a flat map of its keys. Where it stands does not count.
func byName(list []verifier.Rule) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, r := range list {
		r.Where = ""
		text, _ := json.Marshal(r) // unreachable error: plain fields
		var tree map[string]any
		_ = json.Unmarshal(text, &tree)
		flat := map[string]string{}
		flatten("", tree, flat)
		for _, key := range []string{"settle", "watch", "every", "extend", "limit.within", "limit.for", "compare.over"} {
			if v, ok := flat[key]; ok {
				flat[key] = spell(v)
			}
		}
		out[r.Name] = flat
	}
	return out
}

func flatten(prefix string, value any, into map[string]string) {
	if tree, ok := value.(map[string]any); ok {
		for key, v := range tree {
			flatten(strings.TrimPrefix(prefix+"."+key, "."), v, into)
		}
		return
	}
	text, _ := json.Marshal(value) // unreachable error: it came out of JSON
	into[prefix] = string(text)
}

// spell writes nanoseconds as a duration.
func spell(nanoseconds string) string {
	var n float64
	if _, err := fmt.Sscan(nanoseconds, &n); err != nil {
		return nanoseconds
	}
	return time.Duration(n).String()
}
