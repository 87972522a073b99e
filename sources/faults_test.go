package sources

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/lifecycle"
)

var quietLog = log.New(io.Discard, "", 0)

// fault is one way in which a source does not say the truth, and what becomes of a rule that believes in it.
type fault struct {
	kind    string
	name    string
	serve   http.Handler
	measure verifier.Measure
	reason  verifier.Reason
	text    string // in the finding's sentence
}

const huge = 100 << 10

var (
	promUp     = verifier.Measure{PromQL: "up"}
	lokiErrors = verifier.Measure{Count: `{app="{{.Service}}"} |= "error"`}
	lokiRate   = verifier.Measure{Query: `sum(rate({app="{{.Service}}"}[1m]))`}
	esPatterns = verifier.Measure{Patterns: "log.level:ERROR"}
	esErrors   = verifier.Measure{Count: "log.level:ERROR"}
	esDuration = verifier.Measure{Percentile: &verifier.Percentile{Field: "event.duration", P: 95}}
	nrDuration = nrqlOf(nrAverage)
	httpErrors = verifier.Measure{HTTP: "/errors", Value: "errors"}
	login      = "<!DOCTYPE html><html>Please log in</html>"
	nothing    = says(200, "")
)

func warned(body string) string {
	return strings.Replace(body, `{"status":"success",`, `{"status":"success","warnings":["store 10.0.0.7 is not there"],`, 1)
}

// oneFails is the answers of an _msearch of which every one failed in its own way.
func oneFails(i int) string { return esError(500+3*(i%2), "null_pointer_exception", "oops") }

var faults = []fault{
	{"prometheus", "warnings", says(200, warned(matrix(seriesText("", "0", "0", "0", "0", "0")))), promUp, verifier.PartialData, "store 10.0.0.7 is not there"},
	{"prometheus", "NaN", says(200, matrix(seriesText("", "NaN", "NaN", "NaN", "NaN"))), promUp, verifier.NoData, "no data"},
	{"prometheus", "infinities", says(200, matrix(seriesText("", "+Inf", "-Inf", "+Inf"))), promUp, verifier.NoData, "no data"},
	{"prometheus", "empty vector", says(200, matrix()), promUp, verifier.NoData, "no data"},
	{"prometheus", "two series", says(200, matrix(seriesText(`"a":"1"`, "0", "0", "0"), seriesText(`"a":"2"`, "9", "9", "9"))), promUp, verifier.BadData, "2 series"},
	{"prometheus", "a vector", says(200, `{"status":"success","data":{"resultType":"vector","result":[]}}`), promUp, verifier.BadData, "instead of a matrix"},
	{"prometheus", "too much for it", says(422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples"}`), promUp, verifier.BadData, "too many samples"},
	{"prometheus", "wrong query", says(400, `{"status":"error","errorType":"bad_data","error":"parse error"}`), promUp, verifier.BadData, "parse error"},
	{"prometheus", "an error in 200", says(200, `{"status":"error","errorType":"timeout","error":"query timed out"}`), promUp, verifier.SourceDown, "query timed out"},
	{"prometheus", "429", says(429, "slow down", "Retry-After", "7"), promUp, verifier.SourceDown, "429"},
	{"prometheus", "429 without Retry-After", says(429, "slow down"), promUp, verifier.SourceDown, "429"},
	{"prometheus", "500", says(500, "500.0"), promUp, verifier.SourceDown, "500"},
	{"prometheus", "503", says(503, "starting"), promUp, verifier.SourceDown, "503"},
	{"prometheus", "401", says(401, "no"), promUp, verifier.SourceDown, "401"},
	{"prometheus", "connection refused", refused{}, promUp, verifier.SourceDown, "connection refused"},
	{"prometheus", "TLS failure", strange{}, promUp, verifier.SourceDown, "certificate"},
	{"prometheus", "slow", slow, promUp, verifier.SourceDown, ""},
	{"prometheus", "half a body", cutOff(`{"status":"success","data":{"resultType":"matrix","result":[`), promUp, verifier.SourceDown, "EOF"},
	{"prometheus", "half a body that ends well", says(200, `{"status":"success","data":{"resultType":"mat`), promUp, verifier.BadData, "no answer of Prometheus"},
	{"prometheus", "HTML from a proxy", says(200, login, "Content-Type", "text/html"), promUp, verifier.BadData, "login page or proxy"},
	{"prometheus", "nothing", nothing, promUp, verifier.BadData, "no answer of Prometheus"},
	{"prometheus", "a huge body", says(200, `{"status":"success","x":"`+strings.Repeat("x", huge)), promUp, verifier.BadData, "too large"},

	{"prometheus", "native histograms", recordedSays("prometheus/openapi_query_range_histogramResult.json"), promUp, verifier.BadData, "native histograms"},
	{"prometheus", "VictoriaMetrics: part of the storage", says(200, strings.Replace(matrix(seriesText("", "0", "0", "0")), `"success"`, `"success","isPartial":true`, 1)), promUp, verifier.PartialData, "isPartial"},
	{"prometheus", "VictoriaMetrics: wrong query", says(400, `{"status":"error","errorType":"400","error":"cannot parse"}`), promUp, verifier.BadData, "cannot parse"},
	{"prometheus", "VictoriaMetrics: too much for it", says(422, `{"status":"error","errorType":"422","error":"timeout exceeded during query execution"}`), promUp, verifier.BadData, "timeout exceeded"},
	{"prometheus", "VictoriaMetrics: storage is gone", says(503, `{"status":"error","errorType":"503","error":"cannot fetch query results from vmstorage nodes"}`), promUp, verifier.SourceDown, "vmstorage"},
	{"prometheus", "Thanos: a store is gone", says(200, `{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["No StoreAPIs matched for this query"]}`), promUp, verifier.PartialData, "No StoreAPIs"},
	{"prometheus", "Mimir: too many requests", says(429, `{"status":"error","errorType":"too_many_requests","error":"too many outstanding requests"}`), promUp, verifier.SourceDown, "too many outstanding"},
	{"prometheus", "Mimir: too many series", says(422, `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of series"}`), promUp, verifier.BadData, "maximum number of series"},

	{"elasticsearch", "partial shards", esSays{search: esWhole(`"successful":5,"skipped":0,"failed":0 => "successful":1,"skipped":0,"failed":4`)}, esErrors, verifier.PartialData, "4 of 5 shards failed"},
	{"elasticsearch", "shards that are missing", esSays{search: esWhole(`"successful":5 => "successful":4`)}, esErrors, verifier.PartialData, "1 of 5 shards failed"},
	{"elasticsearch", "timed_out without failed shards", esSays{search: esWhole(`"timed_out":false => "timed_out":true`)}, esErrors, verifier.PartialData, "timed_out"},
	{"elasticsearch", "lower bound", esSays{search: esWhole(`"relation":"eq" => "relation":"gte"`)}, esErrors, verifier.PartialData, "only a lower bound"},
	{"elasticsearch", "skipped cluster", esSays{search: esWhole(`"took":5 => "_clusters":{"total":2,"successful":1,"skipped":1}`)}, esErrors, verifier.PartialData, "1 skipped"},
	{"elasticsearch", "partial shards refused", esSays{status: 503, search: esError(503, "search_phase_execution_exception", "Partial shards failure")}, esErrors, verifier.PartialData, "Partial shards failure"},
	{"elasticsearch", "all shards failed", esSays{status: 503, search: esError(503, "no_shard_available_action_exception", "all shards failed")}, esErrors, verifier.SourceDown, "all shards failed"},
	{"elasticsearch", "percentile of a text field", esSays{caps: strings.Replace(faultCaps, `"event.duration":{"long"`, `"event.duration":{"text"`, 1), search: esWhole("")}, esDuration, verifier.BadData, "event.duration"},
	{"elasticsearch", "text field, mapping not to be seen", esSays{caps: esError(403, "security_exception", "unauthorized"), status: 400, search: esError(400, "illegal_argument_exception", "Fielddata is disabled on [event.duration]")}, esDuration, verifier.BadData, "Fielddata is disabled"},
	{"elasticsearch", "pattern that matches nothing", esSays{caps: `{"indices":[],"fields":{}}`, search: esNothing(0, "")}, esErrors, verifier.NeverSeen, ""},
	{"elasticsearch", "index that is gone", esSays{status: 404, search: esError(404, "index_not_found_exception", "no such index [logs]")}, esErrors, verifier.SourceGone, "no such index"},
	{"elasticsearch", "service that never logged", esSays{search: esNothing(5, `{"key":"checkout","doc_count":9}`)}, esErrors, verifier.NeverSeen, ""},
	{"elasticsearch", "errors of single searches in 200", esSays{status: 200, search: esError(500, "null_pointer_exception", "oops"), items: oneFails}, esErrors, verifier.SourceDown, "oops"},
	{"elasticsearch", "429", esSays{status: 429, search: esError(429, "es_rejected_execution_exception", "rejected")}, esErrors, verifier.SourceDown, "rejected"},
	{"elasticsearch", "429 with Retry-After", says(429, "slow down", "Retry-After", "7"), esErrors, verifier.SourceDown, "429"},
	{"elasticsearch", "500", says(500, "500.0"), esErrors, verifier.SourceDown, "500"},
	{"elasticsearch", "connection refused", refused{}, esErrors, verifier.SourceDown, "connection refused"},
	{"elasticsearch", "TLS failure", strange{}, esErrors, verifier.SourceDown, "certificate"},
	{"elasticsearch", "slow", slow, esErrors, verifier.SourceDown, ""},
	{"elasticsearch", "half a body", cutOff(`{"took":5,"timed_out":false,`), esErrors, verifier.SourceDown, "EOF"},
	{"elasticsearch", "half a body that ends well", says(200, `{"took":5,"timed_out":false,`), esErrors, verifier.BadData, "no JSON"},
	{"elasticsearch", "HTML from a proxy", says(200, login, "Content-Type", "text/html"), esErrors, verifier.BadData, "login page or proxy"},
	{"elasticsearch", "an empty object", says(200, `{}`), esErrors, verifier.BadData, ""},
	{"elasticsearch", "a huge body", esSays{search: `{"x":"` + strings.Repeat("x", huge) + `"}`}, esErrors, verifier.BadData, "too large"},

	{"newrelic", "timeout in 200", nrFails("TIMEOUT", "some error"), nrDuration, verifier.SourceDown, "TIMEOUT"},
	{"newrelic", "too many requests in 200", nrFails("TOO_MANY_REQUESTS", "slow down"), nrDuration, verifier.SourceDown, "TOO_MANY_REQUESTS"},
	{"newrelic", "server error in 200", nrFails("SERVER_ERROR", "oops"), nrDuration, verifier.SourceDown, "SERVER_ERROR"},
	{"newrelic", "wrong query in 200", nrFails("INVALID_INPUT", "NRQL Syntax Error"), nrDuration, verifier.BadData, "NRQL Syntax Error"},
	{"newrelic", "null percentiles", nrSays(rows(bucketRow(1, "percentile.duration", map[string]any{"95": nil}), bucketRow(2, "percentile.duration", map[string]any{"95": nil}))), nrDuration, verifier.NoData, "no data"},
	{"newrelic", "null averages", nrSays(rows(bucketRow(1, "average.duration", nil), bucketRow(2, "average.duration", nil))), nrDuration, verifier.NoData, "no data"},
	{"newrelic", "no rows", nrSays(rows()), nrDuration, verifier.NoData, "no data"},
	{"newrelic", "data null", says(200, `{"data":null}`), nrDuration, verifier.BadData, "neither data nor errors"},
	{"newrelic", "no account", says(200, `{"data":{"actor":{"account":null}}}`), nrDuration, verifier.BadData, "no result"},
	{"newrelic", "429", says(429, "slow down", "Retry-After", "7"), nrDuration, verifier.SourceDown, "429"},
	{"newrelic", "429 without Retry-After", says(429, "slow down"), nrDuration, verifier.SourceDown, "429"},
	{"newrelic", "500", says(500, "500.0"), nrDuration, verifier.SourceDown, "500"},
	{"newrelic", "connection refused", refused{}, nrDuration, verifier.SourceDown, "connection refused"},
	{"newrelic", "TLS failure", strange{}, nrDuration, verifier.SourceDown, "certificate"},
	{"newrelic", "slow", slow, nrDuration, verifier.SourceDown, ""},
	{"newrelic", "half a body", cutOff(`{"data":{"actor":`), nrDuration, verifier.SourceDown, "EOF"},
	{"newrelic", "half a body that ends well", says(200, `{"data":{"actor":`), nrDuration, verifier.BadData, "no JSON"},
	{"newrelic", "HTML from a proxy", says(200, login, "Content-Type", "text/html"), nrDuration, verifier.BadData, "HTML instead of JSON"},
	{"newrelic", "a huge body", says(200, `{"data":"`+strings.Repeat("x", huge)+`"}`), nrDuration, verifier.BadData, "too large"},

	{"newrelic", "bad key in 200", says(200, `{"errors":[{"message":"Invalid credentials","extensions":{"error_code":"BAD_API_KEY"}}]}`), nrDuration, verifier.SourceDown, "BAD_API_KEY"},
	{"newrelic", "401", says(401, `{"error_code":"BAD_API_KEY"}`), nrDuration, verifier.SourceDown, "401"},
	{"newrelic", "a message that events were left out", nrSays(map[string]any{"results": []any{bucketRow(1, "average.duration", 0), bucketRow(2, "average.duration", 0)}, "metadata": map[string]any{"messages": []string{"The query inspected too many events"}}}), nrDuration, verifier.PartialData, "too many events"},
	{"newrelic", "a query that goes on, and whose progress is not told", nrSays(pendingResult("q1")), nrDuration, verifier.BadData, "no result"},

	{"loki", "warnings", says(200, warned(matrix(seriesText("", "0", "0", "0", "0", "0")))), lokiErrors, verifier.PartialData, "store 10.0.0.7 is not there"},
	{"loki", "streams that are not there", says(200, matrix()), lokiErrors, verifier.NeverSeen, ""},
	{"loki", "NaN", says(200, matrix(seriesText("", "NaN", "NaN", "NaN"))), lokiRate, verifier.NoData, "no data"},
	{"loki", "two series", says(200, matrix(seriesText(`"a":"1"`, "0", "0", "0"), seriesText(`"a":"2"`, "9", "9", "9"))), lokiRate, verifier.BadData, "2 series"},
	{"loki", "lines where a number is needed", says(200, `{"status":"success","data":{"resultType":"streams","result":[]}}`), lokiErrors, verifier.BadData, ""},
	{"loki", "wrong query", says(400, "parse error at line 1, col 5: syntax error"), lokiErrors, verifier.BadData, "parse error"},
	{"loki", "too many series", says(400, "maximum of series (500) reached for a single query"), lokiErrors, verifier.BadData, "maximum of series"},
	{"loki", "429", says(429, "too many outstanding requests", "Retry-After", "7"), lokiErrors, verifier.SourceDown, "429"},
	{"loki", "429 without Retry-After", says(429, "too many outstanding requests"), lokiErrors, verifier.SourceDown, "429"},
	{"loki", "500", says(500, "500.0"), lokiErrors, verifier.SourceDown, "500"},
	{"loki", "503", says(503, "starting"), lokiErrors, verifier.SourceDown, "503"},
	{"loki", "401", says(401, "no org id"), lokiErrors, verifier.SourceDown, "401"},
	{"loki", "connection refused", refused{}, lokiErrors, verifier.SourceDown, "connection refused"},
	{"loki", "TLS failure", strange{}, lokiErrors, verifier.SourceDown, "certificate"},
	{"loki", "slow", slow, lokiErrors, verifier.SourceDown, ""},
	{"loki", "half a body", cutOff(`{"status":"success","data":{"resultType":"matrix","result":[`), lokiErrors, verifier.SourceDown, "EOF"},
	{"loki", "half a body that ends well", says(200, `{"status":"success","data":{"resultType":"mat`), lokiErrors, verifier.BadData, ""},
	{"loki", "HTML from a proxy", says(200, login, "Content-Type", "text/html"), lokiErrors, verifier.BadData, "login page or proxy"},
	{"loki", "nothing", nothing, lokiErrors, verifier.BadData, ""},
	{"loki", "a huge body", says(200, `{"status":"success","x":"`+strings.Repeat("x", huge)), lokiErrors, verifier.BadData, "too large"},

	{"embedded", "it does not run", nil, promUp, verifier.SourceDown, "does not run"},
	{"embedded", "no such metric", says(200, "load 0\n"), verifier.Measure{PromQL: "lod"}, verifier.NoData, "no data"},
	{"embedded", "NaN", says(200, "load 0\n"), verifier.Measure{PromQL: "vector(0) / 0"}, verifier.NoData, "no data"},
	{"embedded", "two series", says(200, "load 0\n"), verifier.Measure{PromQL: `label_replace(vector(0), "a", "1", "", "") or vector(9)`}, verifier.BadData, "2 series"},
	{"embedded", "a warning", says(200, "load 0\n"), verifier.Measure{PromQL: "quantile(2, vector(0))"}, verifier.PartialData, "quantile value"},
	{"embedded", "wrong query", says(200, "load 0\n"), verifier.Measure{PromQL: "sum("}, verifier.BadData, "parse error"},

	{"http", "null", says(200, `{"errors":null}`), httpErrors, verifier.NoData, "no data"},
	{"http", "not there", says(200, `{"error":0}`), httpErrors, verifier.NoData, "no data"},
	{"http", "two values", says(200, `{"errors":[0,9]}`), httpErrors, verifier.BadData, "2 values"},
	{"http", "one key twice", says(200, `{"errors":9,"errors":0}`), httpErrors, verifier.BadData, "twice"},
	{"http", "a text", says(200, `{"errors":"0"}`), httpErrors, verifier.BadData, "no number"},
	{"http", "NaN", says(200, `{"errors":0,"requests":0}`), verifier.Measure{HTTP: "/", Value: "errors / requests"}, verifier.BadData, "no number"},
	{"http", "429", says(429, `{"errors":0}`, "Retry-After", "7"), httpErrors, verifier.SourceDown, "429"},
	{"http", "429 without Retry-After", says(429, `{"errors":0}`), httpErrors, verifier.SourceDown, "429"},
	{"http", "500", says(500, "500.0"), httpErrors, verifier.SourceDown, "500"},
	{"http", "404", says(404, `{"errors":0}`), httpErrors, verifier.SourceGone, "404"},
	{"http", "connection refused", refused{}, httpErrors, verifier.SourceDown, "connection refused"},
	{"http", "TLS failure", strange{}, httpErrors, verifier.SourceDown, "certificate"},
	{"http", "slow", slow, httpErrors, verifier.SourceDown, ""},
	{"http", "half a body", cutOff(`{"errors":0`), httpErrors, verifier.SourceDown, "EOF"},
	{"http", "half a body that ends well", says(200, `{"errors":0`), httpErrors, verifier.BadData, ""},
	{"http", "HTML from a proxy", says(200, login, "Content-Type", "text/html"), httpErrors, verifier.BadData, ""},
	{"http", "nothing", nothing, httpErrors, verifier.BadData, ""},
	{"http", "a huge body", says(200, `{"errors":0,"x":"`+strings.Repeat("x", huge)+`"}`), httpErrors, verifier.BadData, "too large"},

	{"command", "nothing written", nil, shell(`:`), verifier.BadData, ""},
	{"command", "no number", nil, shell(`echo all is well`), verifier.BadData, ""},
	{"command", "two numbers", nil, shell(`echo 0; echo 9`), verifier.BadData, ""},
	{"command", "NaN", nil, shell(`echo NaN`), verifier.BadData, ""},
	{"command", "HTML", nil, shell(`echo '<html>log in</html>'`), verifier.BadData, ""},
	{"command", "a number, and a failure", nil, shell(`echo 0; exit 1`), verifier.BadData, "1"},
	{"command", "could not check", nil, shell(`echo 0; exit 75`), verifier.SourceDown, "75"},
	{"command", "not there", nil, verifier.Measure{Command: []string{"/no/such/program"}}, verifier.SourceDown, "/no/such/program"},
	{"command", "slow", nil, shell(`sleep 5; echo 0`), verifier.SourceDown, ""},
	{"command", "killed", nil, shell(`kill -9 $$`), verifier.SourceDown, ""},
	{"command", "huge output", nil, shell(`head -c 100000 /dev/zero`), verifier.BadData, ""},

	{"files", "another service's lines", logged{lines: []string{logLine(noon.Add(90*time.Second), "cart", "web1", 200, 1)}}, verifier.Measure{Count: "log.level:ERROR"}, verifier.NeverSeen, ""},
	{"files", "lines without a time", logged{lines: []string{"not", "a", "log"}}, verifier.Measure{Count: "log.level:ERROR"}, verifier.BadData, ""},
	{"elasticsearch", "patterns of partial shards", esSays{search: esWhole(`"failed":0 => "failed":4`)}, esPatterns, verifier.PartialData, "4 of 5 shards failed"},
	{"elasticsearch", "patterns, timed out", esSays{search: esWhole(`"timed_out":false => "timed_out":true`)}, esPatterns, verifier.PartialData, "timed_out"},
	{"elasticsearch", "patterns of a service that never logged", esSays{search: esNothing(5, `{"key":"checkout","doc_count":9}`)}, esPatterns, verifier.NoBaseline, "no data"},
	{"elasticsearch", "patterns, 429", esSays{status: 429, search: esError(429, "es_rejected_execution_exception", "rejected")}, esPatterns, verifier.SourceDown, "rejected"},
	{"elasticsearch", "patterns, HTML from a proxy", says(200, login, "Content-Type", "text/html"), esPatterns, verifier.BadData, "login page or proxy"},
	{"elasticsearch", "patterns, connection refused", refused{}, esPatterns, verifier.SourceDown, "connection refused"},

	{"files", "patterns of another service", logged{lines: []string{logLine(noon.Add(90*time.Second), "cart", "web1", 200, 1)}}, esPatterns, verifier.NoBaseline, "no data"},
	{"files", "patterns of lines without a time", logged{lines: []string{"not", "a", "log"}}, esPatterns, verifier.BadData, ""},
	{"files", "patterns of no file", nil, esPatterns, verifier.SourceGone, ""},
	{"files", "no file", nil, verifier.Measure{Count: "log.level:ERROR"}, verifier.SourceGone, ""},
}

// faultRules believe in small numbers, and in great ones: whatever a fault is taken for, one of them passes or fails by it.
func faultRules(measure verifier.Measure) []verifier.Rule {
	measure.Source = "source"
	ten, one := 10.0, 1.0
	base := verifier.Rule{
		Where: "rules.yaml:3", Measure: measure, OnFail: verifier.FailRollback, Severity: verifier.SeverityPage, OnNoData: verifier.NoDataInconclusive,
		Watch: 3 * time.Minute, Every: time.Minute, Confidence: 0.99,
	}
	above, below := base, base
	if measure.Patterns != "" {
		none := 0
		base.Name, base.Limit = "no new patterns", &verifier.Limit{New: &none, SeenAtLeast: 1}
		return []verifier.Rule{base}
	}
	above.Name, above.Limit = "not too many", &verifier.Limit{Above: &ten}
	below.Name, below.Limit = "not too few", &verifier.Limit{Below: &one}
	return []verifier.Rule{above, below}
}

// watchFault is one watch of three minutes over a deploy at noon, from its arrival to its end.
func watchFault(t *testing.T, b Backend, list []verifier.Rule) verifier.Verification {
	t.Helper()
	d := verifier.Deploy{
		ID: "d1", Place: verifier.Place{Service: shop.Service, Environment: shop.Environment, Target: shop.Target}, Version: shop.Version, Team: shop.Team,
		Hosts: shop.Hosts, Labels: shop.Labels, Status: verifier.Succeeded, Change: verifier.Release, Kind: verifier.KindRelease, At: noon, RecordedAt: noon,
	}
	world := lifecycle.World{
		Catalogue: &verifier.Catalogue{Environments: []verifier.Environment{{Name: "production", Production: true}}},
		Rules:     func(verifier.Deploy) ([]verifier.Rule, string) { return list, "sha256:faults" }, Unrelated: lifecycle.DefaultUnrelated,
	}
	scene := &verifier.Scene{Place: d.Place, Deploy: d, History: []verifier.Past{{Deploy: d}}}
	if list[0].Measure.Patterns != "" { // new ones are so against a version before
		before := d
		before.ID, before.Version, before.At, before.RecordedAt = "d0", "1.0", noon.Add(-time.Hour), noon.Add(-time.Hour)
		scene.History = append(scene.History, verifier.Past{Deploy: before, State: verifier.Passed})
	}
	if _, err := lifecycle.Replay(t.Context(), world, scene, lifecycle.Backends{"source": b}); err != nil {
		t.Fatal(err)
	}
	v := scene.Watch(d.ID)
	if v == nil || v.Ended == nil {
		t.Fatalf("the watch has no end: %+v", v)
	}
	return *v
}

// TestFaults: no fault of a source passes a deploy, and none fails one. The sentence says what was wrong.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.kind+"/"+f.name, func(t *testing.T) {
			t.Parallel()
			list := faultRules(f.measure)
			v := watchFault(t, faultBackend(t, f.kind, f.serve), list)
			if v.State != verifier.Undecided || len(v.Findings) != len(list) {
				t.Errorf("the watch is %s with %d findings, want inconclusive with %d", v.State, len(v.Findings), len(list))
			}
			for _, got := range v.Findings {
				if got.Outcome != verifier.Inconclusive || got.Reason != f.reason || !strings.Contains(got.Text, f.text) {
					t.Errorf("%s: %s %s: %s\nwant inconclusive %s: ...%s...", got.Rule, got.Outcome, got.Reason, got.Text, f.reason, f.text)
				}
			}
		})
	}
}
