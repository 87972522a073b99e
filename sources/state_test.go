package sources

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

// The state of a source is known from a cheap question, and changes with the first answer or failure of any other.
func TestSourceState(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	p := Limit("metrics", fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, matrix(seriesText("", "1")))
	}), nil)
	expect := func(want string, down bool) {
		t.Helper()
		if got := p.State(); !strings.Contains(got, want) || p.Down() != down {
			t.Errorf("state %q, down %t; want %q, %t", got, p.Down(), want, down)
		}
	}
	expect(NotAsked, false)
	p.Check(t.Context())
	expect("ok", false)
	status.Store(http.StatusUnauthorized)
	p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)})
	expect("401", true)
	status.Store(http.StatusOK)
	p.Check(t.Context())
	expect("ok", false)
	p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{NRQL: "a wrong query"}, shop)})
	expect("ok", false)
}

func TestFilesState(t *testing.T) {
	folder := t.TempDir()
	l := Limit("logs", filesIn(t, folder), nil)
	l.Check(t.Context())
	if got := l.State(); !strings.Contains(got, "no file matches *.log") || !l.Down() {
		t.Errorf("state %q", got)
	}
	writeLog(t, filepath.Join(folder, "a.log"), logLine(time.Now(), "shop", "h", 200, 1))
	if l.Check(t.Context()); l.State() != "ok" {
		t.Errorf("state %q", l.State())
	}
}

func TestElasticsearchState(t *testing.T) {
	fake := &esFake{product: true}
	l := Limit("logs", fakeES(t, fake, ElasticsearchConfig{}), nil)
	if l.Check(t.Context()); l.State() != "ok" {
		t.Errorf("state %q", l.State())
	}
}
