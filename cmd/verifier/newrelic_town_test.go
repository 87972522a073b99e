package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const newRelicRules = `
defaults: {settle: 0, watch: 8s, every: 1s}
rules:
  - name: error-ratio
    measure:
      source: logs
      ratio:
        of: "SELECT count(*) FROM Transaction WHERE appName = '{{.Service}}' AND error IS true"
        to: "SELECT count(*) FROM Transaction WHERE appName = '{{.Service}}'"
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 0.05}
    on_fail: rollback
`

// TestMainPathOnNewRelic is the main path with the shop's requests behind NerdGraph: two queries in one document.
func TestMainPathOnNewRelic(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{rules: newRelicRules})
	graph := httptest.NewServer(http.HandlerFunc(w.nerdGraph))
	t.Cleanup(graph.Close)
	w.replace("verifier.yaml", logSource, fmt.Sprintf("{type: newrelic, account_id: 42, api_key: NRAK-TEST, url: '%s/graphql', lag: 1s}", graph.URL))
	w.start()
	w.past()
	w.mainPath()
}

var stretch = regexp.MustCompile(`\nSINCE (\d+) UNTIL (\d+) TIMESERIES (\d+) seconds$`)

// nerdGraph counts the shop's requests as New Relic would, in the buckets that are asked for.
func (w *town) nerdGraph(out http.ResponseWriter, q *http.Request) {
	var call struct {
		Query     string
		Variables map[string]any
	}
	if q.Header.Get("Api-Key") != "NRAK-TEST" || json.NewDecoder(q.Body).Decode(&call) != nil || call.Variables["accountId"] != 42.0 {
		w.Errorf("NerdGraph is asked %+v", call)
		http.Error(out, "no", http.StatusBadRequest)
		return
	}
	account := map[string]any{}
	for name, value := range call.Variables {
		text, _ := value.(string)
		found := stretch.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		if name == "query" {
			name = "nrql"
		} else if !strings.Contains(call.Query, name+": nrql(query: $"+name) {
			w.Errorf("%s is not asked under its alias: %s", name, call.Query)
		}
		if !strings.Contains(text, "appName = 'shop'") {
			w.Errorf("asked of another service: %s", text)
		}
		account[name] = map[string]any{"results": w.buckets(strings.Contains(text, "error IS true"), found), "otherResult": nil, "totalResult": nil}
	}
	json.NewEncoder(out).Encode(map[string]any{"data": map[string]any{"actor": map[string]any{"account": account}}})
}

// buckets reads the log anew.
func (w *town) buckets(errors bool, stretch []string) []map[string]any {
	from, _ := strconv.ParseInt(stretch[1], 10, 64)
	until, _ := strconv.ParseInt(stretch[2], 10, 64)
	step, _ := strconv.ParseInt(stretch[3], 10, 64)
	counts := make([]int, (until-from)/1000/step)
	log, err := os.Open(filepath.Join(w.folder, "shop.log"))
	if err != nil {
		w.Error(err)
		return nil
	}
	defer log.Close()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct {
			At     time.Time `json:"@timestamp"`
			Status int       `json:"http.response.status_code"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || errors && line.Status < 500 {
			continue // the last line may be half written
		}
		if ms := line.At.UnixMilli(); ms >= from && ms < until {
			if i := (ms - from) / 1000 / step; i < int64(len(counts)) {
				counts[i]++
			}
		}
	}
	rows := make([]map[string]any, len(counts))
	for i, n := range counts {
		begin := from/1000 + int64(i)*step
		rows[i] = map[string]any{"beginTimeSeconds": begin, "endTimeSeconds": begin + step, "count": n}
	}
	return rows
}
