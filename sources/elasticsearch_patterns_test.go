package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"verifier"
	"verifier/testdata/elasticsearch"
)

var errorPatterns = verifier.Measure{Source: "logs", Patterns: "log.level:ERROR"}

// told is a line of the shop that says something.
func told(at time.Time, level, message string) string {
	return strings.NewReplacer(`"INFO"`, `"`+level+`"`, "request done", message).Replace(logLine(at, "shop", "h1", 200, 1))
}

// troubles is a minute of messages: of one millisecond each seven, some of them long.
func troubles() []string {
	var out []string
	for i := range 210 {
		at := midday.Add(time.Duration(i/7+1) * 2 * time.Second)
		message := fmt.Sprintf("no rate for customer%d@example.com", i)
		switch i % 3 {
		case 1:
			message = fmt.Sprintf("order %d declined by 10.0.0.%d", i, i)
		case 2:
			message = "took too long " + strings.Repeat("x", 300)
		}
		out = append(out, told(at, "ERROR", message), told(at, "INFO", "fine"))
	}
	return append(out, strings.Replace(told(midday.Add(time.Second), "ERROR", "of others"), `"shop"`, `"cart"`, 1))
}

// TestRealElasticsearchPatternsAsFiles groups the same messages from files and from indices, by pages that end within a millisecond.
func TestRealElasticsearchPatternsAsFiles(t *testing.T) {
	t.Parallel()
	documents := troubles()
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "shop.log"), documents...)
	onH2 := ofShop
	onH2.Hosts = []string{"h2"}
	peers := onH2
	peers.Peers = true
	var questions []verifier.Question
	for _, s := range []verifier.Subject{ofShop, onH2, peers, {Service: "shup", Environment: "production"}} {
		questions = append(questions, asking(errorPatterns, s, midday, midday.Add(time.Minute), 15*time.Second)...)
	}
	want := filesIn(t, folder).Ask(t.Context(), questions)
	unordered := cmp.Options{ // within a millisecond
		cmpopts.IgnoreFields(verifier.Pattern{}, "Sample"),
		cmpopts.SortSlices(func(a, b verifier.Pattern) bool { return a.Template < b.Template }),
	}
	onBoth(t, func(t *testing.T, url string) {
		fill(t, url, "pat-1", ecsMapping, documents[:211]...)
		fill(t, url, "pat-2", strings.Replace(ecsMapping, `"@timestamp":{"type":"date"}`, `"@timestamp":{"type":"date_nanos"}`, 1), documents[211:]...)
		fill(t, url, "pat-3", dynamic)
		e := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "pat-*"})
		for i, got := range e.Ask(t.Context(), questions) {
			if diff := cmp.Diff(want[i].Samples, got.Samples, unordered); diff != "" || got.Err != nil || got.Partial+got.Bounded != "" || got.Unseen != want[i].Unseen {
				t.Errorf("%s: %v %q %q (-files +elasticsearch):\n%s", got.Query, got.Err, got.Partial, got.Bounded, diff)
			}
		}
		small := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "pat-*", Patterns: PatternsConfig{Most: 100, Samples: "off"}})
		a := oneOf(t, small, errorPatterns, ofShop)
		grouped, samples := 0.0, 0
		for _, s := range a.Samples {
			for _, p := range s.Patterns {
				grouped += p.Count
				samples += len(p.Sample)
			}
		}
		if n, _ := total(a); a.Err != nil || a.Bounded != "patterns are of the first 100 of 210 messages" || a.Partial != "" || n != 210 || grouped != 100 || samples != 0 {
			t.Errorf("%g of %g, %q %v, %d of samples", grouped, n, a.Bounded, a.Err, samples)
		}
		for message, says := range map[string]string{"": "fields.message is empty", "msg": "no document has msg; name the field"} {
			bad := elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "pat-*", Fields: Fields{Message: &message}})
			if a := oneOf(t, bad, errorPatterns, ofShop); a.Err == nil || !strings.Contains(a.Err.Error(), says) {
				t.Errorf("%q: %v, want %s", message, a.Err, says)
			}
		}
	})
}

// TestRealElasticsearchManyPatterns fetches several pages, of short messages, of one millisecond, and of more than one answer may hold.
func TestRealElasticsearchManyPatterns(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		var documents []string
		for i := range 6000 {
			documents = append(documents, told(midday.Add(time.Duration(1+i/5500)*time.Second), "ERROR", fmt.Sprintf("order %d failed", i)))
		}
		fill(t, url, "many-pat", ecsMapping, documents...)
		a := oneOf(t, elasticsearchAt(t, ElasticsearchConfig{URL: url, Index: "many-pat"}), errorPatterns, ofShop)
		if a.Err != nil || a.Partial+a.Bounded != "" || len(a.Samples) != 1 || len(a.Samples[0].Patterns) != 1 || a.Samples[0].Patterns[0].Count != 6000 {
			t.Errorf("%+v", a)
		}
	})
}

// pageOf is an answer to a search for messages.
func pageOf(change string, hits ...string) string {
	whole := fmt.Sprintf(`{"took":5,"timed_out":false,"_shards":{"total":4,"successful":4,"skipped":0,"failed":0},"hits":{"hits":[%s]}}`, strings.Join(hits, ","))
	from, to, _ := strings.Cut(change, " => ")
	return strings.Replace(whole, from, to, 1)
}

func hitAt(at time.Duration, id, message string) string {
	return fmt.Sprintf(`{"_index":"logs-1","_id":%q,"sort":[%d],"fields":{"message":[%q]}}`, id, midday.Add(at).UnixMilli(), message)
}

// TestElasticsearchPatternFaults is what is made of the answers to searches for messages: no pattern that was not seen, and never all well.
func TestElasticsearchPatternFaults(t *testing.T) {
	second := time.Second
	three := []string{hitAt(second, "a", "disk full"), hitAt(second, "b", "disk full"), hitAt(2*second, "c", "no rate for 7")}
	long := strings.Repeat("w ", 20<<10)
	for _, c := range []struct {
		name, page       string
		status           int
		partial, bounded string
		reason           verifier.Reason
		says             string
		patterns         string
	}{
		{name: "whole", page: pageOf("", three...), patterns: "2 disk full|1 no rate for <number>"},
		{name: "fewer than were counted", page: pageOf("", three[:1]...), bounded: "patterns are of the first 1 of 3 messages", patterns: "1 disk full"},
		{name: "failed shards", page: pageOf(`"failed":0 => "failed":1`, three...), partial: "1 of 4 shards failed"},
		{name: "timed out", page: pageOf(`"timed_out":false => "timed_out":true`, three...), partial: "timed_out"},
		{name: "terminated early", page: pageOf(`"took":5 => "terminated_early":true`, three...), partial: "terminated_early"},
		{name: "skipped cluster", page: pageOf(`"took":5 => "_clusters":{"total":2,"skipped":1}`, three...), partial: "1 skipped"},
		{name: "out of order", page: pageOf("", three[2], three[0]), reason: verifier.BadData, says: "to be sorted by time"},
		{name: "no time", page: pageOf(`"sort":[ => "x":[`, three...), reason: verifier.BadData, says: "no time to be sorted by"},
		{name: "an empty object", page: `{}`, reason: verifier.BadData, says: "no _shards"},
		{name: "HTML", page: login, reason: verifier.BadData, says: "login page or proxy"},
		{name: "half", page: `{"took":`, reason: verifier.BadData, says: "no JSON"},
		{name: "too large even alone", page: pageOf("", hitAt(second, "a", long), hitAt(second, "b", long)), reason: verifier.BadData, says: "too large"},
		{name: "500", status: 500, page: "oops", reason: verifier.SourceDown, says: "500"},
		{name: "429", status: 429, page: "slow down", reason: verifier.SourceDown, says: "429"},
		{name: "partial shards refused", status: 503, page: esError(503, "search_phase_execution_exception", "Partial shards failure"), reason: verifier.PartialData, says: "Partial shards failure"},
	} {
		for _, product := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", c.name, product), func(t *testing.T) {
				f := &esFake{product: product}
				f.search = func(w http.ResponseWriter, _ *http.Request) {
					if body := f.calls[len(f.calls)-1].body; !strings.Contains(body, `"fields":["message"]`) || !strings.Contains(body, `"_source":false`) {
						fmt.Fprint(w, esBody(""))
						return
					}
					if c.status > 0 {
						w.WriteHeader(c.status)
					}
					fmt.Fprint(w, c.page)
				}
				a := oneOf(t, fakeES(t, f, ElasticsearchConfig{}), errorPatterns, ofShop)
				if c.reason != "" {
					var failure *verifier.SourceError
					if !errors.As(a.Err, &failure) || failure.Reason != c.reason || !strings.Contains(failure.Error(), c.says) || len(a.Samples) > 0 {
						t.Errorf("%v %v", a.Samples, a.Err)
					}
					return
				}
				var got []string
				for _, s := range a.Samples {
					for _, p := range s.Patterns {
						got = append(got, fmt.Sprintf("%g %s", p.Count, p.Template))
					}
				}
				if a.Err != nil || !strings.Contains(a.Partial, c.partial) || (a.Partial == "") != (c.partial == "") || a.Bounded != c.bounded || strings.Join(got, "|") != c.patterns {
					t.Errorf("partial %q, bounded %q, %s, %v", a.Partial, a.Bounded, got, a.Err)
				}
			})
		}
	}
}

// TestElasticsearchPatternPages answers as a server does that refuses large answers: pages become smaller, and nothing is told twice.
func TestElasticsearchPatternPages(t *testing.T) {
	f, sizes := &esFake{}, []int{}
	f.search = func(w http.ResponseWriter, _ *http.Request) {
		var asked struct {
			Size  int      `json:"size"`
			Sort  []object `json:"sort"`
			Query struct {
				Bool struct {
					Filter []struct {
						Range map[string]struct {
							GT int64 `json:"gt"`
						} `json:"range"`
					} `json:"filter"`
				} `json:"bool"`
			} `json:"query"`
		}
		if err := json.Unmarshal([]byte(f.calls[len(f.calls)-1].body), &asked); err != nil {
			t.Error(err)
		}
		if asked.Size == 0 {
			fmt.Fprint(w, strings.Replace(esBody(""), `"of":{"doc_count":3}`, `"of":{"doc_count":20}`, 1))
			return
		}
		sizes = append(sizes, asked.Size)
		from := asked.Query.Bool.Filter[0].Range["@timestamp"].GT
		var hits []string
		for i := range 20 { // 5 KB each, two of a millisecond
			if at := time.Duration(i/2+1) * time.Millisecond; midday.Add(at).UnixMilli() > from && len(hits) < asked.Size {
				hits = append(hits, hitAt(at, fmt.Sprint(i), fmt.Sprintf("order %d failed %s", i, strings.Repeat("x", 5<<10))))
			}
		}
		fmt.Fprint(w, pageOf("", hits...))
	}
	a := oneOf(t, fakeES(t, f, ElasticsearchConfig{}), errorPatterns, ofShop)
	if a.Err != nil || a.Bounded != "" || len(a.Samples) != 1 || len(a.Samples[0].Patterns) != 1 || a.Samples[0].Patterns[0].Count != 20 {
		t.Errorf("sizes %v: %+v", sizes, a)
	}
	if len(sizes) < 4 || sizes[0] != perPage {
		t.Errorf("sizes %v", sizes)
	}
}

// hundredThousand are messages of a minute, as lines of the shop.
func hundredThousand() []string {
	messages := someMessages(100_000)
	for i, m := range messages {
		messages[i] = told(midday.Add(time.Millisecond+time.Duration(i)*500*time.Microsecond), "ERROR", m)
	}
	return messages
}

// askAll asks for the patterns of all of them.
func askAll(b *testing.B, s verifier.Source) {
	b.Helper()
	for b.Loop() {
		a := s.Ask(b.Context(), asking(errorPatterns, ofShop, midday, midday.Add(time.Minute), 15*time.Second))[0]
		if n, _ := total(a); a.Err != nil || a.Partial != "" || n != 100_000 {
			b.Fatalf("%g, %v %q %q", n, a.Err, a.Partial, a.Bounded)
		}
	}
}

// BenchmarkFilesPatterns reads and groups 100,000 messages of a log file.
func BenchmarkFilesPatterns(b *testing.B) {
	folder := b.TempDir()
	writeLog(b, filepath.Join(folder, "shop.log"), hundredThousand()...)
	f, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "*.log")})
	if err != nil {
		b.Fatal(err)
	}
	askAll(b, f)
}

// BenchmarkElasticsearchPatterns fetches and groups as many from a real server.
func BenchmarkElasticsearchPatterns(b *testing.B) {
	for _, line := range []string{elasticsearch.Line7, elasticsearch.Line8} {
		b.Run(line, func(b *testing.B) {
			url := elasticsearch.URL(b, line)
			fill(b, url, "bench-pat", ecsMapping, hundredThousand()...)
			for _, most := range []int{mostFetched, mostMessages} {
				b.Run(fmt.Sprint(most), func(b *testing.B) {
					e, err := NewElasticsearch(ElasticsearchConfig{URL: url, Index: "bench-pat", Patterns: PatternsConfig{Most: most}}, nil)
					if err != nil {
						b.Fatal(err)
					}
					askAll(b, e)
				})
			}
		})
	}
}
