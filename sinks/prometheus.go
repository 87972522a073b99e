package sinks

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"verifier"
)

// Prometheus is the daemon's own metrics, for a Prometheus server to fetch. Counters begin at 0 with the process, as Prometheus
// expects; the record itself is in the store.
type Prometheus struct {
	registry      *prometheus.Registry
	deploys       *prometheus.CounterVec
	verifications *prometheus.CounterVec
	rollbacks     *prometheus.CounterVec
	lateness      prometheus.Histogram
	querySeconds  *prometheus.HistogramVec
	queries       *prometheus.CounterVec
	lag           *prometheus.GaugeVec
	slowed        *prometheus.GaugeVec
	actions       *prometheus.CounterVec
	deliveries    *prometheus.CounterVec
	overdue       *prometheus.CounterVec
	lists         *prometheus.CounterVec
	foundLate     *prometheus.CounterVec
	rules         prometheus.Gauge
	reloadFailed  prometheus.Gauge
	places        places
}

// NewPrometheus makes the metrics. counts gives the active verifications and the waiting actions when it is asked.
func NewPrometheus(version string, counts func(context.Context) (active, waiting int, err error)) *Prometheus {
	p := &Prometheus{
		registry:      prometheus.NewRegistry(),
		places:        places{known: map[place]bool{}},
		deploys:       counter("verifier_deploys_total", "Deploys recorded.", "service", "environment", "kind", "status"),
		verifications: counter("verifier_verifications_total", "Verifications that came to this state.", "service", "environment", "state"),
		rollbacks:     counter("verifier_rollbacks_total", "Rollbacks that came to this state.", "service", "environment", "state"),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "verifier_wake_lateness_seconds", Help: "How late verifications were looked at.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
		querySeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "verifier_query_seconds", Help: "How long sources took to answer.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"source"}),
		queries:      counter("verifier_queries_total", "Calls of sources by how they ended.", "source", "result"),
		lag:          prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "verifier_source_lag_seconds", Help: "How old the newest event of a source was when it was last looked for; what its lag is set to where that is not known."}, []string{"source"}),
		slowed:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "verifier_source_slowed_seconds", Help: "By how much longer than wanted a watch waits between two questions to a source, for its budget's sake."}, []string{"source"}),
		actions:      counter("verifier_actions_total", "Alerts, rollback calls and reports by how they ended.", "kind", "result"),
		deliveries:   counter("verifier_deliveries_total", "What deploy tools sent, by what became of it.", "tool", "outcome"),
		overdue:      counter("verifier_deploys_overdue_total", "Deploys that have not ended after twice the usual time.", "service", "environment"),
		lists:        counter("verifier_tool_lists_total", "How often a deploy tool was asked for what was missed.", "tool", "result"),
		foundLate:    counter("verifier_found_late_total", "Deploys that were found in a tool's own list, because it did not send them.", "tool"),
		rules:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "verifier_rules_loaded", Help: "Rules in force."}),
		reloadFailed: prometheus.NewGauge(prometheus.GaugeOpts{Name: "verifier_rules_reload_failed", Help: "1 while the files on disk are wrong and older ones are in force."}),
	}
	for _, kind := range []verifier.ActionKind{verifier.ActionAlert, verifier.ActionRollback, verifier.ActionSink, verifier.ActionReport, verifier.ActionReady} {
		zero(p.actions, []string{string(kind)}, "ok", "retry", "given_up")
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "verifier_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	p.registry.MustRegister(p.deploys, p.verifications, p.rollbacks, p.lateness, p.querySeconds, p.queries, p.lag, p.slowed, p.actions, p.deliveries, p.overdue, p.lists, p.foundLate, p.rules,
		p.reloadFailed, build, &waiting{counts}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return p
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Handler serves them.
func (p *Prometheus) Handler() http.Handler {
	return promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Delivered counts what a deploy tool sent.
func (p *Prometheus) Delivered(tool string, outcome verifier.DeliveryOutcome) {
	p.deliveries.WithLabelValues(tool, string(outcome)).Inc()
}

// Listed counts how often a deploy tool was asked for what was missed, and what was found.
func (p *Prometheus) Listed(hook string, ok bool, found int) {
	result := "ok"
	if !ok {
		result = "failed"
	}
	p.lists.WithLabelValues(hook, result).Inc()
	p.foundLate.WithLabelValues(hook).Add(float64(found))
}

// Recorded counts a deploy event that brought something new.
func (p *Prometheus) Recorded(d verifier.Deploy) {
	at := p.place(d.Place)
	p.deploys.WithLabelValues(at.service, at.environment, string(d.Kind), string(d.Status)).Inc()
}

// Moved counts what changed between two states of a verification; before is the zero value for a new one.
func (p *Prometheus) Moved(before, after verifier.Verification) {
	at := p.place(after.Deploy.Place)
	if after.State != before.State {
		p.verifications.WithLabelValues(at.service, at.environment, string(after.State)).Inc()
	}
	for _, state := range RollbackMoves(before.Rollback, after.Rollback) {
		p.rollbacks.WithLabelValues(at.service, at.environment, string(state)).Inc()
	}
	if before.Overdue == nil && after.Overdue != nil {
		p.overdue.WithLabelValues(at.service, at.environment).Inc()
	}
}

// RollbackMoves are the states that a rollback came to between two moments, in order. One that is approved and sent at once came to both.
func RollbackMoves(before, after *verifier.Rollback) []verifier.RollbackState {
	if after == nil {
		return nil
	}
	var was verifier.RollbackState
	if before != nil && before.Number == after.Number {
		was = before.State
	}
	switch {
	case was == after.State:
		return nil
	case after.State == verifier.RollbackSent && (was == "" || was == verifier.RollbackProposed):
		return []verifier.RollbackState{verifier.RollbackApproved, after.State}
	}
	return []verifier.RollbackState{after.State}
}

// Woke notes how late a verification was looked at.
func (p *Prometheus) Woke(late time.Duration) { p.lateness.Observe(late.Seconds()) }

// Asked notes one call of a source.
func (p *Prometheus) Asked(source, result string, took time.Duration) {
	p.querySeconds.WithLabelValues(source).Observe(took.Seconds())
	p.queries.WithLabelValues(source, result).Inc()
}

// Lag notes how late a source's data are: as measured, else as configured.
func (p *Prometheus) Lag(source string, lag time.Duration) {
	p.lag.WithLabelValues(source).Set(lag.Seconds())
}

// Slowed notes by how much a source's budget slows the watches.
func (p *Prometheus) Slowed(source string, by time.Duration) {
	p.slowed.WithLabelValues(source).Set(by.Seconds())
}

// Configured begins the counters of hooks and sources at 0, and forgets the gauges of sources that are gone.
func (p *Prometheus) Configured(hooks, sources []string) {
	for _, hook := range hooks {
		for _, outcome := range []verifier.DeliveryOutcome{verifier.Recorded, verifier.Ignored, verifier.Unmapped, verifier.Unreadable, verifier.Conflict, verifier.Refused} {
			p.deliveries.WithLabelValues(hook, string(outcome))
		}
		zero(p.lists, []string{hook}, "ok", "failed")
		p.foundLate.WithLabelValues(hook)
	}
	p.lag.Reset()
	p.slowed.Reset()
	for _, source := range sources {
		zero(p.queries, []string{source}, "ok", string(verifier.SourceDown), string(verifier.BadData), string(verifier.PartialData))
	}
}

// Acted counts an action.
func (p *Prometheus) Acted(kind verifier.ActionKind, result string) {
	p.actions.WithLabelValues(string(kind), result).Inc()
}

// Loaded notes how many rules are in force, and whether the files on disk could be loaded.
func (p *Prometheus) Loaded(rules int, failed bool) {
	p.rules.Set(float64(rules))
	p.reloadFailed.Set(0)
	if failed {
		p.reloadFailed.Set(1)
	}
}

// waiting reads the gauges that the store knows when they are asked for.
type waiting struct {
	counts func(context.Context) (active, waiting int, err error)
}

var (
	activeDesc  = prometheus.NewDesc("verifier_verifications_active", "Verifications that have not ended.", nil, nil)
	waitingDesc = prometheus.NewDesc("verifier_actions_waiting", "Actions that are due, running or being tried again; alerts that are repeated later are not.", nil, nil)
)

func (w *waiting) Describe(out chan<- *prometheus.Desc) {
	out <- activeDesc
	out <- waitingDesc
}

func (w *waiting) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	active, actions, err := w.counts(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(activeDesc, err)
		return
	}
	out <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(active))
	out <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(actions))
}
