package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// realPrometheus scrapes the page with Debian's Prometheus, and gives its address. Where it is not installed the test is skipped,
// unless VERIFIER_NO_SKIP says that it must run.
func realPrometheus(t testing.TB, page string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("VERIFIER_NO_SKIP") != "" {
			t.Fatal("prometheus is not installed; apt-get install prometheus")
		}
		t.Skip("SKIPPED: prometheus is not installed; apt-get install prometheus")
	}
	folder := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs: [{job_name: shop, static_configs: [{targets: ['%s']}]}]\n", page)
	if err := os.WriteFile(filepath.Join(folder, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	server := exec.Command(binary, "--config.file="+filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return "http://" + address
}

// openMetrics is the shop's page of metrics.
func (w *town) openMetrics() string {
	page := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		latency := 0.05
		if w.bad[*w.live.Load()] {
			latency = 0.4
		}
		fmt.Fprintf(out, "# TYPE shop_requests_total counter\nshop_requests_total{service=\"shop\"} %d\n", w.requests)
		fmt.Fprintf(out, "# TYPE shop_errors_total counter\nshop_errors_total{service=\"shop\"} %d\n", w.errors)
		fmt.Fprintf(out, "# TYPE shop_latency_seconds gauge\nshop_latency_seconds{service=\"shop\"} %g\n", latency)
	}))
	w.Cleanup(page.Close)
	return page.Listener.Addr().String()
}

const prometheusRules = `
defaults: {settle: 0, watch: 5s, every: 500ms}
rules:
  - name: error-ratio-of-logs
    measure: {source: logs, ratio: {of: 'http.response.status_code:>=500', to: 'http.response.status_code:*'}}
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 0.05}
  - name: error-ratio
    measure:
      source: metrics
      ratio:
        of: 'sum(increase(shop_errors_total{service="{{.Service}}"}[1s]))'
        to: 'sum(increase(shop_requests_total{service="{{.Service}}"}[1s]))'
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 0.05}
    on_fail: rollback
  - name: response-time
    measure: {source: metrics, promql: 'shop_latency_seconds{service="{{.Service}}"}', unit: s}
    limit: {above: 0.3, for: 1s}
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 0.05}
    on_fail: rollback
`

// TestMainPathOnPrometheusAndLogs is the main path with a real Prometheus beside the log.
func TestMainPathOnPrometheusAndLogs(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{rules: prometheusRules, sources: "  metrics: {type: prometheus, url: 'http://PROMETHEUS', lag: 500ms}\n"})
	address := realPrometheus(t, w.openMetrics())
	w.replace("verifier.yaml", "http://PROMETHEUS", address)
	w.start()
	w.until("Prometheus has seen the shop", func() bool {
		response, err := http.Get(address + "/api/v1/query?query=count_over_time(shop_requests_total[1h])>20")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var answer struct{ Data struct{ Result []any } }
		return decode(response.Body, &answer) == nil && len(answer.Data.Result) > 0
	})
	w.deploy("d0.9", "0.9", time.Now().Add(-3*time.Minute))
	w.until("0.9 has ended", func() bool { return w.verification("d0.9").Ended != nil })
	w.deploy("d1.0", "1.0", time.Now().Add(-2*time.Minute))
	w.until("1.0 has ended", func() bool { return w.verification("d1.0").Ended != nil })
	w.command("mark", "good", "d1.0", "--cause", "it ran well before verifier came")
	w.mainPath()
	for _, f := range w.verification("d1.1").Findings {
		switch {
		case f.Rule == "error-ratio" && f.Outcome != verifier.Fail:
			t.Errorf("%s is %s of 1.1: %s", f.Rule, f.Outcome, f.Text)
		case f.Rule == "response-time" && (!strings.Contains(f.Text, ": 400 ms, ") || !strings.Contains(f.Text, "; before 50 ms (1.0, ")):
			t.Errorf("the response time of 1.1: %s", f.Text)
		}
	}
}
