package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"verifier"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func fakePrometheus(t *testing.T, c PrometheusConfig, h http.HandlerFunc) *Prometheus {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c.URL = s.URL
	p, err := NewPrometheus(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seriesText is one series that has these values at the ends of the first minutes after noon.
func seriesText(labels string, values ...string) string {
	var pairs []string
	for i, v := range values {
		if v != "" {
			pairs = append(pairs, fmt.Sprintf(`[%d,"%s"]`, noon.Add(time.Duration(i+1)*time.Minute).Unix(), v))
		}
	}
	return fmt.Sprintf(`{"metric":{%s},"values":[%s]}`, labels, strings.Join(pairs, ","))
}

func matrix(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func ask(m verifier.Measure, s verifier.Subject) verifier.Question {
	return verifier.Question{Measure: m, Subject: s, From: noon, To: noon.Add(3 * time.Minute), Step: time.Minute}
}

func sampleAt(minute int, value, count, exposure float64) verifier.Sample {
	return verifier.Sample{T: noon.Add(time.Duration(minute) * time.Minute), Value: value, Count: count, Exposure: exposure}
}

func TestPrometheusAnswers(t *testing.T) {
	said := map[string]string{
		"one":      matrix(seriesText("", "1.5", "", "2")),
		"none":     matrix(),
		"nan":      matrix(seriesText("", "NaN", "+Inf", "3")),
		"allnan":   matrix(seriesText("", "NaN", "-Inf")),
		"services": matrix(seriesText(`"service":"check.out"`, "7"), seriesText(`"service":"cart"`, "8")),
		"hosts":    matrix(seriesText(`"instance":"web1:9100"`, "1"), seriesText(`"instance":"web.2"`, "2"), seriesText(`"instance":"web3"`, "4"), seriesText("", "100")),
		"versions": matrix(seriesText(`"version":"1.4.2"`, "1", "1"), seriesText(`"version":"1.4.1"`, "5", "6")),
		"errors":   matrix(seriesText("", "1", "", "0")),
		"requests": matrix(seriesText("", "10", "10", "0")),
		"late":     matrix(seriesText("", "", "1")),
		"rounded":  matrix(seriesText("", "10.4")),
		"minus":    matrix(seriesText("", "-1")),
		"outside":  matrix(fmt.Sprintf(`{"metric":{},"values":[[%d,"9"],[%d,"9"]]}`, noon.Unix(), noon.Add(time.Hour).Unix())),
	}
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, said[r.FormValue("query")]) })
	peers := shop
	peers.Peers = true
	ratio := func(of, to string) verifier.Measure { return verifier.Measure{Ratio: &verifier.Ratio{Of: of, To: to}} }
	pick := func(label, text string) map[string]string { return map[string]string{label: text} }
	for _, tt := range []struct {
		name    string
		measure verifier.Measure
		subject verifier.Subject
		want    []verifier.Sample
		problem string
	}{
		{"values", verifier.Measure{PromQL: "one"}, shop, []verifier.Sample{sampleAt(1, 1.5, 0, 0), sampleAt(3, 2, 0, 0)}, ""},
		{"no data", verifier.Measure{PromQL: "none"}, shop, nil, ""},
		{"not numbers", verifier.Measure{PromQL: "nan"}, shop, []verifier.Sample{sampleAt(3, 3, 0, 0)}, ""},
		{"no number at all", verifier.Measure{PromQL: "allnan"}, shop, nil, ""},
		{"outside of the question", verifier.Measure{PromQL: "outside"}, shop, nil, ""},
		{"many", verifier.Measure{PromQL: "services"}, shop, nil, "gives 2 series where one is needed; add sum(...) around it, or pick by labels"},
		{"picked", verifier.Measure{PromQL: "services", Pick: pick("service", "{{.Service}}")}, shop, []verifier.Sample{sampleAt(1, 7, 0, 0)}, ""},
		{"picked constant", verifier.Measure{PromQL: "services", Pick: pick("service", "cart")}, shop, []verifier.Sample{sampleAt(1, 8, 0, 0)}, ""},
		{"picked nothing", verifier.Measure{PromQL: "services", Pick: pick("job", "cart")}, shop, nil, ""},
		{"version", verifier.Measure{PromQL: "versions", Pick: pick("version", "{{.Version}}")}, shop, []verifier.Sample{sampleAt(1, 1, 0, 0), sampleAt(2, 1, 0, 0)}, ""},
		{"other versions", verifier.Measure{PromQL: "versions", Pick: pick("version", "{{.Version}}")}, peers, []verifier.Sample{sampleAt(1, 5, 0, 0), sampleAt(2, 6, 0, 0)}, ""},
		{"hosts add up events", verifier.Measure{Count: "hosts", Pick: pick("instance", "{{.Hosts}}")}, shop, []verifier.Sample{sampleAt(1, 3, 3, 0)}, ""},
		{"other hosts", verifier.Measure{Count: "hosts", Pick: pick("instance", "{{.Hosts}}")}, peers, []verifier.Sample{sampleAt(1, 4, 4, 0)}, ""},
		{"hosts do not add up values", verifier.Measure{PromQL: "hosts", Pick: pick("instance", "{{.Hosts}}")}, shop, nil, "gives 2 series"},
		{"count", verifier.Measure{Count: "one"}, shop, []verifier.Sample{sampleAt(1, 1.5, 1.5, 0), sampleAt(3, 2, 2, 0)}, ""},
		{"negative count", verifier.Measure{Count: "minus"}, shop, nil, "counts -1 events at 2026-11-24T12:01:00Z"},
		{"ratio", ratio("errors", "requests"), shop, []verifier.Sample{sampleAt(1, 0.1, 1, 10)}, ""},
		{"ratio without a series of the events", ratio("none", "requests"), shop, []verifier.Sample{sampleAt(1, 0, 0, 10), sampleAt(2, 0, 0, 10)}, ""},
		{"ratio where the events are not a number", ratio("allnan", "requests"), shop, nil, ""},
		{"ratio before the first of the events", ratio("late", "requests"), shop, []verifier.Sample{sampleAt(1, 0, 0, 10), sampleAt(2, 0.1, 1, 10)}, ""},
		{"ratio a little above all", ratio("rounded", "requests"), shop, []verifier.Sample{sampleAt(1, 1, 10, 10)}, ""},
		{"ratio upside down", ratio("requests", "errors"), shop, nil, "counts 10 of 1 events"},
		{"peers without a way", verifier.Measure{PromQL: "one"}, peers, nil, "cannot tell changed hosts from others"},
		{"no words", verifier.Measure{NRQL: "SELECT 1"}, shop, nil, "answers promql, count and ratio only"},
		{"no label", verifier.Measure{PromQL: `up{a="{{.Labels.none}}"}`}, shop, nil, `no label "none"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := p.Ask(t.Context(), []verifier.Question{ask(tt.measure, tt.subject)})[0]
			if tt.problem != "" {
				wantTrouble(t, got.Err, verifier.BadData, tt.problem)
				return
			}
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if d := cmp.Diff(tt.want, got.Samples); d != "" {
				t.Error(d)
			}
		})
	}
}

func wantTrouble(t *testing.T, err error, reason verifier.Reason, text string) *verifier.SourceError {
	t.Helper()
	var failure *verifier.SourceError
	if !errors.As(err, &failure) || failure.Reason != reason || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %s: %s", err, reason, text)
	}
	return failure
}

func TestPrometheusAsksOnce(t *testing.T) {
	var mu sync.Mutex
	var calls []url.Values
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		mu.Lock()
		calls = append(calls, r.PostForm)
		mu.Unlock()
		fmt.Fprint(w, matrix(seriesText(`"s":"a"`, "1"), seriesText(`"s":"b"`, "2")))
	})
	m := verifier.Measure{PromQL: "sum by (s) (x)", Pick: map[string]string{"s": "{{.Service}}"}}
	answers := p.Ask(t.Context(), []verifier.Question{
		ask(m, verifier.Subject{Service: "a"}), ask(m, verifier.Subject{Service: "b"}), ask(m, verifier.Subject{Service: "c"}),
	})
	want := []url.Values{{"query": {m.PromQL}, "start": {unix(noon.Add(time.Minute))}, "end": {unix(noon.Add(3 * time.Minute))}, "step": {"60"}}}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
	for i, n := range []int{1, 1, 0} {
		if answers[i].Err != nil || len(answers[i].Samples) != n {
			t.Errorf("answer %d: %+v, want %d samples", i, answers[i], n)
		}
	}
	if answers[1].Samples[0].Value != 2 || answers[1].Query != m.PromQL {
		t.Errorf("got %+v", answers[1])
	}
	link, err := url.Parse(answers[0].Link)
	if err != nil || link.Path != "/graph" || link.Query().Get("g0.expr") != m.PromQL || link.Query().Get("g0.range_input") != "3m" {
		t.Errorf("link %s, %v", answers[0].Link, err)
	}
}

// Two verifications that ask about the same moment ask once, in one batch or in two; a failure is not kept.
func TestPrometheusAsksOnceForAll(t *testing.T) {
	var calls atomic.Int32
	fails := true
	hold := make(chan struct{})
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		<-hold
		if fails {
			w.WriteHeader(502)
			return
		}
		fmt.Fprint(w, matrix(seriesText(`"s":"a"`, "1"), seriesText(`"s":"b"`, "2")))
	})
	m := verifier.Measure{PromQL: "sum by (s) (x)", Pick: map[string]string{"s": "{{.Service}}"}}
	all := func() (answered int32) {
		var group sync.WaitGroup
		var good atomic.Int32
		for _, name := range []string{"a", "b", "a", "b", "a", "b"} {
			group.Go(func() {
				if a := p.Ask(t.Context(), []verifier.Question{ask(m, verifier.Subject{Service: name})})[0]; a.Err == nil && len(a.Samples) == 1 {
					good.Add(1)
				}
			})
		}
		for p.shared.waitingFor() < 6 {
			time.Sleep(time.Millisecond)
		}
		close(hold)
		group.Wait()
		return good.Load()
	}
	if good := all(); good != 0 || calls.Load() != 1 {
		t.Errorf("%d answers of %d calls, want one call that fails for all", good, calls.Load())
	}
	fails, hold = false, make(chan struct{})
	if good := all(); good != 6 || calls.Load() != 2 {
		t.Errorf("%d answers of %d calls, want one more call that answers all", good, calls.Load())
	}
	if a := p.Ask(t.Context(), []verifier.Question{ask(m, verifier.Subject{Service: "b"})})[0]; a.Err != nil || calls.Load() != 2 {
		t.Errorf("a moment later %d calls, want 2", calls.Load())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	q := ask(verifier.Measure{PromQL: "y"}, shop)
	if a := p.Ask(gone, []verifier.Question{q})[0]; !errors.Is(a.Err, context.Canceled) || p.shared.waitingFor() != 0 {
		t.Errorf("%v, %d still wait", a.Err, p.shared.waitingFor())
	}
}

// waitingFor is how many wait for calls under way.
func (s *shared[K, V]) waitingFor() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c.ended.IsZero() {
			n += c.waiting
		}
	}
	return n
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func TestPrometheusSplitsLongRanges(t *testing.T) {
	var mu sync.Mutex
	most, points := 0, 0
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.Atoi(r.FormValue("start"))
		end, _ := strconv.Atoi(r.FormValue("end"))
		mu.Lock()
		defer mu.Unlock()
		most = max(most, end-start+1)
		points += end - start + 1
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[%d,"1"],[%d,"2"]]}]}}`, start, end)
	})
	q := ask(verifier.Measure{PromQL: "x"}, shop)
	q.Step, q.To = time.Second, noon.Add(25000*time.Second)
	got := p.Ask(t.Context(), []verifier.Question{q})[0]
	if got.Err != nil || most != maxPoints || points != 25000 || len(got.Samples) != 6 {
		t.Errorf("at most %d points a call, %d in all, %d samples, %v", most, points, len(got.Samples), got.Err)
	}
}

// recorded answers with a captured exchange.
func recordedAnswer(t *testing.T, name string) http.HandlerFunc {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Status int
		Body   string
	}
	if err := json.Unmarshal(b, &captured); err != nil || captured.Status == 0 {
		captured.Status, captured.Body = 200, string(b)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(captured.Status)
		fmt.Fprint(w, captured.Body)
	}
}

func TestPrometheusTroubles(t *testing.T) {
	for _, tt := range []struct {
		name      string
		handler   http.HandlerFunc
		reason    verifier.Reason
		text      string
		permanent bool
		after     time.Duration
	}{
		{"query rejected", recordedAnswer(t, "error-bad-data.json"), verifier.BadData, "1:5: parse error: unclosed left parenthesis", true, 0},
		{"execution", recordedAnswer(t, "error-execution.json"), verifier.BadData, "many-to-many matching not allowed", false, 0},
		{"timeout", recordedAnswer(t, "error-timeout.json"), verifier.SourceDown, "503 Service Unavailable", false, 0},
		{"no credentials", recordedAnswer(t, "auth-no-credentials.json"), verifier.SourceDown, "401 Unauthorized", false, 0},
		{"forbidden", status(403, ""), verifier.SourceDown, "403 Forbidden", false, 0},
		{"busy", status(429, "30"), verifier.SourceDown, "429 Too Many Requests", false, 30 * time.Second},
		{"down", status(502, ""), verifier.SourceDown, "502 Bad Gateway", false, 0},
		{"login page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, verifier.BadData, "login page", false, 0},
		{"vector", recordedAnswer(t, "query-warning-notice.json"), verifier.BadData, "instead of a matrix", false, 0},
		{"histograms", recordedAnswer(t, "openapi_query_range_histogramResult.json"), verifier.BadData, "native histograms", false, 0},
		{"three series", recordedAnswer(t, "query-matrix-special.json"), verifier.BadData, "gives 3 series", false, 0},
		{"half a body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
		}, verifier.SourceDown, "unexpected EOF", false, 0},
		{"half of JSON", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"mat`)
		}, verifier.BadData, "no answer of Prometheus", false, 0},
		{"JSON of somebody else", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"hello":"world"}`) }, verifier.BadData, "no answer of Prometheus", false, 0},
		{"a huge body", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
			for block := strings.Repeat(" ", 1<<20); ; {
				if _, err := fmt.Fprint(w, block); err != nil {
					return
				}
			}
		}, verifier.BadData, "too large", false, 0},
		{"hangs up", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, verifier.SourceDown, "EOF", false, 0},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, verifier.SourceDown, "exceeded", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timeout := 5 * time.Second
			if tt.name == "slow" {
				timeout = 150 * time.Millisecond
			}
			p := fakePrometheus(t, PrometheusConfig{Timeout: timeout}, tt.handler)
			got := p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)})[0]
			failure := wantTrouble(t, got.Err, tt.reason, tt.text)
			if failure.Permanent != tt.permanent || failure.After != tt.after || errors.Is(got.Err, verifier.ErrTemporary) == tt.permanent {
				t.Errorf("got %+v", failure)
			}
		})
	}
}

func TestPrometheusDoesNotConnect(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for address, want := range map[string]string{
		closed.URL: "connection refused",
		secure.URL: "certificate",
		strings.Replace(secure.URL, "https", "http", 1): "HTTP request to an HTTPS server",
	} {
		p, err := NewPrometheus(PrometheusConfig{URL: address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)})[0]
		wantTrouble(t, got.Err, verifier.SourceDown, want)
	}
}

func status(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
	}
}

func TestPrometheusWarningIsPartial(t *testing.T) {
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.TrimSuffix(matrix(seriesText("", "1")), "}")+`,"warnings":["store eu-2 did not answer"],"infos":["not a counter"]}`)
	})
	got := p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)})[0]
	if got.Err != nil || got.Partial != "store eu-2 did not answer" || len(got.Samples) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestPrometheusRealAnswer(t *testing.T) {
	p := fakePrometheus(t, PrometheusConfig{}, recordedAnswer(t, "openapi_query_range_matrixResult.json"))
	q := ask(verifier.Measure{PromQL: "up"}, shop)
	q.From, q.To, q.Step = time.Unix(1767431220, 0), time.Unix(1767436620, 0), 30*time.Minute
	got := p.Ask(t.Context(), []verifier.Question{q})[0]
	if got.Err != nil || len(got.Samples) != 3 || !got.Samples[0].T.Equal(time.Unix(1767433020, 0)) || got.Samples[0].Value != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestPrometheusCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got http.Header
	h := func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		fmt.Fprint(w, matrix())
	}
	q := []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)}
	p := fakePrometheus(t, PrometheusConfig{BearerTokenFile: file}, h)
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: token}, shop)})
		if got.Get("Authorization") != "Bearer "+token {
			t.Errorf("got %q, want %s", got.Get("Authorization"), token)
		}
	}
	var c PrometheusConfig
	if err := yaml.Unmarshal([]byte("{username: u, password: 'p: 1', lag: 2s, headers: {X-Scope-OrgID: shop}, budget: {per_second: 5, at_once: 2}}"), &c); err != nil {
		t.Fatal(err)
	}
	p = fakePrometheus(t, c, h)
	p.Ask(t.Context(), q)
	if got.Get("Authorization") != "Basic dTpwOiAx" || got.Get("X-Scope-OrgID") != "shop" || p.Lag() != 2*time.Second || cap(p.budget.slots) != 2 {
		t.Errorf("got %v, lag %v", got, p.Lag())
	}
}

func TestNewPrometheusRefuses(t *testing.T) {
	for _, tt := range []struct {
		c    PrometheusConfig
		want string
	}{
		{PrometheusConfig{}, "url: is no address"},
		{PrometheusConfig{URL: "prometheus:9090"}, "url: is no address"},
		{PrometheusConfig{URL: "http://u:hush@h"}, "url: holds a user; write username and password_file"},
		{PrometheusConfig{URL: "http://h/?token=hush"}, "url: holds a query"},
		{PrometheusConfig{URL: "http://h", Lag: -1}, "lag: and timeout must not be negative"},
		{PrometheusConfig{URL: "http://h", BearerToken: "hush", Username: "u"}, "are both given"},
		{PrometheusConfig{URL: "http://h", Password: "hush", PasswordFile: "f"}, "given twice"},
		{PrometheusConfig{URL: "http://h", BearerTokenFile: "/none"}, "bearer_token: read secret"},
		{PrometheusConfig{URL: "http://h", CAFile: "/none"}, "ca_file"},
	} {
		_, err := NewPrometheus(tt.c, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestHasPeers(t *testing.T) {
	const with, without = `x{i{{.HostOp}}"{{.Hosts}}"}`, `x{i=~"{{.Hosts}}"}`
	for _, tt := range []struct {
		m    verifier.Measure
		want bool
	}{
		{verifier.Measure{PromQL: with}, true},
		{verifier.Measure{PromQL: without}, false},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: with, To: with}}, true},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: with, To: without}}, false},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"i": "{{.Hosts}}"}}, true},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"v": "{{.Version}}"}}, true},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"s": "{{.Service}}"}}, false},
		{verifier.Measure{}, false},
	} {
		if got := (&Prometheus{}).HasPeers(tt.m); got != tt.want {
			t.Errorf("%+v: got %v", tt.m, got)
		}
	}
}

func TestCheckPrometheus(t *testing.T) {
	for _, tt := range []struct {
		m      verifier.Measure
		window time.Duration
		want   string
	}{
		{verifier.Measure{PromQL: `sum(rate(x{s="{{.Service}}",l="{{.Labels.tier}}"}[1m])) / sum(rate(x[5m]))`}, 5 * time.Minute, ""},
		{verifier.Measure{PromQL: `max_over_time(sum(rate(x[1m]))[10m:30s])`}, 11 * time.Minute, ""},
		{verifier.Measure{Count: `sum(increase(x[{{.Step}}]))`}, 0, ""},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: `sum(increase(x[{{.Step}}]))`, To: `sum(increase(x[2m]))`}}, 2 * time.Minute, ""},
		{verifier.Measure{PromQL: `1 - x{i{{.HostOp}}"{{.Hosts}}"}`}, 0, ""},
		{verifier.Measure{PromQL: `sum(`}, 0, "promql: query: 1:5: parse error"},
		{verifier.Measure{PromQL: `x[5m]`}, 0, "promql: query: gives a matrix"},
		{verifier.Measure{PromQL: `"x"`}, 0, "gives a string"},
		{verifier.Measure{PromQL: `x{a="b"} + {{.Version}}`}, 0, "promql: template: {{.Version}} at character 12 stands outside"},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: `x`, To: `y{`}}, 0, "ratio.to: query:"},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: `x`}}, 0, "measure: asks for nothing"},
		{verifier.Measure{}, 0, "measure: asks for nothing"},
		{verifier.Measure{Percentile: &verifier.Percentile{Field: "d", P: 95}}, 0, "percentile: is nothing a metrics source can answer; write promql: 'histogram_quantile(0.95"},
		{verifier.Measure{Average: &verifier.Average{Field: "d"}}, 0, "average: is nothing"},
		{verifier.Measure{NRQL: "SELECT 1"}, 0, "write promql, or a newrelic source"},
		{verifier.Measure{PromQL: "x", Where: "a:b"}, 0, "where: is nothing"},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"i": "{{.Hosts}}:1"}}, 0, "pick.i: {{.Hosts}} must stand alone"},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"i": "{{.Step}}"}}, 0, "pick.i: {{.Step}} cannot be compared"},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"i": "{{.Srv}}"}}, 0, "pick.i: {{.Srv}} is unknown"},
		{verifier.Measure{PromQL: "x", Pick: map[string]string{"i": "{{.Service"}}, 0, "pick.i: {{ has no }}"},
	} {
		window, err := CheckPrometheus(tt.m)
		if window != tt.window || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v:\n got %v, %v\nwant %v, %s", tt.m, window, err, tt.window, tt.want)
		}
	}
}

// Annotations of PromQL are about the query and leave the answer complete. Whatever else is a warning means that data is missing.
func TestPrometheusAnnotations(t *testing.T) {
	for _, c := range []struct {
		warnings string
		notes    int
		partial  bool
	}{
		{`,"warnings":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (1:10)"]`, 1, false},
		{`,"warnings":["PromQL warning: encountered a mix of histograms and floats for metric name \"x\" (1:5)"]`, 1, false},
		{`,"infos":["PromQL info: metric might not be a counter (1:10)"]`, 1, false},
		{`,"warnings":["PromQL info: a (1:1)","No StoreAPIs matched for this query"]`, 1, true},
		{`,"warnings":["receive series from Addr: 10.0.0.7: rpc error: code = Unavailable"]`, 0, true},
		{`,"isPartial":true`, 0, true},
	} {
		p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.TrimSuffix(matrix(seriesText("", "1")), "}")+c.warnings+"}")
		})
		got := p.Ask(t.Context(), []verifier.Question{ask(verifier.Measure{PromQL: "x"}, shop)})[0]
		if got.Err != nil || len(got.Notes) != c.notes || (got.Partial != "") != c.partial || len(got.Samples) != 1 {
			t.Errorf("%s: %v, notes %q, partial %q", c.warnings, got.Err, got.Notes, got.Partial)
		}
	}
}

// What Thanos sent to a user: the annotation stands among the warnings.
func TestRealworldPromInfoIsPartial(t *testing.T) {
	line := regexp.MustCompile(`'warnings':\['(PromQL info: [^']*)'\]`).FindStringSubmatch(realworld(t, "prom-info-is-partial/fake.py"))
	partial, notes := sorted(line[1:])
	if len(partial) != 0 || len(notes) != 1 {
		t.Errorf("partial %q, notes %q", partial, notes)
	}
}

// A service that never had an error has no series of errors: a ratio judges it all the same, and says so.
func TestPrometheusRatioWithoutSeries(t *testing.T) {
	p := fakePrometheus(t, PrometheusConfig{}, func(w http.ResponseWriter, r *http.Request) {
		text := matrix()
		if r.FormValue("query") == "requests" {
			text = matrix(seriesText("", "10", "", "20"))
		}
		fmt.Fprint(w, text)
	})
	m := verifier.Measure{Ratio: &verifier.Ratio{Of: "errors", To: "requests"}}
	got := p.Ask(t.Context(), []verifier.Question{ask(m, shop)})[0]
	if count, exposure := counted(got); got.Err != nil || count != 0 || exposure != 30 || len(got.Samples) != 2 || got.Absent == "" {
		t.Errorf("%+v, want no errors of 30, and that it is said", got)
	}
	m.Ratio.To = "nothing"
	if got := p.Ask(t.Context(), []verifier.Question{ask(m, shop)})[0]; got.Err != nil || len(got.Samples) != 0 || got.Absent != "" {
		t.Errorf("%+v, want no data where there are no requests", got)
	}
}
