package sources

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"

	"verifier/outbound"
)

// embeddedRun is the running parts: one writes what the pages say, and one answers.
type embeddedRun struct {
	db      *tsdb.DB
	engine  *promql.Engine
	manager *scrape.Manager
	done    chan struct{}
	sets    chan map[string][]*targetgroup.Group
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
