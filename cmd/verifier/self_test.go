package main

import (
	"context"
	"encoding/json"
	"io"
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
	"verifier/store"
)

// TestHeartbeatIsSentAtOnceAndHidesItsAddress also holds that an address without every beats once a minute.
func TestHeartbeatIsSentAtOnceAndHidesItsAddress(t *testing.T) {
	beats := make(chan string, 9)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { beats <- r.URL.Path }))
	defer s.Close()
	f := openFront(t, frontConfig+"self: {heartbeat: {url: '"+s.URL+"/ping/hush'}}\n", frontRules)
	select {
	case path := <-beats:
		if path != "/ping/hush" {
			t.Errorf("it calls %s", path)
		}
	case <-time.After(10 * time.Second):
		t.Error("no heartbeat")
	}
	f.stop()
	if n := len(beats); n != 0 {
		t.Errorf("%d beats more, want one a minute", n)
	}
	if err := sendHeartbeat(t.Context(), http.DefaultClient, "http://127.0.0.1:1/hush"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v: want an error without the address", err)
	}
	file := filepath.Join(t.TempDir(), "verifier.yaml")
	if err := os.WriteFile(file, []byte("self: {heartbeat: {url: example.com}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfig(file); err == nil || !strings.Contains(err.Error(), "self.heartbeat.url: is not a URL") {
		t.Errorf("a heartbeat that is not a URL: %v", err)
	}
}

// TestReportIsSentOnceEvenIfLate runs a schedule that was missed, twice as after a crash, for two reports to one receiver.
func TestReportIsSentOnceEvenIfLate(t *testing.T) {
	texts := make(chan string, 9)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		texts <- string(body)
	}))
	defer hook.Close()
	f := openFront(t, frontConfig+"receivers: [{name: leads, webhook_configs: [{url: '"+hook.URL+"'}]}]\nroute: {receiver: leads}\n"+
		"reports: [{cron: '0 9 1 * *', receiver: leads, by: team}, {cron: '0 9 1 * *', receiver: leads, by: service}]\n", frontRules)
	defer f.stop()
	due := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	for range 2 {
		for i, name := range []string{"report/0", "report/1"} {
			actions := (&Config{Reports: make([]ReportConfig, 2)}).scheduled(store.Schedule{Name: name, Next: due}, time.Now()).Actions
			if len(actions) != 1 {
				t.Fatalf("%d: %v", i, actions)
			}
			if _, err := f.daemon.sendReport(context.Background(), actions[0]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(300 * time.Millisecond)
	}
	if n := len(texts); n != 2 {
		t.Fatalf("%d messages, want each report once", n)
	}
	for range 2 {
		var body struct {
			Alerts []struct{ Annotations map[string]string }
		}
		if text := <-texts; json.Unmarshal([]byte(text), &body) != nil || body.Alerts[0].Annotations["title"] != "Deploys and rollbacks of 2026-10" {
			t.Errorf("got %s", text)
		}
	}
	if list, _, err := f.daemon.store.Incidents(t.Context(), verifier.IncidentFilter{Kind: verifier.IncidentReport}); err != nil || len(list) != 2 {
		t.Errorf("%d incidents, %v", len(list), err)
	}
}

// TestOwnTroubleSaysWhichFileAndThatItIsOver breaks the rules, then the configuration too, and mends both.
func TestOwnTroubleSaysWhichFileAndThatItIsOver(t *testing.T) {
	t.Parallel()
	hook := openReceiver(t, nil)
	config := frontConfig + "timezone: Europe/Berlin\nreceivers: [{name: sre, webhook_configs: [{url: '" + hook.URL + "'}]}]\nroute: {receiver: sre}\nself: {receiver: sre}\n"
	f := openFront(t, config, frontRules)
	defer f.stop()
	heard := func(n int, problem string) (title, text string) {
		t.Helper()
		for range 200 {
			f.daemon.tellSelf(t.Context())
			if list := hook.all(); len(list) >= n && strings.Contains(f.daemon.problem.Load().(string), problem) {
				notes := list[n-1].Body["alerts"].([]any)[0].(map[string]any)["annotations"].(map[string]any)
				return notes["title"].(string), notes["text"].(string)
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%d messages, want %d", len(hook.all()), n)
		return "", ""
	}
	f.write("rules.yaml", "rules: [\n")
	if title, text := heard(1, "rules.yaml"); title != "🔴 verifier cannot read rules.yaml" || !strings.Contains(text, "rules.yaml:1") {
		t.Errorf("it is told as %q: %q", title, text)
	}
	f.write("verifier.yaml", config+"nonsense: 1\n")
	if title, text := heard(2, "verifier.yaml"); title != "🔴 verifier cannot read rules.yaml and verifier.yaml" || !strings.Contains(text, "nonsense") {
		t.Errorf("it is told as %q: %q", title, text)
	}
	f.write("rules.yaml", frontRules)
	f.write("verifier.yaml", config)
	title, text := heard(3, "")
	if title != "🟢 verifier can read rules.yaml and verifier.yaml again" || !strings.HasPrefix(text, "It could not from ") || !strings.Contains(text, " CE") || strings.Contains(text, "nonsense") {
		t.Errorf("the end is told as %q: %q", title, text)
	}
}

// TestSourceThatIsDownIsToldOnce to self.receiver, however often it fails and in whatever words, and to nobody else.
func TestSourceThatIsDownIsToldOnce(t *testing.T) {
	hook, team := openReceiver(t, nil), openReceiver(t, nil)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer backend.Close()
	config := frontConfig + "receivers: [{name: sre, webhook_configs: [{url: '" + hook.URL + "'}]}, {name: team, webhook_configs: [{url: '" + team.URL + "'}]}]\n" +
		"route: {receiver: team}\nself: {receiver: sre}\n"
	config = strings.Replace(config, "sources: {", "sources: {metrics: {type: prometheus, url: '"+backend.URL+"'}, ", 1)
	f := openFront(t, config, frontRules)
	defer f.stop()
	source := f.daemon.live().sources["metrics"]
	for range 8 {
		now := time.Now().Truncate(time.Second)
		q := verifier.Question{Measure: verifier.Measure{PromQL: "up"}, From: now.Add(-time.Second), To: now, Step: time.Second}
		source.Ask(t.Context(), []verifier.Question{q})
	}
	for range 100 {
		f.daemon.tellSelf(t.Context())
		if len(hook.all()) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for range 5 {
		f.daemon.tellSelf(t.Context())
	}
	time.Sleep(300 * time.Millisecond)
	if sre, others := len(hook.all()), len(team.all()); sre != 1 || others != 0 {
		t.Errorf("self.receiver heard %d times, the team %d times; want 1 and 0", sre, others)
	}
	var status Status
	f.ask("GET", "/v1/status", "", &status)
	if !strings.Contains(status.Sources["metrics"], "503") || !strings.Contains(status.Sources["logs"], "no file matches") {
		t.Errorf("status says %v", status.Sources)
	}
}

// TestSourceThatIsBackIsToldOnce: nobody asks it any more, and it is found to be back all the same.
func TestSourceThatIsBackIsToldOnce(t *testing.T) {
	t.Parallel()
	hook := openReceiver(t, nil)
	var up atomic.Bool
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	}))
	defer backend.Close()
	config := frontConfig + "receivers: [{name: sre, webhook_configs: [{url: '" + hook.URL + "'}]}]\nroute: {receiver: sre}\nself: {receiver: sre}\n"
	f := openFront(t, strings.Replace(config, "sources: {", "sources: {metrics: {type: prometheus, url: '"+backend.URL+"'}, ", 1), frontRules)
	defer f.stop()
	source := f.daemon.live().sources["metrics"]
	for range 5 {
		now := time.Now().Truncate(time.Second)
		source.Ask(t.Context(), []verifier.Question{{Measure: verifier.Measure{PromQL: "up"}, From: now.Add(-time.Second), To: now, Step: time.Second}})
	}
	for end := time.Now().Add(20 * time.Second); len(hook.all()) < 1 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
	}
	up.Store(true)
	for end := time.Now().Add(60 * time.Second); len(hook.all()) < 2 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
	}
	var said []string
	for _, m := range hook.all() {
		alert := m.Body["alerts"].([]any)[0].(map[string]any)
		said = append(said, alert["status"].(string)+" "+alert["annotations"].(map[string]any)["title"].(string))
	}
	if want := []string{"firing 🔴 verifier cannot read metrics", "resolved 🟢 verifier can read metrics again"}; !slices.Equal(said, want) {
		t.Errorf("self.receiver heard %q, want %q", said, want)
	}
	if trouble := source.Trouble(); trouble != "" {
		t.Errorf("its trouble is still %q", trouble)
	}
}
