// Command verifier watches every deploy for the minutes after it lands, and says whether it made things worse.
//
// It is the daemon (serve), the client of a daemon (deploy, status, explain, approve, ...) and the tool that opens the store
// (report, import, token, ...). Only this package knows all others; daemon.go wires them, top to bottom.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones where the system has none, as in small containers

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// Exit codes of deploy --wait and gate; everything else ends with exitOK or exitTrouble.
const (
	exitOK        = 0
	exitFailed    = 1
	exitTrouble   = 2
	exitUndecided = 3
)

// exitError ends the program with a code of its own, and prints nothing more.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(root.ErrOrStderr(), "verifier:", err)
	return exitTrouble
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "verifier",
		Short:         "Did this deploy break anything?",
		Long:          "verifier watches every deploy for the minutes after it lands, tells whether it made things worse, and rolls back where that was allowed.",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			f := c.Flags().Lookup("format")
			if f != nil && f.Usage == formatUsage && f.Value.String() != "text" && f.Value.String() != "json" {
				return fmt.Errorf("invalid --format %q: must be text or json", f.Value)
			}
			return nil
		},
	}
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "ask", Title: "Ask a server:"}, &cobra.Group{ID: "store", Title: "Open the store:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", serveCommand(), demoCommand(), checkCommand(), testCommand(), judgeCommand(), versionCommand())
	add("ask", deployCommand(), resultsCommand(), gateCommand(), statusCommand(), explainCommand(), orderCommand("approve"), orderCommand("deny"), orderCommand("rollback"),
		orderCommand("cancel"), orderCommand("dismiss"), markCommand(), holdCommand(), muteCommand(), noiseCommand())
	add("store", reportCommand(), importCommand(), backtestCommand(), deploysCommand(), hooksCommand(), tokenCommand(), backupCommand(), restoreCommand(), migrateCommand())
	friendly(root)
	return root
}

// friendly lets every command say how it is written when it is written otherwise, and what a mistyped one may have meant.
func friendly(c *cobra.Command) {
	for _, sub := range c.Commands() {
		friendly(sub)
	}
	if c.HasParent() && c.HasSubCommands() && c.RunE == nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			problem := fmt.Sprintf("there is no %s %s", c.CommandPath(), args[0])
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				problem += "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return fmt.Errorf("%s (%s --help lists them)", problem, c.CommandPath())
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		return
	}
	if check := c.Args; check != nil && c.HasParent() {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return fmt.Errorf("write %s", c.UseLine())
			}
			return nil
		}
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists them)", err, c.CommandPath())
	})
}
