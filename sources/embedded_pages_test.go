package sources

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestEmbeddedBadPages: a page that is down, a login page, one that is too large and one with too many samples have no data and are
// named, and the page beside them is read.
func TestEmbeddedBadPages(t *testing.T) {
	huge := bytes.Repeat([]byte("# "+strings.Repeat("x", 1022)+"\n"), 33<<10) // 33 MB
	var many bytes.Buffer
	for i := range maxSamples + 1 {
		fmt.Fprintf(&many, "load{n=\"%d\"} 1\n", i)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "load 0.5\n")
		case "/login":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><body>Please log in</body></html>")
		case "/huge":
			w.Write(huge)
		case "/many":
			w.Write(many.Bytes())
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer site.Close()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	pages := []PageConfig{{URL: down.URL + "/down", Job: "down"}}
	for _, name := range []string{"good", "login", "huge", "many", "busy"} {
		pages = append(pages, PageConfig{URL: site.URL + "/" + name, Job: name})
	}
	e, err := NewEmbedded(EmbeddedConfig{Pages: pages, Every: time.Second, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	running := map[string]*Limited{"metrics": Limit("metrics", e, nil)}
	if err := TakeOver(nil, running, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer TakeOver(running, nil, slog.New(slog.DiscardHandler))
	ask := func(text string) verifier.Answer {
		to := time.Now().Truncate(time.Second)
		return e.Ask(t.Context(), []verifier.Question{{Measure: verifier.Measure{PromQL: text}, Subject: shop, From: to.Add(-2 * time.Second), To: to, Step: time.Second}})[0]
	}
	for end := time.Now().Add(60 * time.Second); len(ask(`count(up) == 6`).Samples) == 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
	}
	if a := ask(`sum(load)`); a.Err != nil || len(a.Samples) == 0 || a.Samples[0].Value != 0.5 || a.Link != "" || strings.Contains(a.Query, "cannot be scraped") {
		t.Errorf("beside bad pages: %+v", a)
	}
	if a := ask(`sum(up)`); a.Err != nil || len(a.Samples) == 0 || a.Samples[len(a.Samples)-1].Value != 1 {
		t.Errorf("pages that are up: %+v", a)
	}
	for _, name := range []string{"down", "login", "huge", "many", "busy"} {
		a := ask(fmt.Sprintf(`load{job=%q}`, name))
		if a.Err != nil || len(a.Samples) != 0 || strings.Count(a.Query, "cannot be scraped: ") != 3 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	for name, want := range map[string]string{
		"/busy": "503", "/down": "connection refused", "/huge": "body size limit exceeded", "/login": "unsupported Content-Type", "/many": "sample limit exceeded",
	} {
		if all := strings.Join(e.unread(), "\n"); !strings.Contains(all, name+" cannot be scraped: ") || !strings.Contains(all, want) {
			t.Errorf("%q of %s is not in:\n%s", want, name, all)
		}
	}
}
