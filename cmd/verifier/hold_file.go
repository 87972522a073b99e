package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/web"
)

const (
	fileHoldID = "hold-file"
	fileHoldBy = "the hold file"
)

// holdLine is what `verifier hold add --file` writes; any other text is a reason too.
var holdLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+) by ([^:]+): (.*)$`)

// fileHold is the hold that the hold file stands for: rollbacks everywhere, for as long as it exists. Nil where it does not. A file that
// cannot be read holds too.
func (c *Config) fileHold() *verifier.Hold {
	if c.HoldFile == "" {
		return nil
	}
	path := c.relative(c.HoldFile)
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	h := &verifier.Hold{ID: fileHoldID, By: fileHoldBy, Stops: []string{verifier.StopsRollback}, File: c.HoldFile}
	if err == nil {
		h.At = info.ModTime().UTC()
	}
	text, _ := os.ReadFile(path) // that it is there is enough
	h.Reason = strings.Join(strings.Fields(string(text)), " ")
	if m := holdLine.FindStringSubmatch(h.Reason); m != nil {
		if at, err := time.Parse(time.RFC3339, m[1]); err == nil {
			h.At, h.By, h.Reason = at.UTC(), m[2], m[3]
		}
	}
	h.Reason = cmp.Or(clip(h.Reason, 200), "no reason given")
	return h
}

// frozen is why the hold file holds everything, or nothing.
func (c *Config) frozen() string {
	h := c.fileHold()
	switch {
	case h == nil:
		return ""
	case h.By == fileHoldBy:
		return fmt.Sprintf("held by the hold file %s: %s", h.File, h.Reason)
	}
	return fmt.Sprintf("held by %s (hold file %s): %s", h.By, h.File, h.Reason)
}

// Holds are those of the record, and the hold file's.
func (m marking) Holds(ctx context.Context, now time.Time, all bool) ([]verifier.Hold, error) {
	list, err := m.Store.Holds(ctx, now, all)
	if h := m.daemon.live().cfg.fileHold(); h != nil {
		list = append(list, *h)
		slices.SortFunc(list, func(a, b verifier.Hold) int { return strings.Compare(a.ID, b.ID) })
	}
	return list, err
}

// EndHold ends a hold of the record. The hold file's ends with the file.
func (m marking) EndHold(ctx context.Context, id, by string, now time.Time) error {
	if h := m.daemon.live().cfg.fileHold(); h != nil && id == fileHoldID {
		return &verifier.ConflictError{Problem: "this hold is the file " + h.File + " on the server; remove the file to end it"}
	}
	return m.Store.EndHold(ctx, id, by, now)
}

// held are the holds in force, and what they say.
func (d *Daemon) held(ctx context.Context) (list []verifier.Hold, text string) {
	now := d.now()
	holds, err := marking{d.store, d}.Holds(ctx, now, false)
	d.failed("look for holds", err)
	list = []verifier.Hold{}
	var lines []string
	for _, h := range web.Widest(holds) {
		list = append(list, web.WholeHold(h))
		lines = append(lines, web.HoldText(h, now, d.live().cfg.zone))
	}
	return list, strings.Join(lines, "\n")
}
