package sources

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// Queries of other languages parse as Lucene and count nothing, or everything: each is refused with what to write.
func TestForeignQueries(t *testing.T) {
	for query, want := range map[string]string{
		`log.level : "ERROR" and service.name : shop`: "write AND",
		`log.level:ERROR or log.level:FATAL`:          "write OR",
		`not log.level:INFO`:                          "write NOT",
		`log.level:(ERROR or FATAL)`:                  "write OR",
		`status >= 500`:                               "write status:>=500",
		`log.level:ERROR AND status < 500`:            "write status:<500",
		`level="ERROR"`:                               "write field:value",
		`level == "ERROR"`:                            "write field:value",
		`level != "INFO"`:                             "write field:value",
		`level:'ERROR'`:                               "write double quotes",
		`@timestamp:[now-20m TO now]`:                 "leave the time out",
		`@timestamp:>now-5m`:                          "leave the time out",
		`@timestamp:["now/d" TO *]`:                   "leave the time out",
		`@timestamp:[2026-11-24||-1h TO *]`:           "leave the time out",
	} {
		m := verifier.Measure{Count: query}
		if _, err := CheckFiles(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("files: %s: %v, want %q", query, err, want)
		}
		if _, err := CheckElasticsearch(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("elasticsearch: %s: %v, want %q", query, err, want)
		}
	}
	for _, query := range []string{
		"log.level:(ERROR OR Error)", "and", `"not found" OR message:"and"`, "status:>=500", "status:(>=400 AND <500)", "message:user=5", "a:b=", "NOT level:INFO", "price:nowhere", "name:now",
	} {
		if _, err := CheckFiles(verifier.Measure{Count: query}); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := CheckElasticsearch(verifier.Measure{Count: "token.expires:[now TO *]"}); err != nil {
		t.Errorf("date math over a field that is not the document's time: %v", err)
	}
}

func TestRealworldLuceneSilentZero(t *testing.T) {
	for query := range strings.Lines(realworld(t, "lucene-silent-zero/queries.txt")) {
		if query = strings.TrimSpace(query); query == "" {
			continue
		}
		for name, check := range map[string]func(verifier.Measure) (time.Duration, error){"files": CheckFiles, "elasticsearch": CheckElasticsearch} {
			if _, err := check(verifier.Measure{Count: query}); err == nil || !strings.Contains(err.Error(), "write ") && !strings.Contains(err.Error(), "leave the time out") {
				t.Errorf("%s: %s: %v, want it refused with the remedy", name, query, err)
			}
		}
	}
}

// Values that the query asks for and no line has are named with those that there are: in the stretch, and in the hour before it.
func TestFilesNameAbsentValues(t *testing.T) {
	folder := t.TempDir()
	line := func(at time.Time, level string) string {
		return fmt.Sprintf(`{"@timestamp":%q,"log.level":%q,"status":%d,"message":"x","service.name":"shop","service.environment":"production"}`, at.Format(time.RFC3339), level, 200)
	}
	write(t, folder, "a.log", strings.Join([]string{
		line(midday.Add(-30*time.Minute), "Warning"), line(midday.Add(time.Second), "Information"), line(midday.Add(2*time.Second), "Information"), line(midday.Add(3*time.Second), "Error"),
	}, "\n")+"\n")
	for query, want := range map[string]string{
		"log.level:ERROR":                           "no document has log.level ERROR; it has Information, Error, Warning",
		"log.level:(ERROR OR FATAL)":                "no document has log.level ERROR or FATAL; it has Information, Error, Warning",
		"log.level:(ERROR OR Error) AND status:200": "",
		"log.level:Warning":                         "", // it was there half an hour ago
		"log.level:W*":                              "",
		"log.level:Warning AND status:500":          "no document has status 500; it has 200",
		"lvl:ERROR":                                 "", // the field itself is missing
		"nothing":                                   "", // words of messages are no list
		"NOT log.level:(Information OR Error)":      "",
	} {
		f, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "*.log")})
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ask(t.Context(), asking(verifier.Measure{Count: query}, ofShop, midday, midday.Add(time.Minute), time.Minute))[0]
		if got.Err != nil || got.Absent != want {
			t.Errorf("%s: %q %v, want %q", query, got.Absent, got.Err, want)
		}
	}
}

// Elasticsearch is asked for the values of the last day, once for all that count nothing, and not where anything is counted.
func TestElasticsearchNamesAbsentValues(t *testing.T) {
	asked, of := 0, 0
	fake := &esFake{product: true}
	fake.search = func(w http.ResponseWriter, _ *http.Request) {
		fake.mu.Lock()
		body := fake.calls[len(fake.calls)-1].body
		fake.mu.Unlock()
		if strings.Contains(body, "values log.level") {
			asked++
			fmt.Fprint(w, `{"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{"total":{"value":17987,"relation":"eq"}},"aggregations":{"values log.level":
				{"sum_other_doc_count":0,"buckets":[{"key":"Information","doc_count":17000},{"key":"Error","doc_count":987}]}}}`)
			return
		}
		fmt.Fprint(w, esBody(fmt.Sprintf(`"of":{"doc_count":3} => "of":{"doc_count":%d}`, of)))
	}
	e := fakeES(t, fake, ElasticsearchConfig{})
	askFor := func(query string, from int) verifier.Answer {
		start := midday.Add(time.Duration(from) * time.Millisecond)
		return e.Ask(t.Context(), asking(verifier.Measure{Count: query}, ofShop, start, start.Add(time.Minute), 10*time.Second))[0]
	}
	for i := range 3 {
		if got := askFor("log.level:ERROR", i); got.Err != nil || got.Absent != "no document has log.level ERROR; it has Information, Error" {
			t.Errorf("%q %v", got.Absent, got.Err)
		}
	}
	if got := askFor("log.level:(ERROR OR Error)", 0); got.Absent != "" {
		t.Errorf("%q, although there are such documents", got.Absent)
	}
	if asked != 1 {
		t.Errorf("asked %d times for the values, want once", asked)
	}
	of = 3
	if got := askFor("log.level:FATAL", 5); got.Absent != "" || asked != 1 {
		t.Errorf("%q, asked %d times, although something is counted", got.Absent, asked)
	}
}
