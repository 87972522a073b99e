package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// shops are services that write one log, with a daemon that watches them, a deploy tool that does what it is told, a pager and a
// chat.
type shops struct {
	*front
	pager, chat, hook *receiver

	mu     sync.Mutex
	log    *os.File
	every  time.Duration     // between two lines of a service
	live   map[string]string // version by service
	bad    map[string]bool   // versions whose lines are errors
	silent map[string]bool   // services
	calls  int               // deploys made by the tool
}

const shopsConfig = `
listen: 127.0.0.1:0
local: admin
environments: [{name: production, production: true}]
sources:
  logs: {type: files, path: ./x.log, lag: 250ms}
  edge: {type: files, path: ./edge.log, lag: 250ms}
services:
  - match: {environment: production}
    team: shops
    rollback: {mode: %s, countdown: %s, by: {webhook: {url: '%s', secret: %s}}}
receivers:
  - name: shops
    pagerduty_configs: [{routing_key: k, url: '%s', send_resolved: true}]
    webhook_configs: [{url: '%s', send_resolved: true}]
route: {receiver: shops}
`

const shopsRules = `
defaults: {settle: 0, watch: 2500ms, every: 250ms}
rules:
  - name: burst
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 5, within: 1s}
    min_exposure: 8
    on_fail: rollback
`

// openShops begins with two minutes of good lines for each service, or of many with ten seconds two minutes ago.
func openShops(t *testing.T, mode, countdown, rules string, services ...string) *shops {
	t.Helper()
	s := &shops{every: 25 * time.Millisecond, live: map[string]string{}, bad: map[string]bool{"1.1": true}, silent: map[string]bool{}}
	s.pager, s.chat = openReceiver(t, nil), openReceiver(t, nil)
	s.hook = openReceiver(t, func(_ int, in taken, w http.ResponseWriter) {
		w.WriteHeader(http.StatusAccepted)
		s.mu.Lock()
		s.calls++
		id := fmt.Sprint("tool-", s.calls)
		s.mu.Unlock()
		go s.deploy(id, fmt.Sprint(in.Body["service"]), fmt.Sprint(in.Body["to"]), time.Time{}, "")
	})
	s.front = openFront(t, fmt.Sprintf(shopsConfig, mode, countdown, s.hook.URL, hookSecret, s.pager.URL, s.chat.URL), rules)
	t.Cleanup(s.front.stop)
	var err error
	if s.log, err = os.OpenFile(filepath.Join(s.folder, "x.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range services {
		s.live[name] = "1.0"
	}
	length := 2 * time.Minute
	if len(services) > 4 {
		length, s.every = 10*time.Second, 100*time.Millisecond
	}
	for at := time.Now().Add(-2 * time.Minute); length > 0; length -= s.every {
		s.line(at)
		at = at.Add(s.every)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(s.every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				s.line(time.Time{})
			}
		}
	})
	t.Cleanup(func() { close(done); group.Wait(); s.log.Close() })
	return s
}

// line is one line of every service; the zero time is now.
func (s *shops) line(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsZero() {
		at = time.Now()
	}
	for name, version := range s.live {
		if !s.silent[name] {
			s.log.WriteString(s.text(at, name, version))
		}
	}
}

func (s *shops) text(at time.Time, service, version string) string {
	level := "INFO"
	if s.bad[version] {
		level = "ERROR"
	}
	return fmt.Sprintf(`{"@timestamp":%q,"log.level":%q,"service.name":%q,"service.environment":"production","message":"order %d of a@example.com handled"}`+"\n", at.UTC().Format(time.RFC3339Nano), level, service, at.UnixMilli())
}

// deploy says that a version was put live, and puts it live where that is now (the zero time). more is further JSON of the event.
func (s *shops) deploy(id, service, version string, at time.Time, more string) verifier.Receipt {
	s.t.Helper()
	s.mu.Lock()
	if at.IsZero() {
		s.live[service], at = version, time.Now()
	}
	s.mu.Unlock()
	body := fmt.Sprintf(`{"id":%q,"service":%q,"environment":"production","version":%q,"by":"anna","at":%q%s}`, id, service, version, at.UTC().Format(time.RFC3339Nano), more)
	request, err := http.NewRequest(http.MethodPost, s.url+"/v1/deploys", strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return verifier.Receipt{}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Errorf("deploy %s: %v", id, err)
		return verifier.Receipt{}
	}
	defer response.Body.Close()
	var r verifier.Receipt
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil || response.StatusCode != http.StatusAccepted {
		s.t.Errorf("deploy %s answers %d (%v)", id, response.StatusCode, err)
	}
	return r
}

// past deploys 1.0 of the services two minutes ago, and waits until they have passed.
func (s *shops) past(services ...string) {
	s.t.Helper()
	for _, name := range services {
		s.deploy("past-"+name, name, "1.0", time.Now().Add(-118*time.Second), "")
	}
	for _, name := range services {
		s.expect("past-"+name, verifier.Passed, "")
	}
}

func (s *shops) get(id string) verifier.Verification {
	s.t.Helper()
	var v verifier.Verification
	s.ask(http.MethodGet, "/v1/verifications/"+id, "", &v)
	return v
}

// until waits for what must come; the machine may be slow.
func (s *shops) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// expect waits for a state, and a state of the rollback.
func (s *shops) expect(id string, state verifier.State, rollback verifier.RollbackState) verifier.Verification {
	s.t.Helper()
	var v verifier.Verification
	got := func() verifier.RollbackState {
		if v.Rollback == nil {
			return ""
		}
		return v.Rollback.State
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if v = s.get(id); v.State == state && got() == rollback {
			return v
		}
	}
	s.t.Fatalf("%s is %s %s, rollback %q; want %s, %q: %+v %+v", id, v.State, v.Reason, got(), state, rollback, v.Findings, v.Rollback)
	return v
}

// order is a person's word; out takes the answer.
func (s *shops) order(id string, verb verifier.Verb, body string, out any, header ...string) int {
	s.t.Helper()
	return s.ask(http.MethodPost, "/v1/verifications/"+id+"/"+string(verb), body, out, header...)
}

// pages are the incidents that the pager was triggered for and those that it was told are over.
func (s *shops) pages() (open, resolved []string) {
	for _, p := range s.pager.all() {
		key := fmt.Sprint(p.Body["dedup_key"])
		list := &open
		if p.Body["event_action"] == "resolve" {
			list = &resolved
		}
		if !slices.Contains(*list, key) {
			*list = append(*list, key)
		}
	}
	return open, resolved
}

// quiet checks that nobody was told of anything and nothing was rolled back.
func (s *shops) quiet() {
	s.t.Helper()
	if pages, chat, calls := s.pager.all(), s.chat.all(), s.hook.all(); len(pages)+len(chat)+len(calls) != 0 {
		s.t.Errorf("%d pages, %d messages and %d calls, want none: %v %v %v", len(pages), len(chat), len(calls), pages, chat, calls)
	}
}

// month checks the report's figures by their JSON names.
func (s *shops) month(want map[string]int) {
	s.t.Helper()
	var got map[string]any
	if code := s.ask(http.MethodGet, "/v1/reports/"+time.Now().UTC().Format("2006-01"), "", &got); code != http.StatusOK {
		s.t.Fatalf("the report answers %d", code)
	}
	for name, n := range want {
		value := got[name]
		if part, ok := strings.CutPrefix(name, "coverage."); ok {
			value = got["coverage"].(map[string]any)[part]
		}
		if value != float64(n) {
			s.t.Errorf("the report's %s is %v, want %d", name, value, n)
		}
	}
}

func reasons(v verifier.Verification) string { return fmt.Sprint(v.Rollback.Reasons) }
