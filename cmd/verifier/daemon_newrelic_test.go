package main

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/lifecycle"
	"verifier/outbound"
)

// collector is New Relic's end of the agent's protocol, without a network.
type collector struct {
	mu   sync.Mutex
	got  map[string]string // by method
	host string
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = zip
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	method := r.URL.Query().Get("method")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got[method] += string(text)
	c.host = r.URL.Host
	said := map[string]string{"preconnect": `{"redirect_host":"special"}`, "connect": `{"agent_run_id":"1"}`}[method]
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"return_value":` + orDefault(said, "null") + `}`)), Request: r}, nil
}

// oneSource answers everything with nothing.
type oneSource struct{ lifecycle.Backend }

func (oneSource) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	return make([]verifier.Answer, len(questions))
}

func TestAgentTellsOfTheDaemon(t *testing.T) {
	t.Parallel()
	c := &collector{got: map[string]string{}}
	cfg := &Config{Self: SelfConfig{NewRelic: &AgentConfig{AppName: "watcher", LicenseKey: "0123456789abcdef0123456789abcdef01234567", Host: "collector.test"}}}
	a, err := openAgent(cfg, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() {
		a.keep(ctx, func(context.Context) (int, int, error) { return 3, 5, nil })
		close(kept)
	}()
	for end := time.Now().Add(20 * time.Second); !a.connected.Load(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not connect")
		}
	}
	wake, done := a.begin(t.Context(), "wake")
	sources := a.watched(lifecycle.Backends{"logs": oneSource{}})
	if got := sources["logs"].Ask(wake, make([]verifier.Question, 2)); len(got) != 2 {
		t.Errorf("%d answers", len(got))
	}
	done()
	a.woke(time.Second)
	stop()
	<-kept
	c.mu.Lock()
	defer c.mu.Unlock()
	for method, texts := range map[string][]string{
		"connect":             {`"watcher"`, `"version"`},
		"analytic_event_data": {`"OtherTransaction/Go/wake"`},
		"metric_data":         {`"Custom/ask/logs"`, `"Custom/verifier/wake_lateness_seconds"`, `"Custom/verifier/verifications_active"`, `"Custom/verifier/actions_waiting"`},
	} {
		for _, text := range texts {
			if !strings.Contains(c.got[method], text) {
				t.Errorf("%s does not hold %s: %.2000s", method, text, c.got[method])
			}
		}
	}
	if c.host != "special" {
		t.Errorf("it spoke to %s", c.host)
	}
}

// Without the key, nothing is told, and nothing is in the way.
func TestNoAgent(t *testing.T) {
	a, err := openAgent(&Config{}, nil, nil)
	if err != nil || a != nil {
		t.Fatal(a, err)
	}
	ctx, done := a.begin(t.Context(), "wake")
	done()
	a.woke(time.Second)
	a.keep(ctx, nil)
	backends := lifecycle.Backends{"logs": oneSource{}}
	if got := a.watched(backends); got["logs"] != backends["logs"] {
		t.Error("the sources are not those that they were")
	}
	if got := (segmented{oneSource{}, "logs"}).Ask(t.Context(), make([]verifier.Question, 1)); len(got) != 1 {
		t.Error("a source outside of a transaction does not answer")
	}
}

func TestAgentConfig(t *testing.T) {
	for key, want := range map[string]string{
		"":          "license_key: is missing; write license_key_file",
		"NRAK-TEST": "license_key: has 9 characters, and an ingest key has 40; is it a user key (NRAK-...)?",
	} {
		_, err := openAgent(&Config{Self: SelfConfig{NewRelic: &AgentConfig{LicenseKey: outbound.Secret(key)}}}, nil, nil)
		if !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", key, err)
		}
	}
}
