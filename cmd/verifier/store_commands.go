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

// withStore opens the store that the flags name, for as long as do runs.
func withStore(c *cobra.Command, do func(*store.Store, *Config) error) error {
	cfg, err := loadConfig(configPath(c))
	if err != nil {
		return err
	}
	dsn, _ := c.Flags().GetString("store")
	if dsn == "" {
		dsn = cfg.relative(cfg.Store)
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
			return withStore(c, func(s *store.Store, cfg *Config) error {
				month, _ := c.Flags().GetString("month")
				by, _ := c.Flags().GetString("by")
				format, _ := c.Flags().GetString("format")
				if month == "" {
					month = time.Now().In(cfg.zone).Format("2006-01")
				}
				if err := s.ResumeImports(c.Context()); err != nil {
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

func deploysCommand() *cobra.Command {
	c := &cobra.Command{Use: "deploys", Short: "List and correct recorded deploys"}
	c.AddCommand(deploysListCommand(), deploysVoidCommand(), deploysEditCommand())
	return c
}

func deploysListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List deploys, newest first", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withStore(c, func(s *store.Store, cfg *Config) error {
			f, limit, err := deployFilter(c, cfg)
			if err != nil {
				return err
			}
			list, more, err := listDeploys(c.Context(), s, f, limit)
			if err != nil {
				return err
			}
			strange, err := unclaimed(c.Context(), s, cfg.catalogue())
			if err != nil {
				return err
			}
			return printed(c, list, func(w io.Writer) {
				printDeploys(w, list, cfg)
				if more {
					fmt.Fprintf(w, "and more: these are the newest %d; --limit lists more\n", limit)
				}
				printUnclaimed(w, strange)
			})
		})
	}}
	addStoreFlags(c)
	f := c.Flags()
	f.String("format", "text", "text or json")
	f.String("service", "", "of this service alone")
	f.String("environment", "", "in these environments alone, with commas between them")
	f.String("target", "", "of this tenant, region or cell alone")
	f.String("team", "", "of this team alone")
	f.String("month", "", "of this month alone, like 2016-09")
	f.String("kind", "", "release, rollback or redeploy alone")
	f.String("status", "", "started, succeeded or failed alone")
	f.String("change", "", "release, config, toggle, infra or scale alone")
	f.Int("limit", 50, "at most so many")
	return c
}

func deployFilter(c *cobra.Command, cfg *Config) (f verifier.DeployFilter, limit int, err error) {
	text := func(name string) string { s, _ := c.Flags().GetString(name); return s }
	f = verifier.DeployFilter{
		Zone: cfg.zone, Service: text("service"), Environment: text("environment"), Target: text("target"), Team: text("team"), Month: text("month"),
		Kind: verifier.Kind(text("kind")), Status: verifier.Status(text("status")), Change: verifier.Change(text("change")),
	}
	limit, _ = c.Flags().GetInt("limit")
	if limit < 1 {
		return f, 0, fmt.Errorf("--limit %d: write 1 or more", limit)
	}
	kinds := []verifier.Kind{verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy}
	return f, limit, errors.Join(oneOf("kind", f.Kind, kinds), oneOf("status", f.Status, verifier.Statuses), oneOf("change", f.Change, verifier.Changes))
}

// oneOf is the error of a flag that is none of its words; empty is not set.
func oneOf[T ~string](flag string, value T, words []T) error {
	if value == "" || contains(words, value) {
		return nil
	}
	return fmt.Errorf("--%s %q is none; write one of %v", flag, value, words)
}

// listDeploys reads as many pages as it takes; more says that there are others.
func listDeploys(ctx context.Context, s *store.Store, f verifier.DeployFilter, limit int) (list []verifier.Deploy, more bool, err error) {
	list = []verifier.Deploy{}
	for {
		f.Limit = min(limit-len(list), 500)
		page, next, err := s.Deploys(ctx, f)
		if err != nil {
			return nil, false, err
		}
		list = append(list, page...)
		if next == "" || len(list) >= limit {
			return list, next != "", nil
		}
		f.After = next
	}
}

// printDeploys lists deploys in the configuration's time zone.
func printDeploys(w io.Writer, list []verifier.Deploy, cfg *Config) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tSERVICE\tENVIRONMENT\tVERSION\tSTATUS\tKIND\tBEFORE\tBY\tID")
	for _, d := range list {
		kind := string(d.Kind)
		switch {
		case d.Void:
			kind = "void"
		case d.Change != verifier.Release:
			kind = string(d.Change)
		}
		if d.Corrected && !d.Void {
			kind += " (corrected)"
		}
		environment := d.Environment
		if d.Target != "" {
			environment += " (" + d.Target + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			d.At.In(cfg.zone).Format("2006-01-02 15:04"), d.Service, environment, d.Version, d.Status, kind, d.Previous, d.By, d.ID)
	}
	t.Flush()
}

func deploysVoidCommand() *cobra.Command {
	c := &cobra.Command{Use: "void ID", Short: "Take a deploy out of the record; the original is kept", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		reason, err := reasonOf(c)
		if err != nil {
			return err
		}
		return withStore(c, func(s *store.Store, _ *Config) error {
			d, err := s.VoidDeploy(c.Context(), args[0], whoami(), reason, time.Now())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s %s of %s is void\n", d.Place, d.Version, d.At.UTC().Format(time.RFC3339))
			return nil
		})
	}}
	addStoreFlags(c)
	c.Flags().String("reason", "", "why, for the record")
	return c
}

func deploysEditCommand() *cobra.Command {
	c := &cobra.Command{Use: "edit ID", Short: "Correct a deploy; the original is kept", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		reason, err := reasonOf(c)
		if err != nil {
			return err
		}
		return withStore(c, func(s *store.Store, cfg *Config) error {
			d, err := s.EditDeploy(c.Context(), args[0], func(d *verifier.Deploy) error { return editDeploy(c, d) }, whoami(), reason, time.Now())
			if err != nil {
				return err
			}
			return printed(c, d, func(w io.Writer) { printDeploys(w, []verifier.Deploy{d}, cfg) })
		})
	}}
	addStoreFlags(c)
	f := c.Flags()
	f.String("format", "text", "text or json")
	f.String("reason", "", "why, for the record")
	f.String("version", "", "the right version")
	f.String("status", "", "started, succeeded or failed")
	f.String("at", "", "the right time, RFC 3339")
	f.String("team", "", "the right team")
	f.String("by", "", "who deployed")
	return c
}

func editDeploy(c *cobra.Command, d *verifier.Deploy) error {
	f := c.Flags()
	if v, _ := f.GetString("version"); v != "" {
		if problem := verifier.VersionProblem(v); problem != "" {
			return verifier.Invalid("version", "%s", problem)
		}
		d.Version = v
	}
	if s, _ := f.GetString("status"); s != "" {
		if !contains([]string{"started", "succeeded", "failed"}, s) {
			return verifier.Invalid("status", "%q is none; write started, succeeded or failed", s)
		}
		d.Status = verifier.Status(s)
	}
	if at, _ := f.GetString("at"); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return verifier.Invalid("at", "%q is no time; write 2016-09-01T10:00:00Z", at)
		}
		d.At = t.UTC()
	}
	if team, _ := f.GetString("team"); team != "" {
		d.Team = team
	}
	if by, _ := f.GetString("by"); by != "" {
		d.By = by
	}
	return nil
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
				return fmt.Errorf("--scope is missing: write some of %s", strings.Join(verifier.Scopes, ", "))
			}
			for _, s := range scopes {
				if !contains(verifier.Scopes, s) {
					return fmt.Errorf("--scope %q is none; write some of %s", s, strings.Join(verifier.Scopes, ", "))
				}
			}
			secret, hash := web.NewToken()
			t := verifier.Token{Scopes: scopes, Created: time.Now().UTC()}
			t.Name = strings.ReplaceAll(strings.Join(scopes, "-"), ":", "-") + "-" + t.Created.Format("20060102-150405")
			if len(args) == 1 {
				t.Name = args[0]
			}
			if length, _ := c.Flags().GetDuration("for"); length > 0 {
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
	c.Flags().Duration("for", 0, "how long it is good; default for ever")
	c.Flags().String("format", "text", "text or json")
	return c
}

func tokenListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the tokens", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withStore(c, func(s *store.Store, _ *Config) error {
			list, err := s.Tokens(c.Context())
			if err != nil {
				return err
			}
			return printed(c, list, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tSCOPES\tCREATED\tUSED\tEXPIRES")
				for _, k := range list {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.Name, strings.Join(k.Scopes, ","), k.Created.Format("2006-01-02"), dayOr(k.Used, "never"), dayOr(k.Expires, "never"))
				}
				t.Flush()
			})
		})
	}}
	addStoreFlags(c)
	c.Flags().String("format", "text", "text or json")
	return c
}

func dayOr(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func tokenRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Short: "Remove a token", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withStore(c, func(s *store.Store, _ *Config) error { return s.RemoveToken(c.Context(), args[0]) })
	}}
	addStoreFlags(c)
	return c
}

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup FILE", Short: "Copy the store into a new file, while the daemon runs", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withStore(c, func(s *store.Store, _ *Config) error {
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
	cfg, err := loadConfig(configPath(c))
	if err != nil {
		return err
	}
	to, _ := c.Flags().GetString("store")
	if to == "" {
		to = cfg.relative(cfg.Store)
	}
	if strings.Contains(to, "://") {
		return errors.New("restore is for SQLite; PostgreSQL has pg_restore")
	}
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
	fmt.Fprintf(c.OutOrStdout(), "%s is restored from %s; what was there is kept as %s\n", to, from, kept)
	return nil
}

// checkBackup copies the backup beside the store, opens the copy, and makes sure that no daemon runs on the store.
func checkBackup(ctx context.Context, from, to string) error {
	nothing := func() *verifier.Catalogue { return &verifier.Catalogue{} }
	if _, err := os.Stat(to); err == nil {
		s, err := store.Open(ctx, to, nothing)
		if err != nil {
			return fmt.Errorf("open the store that is there: %w", err)
		}
		err = s.Lock()
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
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
	s, err := store.Open(ctx, to+".restoring", nothing)
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
