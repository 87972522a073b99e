package sources

import (
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

type all struct{}

func (all) matches(document) bool { return true }

type exists struct{ field string }

func (e *exists) matches(d document) bool {
	v, ok := d.field(e.field)
	return ok && v != nil
}

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

// anyOf tries each value of a list, or the one.
func anyOf(value any, is func(any) bool) bool {
	if list, ok := value.([]any); ok {
		for _, v := range list {
			if is(v) {
				return true
			}
		}
		return false
	}
	return is(value)
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
	return ok && anyOf(value, func(v any) bool {
		switch v := v.(type) {
		case float64:
			return b.hasNumber(v)
		case string:
			if n, err := strconv.ParseFloat(v, 64); err == nil && b.numeric() {
				return b.hasNumber(n)
			}
			return b.hasText(v)
		}
		return false
	})
}

func (b *between) numeric() bool {
	return (b.low == nil || b.low.isNumber) && (b.high == nil || b.high.isNumber)
}

func (b *between) hasNumber(n float64) bool {
	if !b.numeric() {
		return false
	}
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
