package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"

	"verifier"
	"verifier/outbound"
)

// EmbeddedConfig is pages of metrics that the daemon scrapes itself, for teams without a Prometheus server.
type EmbeddedConfig struct {
	Pages     []PageConfig  `yaml:"pages"`
	Every     time.Duration `yaml:"every"`     // from scrape to scrape; default 5 s
	Data      string        `yaml:"data"`      // folder; default ./verifier.metrics
	Retention time.Duration `yaml:"retention"` // default 2 days
	Lag       time.Duration `yaml:"lag"`       // default every
	Budget    BudgetConfig  `yaml:"budget"`
}

// PageConfig is one page.
type PageConfig struct {
	URL             string            `yaml:"url"`
	Job             string            `yaml:"job"`    // label job; default the host
	Labels          map[string]string `yaml:"labels"` // of everything on the page
	BearerTokenFile string            `yaml:"bearer_token_file"`
	CAFile          string            `yaml:"ca_file"`
}

// Embedded answers what Prometheus answers, from the pages that it scrapes while it runs.
type Embedded struct {
	*Prometheus
	config EmbeddedConfig
	scrape *config.Config
	groups map[string][]*targetgroup.Group

	mu   sync.Mutex
	runs *embeddedRun // nil while it does not run
	why  error        // it does not
}

// NewEmbedded checks the configuration; it opens nothing and scrapes nothing before TakeOver.
func NewEmbedded(c EmbeddedConfig) (*Embedded, error) {
	if len(c.Pages) == 0 {
		return nil, verifier.Invalid("pages", "is missing; write [{url: 'http://127.0.0.1:9100/metrics'}]")
	}
	if c.Every < 0 || c.Retention < 0 || c.Lag < 0 {
		return nil, verifier.Invalid("every", "retention and lag must not be negative")
	}
	c.Every, c.Retention = cmp.Or(c.Every, 5*time.Second), cmp.Or(c.Retention, 48*time.Hour)
	c.Data, c.Lag = cmp.Or(c.Data, "./verifier.metrics"), cmp.Or(c.Lag, c.Every)
	e := &Embedded{config: c, groups: map[string][]*targetgroup.Group{}, why: errors.New("it does not run")}
	var err error
	if e.scrape, err = e.scrapeConfig(); err != nil {
		return nil, err
	}
	e.Prometheus = &Prometheus{
		url: &url.URL{Host: "the embedded metrics"}, api: e, lag: c.Lag, budget: newBudget(c.Budget),
		shared: newShared[promRange](min(moment, c.Lag/2), func(a promAnswer) bool { return a.err == nil }),
	}
	return e, nil
}

// Bounds of one scrape: what is larger is refused as a whole.
const (
	maxPage    = "32MB"
	maxSamples = 100_000
)

// scrapeConfig writes Prometheus' own configuration of the pages, and lets Prometheus read and check it.
func (e *Embedded) scrapeConfig() (*config.Config, error) {
	every := model.Duration(e.config.Every).String()
	var list []any
	for i, p := range e.config.Pages {
		u, err := url.Parse(p.URL)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return nil, verifier.Invalid("pages", "the url of page %d is no address without a user; write http://host:9100/metrics", i+1)
		}
		name := fmt.Sprintf("page %d", i)
		one := map[string]any{
			"job_name": name, "scheme": u.Scheme, "metrics_path": cmp.Or(u.Path, "/metrics"), "params": u.Query(), "scrape_interval": every, "scrape_timeout": every,
			"body_size_limit": maxPage, "sample_limit": maxSamples,
		}
		if p.BearerTokenFile != "" {
			one["authorization"] = map[string]any{"credentials_file": p.BearerTokenFile}
		}
		if p.CAFile != "" {
			one["tls_config"] = map[string]any{"ca_file": p.CAFile}
		}
		list = append(list, one)
		labels := model.LabelSet{"job": model.LabelValue(cmp.Or(p.Job, u.Hostname()))}
		for k, v := range p.Labels {
			labels[model.LabelName(k)] = model.LabelValue(v)
		}
		e.groups[name] = []*targetgroup.Group{{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}, Labels: labels, Source: name}}
	}
	text, err := json.Marshal(map[string]any{"scrape_configs": list}) // which is YAML too
	if err != nil {
		return nil, fmt.Errorf("write the scrape configuration: %w", err)
	}
	out, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, verifier.Invalid("pages", "%v", err)
	}
	return out, nil
}

// QueryRange answers as Prometheus' API does.
func (e *Embedded) QueryRange(ctx context.Context, text string, r promv1.Range, _ ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error) {
	e.mu.Lock()
	run, why := e.runs, e.why
	e.mu.Unlock()
	if run == nil {
		return nil, nil, nil, why
	}
	q, err := run.engine.NewRangeQuery(ctx, run.db, nil, text, r.Start, r.End, r.Step)
	if err != nil {
		return nil, nil, nil, &promv1.Error{Type: promv1.ErrBadData, Msg: err.Error()}
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		kind := promv1.ErrExec
		var late promql.ErrQueryTimeout
		var stopped promql.ErrQueryCanceled
		if errors.As(result.Err, &late) || errors.As(result.Err, &stopped) {
			kind = promv1.ErrTimeout
		}
		return nil, nil, nil, &promv1.Error{Type: kind, Msg: result.Err.Error()}
	}
	matrix, err := result.Matrix()
	if err != nil {
		return nil, nil, nil, &promv1.Error{Type: promv1.ErrBadResponse, Msg: err.Error()}
	}
	warnings, infos := result.Warnings.AsStrings(text, 5, 5)
	return seriesOf(matrix), warnings, infos, nil
}

// Ask says at the query of an answer without samples which pages cannot be read. There is no server that a link could lead to.
func (e *Embedded) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := e.Prometheus.Ask(ctx, questions)
	unread := sync.OnceValue(e.unread)
	for i, a := range answers {
		answers[i].Link = ""
		if a.Err == nil && len(a.Samples) == 0 {
			for _, page := range unread()[:min(3, len(unread()))] {
				answers[i].Query += " [" + page + "]"
			}
		}
	}
	return answers
}

// unread are the pages whose last scrape failed, and why.
func (e *Embedded) unread() []string {
	e.mu.Lock()
	run := e.runs
	e.mu.Unlock()
	if run == nil {
		return nil
	}
	var pages []string
	for _, targets := range run.manager.TargetsActive() {
		for _, t := range targets {
			if err := t.LastError(); err != nil {
				pages = append(pages, fmt.Sprintf("%s%s cannot be scraped: %v", t.URL().Host, t.URL().Path, outbound.Redact(err)))
			}
		}
	}
	slices.Sort(pages)
	return pages
}

// seriesOf copies what the engine keeps for itself.
func seriesOf(matrix promql.Matrix) model.Matrix {
	out := model.Matrix{}
	for _, s := range matrix {
		one := &model.SampleStream{Metric: model.Metric{}}
		for name, value := range s.Metric.Map() {
			one.Metric[model.LabelName(name)] = model.LabelValue(value)
		}
		for _, p := range s.Floats {
			one.Values = append(one.Values, model.SamplePair{Timestamp: model.Time(p.T), Value: model.SampleValue(p.F)})
		}
		for _, h := range s.Histograms { // which valuesOf refuses: only that there is one counts
			one.Histograms = append(one.Histograms, model.SampleHistogramPair{Timestamp: model.Time(h.T), Histogram: &model.SampleHistogram{}})
		}
		out = append(out, one)
	}
	return out
}
