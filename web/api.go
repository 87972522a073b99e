package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"verifier"
	"verifier/report"
)

// api adds the routes.
func (s *server) api(mux *http.ServeMux) {
	on := func(scope, pattern string, serve http.HandlerFunc) { mux.HandleFunc(pattern, s.allow(scope, serve)) }
	on(verifier.ScopeDeploysWrite, "POST /v1/deploys", s.Intake.ServeHTTP)
	mux.Handle("POST /v1/hooks/{tool}", s.Intake)
	on(verifier.ScopeRead, "GET /v1/deploys", s.deploys)
	on(verifier.ScopeRead, "GET /v1/deploys/{id}", s.deploy)
	on(verifier.ScopeOperate, "POST /v1/deploys/{id}/mark", s.mark)
	on(verifier.ScopeRead, "GET /v1/verifications", s.verifications)
	on(verifier.ScopeRead, "GET /v1/verifications/{id}", s.verification)
	on(verifier.ScopeRead, "GET /v1/verifications/{id}/events", s.events)
	for _, verb := range verifier.Verbs {
		on(verifier.ScopeOperate, "POST /v1/verifications/{id}/"+string(verb), s.order(verb))
	}
	on(verifier.ScopeRead, "GET /v1/incidents", s.incidents)
	on(verifier.ScopeRead, "GET /v1/holds", s.holds)
	on(verifier.ScopeOperate, "POST /v1/holds", s.putHold(""))
	on(verifier.ScopeOperate, "POST /v1/mutes", s.putHold(verifier.StopsAlert))
	on(verifier.ScopeOperate, "DELETE /v1/holds/{id}", s.endHold)
	on(verifier.ScopeRead, "GET /v1/reports/{month}", s.monthReport)
	on(verifier.ScopeRead, "GET /v1/explain", s.explain)
	on(verifier.ScopeOperate, "POST /v1/alert-test", s.alertTest)
	on(verifier.ScopeRead, "GET /v1/status", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Status(r.Context())) })
	on(verifier.ScopeRead, "GET /metrics", s.Metrics.ServeHTTP)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
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
	answer(w, value)
}

// list is one page of a list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

func listed[T any](w http.ResponseWriter, r *http.Request, items []T, next string, err error) {
	if items == nil {
		items = []T{}
	}
	answered(w, r, list[T]{items, next}, err)
}

const maxBody = 64 << 10

// read decodes a body; fields that are not known are wrong.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return nil // no body says nothing
	case errors.As(err, &tooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB"}
	case err != nil:
		return verifier.Invalid("body", "%v", err)
	}
	return nil
}

func page(q url.Values) (verifier.Page, error) {
	p := verifier.Page{After: q.Get("after")}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 500 {
			return p, verifier.Invalid("limit", "%.20q is no number from 1 to 500", text)
		}
		p.Limit = n
	}
	return p, nil
}

func (s *server) deploys(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Deploys(r.Context(), s.deployFilter(q, p))
	listed(w, r, items, next, err)
}

// deployFilter is the part of a query that selects deploys, for the API and the console alike.
func (s *server) deployFilter(q url.Values, p verifier.Page) verifier.DeployFilter {
	return verifier.DeployFilter{
		Page: p, Service: q.Get("service"), Environment: q.Get("environment"), Target: q.Get("target"), Team: q.Get("team"), Kind: verifier.Kind(q.Get("kind")),
		Status: verifier.Status(q.Get("status")), Change: verifier.Change(q.Get("change")), State: verifier.State(q.Get("state")),
		Corrected: q.Get("corrected") == "true", Month: q.Get("month"), Zone: s.Zone,
	}
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
	err := read(w, r, &body)
	if err == nil && body.Good == nil {
		err = verifier.Invalid("good", "is missing; write true or false")
	}
	id := r.PathValue("id")
	if err == nil {
		err = s.record.MarkDeploy(r.Context(), id, verifier.Mark{Good: *body.Good, Cause: body.Cause, By: verifier.CallerFrom(r.Context()).Name, At: s.Now().UTC()})
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	s.deploy(w, r)
}

func (s *server) verifications(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Verifications(r.Context(), verifier.VerificationFilter{
		Page: p, Service: q.Get("service"), Environment: q.Get("environment"), State: verifier.State(q.Get("state")), Active: q.Get("active") == "true",
	})
	listed(w, r, items, next, err)
}

func (s *server) verification(w http.ResponseWriter, r *http.Request) {
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	answered(w, r, v, err)
}

// orderBody is what a person says besides the verb.
type orderBody struct {
	Reason string `json:"reason"`
	To     string `json:"to"`
}

func (s *server) order(verb verifier.Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body orderBody
		if err := read(w, r, &body); err != nil {
			Problem(w, r, err)
			return
		}
		v, err := s.Order(r.Context(), r.PathValue("id"), s.orderOf(r, verb, body))
		answered(w, r, v, err)
	}
}

func (s *server) orderOf(r *http.Request, verb verifier.Verb, body orderBody) verifier.Order {
	caller := verifier.CallerFrom(r.Context())
	return verifier.Order{Verb: verb, By: caller.Name, Reason: body.Reason, To: body.To, Cause: body.Reason, Admin: has(caller.Scopes, verifier.ScopeAdmin)}
}

func (s *server) incidents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		Problem(w, r, err)
		return
	}
	items, next, err := s.record.Incidents(r.Context(), verifier.IncidentFilter{Page: p, Kind: verifier.IncidentKind(q.Get("kind")), Open: q.Get("open") == "true"})
	listed(w, r, items, next, err)
}

func (s *server) holds(w http.ResponseWriter, r *http.Request) {
	items, err := s.record.Holds(r.Context(), s.Now(), r.URL.Query().Get("all") == "true")
	listed(w, r, items, "", err)
}

// putHold makes a hold; a mute stops alerts and nothing else.
func (s *server) putHold(stops string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var h verifier.Hold
		err := read(w, r, &h)
		if stops != "" {
			h.Stops = []string{stops}
		}
		if err == nil {
			err = s.checkHold(&h, stops != "")
		}
		if err == nil {
			h.By = verifier.CallerFrom(r.Context()).Name
			err = s.record.PutHold(r.Context(), h)
		}
		if err != nil {
			Problem(w, r, err)
			return
		}
		s.Held(r.Context())
		w.WriteHeader(http.StatusCreated)
		answer(w, h)
	}
}

func (s *server) checkHold(h *verifier.Hold, mute bool) error {
	var bad []verifier.FieldError
	if h.Reason == "" {
		bad = append(bad, verifier.FieldError{Field: "reason", Problem: "is missing; say why, for those who find the hold"})
	}
	if h.Until != nil && !h.Until.After(s.Now()) {
		bad = append(bad, verifier.FieldError{Field: "until", Problem: "is over already"})
	}
	if mute && h.Until == nil {
		bad = append(bad, verifier.FieldError{Field: "until", Problem: "is missing; a mute ends by itself"})
	}
	if len(h.Stops) == 0 {
		h.Stops = []string{verifier.StopsRollback}
	}
	for _, what := range h.Stops {
		if what != verifier.StopsRollback && what != verifier.StopsGate && (what != verifier.StopsAlert || !mute) {
			bad = append(bad, verifier.FieldError{Field: "stops", Problem: fmt.Sprintf("%.40q is none; write rollback, gate or both", what)})
		}
	}
	if len(bad) > 0 {
		return &verifier.InvalidError{Fields: bad}
	}
	h.ID, h.At, h.Ended = "hold-"+uuid.NewString()[:8], s.Now().UTC(), nil
	return nil
}

func (s *server) endHold(w http.ResponseWriter, r *http.Request) {
	if err := s.record.EndHold(r.Context(), r.PathValue("id"), verifier.CallerFrom(r.Context()).Name, s.Now()); err != nil {
		Problem(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var reportTypes = map[string]string{
	"text": "text/plain; charset=utf-8", "json": "application/json", "csv": "text/csv; charset=utf-8", "markdown": "text/markdown; charset=utf-8",
	"html": "text/html; charset=utf-8",
}

func (s *server) monthReport(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	format := q.Get("format")
	if format == "" {
		format = "json"
	}
	kind, known := reportTypes[format]
	if !known {
		Problem(w, r, verifier.Invalid("format", "%.20q is none of %v", format, report.Formats))
		return
	}
	made, err := s.Report(r.Context(), r.PathValue("month"), q.Get("by"))
	if err != nil {
		Problem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	if err := made.Write(w, format); err != nil {
		s.Log.Error("cannot write a report", "err", err)
	}
}

func (s *server) explain(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var bad []verifier.FieldError
	for _, field := range []string{"service", "environment"} {
		if problem := verifier.NameProblem(q.Get(field)); problem != "" {
			bad = append(bad, verifier.FieldError{Field: field, Problem: problem})
		}
	}
	var at time.Time
	if text := q.Get("at"); text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			bad = append(bad, verifier.FieldError{Field: "at", Problem: "is no time; write 2026-11-24T10:00:00Z"})
		}
	}
	if len(bad) > 0 {
		Problem(w, r, &verifier.InvalidError{Fields: bad})
		return
	}
	e, err := s.Explain(r.Context(), q.Get("service"), q.Get("environment"), q.Get("target"), at)
	answered(w, r, e, err)
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
	io.WriteString(w, "ready\n")
}
