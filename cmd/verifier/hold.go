package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"verifier"
)

func holdCommand() *cobra.Command {
	c := &cobra.Command{Use: "hold", Short: "Stop rollbacks: list, add and end holds"}
	c.AddCommand(holdAddCommand("add", "Stop rollbacks or the gate", "/v1/holds"), holdListCommand(), holdEndCommand())
	return c
}

func muteCommand() *cobra.Command {
	return holdAddCommand("mute", "Stop alerts for a while", "/v1/mutes")
}

func holdAddCommand(use, short, path string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		Long: short + ".\n\nThe kill switch is `verifier hold add --all --reason …`; with --file it works without any server: while that file\n" +
			"(hold_file of the configuration) exists, the daemon rolls nothing back.",
		RunE: func(c *cobra.Command, _ []string) error { return addHold(c, path) },
	}
	addServerFlags(c)
	f := c.Flags()
	f.Bool("all", false, "everything, everywhere")
	f.StringSlice("service", nil, "services, by glob")
	f.StringSlice("environment", nil, "environments, by glob")
	f.StringSlice("team", nil, "teams, by glob")
	f.String("reason", "", "why")
	addDurationFlag(c, "for", "how long; default until it is ended")
	f.String("file", "", "write this hold file instead of asking a server (with --all)")
	if use == "add" {
		f.StringSlice("stops", []string{verifier.StopsRollback}, "rollback, gate or both")
	}
	return c
}

func addHold(c *cobra.Command, path string) error {
	h, err := holdOf(c)
	if err != nil {
		return err
	}
	if file, _ := c.Flags().GetString("file"); file != "" {
		return writeHoldFile(c, file, h)
	}
	ask, err := clientOf(c)
	if err != nil {
		return err
	}
	var made verifier.Hold
	err = ask.do(c.Context(), http.MethodPost, path, h, &made)
	var unreachable *url.Error
	if all, _ := c.Flags().GetBool("all"); all && errors.As(err, &unreachable) {
		return fmt.Errorf("%w; without a server write --file with the configuration's hold_file, ./verifier.db.hold if it names none", err)
	}
	if err != nil {
		return err
	}
	return printed(c, made, func(w io.Writer) { fmt.Fprintf(w, "%s holds until %s\n", made.ID, untilText(made.Until)) })
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
		return nil, errors.New("say what to hold: --all, or --service, --environment and --team")
	case reason == "":
		return nil, errors.New("--reason is missing: say why, for those who find the hold")
	case length < 0:
		return nil, errors.New("--for is negative")
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
	if all, _ := c.Flags().GetBool("all"); !all {
		return errors.New("--file holds everything; write --all with it")
	}
	for _, flag := range []string{"for", "stops"} {
		if c.Flags().Changed(flag) {
			return fmt.Errorf("--%s cannot be kept in a file: it holds all rollbacks until it is removed; leave --%s out", flag, flag)
		}
	}
	text := fmt.Sprintf("%s by %s: %s\n", time.Now().UTC().Format(time.RFC3339), os.Getenv("USER"), h["reason"])
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the hold file: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "while %s exists, nothing is rolled back; remove it to end the hold\n", file)
	return nil
}

func holdListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the holds in force", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		ask, err := clientOf(c)
		if err != nil {
			return err
		}
		var list struct {
			Items []verifier.Hold `json:"items"`
		}
		if err := ask.do(c.Context(), http.MethodGet, "/v1/holds", nil, &list); err != nil {
			return err
		}
		return printed(c, list.Items, func(w io.Writer) { printHolds(w, list.Items) })
	}}
	addServerFlags(c)
	return c
}

func printHolds(w io.Writer, holds []verifier.Hold) {
	if len(holds) == 0 {
		fmt.Fprintln(w, "nothing is held")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTOPS\tSERVICES\tENVIRONMENTS\tTEAMS\tUNTIL\tBY\tREASON")
	for _, h := range holds {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, strings.Join(h.Stops, ","), globs(h.Services), globs(h.Environments), globs(h.Teams), untilText(h.Until), h.By, h.Reason)
	}
	t.Flush()
}

func globs(list []string) string {
	if len(list) == 0 {
		return "*"
	}
	return strings.Join(list, ",")
}

func untilText(t *time.Time) string {
	if t == nil {
		return "ended by hand"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
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
		return printed(c, map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is ended\n", args[0]) })
	}}
	addServerFlags(c)
	return c
}
