package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/web"
)

func holdCommand() *cobra.Command {
	c := &cobra.Command{Use: "hold", Short: "Stop rollbacks or gates: list, add and end holds"}
	c.AddCommand(holdAddCommand(), holdListCommand(), holdEndCommand())
	return c
}

func holdAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "add", Short: "Stop rollbacks or gates", Args: cobra.NoArgs,
		Long: "Stop rollbacks or gates until the hold ends.\n\nThe kill switch is `verifier hold add --all --reason …`. With --file it works without a server: while that file\n" +
			"(hold_file of the configuration) exists, the daemon rolls nothing back.",
		Example: "  verifier hold add --environment production --for 4h --reason 'database migration'\n  verifier hold add --all --reason 'metrics are wrong' --file ./verifier.db.hold",
		RunE:    addHold,
	}
	addServerFlags(c)
	addScopeFlags(c)
	addDurationFlag(c, "for", "how long, like 90m, 4h or 2d; default until someone ends it")
	c.Flags().StringSlice("stops", []string{verifier.StopsRollback}, "rollback, gate or both")
	c.Flags().String("file", "", "write this hold file instead of asking a server (with --all)")
	return c
}

// addScopeFlags adds what a hold or a mute is over, and why.
func addScopeFlags(c *cobra.Command) {
	f := c.Flags()
	f.Bool("all", false, "everything, everywhere")
	f.StringSlice("service", nil, "services, by glob")
	f.StringSlice("environment", nil, "environments, by glob")
	f.StringSlice("team", nil, "teams, by glob")
	f.String("reason", "", "why")
}

func addHold(c *cobra.Command, _ []string) error {
	h, err := holdOf(c)
	if err != nil {
		return err
	}
	if file, _ := c.Flags().GetString("file"); c.Flags().Changed("file") {
		return writeHoldFile(c, file, h)
	}
	ask, made, err := putHold(c, "/v1/holds", h)
	var unreachable *url.Error
	if all, _ := c.Flags().GetBool("all"); all && errors.As(err, &unreachable) {
		return fmt.Errorf("%w; without a server, write the hold file with --file: hold_file of the configuration, by default ./verifier.db.hold", err)
	}
	if err != nil {
		return err
	}
	return printed(c, made, func(w io.Writer) { printMade(w, ask, made) })
}

// putHold asks the server for a hold or a mute. What it warns of goes to the standard error.
func putHold(c *cobra.Command, path string, h map[string]any) (ask *client, made verifier.Hold, err error) {
	if ask, err = clientOf(c); err != nil {
		return nil, made, err
	}
	err = ask.do(c.Context(), http.MethodPost, path, h, &made)
	for _, text := range made.Warnings {
		fmt.Fprintln(c.ErrOrStderr(), "verifier: WARNING:", text)
	}
	return ask, made, err
}

func holdOf(c *cobra.Command) (map[string]any, error) {
	f := c.Flags()
	all, _ := f.GetBool("all")
	services, _ := f.GetStringSlice("service")
	environments, _ := f.GetStringSlice("environment")
	teams, _ := f.GetStringSlice("team")
	reason, _ := f.GetString("reason")
	length, _ := f.GetDuration("for")
	some := len(services)+len(environments)+len(teams) > 0
	switch {
	case all == some:
		return nil, errors.New("write what to cover: either --all, or some of --service, --environment and --team")
	case strings.TrimSpace(reason) == "":
		return nil, errors.New("--reason is required: say why, for people who find the hold")
	case f.Changed("for") && length <= 0:
		return nil, fmt.Errorf("--for %s must be longer than 0", f.Lookup("for").Value)
	}
	h := map[string]any{"reason": reason, "services": orEmpty(services), "environments": orEmpty(environments), "teams": orEmpty(teams)}
	if stops, err := f.GetStringSlice("stops"); err == nil {
		h["stops"] = stops
	}
	if length > 0 {
		h["until"] = time.Now().Add(length).UTC()
	}
	return h, nil
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func writeHoldFile(c *cobra.Command, file string, h map[string]any) error {
	if file == "" {
		return errors.New("--file is empty: write hold_file of the configuration, by default ./verifier.db.hold")
	}
	if all, _ := c.Flags().GetBool("all"); !all {
		return errors.New("--file holds everything; write --all with it")
	}
	for _, flag := range []string{"for", "stops"} {
		if c.Flags().Changed(flag) {
			return fmt.Errorf("--%s cannot be kept in a file: it holds all rollbacks until it is removed; leave --%s out", flag, flag)
		}
	}
	text := fmt.Sprintf("%s by %s: %s\n", time.Now().UTC().Format(time.RFC3339), whoami(), h["reason"])
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the hold file: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "While %s exists, a daemon with that hold_file rolls nothing back. Remove the file to end the hold.\n", file)
	return nil
}

func holdListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List holds and mutes in force", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		ask, err := clientOf(c)
		if err != nil {
			return err
		}
		items := []verifier.Hold{}
		for after := ""; ; {
			var page struct {
				Items []verifier.Hold `json:"items"`
				Next  string          `json:"next"`
			}
			if err := ask.do(c.Context(), http.MethodGet, "/v1/holds?limit=500&after="+url.QueryEscape(after), nil, &page); err != nil {
				return err
			}
			if items, after = append(items, page.Items...), page.Next; after == "" {
				break
			}
		}
		return printed(c, items, func(w io.Writer) { printHolds(w, ask, items) })
	}}
	addServerFlags(c)
	return c
}

func printHolds(w io.Writer, ask *client, holds []verifier.Hold) {
	if len(holds) == 0 {
		fmt.Fprintln(w, "Nothing is held.")
		return
	}
	holds = web.Widest(holds)
	printHeld(w, slices.DeleteFunc(slices.Clone(holds), func(h verifier.Hold) bool { return !h.Everywhere() }), ask.zone)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTOPS\tSERVICES\tENVIRONMENTS\tTEAMS\tSINCE\tUNTIL\tBY\tREASON")
	for _, h := range holds {
		until := "ended by hand"
		if h.File != "" {
			until = "removed: " + h.File
		} else if h.Until != nil {
			until = ask.when(*h.Until)
		}
		fmt.Fprintln(t, strings.Join([]string{h.ID, strings.Join(h.Stops, ","), globs(h.Services), globs(h.Environments), globs(h.Teams), ask.when(h.At), until, h.By, h.Reason}, "\t"))
	}
	t.Flush()
	for _, h := range holds {
		for _, text := range h.Warnings {
			fmt.Fprintf(w, "WARNING: %s: %s\n", h.ID, text)
		}
	}
}

// printHeld says what is held, a line for each hold.
func printHeld(w io.Writer, holds []verifier.Hold, zone *time.Location) {
	for _, h := range web.Widest(holds) {
		fmt.Fprintln(w, web.HoldText(h, time.Now(), zone))
	}
}

func globs(list []string) string {
	if len(list) == 0 {
		return "*"
	}
	return strings.Join(list, ",")
}

func holdEndCommand() *cobra.Command {
	c := &cobra.Command{Use: "end ID", Short: "End a hold", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		ask, err := clientOf(c)
		if err != nil {
			return err
		}
		if err := ask.do(c.Context(), http.MethodDelete, "/v1/holds/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		return printed(c, map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s ended\n", args[0]) })
	}}
	addServerFlags(c)
	return c
}
