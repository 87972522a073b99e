package main

import (
	"os"
	"strings"
	"testing"
)

// TestRealworldSlackBadTemplate: check names the template that does not exist and the message without text, and takes the receivers of an
// Alertmanager.
func TestRealworldSlackBadTemplate(t *testing.T) {
	text, err := os.ReadFile("../../testdata/realworld/slack-bad-template/verifier.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "{mode: suggest}", "{mode: off}", 1)
	t.Chdir(t.TempDir())
	write(t, "rules.yaml", "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n")
	check := func(config string) (int, string) {
		write(t, "verifier.yaml", config)
		return command(t, "check", "--config", "verifier.yaml")
	}
	const missing = `receivers[0].slack_configs[0].text: the template fails for a firing incident: template "nope" not defined`
	if code, out := check(config); code != exitTrouble || !strings.Contains(out, "verifier.yaml:14:") || !strings.Contains(out, missing) || strings.Contains(out, "receivers[1]") {
		t.Errorf("a template that does not exist: %d %s", code, out)
	}
	if code, out := check(strings.Replace(config, `{{ template "nope" . }}'`, `{{ .CommonAnnotations.nothing }}', title: ''`, 1)); code != exitTrouble || !strings.Contains(out, "receivers[0].slack_configs[0]: the message about a firing incident has no text (title, text, pretext)") {
		t.Errorf("a message without text: %d %s", code, out)
	}
	if code, out := check(strings.Replace(config, `{{ template "nope" . }}`, `{{ if eq .Status "resolved" }}{{ template "gone" . }}{{ end }}x`, 1)); code != exitTrouble || !strings.Contains(out, "for a resolved incident") {
		t.Errorf("a template that fails once it is over: %d %s", code, out)
	}
	if code, out := check(strings.Replace(config, `{{ template "nope" . }}`, `{{ .CommonAnnotations.title }}`, 1)); code != exitOK || !strings.Contains(out, "1 rule, 1 source, 1 catalogue entry: ok") {
		t.Errorf("receivers of an Alertmanager: %d %s", code, out)
	}
}
