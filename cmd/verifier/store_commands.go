package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/report"
	"verifier/store"
	"verifier/web"
)

// addStoreFlags adds what every command that opens the store takes.
func addStoreFlags(c *cobra.Command) {
	addConfigFlag(c)
	c.Flags().String("store", "", "the store, instead of the configuration's")
}

// storeOf is the configuration and the store that the flags name.
func storeOf(c *cobra.Command) (cfg *Config, dsn string, err error) {
	if cfg, err = loadConfig(configPath(c)); err != nil {
		return nil, "", err
	}
	if dsn, _ = c.Flags().GetString("store"); dsn == "" {
		dsn = cfg.relative(cfg.Store)
	}
	return cfg, dsn, nil
}

// withRecord is withStore for commands that have nothing to do where there is no store yet: a wrong path is an error, not an empty
// record.
func withRecord(c *cobra.Command, do func(*store.Store, *Config) error) error {
	_, dsn, err := storeOf(c)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dsn); errors.Is(err, os.ErrNotExist) && !strings.Contains(dsn, "://") {
		return fmt.Errorf("there is no store at %s: name it with --store or in the configuration; serve and import make one", dsn)
	}
	return withStore(c, do)
}

// withStore opens the store that the flags name, for as long as do runs. It is made where it is missing.
func withStore(c *cobra.Command, do func(*store.Store, *Config) error) error {
	cfg, dsn, err := storeOf(c)
	if err != nil {
		return err
	}
	catalogue := cfg.catalogue()
	s, err := store.Open(c.Context(), dsn, func() *verifier.Catalogue { return catalogue })
	if err != nil {
		return err
	}
	return errors.Join(do(s, cfg), s.Close())
}

func reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "report", Short: "Print a month's deploys and rollbacks", Args: cobra.NoArgs,
		Example: "  verifier report --month 2016-09 --by team --format markdown",
		RunE: func(c *cobra.Command, _ []string) error {
			return withRecord(c, func(s *store.Store, cfg *Config) error {
				month, _ := c.Flags().GetString("month")
				by, _ := c.Flags().GetString("by")
				format, _ := c.Flags().GetString("format")
				if month == "" {
					month = time.Now().In(cfg.zone).Format("2006-01")
				}
				if err := s.FinishImports(c.Context()); err != nil {
					return err
				}
				r, err := makeReport(c.Context(), s, month, by, cfg.zone, cfg.catalogue())
				if err != nil {
					return err
				}
				return r.Write(c.OutOrStdout(), format)
			})
		},
	}
	addStoreFlags(c)
	c.Flags().String("month", "", "month, like 2016-09; default this one")
	c.Flags().String("by", "", "rows by team, service or environment")
	c.Flags().String("format", "text", strings.Join(report.Formats, ", "))
	return c
}

func reasonOf(c *cobra.Command) (string, error) {
	reason, _ := c.Flags().GetString("reason")
	if reason == "" {
		return "", errors.New("--reason is missing: say why, for those who read the record")
	}
	return reason, nil
}

func whoami() string { return envOr("USER", "local") }

func tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and remove tokens of the API"}
	c.AddCommand(tokenCreateCommand(), tokenListCommand(), tokenRemoveCommand())
	return c
}

func tokenCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a token and print it, once", Args: cobra.MaximumNArgs(1),
		Example: "  verifier token create octopus --scope deploys:write",
		RunE: func(c *cobra.Command, args []string) error {
			scopes, _ := c.Flags().GetStringSlice("scope")
			if len(scopes) == 0 {
				return fmt.Errorf("--scope is missing: use one or more of %s", strings.Join(verifier.Scopes, ", "))
			}
			for _, s := range scopes {
				if !contains(verifier.Scopes, s) {
					return fmt.Errorf("invalid --scope %q: must be one of %s", s, strings.Join(verifier.Scopes, ", "))
				}
			}
			secret, hash := web.NewToken()
			t := verifier.Token{Scopes: scopes, Created: time.Now().UTC()}
			t.Name = strings.ReplaceAll(strings.Join(scopes, "-"), ":", "-") + "-" + t.Created.Format("20060102-150405")
			if len(args) == 1 {
				t.Name = args[0]
			}
			if problem := verifier.PlainNameProblem(t.Name); problem != "" {
				return fmt.Errorf("the token's name %.40q %s", t.Name, problem)
			}
			if text, _ := c.Flags().GetString("for"); text != "" {
				length, err := verifier.ParseDuration(text)
				if err != nil || length == 0 {
					return fmt.Errorf("--for %q: write how long the token is good, like 12h or 90d", text)
				}
				until := t.Created.Add(length)
				t.Expires = &until
			}
			return withStore(c, func(s *store.Store, _ *Config) error {
				if err := s.AddToken(c.Context(), t, hash); err != nil {
					return err
				}
				return printed(c, map[string]any{"name": t.Name, "scopes": t.Scopes, "token": secret}, func(w io.Writer) { fmt.Fprintln(w, secret) })
			})
		},
	}
	addStoreFlags(c)
	c.Flags().StringSlice("scope", nil, strings.Join(verifier.Scopes, ", "))
	c.Flags().String("for", "", "how long it is good, like 12h or 90d; default for ever")
	addFormatFlag(c)
	return c
}

func tokenListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the tokens", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withRecord(c, func(s *store.Store, cfg *Config) error {
			list, err := s.Tokens(c.Context())
			if err != nil {
				return err
			}
			return printed(c, list, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tSCOPES\tCREATED\tUSED\tEXPIRES")
				for _, k := range list {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.Name, strings.Join(k.Scopes, ","), stamp(k.Created, cfg.zone), stampOr(k.Used, cfg.zone, "never"), stampOr(k.Expires, cfg.zone, "never"))
				}
				t.Flush()
			})
		})
	}}
	addStoreFlags(c)
	addFormatFlag(c)
	return c
}

func tokenRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Aliases: []string{"revoke"}, Short: "Remove a token: it opens nothing from now on", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withRecord(c, func(s *store.Store, _ *Config) error {
			if err := s.RemoveToken(c.Context(), args[0]); err != nil {
				return err
			}
			return printed(c, map[string]string{"removed": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "the token %s is removed\n", args[0]) })
		})
	}}
	addStoreFlags(c)
	addFormatFlag(c)
	return c
}

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup FILE", Short: "Copy the store into a new file, while the daemon runs", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRecord(c, func(s *store.Store, _ *Config) error {
				if err := s.Backup(c.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), "the store is copied to", args[0])
				return nil
			})
		},
	}
	addStoreFlags(c)
	return c
}

func restoreCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the store's place; the daemon must be down", Args: cobra.ExactArgs(1),
		Long: "Put a backup in the store's place; the daemon must be down. The store that was there is kept beside it.",
		RunE: func(c *cobra.Command, args []string) error { return restore(c, args[0]) },
	}
	addStoreFlags(c)
	return c
}

func restore(c *cobra.Command, from string) error {
	_, to, err := storeOf(c)
	if err != nil {
		return err
	}
	if strings.Contains(to, "://") {
		return errors.New("restore is for SQLite; PostgreSQL has pg_restore")
	}
	lock, err := store.LockFile(to) // the store itself may be damaged: it is not opened
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := checkBackup(c.Context(), from, to); err != nil {
		return err
	}
	kept := fmt.Sprintf("%s.before-restore-%s", to, time.Now().UTC().Format("20060102-150405"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(to+suffix, kept+suffix); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("keep the store that is there: %w", err)
		}
	}
	if err := os.Rename(to+".restoring", to); err != nil {
		return fmt.Errorf("put the backup in its place (the store of before is %s): %w", kept, err)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s is restored from %s", to, from)
	if _, err := os.Stat(kept); err == nil {
		fmt.Fprintf(c.OutOrStdout(), "; what was there is kept as %s", kept)
	}
	fmt.Fprintln(c.OutOrStdout())
	return nil
}

// checkBackup copies the backup beside the store and opens the copy.
func checkBackup(ctx context.Context, from, to string) error {
	text, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer text.Close()
	copied, err := os.OpenFile(to+".restoring", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy the backup into %s: %w", filepath.Dir(to), err)
	}
	_, err = io.Copy(copied, text)
	if err := errors.Join(err, copied.Sync(), copied.Close()); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	s, err := store.Open(ctx, to+".restoring", nil)
	if err != nil {
		os.Remove(to + ".restoring")
		return fmt.Errorf("%s is no backup of verifier: %w", from, err)
	}
	return s.Close()
}

func migrateCommand() *cobra.Command {
	c := &cobra.Command{Use: "migrate", Short: "Bring the store's schema up to date (serve does so too)", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withStore(c, func(*store.Store, *Config) error {
			fmt.Fprintln(c.OutOrStdout(), "the schema is up to date")
			return nil
		})
	}}
	addStoreFlags(c)
	return c
}
