package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var page string

// HTML writes the report as a page of its own: no script, nothing loaded from elsewhere.
func (r Report) HTML(w io.Writer) error { return r.html(w, "page") }

// Fragment is what stands in HTML's body, for a page that has a frame already.
func (r Report) Fragment() (template.HTML, error) {
	var b strings.Builder
	err := r.html(&b, "report")
	return template.HTML(b.String()), err //nolint:gosec // html/template wrote it
}

func (r Report) html(w io.Writer, name string) error {
	t, err := template.New("").Parse(page)
	if err != nil {
		return err // unreachable: the template is part of the program
	}
	return t.ExecuteTemplate(w, name, map[string]any{
		"Title": r.title(), "Headline": r.headline(), "Lines": r.lines(), "Tables": r.tables(), "Link": r.link(r.Month, "", "succeeded", ""),
	})
}
