package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"verifier"
	"verifier/record"
)

// maxImportRows is how many rows an import may write in one transaction, so that a running daemon keeps writing beside it. It writes
// ImportRows at once, and between two transactions makes room for a daemon that tries again and again for the lock.
const (
	maxImportRows = 1000
	ImportRows    = 250
	importPause   = 5 * time.Millisecond
)

// RowError says which row of those given to StageImport is wrong, counted from 0.
type RowError struct {
	Row int
	Err error
}

// Error is the text of the error inside.
func (e *RowError) Error() string { return e.Err.Error() }

// Unwrap gives the error inside.
func (e *RowError) Unwrap() error { return e.Err }

// BeginImport opens an import, after what an import that died has left is cleaned up. Nothing sees its rows before FinishImport has
// marked it whole. Only one import of a store runs at a time, in whatever process; it ends with FinishImport or AbandonImport.
func (s *Store) BeginImport(ctx context.Context, name, by string, now time.Time) (string, error) {
	if err := s.lockImports(); err != nil {
		return "", err
	}
	id, err := uuid.NewV7()
	if err == nil {
		err = s.cleanImports(ctx, true)
	}
	if err == nil {
		err = s.writer.do(ctx, func(t *tx) error {
			return t.exec(`INSERT INTO imports (id, name, sender, at, state) VALUES ($1, $2, $3, $4, 'staging')`, id.String(), name, by, millis(now))
		})
	}
	if err != nil {
		s.unlockImports()
	}
	return id.String(), err
}

// StageImport adds at most 1,000 deploys. Facts about one deploy of the import are joined. A deploy that the record knows is left as
// it is; added tells how many were not known. One that contradicts what is known is an ErrConflict in a RowError: an import adds to
// the record and never changes it.
func (s *Store) StageImport(ctx context.Context, id string, deploys []verifier.Deploy) (added int, err error) {
	if len(deploys) > maxImportRows {
		return 0, verifier.Invalid("deploys", "%d at once; at most %d", len(deploys), maxImportRows)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		added = 0
		catalogue := s.catalogue()
		for i, fact := range deploys {
			isNew, err := t.stage(catalogue, id, fact)
			if err != nil {
				return &RowError{i, err}
			}
			if isNew {
				added++
			}
		}
		return nil
	})
	time.Sleep(importPause)
	return added, err
}

func (t *tx) stage(catalogue *verifier.Catalogue, id string, fact verifier.Deploy) (bool, error) {
	fact.Place = catalogue.Canonical(fact.Place)
	known, imported, err := importedDeploy(t, fact.ID)
	if err != nil {
		return false, err
	}
	joined, changed, err := record.Join(known, fact)
	if err != nil {
		return false, err
	}
	if !changed {
		if imported != id {
			return false, nil
		}
		return false, t.retell(known, joined)
	}
	if known != nil && imported != id {
		return false, contradiction(*known, fact)
	}
	team := joined.Team
	if team == "" {
		team = catalogue.Service(joined.Place, "").Team
	}
	joined = record.Fill(joined, team)
	if known == nil {
		return true, t.insertDeploy(joined, id)
	}
	return false, t.putDeploy(joined)
}

// importedDeploy is a deploy with the import that it came by.
func importedDeploy(t *tx, id string) (*verifier.Deploy, string, error) {
	var imported string
	d, ok, err := one(t, func(rows *sql.Rows) (d verifier.Deploy, err error) {
		var body string
		if err := rows.Scan(&body, &imported); err != nil {
			return d, err
		}
		return d, json.Unmarshal([]byte(body), &d)
	}, `SELECT body, import FROM deploys WHERE id = $1`, id)
	if err != nil || !ok {
		return nil, "", err
	}
	return &d, imported, nil
}

// contradiction names a field of which the record says something else; what it says nothing about is no contradiction.
func contradiction(known, fact verifier.Deploy) error {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	for _, f := range []struct{ name, known, fact string }{
		{"status", string(known.Status), string(fact.Status)},
		{"at", at(known.At), at(fact.At)},
		{"team", known.Team, fact.Team},
		{"by", known.By, fact.By},
		{"commit", known.Commit, fact.Commit},
		{"group", known.Group, fact.Group},
		{"url", known.URL, fact.URL},
		{"previous_version", known.PreviousVersion, fact.PreviousVersion},
	} {
		if f.known != "" && f.fact != "" && f.known != f.fact {
			return &verifier.ConflictError{Field: f.name, Problem: fmt.Sprintf(
				"deploy %q is known with %q, not %q; an import only adds: correct it with verifier deploys edit, or leave the line out", known.ID, f.known, f.fact)}
		}
	}
	return nil
}

// FinishImport marks the import whole and rewrites kind and previous of its places, one after the other. Reports see it when all
// is done; if the process dies in between, ResumeImports or the next import goes on.
func (s *Store) FinishImport(ctx context.Context, id string) error {
	defer s.unlockImports()
	return s.finish(ctx, id)
}

func (s *Store) finish(ctx context.Context, id string) error {
	if err := s.setImport(ctx, id, "whole"); err != nil {
		return err
	}
	places, err := collect(s.pool(ctx), scalar[string], `SELECT DISTINCT place FROM deploys WHERE import = $1`, id)
	for _, place := range places {
		if err == nil {
			err = s.rederive(ctx, place)
		}
	}
	if err != nil {
		return fmt.Errorf("finish the import: %w", err)
	}
	return s.setImport(ctx, id, "done")
}

func (s *Store) setImport(ctx context.Context, id, state string) error {
	return s.writer.do(ctx, func(t *tx) error {
		return t.exec(`UPDATE imports SET state = $1 WHERE id = $2`, state, id)
	})
}

// AbandonImport takes the rows of an import out that is not whole.
func (s *Store) AbandonImport(ctx context.Context, id string) error {
	defer s.unlockImports()
	return s.abandon(ctx, id)
}

func (s *Store) abandon(ctx context.Context, id string) error {
	for {
		var n int64
		err := s.writer.do(ctx, func(t *tx) (err error) {
			n, err = t.affect(`DELETE FROM deploys WHERE id IN (SELECT d.id FROM deploys d JOIN imports i ON i.id = d.import
				WHERE d.import = $1 AND i.state = 'staging' LIMIT $2)`, id, maxImportRows)
			return err
		})
		if err != nil {
			return fmt.Errorf("abandon the import: %w", err)
		}
		if n == 0 {
			return s.writer.do(ctx, func(t *tx) error {
				return t.exec(`DELETE FROM imports WHERE id = $1 AND state = 'staging'`, id)
			})
		}
	}
}

// ResumeImports cleans up after imports whose process died: those that were whole are finished, the others taken out. After an upgrade
// that orders versions by another rule it derives all kinds anew. While an import runs there is nothing to do. It may take as long as
// the import would have.
func (s *Store) ResumeImports(ctx context.Context) error { return s.resume(ctx, true) }

// FinishImports is ResumeImports for those alone that were whole, and so belong into reports.
func (s *Store) FinishImports(ctx context.Context) error { return s.resume(ctx, false) }

func (s *Store) resume(ctx context.Context, all bool) error {
	open, err := one64(s.pool(ctx), `SELECT (SELECT COUNT(*) FROM imports WHERE state = 'whole' OR state = 'staging' AND $1 = 1)
		+ (SELECT COUNT(*) FROM stale_places)`, bit(all))
	if err != nil || open.Int64 == 0 {
		return err
	}
	if err := s.lockImports(); errors.Is(err, verifier.ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	defer s.unlockImports()
	return s.cleanImports(ctx, all)
}

// cleanImports is for who holds the lock: nobody else works on an import.
func (s *Store) cleanImports(ctx context.Context, all bool) error {
	type row struct{ id, state string }
	open, err := collect(s.pool(ctx), func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.id, &r.state) },
		`SELECT id, state FROM imports WHERE state = 'whole' OR state = 'staging' AND $1 = 1`, bit(all))
	if err != nil {
		return err
	}
	for _, r := range open {
		end := s.abandon
		if r.state == "whole" {
			end = s.finish
		}
		if err := end(ctx, r.id); err != nil {
			return err
		}
	}
	return s.rederiveStale(ctx)
}
