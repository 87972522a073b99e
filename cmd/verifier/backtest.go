package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
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

// backtested is one deploy as it was judged then and as it would be now.
type backtested struct {
	Deploy  string         `json:"deploy"`
	Service string         `json:"service"`
	Place   string         `json:"place"`
	Version string         `json:"version"`
	At      time.Time      `json:"at"`
	Bad     *bool          `json:"bad"` // what people did or said: rolled back or marked; null where nobody did
	Why     string         `json:"why"` // in words
	Then    verifier.State `json:"then"`
	Now     verifier.State `json:"now"`
	Text    string         `json:"text"`
	Reason  string         `json:"reason,omitempty"`
	By      []string       `json:"by,omitempty"` // the rules that would fail
}

// backtestResult is what --format json prints.
type backtestResult struct {
	Summary   string       `json:"summary"`
	Deploys   int          `json:"deploys"`
	Condemned int          `json:"condemned"`
	Bad       int          `json:"bad"`
	Missed    int          `json:"missed"`
	Differ    []backtested `json:"differ"`
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
	limited, err := cfg.backends(nil)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dsn); err != nil {
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
	tellEvery     = 50
	backtestAsks  = 2 * time.Minute // for all questions about one deploy
	rolledBackFor = 24 * time.Hour  // a rollback after this was not because of the deploy
)

func (b *backtester) run(ctx context.Context, filter verifier.DeployFilter, from, to time.Time) (backtestResult, error) {
	list, err := b.deploys(ctx, filter, from, to)
	if err != nil {
		return backtestResult{}, err
	}
	var r backtestResult
	for i, d := range list {
		one, err := b.judge(ctx, d)
		if err != nil {
			return r, fmt.Errorf("%s %s at %s: %w", d.Service, d.Version, d.At.Format(time.RFC3339), err)
		}
		r.add(one)
		if (i+1)%tellEvery == 0 {
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
	out.Bad, out.Why = truth(d, history)
	kept, err := b.kept(ctx, d)
	if err != nil {
		return out, err
	}
	out.Then = kept.state
	past := slices.DeleteFunc(history, func(p verifier.Past) bool { return p.Deploy.ID != d.ID && !p.Deploy.Before(d) })
	again := d
	again.Tool, again.RecordedAt, again.Mark = "", d.At, nil // judged as if it came in just then
	scene := &verifier.Scene{Place: d.Place, Deploy: again, History: past}
	backends := lifecycle.Backends{}
	for name, source := range b.backends {
		backends[name] = remembering{Backend: source, kept: kept, deployed: d.At, alone: b.alone}
	}
	ctx, cancel := context.WithTimeout(ctx, backtestAsks)
	defer cancel()
	_, err = lifecycle.Replay(ctx, b.world, scene, backends)
	v := scene.Watch(d.ID)
	if v == nil || err != nil {
		return out, err
	}
	out.Now, out.Reason = v.State, v.Reason
	for _, f := range v.Findings {
		if out.Text == "" || f.Outcome == verifier.Fail {
			out.Text = f.Text
		}
		if f.Outcome == verifier.Fail && f.Counts() {
			out.By = append(out.By, f.Rule)
		}
	}
	return out, nil
}

// truth is what became of a deploy: a person's mark has the last word, else a rollback away from it within a day.
func truth(d verifier.Deploy, history []verifier.Past) (bad *bool, why string) {
	yes, no := true, false
	if d.Mark != nil {
		if d.Mark.Good {
			return &no, "marked good"
		}
		return &yes, "marked bad"
	}
	var next *verifier.Past // the release after it
	for i := range history {
		if p := &history[i]; p.Deploy.MovesLive() && d.Before(p.Deploy) && p.Deploy.Version != d.Version {
			next = p
		}
	}
	if next != nil && next.Deploy.Kind == verifier.KindRollback && next.Deploy.At.Sub(d.At) <= rolledBackFor {
		by := "rolled back by hand"
		if next.Deploy.By == lifecycle.Daemon {
			by = "rolled back"
		}
		return &yes, by
	}
	return nil, "fine"
}

func (r *backtestResult) add(one backtested) {
	r.Deploys++
	bad := one.Bad != nil && *one.Bad
	condemned := one.Now == verifier.FailedState
	if bad {
		r.Bad++
	}
	if condemned {
		r.Condemned++
	}
	if bad && !condemned {
		r.Missed++
	}
	if condemned || bad || one.Now != one.Then && one.Then != "" {
		r.Differ = append(r.Differ, one)
	}
}

// summarize says it in one sentence: would have condemned 3 of 418: 2 were rolled back by hand, 1 was fine; would have missed 1 of 10.
func (r *backtestResult) summarize() {
	why := map[string]int{}
	for _, one := range r.Differ {
		if one.Now == verifier.FailedState {
			why[one.Why]++
		}
	}
	var parts []string
	for _, w := range []string{"rolled back by hand", "rolled back", "marked bad", "marked good", "fine"} {
		if n := why[w]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s %s", n, map[bool]string{true: "was", false: "were"}[n == 1], w))
		}
	}
	r.Summary = fmt.Sprintf("would have condemned %d of %d", r.Condemned, r.Deploys)
	if len(parts) > 0 {
		r.Summary += ": " + strings.Join(parts, ", ")
	}
	r.Summary += fmt.Sprintf("; would have missed %d of %d", r.Missed, r.Bad)
}

func (r *backtestResult) print(w io.Writer, zone *time.Location) {
	fmt.Fprintln(w, r.Summary)
	if len(r.Differ) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nAT\tSERVICE\tPLACE\tVERSION\tTHEN\tNOW\tIT WAS\tBY")
	for _, one := range r.Differ {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.At.In(zone).Format("2006-01-02 15:04"), one.Service, one.Place, one.Version,
			cmp.Or(string(one.Then), "-"), cmp.Or(string(one.Now), "-"), one.Why, strings.Join(one.By, " "))
	}
	_ = t.Flush() // the writer's error is the caller's to see
}
