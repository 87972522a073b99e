package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples loads both example files as serve would.
func TestExamples(t *testing.T) {
	s, err := load("../../verifier.example.yaml", http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.rules.Len() != 8 || len(s.sources) != 2 || len(s.alerting.Receivers()) != 2 || len(s.ways) != 1 {
		t.Errorf("%d rules, %d sources, receivers %v, %d ways", s.rules.Len(), len(s.sources), s.alerting.Receivers(), len(s.ways))
	}
}

func TestBadConfigurations(t *testing.T) {
	const logs = "sources: {logs: {type: files, path: ./x.log}}\n"
	for text, want := range map[string]string{
		"lisen: x":                                                           `unknown field "lisen"`,
		"timezone: Mars/Base":                                                "timezone: \"Mars/Base\" is not known",
		"url: example.com":                                                   "url: \"example.com\" is no address",
		"sources: {a: {type: carbon}}":                                       `of type "carbon"`,
		"sources: {a: {url: x}}":                                             "has no type",
		"sources: {a: {type: files}}":                                        "sources.a: path: is missing",
		"retention: {evidence: -1h}":                                         "-1h is negative",
		"reports: [{cron: monthly}]":                                         "reports[0].cron",
		"holds: [{cron: '0 0 * * *'}]":                                       "holds[0].for is missing",
		"services: [{rollback: {mode: always}}]":                             "mode: \"always\" is none",
		"services: [{aliases: [x]}]":                                         "only an entry whose match names one service",
		logs + "hooks: {octopus: {header: x}}":                               "",
		logs + "receivers: [{name: a}]\nroute: {receiver: b}":                "b",
		logs + "self: {receiver: nobody}":                                    "receiver \"nobody\" is not there",
		logs + "receivers: [{name: a}]\nroute: {receiver: a, group_by: [x]}": "group_by",
		"listen: ${NO_SUCH_NAME_HERE}":                                       "verifier.yaml:1: ${NO_SUCH_NAME_HERE} is not set",
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "verifier.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rules := "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n"
		if err := os.WriteFile(filepath.Join(folder, "rules.yaml"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := load(path, http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

func command(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var buffer bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&buffer)
	root.SetErr(&buffer)
	if err := root.ExecuteContext(context.Background()); err != nil {
		return exitTrouble, buffer.String() + err.Error()
	}
	return exitOK, buffer.String()
}

func TestImportAndReport(t *testing.T) {
	store := filepath.Join(t.TempDir(), "v.db")
	file := filepath.Join(t.TempDir(), "deploys.csv")
	text := "at,service,environment,version,team\n2016-09-01T10:00:00Z,shop,production,1.0,web\n2016-09-02T10:00:00Z,shop,production,1.1,web\n2016-09-03T10:00:00Z,shop,production,1.0,web\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second adds nothing
		if code, out := command(t, "import", file, "--store", store); code != exitOK {
			t.Fatal(out)
		}
	}
	code, out := command(t, "report", "--month", "2016-09", "--store", store, "--format", "json")
	if code != exitOK || !strings.Contains(out, `"deploys": 3`) || !strings.Contains(out, `"rollbacks": 1`) {
		t.Errorf("%d %s", code, out)
	}
	if code, out := command(t, "report", "--month", "2016-13", "--store", store); code != exitTrouble || !strings.Contains(out, "2016-13") {
		t.Errorf("a month that is not one: %d %s", code, out)
	}
}

func TestTwoDaemonsOnOneStore(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"verifier.yaml": "listen: 127.0.0.1:0\nsources: {logs: {type: files, path: ./x.log}}\n",
		"rules.yaml":    "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "verifier.yaml")
	first, err := NewDaemon(t.Context(), path, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- first.Run(ctx) }()
	if _, err := NewDaemon(t.Context(), path, "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a second daemon: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
