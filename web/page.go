package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"verifier"
)

//go:embed pages/*.html pages/style.css
var pages embed.FS

// view is what every page knows.
type view struct {
	Title, Month, Zone, Caller string
	Banner                     []string
	Operates                   bool // the caller may do more than look
	Problem                    problem
	Data                       any
}

// parse reads every page once, with the frame around it.
func (s *server) parse() map[string]*template.Template {
	functions := template.FuncMap{
		"when": s.when, "age": func(t time.Time) string { return age(s.Now().Sub(t)) }, "path": url.PathEscape, "join": strings.Join,
	}
	out := map[string]*template.Template{}
	for _, name := range []string{"home", "deploy", "verification", "order", "incidents", "incident", "holds", "hooks", "gate", "noise", "report", "problem"} {
		out[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(pages, "pages/layout.html", "pages/"+name+".html"))
	}
	return out
}

// show makes a page of what data gives.
func (s *server) show(name string, data func(*http.Request) (title string, value any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		title, value, err := data(r)
		if err != nil {
			s.problemPage(w, r, err)
			return
		}
		v := s.view(r, title)
		v.Data = value
		s.render(w, http.StatusOK, name, v)
	}
}

func (s *server) view(r *http.Request, title string) view {
	now := s.Now().In(s.Zone)
	caller := verifier.CallerFrom(r.Context())
	out := view{
		Title: title, Month: now.Format("2006-01"), Zone: now.Format("MST"), Caller: caller.Name, Operates: has(caller.Scopes, verifier.ScopeOperate),
	}
	if caller.Name != "" { // strangers see no banner
		out.Banner = s.banner(r.Context())
	}
	return out
}

func (s *server) problemPage(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	noted(w, r, p.Status, err)
	v := s.view(r, p.Title)
	v.Problem = p
	s.render(w, p.Status, "problem", v)
}

// render writes a page when it is whole, so that one that breaks is answered as an error.
func (s *server) render(w http.ResponseWriter, status int, name string, v view) {
	var b bytes.Buffer
	if err := s.pages[name].Execute(&b, v); err != nil {
		s.Log.Error("cannot write a page", "page", name, "err", err)
		http.Error(w, "this page is broken; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// when is a time for people, in the configured zone; the whole of it on hovering.
func (s *server) when(t any) template.HTML {
	var at time.Time
	switch t := t.(type) {
	case time.Time:
		at = t
	case *time.Time:
		if t != nil {
			at = *t
		}
	}
	if at.IsZero() {
		return ""
	}
	at = at.In(s.Zone)
	now := s.Now().In(s.Zone)
	layout := "2 Jan 2006 15:04"
	switch {
	case at.Format(time.DateOnly) == now.Format(time.DateOnly):
		layout = "15:04:05"
	case at.Year() == now.Year():
		layout = "2 Jan 15:04"
	}
	// digits, letters of a layout and of a zone's name: nothing from outside
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // see above
		at.Format(time.RFC3339), template.HTMLEscapeString(at.Format("Monday, 2 January 2006 15:04:05 MST")), at.Format(layout)))
}

// age is how long something lasts, in its largest unit.
func age(d time.Duration) string {
	future := d < 0
	d = d.Abs()
	text := ""
	switch {
	case d < time.Minute:
		text = strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		text = strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		text = strconv.Itoa(int(d.Hours())) + " h"
	default:
		text = strconv.Itoa(int(d.Hours()/24)) + " days"
	}
	if future {
		return "in " + text
	}
	return text + " ago"
}
