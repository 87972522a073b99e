package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// front is a whole daemon on loopback with a log file that the test writes.
type front struct {
	t      testing.TB
	folder string
	url    string
	daemon *Daemon
	stop   func()
}

func openFront(t testing.TB, config, rules string) *front {
	t.Helper()
	f := &front{t: t, folder: t.TempDir()}
	for name, text := range map[string]string{"verifier.yaml": config, "rules.yaml": rules} {
		f.write(name, text)
	}
	d, err := NewDaemon(t.Context(), filepath.Join(f.folder, "verifier.yaml"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	f.url, f.daemon = "http://"+d.Addr(), d
	f.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return f
}

func (f *front) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.folder, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// ask sends a request and decodes the answer.
func (f *front) ask(method, path, body string, out any, header ...string) int {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if s, ok := out.(*string); ok {
		*s = string(text)
	} else if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			f.t.Fatalf("%s %s answered %s", method, path, text)
		}
	}
	return response.StatusCode
}

const (
	frontConfig = "listen: 127.0.0.1:0\nenvironments: [{name: production, production: true}]\nsources: {logs: {type: files, path: ./x.log, lag: 100ms}}\n"
	frontRules  = "defaults: {settle: 0, watch: 2s, every: 200ms}\nrules:\n  - name: burst\n    measure: {source: logs, count: 'log.level:ERROR'}\n    limit: {above: 3, within: 1s}\n    on_fail: rollback\n"
)

// TestBurstIsSeenThroughTheFrontDoor posts a deploy, logs errors, and reads the verdict, the console, the metrics and the report.
func TestBurstIsSeenThroughTheFrontDoor(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	var receipt verifier.Receipt
	if code := f.ask("POST", "/v1/deploys", `{"service":"shop","environment":"production","version":"1.1","by":"anna"}`, &receipt); code != http.StatusAccepted || receipt.Verification == "" {
		t.Fatalf("%d %+v", code, receipt)
	}
	var lines strings.Builder
	for i := range 20 {
		at := time.Now().Add(time.Duration(i) * 100 * time.Millisecond).UTC().Format(time.RFC3339Nano)
		fmt.Fprintf(&lines, `{"@timestamp":%q,"log.level":"ERROR","service.name":"shop","service.environment":"production"}`+"\n", at)
	}
	f.write("x.log", lines.String())
	var v verifier.Verification
	for range 100 {
		f.ask("GET", "/v1/verifications/"+receipt.Verification, "", &v)
		if v.State == verifier.FailedState {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if v.State != verifier.FailedState || v.Rollback == nil || v.Rollback.State != verifier.RollbackVetoed || v.Incident == "" {
		t.Fatalf("state %s, rollback %+v, incident %q: %+v", v.State, v.Rollback, v.Incident, v.Findings)
	}
	for path, want := range map[string]string{
		"/": "shop", "/verifications/" + receipt.Verification: "limit 3", "/incidents": "shop 1.1", "/holds": "Nothing is held", "/reports/" + time.Now().UTC().Format("2006-01"): "1",
		"/metrics": `verifier_verifications_total{environment="production",service="shop",state="failed"} 1`, "/healthz": "ok", "/readyz": "ready", "/v1/status": `"sources":{"logs":"ok"}`,
		"/v1/status?": `"lags":{"logs":"`, "/v1/explain/cost": `"rule":"burst","source":"logs","deploys":1,"requests":1.428`,
	} {
		var text string
		if code := f.ask("GET", path, "", &text); code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s answers %d without %q: %.400s", path, code, want, text)
		}
	}
}

func TestAPIErrors(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","version":"1.1"}`, nil)
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/v1/deploys", `{"service":"shop"}`, 422, `"field":"version"`},
		{"POST", "/v1/deploys", `{"id":"d1","service":"cart","environment":"production","version":"1.1"}`, 409, `"field":"service"`},
		{"GET", "/v1/deploys/none", "", 404, "none"},
		{"GET", "/v1/deploys?limit=many", "", 422, `"field":"limit"`},
		{"POST", "/v1/verifications/d1/approve", `{}`, 409, "rollback"},
		{"POST", "/v1/verifications/d1/approve", `{"raeson":""}`, 422, "raeson"},
		{"GET", "/v1/reports/2016-13", "", 422, "2016-13"},
		{"POST", "/v1/holds", `{}`, 422, `"field":"reason"`},
		{"DELETE", "/v1/holds/none", "", 404, "none"},
		{"POST", "/v1/alert-test", `{"receiver":"nobody"}`, 422, `"field":"receiver"`},
		{"POST", "/v1/hooks/github", `{}`, 404, "hooks"},
		{"GET", "/v1/nothing", "", 404, "/v1/nothing"},
		{"GET", "/verifications/none", "", 404, "That did not work"},
	} {
		var text string
		if code := f.ask(c.method, c.path, c.body, &text); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s answers %d %.300s, want %d with %q", c.method, c.path, code, text, c.code, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	store := filepath.Join(f.folder, "verifier.db")
	_, secret := command(t, "token", "create", "ci", "--scope", "deploys:write", "--store", store)
	bearer := "Bearer " + strings.TrimSpace(secret)
	body := `{"service":"shop","environment":"production","version":"1.1"}`
	if code := f.ask("POST", "/v1/deploys", body, nil, "Authorization", bearer); code != http.StatusAccepted {
		t.Errorf("its own scope answers %d", code)
	}
	if code := f.ask("GET", "/v1/deploys", "", nil, "Authorization", bearer); code != http.StatusForbidden {
		t.Errorf("another scope answers %d", code)
	}
	if code := f.ask("GET", "/v1/deploys", "", nil, "Authorization", "Bearer vt_wrong"); code != http.StatusUnauthorized {
		t.Errorf("a wrong token answers %d", code)
	}
	if code := f.ask("POST", "/v1/deploys", body, nil, "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden {
		t.Errorf("a request from another site answers %d", code)
	}
}

func TestReloadKeepsWhatWasGood(t *testing.T) {
	t.Parallel()
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	status := func(good func(Status) bool) Status {
		var s Status
		for range 60 {
			f.ask("GET", "/v1/status", "", &s)
			if good(s) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		return s
	}
	f.write("rules.yaml", "rules: [\n")
	if s := status(func(s Status) bool { return s.Problem != "" }); s.Rules != 1 || !strings.Contains(s.Problem, "rules.yaml:1") {
		t.Errorf("a bad file: %+v", s)
	}
	f.write("rules.yaml", frontRules+strings.Replace(frontRules[strings.Index(frontRules, "  - name"):], "burst", "second", 1))
	if s := status(func(s Status) bool { return s.Rules == 2 && s.Problem == "" }); s.Rules != 2 || s.Problem != "" {
		t.Errorf("a good file: %+v", s)
	}
}
