package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text writes the report for a terminal, 80 columns wide where names are short.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  %s\n", r.title(), r.headline())
	if lines := r.lines(); len(lines) > 0 {
		b.WriteByte('\n')
		for _, l := range lines {
			fmt.Fprintf(&b, "  %-10s %s\n", l.Label, l.Text)
		}
	}
	for _, t := range r.tables() {
		fmt.Fprintf(&b, "\n%s\n\n", t.Title)
		t.text(&b)
	}
	if r.URL != "" {
		fmt.Fprintf(&b, "\nDeploys: %s\n", r.link(r.Month, "", "succeeded", ""))
	} else if commands := r.commands(); len(commands) > 0 {
		fmt.Fprintf(&b, "\nThe deploys behind these figures\n\n  %s\n", strings.Join(commands, "\n  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t table) text(b *strings.Builder) {
	width := make([]int, len(t.Head))
	widen := func(cells []string) {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	widen(t.Head)
	for _, row := range t.Rows {
		widen(row.Cells)
	}
	write := func(cells []string, last string) {
		var line strings.Builder
		for i, c := range cells {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				line.WriteString("  " + c + space)
			} else {
				line.WriteString("  " + space + c)
			}
		}
		b.WriteString(strings.TrimRight(line.String()+"  "+last, " ") + "\n")
	}
	write(t.Head, "")
	for _, row := range t.Rows {
		write(row.Cells, bar(row.Bar))
	}
}

const barWidth = 12

// bar draws a share of barWidth in eighths of a character.
func bar(share float64) string {
	eighths := int(share*barWidth*8 + 0.5)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}
