package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
	"verifier/record"
)

// rederiveStale derives those places anew whose deploys were written when versions were ordered by another rule.
func (s *Store) rederiveStale(ctx context.Context) error {
	places, err := collect(s.pool(ctx), scalar[string], `SELECT place FROM stale_places ORDER BY place`)
	for _, place := range places {
		if err == nil {
			err = s.rederive(ctx, place)
		}
		if err == nil {
			err = s.writer.do(ctx, func(t *tx) error { return t.exec(`DELETE FROM stale_places WHERE place = $1`, place) })
		}
	}
	if err != nil {
		return fmt.Errorf("derive kinds by the present order of versions: %w", err)
	}
	return nil
}

// rederive brings kind, previous and reverted of a whole place to what the fold of all its deploys says, however many they are. It
// reads beside the writer and writes at most so many rows in one transaction as an import does. What arrives meanwhile derives its
// own part; so the place is read until there is nothing left to write.
func (s *Store) rederive(ctx context.Context, place string) error {
	for {
		n, err := s.rederiveOnce(ctx, place)
		if err != nil || n == 0 {
			return err
		}
	}
}

// derived is one deploy that the fold says something else of than its row.
type derived struct {
	was      string // body of the row; one that was changed meanwhile is left for the next turn
	now      verifier.Deploy
	differs  bool  // in kind, previous or the version's key
	reverted *bool // nil: as the row says
}

func (s *Store) rederiveOnce(ctx context.Context, place string) (written int, err error) {
	rows, err := s.pool(ctx).query(`SELECT body, reverted, version FROM deploys WHERE place = $1 AND `+visible+` ORDER BY at, id`, place)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	f := &fold{catalogue: s.catalogue()}
	for rows.Next() {
		if err := f.next(rows); err != nil {
			return written, err
		}
		if len(f.changed) >= ImportRows {
			written += len(f.changed)
			if err := s.writeDerived(ctx, f.take()); err != nil {
				return written, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return written, err
	}
	f.end()
	written += len(f.changed)
	return written, s.writeDerived(ctx, f.take())
}

// fold goes over a place's rows in order. A release that moved the live version waits for the next one, which says whether it was
// rolled back from.
type fold struct {
	catalogue *verifier.Catalogue
	mode      string
	state     record.State
	changed   []derived
	live      *derived
	reverted  bool // what the row of live says
}

func (f *fold) next(rows *sql.Rows) error {
	var d derived
	var reverted bool
	var key string
	if err := rows.Scan(&d.was, &reverted, &key); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(d.was), &d.now); err != nil {
		return fmt.Errorf("read a deploy: %w", err)
	}
	if f.mode == "" {
		f.mode = f.catalogue.Service(d.now.Place, d.now.Team).Versions
	}
	was := d.now
	d.now = f.state.Next(was, f.mode)
	d.differs = d.now.Kind != was.Kind || d.now.Previous != was.Previous || key != verifier.VersionKey(was.Version)
	if !was.MovesLive() {
		if d.differs {
			f.changed = append(f.changed, d)
		}
		return nil
	}
	f.settle(f.live != nil && record.LeftBy(f.live.now, d.now))
	f.live, f.reverted = &d, reverted
	return nil
}

func (f *fold) settle(reverted bool) {
	if f.live == nil {
		return
	}
	if reverted != f.reverted {
		f.live.reverted = &reverted
	}
	if f.live.reverted != nil || f.live.differs {
		f.changed = append(f.changed, *f.live)
	}
	f.live = nil
}

func (f *fold) end() { f.settle(false) }

func (f *fold) take() []derived {
	out := f.changed
	f.changed = nil
	return out
}

func (s *Store) writeDerived(ctx context.Context, changed []derived) error {
	if len(changed) == 0 {
		return nil
	}
	defer time.Sleep(importPause)
	return s.writer.do(ctx, func(t *tx) error {
		for _, d := range changed {
			if err := t.putDerived(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// putDerived writes what the fold says of a deploy, where its row is still as it was read.
func (t *tx) putDerived(d derived) error {
	type row struct {
		body                string
		state               verifier.State
		reverted, automatic bool
	}
	r, _, err := one(t, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.body, &r.state, &r.reverted, &r.automatic)
	}, `SELECT body, state, reverted, automatic FROM deploys WHERE id = $1`, d.now.ID)
	if err != nil || r.body != d.was {
		return err
	}
	if d.reverted != nil {
		r.reverted = *d.reverted
	}
	body, err := json.Marshal(d.now)
	if err != nil {
		return err
	}
	return t.exec(`UPDATE deploys SET kind = $1, body = $2, reverted = $3, facets = $4, version = $5 WHERE id = $6`,
		d.now.Kind, string(body), bit(r.reverted), facets(d.now, r.state, r.reverted, r.automatic), verifier.VersionKey(d.now.Version), d.now.ID)
}
