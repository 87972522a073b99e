package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report for a chat, an issue or a wiki.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Deploys in %s\n\n**%s**\n", r.title(), escape(r.headline()))
	if lines := r.lines(); len(lines) > 0 {
		b.WriteByte('\n')
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s: %s\n", l.Label, escape(l.Text))
		}
	}
	for _, t := range r.tables() {
		fmt.Fprintf(&b, "\n### %s\n\n| %s |\n|---|%s\n", t.Title, strings.Join(t.Head, " | "), strings.Repeat("---:|", len(t.Head)-1))
		for _, row := range t.Rows {
			b.WriteString(row.markdown())
		}
	}
	if r.URL != "" {
		fmt.Fprintf(&b, "\n[Deploys](<%s>)\n", r.link(r.Month, "", "succeeded", ""))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (row tableRow) markdown() string {
	cells := make([]string, len(row.Cells))
	for i, c := range row.Cells {
		cells[i] = escape(c)
		if i < len(row.Links) && row.Links[i] != "" {
			cells[i] = fmt.Sprintf("[%s](<%s>)", cells[i], row.Links[i])
		}
		if row.Now {
			cells[i] = "**" + cells[i] + "**"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

var markdownEscape = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`)

func escape(s string) string { return markdownEscape.Replace(s) }
