package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// shop is what a deploy tool deploys to: it logs, and its 1.4.2 is bad. What all tools of the tests have in common is here too.
type shop struct {
	t   *testing.T
	api *httptest.Server
	log *os.File

	mu     sync.Mutex
	hook   string // where events are sent; empty: nobody listens
	live   string
	posts  int  // how often the tool was told to deploy
	lost   bool // the reply to that does not arrive
	others bool // somebody else deploys there
}

func (s *shop) shared() *shop { return s }

// frontTool is a deploy tool of the tests.
type frontTool interface {
	shared() *shop
	serve(w http.ResponseWriter, r *http.Request)
	deploys(version, by string)              // and tells of it
	config(api bool) (hook, rollback string) // one line of YAML each
	id(n int) string                         // of the n-th deploy, from 1
	others(v verifier.Verification) string   // of whose task a refusal speaks
}

func openTool(t *testing.T, tool frontTool, logs string) {
	t.Helper()
	file, err := os.Create(logs)
	if err != nil {
		t.Fatal(err)
	}
	s := tool.shared()
	s.t, s.log, s.api = t, file, httptest.NewServer(http.HandlerFunc(tool.serve))
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.traffic(ctx) })
	t.Cleanup(func() { stop(); group.Wait(); s.api.Close(); file.Close() })
}

// traffic is what the shop logs.
func (s *shop) traffic(ctx context.Context) {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			s.mu.Lock()
			now, level := time.Now(), "INFO" // not the tick's time: it may have waited while another version went live
			if s.live == "1.4.2" {
				level = "ERROR"
			}
			s.mu.Unlock()
			for n := range 8 {
				fmt.Fprintf(s.log, `{"@timestamp":%q,"log.level":%q,"service.name":"shop","service.environment":"production","host.name":"web%d"}`+"\n", now.UTC().Format(time.RFC3339Nano), level, n%2+1)
			}
		}
	}
}

// wholeSecond is the time of a deploy of a tool that tells times in whole seconds: the next one. A bad version waits for it, so that its errors
// come after; a good one is live before, so that none do.
func wholeSecond(version string) time.Time {
	at := time.Now().Truncate(time.Second).Add(time.Second)
	if version == "1.4.2" {
		time.Sleep(time.Until(at))
	}
	return at
}

// listens says where events go from now on.
func (s *shop) listens(f *front) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = ""
	if f != nil {
		s.hook = f.url
	}
}

// send tells of something at a hook, if anybody listens. s.mu is held.
func (s *shop) send(path, body string, header ...string) {
	if s.hook == "" {
		return
	}
	request, err := http.NewRequest("POST", s.hook+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Error(err)
		return
	}
	response.Body.Close()
	if response.StatusCode >= 300 {
		s.t.Errorf("an event is answered with %d: %s", response.StatusCode, body)
	}
}

// fromEventToReport: an event, a verdict, the rollback through the tool's API, its confirmation by the next event, the check that it
// helped, and the report; with somebody else at work, with the reply lost, and with the daemon down when the event was sent.
func fromEventToReport(t *testing.T, made func() frontTool) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*shop)
		down    bool
		state   verifier.RollbackState
	}{
		"plainly":                  {func(*shop) {}, false, verifier.RollbackRecovered},
		"the reply is lost":        {func(s *shop) { s.lost = true }, false, verifier.RollbackRecovered},
		"somebody else is at work": {func(s *shop) { s.others = true }, false, verifier.RollbackRefused},
		"the daemon was not there": {func(*shop) {}, true, verifier.RollbackRecovered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, tool := t.TempDir(), made()
			s := tool.shared()
			openTool(t, tool, filepath.Join(folder, "x.log"))
			c.prepare(s)
			hook, rollback := tool.config(c.down)
			f := openFront(t, strings.Replace(frontConfig, "./x.log", filepath.Join(folder, "x.log"), 1)+
				"hooks: {"+hook+"}\nservices: [{match: {service: shop}, team: payments, rollback: {mode: auto, countdown: 1s, by: {"+rollback+"}}}]\n", frontRules)
			stop := f.stop
			defer func() { stop() }()
			s.listens(f)
			tool.deploys("1.4.1", "anna")
			if code := f.ask("POST", "/v1/deploys/"+url.PathEscape(tool.id(1))+"/mark", `{"good":true}`, nil); code != http.StatusOK {
				t.Fatalf("mark answers %d", code)
			}
			time.Sleep(time.Second)
			if c.down {
				f.stop()
				s.listens(nil)
				tool.deploys("1.4.2", "anna")
				time.Sleep(time.Second)
				f = f.again()
				stop = f.stop
				s.listens(f)
			} else {
				tool.deploys("1.4.2", "anna")
			}
			v := f.rolledBack(tool.id(2), c.state)
			s.mu.Lock()
			posts := s.posts
			s.mu.Unlock()
			if want := map[bool]int{true: 0, false: 1}[c.state == verifier.RollbackRefused]; posts != want {
				t.Errorf("the tool was told to deploy %d times, want %d", posts, want)
			}
			if c.down != (v.Deploy.Found == verifier.FoundLate) {
				t.Errorf("found %q", v.Deploy.Found)
			}
			if c.state == verifier.RollbackRefused {
				f.refused(v, tool.others(v))
				return
			}
			if v.WayBack == nil || !v.WayBack.Open || v.WayBack.To != "1.4.1" {
				t.Errorf("the way back: %+v", v.WayBack)
			}
			var report struct{ Deploys, Rollbacks int }
			f.ask("GET", "/v1/reports/"+time.Now().UTC().Format("2006-01"), "", &report)
			if report.Deploys != 3 || report.Rollbacks != 1 {
				t.Errorf("report %+v, want 3 deploys and 1 rollback", report)
			}
		})
	}
}

// refused holds a rollback that was refused to whose task it speaks of, and to the page that it brings.
func (f *front) refused(v verifier.Verification, of string) {
	f.t.Helper()
	if !strings.Contains(v.Rollback.Reason, of) {
		f.t.Errorf("refused: %q, want %q in it", v.Rollback.Reason, of)
	}
	var list struct{ Items []verifier.Incident }
	if f.ask("GET", "/v1/incidents", "", &list); len(list.Items) == 0 || !list.Items[0].Person || !strings.Contains(list.Items[0].Text, of) {
		f.t.Errorf("nobody is paged: %+v", list.Items)
	}
}

// again starts a daemon on the same folder.
func (f *front) again() *front {
	f.t.Helper()
	d, err := NewDaemon(f.t.Context(), filepath.Join(f.folder, "verifier.yaml"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return &front{t: f.t, folder: f.folder, url: "http://" + d.Addr(), daemon: d, stop: func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	}}
}

// rolledBack waits until the rollback of the watch has come to that state.
func (f *front) rolledBack(id string, state verifier.RollbackState) (v verifier.Verification) {
	f.t.Helper()
	for range 400 {
		var text string
		if f.ask("GET", "/v1/verifications/"+url.PathEscape(id), "", &text) == http.StatusOK && json.Unmarshal([]byte(text), &v) == nil && v.Rollback != nil && v.Rollback.State == state {
			return v
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("%s is %s, its rollback %+v; want %s", id, v.State, v.Rollback, state)
	return v
}
