package sources

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

func newHTTP(t *testing.T, c HTTPConfig, h http.HandlerFunc) *HTTP {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c.URL = s.URL + "/api"
	out, err := NewHTTP(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHTTPAnswers(t *testing.T) {
	var status int
	var header, body string
	h := newHTTP(t, HTTPConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	const shopBody = `{"errors": 3, "requests": 600, "answer": 1, "list": [1, 2], "one": [7], "none": [], "gone": null, "text": "0.5", "on": true,
		"nodes": [{"name": "a", "load": 1}, {"name": "b", "load": 2}, {"name": "b", "load": 9}], "some-key": 8}`
	for _, tt := range []struct {
		name, value, body string
		status            int
		header            string
		want              float64
		none              bool
		reason            verifier.Reason
		text              string
	}{
		{name: "ratio", value: "errors / requests", body: shopBody, want: 0.005},
		{name: "whole", value: "len(answer.nodes)", body: shopBody, want: 3},
		{name: "number alone", body: "42.5", want: 42.5},
		{name: "list at the top", value: "sum(answer)", body: "[1, 2, 3.5]", want: 6.5},
		{name: "one of a list", value: "one", body: shopBody, want: 7},
		{name: "key with a dash", value: `answer["some-key"]`, body: shopBody, want: 8},
		{name: "picked", value: `filter(nodes, .name == "a")[0].load`, body: shopBody, want: 1},
		{name: "condition", value: "on ? 1 : 0", body: shopBody, want: 1},
		{name: "null", value: "gone", body: shopBody, none: true},
		{name: "not there", value: "erors", body: shopBody, none: true},
		{name: "nobody matches", value: `filter(nodes, .name == "z") | map(.load)`, body: shopBody, none: true},
		{name: "two match", value: `filter(nodes, .name == "b") | map(.load)`, body: shopBody, reason: verifier.BadData, text: "the value is 2 values where one is needed"},
		{name: "list", value: "list", body: shopBody, reason: verifier.BadData, text: "2 values"},
		{name: "twice the same key", value: "a", body: `{"a": 1, "b": {"c": 1}, "a": 500}`, reason: verifier.BadData, text: `"a" twice in one object`},
		{name: "twice inside", value: "b.c", body: `{"b": [{"c": 1, "c": 2}]}`, reason: verifier.BadData, text: `"c" twice`},
		{name: "the same key in two objects", value: "a.x + b.x", body: `{"a": {"x": 1}, "b": {"x": 1}}`, want: 2},
		{name: "text", value: "text", body: shopBody, reason: verifier.BadData, text: `the text "0.5", no number; write float(...)`},
		{name: "text made a number", value: "float(text)", body: shopBody, want: 0.5},
		{name: "true", value: "on", body: shopBody, reason: verifier.BadData, text: "is true, no number; write (...) ? 1 : 0"},
		{name: "object", value: "nodes[0]", body: shopBody, reason: verifier.BadData, text: "no number but map"},
		{name: "nothing by nothing", value: "(errors - 3) / (requests - 600)", body: shopBody, reason: verifier.BadData, text: "the value is NaN, no number"},
		{name: "infinite", value: "errors / (requests - 600)", body: shopBody, reason: verifier.BadData, text: "the value is +Inf"},
		{name: "arithmetic with nothing", value: "erors / requests", body: shopBody, reason: verifier.BadData, text: "cannot be worked out"},
		{name: "too large a number", value: "a", body: `{"a": 1e999}`, reason: verifier.BadData, text: "no JSON"},
		{name: "half", value: "a", body: `{"a": 1, "b": [1,`, reason: verifier.BadData, text: "no JSON"},
		{name: "two documents", value: "a", body: `{"a": 1} {"a": 2}`, reason: verifier.BadData, text: "no JSON"},
		{name: "page", value: "a", body: "<html>login</html>", header: "Content-Type: text/html", reason: verifier.BadData, text: "HTML instead of JSON"},
		{name: "empty", value: "a", reason: verifier.BadData},
		{name: "no content", value: "a", status: 204, reason: verifier.BadData, text: "answered nothing"},
		{name: "huge", value: "a", body: `{"a": 1, "b": "` + strings.Repeat("x", 33<<20) + `"}`, reason: verifier.BadData, text: "too large"},
		{name: "gone", value: "a", body: "no such service", status: 404, reason: verifier.SourceGone, text: "404 Not Found: no such service"},
		{name: "wrong", value: "a", body: `{"a": 1}`, status: 422, reason: verifier.BadData, text: "422"},
		{name: "login", value: "a", body: `{"a": 1}`, status: 401, reason: verifier.SourceDown, text: "401"},
		{name: "broken", value: "a", body: `{"a": 1}`, status: 500, reason: verifier.SourceDown, text: "500"},
		{name: "busy", value: "a", status: 429, header: "Retry-After: 7", reason: verifier.SourceDown, text: "429"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, header, body = tt.status, tt.header, tt.body; status == 0 {
				status = 200
			}
			q := just(verifier.Measure{HTTP: "/" + url.PathEscape(tt.name), Value: tt.value})
			a := h.Ask(t.Context(), []verifier.Question{q})[0]
			if tt.reason != "" {
				var failure *verifier.SourceError
				if !errors.As(a.Err, &failure) || failure.Reason != tt.reason || !strings.Contains(a.Err.Error(), tt.text) || len(a.Samples) > 0 {
					t.Fatalf("got %+v, %v; want %s: %s", a.Samples, a.Err, tt.reason, tt.text)
				}
				if after := 7 * time.Second; tt.name == "busy" && failure.After != after {
					t.Errorf("after %s, want %s", failure.After, after)
				}
				return
			}
			if tt.none {
				if a.Err != nil || len(a.Samples) > 0 || len(a.Missing) != 1 {
					t.Errorf("got %+v, want no sample and what is missing", a)
				}
				return
			}
			if a.Err != nil || len(a.Samples) != 1 || a.Samples[0].Value != tt.want || !a.Samples[0].T.Equal(q.To) {
				t.Errorf("got %+v, %v; want %g", a.Samples, a.Err, tt.want)
			}
		})
	}
}

// TestHTTPAddress: values stay in their place of the path, and who asks is told.
func TestHTTPAddress(t *testing.T) {
	var calls atomic.Int32
	var got *http.Request
	h := newHTTP(t, HTTPConfig{ServerConfig{Username: "anna", Password: "hush", Headers: nil}}, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		got = r.Clone(r.Context())
		fmt.Fprint(w, "1")
	})
	q := just(verifier.Measure{HTTP: "/of/{{.Service}}?team={{.Team}}&hosts={{.Hosts}}&odd={{.Labels.odd}}"})
	q.Subject.Service = "a/b?x=1#c%"
	for _, a := range h.Ask(t.Context(), []verifier.Question{q, q, q}) {
		if a.Err != nil || strings.Contains(a.Query+a.Link, "hush") {
			t.Fatalf("%+v", a)
		}
	}
	if name, password, _ := got.BasicAuth(); calls.Load() != 1 || name != "anna" || password != "hush" {
		t.Errorf("%d calls by %q %q; want one", calls.Load(), name, password)
	}
	if p := "/api/of/a%2Fb%3Fx=1%23c%25"; got.URL.EscapedPath() != p {
		t.Errorf("asked %s, want %s", got.URL.EscapedPath(), p)
	}
	v := got.URL.Query()
	if v.Get("team") != "pay ments" || v.Get("hosts") != "web1,web.2" || v.Get("odd") != shop.Labels["odd"] || len(v) != 3 {
		t.Errorf("asked %v", v)
	}
	q.Subject.Service = ".."
	if a := h.Ask(t.Context(), []verifier.Question{q})[0]; !errors.Is(a.Err, verifier.ErrInvalid) || !strings.Contains(a.Err.Error(), "would lead elsewhere") {
		t.Errorf("a service named ..: %v", a.Err)
	}
	q = just(q.Measure)
	q.From, q.To = q.From.Add(-time.Hour), q.To.Add(-time.Hour)
	if a := h.Ask(t.Context(), []verifier.Question{q})[0]; a.Err != nil || len(a.Samples) > 0 || !a.Until.Equal(q.From) || calls.Load() != 1 {
		t.Errorf("the past: %+v after %d calls", a, calls.Load())
	}
}

func FuzzHTTPValueStaysInItsPlace(f *testing.F) {
	seeds(f)
	f.Add("..")
	f.Add("a/../b")
	base := &url.URL{Scheme: "http", Host: "shop:80", Path: "/api"}
	f.Fuzz(func(t *testing.T, v string) {
		got, err := address(base, "/of/{{.Service}}/x?v={{.Version}}&w=1", verifier.Question{Subject: hostile(v), Step: time.Second})
		if err != nil {
			if !strings.Contains(err.Error(), "elsewhere") {
				t.Fatalf("%q: %v", v, err)
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "shop:80" || u.User != nil || u.Fragment != "" || len(u.Query()) != 2 || u.Query().Get("v") != v {
			t.Fatalf("%q: %s, %v", v, got, err)
		}
		if rest, ok := strings.CutPrefix(u.EscapedPath(), "/api/of/"); !ok || strings.Count(rest, "/") != 1 || u.Path != "/api/of/"+v+"/x" {
			t.Fatalf("%q: path %s", v, u.EscapedPath())
		}
	})
}

func FuzzHTTPAnswer(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `[1,2]`, `null`, `{"a":{"a":[{"a":1,"a":2}]}}`, `}`, `{"a"}`, `[[[[`, `"x"`, `{"a":1}}`} {
		f.Add(s)
	}
	program, err := compileValue("answer.a")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if v, known, err := valueOfJSON(program, []byte(body)); err != nil && known || v != v {
			t.Fatal(v, known, err)
		}
	})
}

func TestHTTPRefuses(t *testing.T) {
	for _, tt := range []struct{ http, value, want string }{
		{"", "a", "measure: asks for nothing"},
		{"health", "a", "is no path below the source's url"},
		{"//elsewhere.example.com/x", "a", "is no path below"},
		{"https://elsewhere.example.com/x", "a", "is no path below"},
		{"/a#b", "a", "has a #"},
		{"/a/../../b", "a", "would lead elsewhere"},
		{"/{{.Host}}", "a", "{{.Host}} is unknown"},
		{"/{{.HostOp}}", "a", "is for queries alone"},
		{"/{{.Service", "a", "{{ has no }}"},
		{"/a", "errors /", "value: unexpected token EOF"},
		{"/a", "{{.Service}}", "value: takes no templates"},
		{"/a", strings.Repeat("1+", 600) + "1", "exceeds maximum allowed nodes"},
	} {
		_, err := CheckHTTP(verifier.Measure{HTTP: tt.http, Value: tt.value})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%q %q: got %v, want %s", tt.http, tt.value, err, tt.want)
		}
	}
	if _, err := CheckHTTP(verifier.Measure{HTTP: "/a", PromQL: "up"}); err == nil || !strings.Contains(err.Error(), "promql: is nothing an http source") {
		t.Error(err)
	}
	for _, c := range []ServerConfig{{}, {URL: "ftp://x"}, {URL: "http://x", Lag: time.Second}, {URL: "http://x", Timeout: -1}} {
		if _, err := NewHTTP(HTTPConfig{c}, nil); !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
