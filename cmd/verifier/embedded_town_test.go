package main

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestMainPathOnEmbeddedMetrics is the main path with the shop's own page of metrics, which the daemon scrapes itself, through a
// restart and a reload.
func TestMainPathOnEmbeddedMetrics(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{rules: prometheusRules, sources: "  metrics: {type: embedded, pages: [{url: 'http://PAGE/metrics', labels: {host: web1}}], every: 200ms, lag: 500ms}\n"})
	w.replace("verifier.yaml", "http://PAGE", "http://"+w.openMetrics())
	w.start()
	scraped := func() bool {
		return strings.Contains(w.command("explain", "shop", "production"), "metrics: ")
	}
	w.until("the page is scraped", scraped)
	if _, err := w.terminate(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.replace("rules.yaml", "watch: 5s", "watch: 9s")
	w.until("the page is scraped after a restart", scraped)
	w.deploy("d0.9", "0.9", time.Now().Add(-3*time.Minute))
	w.until("0.9 has ended", func() bool { return w.verification("d0.9").Ended != nil })
	w.deploy("d1.0", "1.0", time.Now().Add(-2*time.Minute))
	w.until("1.0 has ended", func() bool { return w.verification("d1.0").Ended != nil })
	w.command("mark", "good", "d1.0", "--cause", "it ran well before verifier came")
	time.Sleep(3 * time.Second) // of data before
	w.mainPath()
	for _, f := range w.verification("d1.1").Findings {
		if f.Rule == "error-ratio" && f.Outcome != verifier.Fail {
			t.Errorf("%s is %s of 1.1: %s", f.Rule, f.Outcome, f.Text)
		}
	}
}
