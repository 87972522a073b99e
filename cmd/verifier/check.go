package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/rules"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Check verifier.yaml and the rules, without asking anybody", Args: cobra.NoArgs,
		Long: "Check verifier.yaml and the rules, without asking anybody.\n\nWith --against OLD (rules of before, a file or a folder) it says what changes for whom.\n" +
			"With --schema it prints the JSON schema of rules (or of config) for editors.",
		RunE: func(c *cobra.Command, _ []string) error {
			if of, _ := c.Flags().GetString("schema"); of != "" {
				return printSchema(c, of)
			}
			return check(c)
		},
	}
	addConfigFlag(c)
	c.Flags().String("rules", "", "check these rules instead of the configuration's")
	c.Flags().String("against", "", "rules of before: say what changes for whom")
	c.Flags().String("schema", "", "print the JSON schema of rules or config")
	addFormatFlag(c)
	return c
}

func check(c *cobra.Command) error {
	cfg, err := loadConfig(configPath(c))
	if err != nil {
		return err
	}
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
	if err != nil {
		return err
	}
	old, _ := c.Flags().GetString("against")
	if old == "" {
		return printed(c, map[string]any{"rules": s.rules.Len(), "sources": len(s.sources), "services": s.catalogue.ServiceNames()}, func(w io.Writer) {
			fmt.Fprintf(w, "%d rules, %d sources, %d services: all well\n", s.rules.Len(), len(s.sources), len(s.catalogue.ServiceNames()))
		})
	}
	was, err := rules.Load(old, cfg.checks())
	if err != nil {
		return fmt.Errorf("the rules of before: %w", err)
	}
	changes := rules.Diff(was, s.rules, places(s.catalogue))
	return printed(c, changes, func(w io.Writer) {
		if len(changes) == 0 {
			fmt.Fprintln(w, "nothing changes for anybody")
		}
		for _, change := range changes {
			fmt.Fprintln(w, change)
		}
	})
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
