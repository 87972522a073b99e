package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"verifier"
)

func gateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gate SERVICE ENV VERSION",
		Short: "Ask whether a version may go into an environment",
		Long: `Ask whether a version may go into an environment: whether it passed where the gates of verifier.yaml demand.

It exits with 0 when the version may go, 1 when it must not (it failed, is known bad, or the gate is held), 3 when the answer is not known (yet)
and 2 on any trouble, an unknown environment included. With --wait it waits for what is still to come: the deploy, its verdict, test results.`,
		Example: "  verifier gate checkout production 1.4.2 --wait --timeout 30m\n  verifier gate checkout production 1.4.2 --override --reason 'the sale begins at noon; INC-7'",
		Args:    cobra.ExactArgs(3),
		RunE:    gate,
	}
	addServerFlags(c)
	f := c.Flags()
	addTargetFlag(c)
	f.Bool("wait", false, "wait for what is still to come")
	addDurationFlag(c, "timeout", "wait at most so long; then exit 3 (default 1h)")
	f.String("on-trouble", "block", "when verifier itself cannot be asked: block (exit 2) or allow (exit 0, with a warning)")
	f.Bool("override", false, "let it pass all the same; recorded, and told to the team")
	f.String("reason", "", "why, with --override")
	return c
}

func gate(c *cobra.Command, args []string) error {
	f := c.Flags()
	onTrouble, _ := f.GetString("on-trouble")
	override, _ := f.GetBool("override")
	reason, _ := f.GetString("reason")
	timeout, _ := f.GetDuration("timeout")
	switch {
	case onTrouble != "block" && onTrouble != "allow":
		return fmt.Errorf("invalid --on-trouble %q: must be block or allow", onTrouble)
	case override && strings.TrimSpace(reason) == "":
		return errors.New("--reason is missing: say why, for the record and for the team")
	case !override && reason != "":
		return errors.New("--reason is of --override; write both")
	case timeout == 0:
		timeout = time.Hour
	}
	ask, err := clientOf(c)
	if err != nil {
		return err
	}
	q := placeQuery(c, args)
	q.Set("version", args[2])
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	defer cancel()
	var a verifier.GateAnswer
	if override {
		body := map[string]string{"version": args[2], "reason": reason}
		for name := range placeQuery(c, args) {
			body[name] = q.Get(name)
		}
		err = ask.do(ctx, http.MethodPost, "/v1/gate", body, &a)
	} else {
		a, err = askGate(ctx, c, ask, q, onTrouble)
	}
	if err != nil && (final(err) || onTrouble == "block" || c.Context().Err() != nil) {
		return err
	}
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "verifier: WARNING: the gate could not be asked, and --on-trouble allow lets %s %s into %s UNCHECKED: %v\n", args[0], args[2], args[1], err)
		a = verifier.GateAnswer{
			Place: verifier.Place{Service: args[0], Environment: args[1], Target: q.Get("target")}, Version: args[2], Allowed: true, Outcome: verifier.GateUntold,
			Text: "the gate could not be asked, and --on-trouble allow lets it pass", Reasons: []verifier.GateProblem{}, At: time.Now().UTC(),
		}
	}
	if err := printed(c, a, func(w io.Writer) { printGate(w, ask, a) }); err != nil {
		return err
	}
	return gateExit(a)
}

func gateExit(a verifier.GateAnswer) error {
	switch {
	case a.Allowed:
		return nil
	case a.Outcome == verifier.GateShut:
		return exitError(exitFailed)
	}
	return exitError(exitUndecided)
}

// How often a gate is asked by who waits, and how long trouble may last where it opens the gate.
const (
	gateEvery   = 2 * time.Second
	gateTrouble = time.Minute
)

// askGate asks once, or, with --wait, until nothing is still to come or the time is over.
func askGate(ctx context.Context, c *cobra.Command, ask *client, q url.Values, onTrouble string) (verifier.GateAnswer, error) {
	wait, _ := c.Flags().GetBool("wait")
	line := newLiveLine(c.ErrOrStderr())
	defer line.end()
	var last *verifier.GateAnswer
	var troubled time.Time
	for {
		var a verifier.GateAnswer
		err := ask.do(ctx, http.MethodGet, "/v1/gate?"+q.Encode(), nil, &a)
		switch {
		case err == nil:
			if last, troubled = &a, (time.Time{}); !wait || a.Outcome != verifier.GatePending || a.Allowed {
				return a, nil
			}
			line.show(a.Text)
		case !wait || final(err):
			return a, err
		case ctx.Err() != nil:
		default:
			if troubled.IsZero() {
				troubled = time.Now()
			}
			if onTrouble == "allow" && time.Since(troubled) > gateTrouble {
				return a, err
			}
			line.show("waiting for the server: " + err.Error())
		}
		select {
		case <-time.After(gateEvery):
			continue
		case <-ctx.Done():
		}
		switch {
		case c.Context().Err() != nil:
			return a, c.Context().Err()
		case last == nil:
			return a, cmp.Or(err, ctx.Err())
		}
		return *last, nil
	}
}

// marks of reasons in terminal output.
func gateMark(r verifier.GateReason) string {
	switch r {
	case verifier.GateHeld, verifier.GateCondemned, verifier.GateFailed, verifier.GateResultsFailed:
		return "✗"
	case verifier.GateWatching, verifier.GateNotDeployed, verifier.GateResultsMissing:
		return "…"
	}
	return "?"
}

func printGate(w io.Writer, ask *client, a verifier.GateAnswer) {
	said := strings.ToUpper(string(a.Outcome))
	if a.Allowed && a.Outcome != verifier.GatePassed {
		said += ", LET THROUGH"
	}
	fmt.Fprintf(w, "%s %s into %s: %s\n", a.Service, a.Version, a.Where(), said)
	if len(a.Reasons) == 0 {
		fmt.Fprintf(w, "  %s\n", a.Text)
	}
	for _, r := range a.Reasons {
		fmt.Fprintf(w, "  %s %-15s %s\n", gateMark(r.Reason), r.Reason, r.Text)
	}
	if o := a.Override; o != nil {
		fmt.Fprintf(w, "  overridden by %s until %s: %s\n", o.By, ask.when(o.Until), o.Reason)
	}
}

func printResults(w io.Writer, v verifier.Verification) {
	fmt.Fprintf(w, "%s %s in %s has these results:\n", v.Deploy.Service, v.Deploy.Version, v.Deploy.Where())
	results := slices.Clone(v.Results)
	slices.SortFunc(results, func(a, b verifier.TestResult) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range results {
		mark := "✓"
		if r.Failed > 0 {
			mark = "✗"
		} else if !r.Passed() {
			mark = "?"
		}
		fmt.Fprintf(w, "  %s %-18s %d tests, %d failed, %d skipped\n", mark, r.Name, r.Tests, r.Failed, r.Skipped)
		for _, f := range r.Failures {
			fmt.Fprintf(w, "      %s\n", f)
		}
	}
}
