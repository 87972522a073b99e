package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"verifier"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show how the daemon is, and what is being watched", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ask, err := clientOf(c)
			if err != nil {
				return err
			}
			var out struct {
				Status
				Watches []verifier.Verification `json:"watches"`
			}
			if err := ask.do(c.Context(), http.MethodGet, "/v1/status", nil, &out.Status); err != nil {
				return err
			}
			var list struct{ Items []verifier.Verification }
			if err := ask.do(c.Context(), http.MethodGet, "/v1/verifications?limit=20", nil, &list); err != nil {
				return err
			}
			out.Watches = list.Items
			return printed(c, out, func(w io.Writer) { printStatus(w, out.Status, out.Watches) })
		},
	}
	addServerFlags(c)
	return c
}

func printStatus(w io.Writer, s Status, watches []verifier.Verification) {
	fmt.Fprintf(w, "verifier %s: %d rules, %d watches running, %d actions waiting\n", s.Version, s.Rules, s.Active, s.Waiting)
	for _, name := range slices.Sorted(maps.Keys(s.Sources)) {
		fmt.Fprintf(w, "source %s: %s", name, s.Sources[name])
		if lag := s.Lags[name]; lag != "" {
			fmt.Fprintf(w, ", %s late", lag)
		}
		if slowed := s.Slowed[name]; slowed != "" {
			fmt.Fprintf(w, ", %s", slowed)
		}
		fmt.Fprintln(w)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hooks)) {
		printHook(w, name, s.Hooks[name])
	}
	for _, text := range s.Quiet {
		fmt.Fprintln(w, "QUIET:", text)
	}
	if s.Held != "" {
		fmt.Fprintln(w, "HELD:", s.Held)
	}
	if s.Problem != "" {
		fmt.Fprintln(w, "PROBLEM: the files on disk are wrong, those of before stay in force:", s.Problem)
	}
	printUnclaimed(w, s.Unclaimed)
	if len(watches) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tSERVICE\tENVIRONMENT\tVERSION\tSTATE\tROLLBACK\tID")
	for _, v := range watches {
		rollback := ""
		if v.Rollback != nil {
			rollback = string(v.Rollback.State)
		}
		d := v.Deploy
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.At.UTC().Format("01-02 15:04"), d.Service, d.Where(), d.Version, v.State, rollback, v.ID)
	}
	t.Flush()
}

func printHook(w io.Writer, name string, h HookStatus) {
	if h.Asked == nil {
		return
	}
	fmt.Fprintf(w, "hook %s: asked for what was missed at %s, %d found", name, h.Asked.UTC().Format("15:04 MST"), h.Found)
	if h.Trouble != "" {
		fmt.Fprintf(w, "; %s", h.Trouble)
	}
	if h.Unread != "" {
		fmt.Fprintf(w, "; not understood: %s", h.Unread)
	}
	fmt.Fprintln(w)
}
