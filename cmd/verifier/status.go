package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/words"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show the state of the daemon, what is held, and the latest verifications", Args: cobra.NoArgs,
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
			return printed(c, out, func(w io.Writer) {
				printHeld(w, out.Holds, ask.zone)
				printStatus(w, ask, out.Status)
				printWatches(w, ask, out.Watches)
			})
		},
	}
	addServerFlags(c)
	return c
}

func printStatus(w io.Writer, ask *client, s Status) {
	fmt.Fprintf(w, "verifier %s: %s, %s running, %s waiting\n", s.Version, words.Count(s.Rules, "rule"), words.CountOf(s.Active, "verification", "verifications"), words.Count(s.Waiting, "action"))
	if s.Problem != "" {
		fmt.Fprintln(w, "WARNING: the files on disk are wrong; the previous configuration stays in effect:\n ", strings.ReplaceAll(s.Problem, "\n", "\n  "))
	}
	if len(s.Restart) > 0 {
		fmt.Fprintln(w, "WARNING: restart verifier to apply changes of", words.List(s.Restart, len(s.Restart)))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(s.Sources)) {
		fmt.Fprintf(t, "source %s\t%s", name, s.Sources[name])
		if lag := s.Lags[name]; lag != "" {
			fmt.Fprintf(t, ", newest data %s old", lag)
		}
		if slowed := s.Slowed[name]; slowed != "" {
			fmt.Fprintf(t, ", %s", slowed)
		}
		fmt.Fprintln(t)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hooks)) {
		printHook(t, ask, name, s.Hooks[name])
	}
	t.Flush()
	for _, text := range s.Quiet {
		fmt.Fprintln(w, "WARNING:", text)
	}
	for _, text := range s.Notes {
		fmt.Fprintln(w, "NOTE:", text)
	}
	printUnclaimed(w, s.Unclaimed)
	for _, b := range s.Blind {
		fmt.Fprintln(w, "NO DATA:", b)
	}
}

// printWatches lists the latest verifications, newest first.
func printWatches(w io.Writer, ask *client, watches []verifier.Verification) {
	if len(watches) == 0 {
		fmt.Fprintln(w, "\nNo deploy was verified yet.")
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEPLOYED\tSERVICE\tENVIRONMENT\tVERSION\tSTATE\tROLLBACK\tID")
	for _, v := range watches {
		d := v.Deploy
		fmt.Fprintln(t, strings.Join([]string{ask.when(d.At), d.Service, d.Where(), d.Version, string(v.State), rollbackText(v.Rollback), v.ID}, "\t"))
	}
	t.Flush()
	printUnproven(w, watches)
}

// printUnproven names the places in which nothing can be rolled back yet: of each the latest watch counts.
func printUnproven(w io.Writer, watches []verifier.Verification) {
	seen := map[string]bool{}
	for _, v := range watches {
		key := v.Deploy.Place.Key()
		if !seen[key] && v.Unproven && v.State != verifier.Passed && (v.Mark == nil || !v.Mark.Good) {
			fmt.Fprintln(w, unprovenText(v.Deploy.Place))
		}
		seen[key] = true
	}
}

// rollbackText is a rollback's state in a table.
func rollbackText(r *verifier.Rollback) string {
	switch {
	case r == nil:
		return "-"
	case r.Paused != nil:
		return string(r.State) + ", paused for " + r.Paused.Version
	case r.To == "":
		return string(r.State)
	}
	return string(r.State) + " (to " + r.To + ")"
}

func printHook(w io.Writer, ask *client, name string, h HookStatus) {
	if h.Asked == nil {
		return
	}
	fmt.Fprintf(w, "hook %s\tlast asked for missed events at %s, %d found", name, ask.when(*h.Asked), h.Found)
	if h.Trouble != "" {
		fmt.Fprintf(w, "; %s", h.Trouble)
	}
	if h.Unread != "" {
		fmt.Fprintf(w, "; not understood: %s", h.Unread)
	}
	fmt.Fprintln(w)
}
