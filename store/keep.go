package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"verifier"
)

// Schedule is something that is to happen at the times of a cron expression.
type Schedule struct {
	Name string
	Cron string
	Next time.Time
}

// PutSchedules makes the schedules these and no others. One whose cron is unchanged keeps its next time, so that what was missed
// while the daemon was down still happens, once.
func (s *Store) PutSchedules(ctx context.Context, list []Schedule) error {
	return s.writer.do(ctx, func(t *tx) error {
		known, err := collect(t, scanSchedule, `SELECT name, cron, next FROM schedules`)
		if err != nil {
			return err
		}
		if err := t.exec(`DELETE FROM schedules`); err != nil {
			return err
		}
		for _, n := range list {
			for _, k := range known {
				if k.Name == n.Name && k.Cron == n.Cron {
					n.Next = k.Next
				}
			}
			if err := t.exec(`INSERT INTO schedules (name, cron, next) VALUES ($1, $2, $3)`, n.Name, n.Cron, millis(n.Next)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClaimSchedules takes the schedules that are due, sets their next time, and writes what do makes of each in the same transaction.
func (s *Store) ClaimSchedules(ctx context.Context, now time.Time, next func(Schedule) time.Time, do func(Schedule) verifier.Effects) error {
	return s.writer.do(ctx, func(t *tx) error {
		due, err := collect(t, scanSchedule, `SELECT name, cron, next FROM schedules WHERE next <= $1`, millis(now))
		if err != nil {
			return err
		}
		for _, d := range due {
			if err := t.exec(`UPDATE schedules SET next = $1 WHERE name = $2`, millis(next(d)), d.Name); err != nil {
				return err
			}
			if err := t.apply(do(d)); err != nil {
				return err
			}
		}
		return nil
	})
}

func scanSchedule(rows *sql.Rows) (s Schedule, err error) {
	var next int64
	err = rows.Scan(&s.Name, &s.Cron, &next)
	s.Next = fromMillis(next)
	return s, err
}

// Retain drops evidence and deliveries that are older than that; 0 keeps all. Deploys and findings are kept for ever.
func (s *Store) Retain(ctx context.Context, now time.Time, evidence, deliveries time.Duration) error {
	drop := func(query string, age time.Duration) error {
		for age > 0 {
			var n int64
			err := s.writer.do(ctx, func(t *tx) (err error) {
				n, err = t.affect(query, millis(now.Add(-age)), maxImportRows)
				return err
			})
			if err != nil || n < maxImportRows {
				return err
			}
		}
		return nil
	}
	if err := drop(`DELETE FROM evidence WHERE verification IN (SELECT e.verification FROM evidence e JOIN verifications v
		ON v.id = e.verification WHERE e.at < $1 AND v.ended IS NOT NULL LIMIT $2)`, evidence); err != nil {
		return fmt.Errorf("drop old evidence: %w", err)
	}
	if err := drop(`DELETE FROM deliveries WHERE (tool, id) IN (SELECT tool, id FROM deliveries WHERE received_at < $1 LIMIT $2)`, deliveries); err != nil {
		return fmt.Errorf("drop old deliveries: %w", err)
	}
	return nil
}

// Rename moves the history of places whose names the catalogue has claimed since: a deploy is where its canonical name says.
func (s *Store) Rename(ctx context.Context) error {
	places, err := s.Places(ctx)
	if err != nil {
		return fmt.Errorf("look for renamed places: %w", err)
	}
	for _, d := range places {
		canonical := s.catalogue().Canonical(d.Place)
		if canonical.Key() == d.Place.Key() {
			continue
		}
		if err := s.writer.do(ctx, func(t *tx) error { return s.move(t, d.Place, canonical) }); err != nil {
			return fmt.Errorf("move %s to %s: %w", d.Place, canonical, err)
		}
	}
	return nil
}

func (s *Store) move(t *tx, from, to verifier.Place) error {
	deploys, err := collect(t, scanDeploy, `SELECT body FROM deploys WHERE place = $1`, from.Key())
	if err != nil {
		return err
	}
	for _, d := range deploys {
		d.Place = to
		if err := t.putDeploy(d); err != nil {
			return err
		}
	}
	watches, err := collect(t, scanVerification, selectVerification+` WHERE place = $1`, from.Key())
	if err != nil {
		return err
	}
	for _, v := range watches {
		v.Deploy.Place = to
		if err := t.putVerification(v); err != nil {
			return err
		}
	}
	if err := t.exec(`INSERT INTO incident_places (place, incident) SELECT $1, incident FROM incident_places WHERE place = $2 ON CONFLICT DO NOTHING`,
		to.Key(), from.Key()); err != nil {
		return err
	}
	return t.reclassify(to.Key(), verifier.Deploy{}, s.catalogue().Service(to, "").Versions)
}
