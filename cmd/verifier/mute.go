package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/web"
)

func muteCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "mute", Short: "Stop alerts for a while", Args: cobra.NoArgs,
		Long: "Stop alerts for a while. Deploys are still watched, rolled back and let through gates; only the messages about them are not sent.\n\n" +
			"A mute ends by itself. `verifier hold list` shows the mutes in force, `verifier hold end ID` ends one early. To stop rollbacks, use `verifier hold add`.",
		Example: "  verifier mute --service checkout --environment staging --for 2h --reason 'load test'",
		RunE:    mute,
	}
	addServerFlags(c)
	addScopeFlags(c)
	addDurationFlag(c, "for", "how long, like 90m, 4h or 2d; required")
	return c
}

func mute(c *cobra.Command, _ []string) error {
	if !c.Flags().Changed("for") {
		return errors.New("--for is required: a mute ends by itself; write how long it lasts, like 90m, 4h or 2d")
	}
	h, err := holdOf(c)
	if err != nil {
		return err
	}
	ask, made, err := putHold(c, "/v1/mutes", h)
	if err != nil {
		return err
	}
	return printed(c, made, func(w io.Writer) { printMade(w, ask, made) })
}

// printMade says what a hold or mute that was just made stops, and how to end it.
func printMade(w io.Writer, ask *client, made verifier.Hold) {
	fmt.Fprintln(w, web.HoldText(made, made.At, ask.zone))
	fmt.Fprintf(w, "To end it: verifier hold end %s\n", made.ID)
}
