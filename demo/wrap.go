package demo

import (
	"slices"
	"strings"
)

// width is how many characters of a line of the timeline are used.
const width = 110

// wrap breaks a text between words; lines after the first are indented below the first one's text.
func wrap(text string, indent int) string {
	var out strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String()
}

// news is what a text says that the one before did not, sentence by sentence: an edited message is told by what changed.
func news(before, now string) string {
	was := strings.SplitAfter(before, ". ")
	fresh := slices.DeleteFunc(strings.SplitAfter(now, ". "), func(s string) bool { return slices.Contains(was, s) })
	return strings.TrimSpace(strings.Join(fresh, ""))
}
