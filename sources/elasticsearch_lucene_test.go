package sources

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// luceneDocuments are ten log lines that differ in what queries can ask for.
func luceneDocuments() []string {
	bodies := []string{
		`"message":"Payment timeout: gateway said NO","log":{"level":"ERROR"},"http":{"response":{"status_code":503}},"tags":["slow","retry"],"ok":true,"path":"/a b/c:d"`,
		`"message":"payment done","log":{"level":"INFO"},"http":{"response":{"status_code":200}},"ok":false,"path":"/checkout","event":{"duration":12}`,
		`"message":"gateway timeout, trying again","log":{"level":"WARN"},"tags":["retry"],"path":"/checkout/2"`,
		`"message":"Order 4711 failed for user-12","log":{"level":"error"},"http":{"response":{"status_code":500}},"event":{"duration":99}`,
		`"message":"android client 1.4.2 connected","log":{"level":"FATAL"},"http":{"response":{"status_code":499}}`,
		`"message":"no gateway","tags":"fast","host":{"name":"web-1"}`,
		`"log":{"level":"ERROR"},"host":{"name":"web-2"},"event":{"duration":5}`,
		`"message":"said gateway","log":{"level":"ERR"},"http":{"response":{"status_code":404}},"tags":[]`,
		`"message":"timeouts and time-outs","http":{"response":{"status_code":null}},"path":"/*literal?"`,
		`"message":"Zahlung für Öl abgelehnt","log":{"level":"ERROR"},"path":"C:\\logs\\x"`,
	}
	var out []string
	for i, b := range bodies {
		out = append(out, fmt.Sprintf(`{"@timestamp":%q,"service":{"name":"shop","version":"1","environment":"production"},%s}`, midday.Add(time.Duration(i+1)*time.Second).Format(time.RFC3339Nano), b))
	}
	return out
}

var luceneQueries = []string{
	`log.level:ERROR`, `log.level:error`, `log.level:(ERROR OR FATAL)`, `log.level:(WARN OR FATAL)`, `log.level:(WARN AND FATAL)`, `* AND NOT log.level:ERROR`, `timeout OR *`, `(* -gateway) AND ok:true`, `-*`, `log.level:ERR*`, `log.level:ERR?R`, `log.level:"ERR"`, `log.level:E*\*`,
	`timeout`, `TIMEOUT`, `time*`, `tim?out`, `Time*`, `"gateway said"`, `"said gateway"`, `"Payment timeout: gateway"`, `"NO"`, `no*`, `android`, `ORDER`, `4711`, `user-12`, `"user 12"`, `1.4.2`,
	`time-outs`, `für`, `FÜR`, `öl`, `"Öl abgelehnt"`, `message:gateway`, `message:(gateway AND timeout)`, `message:"gateway timeout"`, `message:*`,
	`http.response.status_code:>=500`, `http.response.status_code:<500`, `http.response.status_code:>499`, `http.response.status_code:<=404`, `http.response.status_code:503`, `http.response.status_code:"503"`,
	`http.response.status_code:[500 TO 599]`, `http.response.status_code:{499 TO *]`, `http.response.status_code:[* TO 503}`, `http.response.status_code:[404 TO 500}`, `http.response.status_code:*`,
	`http.response.status_code:(>=500 AND <503)`, `http.response.status_code:(404 OR 499)`, `event.duration:>10`, `event.duration:[5 TO 12]`, `event.duration:{5 TO 99}`,
	`missing:*`, `NOT missing:*`, `missing:x`, `*`, `*:*`, `_exists_:log.level`, `_exists_:missing`, `NOT _exists_:http.response.status_code`, `NOT http.response.status_code:*`,
	`timeout AND gateway`, `timeout AND nothing`, `timeout OR nothing`, `nothing timeout`, `timeout gateway`, `timeout AND NOT gateway`, `timeout -nothing`, `timeout -gateway`, `+timeout +nothing`, `+timeout gateway`,
	`timeout && !nothing`, `nothing || timeout`, `nothing OR timeout AND gateway`, `timeout OR nothing AND gateway`, `(nothing OR timeout) AND gateway`, `nothing AND timeout OR gateway`, `timeout gateway AND nothing`,
	`-nothing`, `-timeout`, `!timeout`, `NOT timeout`, `nothing OR NOT timeout`, `gateway AND (NOT timeout)`, `gateway AND NOT (timeout OR said)`, `gateway (timeout AND NOT said)`, `gateway AND (-timeout -no)`,
	`(timeout OR nothing) AND (gateway nothing)`, `tags:retry`, `tags:fast`, `tags:*`, `tags:(slow -fast)`, `tags:(+retry -slow)`, `tags:(retry AND slow)`, `ok:true`, `ok:false`, `ok:*`,
	`path:"/a b/c:d"`, `path:\/a\ b\/c\:d`, `path:\/checkout`, `path:\/checkout*`, `path:"/*literal?"`, `path:\/\*literal\?`, `path:\/*l\?`, `path:"C:\\logs\\x"`, `path:[\/a TO \/d]`,
	`host.name:web-1`, `host.name:web*`, `host.name:web\*`, `host.name:(web-1 OR web-2)`, `host.name:(+web* -web-2)`, `service.name:shop`, `service.name:sh?p AND NOT log.level:*`,
	`log.level:ERROR AND http.response.status_code:>=500`, `log.level:(ERROR OR FATAL) AND NOT message:android`, `_exists_:http.response.status_code AND +tags:(slow -fast)`, `((timeout))`, `log.level:((ERROR) OR (WARN))`,
	`log.level:[ERROR TO FATAL]`, `log.level:>ERROR`,
	`http.response.status_code:[500 TO 599] OR log.level:FATAL`, `timeout OR`, `"a b`, `log.level:(ERROR`, `a AND OR b`, `[1 2]`,
}

// TestRealElasticsearchLucene holds the grammar of log files against Elasticsearch's own: the same documents, the same queries, the same
// answers, one by one. What the grammar does not take, no source takes.
func TestRealElasticsearchLucene(t *testing.T) {
	t.Parallel()
	documents := luceneDocuments()
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log"), documents...)
	var questions []verifier.Question
	for _, query := range luceneQueries {
		questions = append(questions, asking(verifier.Measure{Count: query}, verifier.Subject{Service: "shop"}, midday, midday.Add(10*time.Second), time.Second)...)
	}
	want := filesIn(t, folder).Ask(t.Context(), questions)
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "lucene", ecsMapping, documents...)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "lucene"})
		different, refused := 0, 0
		for i, got := range e.Ask(t.Context(), questions) {
			if want[i].Err != nil && got.Err != nil {
				refused++
				continue
			}
			if hits(got) != hits(want[i]) || (got.Err == nil) != (want[i].Err == nil) {
				different++
				t.Errorf("%s\n  elasticsearch: %s %v\n  files:         %s %v", luceneQueries[i], hits(got), got.Err, hits(want[i]), want[i].Err)
			}
			if missing := strings.Join(got.Missing, " "); missing != strings.Join(want[i].Missing, " ") {
				t.Errorf("%s: elasticsearch misses %q, files %q", luceneQueries[i], missing, want[i].Missing)
			}
		}
		t.Logf("%d queries, %d refused by both, %d answered differently", len(luceneQueries), refused, different)
	})
}

// hits is which of the documents match, one digit for each.
func hits(a verifier.Answer) string {
	var b strings.Builder
	for _, s := range a.Samples {
		fmt.Fprintf(&b, "%g", s.Count)
	}
	return b.String()
}
