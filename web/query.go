package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"verifier"
	"verifier/report"
)

// query reads a request's parameters and collects what is wrong with them.
type query struct {
	values url.Values
	bad    []verifier.FieldError
}

// queryOf refuses parameters that are not known: a filter that is misspelt would answer with everything.
func queryOf(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.wrong("query", "cannot be read; write ?name=value&name=value, with %% escaped")
	}
	for name, list := range values {
		if !slices.Contains(known, name) {
			q.wrong(clip(name), "is not known here; parameters are %s", strings.Join(known, ", "))
		} else if len(list) > 1 {
			q.wrong(name, "is there %d times", len(list))
		}
	}
	return q
}

func (q *query) wrong(field, format string, args ...any) {
	q.bad = append(q.bad, verifier.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (q *query) err() error { return invalid(q.bad) }

func (q *query) text(name string) string {
	v := q.values.Get(name)
	if len(v) > maxWords {
		q.wrong(name, "is too long")
	}
	return v
}

func (q *query) bool(name string) bool {
	v := q.values.Get(name)
	if v != "" && v != "true" && v != "false" {
		q.wrong(name, "%.20q is neither true nor false", v)
	}
	return v == "true"
}

func (q *query) month(name string, zone *time.Location) string {
	v := q.values.Get(name)
	if v != "" {
		if _, err := report.Month(v, zone); err != nil {
			q.wrong(name, "%.40q is not a month; write a year and a month, like 2016-09", v)
		}
	}
	return v
}

func (q *query) time(name string) time.Time {
	v := q.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		q.wrong(name, "%.40q is no time; write 2026-11-24T10:00:00Z", v)
	}
	return t
}

const maxPage = 500

// page is what a list is cut by. The cursor is what the store made of the last item: its time and its id.
func (q *query) page() verifier.Page {
	p := verifier.Page{After: q.values.Get("after")}
	if v := q.values.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPage {
			q.wrong("limit", "%.20q is no number from 1 to %d", v, maxPage)
		}
		p.Limit = n
	}
	if at, id, ok := strings.Cut(p.After, "~"); p.After != "" {
		if _, err := strconv.ParseInt(at, 10, 64); err != nil || !ok || id == "" {
			q.wrong("after", "%.40q is no cursor; write the next of the page before", p.After)
		}
	}
	return p
}

// oneOf is a parameter with a closed list of values.
func oneOf[T ~string](q *query, name string, known ...T) T {
	v := T(q.values.Get(name))
	if v != "" && !slices.Contains(known, v) {
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = string(k)
		}
		q.wrong(name, "%.40q is none of %s", string(v), strings.Join(names, ", "))
	}
	return v
}
