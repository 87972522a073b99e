package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/agnivade/levenshtein"
	"github.com/google/uuid"

	"verifier"
)

// Bounds of what is sent besides names and versions.
const (
	maxText   = 500
	maxHosts  = 1000
	maxLabels = 50
	ahead     = 5 * time.Minute // how far a sender's clock may be ahead
)

var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

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
		Place:           verifier.Place{Service: r.name("service", true), Environment: r.name("environment", true), Target: r.name("target", false)},
		Version:         r.version("version", true),
		PreviousVersion: r.version("previous_version", false),
		Status:          oneOf(r, "status", verifier.Succeeded, verifier.Statuses),
		Change:          oneOf(r, "change", verifier.Release, verifier.Changes),
		Group:           r.text("group"), Team: r.name("team", false), By: r.text("by"), Commit: r.text("commit"),
		Repository: r.link("repository"), URL: r.link("url"), Hosts: r.hosts(), Labels: r.labels(), Rollback: r.consent(),
	}
	d.ID = r.id()
	at, sent := r.time("at", in.ReceivedAt)
	d.At, d.AtAssumed = at, !sent
	if started, ok := r.time("started_at", in.ReceivedAt); ok {
		d.StartedAt = &started
	}
	if d.Status == verifier.Started && d.ID == "" {
		r.bad("id", "is missing; a started deploy needs one, so that its end can be joined to it")
	}
	if err := r.done(); err != nil {
		return verifier.Deploy{}, err
	}
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

func (r *reader) name(field string, required bool) string {
	s := r.string(field)
	if s == "" && !required || r.isBad(field) {
		return s
	}
	if problem := verifier.NameProblem(s); problem != "" {
		r.bad(field, "%s", problem)
	}
	return s
}

func (r *reader) isBad(field string) bool {
	return slices.ContainsFunc(r.problems, func(p verifier.FieldError) bool { return p.Field == field })
}

func (r *reader) version(field string, required bool) string {
	s := r.string(field)
	if s == "" && !required || r.isBad(field) {
		return s
	}
	if problem := verifier.VersionProblem(s); problem != "" {
		r.bad(field, "%s", problem)
	}
	return s
}

func (r *reader) text(field string) string {
	s := r.string(field)
	if problem := textProblem(s); problem != "" {
		r.bad(field, "%s", problem)
	}
	return s
}

func textProblem(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("has %d bytes; at most %d", len(s), maxText)
	}
	if strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }) {
		return "has control characters, or is no UTF-8; write one line of text"
	}
	return ""
}

func (r *reader) link(field string) string {
	s := r.text(field)
	if r.isBad(field) {
		return s
	}
	if problem := linkProblem(s); problem != "" {
		r.bad(field, "%s", problem)
	}
	return s
}

// linkProblem is what is wrong with an address that people may follow; empty for nothing, and for none.
func linkProblem(s string) string {
	if u, err := url.Parse(s); s != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return "is no address; write https://…"
	}
	return ""
}

func oneOf[T ~string](r *reader, field string, otherwise T, all []T) T {
	s := T(r.string(field))
	switch {
	case s == "":
		return otherwise
	case !slices.Contains(all, s):
		words := make([]string, len(all))
		for i, w := range all {
			words[i] = string(w)
		}
		r.bad(field, "%.40q is none; write %s", s, strings.Join(words, ", "))
	}
	return s
}

// id names a deploy: 1 to 200 printable characters without spaces.
func (r *reader) id() string {
	s := r.string("id")
	if problem := idProblem(s); problem != "" {
		r.bad("id", "%s", problem)
	}
	return s
}

func idProblem(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("has %d bytes; at most 200", len(s))
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"'\<>`, c) }) {
		return "has spaces, quotes or other characters that do not fit; write letters, digits and ._:/@+-"
	}
	return ""
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
	if problem := timeProblem(at, now); problem != "" {
		r.bad(field, "%s", problem)
	}
	return at.UTC().Truncate(time.Millisecond), true
}

func timeProblem(at, now time.Time) string {
	switch {
	case at.After(now.Add(ahead)):
		return fmt.Sprintf("is %s ahead of this server's clock; at most 5 minutes", at.Sub(now).Round(time.Second))
	case at.Before(earliest):
		return "is before 2000; is that the right year?"
	}
	return ""
}

func (r *reader) hosts() []string {
	var hosts []string
	if !r.take("hosts", &hosts, "a list of strings") {
		return nil
	}
	if len(hosts) > maxHosts {
		r.bad("hosts", "are %d; at most %d", len(hosts), maxHosts)
		return nil
	}
	for i, h := range hosts {
		if problem := verifier.NameProblem(h); problem != "" {
			r.bad(fmt.Sprintf("hosts[%d]", i), "%s", problem)
		}
	}
	return verifier.UnionHosts(hosts, nil)
}

func (r *reader) labels() map[string]string {
	var labels map[string]string
	if !r.take("labels", &labels, "an object of strings") {
		return nil
	}
	if len(labels) > maxLabels {
		r.bad("labels", "are %d; at most %d", len(labels), maxLabels)
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		problem := textProblem(labels[name])
		if problem == "" {
			problem = verifier.NameProblem(name)
		}
		if problem != "" {
			r.bad("labels."+name, "%s", problem)
		}
	}
	return labels
}

func (r *reader) consent() verifier.Consent {
	var c verifier.Consent
	r.take("rollback", &c, `an object like {"allowed":false,"reason":"it migrates the database"}`)
	if problem := textProblem(c.Reason); problem != "" {
		r.bad("rollback.reason", "%s", problem)
	}
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
