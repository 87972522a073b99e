package web

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"

	"verifier"
	"verifier/report"
)

// api are the routes for programs.
func (s *server) api() []route {
	const read, operate, anybody = verifier.ScopeRead, verifier.ScopeOperate, ""
	list := []route{
		{verifier.ScopeDeploysWrite, "POST", "/v1/deploys", s.Intake.ServeHTTP},
		{anybody, "POST", "/v1/hooks/{tool}", s.Intake.ServeHTTP}, // each has a secret of its own
		{read, "GET", "/v1/deploys", s.deploys},
		{read, "GET", "/v1/deploys/{id}", s.deploy},
		{operate, "POST", "/v1/deploys/{id}/mark", s.mark},
		{read, "GET", "/v1/verifications", s.verifications},
		{read, "GET", "/v1/verifications/{id}", s.verification},
		{read, "GET", "/v1/verifications/{id}/events", s.events},
		{verifier.ScopeDeploysWrite, "POST", "/v1/verifications/{id}/results", s.results},
		{read, "GET", "/v1/gate", s.gate},
		{operate, "POST", "/v1/gate", s.overrideGate},
		{read, "GET", "/v1/incidents", s.incidents},
		{read, "GET", "/v1/holds", s.holds},
		{operate, "POST", "/v1/holds", s.putHold(false)},
		{operate, "POST", "/v1/mutes", s.putHold(true)},
		{operate, "DELETE", "/v1/holds/{id}", s.endHold},
		{read, "GET", "/v1/noise", s.noise},
		{operate, "POST", "/v1/noise", s.postNoise},
		{operate, "DELETE", "/v1/noise/{id}", s.removeNoise},
		{read, "GET", "/v1/reports/{month}", s.monthReport},
		{read, "GET", "/v1/explain", s.explain},
		{read, "GET", "/v1/explain/cost", s.costs},
		{operate, "POST", "/v1/alert-test", s.alertTest},
		{read, "GET", "/v1/status", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, s.Status(r.Context())) }},
		{read, "GET", "/metrics", s.Metrics.ServeHTTP},
		{read, "GET", "/openapi.json", document},
		{anybody, "GET", "/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, "ok\n") }},
		{anybody, "GET", "/readyz", s.ready},
	}
	for _, verb := range verifier.Verbs {
		list = append(list, route{operate, "POST", "/v1/verifications/{id}/" + string(verb), s.order(verb)})
	}
	return list
}

//go:embed openapi.json
var openapi []byte

func document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(openapi)
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(value) // the asker is gone if this fails
}

// answered answers with the value or the error.
func answered[T any](w http.ResponseWriter, r *http.Request, value T, err error) {
	if err != nil {
		Problem(w, r, err)
		return
	}
	answer(w, http.StatusOK, value)
}

// list is one page of a list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

func listed[T any](w http.ResponseWriter, r *http.Request, items []T, next string, err error) {
	answered(w, r, list[T]{orEmpty(items), next}, err)
}

// orEmpty makes [] of what would be null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// whole fills in the lists that are empty.
func whole(v verifier.Verification) verifier.Verification {
	v.Findings = orEmpty(v.Findings)
	if v.Rollback != nil {
		r := *v.Rollback
		r.Reasons, r.Candidates = orEmpty(r.Reasons), orEmpty(r.Candidates)
		v.Rollback = &r
	}
	return v
}

// deployFilter reads the parameters of a list of deploys, for the API and the console.
func (s *server) deployFilter(r *http.Request) (verifier.DeployFilter, error) {
	q := queryOf(r, "limit", "after", "service", "environment", "target", "newest", "team", "kind", "status", "change", "state", "corrected", "month")
	f := verifier.DeployFilter{
		Page: q.page(), Service: q.text("service"), Environment: q.text("environment"), Target: q.text("target"), Team: q.text("team"),
		Kind:   oneOf(q, "kind", kinds...),
		Status: oneOf(q, "status", verifier.Statuses...), Change: oneOf(q, "change", verifier.Changes...),
		State: oneOf(q, "state", verifier.States...), Corrected: q.bool("corrected"), Month: q.month("month", s.Zone), Zone: s.Zone,
	}
	place := verifier.Place{Service: f.Service, Environment: f.Environment, Target: f.Target}
	err := s.newest(r.Context(), q, &f.Page, &place, &f.NoTarget)
	f.Target = place.Target
	return f, cmp.Or(err, q.err())
}

func (s *server) deploys(w http.ResponseWriter, r *http.Request) {
	f, err := s.deployFilter(r)
	if err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Deploys(r.Context(), f)
	listed(w, r, items, next, err)
}

func (s *server) deploy(w http.ResponseWriter, r *http.Request) {
	d, err := s.record.Deploy(r.Context(), r.PathValue("id"))
	answered(w, r, d, err)
}

func (s *server) mark(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Good  *bool  `json:"good"`
		Cause string `json:"cause"`
	}
	if err := read(w, r, &body); err != nil {
		Problem(w, r, err)
		return
	}
	var bad []verifier.FieldError
	if body.Good == nil {
		bad = append(bad, verifier.FieldError{Field: "good", Problem: "is missing; write true or false"})
	}
	if problem := textProblem(body.Cause); problem != "" {
		bad = append(bad, verifier.FieldError{Field: "cause", Problem: problem})
	}
	err := invalid(bad)
	if err == nil {
		mark := verifier.Mark{Good: *body.Good, Cause: body.Cause, By: verifier.CallerFrom(r.Context()).Name, At: s.Now().UTC()}
		err = s.record.MarkDeploy(r.Context(), r.PathValue("id"), mark)
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	s.deploy(w, r)
}

func (s *server) verifications(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "limit", "after", "service", "environment", "target", "newest", "state", "active")
	f := verifier.VerificationFilter{
		Page: q.page(), Service: q.text("service"), Environment: q.text("environment"), Target: q.text("target"),
		State: oneOf(q, "state", verifier.States...), Active: q.bool("active"),
	}
	place := verifier.Place{Service: f.Service, Environment: f.Environment, Target: f.Target}
	err := s.newest(r.Context(), q, &f.Page, &place, &f.NoTarget)
	f.Target = place.Target
	if err := cmp.Or(err, q.err()); err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Verifications(r.Context(), f)
	for i := range items {
		items[i] = whole(items[i])
	}
	listed(w, r, items, next, err)
}

func (s *server) verification(w http.ResponseWriter, r *http.Request) {
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	answered(w, r, whole(v), err)
}

// orderBody is what a person says besides the verb.
type orderBody struct {
	Reason string `json:"reason"`
	To     string `json:"to"`
}

func (b orderBody) check() error {
	var bad []verifier.FieldError
	if problem := textProblem(b.Reason); problem != "" {
		bad = append(bad, verifier.FieldError{Field: "reason", Problem: problem})
	}
	if b.To != "" {
		if problem := verifier.VersionProblem(b.To); problem != "" {
			bad = append(bad, verifier.FieldError{Field: "to", Problem: problem})
		}
	}
	return invalid(bad)
}

func (s *server) order(verb verifier.Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body orderBody
		err := read(w, r, &body)
		if err == nil {
			err = body.check()
		}
		if err != nil {
			Problem(w, r, err)
			return
		}
		v, err := s.Order(r.Context(), r.PathValue("id"), s.orderOf(r, verb, body))
		answered(w, r, whole(v), err)
	}
}

func (s *server) orderOf(r *http.Request, verb verifier.Verb, body orderBody) verifier.Order {
	caller := verifier.CallerFrom(r.Context())
	return verifier.Order{Verb: verb, By: caller.Name, Reason: body.Reason, To: body.To, Cause: body.Reason, Admin: has(caller.Scopes, verifier.ScopeAdmin)}
}

func (s *server) incidents(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "limit", "after", "kind", "open")
	f := verifier.IncidentFilter{
		Page: q.page(), Open: q.bool("open"),
		Kind: oneOf(q, "kind", verifier.IncidentVerdict, verifier.IncidentEnvironment, verifier.IncidentSource, verifier.IncidentReport),
	}
	if err := q.err(); err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Incidents(r.Context(), f)
	listed(w, r, items, next, err)
}

var reportTypes = map[string]string{
	"text": "text/plain; charset=utf-8", "json": "application/json", "csv": "text/csv; charset=utf-8", "markdown": "text/markdown; charset=utf-8",
	"html": "text/html; charset=utf-8",
}

func (s *server) monthReport(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "format", "by")
	format, by := oneOf(q, "format", report.Formats...), oneOf(q, "by", ways...)
	month := r.PathValue("month")
	if _, err := report.Month(month, s.Zone); err != nil {
		q.wrong("month", "%.40q is not a month; write a year and a month, like 2016-09", month)
	}
	if err := q.err(); err != nil {
		Problem(w, r, err)
		return
	}
	if format == "" {
		format = "json"
	}
	made, err := s.Report(r.Context(), month, by)
	if err != nil {
		Problem(w, r, err)
		return
	}
	made.URL = s.URL + "/"
	if format == "html" {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'") // it brings its style
	}
	w.Header().Set("Content-Type", reportTypes[format])
	if err := made.Write(w, format); err != nil {
		s.Log.Error("cannot write a report", "err", err)
	}
}

func (s *server) explain(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "service", "environment", "target", "at")
	for _, field := range []string{"service", "environment", "target"} {
		if field == "target" && q.text(field) == "" {
			continue
		}
		if problem := verifier.NameProblem(q.text(field)); problem != "" {
			q.wrong(field, "%s", problem)
		}
	}
	at := q.time("at")
	place, err := s.aim(r.Context(), q, verifier.Place{Service: q.text("service"), Environment: q.text("environment"), Target: q.text("target")})
	if err := cmp.Or(err, q.err()); err != nil {
		Problem(w, r, err)
		return
	}
	if err := s.knows(r.Context(), place.Environment); err != nil {
		Problem(w, r, err)
		return
	}
	e, err := s.Explain(r.Context(), place.Service, place.Environment, place.Target, at)
	answered(w, r, e, err)
}

func (s *server) costs(w http.ResponseWriter, r *http.Request) {
	c, err := s.Costs(r.Context())
	answered(w, r, c, err)
}

func (s *server) alertTest(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Receiver string `json:"receiver"`
	}
	err := read(w, r, &body)
	if err == nil {
		err = s.AlertTest(r.Context(), body.Receiver, verifier.CallerFrom(r.Context()).Name)
	}
	answered(w, r, body, err)
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		Problem(w, r, &refusal{http.StatusServiceUnavailable, "the store does not answer"})
		return
	}
	plain(w, "ready\n")
}
