package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

var now = time.Date(2026, 11, 24, 14, 11, 0, 0, time.UTC)

// inbox is a server that keeps what it is sent, and fails as long as it is told to.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []map[string]any
	headers []http.Header
	fails   int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	r := &inbox{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(q.Body)
		if r.fails > 0 {
			r.fails--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var tree map[string]any
		if err := json.Unmarshal(body, &tree); err != nil {
			t.Errorf("no JSON: %s", body)
		}
		r.bodies, r.headers = append(r.bodies, tree), append(r.headers, q.Header)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(r.Close)
	return r
}

// book is the incidents as they are now.
type book map[string]verifier.Incident

func (b book) Incident(_ context.Context, id string) (verifier.Incident, error) { return b[id], nil }

func trouble14() verifier.Incident {
	return verifier.Incident{
		ID: "verdict/d1/production/payments", Kind: verifier.IncidentVerdict, Severity: verifier.SeverityPage, Person: true, Revision: 1, Opened: now, Updated: now,
		Labels: map[string]string{"kind": "verdict", "service": "checkout", "environment": "production", "team": "payments", "severity": "page", "outcome": "failed"},
		Title:  "checkout 1.4.2 is worse in production", Text: "Errors 4.1 % of 3,210 requests; 0.6 % before.", URL: "https://v/verifications/d1",
		Links: []verifier.Link{{Text: "Stop", URL: "https://v/stop"}},
	}
}

func load(t *testing.T, text string) *Alerting {
	t.Helper()
	a, err := Load([]byte(text), filepath.Join(t.TempDir(), "verifier.yaml"), outbound.Dial(outbound.Config{}), &url.URL{Scheme: "https", Host: "v"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run performs the incident's actions as the loop does, keeping each action's memory, and says which failed.
func run(t *testing.T, a *Alerting, b book, in verifier.Incident, memories map[string]json.RawMessage) (failed []string) {
	t.Helper()
	b[in.ID] = in
	p := a.Performer(b, func(verifier.Incident, time.Time) bool { return false })
	for _, action := range a.Targets(in, now) {
		action.Memory = memories[action.Key]
		done, err := p.Perform(t.Context(), action)
		if err != nil {
			if !errors.Is(err, verifier.ErrTemporary) {
				t.Errorf("%s: %v is no temporary error", action.Key, err)
			}
			failed = append(failed, action.Key)
			continue
		}
		if done.Memory != nil {
			memories[action.Key] = done.Memory
		}
	}
	return failed
}

func TestPageIsTriggeredUpdatedAndResolvedOnce(t *testing.T) {
	pager, hook := newInbox(t), newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: on-call, pagerduty_configs: [{routing_key: k, url: '%s'}], webhook_configs: [{url: '%s'}]}]\nroute: {receiver: on-call}", pager.URL, hook.URL))
	memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
	hook.fails = 1
	if failed := run(t, a, b, in, memories); len(failed) != 1 || !strings.Contains(failed[0], "/webhook/") {
		t.Fatalf("failed: %v, want the webhook alone", failed)
	}
	run(t, a, b, in, memories) // the retry goes only where it failed
	if len(pager.bodies) != 1 || len(hook.bodies) != 1 {
		t.Fatalf("%d pages and %d messages, want one each", len(pager.bodies), len(hook.bodies))
	}
	page := pager.bodies[0]
	payload := page["payload"].(map[string]any)
	if page["event_action"] != "trigger" || payload["summary"] != "🔴 checkout 1.4.2 is worse in production" {
		t.Errorf("page %v", page)
	}
	if text := fmt.Sprint(page); strings.Contains(text, "Alertmanager") || !strings.Contains(text, "4.1 %") {
		t.Errorf("page %v", page)
	}
	resolved := now.Add(9 * time.Minute)
	open := in
	in.Resolved, in.Revision, in.Title = &resolved, 2, "checkout in production: back to normal"
	run(t, a, b, in, memories)
	if last := pager.bodies[len(pager.bodies)-1]; len(pager.bodies) != 2 || last["event_action"] != "resolve" || last["dedup_key"] != page["dedup_key"] {
		t.Errorf("%d pages, the last %v", len(pager.bodies), last)
	}
	run(t, a, b, open, memories) // a late retry of what was before
	if len(pager.bodies) != 2 || len(hook.bodies) != 2 {
		t.Error("what was resolved was opened again")
	}
}

// TestPageThatMayHaveArrivedIsResolved: no answer came, or the daemon was killed while it waited for one, and then nobody was needed.
func TestPageThatMayHaveArrivedIsResolved(t *testing.T) {
	for _, killed := range []bool{false, true} {
		pager := newInbox(t)
		a := load(t, fmt.Sprintf("receivers: [{name: on-call, pagerduty_configs: [{routing_key: k, url: '%s'}]}]\nroute: {receiver: on-call}", pager.URL))
		b, in := book{}, trouble14()
		b[in.ID] = in
		p := a.Performer(b, func(verifier.Incident, time.Time) bool { return false })
		action := a.Targets(in, now)[0]
		if killed {
			action.Interrupted = true
		} else {
			pager.fails = 1
			done, err := p.Perform(t.Context(), action)
			if !errors.Is(err, verifier.ErrTemporary) {
				t.Fatal(err)
			}
			action.Memory = done.Memory
			in.Revision++
			b[in.ID] = in
		}
		in.Person = false
		b[in.ID] = in
		done, err := p.Perform(t.Context(), action)
		if err != nil || len(pager.bodies) != 0 {
			t.Fatalf("nobody is needed: %v, %v", pager.bodies, err)
		}
		action.Memory, action.Interrupted = done.Memory, false
		resolved := now
		in.Resolved, in.Revision = &resolved, 3
		b[in.ID] = in
		if _, err := p.Perform(t.Context(), action); err != nil || len(pager.bodies) != 1 || pager.bodies[0]["event_action"] != "resolve" {
			t.Errorf("killed %t: the pager got %v, %v", killed, pager.bodies, err)
		}
	}
}

func TestPagerSleepsWhereNobodyIsNeeded(t *testing.T) {
	pager := newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: on-call, pagerduty_configs: [{routing_key: k, url: '%s'}]}]\nroute: {receiver: on-call}", pager.URL))
	memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
	in.Person = false
	run(t, a, b, in, memories)
	resolved := now
	in.Resolved, in.Revision = &resolved, 2
	run(t, a, b, in, memories)
	if len(pager.bodies) != 0 {
		t.Errorf("the pager got %v", pager.bodies)
	}
}

func TestRoutes(t *testing.T) {
	a := load(t, `
receivers: [{name: all, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}, {name: payments, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
route:
  receiver: all
  routes:
    - {matchers: [team="payments"], receiver: payments, continue: true}
    - {matchers: [alertname="Verifier"], receiver: all}
`)
	if got := a.Explain(map[string]string{"team": "payments"}); fmt.Sprint(got) != "[payments all]" {
		t.Errorf("payments: %v", got)
	}
	if got := a.Explain(map[string]string{"team": "web"}); fmt.Sprint(got) != "[all]" {
		t.Errorf("web: %v", got)
	}
	in := trouble14()
	in.Kind, in.Receiver = verifier.IncidentSource, ""
	if got := a.Targets(in, now); len(got) != 0 {
		t.Errorf("the daemon's own trouble goes to %v", got)
	}
}

func asTemporary(err error, into **verifier.TemporaryError) bool { return errors.As(err, into) }

// TestNewsIsToldOnce tells what is over as it begins: a question to the team, a gate that was overridden, the test of a receiver.
func TestNewsIsToldOnce(t *testing.T) {
	hook := newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: on-call, webhook_configs: [{url: '%s'}]}]\nroute: {receiver: on-call, repeat_interval: 1s}", hook.URL))
	asked := trouble14()
	asked.ID, asked.News, asked.Resolved = "asked/d1", true, &asked.Opened
	for i, in := range []verifier.Incident{asked, TestIncident("on-call", now, "anna")} {
		if in.Resolved == nil || !in.Resolved.Equal(in.Opened) {
			t.Errorf("%s: resolved %v, want at once", in.ID, in.Resolved)
		}
		b := book{in.ID: in}
		p := a.Performer(b, func(verifier.Incident, time.Time) bool { return false }).(*performer)
		action := a.Targets(in, now)[0]
		for _, at := range []time.Time{now, now.Add(time.Hour)} {
			p.now = func() time.Time { return at }
			done, err := p.Perform(t.Context(), action)
			if err != nil {
				t.Fatal(err)
			}
			action.Memory = done.Memory
		}
		if len(hook.bodies) != i+1 || hook.bodies[i]["status"] != "firing" {
			t.Errorf("%s: %d messages, want one: %v", in.ID, len(hook.bodies), hook.bodies)
		}
	}
}
