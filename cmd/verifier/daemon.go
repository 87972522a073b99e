package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"verifier"
	"verifier/alerting"
	"verifier/intake"
	"verifier/lifecycle"
	"verifier/outbound"
	"verifier/rollback"
	"verifier/rules"
	"verifier/sinks"
	"verifier/sources"
	"verifier/store"
	"verifier/web"
)

// Daemon is the running program: the store, the one loop, the server, and what the files say now.
type Daemon struct {
	store   *store.Store
	runner  *lifecycle.Runner
	metrics *sinks.Prometheus
	server  *http.Server
	ln      net.Listener
	rt      transport
	agent   *agent // nil: New Relic is not told of the daemon itself
	log     *slog.Logger
	now     func() time.Time

	missed missed

	blindAt    time.Time                         // when rules without data were last looked for; of keepSelf alone
	blindTexts atomic.Pointer[map[string]string] // by the names of their incidents; nil before the first look

	setup   atomic.Pointer[setup]
	problem atomic.Value             // string: why the last reload failed
	start   fixed                    // what a reload cannot change
	restart atomic.Pointer[[]string] // keys of the files that only a restart would apply
}

// setup is everything that comes out of the files; a reload replaces it as a whole.
type setup struct {
	cfg       *Config
	catalogue *verifier.Catalogue
	rules     *rules.Set
	sources   map[string]*sources.Limited
	backends  lifecycle.Backends
	alerting  *alerting.Alerting
	ways      map[string]rollback.Way
	sinks     map[string]sinks.Sink
	hooks     intake.Hooks
	stamp     string // of the files on disk when they were read
}

// load reads the files and makes everything that they speak of. It asks nobody.
func load(path string, rt transport, log *slog.Logger, observe func(source, result string, took time.Duration)) (*setup, error) {
	return loadFrom(readConfig(path), rt, log, observe)
}

// loadFrom makes everything that a configuration speaks of. The error names all that is wrong with it and with its rules.
func loadFrom(cfg *Config, rt transport, log *slog.Logger, observe func(source, result string, took time.Duration)) (*setup, error) {
	if cfg.doc == nil && len(cfg.problems.list) > 0 {
		return nil, cfg.problems.list[0]
	}
	s := &setup{cfg: cfg, catalogue: cfg.catalogue(), sources: cfg.backends(observe)}
	s.backends = asBackends(s.sources)
	list := []error{cfg.loadRules(s), cfg.loadAlerting(s, log)}
	s.hooks, s.sinks, s.ways = cfg.openHooks(rt), cfg.openSinks(rt), cfg.ways(rt)
	if err := verifier.SortErrors(append(list, cfg.problems.list...)...); err != nil {
		return nil, err
	}
	s.stamp = stampOf(s)
	return s, nil
}

// loadRules reads the rules. Their errors show nothing of the files.
func (c *Config) loadRules(s *setup) (err error) {
	if c.problems.told(key{"rules"}) || c.doc != nil && c.doc.body == nil && len(c.problems.list) > 0 {
		return nil // it is not known which they are, or what they measure by
	}
	s.rules, err = rules.Load(c.relative(c.Rules), c.checks())
	return placesOnly(err)
}

// loadAlerting reads Alertmanager's part, and holds the receivers against the names that the other parts have for them.
func (c *Config) loadAlerting(s *setup, log *slog.Logger) error {
	external, err := url.Parse(c.URL)
	if err != nil {
		external = &url.URL{} // the address is named as wrong already
	}
	var text []byte
	if c.doc != nil && c.doc.body != nil {
		text = c.doc.text
	}
	if s.alerting, err = alerting.Load(text, c.path, outbound.Dial(outbound.Config{}), external, log); err != nil {
		return c.doc.shown(err)
	}
	c.checkReceivers(c.problems, s.alerting.Receivers(), s.alerting.Pagers)
	return nil
}

// placesOnly are the errors without excerpts of the files.
func placesOnly(err error) error {
	list := verifier.EachError(err)
	for i, one := range list {
		var at *verifier.FileError
		if errors.As(one, &at) {
			list[i] = at
		}
	}
	return errors.Join(list...)
}

// NewDaemon opens the store, takes its lock, listens, and starts nothing yet.
func NewDaemon(ctx context.Context, path, listen string, log *slog.Logger) (_ *Daemon, err error) {
	d := &Daemon{log: log, now: time.Now, missed: missed{tools: map[string]*asked{}}}
	d.problem.Store("")
	if d.rt, err = newTransport(); err != nil {
		return nil, err
	}
	d.metrics = sinks.NewPrometheus(version, func(ctx context.Context) (int, int, error) { return d.store.Counts(ctx) })
	first, err := load(path, d.rt, log, d.metrics.Asked)
	if err != nil {
		return nil, err
	}
	d.start = fixedBy(first.cfg, listen)
	first.cfg.Listen = d.start.listen
	if d.agent, err = openAgent(first.cfg, d.rt, log); err != nil {
		return nil, err
	}
	d.use(first)
	if d.store, err = store.Open(ctx, first.cfg.relative(first.cfg.Store), func() *verifier.Catalogue { return d.live().catalogue }); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.store.Close()
		}
	}()
	if err = d.store.Lock(); err != nil {
		return nil, err
	}
	if d.ln, err = net.Listen("tcp", first.cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if first.cfg.bound {
		first.cfg.URL = linkTo(d.ln.Addr()) // the port may be the system's choice, or --listen's
	}
	if err = d.wire(first.cfg); err != nil {
		return nil, errors.Join(err, d.ln.Close())
	}
	return d, nil
}

// wire makes the loop and the server, top to bottom.
func (d *Daemon) wire(cfg *Config) error {
	ways := rollback.NewCaller(func(name string) (rollback.Way, bool) { way, ok := d.live().ways[name]; return way, ok })
	d.runner = &lifecycle.Runner{
		Store: d.store, World: d.world, Sources: func() lifecycle.Backends { return d.agent.watched(d.live().backends) }, Now: d.now, Log: d.log,
		Performers: map[verifier.ActionKind]verifier.Performer{
			verifier.ActionAlert: performer(func(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
				return d.live().alerting.Performer(d.store, d.muted).Perform(ctx, a)
			}),
			verifier.ActionRollback: ways,
			verifier.ActionReady:    rollback.Asker{Caller: ways},
			verifier.ActionReport:   performer(d.sendReport),
			verifier.ActionSink: &sinks.Performer{
				Sink: func(name string) (sinks.Sink, bool) { sink, ok := d.live().sinks[name]; return sink, ok },
				State: func(ctx context.Context, id string) (verifier.State, error) {
					v, err := d.store.Verification(ctx, id)
					return v.State, err
				},
				Mark: func(ctx context.Context, id string) (*verifier.Mark, error) {
					v, err := d.store.Verification(ctx, id)
					return v.Mark, err
				},
			},
		},
		Observer: lifecycle.Observer{Woke: func(late time.Duration) { d.metrics.Woke(late); d.agent.woke(late) }, Begin: d.agent.begin, Moved: d.noteMoved, Acted: d.metrics.Acted},
	}
	events := intake.New(func() intake.Hooks { return d.live().hooks }, recorder{d}, web.Problem, d.now)
	d.server = web.Server(cfg.Listen, web.New(web.Config{
		URL: cfg.URL, Loopback: isLoopback(d.ln.Addr()), Local: d.local, Zone: cfg.zone, Now: d.now, Log: d.log, Version: version,
		Intake: events, Metrics: d.metrics.Handler(), Order: d.order, Presses: d.presses, Gate: d.gate, Known: d.knows, Scope: d.scope, Override: d.overrideGate, Results: d.results, Held: d.runner.Held, Template: sources.Template, Report: d.report, Explain: d.explain, Costs: d.ruleCosts,
		AlertTest: d.alertTest, Ready: d.ready, Status: d.status, Banner: d.banner,
	}, marking{d.store, d}))
	d.server.ErrorLog = slog.NewLogLogger(d.log.Handler(), slog.LevelError)
	return nil
}

// performer makes a Performer of a function.
type performer func(context.Context, verifier.Action) (verifier.Performed, error)

// Perform calls the function.
func (p performer) Perform(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	return p(ctx, a)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// linkTo is where people find what listens there: who listens everywhere is found by the machine's name.
func linkTo(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		if host, err := os.Hostname(); err == nil {
			return "http://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
		}
	}
	return "http://" + a.String()
}

// Addr is where it listens.
func (d *Daemon) Addr() string { return d.ln.Addr().String() }

// afterStart is when what only the start needed is given back.
const afterStart = 5 * time.Second

// Run serves and works until the context ends; then it finishes what is in flight, within 10 s, and closes the store.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.store.Close()
	if err := d.prepare(ctx); err != nil {
		d.ln.Close()
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return err
	}
	d.failed("scrape by ourselves", sources.TakeOver(nil, d.live().sources, d.log))
	defer func() { d.failed("end scraping", sources.TakeOver(d.live().sources, nil, d.log)) }()
	work, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	for _, part := range []func(context.Context){d.runner.Run, d.keepSchedules, d.keepFiles, d.keepSelf, d.keepHeartbeat, d.keepMissed, d.keepAgent, d.resumeImports} {
		group.Go(func() { part(work) })
	}
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.ln) }()
	d.log.Info("verifier is up", "version", version, "url", "http://"+d.Addr(), "rules", d.live().rules.Len(), "sources", len(d.live().sources))
	trim := time.AfterFunc(afterStart, giveBack)
	defer trim.Stop()
	var err error
	select {
	case err = <-served:
		stop()
	case <-ctx.Done():
		d.log.Info("stopping: what is in flight is finished first")
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if d.server.Shutdown(closing) != nil {
			d.server.Close()
		}
		cancel()
	}
	group.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// prepare brings the store to what the files say.
func (d *Daemon) prepare(ctx context.Context) error {
	now := d.now()
	if err := d.store.Reclaim(ctx, now, lifecycle.ActionLease); err != nil {
		return fmt.Errorf("take up what was claimed before: %w", err)
	}
	return d.settle(ctx, d.live(), now)
}

// resumeImports cleans up after imports that died, beside what arrives.
func (d *Daemon) resumeImports(ctx context.Context) {
	d.failed("go on with imports", d.store.ResumeImports(ctx))
}

// settle is what a new configuration changes in the store: names that are claimed now, and the schedules.
func (d *Daemon) settle(ctx context.Context, s *setup, now time.Time) error {
	if err := d.store.Rename(ctx); err != nil {
		return fmt.Errorf("move histories to their catalogue names: %w", err)
	}
	if err := d.noteNames(ctx, s); err != nil {
		return err
	}
	list, err := s.cfg.schedules(now)
	if err != nil {
		return err
	}
	if err := d.store.PutSchedules(ctx, list); err != nil {
		return err
	}
	return d.settleFreezes(ctx, s.cfg, now)
}

// noteNames begins the counters of what is known at 0.
func (d *Daemon) noteNames(ctx context.Context, s *setup) error {
	recorded, err := d.store.Places(ctx)
	if err != nil {
		return err
	}
	d.metrics.Known(recorded)
	d.metrics.Configured(slices.Sorted(maps.Keys(s.hooks)), slices.Sorted(maps.Keys(s.sources)))
	return nil
}

func (d *Daemon) live() *setup { return d.setup.Load() }

func (d *Daemon) use(s *setup) {
	d.setup.Store(s)
	d.metrics.Loaded(s.rules.Len(), false)
	d.noteLags(s)
}

// world is what decisions know besides the record, as it is now.
func (d *Daemon) world() lifecycle.World {
	s := d.live()
	return lifecycle.World{
		Catalogue: s.catalogue, Rules: s.rules.For, Route: s.alerting.Targets, Sinks: s.wanting, URL: s.cfg.URL, Unrelated: s.cfg.Unrelated, Frozen: s.cfg.frozen(), Zone: s.cfg.zone,
	}
}

func (d *Daemon) failed(where string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		d.log.Error("cannot work", "at", where, "err", err)
	}
}
