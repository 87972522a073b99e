package sources

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

// TestRealPrometheus asks Debian's own, which has scraped a counter that grows by a request each 10 ms, every tenth of them an error.
func TestRealPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a few seconds")
	}
	t.Parallel()
	p, err := NewPrometheus(PrometheusConfig{URL: startPrometheus(t), Lag: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	subject := verifier.Subject{Service: `it's "us" \ here`, Hosts: []string{"web1"}}
	one := func(m verifier.Measure, s verifier.Subject) verifier.Answer {
		to := time.Now().Add(-time.Second).Truncate(time.Second)
		return p.Ask(t.Context(), []verifier.Question{{Measure: m, Subject: s, From: to.Add(-2 * time.Second), To: to, Step: time.Second}})[0]
	}
	const of, to = `sum(increase(requests_total{service="{{.Service}}",status="500"}[{{.Step}}]))`, `sum(increase(requests_total{service="{{.Service}}"}[{{.Step}}]))`
	ratio := verifier.Measure{Ratio: &verifier.Ratio{Of: of, To: to}}
	var got verifier.Answer
	for deadline := time.Now().Add(30 * time.Second); len(got.Samples) < 2 && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if got = one(ratio, subject); got.Err != nil {
			t.Fatal(got.Err)
		}
	}
	if len(got.Samples) != 2 || got.Samples[1].Value < 0.05 || got.Samples[1].Value > 0.15 || got.Samples[1].Exposure < 20 {
		t.Errorf("the ratio is %+v, want about a tenth of about a hundred", got.Samples)
	}
	if a := one(verifier.Measure{Count: to}, subject); a.Err != nil || len(a.Samples) == 0 || a.Samples[0].Count < 20 {
		t.Errorf("the count is %+v, %v", a.Samples, a.Err)
	}
	up := verifier.Measure{PromQL: `up{host{{.HostOp}}"{{.Hosts}}"}`}
	peers := subject
	peers.Peers = true
	if a, b := one(up, subject), one(up, peers); a.Err != nil || len(a.Samples) != 2 || b.Err != nil || len(b.Samples) != 0 {
		t.Errorf("web1 is %+v, the others %+v; want two samples and none", a, b)
	}
	if a := one(verifier.Measure{PromQL: "absent_total"}, subject); a.Err != nil || len(a.Samples) != 0 {
		t.Errorf("what is not there: %+v", a)
	}
	if a := one(verifier.Measure{PromQL: "requests_total"}, subject); a.Err == nil || !strings.Contains(a.Err.Error(), "gives 2 series") {
		t.Errorf("two series: %v", a.Err)
	}
	if a := one(verifier.Measure{PromQL: "sum(("}, subject); !errors.Is(a.Err, verifier.ErrInvalid) || !strings.Contains(a.Err.Error(), "parse error") {
		t.Errorf("a query that it rejects: %v", a.Err)
	}
}

// startPrometheus runs one until the test ends and gives its address. Without the program the test is skipped, or fails where that is
// asked for.
func startPrometheus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("VERIFIER_NO_SKIP") != "" {
			t.Fatal("there is no prometheus: apt-get install prometheus")
		}
		t.Skip("SKIPPED: there is no prometheus: apt-get install prometheus")
	}
	var scraped atomic.Int64
	began := time.Now()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		scraped.Add(1)
		n := int64(time.Since(began) / (10 * time.Millisecond))
		const line = "requests_total{service=\"it's \\\"us\\\" \\\\ here\",status=%q} %d\n"
		fmt.Fprintf(w, "# TYPE requests_total counter\n"+line+line, "200", n-n/10, "500", n/10)
	}))
	t.Cleanup(shop.Close)
	folder, address := t.TempDir(), freeAddress(t)
	config := fmt.Sprintf("scrape_configs: [{job_name: shop, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: [%q], labels: {host: web1}}]}]",
		strings.TrimPrefix(shop.URL, "http://"))
	write(t, folder, "prometheus.yml", config)
	run := exec.CommandContext(t.Context(), program, "--config.file="+filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address)
	var said strings.Builder
	run.Stderr = &said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); scraped.Load() < 5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not scrape")
		}
	}
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
