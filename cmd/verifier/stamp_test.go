package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTimesCarryTheirZone reads what commands print, in the zone of the configuration or the server.
func TestTimesCarryTheirZone(t *testing.T) {
	t.Setenv("VERIFIER_TOKEN", "")
	f := openFront(t, "local: admin\ntimezone: Asia/Tokyo\nhooks: {github: {secret: hush}}\n"+frontConfig, frontRules)
	defer f.stop()
	f.write("x.log", errorLines(time.Now().Add(-time.Minute)))
	config := filepath.Join(f.folder, "verifier.yaml")
	f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","version":"1.1","at":"`+time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339)+`"}`, nil)
	f.ask("POST", "/v1/hooks/github", `{}`, nil, "X-GitHub-Event", "deployment_status", "X-Hub-Signature-256", signedBy("hush", `{}`))
	f.ask("POST", "/v1/holds", `{"reason":"disk","stops":["gate"],"until":"2100-01-01T00:00:00Z"}`, nil)
	f.says("mute", "--all", "--reason", "test", "--for", "36h")
	f.says("gate", "shop", "production", "1.1", "--override", "--reason", "sale")
	command(t, "token", "create", "ci", "--scope", "read", "--for", "9d", "--config", config)
	command(t, "deploys", "edit", "d1", "--set", "by=anna", "--reason", "who", "--config", config)
	for _, args := range []string{
		"status", "explain shop production", "hold list", "gate shop production 1.1", "token list", "deploys list", "deploys show d1", "hooks list",
	} {
		var out string
		if words := strings.Fields(args); words[0] == "token" || words[0] == "deploys" || words[0] == "hooks" {
			_, out = command(t, append(words, "--config", config)...)
		} else {
			_, out = f.says(words...)
		}
		found := clockTime.FindAllString(out, -1)
		for _, at := range found {
			if !strings.HasSuffix(at, " JST") {
				t.Errorf("%s prints %q without its zone: %s", args, at, out)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s prints no time: %s", args, out)
		}
	}
}

// clockTime is a time of the day with what may be its zone.
var clockTime = regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?(?: to \d\d:\d\d:\d\d)?( [A-Z]{3,4}\b)?`)
