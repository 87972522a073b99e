package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/intake"
	"verifier/store"
)

func deploysCommand() *cobra.Command {
	c := &cobra.Command{Use: "deploys", Short: "List and correct recorded deploys"}
	c.AddCommand(deploysListCommand(), deploysShowCommand(), deploysVoidCommand(), deploysEditCommand())
	return c
}

func deploysListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List deploys, newest first", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withRecord(c, func(s *store.Store, cfg *Config) error {
			f, limit, err := deployFilter(c, cfg)
			if err != nil {
				return err
			}
			list, more, err := listDeploys(c.Context(), s, f, limit)
			if err != nil {
				return err
			}
			strange, err := unclaimed(c.Context(), s, cfg.catalogue())
			if err != nil {
				return err
			}
			return printed(c, list, func(w io.Writer) {
				printDeploys(w, list, cfg)
				if more {
					fmt.Fprintf(w, "and more: these are the newest %d; --limit lists more\n", limit)
				}
				printUnclaimed(w, strange)
			})
		})
	}}
	addStoreFlags(c)
	f := c.Flags()
	addFormatFlag(c)
	f.String("service", "", "of this service alone")
	f.String("environment", "", "in these environments alone, with commas between them")
	f.String("target", "", "of this tenant, region or cell alone")
	f.String("team", "", "of this team alone")
	f.String("month", "", "of this month alone, like 2016-09")
	f.String("kind", "", "release, rollback or redeploy alone")
	f.String("status", "", "started, succeeded or failed alone")
	f.String("change", "", "release, config, toggle, infra or scale alone")
	f.String("state", "", "whose watch came to passed, failed, inconclusive, superseded or cancelled alone")
	f.Bool("corrected", false, "edited or voided by a person alone")
	f.Int("limit", 50, "at most so many; without it all of a --month")
	return c
}

func deployFilter(c *cobra.Command, cfg *Config) (f verifier.DeployFilter, limit int, err error) {
	text := func(name string) string { s, _ := c.Flags().GetString(name); return s }
	f = verifier.DeployFilter{
		Zone: cfg.zone, Service: text("service"), Environment: text("environment"), Target: text("target"), Team: text("team"), Month: text("month"),
		Kind: verifier.Kind(text("kind")), Status: verifier.Status(text("status")), Change: verifier.Change(text("change")),
		State: verifier.State(text("state")),
	}
	f.Corrected, _ = c.Flags().GetBool("corrected")
	limit, _ = c.Flags().GetInt("limit")
	if f.Month != "" && !c.Flags().Changed("limit") {
		limit = math.MaxInt // the whole month
	}
	if limit < 1 {
		return f, 0, fmt.Errorf("--limit %d: write 1 or more", limit)
	}
	kinds := []verifier.Kind{verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy}
	return f, limit, errors.Join(oneOf("kind", f.Kind, kinds), oneOf("status", f.Status, verifier.Statuses), oneOf("change", f.Change, verifier.Changes),
		oneOf("state", f.State, verifier.States))
}

// oneOf is the error of a flag that is none of its words; empty is not set.
func oneOf[T ~string](flag string, value T, words []T) error {
	if value == "" || contains(words, value) {
		return nil
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return fmt.Errorf("invalid --%s %q: must be one of %s", flag, value, strings.Join(names, ", "))
}

// listDeploys reads as many pages as it takes; more says that there are others.
func listDeploys(ctx context.Context, s *store.Store, f verifier.DeployFilter, limit int) (list []verifier.Deploy, more bool, err error) {
	list = []verifier.Deploy{}
	for {
		f.Limit = min(limit-len(list), 500)
		page, next, err := s.Deploys(ctx, f)
		if err != nil {
			return nil, false, err
		}
		list = append(list, page...)
		if next == "" || len(list) >= limit {
			return list, next != "", nil
		}
		f.After = next
	}
}

// printDeploys lists deploys in the configuration's time zone.
func printDeploys(w io.Writer, list []verifier.Deploy, cfg *Config) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tSERVICE\tENVIRONMENT\tVERSION\tSTATUS\tKIND\tBEFORE\tBY\tID")
	for _, d := range list {
		kind := string(d.Kind)
		switch {
		case d.Void:
			kind = "void"
		case d.Change != verifier.Release:
			kind = string(d.Change)
		}
		if d.Corrected && !d.Void {
			kind += " (corrected)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			stamp(d.At, cfg.zone), d.Service, d.Where(), d.Version, d.Status, kind, d.Previous, d.By, d.ID)
	}
	t.Flush()
}

func deploysVoidCommand() *cobra.Command {
	c := &cobra.Command{Use: "void ID", Short: "Take a deploy out of the record; the original is kept", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		reason, err := reasonOf(c)
		if err != nil {
			return err
		}
		return withRecord(c, func(s *store.Store, cfg *Config) error {
			d, err := s.VoidDeploy(c.Context(), args[0], whoami(), reason, time.Now())
			if err != nil {
				return err
			}
			return printed(c, d, func(w io.Writer) {
				fmt.Fprintf(w, "%s %s in %s, deployed %s, is void\n", d.Service, d.Version, d.Where(), stamp(d.At, cfg.zone))
			})
		})
	}}
	addStoreFlags(c)
	addFormatFlag(c)
	c.Flags().String("reason", "", "why, for the record")
	return c
}

// editable are the fields that a person may correct, by the names of their flags.
var editable = map[string]string{
	"version": "the right version", "status": "started, succeeded or failed", "at": "the right time, like 2016-09-01T10:00:00Z", "team": "the right team",
	"by": "who deployed", "service": "the right service", "environment": "the right environment", "target": "the right tenant, region or cell",
	"change": "release, config, toggle, infra or scale",
}

func deploysEditCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "edit ID", Short: "Correct a deploy; the original is kept", Args: cobra.ExactArgs(1),
		Example: "  verifier deploys edit github:1459 --version 1.4.2 --reason 'the tag was wrong'",
		RunE: func(c *cobra.Command, args []string) error {
			reason, err := reasonOf(c)
			if err != nil {
				return err
			}
			return withRecord(c, func(s *store.Store, cfg *Config) error {
				edit := func(d *verifier.Deploy) error { return editDeploy(c, d, cfg.zone) }
				d, err := s.EditDeploy(c.Context(), args[0], edit, whoami(), reason, time.Now())
				if err != nil {
					return err
				}
				return printed(c, d, func(w io.Writer) { printDeploys(w, []verifier.Deploy{d}, cfg) })
			})
		},
	}
	addStoreFlags(c)
	addFormatFlag(c)
	c.Flags().String("reason", "", "why, for the record")
	for name, usage := range editable {
		c.Flags().String(name, "", usage)
	}
	return c
}

func editDeploy(c *cobra.Command, d *verifier.Deploy, zone *time.Location) error {
	var problems []error
	edited := false
	for _, name := range slices.Sorted(maps.Keys(editable)) {
		if c.Flags().Changed(name) {
			edited = true
			value, _ := c.Flags().GetString(name)
			problems = append(problems, intake.SetField(d, name, value, time.Now(), zone))
		}
	}
	if !edited {
		return fmt.Errorf("nothing is corrected: write some of --%s", strings.Join(slices.Sorted(maps.Keys(editable)), " --"))
	}
	return errors.Join(problems...)
}

func deploysShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show a deploy, and who said what of it", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withRecord(c, func(s *store.Store, cfg *Config) error {
			d, err := s.Deploy(c.Context(), args[0])
			if err != nil {
				return err
			}
			audit, err := s.Audit(c.Context(), d.ID, 100)
			if err != nil {
				return err
			}
			out := struct {
				Deploy verifier.Deploy  `json:"deploy"`
				Audit  []verifier.Audit `json:"audit"` // newest first; of a correction, detail is what the deploy was before
			}{d, append([]verifier.Audit{}, audit...)}
			return printed(c, out, func(w io.Writer) {
				printDeploys(w, []verifier.Deploy{d}, cfg)
				for _, a := range audit {
					fmt.Fprintf(w, "\n%s  %s by %s: %s\n", stamp(a.At, cfg.zone), a.What, a.By, a.Reason)
					if a.Detail != "" {
						fmt.Fprintf(w, "  before: %s\n", a.Detail)
					}
				}
			})
		})
	}}
	addStoreFlags(c)
	addFormatFlag(c)
	return c
}
