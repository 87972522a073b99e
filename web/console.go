package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
	"verifier/report"
)

// console are the pages for people. They act through forms, which the cross-origin check guards.
func (s *server) console() []route {
	const read, operate, anybody = verifier.ScopeRead, verifier.ScopeOperate, ""
	list := []route{
		{read, "GET", "/{$}", s.show("home", s.home)},
		{read, "GET", "/deploys/{id}", s.show("deploy", s.deployPage)},
		{operate, "POST", "/deploys/{id}/mark", s.pressedMark},
		{read, "GET", "/verifications/{id}", s.show("verification", s.watchPage)},
		{read, "GET", "/incidents", s.show("incidents", s.incidentsPage)},
		{read, "GET", "/incidents/{id...}", s.show("incident", s.incidentPage)}, // ids have slashes
		{read, "GET", "/holds", s.show("holds", s.holdsPage)},
		{operate, "POST", "/holds", s.pressedHold},
		{operate, "POST", "/holds/{id}/end", s.pressedEnd},
		{read, "GET", "/hooks", s.show("hooks", s.hooksPage)},
		{read, "GET", "/gate", s.show("gate", s.gatePage)},
		{operate, "POST", "/gate", s.pressedGate},
		{read, "GET", "/noise", s.show("noise", s.noisePage)},
		{operate, "POST", "/noise", s.pressedNoise},
		{operate, "POST", "/verifications/{id}/noise", s.pressedNoise},
		{operate, "POST", "/noise/{id}/remove", s.pressedRemove},
		{read, "GET", "/reports/{month}", s.show("report", s.reportPage)},
		{anybody, "GET", "/style.css", style},
	}
	for _, verb := range verifier.Verbs {
		path := "/verifications/{id}/" + string(verb)
		list = append(list, route{operate, "GET", path, s.show("order", s.orderPage(verb))}, route{operate, "POST", path, s.pressed(verb)})
	}
	return list
}

var (
	kinds = []verifier.Kind{verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy}
	ways  = []string{"team", "service", "environment"} // to group a report by
)

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, pages, "pages/style.css")
}

// row is one deploy with its verdict.
type row struct {
	verifier.Deploy
	Watch *verifier.Verification
}

// Joined reports whether it is watched by the watch of another deploy.
func (r row) Joined() bool { return r.Watch != nil && r.Watch.ID != r.ID }

// homeView is one page of deploys, and what was asked for.
type homeView struct {
	Rows  []row
	Asked map[string]string
	Next  string // link to the older ones
	First bool
	Busy  bool // something runs that changes by itself

	Kinds  []verifier.Kind
	Hidden []string // parameters that links bring and the form has no field for
}

func (s *server) home(r *http.Request) (title string, _ any, _ error) {
	f, err := s.deployFilter(r)
	if err != nil {
		return "", nil, err
	}
	if f.Month != "" && f.Limit == 0 {
		f.Limit = maxPage // a figure of a report led here
	}
	deploys, next, err := s.record.Deploys(r.Context(), f)
	if err != nil {
		return "", nil, err
	}
	ids := make([]string, len(deploys))
	for i, d := range deploys {
		ids[i] = d.ID
	}
	watches, err := s.record.Watches(r.Context(), ids)
	if err != nil {
		return "", nil, err
	}
	out := homeView{
		Rows: make([]row, len(deploys)), Asked: asked(r.URL.Query()), First: f.After == "", Next: older(r.URL, next),
		Kinds: kinds, Hidden: []string{"target", "status", "change", "state", "corrected", "limit"},
	}
	for i, d := range deploys {
		out.Rows[i].Deploy = d
		if v, ok := watches[d.ID]; ok {
			out.Rows[i].Watch = &v
			out.Busy = out.Busy || !over(v)
		}
	}
	return "Deploys", out, nil
}

// asked are the parameters that say something, but for the place in the list.
func asked(q url.Values) map[string]string {
	out := map[string]string{}
	for name := range q {
		if v := q.Get(name); v != "" && name != "after" {
			out[name] = v
		}
	}
	return out
}

// older is the link to the next part of the same list; empty at its end.
func older(u *url.URL, next string) string {
	if next == "" {
		return ""
	}
	q := u.Query()
	q.Set("after", next)
	return u.Path + "?" + q.Encode()
}

// deployView is one deploy with who did what.
type deployView struct {
	row
	Audit []verifier.Audit
}

func (s *server) deployPage(r *http.Request) (title string, _ any, _ error) {
	d, err := s.record.Deploy(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", nil, err
	}
	watches, err := s.record.Watches(r.Context(), []string{d.ID})
	if err != nil {
		return "", nil, err
	}
	out := deployView{row: row{Deploy: d}}
	if v, ok := watches[d.ID]; ok {
		out.Watch = &v
	}
	out.Audit, err = s.record.Audit(r.Context(), d.ID, 50)
	return d.Service + " " + d.Version + " in " + d.Where(), out, err
}

// watchView is one verification with who did what.
type watchView struct {
	verifier.Verification
	Audit   []verifier.Audit
	Presses []verifier.Press
}

// Live reports whether it still changes by itself.
func (v watchView) Live() bool { return !over(v.Verification) }

func (s *server) watchPage(r *http.Request) (title string, _ any, _ error) {
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", nil, err
	}
	out := watchView{Verification: v}
	if out.Presses, err = s.presses(r, v); err != nil {
		return "", nil, err
	}
	out.Audit, err = s.record.Audit(r.Context(), v.ID, 50)
	return v.Deploy.Service + " " + v.Deploy.Version + " in " + v.Deploy.Where() + ": " + string(v.State), out, err
}

// incidentsView is one page of incidents.
type incidentsView struct {
	List []verifier.Incident
	Open bool
	Next string
}

func (s *server) incidentsPage(r *http.Request) (title string, _ any, _ error) {
	q := queryOf(r, "limit", "after", "open")
	f := verifier.IncidentFilter{Page: q.page(), Open: q.bool("open")}
	if err := q.err(); err != nil {
		return "", nil, err
	}
	list, next, err := s.record.Incidents(r.Context(), f)
	return "Incidents", incidentsView{list, f.Open, older(r.URL, next)}, err
}

func (s *server) incidentPage(r *http.Request) (title string, _ any, _ error) {
	in, err := s.record.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", nil, err
	}
	out := incidentView{Incident: in}
	for i, m := range in.Members {
		row := memberView{Member: m}
		if m.Resolved == nil && i < mostPressable {
			if row.Presses, err = s.memberPresses(r, m.Verification); err != nil {
				return "", nil, err
			}
		}
		out.Members = append(out.Members, row)
	}
	return in.Title, out, nil
}

// mostPressable is how many members of an incident have buttons; the others have them on their own pages.
const mostPressable = 20

func (s *server) memberPresses(r *http.Request, id string) ([]verifier.Press, error) {
	v, err := s.record.Verification(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return s.presses(r, v)
}

// incidentView is an incident with what may be done about each of its deploys.
type incidentView struct {
	verifier.Incident
	Members []memberView
}

type memberView struct {
	verifier.Member
	Presses []verifier.Press // now; those of the Member are from when it was told
}

func (s *server) holdsPage(r *http.Request) (title string, _ any, _ error) {
	list, err := s.record.Holds(r.Context(), s.Now(), false)
	return "Holds", s.warned(r.Context(), list), err
}

// reportView is one month, with the ways to others.
type reportView struct {
	Month, Before, After, By string
	Ways                     []string
	Body                     any
}

func (s *server) reportPage(r *http.Request) (title string, _ any, _ error) {
	q := queryOf(r, "by")
	by := oneOf(q, "by", ways...)
	if err := q.err(); err != nil {
		return "", nil, err
	}
	bounds, err := report.Month(r.PathValue("month"), s.Zone)
	if err != nil {
		return "", nil, err
	}
	made, err := s.Report(r.Context(), bounds.Name, by)
	if err != nil {
		return "", nil, err
	}
	made.URL = "/"
	out := reportView{Month: bounds.Name, Before: bounds.Back(1).Name, By: by, Ways: ways}
	if next := bounds.Back(-1); !next.From.After(s.Now()) {
		out.After = next.Name
	}
	out.Body, err = made.Fragment()
	return "Deploys in " + bounds.Name, out, err
}

// splitList reads names with commas or spaces around commas between them.
func splitList(text string) []string {
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// until is the end of a hold that was asked for as a length; nil for none.
func (s *server) until(length string) (*time.Time, error) {
	if length == "" {
		return nil, nil
	}
	d, err := verifier.ParseDuration(length)
	if err != nil || d <= 0 {
		return nil, verifier.Invalid("for", "%.40q is not a valid duration (try 90m, 4h or 2d)", length)
	}
	at := s.Now().Add(d).UTC()
	return &at, nil
}
