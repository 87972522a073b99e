package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

// addConfigFlag adds --config; without it verifier.yaml here is taken where there is one.
func addConfigFlag(c *cobra.Command) {
	c.Flags().String("config", envOr("VERIFIER_CONFIG", ""), "configuration file (VERIFIER_CONFIG; default verifier.yaml where there is one)")
}

func configPath(c *cobra.Command) string {
	path, _ := c.Flags().GetString("config")
	if path != "" {
		return path
	}
	if _, err := os.Stat("verifier.yaml"); err == nil {
		return "verifier.yaml"
	}
	return ""
}

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Args: cobra.NoArgs,
		Long: "Run the daemon until SIGINT or SIGTERM; what is in flight is finished within 10 seconds.\n\n" +
			"Files are read again at SIGHUP and when they change. If they have errors, the previous configuration stays in effect.",
		RunE: func(c *cobra.Command, _ []string) error {
			listen, _ := c.Flags().GetString("listen")
			log, err := logger(c)
			if err != nil {
				return err
			}
			d, err := NewDaemon(c.Context(), configPath(c), listen, log)
			if err != nil {
				return err
			}
			return d.Run(c.Context())
		},
	}
	addConfigFlag(c)
	c.Flags().String("listen", "", "address to listen on, instead of the configuration's")
	c.Flags().String("log-format", "text", "text or json")
	c.Flags().String("log-level", "info", "debug, info, warn or error")
	return c
}

func logger(c *cobra.Command) (*slog.Logger, error) {
	level, _ := c.Flags().GetString("log-level")
	format, _ := c.Flags().GetString("log-format")
	var at slog.Level
	if err := at.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("invalid --log-level %q: must be debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: at}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(c.ErrOrStderr(), options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.ErrOrStderr(), options)), nil
	}
	return nil, fmt.Errorf("invalid --log-format %q: must be text or json", format)
}
