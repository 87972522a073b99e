package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier/testdata/elasticsearch"
)

// logSource is how townConfig reads the shop's log; tests put another source in its place.
const logSource = "{type: files, path: ./shop.log, lag: 300ms}"

// TestMainPathOnElasticsearch is the main path with the shop's log in a real Elasticsearch.
func TestMainPathOnElasticsearch(t *testing.T) {
	for _, line := range []string{elasticsearch.Line8, elasticsearch.Line7} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			server := elasticsearch.URL(t, line)
			w := openTown(t, townOptions{wholeWatch: "6s"})
			w.replace("verifier.yaml", logSource, fmt.Sprintf("{type: elasticsearch, url: '%s', index: 'shop-*', lag: 1500ms}", server))
			w.ship(server, "shop-logs")
			w.start()
			w.past()
			w.mainPath()
		})
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

func (w *town) elastic(method, url, kind, body string) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Error(err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 || bytes.Contains(text, []byte(`"errors":true`)) {
		w.Errorf("%s %s answers %s %.300s (%v)", method, url, response.Status, text, err)
	}
}
