package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/sinks"
)

// kept is a log that can be read while it is written.
type kept struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (k *kept) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.Write(b)
}

// line is the last one with all of the words, or nothing.
func (k *kept) line(words ...string) (found string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range strings.Lines(k.text.String()) {
		has := true
		for _, w := range words {
			has = has && strings.Contains(line, w)
		}
		if has {
			found = line
		}
	}
	return found
}

// TestTheLogSaysWhatHappened finds a line for a verdict, a rollback's state, and a reload that needs a restart.
func TestTheLogSaysWhatHappened(t *testing.T) {
	f, said := &front{t: t, folder: t.TempDir()}, &kept{}
	f.write("verifier.yaml", frontConfig)
	f.write("rules.yaml", frontRules)
	d, err := NewDaemon(t.Context(), filepath.Join(f.folder, "verifier.yaml"), "", slog.New(slog.NewJSONHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() { stop(); <-done }()
	f.url, f.daemon = "http://"+d.Addr(), d

	f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","target":"eu","version":"1.1"}`, nil)
	f.write("x.log", errorLines(time.Now()))
	f.until("a verdict", func() bool { return said.line(`"msg":"verdict"`) != "" })
	f.until("a rollback's state", func() bool { return said.line(`"msg":"rollback"`) != "" })
	for _, want := range [][]string{
		{`"level":"INFO"`, `"msg":"verdict"`, `"deploy":"d1"`, `"service":"shop"`, `"environment":"production"`, `"target":"eu"`, `"version":"1.1"`, `"state":"failed"`, `"rules":"burst"`},
		{`"level":"INFO"`, `"msg":"rollback"`, `"deploy":"d1"`, `"state":"vetoed"`, `"guards":"`},
	} {
		if said.line(want...) == "" {
			t.Errorf("no line has all of %q; the last: %s%s", want, said.line(`"msg":"verdict"`), said.line(`"msg":"rollback"`))
		}
	}
	if line := said.line(`"msg":"verdict"`) + said.line(`"msg":"rollback"`); strings.Contains(line, `:""`) {
		t.Errorf("a value is empty: %s", line)
	}

	f.write("verifier.yaml", strings.Replace(frontConfig, "127.0.0.1:0", "127.0.0.1:9", 1)+"store: ./other.db\n")
	f.until("the reload", func() bool { return said.line("needs a restart") != "" })
	if said.line(`"level":"WARN"`, "a changed key needs a restart", `"keys":"listen, store"`) == "" {
		t.Errorf("the reload said %s", said.line("needs a restart"))
	}
	if code, out := f.says("status"); code != exitOK || !strings.Contains(out, "restart verifier to apply changes of listen and store") {
		t.Errorf("%d %s", code, out)
	}
	f.ask("POST", "/v1/holds", `{"reason":"disk"}`, nil)
	f.write("verifier.db.hold", "the old one is still it")
	if code, out := f.says("hold", "list"); code != exitOK || !strings.Contains(out, "the old one is still it") {
		t.Errorf("the hold file moved with a store that did not: %d %s", code, out)
	}
	f.write("verifier.yaml", frontConfig)
	f.until("the next reload", func() bool {
		var s Status
		return f.ask("GET", "/v1/status", "", &s) == http.StatusOK && len(s.Restart) == 0
	})
}

// TestRestartKeys names what a reload cannot change.
func TestRestartKeys(t *testing.T) {
	first := &Config{Listen: "127.0.0.1:1", Store: "a.db", Timezone: "UTC"}
	for _, c := range []struct {
		flag string
		now  Config
		want string
	}{
		{"", *first, ""},
		{"", Config{Listen: "127.0.0.1:2", Store: "a.db", Timezone: "UTC"}, "listen"},
		{"127.0.0.1:3", Config{Listen: "127.0.0.1:2", Store: "a.db", Timezone: "UTC"}, ""},
		{"", Config{Listen: "127.0.0.1:2", Store: "b.db", Timezone: "Asia/Tokyo", Self: SelfConfig{NewRelic: &AgentConfig{}}}, "listen self.newrelic store timezone"},
	} {
		if got := strings.Join(fixedBy(first, c.flag).differs(&c.now), " "); got != c.want {
			t.Errorf("%+v with flag %q: %q, want %q", c.now, c.flag, got, c.want)
		}
	}
}

// TestLinesOfRollbacks name each state that a rollback came to, and why.
func TestLinesOfRollbacks(t *testing.T) {
	said := &kept{}
	d := &Daemon{log: slog.New(slog.NewTextHandler(said, nil)), metrics: sinks.NewPrometheus("test", nil)}
	by := "anna"
	v := verifier.Verification{State: verifier.FailedState, Deploy: verifier.Deploy{ID: "d", Place: verifier.Place{Service: "shop", Environment: "production"}, Version: "1.1"}}
	with := func(s verifier.RollbackState, reason string) verifier.Verification {
		w := v
		w.Rollback = &verifier.Rollback{State: s, From: "1.1", To: "1.0", By: &by, Reason: reason, Number: 1}
		return w
	}
	d.noteMoved(with(verifier.RollbackProposed, ""), with(verifier.RollbackSent, ""))
	d.noteMoved(with(verifier.RollbackSent, ""), with(verifier.RollbackRefused, "HTTP 404"))
	d.noteMoved(with(verifier.RollbackRefused, "HTTP 404"), with(verifier.RollbackRefused, "HTTP 404"))
	for _, want := range []string{"state=approved", "state=sent from=1.1 to=1.0 by=anna", `state=refused from=1.1 to=1.0 by=anna reason="HTTP 404"`} {
		if said.line("msg=rollback", "service=shop", want) == "" {
			t.Errorf("no line has %q:\n%s", want, said.text.String())
		}
	}
	if n := strings.Count(said.text.String(), "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, said.text.String())
	}
}
