package main

import (
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestDurationFlagsTakeDaysAndWeeks(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 2160 * time.Hour, "2w": 336 * time.Hour, "15m": 15 * time.Minute, "soon": -1, "5": -1} {
		c := &cobra.Command{}
		addDurationFlag(c, "for", "how long")
		err := c.ParseFlags([]string{"--for", text})
		if got, _ := c.Flags().GetDuration("for"); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("--for %s: %v, %v", text, got, err)
		}
	}
}
