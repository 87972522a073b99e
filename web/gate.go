package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"verifier"
)

func (s *server) gate(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "service", "environment", "target", "version")
	body := gateBodyOf(q)
	q.bad = append(q.bad, body.problems()...)
	_, err := s.aim(r.Context(), q, body.place()) // without a target it answers for all
	if err := cmp.Or(err, q.err()); err != nil {
		Problem(w, r, err)
		return
	}
	a, err := s.askGate(r.Context(), body)
	answered(w, r, a, err)
}

// askGate asks about a place that somebody knows: a mistyped environment has no gate, and would be passed.
func (s *server) askGate(ctx context.Context, b gateBody) (verifier.GateAnswer, error) {
	if err := s.knows(ctx, b.Environment); err != nil {
		return verifier.GateAnswer{}, err
	}
	return s.Gate(ctx, b.place(), b.Version)
}

func (s *server) knows(ctx context.Context, environment string) error {
	if s.Known == nil {
		return nil
	}
	return s.Known(ctx, environment)
}

// overrideGate lets a version pass on a person's word.
func (s *server) overrideGate(w http.ResponseWriter, r *http.Request) {
	var body gateBody
	err := read(w, r, &body)
	if err == nil {
		err = s.checkOverride(r.Context(), body)
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	a, err := s.Override(r.Context(), body.place(), body.Version, body.Reason)
	answered(w, r, a, err)
}

// gateBody is which version is to go where, and why it may pass although.
type gateBody struct {
	Service     string  `json:"service"`
	Environment string  `json:"environment"`
	Target      *string `json:"target"` // nil: none is named
	Version     string  `json:"version"`
	Reason      string  `json:"reason"`
}

// gateBodyOf reads the parameters; an empty target is a name, that of deploys without one.
func gateBodyOf(q *query) gateBody {
	body := gateBody{Service: q.text("service"), Environment: q.text("environment"), Version: q.text("version")}
	if target := q.text("target"); q.values.Has("target") {
		body.Target = &target
	}
	return body
}

func (b gateBody) place() verifier.Place {
	p := verifier.Place{Service: b.Service, Environment: b.Environment}
	if b.Target != nil {
		p.Target = *b.Target
	}
	return p
}

func (b gateBody) problems() (bad []verifier.FieldError) {
	for _, f := range []struct {
		field, value string
		problem      func(string) string
	}{
		{"service", b.Service, verifier.NameProblem}, {"environment", b.Environment, verifier.NameProblem}, {"version", b.Version, verifier.VersionProblem},
	} {
		if f.value == "" {
			bad = append(bad, verifier.FieldError{Field: f.field, Problem: "is missing"})
		} else if problem := f.problem(f.value); problem != "" {
			bad = append(bad, verifier.FieldError{Field: f.field, Problem: problem})
		}
	}
	if target := b.place().Target; target != "" {
		if problem := verifier.NameProblem(target); problem != "" {
			bad = append(bad, verifier.FieldError{Field: "target", Problem: problem})
		}
	}
	return bad
}

func (s *server) checkOverride(ctx context.Context, b gateBody) error {
	q := &query{bad: b.problems()}
	if b.Target == nil {
		if _, err := s.aim(ctx, q, b.place()); err != nil {
			return err
		}
	}
	bad := q.bad
	if strings.TrimSpace(b.Reason) == "" {
		bad = append(bad, verifier.FieldError{Field: "reason", Problem: "is missing; say why, for the record and for the team"})
	} else if problem := textProblem(b.Reason); problem != "" {
		bad = append(bad, verifier.FieldError{Field: "reason", Problem: problem})
	}
	if err := invalid(bad); err != nil {
		return err
	}
	return s.knows(ctx, b.Environment)
}

// maxResults is the largest report of a test runner that is read.
const maxResults = 10 << 20

// results takes what a test runner wrote.
func (s *server) results(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "name")
	name := q.text("name")
	if err := q.err(); err != nil {
		Problem(w, r, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResults))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		err = &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d MiB", maxResults>>20)}
	case err != nil:
		err = &refusal{http.StatusBadRequest, "the body could not be read to its end"}
	}
	var v verifier.Verification
	if err == nil {
		v, err = s.Results(r.Context(), r.PathValue("id"), name, body)
	}
	answered(w, r, whole(v), err)
}

// gateView is the page that asks the gate.
type gateView struct {
	Asked  gateBody
	Answer *verifier.GateAnswer
	Here   string // the page's own address, where the form of an override goes
}

func (s *server) gatePage(r *http.Request) (title string, _ any, _ error) {
	q := queryOf(r, "service", "environment", "target", "version")
	out := gateView{Asked: gateBodyOf(q)}
	if len(q.values) == 0 {
		return "Gate", out, nil
	}
	if q.text("target") == "" {
		q.values.Del("target") // the form's field was left empty
	}
	q.bad = append(q.bad, out.Asked.problems()...)
	_, err := s.aim(r.Context(), q, out.Asked.place())
	if err := cmp.Or(err, q.err()); err != nil {
		return "", nil, err
	}
	a, err := s.askGate(r.Context(), out.Asked)
	out.Answer, out.Here = &a, r.URL.RequestURI()
	return "Gate", out, err
}

// pressedGate overrides; what it is about stands in the address, so that the page after it is the same.
func (s *server) pressedGate(w http.ResponseWriter, r *http.Request) {
	s.press(w, r, "/gate?"+r.URL.RawQuery, func() error {
		body := gateBodyOf(&query{values: r.URL.Query()})
		body.Reason = r.PostForm.Get("reason")
		err := s.checkOverride(r.Context(), body)
		if err == nil {
			_, err = s.Override(r.Context(), body.place(), body.Version, body.Reason)
		}
		return err
	})
}
