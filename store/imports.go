package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"verifier"
	"verifier/record"
)

// maxImportRows is how many rows an import writes in one transaction, so that a running daemon keeps writing beside it.
const maxImportRows = 1000

// BeginImport opens an import. Nothing sees its rows before FinishImport has marked it whole.
func (s *Store) BeginImport(ctx context.Context, name, by string, now time.Time) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return id.String(), s.writer.do(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO imports (id, name, sender, at, state) VALUES ($1, $2, $3, $4, 'staging')`, id.String(), name, by, millis(now))
	})
}

// StageImport adds at most 1,000 deploys. A deploy that is known with the same facts is left as it is; added tells how many were
// not. One that contradicts what is known is an ErrConflict: an import adds to the record and never changes it.
func (s *Store) StageImport(ctx context.Context, id string, deploys []verifier.Deploy) (added int, err error) {
	if len(deploys) > maxImportRows {
		return 0, verifier.Invalid("deploys", "%d at once; at most %d", len(deploys), maxImportRows)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		added = 0
		catalogue := s.catalogue()
		for _, fact := range deploys {
			isNew, err := t.stage(catalogue, id, fact)
			if err != nil {
				return err
			}
			if isNew {
				added++
			}
		}
		return nil
	})
	return added, err
}

func (t *tx) stage(catalogue *verifier.Catalogue, id string, fact verifier.Deploy) (bool, error) {
	fact.Place = catalogue.Canonical(fact.Place)
	known, ok, err := one(t, scanDeploy, `SELECT body FROM deploys WHERE id = $1 AND (import = $2 OR `+visible+`)`, fact.ID, id)
	if err != nil {
		return false, err
	}
	if ok {
		_, changed, err := record.Join(&known, fact)
		if err == nil && changed {
			err = &verifier.ConflictError{Field: "id", Problem: fact.ID + " is known with other facts"}
		}
		return false, err
	}
	if err := t.exec(`DELETE FROM deploys WHERE id = $1`, fact.ID); err != nil { // of an import that never became whole
		return false, err
	}
	d, _, err := record.Join(nil, fact)
	if err != nil {
		return false, err
	}
	team := d.Team
	if team == "" {
		team = catalogue.Service(d.Place, "").Team
	}
	return true, t.putDeploy(record.Fill(d, team, d.Group), id)
}

// FinishImport marks the import whole and rewrites kind and previous of its places, one after the other. Reports see it when all
// is done; if the process dies in between, ResumeImports goes on.
func (s *Store) FinishImport(ctx context.Context, id string) error {
	if err := s.setImport(ctx, id, "whole"); err != nil {
		return err
	}
	places, err := collect(s.pool(ctx), scalar[string], `SELECT DISTINCT place FROM deploys WHERE import = $1`, id)
	if err != nil {
		return fmt.Errorf("finish the import: %w", err)
	}
	for _, place := range places {
		err := s.writer.do(ctx, func(t *tx) error {
			first, _, err := one(t, scanDeploy, `SELECT body FROM deploys WHERE place = $1 AND import = $2 ORDER BY at, id LIMIT 1`, place, id)
			if err != nil {
				return err
			}
			return t.reclassify(place, first, s.catalogue().Service(first.Place, first.Team).Versions)
		})
		if err != nil {
			return fmt.Errorf("finish the import: %w", err)
		}
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

// ResumeImports finishes imports that were whole when their process died, and takes out what was staged more than a day ago.
func (s *Store) ResumeImports(ctx context.Context, now time.Time) error {
	whole, err := collect(s.pool(ctx), scalar[string], `SELECT id FROM imports WHERE state = 'whole'`)
	if err != nil {
		return err
	}
	for _, id := range whole {
		if err := s.FinishImport(ctx, id); err != nil {
			return err
		}
	}
	stale, err := collect(s.pool(ctx), scalar[string], `SELECT id FROM imports WHERE state = 'staging' AND at < $1`, millis(now.Add(-24*time.Hour)))
	if err != nil {
		return err
	}
	for _, id := range stale {
		if err := s.AbandonImport(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
