package sources

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
)

// dynamic leaves the mapping to Elasticsearch, which makes texts text, with a keyword beside it.
const dynamic = `{"settings":{"number_of_shards":1,"number_of_replicas":0}}`

func oneOf(t *testing.T, e *Elasticsearch, m verifier.Measure, s verifier.Subject) verifier.Answer {
	t.Helper()
	return e.Ask(t.Context(), asking(m, s, midday, midday.Add(time.Minute), 15*time.Second))[0]
}

func total(a verifier.Answer) (count, exposure float64) {
	for _, s := range a.Samples {
		count, exposure = count+s.Count, exposure+s.Exposure
	}
	return count, exposure
}

// TestRealElasticsearchStuckShipper asks on after the last document: nothing is known of that time until anybody writes again.
func TestRealElasticsearchStuckShipper(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "stuck-1", ecsMapping, traffic()...)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "stuck-*", Lag: time.Nanosecond})
		later := func() verifier.Answer {
			return e.Ask(t.Context(), asking(errorRatio, ofShop, midday.Add(time.Minute), midday.Add(10*time.Minute), 15*time.Second))[0]
		}
		a := later()
		if a.Err != nil || a.Until.IsZero() || a.Until.After(midday.Add(2*time.Minute)) {
			t.Errorf("nobody wrote since: complete up to %s: %v", a.Until, a.Err)
		}
		fill(t, url, "stuck-2", ecsMapping, `{"@timestamp":"`+midday.Add(11*time.Minute).Format(time.RFC3339)+`","service":{"name":"another"}}`)
		if a := later(); a.Err != nil || !a.Until.IsZero() {
			t.Errorf("another wrote since: complete up to %s: %v", a.Until, a.Err)
		}
	})
}

// TestRealElasticsearchMapping asks indices whose service is text, text without a keyword, and text here and keyword there.
func TestRealElasticsearchMapping(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "text-1", dynamic, traffic()...)
		fill(t, url, "mixed-1", dynamic, traffic()...)
		fill(t, url, "mixed-2", ecsMapping, traffic()...)
		fill(t, url, "words-1", `{"mappings":{"properties":{"service":{"properties":{"name":{"type":"text"}}},"http":{"properties":{"response":{"properties":{"status_code":{"type":"keyword"}}}}}}}}`, traffic()...)
		at := func(index string) *Elasticsearch {
			return elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: index})
		}
		onH1 := ofShop
		onH1.Hosts = []string{"h1"}
		for index, times := range map[string]float64{"text-*": 1, "mixed-*": 2} {
			a := oneOf(t, at(index), errorRatio, onH1)
			if bad, all := total(a); a.Err != nil || bad != 12*times || all != 60*times {
				t.Errorf("%s: %g of %g, %v", index, bad, all, a.Err)
			}
			if !strings.Contains(a.Query, "service.name is text: service.name.keyword is asked") || !strings.Contains(a.Query, "host.name is text") {
				t.Errorf("%s does not say what was found out: %s", index, a.Query)
			}
			a = oneOf(t, at(index), errorRatio, verifier.Subject{Service: "shopp", Environment: "production"})
			if want := map[string]string{"text-*": "shop", "mixed-*": ""}[index]; !a.Unseen || a.Nearest != want {
				t.Errorf("%s: nearest is %q (%v), want %q", index, a.Nearest, a.Unseen, want)
			}
		}
		duration := verifier.Measure{Percentile: &verifier.Percentile{Field: "message", P: 95}}
		picked := verifier.Measure{Count: "*", Pick: map[string]string{"service.name": "{{.Service}}"}}
		for _, bad := range []struct {
			index   string
			measure verifier.Measure
			want    string
		}{
			{"words-1", errorsCounted, "in words-1 service.name is text, whose words are searched and not its whole value, and there is no service.name.keyword; map it as keyword"},
			{"text-1", duration, "in text-1 message is text and no number"},
			{"mixed-*", picked, "service.name is text in some indices and not in others"},
			{"words-1", verifier.Measure{Count: "http.response.status_code:>=500", Pick: map[string]string{"host.name": "h1", "x": "{{.Service}}"}}, "http.response.status_code is keyword, which is compared as text"},
			{"text-1", verifier.Measure{Query: `{"aggs":{"x":{"max":{"field":"message"}}}}`}, "illegal_argument_exception"},
			{"text-1", verifier.Measure{Query: `{"no_such_query":{}}`}, "unknown query [no_such_query]"},
			{"text-1", verifier.Measure{Count: "http.response.status_code:many"}, "many"},
			{"no-such", errorsCounted, "no such index [no-such]"},
		} {
			a := oneOf(t, at(bad.index), bad.measure, ofShop)
			var failure *verifier.SourceError
			if !errors.As(a.Err, &failure) || !strings.Contains(failure.Error(), bad.want) || len(a.Samples) > 0 {
				t.Errorf("%s %+v: %v %v, want %q", bad.index, bad.measure, a.Samples, a.Err, bad.want)
				continue
			}
			if want := map[bool]verifier.Reason{true: verifier.SourceGone, false: verifier.BadData}[bad.index == "no-such"]; failure.Reason != want {
				t.Errorf("%s: reason %s, want %s", bad.want, failure.Reason, want)
			}
		}
	})
}

// TestRealElasticsearchEmpty asks where there is nothing: no index, an empty one, one without the service, the environment, the fields.
func TestRealElasticsearchEmpty(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "empty-1", dynamic)
		fill(t, url, "bare-1", dynamic, `{"@timestamp":"2026-11-24T12:00:05Z","msg":"x"}`)
		fill(t, url, "lone-1", ecsMapping, append(traffic(), logLine(midday.Add(-time.Hour), "idle", "h1", 200, 1))...)
		send(t, http.MethodPost, url+"/_aliases", `{"actions":[{"add":{"index":"lone-1","alias":"all-logs"}}]}`)
		for _, c := range []struct {
			index   string
			subject verifier.Subject
			unseen  bool
			nearest string
			missing string
			says    string
		}{
			{"nothing-*", ofShop, true, "", "", "[no index matches nothing-*]"},
			{"empty-*", ofShop, true, "", "@timestamp service.environment service.name", "[empty-* holds no document of the day before 2026-11-24T12:01:00Z]"},
			{"bare-*", ofShop, true, "", "service.environment service.name", ""},
			{"lone-*", verifier.Subject{Service: "Shop", Environment: "production"}, true, "shop", "", ""},
			{"all-logs", verifier.Subject{Service: "crat", Environment: "production"}, true, "cart", "", ""},
			{"lone-*", verifier.Subject{Service: "shop", Environment: "prod"}, true, "shop in production", "", ""},
			{"lone-*", verifier.Subject{Service: "idle", Environment: "production"}, false, "", "", ""},
		} {
			a := oneOf(t, elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: c.index}), errorsCounted, c.subject)
			if a.Err != nil || len(a.Samples) > 0 || a.Partial != "" || a.Unseen != c.unseen || a.Nearest != c.nearest ||
				strings.Join(a.Missing, " ") != c.missing || !strings.Contains(a.Query, c.says) {
				t.Errorf("%s %s: %+v", c.index, c.subject.Service, a)
			}
		}
		a := oneOf(t, elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "all-logs"}), verifier.Measure{Count: "log.levle:ERROR OR tags:x"}, ofShop)
		if n, all := total(a); a.Err != nil || n != 0 || all != 120 || strings.Join(a.Missing, " ") != "log.levle tags" {
			t.Errorf("%+v", a)
		}
	})
}

// TestRealElasticsearchMeasures asks for percentiles, raw queries, and one query of all services.
func TestRealElasticsearchMeasures(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "shop-m", ecsMapping, traffic()...)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "shop-m"})
		// In each of four steps the durations are 30 whole numbers in a row.
		for i, s := range oneOf(t, e, verifier.Measure{Percentile: &verifier.Percentile{Field: "event.duration", P: 95}}, ofShop).Samples {
			if want := float64(30*i) + 0.95*29; math.Abs(s.Value-want) > 1.5 || s.Exposure != 30 {
				t.Errorf("the 95th percentile of step %d is %g of %g, want about %g", i, s.Value, s.Exposure, want)
			}
		}
		values := func(m verifier.Measure, s verifier.Subject) (out []float64) {
			t.Helper()
			a := oneOf(t, e, m, s)
			if a.Err != nil || a.Partial != "" {
				t.Errorf("%+v: %v %s", m, a.Err, a.Partial)
			}
			for _, s := range a.Samples {
				out = append(out, s.Value)
			}
			return out
		}
		byService := map[string]string{"service.name": "{{.Service}}"}
		byArm := map[string]string{"service.name": "{{.Service}}", "host.name": "{{.Hosts}}"}
		onH1 := ofShop
		onH1.Hosts = []string{"h1"}
		peers := onH1
		peers.Peers = true
		cart := verifier.Subject{Service: "cart", Environment: "production"}
		for name, c := range map[string]struct {
			measure verifier.Measure
			subject verifier.Subject
			want    []float64
		}{
			"raw clause":     {verifier.Measure{Query: `{"term":{"log.level":"ERROR"}}`}, ofShop, []float64{3, 3, 3, 3}},
			"raw text":       {verifier.Measure{Query: `log.level:ERROR`}, ofShop, []float64{3, 3, 3, 3}},
			"raw metric":     {verifier.Measure{Query: `{"query":{"match":{"log.level":"ERROR"}},"aggs":{"x":{"max":{"field":"event.duration"}}}}`}, ofShop, []float64{20, 50, 80, 110}},
			"raw hosts":      {verifier.Measure{Query: `{"aggs":{"hosts":{"cardinality":{"field":"host.name"}}}}`}, ofShop, []float64{2, 2, 2, 2}},
			"raw percentile": {verifier.Measure{Query: `{"aggs":{"p":{"percentiles":{"field":"event.duration","percents":[100]}}}}`}, ofShop, []float64{29, 59, 89, 119}},
			"json count":     {verifier.Measure{Count: `{"term":{"host.name":"h1"}}`}, ofShop, []float64{15, 15, 15, 15}},
			"nobody's":       {verifier.Measure{Average: &verifier.Average{Field: "event.duration"}, Where: "log.level:FATAL"}, ofShop, nil},
			"picked":         {verifier.Measure{Count: "log.level:ERROR", Pick: byService}, ofShop, []float64{3, 3, 3, 3}},
			"picked cart":    {verifier.Measure{Count: "log.level:ERROR", Pick: byService}, cart, []float64{1}},
			"picked ratio":   {verifier.Measure{Ratio: errorRatio.Ratio, Pick: byArm}, onH1, []float64{0.2, 0.2, 0.2, 0.2}},
			"picked peers":   {verifier.Measure{Ratio: errorRatio.Ratio, Pick: byArm}, peers, []float64{0, 0, 0, 0}},
			"picked unknown": {verifier.Measure{Count: "*", Pick: byService}, verifier.Subject{Service: "nobody"}, nil},
		} {
			if got := values(c.measure, c.subject); len(got) != len(c.want) || !near(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
		if a := oneOf(t, e, verifier.Measure{Count: "*", Pick: byService}, verifier.Subject{Service: "shup", Environment: "production"}); !a.Unseen || a.Nearest != "shop" {
			t.Errorf("picked and unknown: %+v", a)
		}
		if a := oneOf(t, e, verifier.Measure{Average: &verifier.Average{Field: "event.duration"}, Pick: byArm}, ofShop); a.Err == nil {
			t.Errorf("two hosts' averages were added up: %+v", a.Samples)
		}
	})
}

func near(got, want []float64) bool {
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-9 {
			return false
		}
	}
	return true
}

// TestRealElasticsearchManySteps asks for more steps than one search gives.
func TestRealElasticsearchManySteps(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "many", ecsMapping, traffic()...)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "many"})
		a := e.Ask(t.Context(), asking(verifier.Measure{Count: "*"}, ofShop, midday, midday.Add(time.Minute), 10*time.Millisecond))[0]
		if n, _ := total(a); a.Err != nil || n != 120 || len(a.Samples) != 120 {
			t.Errorf("%g in %d steps, %v", n, len(a.Samples), a.Err)
		}
	})
}
