package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"verifier"
)

// octopusEvent is an event as both a subscription and the server's own list tell it.
func octopusEvent(id int, category string, at time.Time) string {
	return fmt.Sprintf(`{"Id":"Events-%d","Category":%q,"Occurred":%q,"Username":"anna","SpaceId":"Spaces-1","RelatedDocumentIds":["Deployments-7","Projects-1","Releases-1","Environments-1"],
		"Message":"Deploy to production of shop 1.4.2","MessageReferences":[{"ReferencedDocumentId":"Projects-1","StartIndex":24,"Length":4},
		{"ReferencedDocumentId":"Releases-1","StartIndex":29,"Length":5},{"ReferencedDocumentId":"Environments-1","StartIndex":10,"Length":10}]}`, id, category, at.UTC().Format(time.RFC3339Nano))
}

// TestMissedEventsAreFound: what a tool did while the daemon was down, or did not send, comes in from its own list, by the same path.
func TestMissedEventsAreFound(t *testing.T) {
	t.Parallel()
	var answer atomic.Pointer[string]
	say := func(s string) { answer.Store(&s) }
	began, ended := time.Now().Add(-20*time.Second), time.Now().Add(-10*time.Second)
	list := fmt.Sprintf(`{"ItemType":"Event","TotalResults":2,"Items":[%s,%s],"Links":{}}`, octopusEvent(2, "DeploymentSucceeded", ended), octopusEvent(1, "DeploymentStarted", began))
	say(list)
	tool := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch text := *answer.Load(); {
		case r.Header.Get("X-Octopus-ApiKey") != "API-KEY":
			w.WriteHeader(http.StatusUnauthorized)
		case text == "":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprint(w, text)
		}
	}))
	defer tool.Close()
	f := openFront(t, frontConfig+"hooks: {octopus: {header: X-Key, secret: s, api: {url: '"+tool.URL+"', key: API-KEY, every: 1s}}}\n", frontRules)
	defer f.stop()
	var d verifier.Deploy
	f.until("the deploy is found", func() bool {
		var text string
		return f.ask("GET", "/v1/deploys/octopus:Deployments-7", "", &text) == http.StatusOK && json.Unmarshal([]byte(text), &d) == nil && d.Status == verifier.Succeeded
	})
	if d.Found != verifier.FoundLate || d.StartedAt == nil || d.Version != "1.4.2" || d.Tool != "octopus" || d.URL == "" {
		t.Errorf("found %+v", d)
	}
	var v verifier.Verification
	if code := f.ask("GET", "/v1/verifications/octopus:Deployments-7", "", &v); code != http.StatusOK || v.Late {
		t.Errorf("its watch: %d %+v", code, v)
	}
	if code := f.ask("POST", "/v1/hooks/octopus", `{"Payload":{"ServerUri":"`+tool.URL+`","Event":`+octopusEvent(2, "DeploymentSucceeded", ended)+`}}`, nil, "X-Key", "s"); code != http.StatusOK {
		t.Errorf("the event itself, late, answers %d, want 200: nothing new", code)
	}
	var s Status
	f.until("it is asked again", func() bool {
		f.ask("GET", "/v1/status", "", &s)
		return s.Hooks["octopus"].Asked != nil && s.Hooks["octopus"].Asked.After(d.RecordedAt)
	})
	if h := s.Hooks["octopus"]; h.Found != 2 || h.Trouble != "" {
		t.Errorf("status %+v", h)
	}
	var metrics string
	f.ask("GET", "/metrics", "", &metrics)
	if !strings.Contains(metrics, `verifier_found_late_total{tool="octopus"} 2`) {
		t.Error("the metric does not count two found events")
	}
	say("")
	f.until("the trouble is shown", func() bool {
		f.ask("GET", "/v1/status", "", &s)
		return strings.Contains(s.Hooks["octopus"].Trouble, "500")
	})
	say(list)
	f.until("it is over", func() bool { f.ask("GET", "/v1/status", "", &s); return s.Hooks["octopus"].Trouble == "" })
}

// until waits for what must come.
func (f *front) until(what string, is func() bool) {
	f.t.Helper()
	for range 150 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("%s: not within 15 s", what)
}

// TestQuietSenders names who sends nothing for more than twice as long as ever.
func TestQuietSenders(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "verifier.yaml")
	for name, text := range map[string]string{"verifier.yaml": frontConfig + "hooks: {octopus: {header: X-Key, secret: s}}\n", "rules.yaml": frontRules} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewDaemon(t.Context(), path, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.ln.Close()
	defer d.store.Close()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	put := func(tool, sender string, hours int) {
		t.Helper()
		delivery := verifier.Delivery{ID: fmt.Sprint(tool, sender, hours), Tool: tool, By: sender, ReceivedAt: now.Add(-time.Duration(hours) * time.Hour), Body: []byte("{}")}
		if _, err := d.store.Record(t.Context(), delivery, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for h := 50; h > 20; h -= 2 { // every two hours, and nothing for the last 22
		put("octopus", "octopus", h)
		put("gone", "gone", h) // no hook of the configuration any more
		put("api", "jenkins-token", h)
		put("api", "weekly", h*8-150)
	}
	put("api", "jenkins-token", 1)
	put("api", "once", 200)
	d.lookAtHabits(t.Context(), now)
	hooks, quiet := d.missed.status(d.live().hooks)
	want := "octopus has sent nothing since 23 Nov 14:00 UTC, for 22 hours; of its last 15 events no two were more than 2 hours apart."
	if !slices.Equal(quiet, []string{want}) || hooks["octopus"].Quiet != want {
		t.Errorf("quiet %q, hooks %+v", quiet, hooks)
	}
	if got := d.troubles()["quiet/octopus"]; got != want || selfTitle("quiet/octopus", got) != "octopus is quiet" || over("octopus is quiet") != "octopus sends again" {
		t.Errorf("troubles %v", d.troubles())
	}
	d.missed.begin("octopus", time.Minute, now)
	for range 2 {
		if _, told := d.troubles()["hook/octopus"]; told {
			t.Error("one failure is told of")
		}
		d.missed.end("octopus", now, 0, "", errors.New("ask octopus for what was missed: answered 401"))
	}
	if got := d.troubles()["hook/octopus"]; got != "verifier cannot ask octopus for what was missed: answered 401. What it does not send is missed." ||
		selfTitle("hook/octopus", got) != "verifier cannot ask octopus for what was missed" {
		t.Errorf("told of %q", got)
	}
	put("octopus", "octopus", 0)
	d.lookAtHabits(t.Context(), now.Add(time.Minute))
	if _, quiet := d.missed.status(d.live().hooks); len(quiet) > 0 {
		t.Errorf("still quiet: %q", quiet)
	}
}
