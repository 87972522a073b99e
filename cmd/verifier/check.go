package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/rules"
	"verifier/words"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Check verifier.yaml, the catalogue and the rules without connecting to anything", Args: cobra.NoArgs,
		Long: "Check verifier.yaml, the catalogue and the rules without connecting to anything. All errors are printed, by file and line, each with an\n" +
			"excerpt in which values that may be secret are hidden.\n\n--against OLD (a file or a folder of rules) prints what changes for which service.\n" +
			"--schema prints the JSON schema of rules (or of config) for editors.",
		RunE: func(c *cobra.Command, _ []string) error {
			if of, _ := c.Flags().GetString("schema"); of != "" {
				return printSchema(c, of)
			}
			return check(c)
		},
	}
	addConfigFlag(c)
	c.Flags().String("rules", "", "rules to check, instead of the configuration's")
	c.Flags().String("against", "", "old rules: print what changes for which service")
	c.Flags().String("schema", "", "print the JSON schema of rules or config, for editors")
	addFormatFlag(c)
	return c
}

func check(c *cobra.Command) error {
	cfg := readConfig(configPath(c))
	if path, _ := c.Flags().GetString("rules"); path != "" {
		here, err := os.Getwd()
		if err != nil {
			return err
		}
		cfg.Rules = absolute(here, path)
	}
	rt, err := newTransport()
	if err != nil {
		return err
	}
	s, err := loadFrom(cfg, rt, slog.New(slog.DiscardHandler), nil)
	if err == nil {
		err = errors.Join(cfg.withoutWay(), cfg.doc.shown(s.alerting.CheckTemplates(time.Now())))
	}
	if err != nil {
		fmt.Fprintln(c.ErrOrStderr(), withExcerpts(err))
		return exitError(exitTrouble)
	}
	old, _ := c.Flags().GetString("against")
	if old == "" {
		return printed(c, s.summary(), func(w io.Writer) { fmt.Fprintln(w, s.summary()) })
	}
	was, err := rules.Load(old, cfg.checks())
	if err != nil {
		return fmt.Errorf("the old rules:\n%s", withExcerpts(placesOnly(err)))
	}
	changes := rules.Diff(was, s.rules, places(s.catalogue))
	return printed(c, changes, func(w io.Writer) {
		if len(changes) == 0 {
			fmt.Fprintln(w, "No changes.")
		}
		for _, change := range changes {
			fmt.Fprintln(w, change)
		}
	})
}

// withExcerpts puts what stands at each place under its error, for the terminal; and how many there are under them all.
func withExcerpts(err error) string {
	list := verifier.EachError(err)
	var out []string
	for _, one := range list {
		text := one.Error()
		var at *verifier.FileError
		if errors.As(one, &at) {
			text = strings.TrimRight(at.Error()+"\n"+excerpt(at), "\n")
		}
		out = append(out, text)
	}
	if len(list) > 1 {
		out = append(out, words.Count(len(list), "error"))
	}
	return strings.Join(out, "\n")
}

// summary is what check found, where nothing is wrong.
type summary struct {
	Rules     int      `json:"rules"`
	Sources   int      `json:"sources"`
	Services  []string `json:"services"`          // those that the catalogue names
	Entries   int      `json:"catalogue_entries"` // of the catalogue
	WithGlobs int      `json:"with_globs"`        // those that may hold for several services
}

func (s *setup) summary() summary {
	out := summary{Rules: s.rules.Len(), Sources: len(s.sources), Services: s.catalogue.ServiceNames(), Entries: len(s.cfg.Services.list)}
	for _, e := range s.cfg.Services.list {
		if !e.single() {
			out.WithGlobs++
		}
	}
	return out
}

// String is 12 rules, 3 sources, 3 catalogue entries (2 with globs): ok.
func (s summary) String() string {
	entries := words.CountOf(s.Entries, "catalogue entry", "catalogue entries")
	if s.WithGlobs > 0 {
		entries += fmt.Sprintf(" (%d with globs)", s.WithGlobs)
	}
	return words.Count(s.Rules, "rule") + ", " + words.Count(s.Sources, "source") + ", " + entries + ": ok"
}

// places are one deploy of each service of the catalogue in each environment.
func places(c *verifier.Catalogue) []verifier.Deploy {
	var out []verifier.Deploy
	for _, name := range c.ServiceNames() {
		for _, e := range c.Environments {
			p := verifier.Place{Service: name, Environment: e.Name}
			out = append(out, verifier.Deploy{Place: p, Team: c.Service(p, "").Team, Change: verifier.Release, Status: verifier.Succeeded})
		}
	}
	return out
}
