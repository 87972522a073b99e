package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/intake"
	"verifier/store"
)

func importCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE.csv", Short: "Add deploys of the past to the record", Args: cobra.ExactArgs(1),
		Long: `Add deploys of the past to the record, all or nothing.

The first line names the columns: at, service, environment, version, and of your choice status, team, id, target, change, by, commit,
group, url, repository, started_at, previous_version and hosts (with ; between them). --ignore-column leaves others out. Times are RFC
3339, with a blank instead of the T and before the offset too; without an offset they are in the configuration's time zone. The file is read twice: nothing is written before every line was found good, and reports see the deploys
only when all are in. A running daemon goes on. Deploys that are known already are left as they are; so a second import of the same
file adds nothing. Imported deploys are not watched.`,
		RunE: func(c *cobra.Command, args []string) error {
			return withStore(c, func(s *store.Store, cfg *Config) error { return importFile(c, s, cfg, args[0]) })
		},
	}
	addStoreFlags(c)
	addFormatFlag(c)
	c.Flags().StringSlice("ignore-column", nil, "name of a column that is not read; may be repeated")
	return c
}

func importFile(c *cobra.Command, s *store.Store, cfg *Config, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the deploys: %w", err)
	}
	defer f.Close()
	now := time.Now()
	ignored, _ := c.Flags().GetStringSlice("ignore-column")
	lines := 0
	if err := intake.ReadCSV(f, now, cfg.zone, func(int, verifier.Deploy) error { lines++; return nil }, ignored...); err != nil {
		return fmt.Errorf("%s: nothing was imported: %w", path, err)
	}
	if lines == 0 {
		return fmt.Errorf("%s: nothing was imported: it has no deploys", path)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the deploys again: %w", err)
	}
	id, added, err := stageAll(c.Context(), s, filepath.Base(path), f, now, cfg, ignored)
	if err != nil {
		return fmt.Errorf("%s: nothing was imported: %w", path, err)
	}
	if err := s.FinishImport(c.Context(), id); err != nil {
		return fmt.Errorf("%s: all deploys are in, and reports leave them out until this is done; import the file again: %w", path, err)
	}
	return printed(c, map[string]int{"lines": lines, "added": added, "known": lines - added}, func(w io.Writer) {
		fmt.Fprintf(w, "%d lines read, %d deploys added; %d lines were known, or said more of one that was added\n", lines, added, lines-added)
	})
}

// stageAll writes all deploys into an import that only has to be finished, or leaves nothing behind.
func stageAll(ctx context.Context, s *store.Store, name string, from io.Reader, now time.Time, cfg *Config, ignored []string) (id string, added int, err error) {
	id, err = s.BeginImport(ctx, name, whoami(), now)
	if err != nil {
		return "", 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.AbandonImport(context.WithoutCancel(ctx), id))
		}
	}()
	batch, lines := make([]verifier.Deploy, 0, store.ImportRows), make([]int, 0, store.ImportRows)
	stage := func() error {
		n, err := s.StageImport(ctx, id, batch)
		added += n
		var row *store.RowError
		if errors.As(err, &row) {
			err = fmt.Errorf("line %d: %w", lines[row.Row], err)
		}
		batch, lines = batch[:0], lines[:0]
		return err
	}
	err = intake.ReadCSV(from, now, cfg.zone, func(line int, d verifier.Deploy) error {
		d.Tool, d.RecordedAt = "import", now.UTC()
		batch, lines = append(batch, d), append(lines, line)
		if len(batch) < store.ImportRows {
			return nil
		}
		return stage()
	}, ignored...)
	if err == nil {
		err = stage()
	}
	return id, added, err
}
