package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/newrelic/go-agent/v3/newrelic"

	"verifier"
	"verifier/lifecycle"
	"verifier/outbound"
)

// AgentConfig makes the daemon an application of New Relic's. Without a license key there is none.
type AgentConfig struct {
	AppName        string          `yaml:"app_name"` // default verifier
	LicenseKey     outbound.Secret `yaml:"license_key"`
	LicenseKeyFile string          `yaml:"license_key_file"`
	Host           string          `yaml:"host"` // of the collector, where it is not the one of the license key's region
}

const licenseLength = 40

// license checks the configuration and gives the key.
func (a *AgentConfig) license(c *Config) (outbound.Secret, error) {
	key, err := outbound.ReadSecret(a.LicenseKey.Reveal(), c.relative(a.LicenseKeyFile))
	switch {
	case err != nil:
		return "", verifier.Invalid("license_key", "%v", err)
	case key == "":
		return "", verifier.Invalid("license_key", "is missing; write license_key_file with an ingest key, or take newrelic out")
	case len(key.Reveal()) != licenseLength:
		return "", verifier.Invalid("license_key", "has %d characters, and an ingest key has %d; is it a user key (NRAK-...)?", len(key.Reveal()), licenseLength)
	}
	return key, nil
}

// agent tells New Relic of the daemon itself: a transaction for each wake and action, a segment for each source that is asked, custom
// metrics. A nil agent does nothing. What happens before it is connected is not told.
type agent struct {
	app       *newrelic.Application
	connected atomic.Bool
}

// openAgent makes the agent that is configured, or nil. It connects by itself, and never holds up anything.
func openAgent(c *Config, rt http.RoundTripper, log *slog.Logger) (*agent, error) {
	a := c.Self.NewRelic
	if a == nil {
		return nil, nil
	}
	license, err := a.license(c)
	if err != nil {
		return nil, err
	}
	app, err := newrelic.NewApplication(
		newrelic.ConfigAppName(orDefault(a.AppName, "verifier")), newrelic.ConfigLicense(license.Reveal()),
		func(cfg *newrelic.Config) {
			cfg.Host = a.Host
			cfg.Transport, cfg.Logger = rt, agentLog{log}
			cfg.Labels = map[string]string{"version": version}
			// Whoever runs the daemon knows where: nobody asks the cloud's metadata.
			u := &cfg.Utilization
			u.DetectAWS, u.DetectAzure, u.DetectGCP, u.DetectPCF = false, false, false, false
		})
	if err != nil {
		return nil, c.doc.bad(key{"self", "newrelic"}, "%v", outbound.Redact(err))
	}
	return &agent{app: app}, nil
}

func (a *agent) connect(ctx context.Context) {
	for ctx.Err() == nil {
		if a.app.WaitForConnection(time.Second) == nil {
			a.connected.Store(true)
			return
		}
	}
}

// begin starts a transaction, which ends when done is called.
func (a *agent) begin(ctx context.Context, what string) (_ context.Context, done func()) {
	if a == nil || !a.connected.Load() {
		return ctx, func() {}
	}
	transaction := a.app.StartTransaction(what)
	return newrelic.NewContext(ctx, transaction), transaction.End
}

// watched are the sources with a segment around each call.
func (a *agent) watched(backends lifecycle.Backends) lifecycle.Backends {
	if a == nil {
		return backends
	}
	out := lifecycle.Backends{}
	for name, b := range backends {
		out[name] = segmented{b, name}
	}
	return out
}

type segmented struct {
	lifecycle.Backend
	name string
}

// Ask asks the source inside a segment of the wake's transaction.
func (s segmented) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	segment := newrelic.FromContext(ctx).NewGoroutine().StartSegment("ask/" + s.name)
	defer segment.End()
	return s.Backend.Ask(ctx, questions)
}

// Turn is the source's own, where it has a budget.
func (s segmented) Turn(watch string, questions []verifier.Question, now time.Time) (time.Time, string) {
	if p, ok := s.Backend.(lifecycle.Paced); ok {
		return p.Turn(watch, questions, now)
	}
	return now, ""
}

func (a *agent) woke(late time.Duration) { a.metric("wake_lateness_seconds", late.Seconds()) }

func (a *agent) metric(name string, value float64) {
	if a != nil && a.connected.Load() {
		a.app.RecordCustomMetric("verifier/"+name, value)
	}
}

// keepAgent serves the agent.
func (d *Daemon) keepAgent(ctx context.Context) { d.agent.keep(ctx, d.store.Counts) }

const agentEvery = 15 * time.Second

// keep tells how much there is to do, until the context ends; then it sends what was gathered.
func (a *agent) keep(ctx context.Context, counts func(context.Context) (active, waiting int, err error)) {
	if a == nil {
		return
	}
	a.connect(ctx)
	tick := time.NewTicker(agentEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if active, waiting, err := counts(ctx); err == nil {
			a.metric("verifications_active", float64(active))
			a.metric("actions_waiting", float64(waiting))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	a.app.Shutdown(3 * time.Second)
}

// agentLog hands on what the agent warns of.
type agentLog struct{ log *slog.Logger }

func (l agentLog) Error(text string, facts map[string]any) { l.say(slog.LevelError, text, facts) }
func (l agentLog) Warn(text string, facts map[string]any)  { l.say(slog.LevelWarn, text, facts) }
func (l agentLog) Info(text string, facts map[string]any)  { l.say(slog.LevelDebug, text, facts) }
func (agentLog) Debug(string, map[string]any)              {}
func (agentLog) DebugEnabled() bool                        { return false }

func (l agentLog) say(level slog.Level, text string, facts map[string]any) {
	l.log.Log(context.Background(), level, "New Relic's agent: "+text, "facts", outbound.Excerpt(fmt.Sprint(facts)))
}
