package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// place is everywhere that verdicts are written, on one address.
type place struct {
	mu    sync.Mutex
	calls []string // method, path and body
}

func (p *place) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.calls = append(p.calls, r.Method+" "+r.URL.Path+" "+string(body))
	p.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/down/"):
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodGet:
		io.WriteString(w, `[]`)
	case strings.HasSuffix(r.URL.Path, "/graphql"):
		io.WriteString(w, `{"data":{"changeTrackingCreateEvent":{"changeTrackingEvent":{"changeTrackingId":"c"}}}}`)
	default:
		io.WriteString(w, `{"success":true,"errors":false}`)
	}
}

// holding are the calls that hold all of these texts.
func (p *place) holding(texts ...string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(c, text)
		}
		if all {
			n++
		}
	}
	return n
}

// TestVerdictsGoToTheSinks sends one bad deploy through the daemon: each sink gets its verdict once, and the one that is down holds up nobody.
func TestVerdictsGoToTheSinks(t *testing.T) {
	t.Parallel()
	p := &place{}
	s := httptest.NewServer(p)
	defer s.Close()
	w := openTown(t, townOptions{mode: "off", config: fmt.Sprintf(`
sinks:
  apm: {type: newrelic, account_id: 7, license_key_file: ./secret, api_key: k, events_url: '%[1]s/nr', url: '%[1]s/nr/graphql', entities: {shop: GUID}}
  index: {type: elasticsearch, url: '%[1]s/es', api_key_file: ./secret}
  boards: {type: grafana, url: '%[1]s/grafana', token_file: ./secret}
  commits: {type: github, url: '%[1]s/github', token_file: ./secret}
  broken: {type: elasticsearch, url: '%[1]s/down'}
`, s.URL)})
	w.write("secret", "hush\n")
	w.start()
	w.past()
	var said verifier.Receipt
	sha := "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"
	body, _ := json.Marshal(map[string]any{
		"id": "d1.1", "service": "shop", "environment": "production", "version": "1.1", "commit": sha, "repository": "https://github.com/o/shop", "at": time.Now(),
	})
	bad := "1.1"
	w.live.Store(&bad)
	if code := w.ask(http.MethodPost, "/v1/deploys", string(body), &said); code != http.StatusAccepted {
		t.Fatal(code)
	}
	w.state("d1.1", verifier.FailedState)
	for what, texts := range map[string][]string{
		"New Relic's event":  {"POST /nr/v1/accounts/7/events", `"key":"sink/apm/d1.1/failed"`, `"eventType":"VerifierVerdict"`, `"version":"1.1"`},
		"New Relic's marker": {"POST /nr/graphql", "changeTrackingCreateEvent", "id = 'GUID'", `"version":"1.1"`},
		"the template":       {"PUT /es/_index_template/verifier"},
		"the documents":      {"POST /es/verifier/_bulk", `"key":"sink/index/d1.1/failed"`, `"kind":"finding"`},
		"the annotation":     {"POST /grafana/api/annotations", "key:sink/boards/d1.1/failed"},
		"pending":            {"POST /github/repos/o/shop/statuses/" + sha, `"state":"pending"`},
		"failure":            {"POST /github/repos/o/shop/statuses/" + sha, `"state":"failure"`},
	} {
		w.until(what, func() bool { return p.holding(texts...) > 0 })
		if n := p.holding(texts...); n != 1 && what != "the template" {
			t.Errorf("%s came %d times", what, n)
		}
	}
	w.until("the sink that is down is tried", func() bool { return p.holding("/down/") > 0 })
	if strings.Contains(w.said(), "hush") {
		t.Error("a secret is in the log")
	}
}
