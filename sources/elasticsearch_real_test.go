package sources

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/testdata/elasticsearch"
)

// onBoth runs a test on a real server of each line. The servers are shared: every test has indices of its own.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	if testing.Short() {
		t.Skip("starting Elasticsearch takes a quarter of a minute")
	}
	for _, line := range []string{elasticsearch.Line7, elasticsearch.Line8} {
		t.Run(line, func(t *testing.T) { test(t, elasticsearch.URL(t, line)) })
	}
}

// send makes one call of the server's API, and fails where that does.
func send(t testing.TB, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 || bytes.Contains(said, []byte(`"errors":true`)) {
		t.Fatalf("%s %s: %s %v %s", method, url, resp.Status, err, said)
	}
	return string(said)
}

// ecsMapping maps fields as Elastic's common schema does.
const ecsMapping = `{"settings":{"number_of_shards":2,"number_of_replicas":0},"mappings":{"properties":{
	"@timestamp":{"type":"date"},"message":{"type":"text"},"tags":{"type":"keyword"},"log":{"properties":{"level":{"type":"keyword"}}},
	"service":{"properties":{"name":{"type":"keyword"},"version":{"type":"keyword"},"environment":{"type":"keyword"}}},
	"host":{"properties":{"name":{"type":"keyword"}}},"event":{"properties":{"duration":{"type":"long"}}},
	"http":{"properties":{"response":{"properties":{"status_code":{"type":"long"}}}}},"path":{"type":"keyword"},"ok":{"type":"boolean"}}}}`

// fill makes an index of the documents. An empty mapping leaves it to Elasticsearch to map them.
func fill(t testing.TB, url, index, mapping string, documents ...string) {
	t.Helper()
	send(t, http.MethodPut, url+"/"+index, mapping)
	t.Cleanup(func() {
		req, _ := http.NewRequest(http.MethodDelete, url+"/"+index, nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	if len(documents) == 0 {
		return
	}
	var lines strings.Builder
	for _, d := range documents {
		lines.WriteString(`{"index":{}}` + "\n" + d + "\n")
	}
	send(t, http.MethodPost, url+"/"+index+"/_bulk?refresh=true", lines.String())
}

func elasticsearchAt(t *testing.T, c ElasticsearchConfig) *Elasticsearch {
	t.Helper()
	e, err := NewElasticsearch(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// traffic is a minute of a shop: on h1 and h2, one document each half second, each tenth an error; h2 runs version 2.
func traffic() []string {
	var out []string
	for i := range 120 {
		status, host, version := 200, "h1", "1"
		if i%10 == 0 {
			status = 503
		}
		if i%2 == 1 {
			host, version = "h2", "2"
		}
		line := logLine(midday.Add(time.Duration(i+1)*500*time.Millisecond), "shop", host, status, float64(i))
		out = append(out, strings.Replace(line, `"version":"1"`, `"version":"`+version+`"`, 1))
	}
	return append(out, logLine(midday.Add(time.Second), "cart", "h1", 500, 7))
}

var meanOfBad = verifier.Measure{Average: &verifier.Average{Field: "event.duration"}, Where: "log.level:ERROR"}

// TestRealElasticsearchAnswersAsFilesDo asks both for the same documents.
func TestRealElasticsearchAnswersAsFilesDo(t *testing.T) {
	t.Parallel()
	documents := traffic()
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "shop.log"), documents...)
	f := filesIn(t, folder)
	onH2 := ofShop
	onH2.Hosts = []string{"h2"}
	peers := onH2
	peers.Peers = true
	byVersion := verifier.Subject{Service: "shop", Environment: "production", Version: "2", Peers: true}
	elsewhere := verifier.Subject{Service: "shop", Environment: "staging"}
	var questions []verifier.Question
	for _, s := range []verifier.Subject{ofShop, onH2, peers, byVersion, elsewhere, {Service: "shup", Environment: "production"}} {
		for _, m := range []verifier.Measure{errorsCounted, errorRatio, meanOfBad} {
			questions = append(questions, asking(m, s, midday, midday.Add(time.Minute), 15*time.Second)...)
		}
	}
	want := f.Ask(t.Context(), questions)
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "same-1", ecsMapping, documents[:50]...)
		fill(t, url, "same-2", ecsMapping, documents[50:]...)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "same-*"})
		for i, got := range e.Ask(t.Context(), questions) {
			q := questions[i]
			if got.Err != nil {
				t.Errorf("%+v: %v", q, got.Err)
				continue
			}
			if diff := cmp.Diff(want[i].Samples, got.Samples); diff != "" {
				t.Errorf("%s of %+v (-files +elasticsearch):\n%s", got.Query, q.Subject, diff)
			}
			if got.Unseen != want[i].Unseen || got.Nearest != want[i].Nearest || !got.Newest.Equal(want[i].Newest) || got.Partial != "" {
				t.Errorf("%s of %+v: unseen %v nearest %q newest %s partial %q; files: %v %q %s", got.Query, q.Subject,
					got.Unseen, got.Nearest, got.Newest, got.Partial, want[i].Unseen, want[i].Nearest, want[i].Newest)
			}
		}
	})
}
