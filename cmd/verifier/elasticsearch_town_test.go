package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"verifier/testdata/elasticsearch"
)

// logSource is how townConfig reads the shop's log; tests put another source in its place.
const logSource = "{type: files, path: ./shop.log, lag: 300ms}"

// elasticLines are the lines of Elasticsearch that daemons are tried on; sources tries its questions on both every time.
func elasticLines() []string {
	if long {
		return []string{elasticsearch.Line8, elasticsearch.Line7}
	}
	return []string{elasticsearch.Line8}
}

// TestMainPathOnElasticsearch is the main path with the shop's log in a real Elasticsearch, and the verdicts written to it.
func TestMainPathOnElasticsearch(t *testing.T) {
	t.Parallel()
	for _, line := range elasticLines() {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			server := elasticsearch.URL(t, line)
			w := openTown(t, townOptions{wholeWatch: "6s", config: "sinks: {index: {type: elasticsearch, url: '" + losingAnAnswer(t, server) + "', index: verdicts}}"})
			w.replace("verifier.yaml", logSource, fmt.Sprintf("{type: elasticsearch, url: '%s', index: 'shop-*', lag: 1500ms}", server))
			w.ship(server, "shop-logs")
			w.start()
			w.past()
			w.mainPath()
			w.checkVerdicts(server)
		})
	}
}

// losingAnAnswer is the server behind a proxy that says 503 to the first documents, though the server took them.
func losingAnAnswer(t *testing.T, server string) string {
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, "/_bulk") && lost.CompareAndSwap(false, true) {
				r.StatusCode = http.StatusServiceUnavailable
			}
			return nil
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// checkVerdicts holds the index of verdicts to one document a verdict and one a finding, mapped by the template.
func (w *town) checkVerdicts(server string) {
	w.Helper()
	count := func(query string) (n int) {
		var found struct{ Count int }
		if err := json.Unmarshal(w.elastic(http.MethodGet, server+"/verdicts/_count?q="+url.QueryEscape(query), "application/json", ""), &found); err != nil {
			w.Fatal(err)
		}
		return found.Count
	}
	// A refresh may come between a verdict and the findings that are written with it.
	w.until("the verdicts of all four deploys are written, with their findings", func() bool {
		w.elastic(http.MethodPost, server+"/verdicts/_refresh", "application/json", "")
		return count("kind:verdict") >= 4 && count("kind:finding") >= 4
	})
	for query, want := range map[string]int{
		"kind:verdict": 4, "kind:finding": 4, "kind:verdict AND state:failed AND service.version:1.1": 1, "state:passed AND kind:verdict": 2,
		`finding.outcome:fail AND finding.value:>0.1 AND finding.on_fail:rollback AND finding.text:"error ratio"`: 1, `key:"sink/index/d1.1/failed"`: 2,
	} {
		if n := count(query); n != want {
			w.Errorf("the index has %d documents of %s, want %d", n, query, want)
		}
	}
	var mapped map[string]struct {
		Mappings struct {
			Properties map[string]struct{ Type string }
		}
	}
	if err := json.Unmarshal(w.elastic(http.MethodGet, server+"/verdicts/_mapping", "application/json", ""), &mapped); err != nil {
		w.Fatal(err)
	}
	if p := mapped["verdicts"].Mappings.Properties; p["key"].Type != "keyword" || p["message"].Type != "text" || p["seconds_to_verdict"].Type != "double" {
		w.Errorf("the template was not used: %+v", mapped)
	}
}

const shopMapping = `{"settings":{"number_of_shards":1,"number_of_replicas":0,"refresh_interval":"100ms"},"mappings":{"properties":{
	"@timestamp":{"type":"date"},"service.name":{"type":"keyword"},"service.environment":{"type":"keyword"},"service.version":{"type":"keyword"},
	"http.response.status_code":{"type":"long"}}}}`

// ship sends the log's lines to the index as they are written, all those of before first.
func (w *town) ship(server, index string) {
	w.Helper()
	w.elastic(http.MethodPut, server+"/"+index, "application/json", shopMapping)
	log, err := os.Open(filepath.Join(w.folder, "shop.log"))
	if err != nil {
		w.Fatal(err)
	}
	var rest []byte
	send := func() {
		text, err := io.ReadAll(log)
		if err != nil {
			w.Error(err)
			return
		}
		rest = append(rest, text...)
		end := bytes.LastIndexByte(rest, '\n') + 1
		lines := strings.SplitAfter(string(rest[:end]), "\n")
		rest = append([]byte(nil), rest[end:]...)
		for len(lines) > 1 {
			n := min(len(lines)-1, 5000)
			var bulk strings.Builder
			for _, line := range lines[:n] {
				bulk.WriteString("{\"create\":{}}\n" + line)
			}
			w.elastic(http.MethodPost, server+"/"+index+"/_bulk", "application/x-ndjson", bulk.String())
			lines = lines[n:]
		}
	}
	send()
	stop := make(chan bool)
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				send()
			}
		}
	})
	w.Cleanup(func() { close(stop); group.Wait(); log.Close() })
}

func (w *town) elastic(method, url, kind, body string) []byte {
	w.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return nil
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Error(err)
		return nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 || bytes.Contains(text, []byte(`"errors":true`)) {
		w.Errorf("%s %s answers %s %.300s (%v)", method, url, response.Status, text, err)
	}
	return text
}
