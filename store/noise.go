package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"verifier"
)

func scanNoise(rows *sql.Rows) (n verifier.Noise, err error) {
	var body string
	if err := rows.Scan(&body); err != nil {
		return n, err
	}
	return n, json.Unmarshal([]byte(body), &n)
}

func noiseIn(q querier) ([]verifier.Noise, error) {
	return collect(q, scanNoise, `SELECT body FROM noise ORDER BY id`)
}

// noiseFor is all known noise, where a rule is about patterns.
func noiseFor(q querier, rules []verifier.Rule) ([]verifier.Noise, error) {
	if !slices.ContainsFunc(rules, func(r verifier.Rule) bool { return r.Measure.Patterns != "" }) {
		return nil, nil
	}
	return noiseIn(q)
}

// Noise lists the known noise, by id.
func (s *Store) Noise(ctx context.Context) ([]verifier.Noise, error) { return noiseIn(s.pool(ctx)) }

// PutNoise adds known noise, or replaces it by its id.
func (s *Store) PutNoise(ctx context.Context, n verifier.Noise) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, func(t *tx) error {
		err := t.exec(`INSERT INTO noise (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, n.ID, string(body))
		if err != nil {
			return err
		}
		return t.putAudit(verifier.Audit{At: n.At, By: n.By, What: "noise", Subject: n.ID, Reason: n.Reason, Detail: n.Pattern})
	})
}

// RemoveNoise forgets known noise: its pattern may be new again.
func (s *Store) RemoveNoise(ctx context.Context, id, by string, now time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		n, ok, err := one(t, scanNoise, `SELECT body FROM noise WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("noise %s: %w", id, verifier.ErrNotFound)
		}
		if err := t.exec(`DELETE FROM noise WHERE id = $1`, id); err != nil {
			return err
		}
		return t.putAudit(verifier.Audit{At: now, By: by, What: "noise removed", Subject: id, Detail: n.Pattern})
	})
}
