package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// says runs the program as people do, against the front's server, and gives its exit code and what it prints.
func (f *front) says(args ...string) (code int, out string) {
	f.t.Helper()
	root := rootCommand()
	var text bytes.Buffer
	root.SetOut(&text)
	root.SetErr(&text)
	root.SetArgs(append(args, "--server", f.url))
	err := root.ExecuteContext(f.t.Context())
	var exit exitError
	switch {
	case err == nil:
		return exitOK, text.String()
	case errors.As(err, &exit):
		return int(exit), text.String()
	}
	return exitTrouble, text.String() + err.Error()
}

const gateConfig = `listen: 127.0.0.1:0
timezone: Europe/Berlin
environments: [{name: production, aliases: [live], production: true}, {name: staging, aliases: [stage]}]
sources: {logs: {type: files, path: ./x.log, lag: 100ms}}
services: [{match: {service: shop}, team: web}]
gates: {live: {after: [stage], results: ['smoke*']}}
`

const gateRules = `defaults: {settle: 0, watch: 3s, every: 200ms}
rules:
  - name: tests
    select: {service: shop}
    measure: {results: 'smoke*'}
    limit: {above: 0, within: 3s}
    on_fail: alert
`

// TestGateFromEventToOverride takes versions to the gate: one that passes staging with its tests, one whose tests fail, and one
// that is condemned after it passed.
func TestGateFromEventToOverride(t *testing.T) {
	chat := openReceiver(t, nil)
	f := openFront(t, gateConfig+"receivers: [{name: chat, webhook_configs: [{url: '"+chat.URL+"'}]}]\nroute: {receiver: chat}\n", gateRules)
	defer f.stop()
	gate := func(version string, args ...string) (int, string) {
		return f.says(append([]string{"gate", "shop", "live", version}, args...)...)
	}
	if code, out := gate("1.4"); code != exitUndecided || !strings.Contains(out, "not_deployed") || !strings.Contains(out, "shop 1.4 into production: PENDING") {
		t.Errorf("a version that was never deployed: %d %s", code, out)
	}

	type answer struct {
		code int
		out  string
	}
	waited := make(chan answer, 1)
	go func() {
		code, out := gate("1.4", "--wait", "--timeout", "50s")
		waited <- answer{code, out}
	}()
	f.ask("POST", "/v1/deploys", `{"id":"s14","service":"shop","environment":"staging","version":"1.4"}`, nil)
	if code, out := f.says("results", "shop", "stage", filepath.Join("../../testdata/results", "node.xml"), "--name", "ui"); code != exitOK || !strings.Contains(out, "ui                 4 tests, 1 failed, 1 skipped") {
		t.Errorf("results of other tests: %d %s", code, out)
	}
	time.Sleep(2500 * time.Millisecond) // it is seen waiting
	f.ask("POST", "/v1/verifications/s14/results?name=smoke", `<testsuite><testcase name="pays"/></testsuite>`, nil)
	if got := <-waited; got.code != exitOK || !strings.Contains(got.out, "may not pass yet: 1.4") || !strings.Contains(got.out, "PASSED") || !strings.Contains(got.out, "it passed in staging") {
		t.Errorf("who waited got %d %s", got.code, got.out)
	}

	f.ask("POST", "/v1/deploys/s14/mark", `{"good":false,"cause":"prices"}`, nil)
	if code, out := gate("1.4", "--wait"); code != exitFailed || !strings.Contains(out, "✗ condemned") || !strings.Contains(out, "prices") {
		t.Errorf("a version condemned since: %d %s", code, out)
	}
	var a verifier.GateAnswer
	if code := f.ask("GET", "/v1/gate?service=Shop&environment=live&version=1.4", "", &a); code != http.StatusOK || a.Allowed || a.Environment != "production" || a.Outcome != verifier.GateShut {
		t.Errorf("%d %+v", code, a)
	}

	told := len(chat.all())
	if code, out := gate("1.4", "--override"); code != exitTrouble || !strings.Contains(out, "--reason is missing") {
		t.Errorf("an override without a reason: %d %s", code, out)
	}
	if code, out := gate("1.4", "--override", "--reason", "the sale begins"); code != exitOK || !strings.Contains(out, "FAILED, LET THROUGH") || !strings.Contains(out, "overridden by local until") {
		t.Errorf("an override: %d %s", code, out)
	}
	if code, out := gate("1.4", "--format", "json"); code != exitOK || !strings.Contains(out, `"allowed": true`) || !strings.Contains(out, `"reason": "the sale begins"`) {
		t.Errorf("after the override: %d %s", code, out)
	}
	f.until("the override to be told", func() bool { return len(chat.all()) > told })
	if said := string(chat.all()[told].Raw); !strings.Contains(said, "local let shop 1.4 into production past the gate") || !strings.Contains(said, "the sale begins") || !strings.Contains(said, "prices") {
		t.Errorf("the team was told: %s", said)
	}
	f.ask("POST", "/v1/holds", `{"reason":"disk","stops":["gate"]}`, nil)
	if code, out := gate("1.4"); code != exitFailed || !strings.Contains(out, "held by local: disk") {
		t.Errorf("a hold after the override: %d %s", code, out)
	}
	if code, out := f.says("gate", "cart", "staging", "1.0"); code != exitFailed || !strings.Contains(out, "held") {
		t.Errorf("a hold over everything: %d %s", code, out)
	}
}

// TestGateSeesTestsFail holds that failed tests fail the watch that demands them, and shut the gate.
func TestGateSeesTestsFail(t *testing.T) {
	f := openFront(t, gateConfig, gateRules)
	defer f.stop()
	f.ask("POST", "/v1/deploys", `{"id":"s15","service":"shop","environment":"staging","version":"1.5"}`, nil)
	var v verifier.Verification
	if code := f.ask("POST", "/v1/verifications/s15/results", `[{"name":"smoke-pay","tests":7,"failed":2,"failures":["pays: no button"]},{"name":"smoke-find","passed":true}]`, &v); code != http.StatusOK || len(v.Results) != 2 || v.Results[0].By != "local" {
		t.Fatalf("%d %+v", code, v.Results)
	}
	f.until("the watch to fail", func() bool {
		f.ask("GET", "/v1/verifications/s15", "", &v)
		return v.State == verifier.FailedState
	})
	if text := v.Findings[0].Text; text != "2 of 7 tests of smoke-pay failed: pays: no button and 1 more." {
		t.Errorf("the finding says %s", text)
	}
	if code, out := f.says("gate", "shop", "production", "1.5", "--wait"); code != exitFailed || !strings.Contains(out, "1.5 failed in staging: 2 of 7 tests of smoke-pay failed") {
		t.Errorf("%d %s", code, out)
	}
	var page string
	if f.ask("GET", "/verifications/s15", "", &page); !strings.Contains(page, "smoke-pay") || !strings.Contains(page, "pays: no button") {
		t.Error("the page does not show the tests")
	}
	if code := f.ask("POST", "/v1/verifications/none/results", `{"name":"a","passed":true}`, nil); code != http.StatusNotFound {
		t.Errorf("results for nothing: %d", code)
	}
	broken := filepath.Join(f.folder, "broken.xml")
	if err := os.WriteFile(broken, []byte("<testsuite>\n<testcase>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"results", "s15", broken, "--name", "a"}, {"results", "shop", "staging", filepath.Join(f.folder, "none.xml")}, {"results", "none", broken}} {
		if code, out := f.says(args...); code != exitTrouble {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}

// TestGateOnTrouble holds what opens the gate when verifier cannot be asked: its absence, and no refusal.
func TestGateOnTrouble(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>no backend</html>")
	}))
	f := &front{t: t, url: server.URL}
	args := []string{"gate", "shop", "production", "1.4", "--format", "json"}
	for _, c := range []struct {
		status int
		flags  []string
		code   int
		out    string
	}{
		{503, nil, exitTrouble, "503"},
		{503, []string{"--on-trouble", "block"}, exitTrouble, "503"},
		{503, []string{"--on-trouble", "allow"}, exitOK, "UNCHECKED"},
		{503, []string{"--on-trouble", "maybe"}, exitTrouble, "must be block or allow"},
		{503, []string{"--wait", "--timeout", "100ms"}, exitTrouble, "503"},
		{503, []string{"--wait", "--timeout", "100ms", "--on-trouble", "allow"}, exitOK, "UNCHECKED"},
		{200, []string{"--on-trouble", "allow"}, exitOK, "UNCHECKED"}, // some other server's page
		{401, []string{"--on-trouble", "allow"}, exitTrouble, "401"},
		{422, []string{"--on-trouble", "allow"}, exitTrouble, "422"},
		{503, []string{"--reason", "x"}, exitTrouble, "--override"},
	} {
		status = c.status
		if code, out := f.says(append(args, c.flags...)...); code != c.code || !strings.Contains(out, c.out) {
			t.Errorf("%d with %v: %d %s", c.status, c.flags, code, out)
		}
	}
	server.Close()
	if code, out := f.says(append(args, "--on-trouble", "allow")...); code != exitOK || !strings.Contains(out, `"allowed": true`) || !strings.Contains(out, "WARNING") {
		t.Errorf("nobody there: %d %s", code, out)
	}
	if code, out := f.says(args...); code != exitTrouble || !strings.Contains(out, "verifier serve") {
		t.Errorf("nobody there: %d %s", code, out)
	}
}
