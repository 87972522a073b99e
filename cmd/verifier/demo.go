package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"verifier/demo"
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "See it at work, in about a minute, on this machine alone", Args: cobra.NoArgs,
		Long: "A small shop has real traffic and writes a log. Version 1.0 is deployed and passes; 1.1 has a fault, is condemned, paged and rolled\n" +
			"back, and the rollback is checked. Everything runs in this process on loopback, and is gone afterwards.",
		RunE: func(c *cobra.Command, _ []string) error {
			good, _ := c.Flags().GetBool("good")
			keep, _ := c.Flags().GetBool("keep")
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
			return demo.Run(c.Context(), demo.Options{Good: good, Keep: keep, Out: c.OutOrStdout(), Daemon: func(ctx context.Context, config string) (string, func() error, error) {
				d, err := NewDaemon(ctx, config, "", log)
				if err != nil {
					return "", nil, err
				}
				done := make(chan error, 1)
				go func() { done <- d.Run(ctx) }()
				return "http://" + d.Addr(), func() error { return <-done }, nil
			}})
		},
	}
	c.Flags().Bool("good", false, "deploy a 1.1 without the fault: nothing must be rolled back")
	c.Flags().Bool("keep", false, "leave the console up at the end, until Ctrl-C")
	return c
}
