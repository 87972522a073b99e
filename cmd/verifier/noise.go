package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"verifier"
)

func noiseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "noise", Short: "Messages that are known: list, add and remove",
		Long: "Messages that are known. Rules on patterns never call them new, watches that run among them (docs/log-patterns.md).",
	}
	c.AddCommand(noiseAddCommand(), noiseListCommand(), noiseRemoveCommand())
	return c
}

func noiseAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "add PATTERN", Short: "Never call a pattern new", Args: cobra.ExactArgs(1),
		Long:    "Never call a pattern new. PATTERN is one that a finding shows, or a whole message: its variables are masked.",
		Example: "  verifier noise add 'no rate for <mail>' --service checkout --reason 'test accounts, SHOP-12'",
		RunE:    addNoise,
	}
	addServerFlags(c)
	c.Flags().StringSlice("service", nil, "services, by glob; default all")
	c.Flags().String("reason", "", "why")
	return c
}

func addNoise(c *cobra.Command, args []string) error {
	services, _ := c.Flags().GetStringSlice("service")
	reason, _ := c.Flags().GetString("reason")
	if reason == "" {
		return errors.New("--reason is missing: say why, for those who look for the message")
	}
	ask, err := clientOf(c)
	if err != nil {
		return err
	}
	var made verifier.Noise
	body := map[string]any{"pattern": args[0], "services": orEmpty(services), "reason": reason}
	if err := ask.do(c.Context(), http.MethodPost, "/v1/noise", body, &made); err != nil {
		return err
	}
	return printed(c, made, func(w io.Writer) { fmt.Fprintf(w, "%s: %s is never new\n", made.ID, made.Pattern) })
}

func noiseListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the known noise", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		ask, err := clientOf(c)
		if err != nil {
			return err
		}
		items := []verifier.Noise{}
		for after := ""; ; {
			var page struct {
				Items []verifier.Noise `json:"items"`
				Next  string           `json:"next"`
			}
			if err := ask.do(c.Context(), http.MethodGet, "/v1/noise?limit=500&after="+url.QueryEscape(after), nil, &page); err != nil {
				return err
			}
			if items, after = append(items, page.Items...), page.Next; after == "" {
				break
			}
		}
		return printed(c, items, func(w io.Writer) { printNoise(w, items) })
	}}
	addServerFlags(c)
	return c
}

func printNoise(w io.Writer, list []verifier.Noise) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no noise is known")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSERVICES\tBY\tREASON\tPATTERN")
	for _, n := range list {
		fmt.Fprintln(t, strings.Join([]string{n.ID, globs(n.Services), n.By, n.Reason, n.Pattern}, "\t"))
	}
	t.Flush()
}

func noiseRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove ID", Short: "Let a pattern be new again", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		ask, err := clientOf(c)
		if err != nil {
			return err
		}
		if err := ask.do(c.Context(), http.MethodDelete, "/v1/noise/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		return printed(c, map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is removed\n", args[0]) })
	}}
	addServerFlags(c)
	return c
}
