package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	alertmanager "github.com/prometheus/alertmanager/config"

	"verifier/outbound"
)

// canary stands in every value that may be a secret.
const canary = "Kanarienvogel"

// withCanaries is a value of a type as it is written, with the canary in all secrets.
func withCanaries(t reflect.Type, name string, depth int) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case depth > 9 || slices.Contains([]string{"ca", "ca_ref", "cert", "cert_ref", "key_ref", "oauth2", "update_message"}, name) && depth > 3:
		return nil
	case t == reflect.TypeFor[outbound.Secret]() || t.Name() == "Secret":
		return "s-" + canary + "-1"
	case t.Name() == "SecretURL" || t.Name() == "URL" || name == "url" || name == "proxy_url":
		return "https://anna:" + canary + "@host.example.com/hooks/" + canary + "?token=" + canary
	case t == reflect.TypeFor[time.Duration]() || t.Kind() == reflect.Bool || t.Kind() == reflect.Int || t.Kind() == reflect.Interface:
		return nil
	case t.Kind() == reflect.String && strings.HasSuffix(name, "_file"):
		return nil
	case name == "headers" || name == "env" || name == "details":
		return map[string]any{"X-Api": canary + " x"}
	case t.Kind() == reflect.String:
		return "plain"
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		return map[string]any{"some": withCanaries(t.Elem(), name, depth+1)}
	case t.Kind() == reflect.Slice && name == "command":
		return []any{"/bin/echo", "--password", canary}
	case t.Kind() == reflect.Slice:
		return []any{withCanaries(t.Elem(), name, depth+1)}
	case t.Kind() != reflect.Struct:
		return nil
	}
	out := map[string]any{}
	for key, field := range fieldsOf(t) {
		if v := withCanaries(field, key, depth+1); v != nil {
			out[key] = v
		}
	}
	return out
}

// secretFiles are files with every type of source, sink, rollback and receiver, and a canary in each secret of theirs.
func secretFiles(t *testing.T) (files []string) {
	t.Helper()
	typed := func(kind string, empty any) any {
		one := withCanaries(reflect.TypeOf(empty), "", 0).(map[string]any)
		one["type"] = kind
		return one
	}
	sources, sinks := map[string]any{}, map[string]any{}
	for kind, empty := range sourceTypes {
		sources[kind] = typed(kind, empty())
	}
	for kind, empty := range sinkTypes {
		sinks[kind] = typed(kind, empty())
	}
	parts := []map[string]any{{
		"store": "postgres://verifier:" + canary + "@db/verifier?password=" + canary, "timezone": "Europe/Berlin", "sources": sources, "sinks": sinks,
		"hooks":    map[string]any{"github": map[string]any{"secret": canary, "api": map[string]any{"key": canary}}, "octopus": map[string]any{"header": "X-Key", "secret": "${CANARY}"}},
		"services": []any{map[string]any{"match": map[string]any{"service": "a"}, "rollback": withCanaries(reflect.TypeFor[RollbackConfig](), "", 0)}},
		"self":     map[string]any{"receiver": "all", "heartbeat": map[string]any{"url": "https://beat/" + canary}, "newrelic": map[string]any{"license_key": canary}},
	}, {"global": withCanaries(reflect.TypeFor[alertmanager.GlobalConfig](), "", 0), "route": map[string]any{"receiver": "all"}}}
	for kind, field := range fieldsOf(reflect.TypeFor[alertmanager.Receiver]()) {
		if strings.HasSuffix(kind, "_configs") {
			parts = append(parts, map[string]any{"receivers": []any{map[string]any{"name": "all", kind: withCanaries(field, kind, 0)}}, "route": map[string]any{"receiver": "all"}})
		}
	}
	for _, part := range parts {
		text, err := yaml.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	return files
}

// breakages are mistakes that people make in one line.
var breakages = []struct {
	name string
	of   func(line string) string
}{
	{"a key that is mistyped", func(l string) string { return regexp.MustCompile(`(\w)(\w+):`).ReplaceAllString(l, "${2}${1}:") }},
	{"no blank behind the colon", func(l string) string { return strings.Replace(l, ": ", ":", 1) }},
	{"no colon", func(l string) string { return strings.Replace(l, ":", "", 1) }},
	{"a blank more", func(l string) string { return " " + l }},
	{"a blank less", func(l string) string { return strings.TrimPrefix(l, " ") }},
	{"a tab", func(l string) string { return "\t" + l }},
	{"a quote that is not closed", func(l string) string { return strings.Replace(l, ": ", ": \"", 1) }},
	{"a bracket that is not closed", func(l string) string { return strings.Replace(l, ": ", ": {", 1) }},
	{"an alias of nothing", func(l string) string { return strings.Replace(l, ": ", ": *", 1) }},
	{"an anchor", func(l string) string { return strings.Replace(l, ": ", ": &", 1) }},
	{"a comment", func(l string) string { return "# " + l }},
	{"a comment behind", func(l string) string { return l + " # " + canary }},
	{"a list", func(l string) string { return strings.Replace(l, ": ", ": - ", 1) }},
	{"twice", func(l string) string { return l + "\n" + l }},
	{"two in one line", func(l string) string { return strings.Replace(l, ": ", ": x: ", 1) }},
	{"a block", func(l string) string { return strings.Replace(l, ": ", ": |\n", 1) }},
}

// TestNoSecretIsShown breaks a file with a secret in every field that takes one, line by line, and looks for the secrets in all that check
// prints and in the errors that the daemon logs, keeps and sends.
func TestNoSecretIsShown(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("CANARY", canary+"${")
	write(t, "rules.yaml", "rules:\n  - name: a\n    measure: {source: files, count: x}\n    limit: {above: 1, within: 1m}\n")
	canaries, broken := 0, 0
	for _, text := range secretFiles(t) {
		canaries += strings.Count(text, canary)
		lines := strings.Split(text, "\n")
		for i := 0; i < len(lines); i += 5 {
			b := breakages[(broken+i)%len(breakages)]
			mutated := append(append(append([]string{}, lines[:i]...), b.of(lines[i])), lines[i+1:]...)
			write(t, "verifier.yaml", strings.Join(mutated, "\n"))
			_, err := load("verifier.yaml", http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
			if err == nil {
				continue
			}
			broken++
			if seen := err.Error() + withExcerpts(err); strings.Contains(seen, canary) {
				at := strings.Index(seen, canary)
				t.Errorf("%s in line %d (%s): …%s…", b.name, i+1, lines[i], seen[max(0, at-300):min(len(seen), at+50)])
			}
		}
	}
	if canaries < 200 || broken < 150 {
		t.Errorf("%d canaries, %d broken files", canaries, broken)
	}
}

// TestDaemonKeepsFilesToItself breaks the line beside a secret while the daemon runs: the file's content gets neither into its log, nor its
// status, its pages, its database and the message to self.receiver. What they have is the place and the problem.
func TestDaemonKeepsFilesToItself(t *testing.T) {
	hook := openReceiver(t, nil)
	config := frontConfig + "receivers: [{name: sre, webhook_configs: [{url: '" + hook.URL + "'}]}]\nroute: {receiver: sre}\nself: {receiver: sre}\n"
	folder := t.TempDir()
	f := &front{t: t, folder: folder}
	f.write("verifier.yaml", config)
	f.write("rules.yaml", frontRules)
	var log bytes.Buffer
	d, err := NewDaemon(t.Context(), filepath.Join(folder, "verifier.yaml"), "", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	f.url, f.daemon = "http://"+d.Addr(), d
	for i, broken := range []string{
		"hooks:\n  github:\n    secert: " + canary + "\n    secret: " + canary + "\n",
		"sinks:\n  a:\n    type: github\n    token " + canary + "\n    url: https://x:" + canary + "@host\n",
		"hooks: {octopus: {header: X-Key, secret: '" + canary + "', api: {url: '" + canary + "', every: often}}}\n",
	} {
		f.write("verifier.yaml", config+broken)
		for range 200 {
			if n := len(hook.all()); n > i && d.problem.Load().(string) != "" && strings.Contains(fmt.Sprint(hook.all()[n-1]), fmt.Sprintf("verifier.yaml:%d:", strings.Count(config, "\n")+[]int{3, 4, 1}[i])) {
				break
			}
			d.tellSelf(t.Context())
			time.Sleep(50 * time.Millisecond)
		}
	}
	seen := map[string]string{"the message to self.receiver": fmt.Sprint(hook.all())}
	for _, path := range []string{"/", "/v1/status", "/incidents", "/holds", "/readyz", "/metrics"} {
		response, err := http.Get(f.url + path)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(response.Body)
		response.Body.Close()
		seen[path] = body.String()
	}
	_, seen["status"] = command(t, "status", "--server", f.url)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	seen["the log"] = log.String()
	files, _ := filepath.Glob(filepath.Join(folder, "*.db*"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		seen[file] += string(text)
	}
	for where, text := range seen {
		if at := strings.Index(text, canary); at >= 0 {
			t.Errorf("%s has the secret: …%s…", where, text[max(0, at-100):at+30])
		}
	}
	for _, want := range []string{`verifier.yaml:9:5: unknown field \"secert\"; did you mean secret?`, "verifier.yaml:"} {
		if !strings.Contains(seen["the log"], want) {
			t.Errorf("the log has no %s:\n%s", want, seen["the log"])
		}
	}
	for _, where := range []string{"/", "/v1/status", "status", "the message to self.receiver"} {
		if !strings.Contains(seen[where], "hooks.octopus.api.every") {
			t.Errorf("%s does not say what is wrong: %.2000s", where, seen[where])
		}
	}
}
