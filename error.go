package verifier

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The four kinds of error that the program acts on. Callers use errors.Is, never the text.
var (
	ErrNotFound  = errors.New("not found")
	ErrInvalid   = errors.New("invalid")
	ErrConflict  = errors.New("conflict")
	ErrTemporary = errors.New("temporary")
)

// FieldError says what is wrong with one field of an input, and what to write instead.
type FieldError struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

// InvalidError names every bad field of one input; it is an ErrInvalid.
type InvalidError struct{ Fields []FieldError }

// Error lists the fields on one line.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Problem
	}
	return strings.Join(parts, "; ")
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Invalid is an InvalidError of one field.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{Fields: []FieldError{{Field: field, Problem: fmt.Sprintf(format, args...)}}}
}

// ConflictError says which fields of what is already known contradict the request; it is an ErrConflict.
type ConflictError struct {
	Field   string
	Problem string
	More    []FieldError  // the other fields that contradict it
	Present *Verification // as it stands, where a person's word came too late for it
}

// Error names the fields where there are any.
func (e *ConflictError) Error() string {
	if e.Field == "" {
		return e.Problem
	}
	return (&InvalidError{Fields: e.Fields()}).Error()
}

// Fields are all fields that contradict what is known; none where it is not about fields.
func (e *ConflictError) Fields() []FieldError {
	if e.Field == "" {
		return nil
	}
	return append([]FieldError{{Field: e.Field, Problem: e.Problem}}, e.More...)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// TemporaryError is worth another try, not before After has passed (0: the caller's own backoff); it is an ErrTemporary.
type TemporaryError struct {
	After time.Duration
	Err   error
}

// Error is the text of the error inside.
func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap gives the error inside.
func (e *TemporaryError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrTemporary) true.
func (e *TemporaryError) Is(target error) bool { return target == ErrTemporary }
