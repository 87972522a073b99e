package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"verifier"
)

// problem is RFC 9457's problem+json, with every bad field.
type problem struct {
	Type   string                `json:"type"`
	Title  string                `json:"title"`
	Status int                   `json:"status"`
	Detail string                `json:"detail,omitempty"`
	Errors []verifier.FieldError `json:"errors,omitempty"`

	Verification *verifier.Verification `json:"verification,omitempty"` // the present state, of a conflict with it
}

// Problem answers with an error. What is nobody's business outside is logged and not said.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	noted(w, r, p.Status, err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // nobody is there to be told if this fails
}

// noted logs what is not said, and asks for a token where one is missing.
func noted(w http.ResponseWriter, r *http.Request, status int, err error) {
	switch status {
	case http.StatusInternalServerError:
		logOf(r).Error("cannot answer", "method", r.Method, "path", r.URL.Path, "err", err)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="verifier", charset="UTF-8"`)
	}
}

// logKey is where the server keeps its log in a request's context, for what answers without knowing the server.
type logKey struct{}

func logOf(r *http.Request) *slog.Logger {
	if log, ok := r.Context().Value(logKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.Default()
}

func problemOf(err error) problem {
	p := problem{Type: "about:blank", Detail: err.Error()}
	var invalid *verifier.InvalidError
	var conflict *verifier.ConflictError
	var status interface{ Status() int }
	switch {
	case errors.As(err, &status):
		p.Status = status.Status()
	case errors.As(err, &invalid):
		p.Status, p.Errors = http.StatusUnprocessableEntity, invalid.Fields
	case errors.As(err, &conflict):
		p.Status, p.Verification, p.Errors = http.StatusConflict, conflict.Present, conflict.Fields()
	case errors.Is(err, verifier.ErrConflict):
		p.Status = http.StatusConflict
	case errors.Is(err, verifier.ErrNotFound):
		p.Status = http.StatusNotFound
	case errors.Is(err, verifier.ErrTemporary):
		p.Status = http.StatusServiceUnavailable
	default:
		p.Status, p.Detail = http.StatusInternalServerError, "something went wrong here; the server's log says what"
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// refusal is a request that is refused for what its sender is.
type refusal struct {
	code int
	text string
}

// Error is the text.
func (e *refusal) Error() string { return e.text }

// Status is the HTTP status.
func (e *refusal) Status() int { return e.code }
