package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/intake"
	"verifier/record"
	"verifier/store"
)

func hooksCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "hooks", Short: "List what deploy tools sent, and replay it with a fixed mapping",
		Long: "The daemon keeps what deploy tools sent (retention.deliveries, 30 days). A delivery that hooks.NAME.map does not turn into a deploy is\nunmapped: fix the mapping, and replay. One that contradicts a known deploy is a conflict.",
	}
	c.AddCommand(hooksListCommand(), hooksReplayCommand())
	return c
}

func addDeliveryFlags(c *cobra.Command) {
	addStoreFlags(c)
	addFormatFlag(c)
	f := c.Flags()
	f.String("tool", "", "sent to this hook alone, like teamcity")
	f.String("id", "", "the delivery with this id alone")
	f.String("since", "", "of the last hours or days alone, like 12h or 3d")
}

func deliveryFilter(c *cobra.Command) (verifier.DeliveryFilter, error) {
	tool, _ := c.Flags().GetString("tool")
	id, _ := c.Flags().GetString("id")
	f := verifier.DeliveryFilter{Tool: tool, ID: id}
	if text, _ := c.Flags().GetString("since"); text != "" {
		back, err := verifier.ParseDuration(text)
		if err != nil || back <= 0 {
			return f, fmt.Errorf("--since %q: write how far to go back, like 12h or 3d", text)
		}
		f.Since = time.Now().Add(-back)
	}
	return f, nil
}

func hooksListCommand() *cobra.Command {
	outcomes := append([]verifier.DeliveryOutcome{verifier.Recorded, verifier.Ignored}, verifier.Unresolved...)
	c := &cobra.Command{
		Use: "list", Short: "List deliveries, newest first", Args: cobra.NoArgs,
		Example: "  verifier hooks list --outcome unmapped\n  verifier hooks list --tool teamcity --id 7f3c --body",
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := deliveryFilter(c)
			if err != nil {
				return err
			}
			outcome, _ := c.Flags().GetString("outcome")
			f.Outcome = verifier.DeliveryOutcome(outcome)
			f.Limit, _ = c.Flags().GetInt("limit")
			if f.Limit < 1 || f.Limit > 500 {
				return fmt.Errorf("--limit %d: write 1 to 500", f.Limit)
			}
			if err := oneOf("outcome", f.Outcome, outcomes); err != nil {
				return err
			}
			body, _ := c.Flags().GetBool("body")
			return withRecord(c, func(s *store.Store, cfg *Config) error {
				list, _, err := s.Deliveries(c.Context(), f)
				if err != nil {
					return err
				}
				return printed(c, shownDeliveries(list), func(w io.Writer) { printDeliveries(w, list, body, cfg.zone) })
			})
		},
	}
	addDeliveryFlags(c)
	c.Flags().String("outcome", "", fmt.Sprintf("of these alone: %v", outcomes))
	c.Flags().Int("limit", 50, "at most so many")
	c.Flags().Bool("body", false, "with all that was sent")
	return c
}

// shownDelivery is a delivery as JSON prints it: the body as text.
type shownDelivery struct {
	verifier.Delivery
	Body string `json:"body"`
}

func shownDeliveries(list []verifier.Delivery) []shownDelivery {
	out := make([]shownDelivery, len(list))
	for i, d := range list {
		out[i] = shownDelivery{d, string(d.Body)}
	}
	return out
}

func printDeliveries(w io.Writer, list []verifier.Delivery, body bool, zone *time.Location) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No matching deliveries.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tHOOK\tOUTCOME\tID\tWHY")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", stampSeconds(d.ReceivedAt, zone), d.Tool, d.Outcome, d.ID, d.Problem)
		if body {
			_ = t.Flush() // the writer's error is the caller's to see
			fmt.Fprintf(w, "%s\n", strings.TrimSpace(string(d.Body)))
		}
	}
	_ = t.Flush()
}

func hooksReplayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "replay", Short: "Read unmapped, unreadable and conflicting deliveries again with the current mapping", Args: cobra.NoArgs,
		Long: "Prints what the current mapping makes of deliveries that were unmapped, unreadable or in conflict with the record. --apply records\n" +
			"the deploys. They are not watched: they send no alerts and are never rolled back.",
		Example: "  verifier hooks replay --tool teamcity\n  verifier hooks replay --tool teamcity --apply",
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := deliveryFilter(c)
			if err != nil {
				return err
			}
			apply, _ := c.Flags().GetBool("apply")
			return withRecord(c, func(s *store.Store, cfg *Config) error {
				hooks, err := intake.NewHooks(cfg.hooks())
				if err != nil {
					return err
				}
				r := &replay{Replayed: []replayed{}, catalogue: cfg.catalogue()}
				if err := r.all(c.Context(), s, hooks, f, apply); err != nil {
					return err
				}
				return printed(c, r, func(w io.Writer) { r.print(w, apply, cfg.zone) })
			})
		},
	}
	addDeliveryFlags(c)
	c.Flags().Bool("apply", false, "record the deploys")
	return c
}

// replay is what a mended mapping makes of what was kept.
type replay struct {
	Deliveries int        `json:"deliveries"`
	Deploys    int        `json:"deploys"`
	Known      int        `json:"known"` // of Deploys, those that the record has already; only counted by --apply
	Still      int        `json:"still"` // deliveries that are no deploy still
	Replayed   []replayed `json:"replayed"`

	catalogue *verifier.Catalogue
}

type replayed struct {
	Delivery string            `json:"delivery"`
	Tool     string            `json:"tool"`
	At       time.Time         `json:"at"`
	Deploys  []verifier.Deploy `json:"deploys"`
	Problem  string            `json:"problem,omitempty"`
}

// all replays every delivery that was not understood, the oldest first.
func (r *replay) all(ctx context.Context, s *store.Store, hooks intake.Hooks, f verifier.DeliveryFilter, apply bool) error {
	var list []verifier.Delivery
	for _, outcome := range verifier.Unresolved {
		f.Outcome, f.After, f.Limit = outcome, "", 500
		for {
			page, next, err := s.Deliveries(ctx, f)
			if err != nil {
				return err
			}
			list = append(list, page...)
			if f.After = next; next == "" {
				break
			}
		}
	}
	slices.SortStableFunc(list, func(a, b verifier.Delivery) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	for _, d := range list {
		one, err := r.one(ctx, s, hooks, d, apply)
		if err != nil {
			return err
		}
		r.Replayed = append(r.Replayed, one)
	}
	return nil
}

func (r *replay) one(ctx context.Context, s *store.Store, hooks intake.Hooks, d verifier.Delivery, apply bool) (replayed, error) {
	r.Deliveries++
	one := replayed{Delivery: d.ID, Tool: d.Tool, At: d.ReceivedAt, Deploys: []verifier.Deploy{}}
	mapped, err := hooks.Map(d)
	switch {
	case err != nil:
		one.Problem = err.Error()
	case mapped.Unmapped != "":
		one.Problem = mapped.Unmapped
	case len(mapped.Deploys) == 0:
		d.Outcome, d.Problem = verifier.Ignored, mapped.Ignored
		one.Problem = mapped.Ignored
	default:
		d.Outcome, d.Problem = verifier.Recorded, ""
	}
	for _, deploy := range mapped.Deploys {
		deploy.Found = verifier.FoundByReplay
		one.Deploys = append(one.Deploys, deploy)
	}
	r.Deploys += len(one.Deploys)
	if one.Problem != "" {
		r.Still++
	}
	if !apply {
		return one, r.foresee(ctx, s, &one)
	}
	d.KeepConflicts = true
	receipts, err := s.Record(ctx, d, one.Deploys, nil)
	for _, receipt := range receipts {
		switch {
		case receipt.Conflict != nil && one.Problem == "":
			one.Problem = receipt.Conflict.Error()
			r.Still++
		case !receipt.New:
			r.Known++
		}
	}
	return one, err
}

// foresee takes out the deploys that contradict the record, which --apply would not record.
func (r *replay) foresee(ctx context.Context, s *store.Store, one *replayed) error {
	fit := one.Deploys[:0]
	for _, d := range one.Deploys {
		known, err := s.Deploy(ctx, d.ID)
		if errors.Is(err, verifier.ErrNotFound) {
			fit = append(fit, d)
			continue
		}
		if err != nil {
			return err
		}
		d.Place = r.catalogue.Canonical(d.Place)
		if _, _, err := record.Join(&known, d); err == nil {
			fit = append(fit, d)
		} else if one.Problem == "" {
			one.Problem = err.Error()
			r.Still++
		}
	}
	r.Deploys -= len(one.Deploys) - len(fit)
	one.Deploys = fit
	return nil
}

func (r *replay) print(w io.Writer, apply bool, zone *time.Location) {
	for _, one := range r.Replayed {
		at := stampSeconds(one.At, zone)
		for _, d := range one.Deploys {
			fmt.Fprintf(w, "%s  %s %s  %s, %s (%s)\n", at, one.Tool, one.Delivery, d.Place, d.Version, d.Status)
		}
		if one.Problem != "" {
			fmt.Fprintf(w, "%s  %s %s  no deploy: %s\n", at, one.Tool, one.Delivery, one.Problem)
		}
	}
	switch {
	case r.Deliveries == 0:
		fmt.Fprintln(w, "nothing to replay: no delivery is unmapped, unreadable or a conflict")
	case apply:
		fmt.Fprintf(w, "%d deliveries read again: %d deploys recorded, %d of them known already; %d deliveries are no deploy still\n", r.Deliveries, r.Deploys, r.Known, r.Still)
	default:
		fmt.Fprintf(w, "%d deliveries read again: %d deploys would be recorded, %d deliveries are no deploy still; --apply records them\n", r.Deliveries, r.Deploys, r.Still)
	}
}
