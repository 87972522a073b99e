package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

const checksRules = `
defaults: {settle: 0, watch: 4s, every: 500ms}
rules:
  - name: smoke-tests
    measure: {source: checks, command: ['./smoke', '--env', '{{.Environment}}', '{{.Service}}']}
    limit: {exit: 0}
    on_fail: rollback
  - name: queue-length
    measure: {source: status, http: '/queues?service={{.Service}}', value: 'sum(filter(queues, .of == "orders"), .waiting)'}
    limit: {above: 100, for: 1s}
    on_fail: rollback
`

// TestMainPathOnSmokeTests is the main path with a program's exit code and a number out of a JSON answer, and no logs or metrics.
func TestMainPathOnSmokeTests(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{rules: checksRules, sources: "  checks: {type: command}\n  status: {type: http, url: 'http://STATUS'}\n"})
	w.replace("verifier.yaml", "http://STATUS", w.openStatus())
	smoke := "#!/bin/sh\n[ \"$*\" = '--env production shop' ] || exit 9\n[ \"$VERIFIER_VERSION\" != 1.1 ] || { echo 'cart: 502'; exit 3; }\n"
	if err := os.WriteFile(filepath.Join(w.folder, "smoke"), []byte(smoke), 0o700); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.deploy("d0.9", "0.9", time.Now().Add(-3*time.Minute))
	w.deploy("d1.0", "1.0", time.Now().Add(-2*time.Minute))
	for _, id := range []string{"d0.9", "d1.0"} { // nothing can be asked about the past, and nothing passes by that
		w.until(id+" has ended", func() bool { return w.verification(id).Ended != nil })
		if v := w.verification(id); v.State == verifier.Passed || v.State == verifier.FailedState {
			t.Errorf("%s is %s", id, v.State)
		}
	}
	w.command("mark", "good", "d1.0", "--cause", "it ran well before verifier came")
	if out := w.command("explain", "shop", "production"); !strings.Contains(out, "./smoke --env production shop") || !strings.Contains(out, "/queues?service=shop") {
		t.Errorf("explain says\n%s", out)
	}
	w.mainPath()
	for _, f := range w.verification("d1.1").Findings {
		switch {
		case f.Outcome != verifier.Fail && f.Rule == "smoke-tests":
			t.Errorf("%s is %s of 1.1: %s", f.Rule, f.Outcome, f.Text)
		case f.Rule == "smoke-tests" && !strings.Contains(f.Text, "Smoke tests 3 after 1.1") && !strings.Contains(f.Text, "must be 0"):
			t.Errorf("the smoke tests of 1.1: %s", f.Text)
		}
	}
}

// openStatus is the shop's own page about its queues: they grow with a fault.
func (w *town) openStatus() string {
	page := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		waiting := 3
		if w.bad[*w.live.Load()] {
			waiting = 500
		}
		fmt.Fprintf(out, `{"service": %q, "queues": [{"of": "orders", "waiting": %d}, {"of": "mails", "waiting": 900}]}`, r.URL.Query().Get("service"), waiting)
	}))
	w.Cleanup(page.Close)
	return page.URL
}
