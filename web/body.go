package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"verifier"
)

const maxBody = 64 << 10

// read decodes a JSON object into a struct and names every field that is wrong. No body says nothing.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB"}
	case err != nil:
		return &refusal{http.StatusBadRequest, "the body could not be read to its end"}
	case len(bytes.TrimSpace(text)) == 0:
		return nil
	}
	var sent map[string]json.RawMessage
	if err := json.Unmarshal(text, &sent); err != nil || sent == nil {
		return verifier.Invalid("body", "is not a JSON object")
	}
	return decode(sent, reflect.ValueOf(into).Elem())
}

func decode(sent map[string]json.RawMessage, into reflect.Value) error {
	known := map[string]reflect.Value{}
	var names []string
	for i := range into.NumField() {
		name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		known[name], names = into.Field(i), append(names, name)
	}
	var bad []verifier.FieldError
	for name, value := range sent {
		field, ok := known[name]
		if !ok {
			bad = append(bad, verifier.FieldError{Field: clip(name), Problem: "is not known; fields are " + strings.Join(names, ", ")})
		} else if err := json.Unmarshal(value, field.Addr().Interface()); err != nil {
			bad = append(bad, verifier.FieldError{Field: name, Problem: "is not " + kindOf(field.Type())})
		}
	}
	return invalid(bad)
}

// kindOf says in JSON's words what a field holds.
func kindOf(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list of strings"
	case t.Kind() == reflect.Struct:
		return "a time; write 2026-11-24T10:00:00Z"
	}
	return "a string"
}

// invalid is an error of all these fields, in order of their names; nil without any.
func invalid(bad []verifier.FieldError) error {
	if len(bad) == 0 {
		return nil
	}
	slices.SortStableFunc(bad, func(a, b verifier.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return &verifier.InvalidError{Fields: bad}
}

const maxWords = 2000

// textProblem is the problem of what a person wrote for people; empty when there is none.
func textProblem(text string) string {
	if len(text) > maxWords {
		return fmt.Sprintf("has %d bytes; at most %d are taken", len(text), maxWords)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f }); i >= 0 {
		return fmt.Sprintf("has the control character %q", text[i])
	}
	return ""
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
