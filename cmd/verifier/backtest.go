package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/lifecycle"
	"verifier/rules"
	"verifier/store"
)

func backtestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backtest", Short: "Judge recorded deploys again by other rules; it only reads", Args: cobra.NoArgs,
		Long: "Judge recorded deploys again by other rules: what would they have condemned, and what missed?\n\n" +
			"What the daemon saw then is taken where it is kept and the rule asks the same; all else is asked of the sources, which need to\n" +
			"have that time still. Sources of the kinds http and command know the present alone and are not asked. Nothing is written.",
		Example: "  verifier backtest --rules new-rules.yaml --from 2026-10-01 --to 2026-11-01",
		RunE:    func(c *cobra.Command, _ []string) error { return backtest(c) },
	}
	addStoreFlags(c)
	addFormatFlag(c)
	f := c.Flags()
	f.String("rules", "", "the rules to try, a file or a folder")
	f.String("from", "", "first day, like 2026-10-01, or a time like 2026-10-01T08:00:00Z")
	f.String("to", "", "the day or the time at which it ends, itself not included; default now")
	f.String("service", "", "of this service alone")
	f.String("environment", "", "in this environment alone")
	f.Bool("evidence", false, "ask no source: judge by what is kept alone")
	_, _ = c.MarkFlagRequired("rules"), c.MarkFlagRequired("from") // unreachable errors: the flags are there
	return c
}

func backtest(c *cobra.Command) error {
	cfg, dsn, err := storeOf(c)
	if err != nil {
		return err
	}
	from, to, err := stretchOf(c, cfg.zone)
	if err != nil {
		return err
	}
	path, _ := c.Flags().GetString("rules")
	set, err := rules.Load(path, cfg.checks())
	if err != nil {
		return err
	}
	limited := cfg.backends(nil)
	if err := verifier.SortErrors(cfg.problems.list...); err != nil {
		return err
	}
	if _, err := os.Stat(dsn); err != nil && !strings.Contains(dsn, "://") {
		return fmt.Errorf("there is no store at %s: name it with --store or in the configuration", dsn)
	}
	catalogue := cfg.catalogue()
	s, err := store.OpenReading(c.Context(), dsn, func() *verifier.Catalogue { return catalogue })
	if err != nil {
		return err
	}
	b := &backtester{store: s, backends: asBackends(limited), progress: c.ErrOrStderr(), world: lifecycle.World{
		Catalogue: catalogue, Rules: set.For, Unrelated: lifecycle.DefaultUnrelated, Zone: cfg.zone,
	}}
	b.alone, _ = c.Flags().GetBool("evidence")
	var filter verifier.DeployFilter
	filter.Service, _ = c.Flags().GetString("service")
	filter.Environment, _ = c.Flags().GetString("environment")
	result, err := b.run(c.Context(), filter, from, to)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	return printed(c, result, func(w io.Writer) { result.print(w, cfg.zone) })
}

// stretchOf reads --from and --to.
func stretchOf(c *cobra.Command, zone *time.Location) (from, to time.Time, err error) {
	read := func(name string) (time.Time, error) {
		text, _ := c.Flags().GetString(name)
		if text == "" {
			return time.Now(), nil
		}
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t, nil
		}
		t, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			return t, fmt.Errorf("--%s %q is no time; write 2026-10-01 or 2026-10-01T08:00:00Z", name, text)
		}
		return t, nil
	}
	if from, err = read("from"); err != nil {
		return from, to, err
	}
	if to, err = read("to"); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// backtester judges recorded deploys again.
type backtester struct {
	store    *store.Store
	world    lifecycle.World
	backends lifecycle.Backends
	alone    bool // by the evidence alone
	progress io.Writer
}

const (
	backtestPage  = 200
	tellEvery     = 5 * time.Second
	backtestAsks  = 2 * time.Minute // for all questions about one deploy
	rolledBackFor = 24 * time.Hour  // a rollback after this was not because of the deploy
)

func (b *backtester) run(ctx context.Context, filter verifier.DeployFilter, from, to time.Time) (backtestResult, error) {
	list, err := b.deploys(ctx, filter, from, to)
	if err != nil {
		return backtestResult{}, err
	}
	r := backtestResult{Differ: []backtested{}}
	told := time.Now()
	for i, d := range list {
		if b.runs(d) {
			r.Running++
			continue
		}
		one, err := b.judge(ctx, d)
		if err != nil {
			return r, fmt.Errorf("%s %s at %s: %w", d.Service, d.Version, d.At.Format(time.RFC3339), err)
		}
		r.add(one)
		if time.Since(told) >= tellEvery {
			told = time.Now()
			fmt.Fprintf(b.progress, "judged %d of %d\n", i+1, len(list))
		}
	}
	r.summarize()
	return r, nil
}

// deploys are the releases of the stretch that were watched or could have been, oldest first.
func (b *backtester) deploys(ctx context.Context, filter verifier.DeployFilter, from, to time.Time) ([]verifier.Deploy, error) {
	var out []verifier.Deploy
	filter.Limit = backtestPage
	for {
		page, next, err := b.store.Deploys(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if !d.At.Before(from) && d.At.Before(to) && d.MovesLive() {
				out = append(out, d)
			}
		}
		if next == "" || page[len(page)-1].At.Before(from) {
			slices.Reverse(out)
			return out, nil
		}
		filter.After = next
	}
}

// runs reports whether the watch that the rules ask for would not be over yet: there is nothing to ask about what is to come.
func (b *backtester) runs(d verifier.Deploy) bool {
	list, _ := b.world.Rules(d)
	return slices.ContainsFunc(list, func(r verifier.Rule) bool { return d.At.Add(max(r.Watch, r.Extend)).After(time.Now()) })
}

// judge replays the watch over one deploy, with the past that it had.
func (b *backtester) judge(ctx context.Context, d verifier.Deploy) (backtested, error) {
	history, err := b.store.History(ctx, d.Place, time.Now())
	if err != nil {
		return backtested{}, err
	}
	out := backtested{Deploy: d.ID, Service: d.Service, Place: d.Environment, Version: d.Version, At: d.At}
	if d.Target != "" {
		out.Place += " " + d.Target
	}
	kept, err := b.kept(ctx, d)
	if err != nil {
		return out, err
	}
	out.Then = kept.state
	out.Bad, out.Why = truth(d, out.Then, history, kept.automatic)
	past := slices.DeleteFunc(history, func(p verifier.Past) bool { return p.Deploy.ID != d.ID && !p.Deploy.Before(d) })
	again := d
	again.Tool, again.RecordedAt, again.Mark = "", d.At, nil // judged as if it came in just then
	scene := &verifier.Scene{Place: d.Place, Deploy: again, History: past}
	backends, heard := lifecycle.Backends{}, &heard{}
	for name, source := range b.backends {
		backends[name] = remembering{Backend: source, kept: kept, deployed: d.At, alone: b.alone, heard: heard}
	}
	asking, cancel := context.WithTimeout(ctx, backtestAsks)
	defer cancel()
	_, err = lifecycle.Replay(asking, b.world, scene, backends, kept.results...)
	if asking.Err() != nil && ctx.Err() == nil {
		out.untold, out.Text = true, fmt.Sprintf("the sources took more than %s", backtestAsks)
		return out, nil
	}
	if v := scene.Watch(d.ID); v != nil && err == nil {
		out.judged(*v, heard)
	}
	return out, err
}
