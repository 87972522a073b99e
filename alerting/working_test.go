package alerting

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestRealworldSlackBadTemplate sends through the receivers of a file whose templates do not exist, or were copied from an Alertmanager:
// every page arrives with something to read.
func TestRealworldSlackBadTemplate(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "testdata", "realworld", "slack-bad-template", "verifier.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, receivers, ok := strings.Cut(string(text), "\nreceivers:\n")
	if !ok {
		t.Fatal("no receivers in the file")
	}
	receivers, _, _ = strings.Cut(receivers, "\nself:")
	inbox := newInbox(t)
	a := load(t, strings.ReplaceAll("receivers:\n"+receivers, "http://127.0.0.1:23060", inbox.URL))
	in := SampleIncident(now)
	in.Revision = 1
	run(t, a, book{}, in, map[string]json.RawMessage{})
	if len(inbox.bodies) != 3 {
		t.Fatalf("%d messages, want 3: %v", len(inbox.bodies), inbox.bodies)
	}
	for _, body := range inbox.bodies {
		message := fmt.Sprint(body)
		for _, want := range []string{"checkout 1.4.2 failed in production (eu-1). Approve the rollback to 1.4.1?", "Errors: 4.1 % (131 of 3,210)"} {
			if !strings.Contains(message, want) {
				t.Errorf("no %q in %s", want, message)
			}
		}
		if strings.Contains(message, "<no value>") || strings.Contains(message, "| |") {
			t.Errorf("blanks in %s", message)
		}
	}
	noted := a.Broken()
	if noted["bad"] == "" || !strings.Contains(noted["bad"], "slack_configs.0.text") || !strings.Contains(noted["bad"], `"nope"`) || noted["am"] != "" || noted["teams"] != "" {
		t.Errorf("noted %q", noted)
	}
	if problems := a.TemplateProblems(in, now); len(problems) != 1 || problems[0].Receiver != "bad" || strings.Join(problems[0].Path, ".") != "slack_configs.0.text" {
		t.Errorf("problems %v", problems)
	}
}

// TestCopiedTemplates reads an alert as the templates of an Alertmanager do.
func TestCopiedTemplates(t *testing.T) {
	hook := newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: am, slack_configs: [{api_url: '%s', channel: x, title: '%s', text: '%s'}]}]\nroute: {receiver: am}", hook.URL,
		`[{{ .Status | toUpper }}] {{ .GroupLabels.alertname }} {{ .GroupLabels.service }} {{ .CommonLabels.environment }}`,
		`{{ range .Alerts }}{{ .Annotations.summary }} / {{ .Annotations.description }} / {{ .Annotations.runbook_url }}{{ end }}`))
	run(t, a, book{}, SampleIncident(now), map[string]json.RawMessage{})
	shown := hook.bodies[0]["attachments"].([]any)[0].(map[string]any)
	if shown["title"] != "[FIRING] Verifier checkout production" {
		t.Errorf("title %q", shown["title"])
	}
	if text := shown["text"].(string); !strings.HasPrefix(text, "🔴 checkout 1.4.2 failed in production") || !strings.HasSuffix(text, "replacing 1.4.1 / https://wiki.example.com/checkout") {
		t.Errorf("text %q", text)
	}
}

// TestPageEndsWhenNobodyIsNeeded: what waits for approval was withdrawn, so the page is over; when the rollback fails, there is another.
func TestPageEndsWhenNobodyIsNeeded(t *testing.T) {
	pager, hook := newInbox(t), newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: on-call, pagerduty_configs: [{routing_key: k, url: '%s'}], webhook_configs: [{url: '%s'}]}]\nroute: {receiver: on-call}", pager.URL, hook.URL))
	memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
	events := func() string {
		var out []string
		for _, body := range pager.bodies {
			out = append(out, fmt.Sprint(body["event_action"]))
		}
		return strings.Join(out, " ")
	}
	for i, step := range []struct {
		title  string
		person bool
		over   bool
		want   string
	}{
		{"checkout 1.4.2 failed in production. Approve the rollback to 1.4.1?", true, false, "trigger"},
		{"checkout 1.4.2 failed in production. Rolling back to 1.4.1 now", false, false, "trigger resolve"},
		{"checkout 1.4.2 failed in production. 1.4.1 is back; checking whether it helped", false, false, "trigger resolve"},
		{"checkout 1.4.2 failed in production. Rolled back to 1.4.1, still failing. You are needed", true, false, "trigger resolve trigger"},
		{"checkout 1.4.3 runs well in production", false, true, "trigger resolve trigger resolve"},
		{"checkout 1.4.3 runs well in production", false, true, "trigger resolve trigger resolve"},
	} {
		in.Title, in.Person, in.Revision = step.title, step.person, int64(i+1)
		if step.over {
			resolved := now.Add(time.Hour)
			in.Resolved = &resolved
		}
		run(t, a, b, in, memories)
		if got := events(); got != step.want {
			t.Fatalf("after %q the pager got %s, want %s", step.title, got, step.want)
		}
	}
	if n := len(hook.bodies); n != 5 {
		t.Errorf("the chat got %d messages, want 5", n)
	}
}

// TestIcons tells at a glance how things stand.
func TestIcons(t *testing.T) {
	resolved := now
	for want, in := range map[string]verifier.Incident{
		"🔴": {Severity: verifier.SeverityPage}, "🟠": {Severity: verifier.SeverityWarn}, "🟢": {Severity: verifier.SeverityPage, Resolved: &resolved},
		"🟡": {Severity: verifier.SeverityPage, Easing: true},
	} {
		if got := in.Headline(); !strings.HasPrefix(got, want) {
			t.Errorf("%+v is %q, want %s", in, got, want)
		}
	}
}
