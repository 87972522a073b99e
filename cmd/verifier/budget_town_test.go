package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

var serviceAsked = regexp.MustCompile(`service="(s\d+)"`)

// calmPrometheus knows no errors of any service, and counts who is asked about.
type calmPrometheus struct {
	mu    sync.Mutex
	asked map[string]int
}

func (p *calmPrometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := serviceAsked.FindStringSubmatch(r.FormValue("query"))
	if found == nil {
		http.Error(w, "no service", http.StatusTeapot)
		return
	}
	p.mu.Lock()
	p.asked[found[1]]++
	p.mu.Unlock()
	start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
	end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
	step, _ := strconv.ParseFloat(r.FormValue("step"), 64)
	values := [][]any{}
	for i := 0; start+float64(i)*step <= end+0.001 && step > 0; i++ {
		values = append(values, []any{start + float64(i)*step, "0"})
	}
	series, _ := json.Marshal(values) // unreachable error: plain numbers
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":%s}]}}`, series)
}

// TestSmallBudgetSlowsAllAlike watches fifty deploys with a question a second each, of a source that may be asked ten times a second. All
// get their verdict, none is asked about much more than another, and everything says so while it lasts.
func TestSmallBudgetSlowsAllAlike(t *testing.T) {
	if !long {
		t.Skip("make long waits for it")
	}
	t.Parallel()
	p := &calmPrometheus{asked: map[string]int{}}
	backend := httptest.NewServer(p)
	defer backend.Close()
	config := strings.Replace(frontConfig, "sources: {", "sources: {metrics: {type: prometheus, url: '"+backend.URL+"', lag: 100ms, budget: {per_second: 10}}, ", 1)
	f := openFront(t, config, "defaults: {settle: 0, watch: 12s, every: 1s}\nrules:\n  - name: errors\n"+
		"    measure: {source: metrics, promql: 'errors{service=\"{{.Service}}\"}'}\n    limit: {above: 10}\n")
	defer f.stop()
	var ids []string
	for i := range 50 {
		var receipt verifier.Receipt
		f.ask("POST", "/v1/deploys", fmt.Sprintf(`{"service":"s%d","environment":"production","version":"1.1"}`, i), &receipt)
		ids = append(ids, receipt.Verification)
	}
	said, logged := "", false
	for range 200 {
		var status Status
		f.ask("GET", "/v1/status", "", &status)
		if said = status.Slowed["metrics"]; said != "" {
			f.daemon.noteSlowed(f.daemon.live(), map[string]bool{})
			logged = strings.Contains(f.text("/metrics"), `verifier_source_slowed_seconds{source="metrics"}`)
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	const words = `^asked every \d.* instead of 1s: its budget is 10 calls a second \(per_second\)$`
	if !regexp.MustCompile(words).MatchString(said) || !logged {
		t.Errorf("status says %q, metrics tell it: %t", said, logged)
	}
	slow := 0
	for _, id := range ids {
		var v verifier.Verification
		for end := time.Now().Add(60 * time.Second); time.Now().Before(end) && v.Ended == nil; time.Sleep(50 * time.Millisecond) {
			f.ask("GET", "/v1/verifications/"+id, "", &v)
		}
		if v.State != verifier.Passed {
			t.Errorf("%s is %s %s: %+v", v.Deploy.Service, v.State, v.Reason, v.Findings)
		}
		if len(v.Findings) == 1 && strings.Contains(v.Findings[0].Text, "metrics is asked every ") {
			slow++
		}
	}
	if slow < len(ids)/2 {
		t.Errorf("%d of %d findings say that the source was asked less often", slow, len(ids))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := slices.Sorted(maps.Values(p.asked))
	if len(counts) != 50 || counts[0] < 2 || counts[49] > 3*counts[0]+2 {
		t.Errorf("they were asked about %v times", counts)
	}
}

// text is a page as it is.
func (f *front) text(path string) string {
	resp, err := http.Get(f.url + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}
