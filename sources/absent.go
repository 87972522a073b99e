package sources

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// fieldValues is how many documents have which value, by field. A field with more than mostValues of them is open: others may be there.
type fieldValues map[string]*valuesOfField

type valuesOfField struct {
	counts map[string]float64
	open   bool
}

// mostValues is how many values of a field are told apart. What has more is no level, and its values are no list to choose from.
const mostValues = 20

func (f fieldValues) add(field, value string, n float64) {
	v := f[field]
	if v == nil {
		v = &valuesOfField{counts: map[string]float64{}}
		f[field] = v
	}
	if _, known := v.counts[value]; !known && len(v.counts) == mostValues {
		v.open = true
		return
	}
	v.counts[value] += n
}

// addAll adds what was seen elsewhere.
func (f fieldValues) addAll(other fieldValues) {
	for field, v := range other {
		for value, n := range v.counts {
			f.add(field, value, n)
		}
		if v.open {
			f[field].open = true
		}
	}
}

// absent says which values are asked for that no document has, and those that there are, the most frequent first; empty where each field
// has one of them, or may have.
func (f fieldValues) absent(wanted map[string][]string) string {
	var out []string
	for _, field := range slices.Sorted(maps.Keys(wanted)) {
		v := f[field]
		if v == nil || len(v.counts) == 0 { // the field is missing, which is said elsewhere
			continue
		}
		var near []string
		found := false
		for value := range v.counts {
			for _, want := range wanted[field] {
				found = found || value == want
				if strings.EqualFold(value, want) {
					near = append(near, value)
				}
			}
		}
		if found || v.open && len(near) == 0 {
			continue
		}
		known := slices.SortedFunc(maps.Keys(v.counts), func(a, b string) int { return cmp.Or(cmp.Compare(v.counts[b], v.counts[a]), strings.Compare(a, b)) })
		if len(known) > mostNamedValues {
			known = append(near, slices.DeleteFunc(known, func(s string) bool { return slices.Contains(near, s) })...)[:mostNamedValues]
		}
		out = append(out, "no document has "+field+" "+strings.Join(wanted[field], " or ")+"; it has "+strings.Join(known, ", "))
	}
	return strings.Join(out, ". ")
}

// mostNamedValues is how many of the values that there are stand in a sentence.
const mostNamedValues = 8
