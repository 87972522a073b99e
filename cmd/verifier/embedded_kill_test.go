package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestEmbeddedMetricsSurviveKilling kills the daemon as kill -9 does, takes the page away, and finds all that was scraped before.
func TestEmbeddedMetricsSurviveKilling(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { fmt.Fprint(out, "load 0.5\n") }))
	defer page.Close()
	w := &town{TB: t, folder: t.TempDir()}
	port := freePort(t)
	w.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	w.write("verifier.yaml", fmt.Sprintf("listen: 127.0.0.1:%d\nsources: {metrics: {type: embedded, pages: [{url: '%s/metrics'}], every: 200ms}}\n", port, page.URL))
	w.write("rules.yaml", "defaults: {settle: 0, watch: 5m, every: 1s}\nrules: [{name: load, measure: {source: metrics, promql: 'sum(count_over_time(load[1m]))'}, limit: {above: 1}}]\n")
	w.start()
	t.Cleanup(w.kill)
	scraped := func(at time.Time) float64 {
		var e Explanation
		said := w.command("explain", "shop", "production", "--at", at.Format(time.RFC3339), "--format", "json")
		if err := json.Unmarshal([]byte(said), &e); err != nil || len(e.Rules) != 1 {
			t.Fatalf("%v: %s", err, said)
		}
		if e.Rules[0].Value == nil {
			return 0
		}
		return *e.Rules[0].Value * float64(e.Rules[0].Samples)
	}
	w.until("the page is scraped for a while", func() bool { return scraped(time.Now()) > 30 })
	at := time.Now().Truncate(time.Second)
	before := scraped(at)
	w.kill()
	page.Close()
	w.start()
	if after := scraped(at); after < before || before == 0 {
		t.Errorf("%g before the daemon was killed, %g after", before, after)
	}
	w.until("the page that is gone is named", func() bool {
		said := w.command("explain", "shop", "production", "--at", at.Add(-time.Hour).Format(time.RFC3339))
		return strings.Contains(said, "/metrics cannot be scraped: ")
	})
}
