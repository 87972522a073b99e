package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/google/uuid"

	"verifier"
)

// MapAPI reads the body of POST /v1/deploys. Every field that is wrong is named in the InvalidError.
func MapAPI(in verifier.Delivery) (verifier.Deploy, error) {
	fields, twice, err := object(in.Body)
	if err != nil {
		return verifier.Deploy{}, err
	}
	r := &reader{fields: fields, known: map[string]bool{}}
	for _, field := range twice {
		r.bad(fmt.Sprintf("%.60s", field), "is there twice")
	}
	d := verifier.Deploy{
		ID:      r.string("id"),
		Place:   verifier.Place{Service: r.string("service"), Environment: r.string("environment"), Target: r.string("target")},
		Version: r.string("version"), PreviousVersion: r.string("previous_version"),
		Status: verifier.Status(r.choice("status", string(verifier.Succeeded))), Change: verifier.Change(r.choice("change", string(verifier.Release))),
		Group: r.string("group"), Team: r.string("team"), By: r.string("by"), Commit: r.string("commit"),
		Repository: r.string("repository"), URL: r.string("url"), Hosts: r.hosts(), Labels: r.labels(), Rollback: r.consent(),
	}
	at, sent := r.time("at", in.ReceivedAt)
	d.At, d.AtAssumed = at, !sent
	if started, ok := r.time("started_at", in.ReceivedAt); ok {
		d.StartedAt = &started
	}
	d = tidied(d)
	for _, p := range problems(d, in.ReceivedAt) {
		if !r.isBad(p.Field) {
			r.problems = append(r.problems, p)
		}
	}
	d.Hosts = verifier.UnionHosts(d.Hosts, nil)
	if err := r.done(); err != nil {
		return verifier.Deploy{}, err
	}
	d.WithoutID = d.ID == ""
	switch {
	case d.ID != "":
	case sent:
		d.ID = key(d)
	default:
		d.ID = uuid.NewString()
	}
	return d, nil
}

// object is the body's fields, each still raw, and the names that are there twice: nobody can tell which of the two was meant.
func object(body []byte) (fields map[string]json.RawMessage, twice []string, err error) {
	body, err = inUTF8(body)
	if err != nil {
		return nil, nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	open, err := decoder.Token()
	if err != nil || open != json.Delim('{') {
		return nil, nil, verifier.Invalid("body", "is not a JSON object%s", because(err))
	}
	fields = map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return nil, nil, verifier.Invalid("body", "is not a JSON object%s", because(err))
		}
		if _, known := fields[name.(string)]; known { // the decoder gives nothing but strings there
			twice = append(twice, name.(string))
		}
		fields[name.(string)] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, nil, verifier.Invalid("body", "is not a JSON object%s", because(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, verifier.Invalid("body", "goes on after its JSON object; send one deploy at a time")
	}
	return fields, twice, nil
}

func because(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ": it ends too early"
	}
	return ": " + err.Error()
}

// reader takes fields one by one and keeps every problem.
type reader struct {
	fields   map[string]json.RawMessage
	known    map[string]bool
	problems []verifier.FieldError
}

func (r *reader) bad(field, format string, args ...any) {
	r.problems = append(r.problems, verifier.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// take decodes a field; false where it was not sent, is null or wrong.
func (r *reader) take(field string, into any, what string) bool {
	r.known[field] = true
	raw, sent := r.fields[field]
	if !sent || string(raw) == "null" {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		r.bad(field, "is not %s", what)
		return false
	}
	return true
}

func (r *reader) string(field string) string {
	var s string
	r.take(field, &s, "a string")
	return s
}

func (r *reader) isBad(field string) bool {
	return slices.ContainsFunc(r.problems, func(p verifier.FieldError) bool { return p.Field == field })
}

// choice is one of a closed list, which nobody has to write in lower case.
func (r *reader) choice(field, otherwise string) string {
	s := r.string(field)
	if strings.TrimSpace(s) == "" {
		return otherwise
	}
	return strings.ToLower(strings.TrimSpace(s))
}

// time is a moment, now where the field was not sent.
func (r *reader) time(field string, now time.Time) (at time.Time, sent bool) {
	s := r.string(field)
	if s == "" {
		return now, false
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.bad(field, "%.40q is no time; write RFC 3339, like 2026-11-24T10:00:00Z", s)
		return now, false
	}
	return at.UTC().Truncate(time.Millisecond), true
}

func (r *reader) hosts() []string {
	var hosts []string
	r.take("hosts", &hosts, "a list of strings")
	return hosts
}

func (r *reader) labels() map[string]string {
	var labels map[string]string
	r.take("labels", &labels, "an object of strings")
	return labels
}

func (r *reader) consent() verifier.Consent {
	var c verifier.Consent
	r.take("rollback", &c, `an object like {"allowed":false,"reason":"it migrates the database"}`)
	return c
}

// done is the error of everything that is wrong; fields that nobody asked for are wrong too.
func (r *reader) done() error {
	for _, field := range slices.Sorted(maps.Keys(r.fields)) {
		if !r.known[field] {
			problem := "is not known"
			if near := nearest(field, r.known); near != "" {
				problem += "; did you mean " + near + "?"
			}
			r.bad(fmt.Sprintf("%.60s", field), "%s", problem)
		}
	}
	if len(r.problems) == 0 {
		return nil
	}
	return &verifier.InvalidError{Fields: r.problems}
}

func nearest(field string, known map[string]bool) string {
	best, distance := "", 3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if n := levenshtein.ComputeDistance(fmt.Sprintf("%.60s", field), k); n < distance {
			best, distance = k, n
		}
	}
	return best
}
