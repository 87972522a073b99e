package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// says is a server that answers everything alike. Headers come in pairs.
func says(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

// slow answers long after anybody waits for it.
var slow = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-time.After(2 * time.Second):
	}
})

// cutOff says half a body and closes.
func cutOff(body string) http.Handler { return says(200, body, "Content-Length", "100000") }

// refused and strange are servers that cannot be reached: nobody listens, or nobody that we know.
type (
	refused struct{ http.Handler }
	strange struct{ http.Handler }
)

// logged is lines in a log file.
type logged struct {
	http.Handler
	lines []string
}

// faultServer is where the handler listens.
func faultServer(t *testing.T, h http.Handler) string {
	t.Helper()
	switch h.(type) {
	case refused:
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String()
	case strange:
		s := httptest.NewUnstartedServer(says(200, "{}"))
		s.Config.ErrorLog = quietLog
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// faultWay waits 300 ms, and reads 64 KiB.
func faultWay(t *testing.T) http.RoundTripper {
	t.Helper()
	rt, err := outbound.New(outbound.Config{MaxBytes: 64 << 10, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// faultBackend is a source of the type in front of the handler.
func faultBackend(t *testing.T, kind string, h http.Handler) (b Backend) {
	t.Helper()
	var err error
	switch kind {
	case "prometheus":
		b, err = NewPrometheus(PrometheusConfig{URL: faultServer(t, h)}, faultWay(t))
	case "loki":
		b, err = NewLoki(LokiConfig{ServerConfig: ServerConfig{URL: faultServer(t, h)}}, faultWay(t))
	case "embedded":
		b = faultEmbedded(t, h)
	case "elasticsearch":
		b, err = NewElasticsearch(ElasticsearchConfig{URL: faultServer(t, h), Index: "logs-*"}, faultWay(t))
	case "newrelic":
		c := NewRelicConfig{URL: faultServer(t, h) + "/graphql", AccountID: 1234567, APIKey: "NRAK-TEST"}
		b, err = NewNewRelic(c, faultWay(t))
	case "http":
		b, err = NewHTTP(HTTPConfig{ServerConfig{URL: faultServer(t, h)}}, faultWay(t))
		b = nowOnly{b}
	case "command":
		b, err = NewCommand(CommandConfig{Dir: t.TempDir(), Timeout: 300 * time.Millisecond})
		b = nowOnly{b}
	case "files":
		folder := t.TempDir()
		if lines, ok := h.(logged); ok {
			writeLog(t, filepath.Join(folder, "shop.log"), lines.lines...)
		}
		b, err = NewFiles(FilesConfig{Path: filepath.Join(folder, "*.log")})
	default:
		err = errors.New("no such type: " + kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// faultEmbedded scrapes what the handler says; without one it does not run.
func faultEmbedded(t *testing.T, h http.Handler) Backend {
	t.Helper()
	where := "http://127.0.0.1:1"
	if h != nil {
		where = faultServer(t, h)
	}
	e, err := NewEmbedded(EmbeddedConfig{Pages: []PageConfig{{URL: where + "/metrics"}}, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		if err := e.start(slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.stop() })
	}
	return e
}

// recordedSays answers as a recorded server did.
func recordedSays(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join("testdata", name)) })
}

// nowOnly lets a source that knows the present alone be asked about a simulated one.
type nowOnly struct{ Backend }

func (p nowOnly) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	moved := make([]verifier.Question, len(questions))
	shift := make([]time.Duration, len(questions))
	for i, q := range questions {
		shift[i] = time.Now().Truncate(q.Step).Sub(q.To)
		q.From, q.To = q.From.Add(shift[i]), q.To.Add(shift[i])
		moved[i] = q
	}
	answers := p.Backend.Ask(ctx, moved)
	for i, a := range answers {
		if !a.Until.IsZero() {
			answers[i].Until = a.Until.Add(-shift[i])
		}
		for j := range a.Samples {
			a.Samples[j].T = a.Samples[j].T.Add(-shift[i])
		}
	}
	return answers
}

// esSays is an Elasticsearch with Elastic's common schema; caps may be another answer to how fields are mapped. Each search of an
// _msearch is answered by items, or by search.
type esSays struct {
	caps, search string
	status       int
	items        func(i int) string
}

const faultCaps = `{"indices":["logs-1"],"fields":{"@timestamp":{"date":{}},"service.name":{"keyword":{}},"service.environment":{"keyword":{}},
	"service.version":{"keyword":{}},"host.name":{"keyword":{}},"message":{"text":{}},"log.level":{"keyword":{}},"event.duration":{"long":{}}}}`

func (s esSays) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-elastic-product", "Elasticsearch")
	switch {
	case strings.HasSuffix(r.URL.Path, "_field_caps") && s.caps == "":
		io.WriteString(w, faultCaps)
	case strings.HasSuffix(r.URL.Path, "_field_caps"):
		if strings.Contains(s.caps, "security_exception") {
			w.WriteHeader(http.StatusForbidden)
		}
		io.WriteString(w, s.caps)
	case strings.HasSuffix(r.URL.Path, "_msearch"):
		var items []string
		for i := range strings.Count(strings.TrimSpace(string(body)), "\n")/2 + 1 {
			item := s.search
			if s.items != nil {
				item = s.items(i)
			}
			items = append(items, item)
		}
		fmt.Fprintf(w, `{"took":1,"responses":[%s]}`, strings.Join(items, ","))
	default:
		if s.status > 0 {
			w.WriteHeader(s.status)
		}
		io.WriteString(w, s.search)
	}
}

// esWhole is a whole answer: no errors among a hundred documents a minute. change is "old => new".
func esWhole(change string) string {
	var steps []string
	for i := range 5 {
		at := noon.Add(time.Duration(i)*time.Minute + time.Millisecond).UnixMilli()
		steps = append(steps, fmt.Sprintf(`{"key":%d,"doc_count":100,"of":{"doc_count":0}}`, at))
	}
	whole := fmt.Sprintf(`{"took":5,"timed_out":false,"_shards":{"total":5,"successful":5,"skipped":0,"failed":0},"hits":{"total":{"value":500,"relation":"eq"},"hits":[]},
		"aggregations":{"arm":{"doc_count":500,"newest":{"value":%d},"steps":{"buckets":[%s]}}}}`, noon.Add(5*time.Minute).UnixMilli(), strings.Join(steps, ","))
	from, to, _ := strings.Cut(change, " => ")
	return strings.Replace(whole, from, to, 1)
}

func esError(status int, kind, reason string) string {
	return fmt.Sprintf(`{"error":{"root_cause":[{"type":%q,"reason":%q}],"type":%q,"reason":%q},"status":%d}`, kind, reason, kind, reason, status)
}

// esNothing is what no document gives; services are the names that there are.
func esNothing(shards int, services string) string {
	return fmt.Sprintf(`{"took":1,"timed_out":false,"_shards":{"total":%d,"successful":%d,"skipped":0,"failed":0},"hits":{"total":{"value":0,"relation":"eq"},"hits":[]},
		"aggregations":{"arm":{"doc_count":0,"newest":{"value":null},"steps":{"buckets":[]}},"services":{"buckets":[%s]}}}`, shards, shards, services)
}

// nrSays is New Relic's answer 200 to one query.
func nrSays(result any) http.Handler {
	b, err := json.Marshal(map[string]any{"data": map[string]any{"actor": map[string]any{"account": map[string]any{"nrql": result}}}})
	if err != nil {
		panic(err)
	}
	return says(200, string(b), "Content-Type", "application/json")
}

// nrFails is an error in an answer 200.
func nrFails(class, message string) http.Handler {
	return says(200, fmt.Sprintf(`{"errors":[{"message":%q,"extensions":{"errorClass":%q}}],"data":{"actor":{"account":{"nrql":null}}}}`, message, class),
		"Content-Type", "application/json")
}
