package sources

import (
	"slices"
	"strconv"
	"strings"
)

// document is one log line: its values by dotted field. analyzed names the field whose text is searched by words.
type document struct {
	field    func(name string) (value any, ok bool)
	analyzed string
}

// boolean is what Lucene makes of clauses: all of must, none of mustNot, and one of should where nothing must be.
type boolean struct{ must, should, mustNot []node }

func (b *boolean) matches(d document) bool {
	for _, n := range b.mustNot {
		if n.matches(d) {
			return false
		}
	}
	for _, n := range b.must {
		if !n.matches(d) {
			return false
		}
	}
	if len(b.must) > 0 || len(b.should) == 0 {
		return true
	}
	for _, n := range b.should {
		if n.matches(d) {
			return true
		}
	}
	return false
}

// fields adds the fields that the query names.
func (b *boolean) fields(to map[string]bool) {
	for _, list := range [][]node{b.must, b.should, b.mustNot} {
		for _, n := range list {
			n.fields(to)
		}
	}
}

type all struct{}

func (all) matches(document) bool  { return true }
func (all) fields(map[string]bool) {}

type exists struct{ field string }

func (e *exists) matches(d document) bool {
	v, ok := d.field(e.field)
	return ok && present(v)
}

func (e *exists) fields(to map[string]bool) { to[e.field] = true }

// present reports whether there is any value: neither null nor an empty list.
func present(v any) bool { return anyOf(v, func(v any) bool { return v != nil }) }

// leaf is a term or a phrase of one field.
type leaf struct {
	field  string
	want   pattern
	phrase bool
}

func (l *leaf) matches(d document) bool {
	name := l.field
	if name == "" {
		name = d.analyzed
	}
	value, ok := d.field(name)
	return ok && anyOf(value, func(v any) bool { return l.matchesValue(v, name == d.analyzed) })
}

func (l *leaf) fields(to map[string]bool) {
	if l.field != "" {
		to[l.field] = true
	}
}

// anyOf tries each value of a list, and of lists in it, or the one.
func anyOf(value any, is func(any) bool) bool {
	list, ok := value.([]any)
	if !ok {
		return is(value)
	}
	return slices.ContainsFunc(list, func(v any) bool { return anyOf(v, is) })
}

func (l *leaf) matchesValue(v any, analyzed bool) bool {
	switch v := v.(type) {
	case string:
		if analyzed {
			return l.matchesWords(v)
		}
		return l.want.match([]rune(v))
	case float64:
		n, err := strconv.ParseFloat(string(l.want.runes), 64)
		return err == nil && n == v || err != nil && l.want.match([]rune(strconv.FormatFloat(v, 'f', -1, 64)))
	case bool:
		return string(l.want.runes) == strconv.FormatBool(v)
	}
	return false
}

// matchesWords looks for the term among the words, or for the phrase's words in a row.
func (l *leaf) matchesWords(text string) bool {
	words := wordsOf(text)
	if !l.phrase && len(l.want.wild) > 0 {
		lower := pattern{[]rune(strings.ToLower(string(l.want.runes))), l.want.wild}
		for _, w := range words {
			if lower.match([]rune(w)) {
				return true
			}
		}
		return false
	}
	want := wordsOf(string(l.want.runes))
	if len(want) == 0 {
		return false
	}
	for i := 0; i+len(want) <= len(words); i++ {
		if equal(words[i:i+len(want)], want) {
			return true
		}
	}
	return false
}

func equal(a, b []string) bool {
	for i := range b {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// between is a range of numbers, or of texts (times of one form are in order as texts).
type between struct {
	field             string
	low, high         *edge
	lowOpen, highOpen bool
}

func (b *between) matches(d document) bool {
	name := b.field
	if name == "" {
		name = d.analyzed
	}
	value, ok := d.field(name)
	return ok && anyOf(value, b.holds)
}

func (b *between) fields(to map[string]bool) {
	if b.field != "" {
		to[b.field] = true
	}
}

// holds compares numbers where the range is of numbers, and else texts: "-" is not above 500.
func (b *between) holds(v any) bool {
	if b.low == nil && b.high == nil {
		return v != nil
	}
	if b.numeric() {
		n, ok := numberOf(v)
		return ok && b.hasNumber(n)
	}
	s, ok := textOf(v)
	return ok && b.hasText(s)
}

func (b *between) numeric() bool {
	return (b.low == nil || b.low.isNumber) && (b.high == nil || b.high.isNumber)
}

func (b *between) hasNumber(n float64) bool {
	if b.low != nil && (n < b.low.number || b.lowOpen && n == b.low.number) {
		return false
	}
	return b.high == nil || n < b.high.number || !b.highOpen && n == b.high.number
}

func (b *between) hasText(s string) bool {
	if b.low != nil && (s < b.low.text || b.lowOpen && s == b.low.text) {
		return false
	}
	return b.high == nil || s < b.high.text || !b.highOpen && s == b.high.text
}
