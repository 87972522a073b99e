package web

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
)

//go:embed pages/*.html pages/style.css
var pages embed.FS

// console adds the pages for people. They act through forms, which the cross-origin check guards.
func (s *server) console(mux *http.ServeMux) {
	show := func(pattern, name string, data func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, s.allow(verifier.ScopeRead, func(w http.ResponseWriter, r *http.Request) {
			value, err := data(r)
			s.page(w, name, value, err)
		}))
	}
	show("GET /{$}", "home", s.home)
	show("GET /verifications/{id}", "verification", s.watch)
	show("GET /incidents", "incidents", func(r *http.Request) (any, error) {
		list, _, err := s.record.Incidents(r.Context(), verifier.IncidentFilter{Page: verifier.Page{Limit: 100}})
		return list, err
	})
	show("GET /holds", "holds", func(r *http.Request) (any, error) { return s.record.Holds(r.Context(), s.Now(), false) })
	show("GET /reports/{month}", "report", func(r *http.Request) (any, error) {
		made, err := s.Report(r.Context(), r.PathValue("month"), r.URL.Query().Get("by"))
		if err != nil {
			return nil, err
		}
		return made.Fragment()
	})
	for _, verb := range verifier.Verbs {
		mux.HandleFunc("POST /verifications/{id}/"+string(verb), s.allow(verifier.ScopeOperate, s.pressed(verb)))
	}
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "pages/style.css") })
	mux.HandleFunc("GET /", s.allow(verifier.ScopeRead, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			Problem(w, r, &refusal{http.StatusNotFound, "there is no " + r.URL.Path})
			return
		}
		s.page(w, "", nil, &refusal{http.StatusNotFound, "There is no such page."})
	}))
}

// view is what every page knows.
type view struct {
	Title, Banner, Month, Problem string
	Data                          any
}

func (s *server) page(w http.ResponseWriter, name string, data any, err error) {
	v := view{Banner: s.Banner(), Month: s.Now().In(s.Zone).Format("2006-01"), Data: data, Title: "verifier"}
	status := http.StatusOK
	if err != nil {
		p := problemOf(err)
		status, v.Problem, name = p.Status, p.Detail, "problem"
	}
	t, parseErr := template.New("layout.html").Funcs(functions).ParseFS(pages, "pages/layout.html", "pages/"+name+".html")
	if parseErr != nil {
		s.Log.Error("cannot read a page", "page", name, "err", parseErr)
		http.Error(w, "this page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := t.Execute(w, v); err != nil {
		s.Log.Error("cannot write a page", "page", name, "err", err)
	}
}

var functions = template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"path":  url.PathEscape,
}

// row is one deploy with its verdict.
type row struct {
	verifier.Deploy
	Watch *verifier.Verification
}

func (s *server) home(r *http.Request) (any, error) {
	limit := 50
	if r.URL.Query().Has("month") { // a figure of a report led here
		limit = 500
	}
	deploys, _, err := s.record.Deploys(r.Context(), s.deployFilter(r.URL.Query(), verifier.Page{Limit: limit, After: r.URL.Query().Get("after")}))
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(deploys))
	for i, d := range deploys {
		rows[i].Deploy = d
		if v, err := s.record.Verification(r.Context(), d.ID); err == nil {
			rows[i].Watch = &v
		}
	}
	return rows, nil
}

// watchView is one verification with who did what.
type watchView struct {
	verifier.Verification
	Audit []verifier.Audit
	Verbs []verifier.Verb
}

func (s *server) watch(r *http.Request) (any, error) {
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	audit, err := s.record.Audit(r.Context(), v.ID, 50)
	return watchView{v, audit, verbsFor(v)}, err
}

// verbsFor are the buttons that make sense now.
func verbsFor(v verifier.Verification) []verifier.Verb {
	var verbs []verifier.Verb
	if v.Rollback != nil && v.Rollback.State == verifier.RollbackProposed {
		verbs = append(verbs, verifier.Approve, verifier.Deny)
	}
	if v.State.Watching() || v.Rollback != nil && v.Rollback.State == verifier.RollbackApproved {
		verbs = append(verbs, verifier.Cancel)
	}
	verbs = append(verbs, verifier.RollBack)
	if v.State == verifier.FailedState && v.Mark == nil {
		verbs = append(verbs, verifier.Dismiss)
	}
	return verbs
}

func (s *server) pressed(verb verifier.Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		id := r.PathValue("id")
		if _, err := s.Order(r.Context(), id, s.orderOf(r, verb, orderBody{r.FormValue("reason"), r.FormValue("to")})); err != nil {
			s.page(w, "", nil, err)
			return
		}
		http.Redirect(w, r, "/verifications/"+url.PathEscape(id), http.StatusSeeOther)
	}
}
