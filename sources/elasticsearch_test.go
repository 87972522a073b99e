package sources

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// esFake is a server that answers searches as it is told. Its mapping is Elastic's common schema.
type esFake struct {
	product bool // says that it is Elasticsearch: OpenSearch does not
	search  http.HandlerFunc
	newest  time.Time // of all documents; zero: there are newer ones than anybody asks for

	mu    sync.Mutex
	calls []esCalled
}

type esCalled struct {
	path, body string
	header     http.Header
}

const esCaps = `{"indices":["logs-1"],"fields":{"@timestamp":{"date":{}},"service.name":{"keyword":{}},"service.environment":{"keyword":{}},"service.version":{"keyword":{}},
	"host.name":{"keyword":{}},"message":{"text":{}},"log.level":{"keyword":{}},"event.duration":{"long":{}}}}`

func (f *esFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if strings.Contains(string(body), "newest_of_all") {
		f.freshness(w)
		return
	}
	f.mu.Lock()
	f.calls = append(f.calls, esCalled{r.URL.String(), string(body), r.Header})
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if f.product {
		w.Header().Set("X-elastic-product", "Elasticsearch")
	}
	if strings.HasSuffix(r.URL.Path, "_field_caps") {
		fmt.Fprint(w, esCaps)
		return
	}
	f.search(w, r)
}

func (f *esFake) freshness(w http.ResponseWriter) {
	newest := f.newest
	if newest.IsZero() {
		newest = time.Now().AddDate(1, 0, 0)
	}
	fmt.Fprintf(w, `{"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{"total":{"value":9,"relation":"eq"}},
		"aggregations":{"newest_of_all":{"value":%d}}}`, newest.UnixMilli())
}

// fakeES is the source in front of the fake.
func fakeES(t *testing.T, f *esFake, c ElasticsearchConfig) *Elasticsearch {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	if c.CloudID == "" {
		c.URL = server.URL
	}
	c.Index = "logs-*"
	rt, err := outbound.New(outbound.Config{MaxBytes: 64 << 10, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewElasticsearch(c, rt)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// esBody is a whole answer for errorsCounted: 3 errors in 20 documents of the first step.
func esBody(change string) string {
	key := midday.Add(time.Millisecond).UnixMilli()
	whole := fmt.Sprintf(`{"took":5,"timed_out":false,"_shards":{"total":4,"successful":4,"skipped":1,"failed":0},"hits":{"total":{"value":20,"relation":"eq"},"hits":[]},
		"aggregations":{"having log.level":{"doc_count":20},"arm":{"doc_count":20,"newest":{"value":%d},"steps":{"buckets":[{"key":%d,"doc_count":20,"of":{"doc_count":3}}]}}}}`,
		midday.Add(9*time.Second).UnixMilli(), key)
	from, to, _ := strings.Cut(change, " => ")
	return strings.Replace(whole, from, to, 1)
}

// TestElasticsearchFaults is what is made of every answer that is not the whole truth: with the header of Elasticsearch, and without.
func TestElasticsearchFaults(t *testing.T) {
	recorded := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata/elasticsearch", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const status = "status "
	unavailable := `{"error":{"root_cause":[{"type":"no_shard_available_action_exception","reason":null}],"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,
		"failed_shards":[{"shard":0,"index":"logs-1","node":null,"reason":{"type":"no_shard_available_action_exception","reason":null}}]},"status":503}`
	for _, c := range []struct {
		name, body string
		code       int
		partial    string
		reason     verifier.Reason
		says       string
		permanent  bool
		after      time.Duration
	}{
		{name: "whole", body: esBody("")},
		{name: "total as a number", body: esBody(`{"value":20,"relation":"eq"} => 20`)},
		{name: "recorded failed shards", body: recorded("search_shards_failures_recorded.json"), partial: "2 of 8 shards failed: illegal_argument_exception The length [1119437]"},
		{name: "failed shards", body: esBody(`"successful":4,"skipped":1,"failed":0 => "successful":3,"skipped":1,"failed":1`), partial: "1 of 4 shards failed"},
		{name: "missing shards", body: esBody(`"successful":4 => "successful":2`), partial: "2 of 4 shards failed"},
		{name: "timed out", body: esBody(`"timed_out":false => "timed_out":true`), partial: "timed_out"},
		{name: "terminated early", body: esBody(`"took":5 => "terminated_early":true`), partial: "terminated_early"},
		{name: "skipped cluster", body: esBody(`"took":5 => "_clusters":{"total":2,"successful":1,"skipped":1}`), partial: "1 skipped"},
		{name: "partial cluster", body: esBody(`"took":5 => "_clusters":{"total":2,"successful":1,"partial":1}`), partial: "1 partial"},
		{name: "lower bound", body: esBody(`"relation":"eq" => "relation":"gte"`), partial: "only a lower bound, 20"},
		{name: "another search's answer", body: recorded("docs_search_response.json"), reason: verifier.BadData, says: "no aggregations"},
		{name: "a count's answer", body: recorded("docs_count_response.json"), reason: verifier.BadData, says: "no hits.total"},
		{name: "an empty object", body: `{}`, reason: verifier.BadData, says: "no _shards; is it Elasticsearch?"},
		{name: "a list", body: `[1]`, reason: verifier.BadData, says: "no JSON"},
		{name: "a step without numbers", body: esBody(`"of":{"doc_count":3} => "x":1`), reason: verifier.BadData, says: "a step of its answer has no numbers"},
		{name: "HTML", body: `<html>Please log in</html>`, reason: verifier.BadData, says: "HTML instead of JSON; is there a login page or proxy before it?"},
		{name: "half a body", body: status + "half", reason: verifier.SourceDown, says: "EOF"},
		{name: "a huge body", body: `{"x":"` + strings.Repeat("x", 100<<10) + `"}`, reason: verifier.BadData, says: "too large"},
		{name: "a bad gateway's page", code: 502, body: `<html>`, reason: verifier.SourceDown, says: "answered 502 Bad Gateway: HTML instead of JSON"},
		{name: "no shard available", code: 503, body: unavailable, reason: verifier.SourceDown, says: "answered 503 Service Unavailable: search_phase_execution_exception: all shards failed: no_shard_available_action_exception"},
		{name: "partial shards failure", code: 503, body: `{"error":{"type":"search_phase_execution_exception","reason":"Partial shards failure","failed_shards":[]},"status":503}`, reason: verifier.PartialData, says: "Partial shards failure"},
		{name: "later", code: 429, body: `{"error":{"type":"es_rejected_execution_exception","reason":"rejected"},"status":429}`, reason: verifier.SourceDown, says: "es_rejected_execution_exception: rejected", after: 7 * time.Second},
		{name: "an error as text", code: 500, body: `{"error":"went wrong","status":500}`, reason: verifier.SourceDown, says: "answered 500 Internal Server Error: went wrong"},
		{name: "no way in", code: 401, body: `{"error":{"type":"security_exception","reason":"unable to authenticate"},"status":401}`, reason: verifier.SourceDown, says: "unable to authenticate"},
		{name: "not allowed", code: 403, body: `{"error":{"type":"security_exception","reason":"is unauthorized"},"status":403}`, reason: verifier.SourceDown, says: "is unauthorized"},
		{name: "no index", code: 404, body: `{"error":{"type":"index_not_found_exception","reason":"no such index [logs]"},"status":404}`, reason: verifier.SourceGone, says: "no such index [logs]"},
		{name: "wrong query", code: 400, body: `{"error":{"type":"parsing_exception","reason":"unknown query"},"status":400}`, reason: verifier.BadData, says: "unknown query", permanent: true},
		{name: "too many buckets", code: 503, body: `{"error":{"type":"too_many_buckets_exception","reason":"Trying to create too many buckets"},"status":503}`, reason: verifier.BadData, says: "too many buckets"},
		{name: "elsewhere", code: 302, body: ``, reason: verifier.BadData, says: "answered 302"},
	} {
		for _, product := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", c.name, product), func(t *testing.T) {
				e := fakeES(t, &esFake{product: product, search: func(w http.ResponseWriter, _ *http.Request) {
					if c.after > 0 {
						w.Header().Set("Retry-After", fmt.Sprint(c.after.Seconds()))
					}
					if c.code > 0 {
						w.WriteHeader(c.code)
					}
					if c.body == status+"half" {
						w.Header().Set("Content-Length", "1000")
						fmt.Fprint(w, `{"took":1,`)
						return
					}
					fmt.Fprint(w, c.body)
				}}, ElasticsearchConfig{})
				a := oneOf(t, e, errorsCounted, ofShop)
				if c.reason == "" {
					if a.Err != nil || !strings.Contains(a.Partial, c.partial) || (a.Partial == "") != (c.partial == "") {
						t.Fatalf("partial %q, %v", a.Partial, a.Err)
					}
					if n, all := total(a); c.name != "recorded failed shards" && (n != 3 || all != 20 || !a.Newest.Equal(midday.Add(9*time.Second))) {
						t.Errorf("%+v", a)
					}
					return
				}
				var failure *verifier.SourceError
				if !errors.As(a.Err, &failure) || len(a.Samples) > 0 {
					t.Fatalf("%v %v", a.Samples, a.Err)
				}
				if failure.Reason != c.reason || failure.Permanent != c.permanent || failure.After != c.after || !strings.Contains(failure.Error(), c.says) {
					t.Errorf("%s permanent %v after %s: %v", failure.Reason, failure.Permanent, failure.After, failure)
				}
			})
		}
	}
}

// TestElasticsearchBundles asks twenty things at once, of which some fail: one call, and each question has its own answer.
func TestElasticsearchBundles(t *testing.T) {
	f := &esFake{search: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"took":1,"responses":[`)
		for i := range perBundle {
			switch i {
			case 0:
			case 1:
				fmt.Fprint(w, `,{"error":{"type":"es_rejected_execution_exception","reason":"rejected"},"status":429}`)
				continue
			case 2:
				fmt.Fprint(w, `,{"error":"broken","status":500}`)
				continue
			default:
				fmt.Fprint(w, ",")
			}
			fmt.Fprint(w, esBody(`"took":5 => "status":200`))
		}
		fmt.Fprint(w, `]}`)
	}}
	e := fakeES(t, f, ElasticsearchConfig{})
	e.bundles.gather = time.Second // it goes when it is full
	var questions []verifier.Question
	for i := range perBundle {
		questions = append(questions, asking(verifier.Measure{Count: fmt.Sprintf("log.level:L%d", i)}, ofShop, midday, midday.Add(time.Minute), 15*time.Second)...)
	}
	failed := map[string]int{}
	for _, a := range e.Ask(t.Context(), questions) {
		if n, _ := total(a); a.Err == nil && n != 3 {
			t.Errorf("%+v", a)
		}
		if a.Err != nil {
			failed[a.Err.Error()[strings.Index(a.Err.Error(), "answered"):]]++
		}
	}
	if len(failed) != 2 || failed["answered 429 Too Many Requests: es_rejected_execution_exception: rejected"] == 0 || failed["answered 500 Internal Server Error: broken"] == 0 {
		t.Errorf("failed: %v", failed)
	}
	if len(f.calls) != 2 || f.calls[1].path != "/_msearch" || f.calls[1].header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(f.calls[1].body, "\n") {
		t.Fatalf("%d calls, the second %+v", len(f.calls), f.calls[len(f.calls)-1])
	}
	lines := strings.Split(strings.TrimSuffix(f.calls[1].body, "\n"), "\n")
	if len(lines) != 2*perBundle || lines[0] != `{"allow_no_indices":true,"allow_partial_search_results":false,"index":["logs-*"]}` || !json.Valid([]byte(lines[1])) {
		t.Errorf("%d lines: %s", len(lines), lines[0])
	}
}

// TestElasticsearchAnswersOfAnotherNumber is an _msearch that has fewer answers than there are searches: none is believed.
func TestElasticsearchAnswersOfAnotherNumber(t *testing.T) {
	t.Parallel()
	e := fakeES(t, &esFake{search: func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"responses":[%s]}`, esBody("")) }}, ElasticsearchConfig{})
	e.bundles.gather = 2 * time.Second
	other := verifier.Measure{Count: "log.level:WARN"}
	for _, a := range e.Ask(t.Context(), append(asking(errorsCounted, ofShop, midday, midday.Add(time.Minute), time.Minute), asking(other, ofShop, midday, midday.Add(time.Minute), time.Minute)...)) {
		if a.Err == nil || !strings.Contains(a.Err.Error(), "it answered 1 of 2 searches") {
			t.Errorf("%+v", a)
		}
	}
}

// TestElasticsearchSearch is what is asked, and how one may look at it.
func TestElasticsearchSearch(t *testing.T) {
	f := &esFake{search: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, esBody("")) }}
	e := fakeES(t, f, ElasticsearchConfig{Kibana: "https://kibana.example.com/s/ops/", DataView: "logs"})
	s := verifier.Subject{Service: `it's "us"`, Environment: "production", Hosts: []string{"h1", "h2"}, Peers: true}
	a := oneOf(t, e, verifier.Measure{Count: `log.level:ERROR AND message:"{{.Service}}"`}, s)
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	if want := `logs-*: log.level:ERROR AND message:"it's \"us\"", of service.name:"it's \"us\"" AND service.environment:"production" AND host.name:* AND NOT (host.name:"h1" OR host.name:"h2")`; a.Query != want {
		t.Errorf("the query is\n%s\nwant\n%s", a.Query, want)
	}
	if want := `https://kibana.example.com/s/ops/app/discover#/?_g=(time:(from:'2026-11-24T12:00:00.000Z',to:'2026-11-24T12:01:00.000Z'))&_a=(index:'logs',query:(language:lucene,query:'service.name:%22it%21%27s%20`; !strings.HasPrefix(a.Link, want) {
		t.Errorf("the link is\n%s\nwant\n%s", a.Link, want)
	}
	call := f.calls[1]
	for _, want := range []string{
		`"track_total_hits":true`, `{"terms":{"service.name":["it's \"us\""]}}`, `{"@timestamp":{"format":"epoch_millis","gt":1795521600000,"lte":1795521660000}}`,
		`"date_histogram":{"field":"@timestamp","fixed_interval":"15000ms","min_doc_count":1,"offset":"+1ms"}`,
		`{"bool":{"filter":{"exists":{"field":"host.name"}},"must_not":{"terms":{"host.name":["h1","h2"]}}}}`, `"default_field":"message"`,
	} {
		if !strings.Contains(call.body, want) {
			t.Errorf("the search has no %s:\n%s", want, call.body)
		}
	}
	for _, want := range []string{"/logs-*/_search?", "track_total_hits=true", "allow_partial_search_results=false"} {
		if !strings.Contains(call.path, want) {
			t.Errorf("%s has no %s", call.path, want)
		}
	}
}

func TestElasticsearchCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]ElasticsearchConfig{
		"":                 {},
		"ApiKey abc==":     {APIKey: "abc=="},
		"ApiKey aWQ6a2V5":  {APIKey: "id:key"},
		"ApiKey hush":      {APIKeyFile: file},
		"Basic YTpi":       {Username: "a", Password: "b"},
		"Basic YTpodXNo":   {Username: "a", PasswordFile: file},
		"Bearer something": {Headers: map[string]outbound.Secret{"Authorization": "Bearer something"}},
	} {
		f := &esFake{search: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, esBody("")) }}
		a := oneOf(t, fakeES(t, f, c), errorsCounted, ofShop)
		if a.Err != nil || len(f.calls) != 2 || f.calls[1].header.Get("Authorization") != want || f.calls[1].header.Get("User-Agent") != "verifier" {
			t.Errorf("%q: %v %+v", want, a.Err, f.calls)
		}
	}
}

// A service that is silent in its last step is silent where others wrote since, and may be late where nobody did: then the answer is
// complete up to the newest document of all.
func TestElasticsearchStuckShipper(t *testing.T) {
	for name, tt := range map[string]struct {
		newest time.Time
		until  time.Time
	}{
		"others write on":               {midday.Add(time.Hour), time.Time{}},
		"nobody wrote since":            {midday.Add(34 * time.Second), midday.Add(30 * time.Second)},
		"nobody wrote for hours before": {midday.Add(-3 * time.Hour), midday},
	} {
		f := &esFake{newest: tt.newest, search: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, esBody("")) }}
		if a := oneOf(t, fakeES(t, f, ElasticsearchConfig{}), errorsCounted, ofShop); a.Err != nil || !a.Until.Equal(tt.until) {
			t.Errorf("%s: complete up to %s, want %s: %v", name, a.Until, tt.until, a.Err)
		}
	}
}

func TestElasticsearchCloudID(t *testing.T) {
	id := "shop:" + base64.StdEncoding.EncodeToString([]byte("eu-central-1.aws.cloud.es.io$abc123$def456"))
	e, err := NewElasticsearch(ElasticsearchConfig{CloudID: id, Index: "logs-*"}, nil)
	if err != nil || e.host != "abc123.eu-central-1.aws.cloud.es.io:443" {
		t.Errorf("%v, %v", e, err)
	}
}

func TestNewElasticsearchRefuses(t *testing.T) {
	empty := ""
	for want, c := range map[string]ElasticsearchConfig{
		"url: is no address":                {Index: "x"},
		"index: is missing":                 {URL: "http://a"},
		`index: "a b" is none`:              {URL: "http://a", Index: "a b"},
		`index: "<logs-{now/d}>" is none`:   {URL: "http://a", Index: "<logs-{now/d}>"},
		`index: "a,,b" is none`:             {URL: "http://a", Index: "a,,b"},
		"cloud_id: and url are both given":  {URL: "http://a", CloudID: "x:eA==", Index: "x"},
		"cloud_id: is none":                 {CloudID: "x:eA==", Index: "x"},
		"api_key: and username":             {URL: "http://a", Index: "x", APIKey: "k", Username: "u", Password: "p"},
		"username: and password belong":     {URL: "http://a", Index: "x", Username: "u"},
		"fields.time: is empty":             {URL: "http://a", Index: "x", Fields: Fields{Time: &empty}},
		"lag: and timeout must not":         {URL: "http://a", Index: "x", Lag: -1},
		"kibana: is no address":             {URL: "http://a", Index: "x", Kibana: "kibana"},
		"secret: is given twice":            {URL: "http://a", Index: "x", APIKey: "k", APIKeyFile: "f"},
		"read secret: open /no/such/secret": {URL: "http://a", Index: "x", Username: "u", PasswordFile: "/no/such/secret"},
		"read ca_file: open /no/such/ca":    {URL: "http://a", Index: "x", CAFile: "/no/such/ca"},
	} {
		if _, err := NewElasticsearch(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestCheckElasticsearch(t *testing.T) {
	p := &verifier.Percentile{Field: "event.duration", P: 95}
	for _, m := range []verifier.Measure{
		errorsCounted, errorRatio,
		{Percentile: p, Where: `url.path:"{{.Labels.shop}}"`},
		{Average: &verifier.Average{Field: "x"}},
		{Query: "log.level:ERROR"},
		{Query: `{"term":{"a":"{{.Service}}"}}`},
		{Query: `{"query":{"match_all":{}}}`},
		{Query: `{"query":{"match_all":{}},"aggs":{"x":{"max":{"field":"q"}}}}`},
		{Count: "{1 TO 5}"},
		{Count: "*", Pick: map[string]string{"service.name": "{{.Service}}"}},
		{Count: "gateway timeout", Source: "logs"},
		{Count: "message:(gateway timeout)"},
	} {
		if _, err := CheckElasticsearch(m); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for want, m := range map[string]verifier.Measure{
		"measure: asks for nothing":                             {},
		"promql: is nothing Elasticsearch can answer":           {PromQL: "up"},
		"nrql: is nothing":                                      {NRQL: "SELECT 1"},
		"command: is nothing":                                   {Command: []string{"x"}},
		"http: is nothing":                                      {HTTP: "/x"},
		"where: narrows percentile and average":                 {Count: "x", Where: "y"},
		"column 3: it ends where":                               {Count: "a:"},
		"column 2: fuzzy terms and boosts are not there":        {Count: "a~2"},
		"log.level:(ERROR FATAL) is one value with a blank":     {Ratio: &verifier.Ratio{Of: "log.level:(ERROR FATAL)", To: "*"}},
		"stands outside a quoted literal":                       {Count: "a:{{.Service}}"},
		"is no JSON":                                            {Query: `{"term": {{.Service}}}`},
		"stands in query_string, where a value could become":    {Query: `{"query_string":{"query":"a:{{.Service}}"}}`},
		"stands in regexp":                                      {Count: `{"regexp":{"a":{"value":"{{.Service}}.*"}}}`},
		"stands in a name":                                      {Query: `{"term":{"{{.Service}}":"a"}}`},
		"write one of .Service":                                 {Query: `{"term":{"a":"{{.Nothing}}"}}`},
		"the source filters by its host field itself":           {Query: `{"term":{"a":"{{.Hosts}}"}}`},
		`holds "size"; write query and aggs alone`:              {Query: `{"query":{"match_all":{}},"size":5}`},
		"has 2 aggs; write one":                                 {Query: `{"aggs":{"a":{"max":{"field":"x"}},"b":{"max":{"field":"y"}}}}`},
		"its aggregation is not one metric":                     {Query: `{"aggs":{"a":{"terms":{"field":"x"},"aggs":{}}}}`},
		"pick.service.name: {{.Nobody}} is unknown":             {Count: "*", Pick: map[string]string{"service.name": "{{.Nobody}}"}},
		"begins like an object of the query DSL and is no JSON": {Query: `{"a":1} x`},
	} {
		if _, err := CheckElasticsearch(m); !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", m, err, want)
		}
	}
}

// TestElasticsearchMixed: documents without hosts are told apart by their version, while old and new run beside each other.
func TestElasticsearchMixed(t *testing.T) {
	none := ""
	f := &esFake{search: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, esBody("")) }}
	e := fakeES(t, f, ElasticsearchConfig{Fields: Fields{Host: &none}})
	s := verifier.Subject{Service: "shop", Version: "1.1", Hosts: []string{"h1"}}
	for _, c := range []struct {
		mixed, peers bool
		want         string
	}{
		{false, false, `logs-*: log.level:ERROR, of service.name:"shop"`},
		{true, false, `logs-*: log.level:ERROR, of service.name:"shop" AND (service.version:"1.1")`},
		{true, true, `logs-*: log.level:ERROR, of service.name:"shop" AND service.version:* AND NOT (service.version:"1.1")`},
	} {
		s.Mixed, s.Peers = c.mixed, c.peers
		if a := oneOf(t, e, errorsCounted, s); a.Err != nil || a.Query != c.want {
			t.Errorf("%+v asks %s (%v), want %s", c, a.Query, a.Err, c.want)
		}
	}
}
