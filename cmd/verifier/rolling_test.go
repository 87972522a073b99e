package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestRollingThroughTheFrontDoor posts a deploy host by host: it is watched from the first changed host on, fails beside hosts that are
// not changed yet, and is rolled back to what those still run.
func TestRollingThroughTheFrontDoor(t *testing.T) {
	t.Parallel()
	f := openFront(t, frontConfig+`
services:
  - match: {service: shop}
    rollback: {mode: approve, by: {command: {command: ['true']}}}
`, `
defaults: {settle: 0, watch: 20s, every: 200ms}
rules:
  - name: burst
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 5, within: 2s}
    on_fail: rollback
`)
	defer f.stop()
	now := time.Now().UTC()
	post := func(id, version, status, hosts string, at time.Time) (r verifier.Receipt) {
		t.Helper()
		body := fmt.Sprintf(`{"id":%q,"service":"shop","environment":"production","version":%q,"status":%q,"hosts":[%s],"at":%q}`, id, version, status, hosts, at.Format(time.RFC3339Nano))
		if code := f.ask("POST", "/v1/deploys", body, &r); code != 202 {
			t.Fatalf("%s answers %d", body, code)
		}
		return r
	}
	post("old", "1.0", "succeeded", "", now.Add(-2*time.Hour))
	if code := f.ask("POST", "/v1/deploys/old/mark", `{"good":true}`, nil); code != 200 {
		t.Fatalf("mark answers %d", code)
	}
	if r := post("new", "1.1", "started", "", now.Add(-time.Second)); r.State != verifier.Waiting {
		t.Errorf("without a changed host it is %s", r.State)
	}
	var lines strings.Builder
	for i := range 100 { // web1 is changed now and fails from then on; web2 is not, and does not
		at := now.Add(time.Duration(i-30) * 100 * time.Millisecond).Format(time.RFC3339Nano)
		level := "INFO"
		if i > 30 {
			level = "ERROR"
		}
		fmt.Fprintf(&lines, `{"@timestamp":%q,"log.level":%q,"service.name":"shop","service.environment":"production","host.name":"web1"}`+"\n", at, level)
		fmt.Fprintf(&lines, `{"@timestamp":%q,"log.level":"INFO","service.name":"shop","service.environment":"production","host.name":"web2"}`+"\n", at)
	}
	f.write("x.log", lines.String())
	post("new", "1.1", "started", `"web1"`, now)
	var v verifier.Verification
	for range 100 {
		f.ask("GET", "/v1/verifications/new", "", &v)
		if v.State == verifier.FailedState {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if v.State != verifier.FailedState || v.Deploy.Status != verifier.Started || !v.From.Equal(now.Truncate(time.Millisecond)) {
		t.Fatalf("the first host fails: %s %s from %s %+v", v.State, v.Deploy.Status, v.From, v.Findings)
	}
	if v.Rollback == nil || v.Rollback.To != "1.0" || v.Rollback.State != verifier.RollbackProposed {
		t.Errorf("rollback %+v", v.Rollback)
	}
	for path, want := range map[string]string{"/verifications/new": "The deploy has changed web1 so far.", "/deploys/new": "web1"} {
		var page string
		if code := f.ask("GET", path, "", &page); code != 200 || !strings.Contains(page, want) {
			t.Errorf("%s answers %d without %q", path, code, want)
		}
	}
}

// TestOverdueThroughTheFrontDoor: a deploy that takes twice as long as usual is told of, in API, console, metric and to its team.
func TestOverdueThroughTheFrontDoor(t *testing.T) {
	chat := openReceiver(t, nil)
	f := openFront(t, frontConfig+"receivers: [{name: chat, webhook_configs: [{url: '"+chat.URL+"'}]}]\nroute: {receiver: chat}\n", frontRules)
	defer f.stop()
	now := time.Now().UTC()
	post := func(id, version, status string, ago time.Duration) {
		t.Helper()
		body := fmt.Sprintf(`{"id":%q,"service":"shop","environment":"production","version":%q,"status":%q,"at":%q}`, id, version, status, now.Add(-ago).Format(time.RFC3339Nano))
		if code := f.ask("POST", "/v1/deploys", body, nil); code != 202 {
			t.Fatalf("%s answers %d", body, code)
		}
	}
	for i := range 3 {
		hours := time.Duration(4-i) * time.Hour
		id := fmt.Sprintf("d%d", i)
		post(id, "1."+id, "succeeded", hours-2*time.Minute) // first: without it, the start is overdue at once
		post(id, "1."+id, "started", hours)
	}
	post("slow", "2.0", "started", 5*time.Minute)
	var v verifier.Verification
	f.until("it is told", func() bool { f.ask("GET", "/v1/verifications/slow", "", &v); return v.Overdue != nil })
	if v.State != verifier.Waiting || v.Ended != nil {
		t.Errorf("it is %s, ended %v", v.State, v.Ended)
	}
	for path, want := range map[string]string{
		"/metrics":            `verifier_deploys_overdue_total{environment="production",service="shop"} 1`,
		"/verifications/slow": "It has taken twice as long as usual",
		"/v1/incidents":       "shop 2.0 was started in production and has not ended",
	} {
		f.until(path+" to say "+want, func() bool { return strings.Contains(f.text(path), want) }) // counted once it is saved
	}
	f.until("the team hears of it", func() bool {
		return slices.ContainsFunc(chat.all(), func(in taken) bool {
			return strings.Contains(string(in.Raw), "shop 2.0 was started in production and has not ended")
		})
	})
}
