package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// ClaimVerifications takes up to limit verifications that are due, the longest due first, with their rules and evidence. Each has
// its revision raised and is due again after the lease. DueAt is when it was due.
func (s *Store) ClaimVerifications(ctx context.Context, now time.Time, limit int, lease time.Duration) ([]verifier.Watched, error) {
	due, err := one64(s.pool(ctx), `SELECT MIN(due_at) FROM verifications WHERE due_at IS NOT NULL`)
	if err != nil || !due.Valid || due.Int64 > millis(now) {
		return nil, err
	}
	var out []verifier.Watched
	err = s.writer.do(ctx, func(t *tx) error {
		out = out[:0]
		list, err := collect(t, scanVerification, selectVerification+` WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, millis(now), limit)
		if err != nil {
			return err
		}
		for _, v := range list {
			v.Revision++
			if err := t.exec(`UPDATE verifications SET due_at = $1, revision = $2 WHERE id = $3`, millis(now.Add(lease)), v.Revision, v.ID); err != nil {
				return err
			}
			w, err := s.watchedIn(t, v)
			if err != nil {
				return err
			}
			out = append(out, w)
		}
		return nil
	})
	return out, err
}

// Watched is one verification with its rules and evidence.
func (s *Store) Watched(ctx context.Context, id string) (verifier.Watched, error) {
	q := s.pool(ctx)
	v, err := verificationIn(q, id)
	if err != nil {
		return verifier.Watched{}, err
	}
	return s.watchedIn(q, v)
}

func (s *Store) watchedIn(q querier, v verifier.Verification) (verifier.Watched, error) {
	w := verifier.Watched{Verification: v}
	var err error
	if w.Rules, err = s.rulesOf(q, v.Rules); err != nil {
		return w, err
	}
	if w.Noise, err = noiseFor(q, w.Rules); err != nil {
		return w, err
	}
	w.Evidence, err = evidenceIn(q, v.ID)
	return w, err
}

// rulesOf reads a rule set once and keeps it: it never changes.
func (s *Store) rulesOf(q querier, hash string) ([]verifier.Rule, error) {
	if known, ok := s.rules.Load(hash); ok || hash == "" {
		rules, _ := known.([]verifier.Rule)
		return rules, nil
	}
	body, ok, err := one(q, scalar[string], `SELECT body FROM rule_sets WHERE hash = $1`, hash)
	if err != nil || !ok {
		return nil, err
	}
	var rules []verifier.Rule
	if err := json.Unmarshal([]byte(body), &rules); err != nil {
		return nil, fmt.Errorf("read the rules %s: %w", hash, err)
	}
	s.rules.Store(hash, rules)
	return rules, nil
}

func evidenceIn(q querier, id string) ([]verifier.Evidence, error) {
	blob, ok, err := one(q, scalar[[]byte], `SELECT body FROM evidence WHERE verification = $1`, id)
	if err != nil || !ok {
		return nil, err
	}
	return unpack(blob)
}

// RenewVerifications puts off when claimed ones are due again; it does not touch their revision.
func (s *Store) RenewVerifications(ctx context.Context, ids []string, until time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		for _, id := range ids {
			if err := t.exec(`UPDATE verifications SET due_at = $1 WHERE id = $2 AND due_at IS NOT NULL AND due_at < $1`, millis(until), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reclaim makes due now what falls due within the lease: a process that was killed may have claimed it. Only who holds the Lock may
// call it, before its first claim; what was not claimed is looked at a little early, which does no harm.
func (s *Store) Reclaim(ctx context.Context, now time.Time, lease time.Duration) error {
	return s.writer.do(ctx, func(t *tx) error {
		if err := t.exec(`UPDATE verifications SET due_at = $1 WHERE due_at > $1 AND due_at <= $2`, millis(now), millis(now.Add(lease))); err != nil {
			return err
		}
		return t.exec(`UPDATE actions SET due_at = $1 WHERE state = 'waiting' AND due_at > $1 AND due_at <= $2`, millis(now), millis(now.Add(lease)))
	})
}

const selectAction = `SELECT key, kind, subject, state, created, due_at, attempt, revision, payload, memory, problem FROM actions`

func scanAction(rows *sql.Rows) (a verifier.Action, err error) {
	var created, due int64
	var payload, memory string
	err = rows.Scan(&a.Key, &a.Kind, &a.Subject, &a.State, &created, &due, &a.Attempt, &a.Revision, &payload, &memory, &a.Problem)
	a.Created, a.DueAt = fromMillis(created), fromMillis(due)
	if payload != "" {
		a.Payload = json.RawMessage(payload)
	}
	if memory != "" {
		a.Memory = json.RawMessage(memory)
	}
	return a, err
}

// ClaimActions takes up to limit actions that are due, as ClaimVerifications does: the calls of rollbacks, or all others.
func (s *Store) ClaimActions(ctx context.Context, rollbacks bool, now time.Time, limit int, lease time.Duration) ([]verifier.Action, error) {
	due, err := one64(s.pool(ctx), `SELECT MIN(due_at) FROM actions WHERE state = 'waiting' AND (kind = $1) = $2`, verifier.ActionRollback, rollbacks)
	if err != nil || !due.Valid || due.Int64 > millis(now) {
		return nil, err
	}
	var out []verifier.Action
	err = s.writer.do(ctx, func(t *tx) (err error) {
		out, err = collect(t, scanAction, selectAction+` WHERE state = 'waiting' AND due_at <= $1 AND (kind = $2) = $3 ORDER BY due_at LIMIT $4`,
			millis(now), verifier.ActionRollback, rollbacks, limit)
		for i := range out {
			out[i].Interrupted = out[i].Revision%2 == 1
			out[i].Revision += 1 + out[i].Revision%2 // odd: it is claimed
			if err == nil {
				err = t.exec(`UPDATE actions SET due_at = $1, revision = $2 WHERE key = $3`, millis(now.Add(lease)), out[i].Revision, out[i].Key)
			}
		}
		return err
	})
	return out, err
}

// SaveAction keeps what became of a run. An action that was armed again meanwhile is due at once, and remembers the run all the same.
func (s *Store) SaveAction(ctx context.Context, a verifier.Action) error {
	return s.writer.do(ctx, func(t *tx) error {
		n, err := t.affect(`UPDATE actions SET state = $1, due_at = $2, attempt = $3, memory = $4, problem = $5, revision = revision + 1
			WHERE key = $6 AND revision = $7`, a.State, millis(a.DueAt), a.Attempt, string(a.Memory), a.Problem, a.Key, a.Revision)
		if err != nil || n > 0 {
			return err
		}
		return t.exec(`UPDATE actions SET memory = $1, due_at = CASE WHEN revision % 2 = 1 THEN $2 ELSE due_at END, revision = revision + revision % 2
			WHERE key = $3`, string(a.Memory), millis(s.Now()), a.Key)
	})
}

// NextDue is when the next row falls due; zero when nothing waits.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	due, err := one64(s.pool(ctx), `SELECT MIN(due) FROM (SELECT MIN(due_at) AS due FROM verifications WHERE due_at IS NOT NULL
		UNION ALL SELECT MIN(due_at) FROM actions WHERE state = 'waiting')`)
	if err != nil || !due.Valid {
		return time.Time{}, err
	}
	return fromMillis(due.Int64), nil
}

func one64(q querier, query string, args ...any) (sql.NullInt64, error) {
	v, _, err := one(q, scalar[sql.NullInt64], query, args...)
	return v, err
}
