package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type server struct {
	Config
	record Record
	mux    *http.ServeMux
	pages  map[string]*template.Template
}

// New serves everything.
func New(c Config, r Record) http.Handler {
	s := &server{Config: c, record: r, mux: http.NewServeMux()}
	s.pages = s.parse()
	for _, e := range slices.Concat(s.api(), s.console()) {
		s.mux.HandleFunc(e.method+" "+e.path, s.allow(e.scope, e.serve))
	}
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &refusal{http.StatusForbidden, "this request was sent by a page of another site"})
	}))
	return s.headers(guard.Handler(http.HandlerFunc(s.route)))
}

// route is one thing that can be asked. Without a scope anybody may.
type route struct {
	scope, method, path string
	serve               http.HandlerFunc
}

// route answers what no route takes as every other error is answered; the mux would do it in plain text.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	if allowed := s.methods(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, r, &refusal{http.StatusMethodNotAllowed, r.URL.Path + " takes " + strings.Join(allowed, " and ") + ", not " + r.Method})
		return
	}
	s.fail(w, r, &refusal{http.StatusNotFound, "there is no " + r.URL.Path})
}

// methods are those that the path takes.
func (s *server) methods(r *http.Request) []string {
	var out []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "" {
			out = append(out, method)
		}
	}
	return out
}

// fail answers with the error, people with a page and programs with problem+json.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if forPrograms(r.URL) {
		Problem(w, r, err)
		return
	}
	s.problemPage(w, r, err)
}

// forPrograms reports whether a program asks there.
func forPrograms(u *url.URL) bool {
	return strings.HasPrefix(u.Path, "/v1") || slices.Contains([]string{"/metrics", "/healthz", "/readyz", "/openapi.json"}, u.Path)
}

const security = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ZoneHeader names the time zone that the server's sentences are in, so that a client can write its own times in the same.
const ZoneHeader = "Verifier-Timezone"

// headers are on every answer.
func (s *server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set(ZoneHeader, s.Zone.String())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", security)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // what a token opened stays in no cache
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), logKey{}, s.Log)))
	})
}

// Server has time limits that fit the API: slow readers and senders are cut off, event streams are not. What it says of connections and
// panics goes to the log by whoever makes it (ErrorLog).
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// unlimited lifts the time limits of Server from one answer, which goes on for as long as it must.
func unlimited(w http.ResponseWriter) error {
	out := http.NewResponseController(w)
	err := errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Time{}))
	if errors.Is(err, http.ErrNotSupported) {
		return nil // no connection below has limits
	}
	return err
}
