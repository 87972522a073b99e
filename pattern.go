package verifier

import (
	"slices"
	"strings"
)

// Pattern is messages that are the same but for their variables.
type Pattern struct {
	Template string  `json:"template"` // words apart by single blanks; variables are <number>, <ip> and so on, any word is <*>
	Count    float64 `json:"count"`
	Sample   string  `json:"sample,omitempty"` // one such message, masked; in the first step alone, and not where samples are off
}

// AnyWord stands in a template for words that differ.
const AnyWord = "<*>"

const (
	templatePrefix = 2   // words that tell patterns apart, whatever follows
	templateAlike  = 0.7 // of the words that are none of AnyWord
)

var numbers = strings.NewReplacer("<card>", "<number>", "<hex>", "<number>")

// NumberWord is the word with one name for all numbers: of long ones each tenth passes for a card, and some hexadecimal ones have no letter.
func NumberWord(word string) string {
	if strings.IndexByte(word, '<') < 0 {
		return word
	}
	return numbers.Replace(word)
}

// TemplatesAlike says which share of the words of two templates is the same, and whether that makes them one pattern.
func TemplatesAlike(a, b []string) (share float64, alike bool) {
	if len(a) != len(b) {
		return 0, false
	}
	same, differ := 0, 0
	for i := range a {
		switch {
		case a[i] == AnyWord || b[i] == AnyWord:
		case a[i] == b[i] || NumberWord(a[i]) == NumberWord(b[i]):
			same++
		case i < templatePrefix:
			return 0, false
		default:
			differ++
		}
	}
	if same+differ == 0 {
		return 1, true
	}
	share = float64(same) / float64(same+differ)
	return share, share >= templateAlike
}

// AlikeAny reports whether it is the same pattern as one of the templates.
func (p Pattern) AlikeAny(templates []string) bool {
	return slices.ContainsFunc(templates, func(t string) bool { return p.Alike(Pattern{Template: t}) })
}

// Alike reports whether both are the same pattern, of which each may have seen other variables.
func (p Pattern) Alike(o Pattern) bool {
	if p.Template == o.Template {
		return true
	}
	_, alike := TemplatesAlike(strings.Split(p.Template, " "), strings.Split(o.Template, " "))
	return alike
}
