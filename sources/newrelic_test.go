package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

const (
	nrAverage = "SELECT average(duration) FROM Transaction WHERE appName = '{{.Service}}'"
	nrErrors  = "SELECT count(*) FROM TransactionError WHERE appName = '{{.Service}}' AND error.expected IS false"
)

func TestNewRelicAsksAsTheVendorDoes(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(nrql string) any {
		if strings.Contains(nrql, "average") {
			return rows(bucketRow(1, "average.duration", 0.1), bucketRow(2, "average.duration", nil), bucketRow(3, "average.duration", 0.3))
		}
		if strings.Contains(nrql, "expected") {
			return rows(bucketRow(1, "count", 0), bucketRow(2, "count", 2), bucketRow(3, "count", 0))
		}
		return rows(bucketRow(1, "count", 50), bucketRow(2, "count", 40), bucketRow(3, "count", 0))
	})
	evil := shop
	evil.Service = `o'clock \ shop`
	got := n.Ask(context.Background(), []verifier.Question{
		ask(nrqlOf(nrAverage), evil), ask(verifier.Measure{Count: nrErrors}, evil), ask(nrqlOf(nrAverage), evil),
	})
	average := []verifier.Sample{sampleAt(1, 0.1, 0, 0), sampleAt(3, 0.3, 0, 0)}
	for i, want := range [][]verifier.Sample{average, {sampleAt(1, 0, 0, 50), sampleAt(2, 2, 2, 40)}, average} {
		if got[i].Err != nil {
			t.Fatal(got[i].Err)
		}
		if diff := cmp.Diff(want, got[i].Samples); diff != "" {
			t.Errorf("answer %d: (-want +got)\n%s", i, diff)
		}
	}
	if f.documents != 1 {
		t.Errorf("%d documents were sent; want all in one", f.documents)
	}
	end := stretchOf(noon, noon.Add(3*time.Minute))
	want := []string{
		`SELECT average(duration) FROM Transaction WHERE appName = 'o\'clock \\ shop'` + end,
		`SELECT count(*) FROM Transaction, TransactionError WHERE appName = 'o\'clock \\ shop'` + end,
		`SELECT count(*) FROM TransactionError WHERE appName = 'o\'clock \\ shop' AND error.expected IS false` + end,
	}
	slices.Sort(f.queries)
	if diff := cmp.Diff(want, f.queries); diff != "" {
		t.Errorf("queries: (-want +got)\n%s", diff)
	}
	if !strings.HasPrefix(got[0].Link, "https://one.newrelic.com/launcher/data-exploration.query-builder?pane=") {
		t.Errorf("link %s", got[0].Link)
	}
	if want := noon.Add(2 * time.Minute); !got[1].Newest.Equal(want) {
		t.Errorf("newest %v, want %v", got[1].Newest, want)
	}
}

func TestNewRelicReadsRows(t *testing.T) {
	percentile := "SELECT percentile(duration, 95) FROM Transaction WHERE appName = '{{.Service}}'"
	byApp := "SELECT average(duration) FROM Transaction FACET appName"
	pick := map[string]string{"appName": "{{.Service}}"}
	one := []verifier.Sample{sampleAt(1, 0.2, 0, 0)}
	for _, tt := range []struct {
		name    string
		measure verifier.Measure
		said    any
		want    []verifier.Sample
		problem string
		partial string
	}{
		{"percentile", nrqlOf(percentile), rows(bucketRow(1, "percentile.duration", map[string]any{"95": 0.2})), one, "", ""},
		{"percentile under an alias", nrqlOf(percentile), rows(bucketRow(1, "p95", map[string]any{"95": 0.2})), one, "", ""},
		{"percentile of nothing", nrqlOf(percentile), rows(bucketRow(1, "percentile.duration", map[string]any{"95": nil}), bucketRow(2, "percentile.duration", nil), bucketRow(3, "percentile.duration", map[string]any{})), nil, "", ""},
		{"a missing value", nrqlOf(percentile), rows(bucketRow(1)), nil, "", ""},
		{"no rows", nrqlOf(percentile), rows(), nil, "", ""},
		{"null instead of rows", nrqlOf(percentile), map[string]any{"results": nil}, nil, "", ""},
		{"an alias", nrqlOf(nrAverage), rows(bucketRow(1, "x", 0.2)), one, "", ""},
		{"a number as text", nrqlOf(nrAverage), rows(bucketRow(1, "x", "0.2")), one, "", ""},
		{"NaN as text", nrqlOf(nrAverage), rows(bucketRow(1, "x", "NaN")), nil, "", ""},
		{"apdex", nrqlOf(nrAverage), rows(bucketRow(1, "apdex.duration", map[string]any{"score": 0.2, "s": 1, "t": 2, "f": 3, "count": 6})), one, "", ""},
		{"text", nrqlOf(nrAverage), rows(bucketRow(1, "x", "web1")), nil, `the text "web1" as x where a number is needed`, ""},
		{"a list", nrqlOf(nrAverage), rows(bucketRow(1, "x", []any{1})), nil, "where a number is needed", ""},
		{"two values", nrqlOf(nrAverage), rows(bucketRow(1, "x", 1, "y", 2)), nil, "several values (x, y) where one is needed; SELECT one", ""},
		{"two percentiles", nrqlOf(percentile), rows(bucketRow(1, "p", map[string]any{"50": 1, "95": 2})), nil, "several values of p (50, 95)", ""},
		{"two rows of one bucket", nrqlOf(nrAverage), rows(bucketRow(1, "x", 1), bucketRow(1, "x", 2)), nil, "several rows at 2026-11-24T12:01:00Z", ""},
		{"other buckets", nrqlOf(nrAverage), rows(map[string]any{"beginTimeSeconds": noon.Unix(), "endTimeSeconds": noon.Unix() + 300, "x": 1}), nil, "buckets of 5m0s", ""},
		{"rows without times", nrqlOf(nrAverage), rows(map[string]any{"x": 1}), nil, "rows without beginTimeSeconds and endTimeSeconds", ""},
		{"outside of the question", nrqlOf(nrAverage), rows(bucketRow(0, "x", 1), bucketRow(9, "x", 1)), nil, "", ""},
		{"messages", nrqlOf(nrAverage), map[string]any{"results": []any{bucketRow(1, "x", 0.2)}, "metadata": map[string]any{"messages": []string{"hello", "too many events"}}}, one, "", "too many events"},
		{"harmless messages", nrqlOf(nrAverage), map[string]any{"results": []any{bucketRow(1, "x", 0.2)}, "metadata": map[string]any{"messages": []string{"We tried to transform your Metric query into a query that is compatible with the previous Infrastructure metric format"}}}, one, "", ""},
		{"facets by name", verifier.Measure{NRQL: byApp, Pick: pick}, facetRows([]string{"appName"}, nil, bucketRow(1, "appName", "check.out", "x", 0.2), bucketRow(1, "appName", "cart", "x", 9)), one, "", ""},
		{"facets as facet", verifier.Measure{NRQL: byApp, Pick: pick}, facetRows([]string{"appName"}, nil, bucketRow(1, "facet", "check.out", "x", 0.2), bucketRow(1, "facet", "cart", "x", 9)), one, "", ""},
		{"facets as a list", verifier.Measure{NRQL: byApp, Pick: pick}, facetRows([]string{"host", "appName"}, nil, bucketRow(1, "facet", []any{"web1", "check.out"}, "x", 0.2)), one, "", ""},
		{"other facets", verifier.Measure{NRQL: byApp, Pick: map[string]string{"app": "x"}}, facetRows([]string{"appName"}, nil, bucketRow(1, "appName", "cart", "x", 9)), nil, "the rows have no app to pick by; they have appName", ""},
		{"cut off", verifier.Measure{NRQL: byApp, Pick: pick}, facetRows([]string{"appName"}, []any{bucketRow(1, "count", 0), bucketRow(2, "count", 3)}, bucketRow(1, "appName", "cart", "x", 9)), nil, "", "what is picked is not among them"},
		{"nothing cut off", verifier.Measure{NRQL: byApp, Pick: pick}, facetRows([]string{"appName"}, map[string]any{"count": 0}, bucketRow(1, "appName", "cart", "x", 9)), nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, n := newFakeNerdGraph(t, func(string) any { return tt.said })
			got := n.Ask(context.Background(), []verifier.Question{ask(tt.measure, shop)})[0]
			if diff := cmp.Diff(tt.want, got.Samples); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !strings.Contains(got.Partial, tt.partial) || (got.Partial == "") != (tt.partial == "") {
				t.Errorf("partial %q, want %q", got.Partial, tt.partial)
			}
			checkTrouble(t, got.Err, tt.problem, verifier.BadData)
		})
	}
}

func checkTrouble(t *testing.T, err error, problem string, reason verifier.Reason) {
	t.Helper()
	if problem == "" && err == nil {
		return
	}
	var failure *verifier.SourceError
	if !errors.As(err, &failure) || failure.Reason != reason || !strings.Contains(err.Error(), problem) || problem == "" {
		t.Errorf("err %v (%+v), want %s: %q", err, failure, reason, problem)
	}
}

// A count of nothing is 0 in NRQL, whether all is well or nobody is there. Only the service's other events tell.
func TestNewRelicZeroIsNoDataWithoutTheService(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(nrql string) any {
		if strings.Contains(nrql, "uniques(appName, 1000)") {
			return rows(map[string]any{"names": []string{"cart", "Check-Out", "payments"}})
		}
		return rows(bucketRow(1, "count", 0), bucketRow(2, "count", 0), bucketRow(3, "count", 0))
	})
	for _, m := range []verifier.Measure{{Count: nrErrors}, nrqlOf("SELECT percentage(count(*), WHERE error IS true) FROM Transaction WHERE appName = '{{.Service}}'")} {
		got := n.Ask(context.Background(), []verifier.Question{ask(m, shop)})[0]
		if len(got.Samples) != 0 || !got.Unseen || got.Nearest != "Check-Out" || got.Err != nil {
			t.Errorf("got %+v; want no sample, unseen, and Check-Out as the nearest", got)
		}
	}
	if last := f.queries[len(f.queries)-1]; !strings.HasPrefix(last, "SELECT uniques(appName, 1000) AS names FROM Transaction\nSINCE ") {
		t.Errorf("asked for names by %q", last)
	}
}

func TestNewRelicCountsByFacet(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(nrql string) any {
		if strings.Contains(nrql, "error") {
			return facetRows([]string{"appName"}, nil, bucketRow(2, "appName", "check.out", "count", 3), bucketRow(1, "appName", "cart", "count", 7))
		}
		return facetRows([]string{"appName"}, nil, bucketRow(1, "appName", "check.out", "count", 10), bucketRow(2, "appName", "check.out", "count", 12))
	})
	pick := map[string]string{"appName": "{{.Service}}"}
	of := "SELECT count(*) FROM Transaction WHERE error IS true FACET appName"
	want := []verifier.Sample{sampleAt(1, 0, 0, 10), sampleAt(2, 3, 3, 12)}
	got := n.Ask(context.Background(), []verifier.Question{ask(verifier.Measure{Count: of, Pick: pick}, shop)})[0]
	if diff := cmp.Diff(want, got.Samples); diff != "" || got.Err != nil {
		t.Errorf("%v (-want +got)\n%s", got.Err, diff)
	}
	if !strings.Contains(f.queries[0], "FACET appName\nLIMIT MAX\nSINCE ") {
		t.Errorf("asked %q; want all rows", f.queries[0])
	}
	want[1].Value = 0.25
	got = n.Ask(context.Background(), []verifier.Question{ask(verifier.Measure{Ratio: &verifier.Ratio{Of: of, To: "SELECT count(*) FROM Transaction FACET appName"}, Pick: pick}, shop)})[0]
	if diff := cmp.Diff(want, got.Samples); diff != "" || got.Err != nil {
		t.Errorf("%v (-want +got)\n%s", got.Err, diff)
	}
}

func TestNewRelicPeers(t *testing.T) {
	text := "SELECT average(duration) FROM Transaction WHERE appName = '{{.Service}}' AND host {{.HostOp}} ({{.Hosts}})"
	f, n := newFakeNerdGraph(t, func(string) any { return rows() })
	peers := shop
	peers.Peers = true
	if !n.HasPeers(nrqlOf(text)) || n.HasPeers(nrqlOf(nrAverage)) {
		t.Error("peers exist where the text names the hosts, and only there")
	}
	n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(text), peers)})
	if want := "host NOT IN ('web1', 'web.2')"; !strings.Contains(f.queries[0], want) {
		t.Errorf("asked %q, want %s in it", f.queries[0], want)
	}
	got := n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(nrAverage), peers)})[0]
	checkTrouble(t, got.Err, "cannot tell changed hosts from others", verifier.BadData)
}

func TestNewRelicFollowsAsyncQueries(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(nrql string) any { return pendingResult("query-1") })
	got := n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(nrAverage), shop)})[0]
	if diff := cmp.Diff([]verifier.Sample{sampleAt(1, 0.2, 0, 0)}, got.Samples); diff != "" || got.Err != nil {
		t.Errorf("%v (-want +got)\n%s", got.Err, diff)
	}
	if f.asked["query-1"] != 3 {
		t.Errorf("asked about it %d times, want 3", f.asked["query-1"])
	}
	f.say = func(string) any { return pendingResult("never") }
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	later := ask(nrqlOf(nrAverage), shop)
	later.To = later.To.Add(time.Minute)
	got = n.Ask(ctx, []verifier.Question{later})[0]
	checkTrouble(t, got.Err, "ask 127.0.0.1", verifier.SourceDown)
}

func TestNewRelicErrorsAreNoAnswers(t *testing.T) {
	body := func(status int, text string, headers ...string) func(http.ResponseWriter, string, []string) bool {
		return func(w http.ResponseWriter, _ string, _ []string) bool {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
			return true
		}
	}
	for _, tt := range []struct {
		name      string
		whole     func(http.ResponseWriter, string, []string) bool
		reason    verifier.Reason
		permanent bool
		after     time.Duration
		problem   string
	}{
		{"timeout", body(200, recorded(t, "error_timeout.json")), verifier.SourceDown, false, 0, "some error (TIMEOUT)"},
		{"too many", body(200, recorded(t, "error_too_many_requests.json")), verifier.SourceDown, false, nrLeaveAlone, "TOO_MANY_REQUESTS"},
		{"internal", body(200, recorded(t, "error_internal_server_error.json")), verifier.SourceDown, false, 0, "INTERNAL_SERVER_ERROR"},
		{"server error", body(200, `{"errors":[{"message":"x","extensions":{"errorClass":"SERVER_ERROR"}}],"data":{"actor":{"account":{"nrql":null}}}}`), verifier.SourceDown, false, 0, "SERVER_ERROR"},
		{"syntax", body(200, `{"errors":[{"message":"NRQL Syntax Error: Error at line 1 position 8, unexpected 'FORM'","extensions":{"errorClass":"INVALID_INPUT"}}]}`), verifier.BadData, true, 0, "NRQL Syntax Error: Error at line 1 position 8, unexpected 'FORM'"},
		{"bad key", body(200, `{"errors":[{"message":"Invalid credentials","extensions":{"error_code":"BAD_API_KEY"}}]}`), verifier.SourceDown, false, 0, "BAD_API_KEY"},
		{"bad key, outside", body(401, `{"error_code":"BAD_API_KEY"}`), verifier.SourceDown, false, 0, "answered 401"},
		{"unknown class", body(200, `{"errors":[{"message":"odd"}]}`), verifier.BadData, false, 0, "odd"},
		{"error beside data", body(200, `{"errors":[{"message":"odd","path":["actor","account","nrql"]}],"data":{"actor":{"account":{"nrql":{"results":[]}}}}}`), verifier.BadData, false, 0, "odd"},
		{"data alone, and null", body(200, `{"data":null}`), verifier.BadData, false, 0, "neither data nor errors"},
		{"no account", body(200, `{"data":{"actor":{"account":null}}}`), verifier.BadData, false, 0, "gives no result"},
		{"a list", body(200, `{"data":[1]}`), verifier.BadData, false, 0, "no data that can be read"},
		{"429", body(429, "slow down", "Retry-After", "7"), verifier.SourceDown, false, 7 * time.Second, "answered 429"},
		{"429 without Retry-After", body(429, "slow down"), verifier.SourceDown, false, 0, "answered 429"},
		{"502", body(502, "<html>bad gateway"), verifier.SourceDown, false, 0, "answered 502"},
		{"login page", body(200, "<html>log in", "Content-Type", "text/html"), verifier.BadData, false, 0, "HTML instead of JSON"},
		{"half a body", body(200, `{"data":{"actor":`), verifier.BadData, false, 0, "answered no JSON"},
		{"cut off", body(200, `{"data`, "Content-Length", "1000"), verifier.SourceDown, false, 0, "unexpected EOF"},
		{"no query id", body(200, `{"data":{"actor":{"account":{"nrql":{"queryProgress":{"completed":false}}}}}}`), verifier.BadData, false, 0, "not under which id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, n := newFakeNerdGraph(t, func(string) any { return rows() })
			f.whole = tt.whole
			got := n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(nrAverage), shop)})[0]
			checkTrouble(t, got.Err, tt.problem, tt.reason)
			var failure *verifier.SourceError
			if !errors.As(got.Err, &failure) || failure.Permanent != tt.permanent || failure.After != tt.after || got.Samples != nil {
				t.Errorf("got %+v, samples %v; want permanent %t, after %v", failure, got.Samples, tt.permanent, tt.after)
			}
			if strings.Contains(got.Err.Error(), "NRAK") {
				t.Errorf("the key is in %v", got.Err)
			}
		})
	}
}

// One wrong query must not blind the rules that are asked in the same document.
func TestNewRelicOneBadQueryFailsAlone(t *testing.T) {
	good, bad := ask(nrqlOf(nrAverage), shop), ask(nrqlOf("SELECT average(duration) FROM Oops"), shop)
	said := func(nrql string) any {
		if strings.Contains(nrql, "Oops") {
			return nrError("INVALID_INPUT", "NRQL Syntax Error: no such thing")
		}
		return rows(bucketRow(1, "x", 0.2))
	}
	check := func(t *testing.T, n *NewRelic) {
		got := n.Ask(context.Background(), []verifier.Question{good, bad})
		if got[0].Err != nil || len(got[0].Samples) != 1 {
			t.Errorf("the good query: %+v", got[0])
		}
		checkTrouble(t, got[1].Err, "NRQL Syntax Error", verifier.BadData)
	}
	t.Run("named by its path", func(t *testing.T) {
		f, n := newFakeNerdGraph(t, said)
		check(t, n)
		if f.documents != 1 {
			t.Errorf("%d documents", f.documents)
		}
	})
	t.Run("not named", func(t *testing.T) {
		f, n := newFakeNerdGraph(t, said)
		f.whole = func(w http.ResponseWriter, _ string, nrql []string) bool {
			if strings.Contains(fmt.Sprint(nrql), "Oops") {
				io.WriteString(w, `{"errors":[{"message":"NRQL Syntax Error: no such thing"}]}`)
				return true
			}
			return false
		}
		check(t, n)
		if f.documents != 3 {
			t.Errorf("%d documents; want one for both, and one for each", f.documents)
		}
	})
}

// The vendor's recorded bodies are read: totals as null, object and array, with and without facets.
func TestNewRelicRecordedBodies(t *testing.T) {
	pick := map[string]string{"appName": "App1"}
	for _, tt := range []struct {
		file    string
		measure verifier.Measure
		from    int64
		step    time.Duration
		want    float64
		problem string
	}{
		{"nrql_count_null_totals.json", nrqlOf(nrAverage), 1709442593, 3600 * time.Second, 1542, ""},
		{"nrql_facet_single_totals.json", verifier.Measure{NRQL: nrAverage + " FACET appName", Pick: pick}, 1709442593, 3600 * time.Second, 1000, ""},
		{"nrql_facet_timeseries_array_totals.json", verifier.Measure{NRQL: nrAverage + " FACET appName", Pick: pick}, 1748910826, 3600 * time.Second, 100, ""},
		{"nrql_facet_timeseries_array_totals.json", verifier.Measure{NRQL: nrAverage + " FACET appName", Pick: pick}, 1748910826, 60 * time.Second, 0, "buckets of 1h0m0s that end at 2025-06-03T01:33:46Z, where steps of 1m0s"},
		{"nrdb_query_metric.json", nrqlOf(nrAverage), 1709442593, 3600 * time.Second, 0, "several values"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f, n := newFakeNerdGraph(t, func(string) any { return nil })
			f.whole = func(w http.ResponseWriter, _ string, _ []string) bool {
				io.WriteString(w, recorded(t, tt.file))
				return true
			}
			from := time.Unix(tt.from, 0)
			got := n.Ask(context.Background(), []verifier.Question{{Measure: tt.measure, Subject: shop, From: from, To: from.Add(tt.step), Step: tt.step}})[0]
			checkTrouble(t, got.Err, tt.problem, verifier.BadData)
			if tt.problem == "" && (len(got.Samples) != 1 || got.Samples[0].Value != tt.want) {
				t.Errorf("got %+v, want %g", got.Samples, tt.want)
			}
		})
	}
}

func TestNewRelicLongStretches(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(string) any { return rows() })
	q := ask(nrqlOf(nrAverage), shop)
	q.To = q.From.Add(400 * time.Minute)
	if got := n.Ask(context.Background(), []verifier.Question{q})[0]; got.Err != nil {
		t.Fatal(got.Err)
	}
	slices.Sort(f.queries)
	middle := noon.Add(nrBuckets * time.Minute)
	for i, end := range []string{stretchOf(noon, middle), stretchOf(middle, q.To)} {
		if len(f.queries) != 2 || !strings.HasSuffix(f.queries[i], end) {
			t.Errorf("asked %q; want two stretches of 366 buckets at most", f.queries)
		}
	}
	q.Step = 200 * time.Millisecond
	got := n.Ask(context.Background(), []verifier.Question{q})[0]
	checkTrouble(t, got.Err, "write every: in whole seconds", verifier.BadData)
}

func TestNewRelicBudgetCountsQueries(t *testing.T) {
	if got, want := nrBudget(BudgetConfig{}), (BudgetConfig{PerSecond: 50, AtOnce: 25}); got != want {
		t.Errorf("default budget %+v, want New Relic's own limits %+v", got, want)
	}
	f, n := newFakeNerdGraphWith(t, NewRelicConfig{Budget: BudgetConfig{PerSecond: 2}}, func(string) any { return rows() })
	var questions []verifier.Question
	for i := range 5 {
		questions = append(questions, ask(nrqlOf(fmt.Sprintf("SELECT average(x%d) FROM Transaction", i)), shop))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	for _, a := range n.Ask(ctx, questions) {
		checkTrouble(t, a.Err, "ask 127.0.0.1", verifier.SourceDown)
	}
	if f.documents != 0 {
		t.Errorf("%d documents were sent; five queries are more than the budget of half a second", f.documents)
	}
}

func TestNewRelicManyAsOne(t *testing.T) {
	f, n := newFakeNerdGraph(t, func(string) any { return rows(bucketRow(1, "x", 1)) })
	done := make(chan verifier.Answer)
	for range 20 {
		go func() { done <- n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(nrAverage), shop)})[0] }()
	}
	for range 20 {
		if a := <-done; a.Err != nil || len(a.Samples) != 1 {
			t.Errorf("%+v", a)
		}
	}
	if f.documents != 1 || len(f.queries) != 1 {
		t.Errorf("%d documents, %d queries; want one for all", f.documents, len(f.queries))
	}
}

func TestCheckNewRelic(t *testing.T) {
	pick := map[string]string{"appName": "{{.Service}}"}
	for _, tt := range []struct {
		measure verifier.Measure
		problem string
	}{
		{nrqlOf(nrAverage), ""},
		{nrqlOf("FROM Transaction SELECT average(duration) WHERE name = 'since until timeseries'"), ""},
		{nrqlOf("SELECT average(duration) FROM Transaction -- SINCE 1 day ago"), ""},
		{nrqlOf("SELECT percentage(count(*), WHERE error IS true) FROM Transaction WHERE `since` = 1"), ""},
		{verifier.Measure{NRQL: "SELECT average(duration) FROM Transaction FACET appName", Pick: pick}, ""},
		{verifier.Measure{Count: nrErrors}, ""},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: nrErrors, To: nrErrors}}, ""},
		{nrqlOf("SELECT average(duration) FROM Transaction SINCE 1 hour ago"), "nrql: query: has SINCE; take it out: SINCE, UNTIL and TIMESERIES are written by verifier"},
		{nrqlOf("SELECT average(duration) FROM Transaction until now"), "has UNTIL"},
		{nrqlOf("SELECT average(duration) FROM Transaction TIMESERIES"), "has TIMESERIES"},
		{nrqlOf("SELECT average(duration) FROM Transaction COMPARE  WITH 1 week ago"), "has COMPARE WITH"},
		{nrqlOf("SELECT sum(x) FROM (SELECT count(*) AS x FROM Transaction TIMESERIES 1 minute)"), "has TIMESERIES"},
		{nrqlOf("SELECT average(duration) FROM Transaction WHERE appName = {{.Service}}"), "outside a quoted literal"},
		{nrqlOf(`SELECT average(duration) FROM Transaction WHERE appName = "{{.Service}}"`), "use single quotes"},
		{nrqlOf("SELECT average(duration) FROM Transaction WHERE a = 'x"), "literal without its closing '"},
		{nrqlOf("SELECT average(duration FROM Transaction"), "( that is not closed"},
		{nrqlOf("SELECT average(duration)) FROM Transaction"), "closes nothing"},
		{nrqlOf("SELECT average(duration) FROM Transaction /* x"), "comment without"},
		{nrqlOf("SELECT average(duration) FROM Transaction; SELECT 1 FROM X"), "semicolon"},
		{nrqlOf("SHOW EVENT TYPES"), "write SELECT ... FROM ..."},
		{nrqlOf("SELECT average(duration) FROM Transaction FACET appName"), "write pick: {appName: '{{.Service}}'}"},
		{verifier.Measure{NRQL: nrAverage, Pick: pick}, "pick: needs FACET in the NRQL; write FACET appName"},
		{verifier.Measure{Count: nrAverage}, "count: query: counts nothing"},
		{verifier.Measure{Ratio: &verifier.Ratio{Of: nrErrors, To: "SELECT 1"}}, "ratio.to: query: is no query"},
		{verifier.Measure{PromQL: "up"}, "promql: is nothing New Relic can answer; write nrql"},
		{verifier.Measure{Percentile: &verifier.Percentile{Field: "duration", P: 95}}, "percentile: is nothing New Relic can answer; write nrql: "},
		{verifier.Measure{}, "asks for nothing"},
	} {
		window, err := CheckNewRelic(tt.measure)
		switch {
		case window != 0 || (err == nil) != (tt.problem == ""):
			t.Errorf("%+v: %v, %v; want %q", tt.measure, window, err, tt.problem)
		case err != nil && !strings.Contains(err.Error(), tt.problem):
			t.Errorf("%+v: %v; want %q", tt.measure, err, tt.problem)
		}
	}
}

func TestNewRelicConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("NRAK-FILE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		config  NewRelicConfig
		url     string
		problem string
	}{
		{NewRelicConfig{AccountID: 1, APIKeyFile: file}, "https://api.newrelic.com/graphql", ""},
		{NewRelicConfig{AccountID: 1, APIKeyFile: file, Region: "EU"}, "https://api.eu.newrelic.com/graphql", ""},
		{NewRelicConfig{AccountID: 1, APIKeyFile: file, Region: "mars"}, "", `region: "mars" is none; write us or eu`},
		{NewRelicConfig{APIKeyFile: file}, "", "account_id: is missing"},
		{NewRelicConfig{AccountID: 1}, "", "api_key: is missing; write api_key_file"},
		{NewRelicConfig{AccountID: 1, APIKey: "x", APIKeyFile: file}, "", "api_key: secret: is given twice"},
		{NewRelicConfig{AccountID: 1, APIKeyFile: file, URL: "ftp://x"}, "", "url: is no address"},
		{NewRelicConfig{AccountID: 1, APIKeyFile: file, Lag: -1}, "", "lag: and timeouts must not be negative"},
	} {
		n, err := NewNewRelic(tt.config, http.DefaultTransport)
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%+v: %v, want %q", tt.config, err, tt.problem)
		}
		if err == nil && (n.url != tt.url || n.key != "NRAK-FILE" || n.Lag() != time.Minute) {
			t.Errorf("%+v: %s, %v", tt.config, n.url, n.Lag())
		}
	}
}

func TestNewRelicGone(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	n, err := NewNewRelic(NewRelicConfig{AccountID: 1, APIKey: "x", URL: s.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := n.Ask(context.Background(), []verifier.Question{ask(nrqlOf(nrAverage), shop)})[0]
	checkTrouble(t, got.Err, "refused", verifier.SourceDown)
}

func TestNewRelicPresence(t *testing.T) {
	for text, want := range map[string]string{
		nrErrors: "SELECT count(*) FROM Transaction, TransactionError WHERE appName = '{{.Service}}'",
		"SELECT count(*) FROM Log WHERE level = 'ERROR' AND `service.name` = 'shop' AND message NOT LIKE '%and%'": "SELECT count(*) FROM Log WHERE `service.name` = 'shop'",
		"FROM Transaction SELECT count(*) WHERE (error IS true AND x = 1) and appName='a' LIMIT 5":                "SELECT count(*) FROM Transaction WHERE appName='a'",
		"SELECT count(*) FROM PageView": "SELECT count(*) FROM PageView",
		"SELECT count(*) FROM Transaction WHERE error IS true OR host {{.HostOp}} ({{.Hosts}})":                                                 "SELECT count(*) FROM Transaction WHERE error IS true OR host {{.HostOp}} ({{.Hosts}})",
		"SELECT count(*) FROM Transaction WHERE error IS true FACET appName, host":                                                              "SELECT count(*) FROM Transaction FACET appName, host",
		"SELECT filter(count(*), WHERE error IS true) FROM Transaction WHERE host {{.HostOp}} ({{.Hosts}}) -- AND appName = 'x'\n AND a = 'b''": "",
	} {
		q, err := readNRQL(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s is read", text)
			}
			continue
		}
		if err != nil || q.presence() != want {
			t.Errorf("%s: %v\n got %s\nwant %s", text, err, q.presence(), want)
		}
	}
}

// FuzzNewRelic reads any query and any answer: nothing panics, and what is no number is no sample.
func FuzzNewRelic(f *testing.F) {
	for _, name := range []string{"nrql_facet_timeseries_array_totals.json", "nrdb_query_metric.json"} {
		b, err := os.ReadFile(filepath.Join("testdata/newrelic", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(nrErrors, string(b))
	}
	f.Add(`SELECT x(') FROM é /* {{.Hosts}} */ WHERE 'a\'' AND {{`, `{"results":[{"beginTimeSeconds":1,"endTimeSeconds":2,"x":{"95":null}}],"otherResult":[[1]]}`)
	n, err := NewNewRelic(NewRelicConfig{AccountID: 1, APIKey: "x"}, http.DefaultTransport)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		_, _ = CheckNewRelic(verifier.Measure{Count: text})
		if q, err := readNRQL(text); err == nil && (len(q.bare) != len(text) || len(q.outer) != len(text)) {
			t.Fatalf("%q is masked as %q and %q", text, q.bare, q.outer)
		}
		var r nrqlResult
		if json.Unmarshal([]byte(body), &r) != nil {
			return
		}
		q := ask(verifier.Measure{Count: "x", Pick: map[string]string{"appName": "App1"}}, shop)
		q.Step, q.From, q.To = time.Second, time.Unix(0, 0), time.Unix(10, 0)
		into := map[time.Time]float64{}
		_, _ = collectRows(into, r, q, n)
		for at, v := range into {
			if math.IsNaN(v) || at.After(q.To) {
				t.Fatalf("%v at %v", v, at)
			}
		}
	})
}
