package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"sync"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"

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

// embeddedRun is the running parts: one writes what the pages say, and one answers.
type embeddedRun struct {
	db      *tsdb.DB
	engine  *promql.Engine
	manager *scrape.Manager
	done    chan struct{}
	sets    chan map[string][]*targetgroup.Group
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

// start opens the data and begins to scrape.
func (e *Embedded) start(log *slog.Logger) error {
	run, err := e.open(log)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs, e.why = run, nil; err != nil {
		e.runs, e.why = nil, fmt.Errorf("scrape by ourselves: %w", err)
	}
	return e.why
}

func (e *Embedded) open(log *slog.Logger) (*embeddedRun, error) {
	if err := os.MkdirAll(e.config.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of metrics: %w", err)
	}
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration, opts.StripeSize = e.config.Retention.Milliseconds(), 1<<10
	registry := prometheus.NewRegistry()
	db, err := tsdb.Open(e.config.Data, log, registry, opts, nil)
	if err != nil {
		return nil, fmt.Errorf("open the metrics in %s: %w", e.config.Data, err)
	}
	manager, err := scrape.NewManager(&scrape.Options{
		DiscoveryReloadInterval: model.Duration(100 * time.Millisecond),
		HTTPClientOptions:       []commonconfig.HTTPClientOption{commonconfig.WithDialContextFunc(outbound.Dial(outbound.Config{MaxBytes: 1 << 40}))},
	}, log, nil, db, nil, registry)
	if err == nil {
		err = manager.ApplyConfig(e.scrape)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("scrape: %w", err), db.Close())
	}
	run := &embeddedRun{
		db: db, manager: manager, done: make(chan struct{}), sets: make(chan map[string][]*targetgroup.Group, 1),
		engine: promql.NewEngine(promql.EngineOpts{
			Logger: log, MaxSamples: 5_000_000, Timeout: 30 * time.Second, LookbackDelta: 5 * time.Minute, EnableAtModifier: true,
			EnableNegativeOffset: true, NoStepSubqueryIntervalFn: func(int64) int64 { return e.config.Every.Milliseconds() }, Parser: parser.NewParser(parser.Options{}),
		}),
	}
	run.sets <- e.groups
	go func() {
		defer close(run.done)
		if err := manager.Run(run.sets); err != nil {
			log.Error("scraping ended", "err", err)
		}
	}()
	return run, nil
}

// stop ends scraping and closes the data.
func (e *Embedded) stop() error {
	e.mu.Lock()
	run := e.runs
	e.runs, e.why = nil, errors.New("it does not run any more")
	e.mu.Unlock()
	if run == nil {
		return nil
	}
	run.manager.Stop()
	<-run.done
	return errors.Join(run.engine.Close(), run.db.Close())
}

// TakeOver lets the embedded sources of now run, and ends those of before. One that did not change runs on. Nil is none.
func TakeOver(before, now map[string]*Limited, log *slog.Logger) error {
	old, fresh := embeddedOf(before), embeddedOf(now)
	var start []*Embedded
	for folder, e := range fresh {
		was := old[folder]
		if was == nil || !reflect.DeepEqual(was.config, e.config) {
			start = append(start, e)
			continue
		}
		was.mu.Lock()
		e.runs, e.why = was.runs, was.why
		was.mu.Unlock()
		delete(old, folder)
	}
	var problems []error
	for _, was := range old { // first, for the same folder may be opened anew
		problems = append(problems, was.stop())
	}
	for _, e := range start {
		problems = append(problems, e.start(log))
	}
	return errors.Join(problems...)
}

// embeddedOf are the embedded sources by their folders of data.
func embeddedOf(list map[string]*Limited) map[string]*Embedded {
	out := map[string]*Embedded{}
	for _, l := range list {
		switch b := l.Backend.(type) {
		case *Embedded:
			out[b.config.Data] = b
		case *ByEnvironment:
			for folder, e := range embeddedOf(b.backends) {
				out[folder] = e
			}
		}
	}
	return out
}
