package main

import (
	"time"

	"github.com/spf13/cobra"

	"verifier"
)

// durationValue is a flag that takes durations as the YAML does: days and weeks too.
type durationValue time.Duration

func (d *durationValue) String() string { return time.Duration(*d).String() }

// Type is the one that GetDuration asks for.
func (d *durationValue) Type() string { return "duration" }

func (d *durationValue) Set(s string) error {
	length, err := verifier.ParseDuration(s)
	*d = durationValue(length)
	return err
}

func addDurationFlag(c *cobra.Command, name, usage string) {
	c.Flags().VarPF(new(durationValue), name, "", usage).DefValue = "" // help shows no default
}
