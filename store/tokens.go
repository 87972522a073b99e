package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// AddToken keeps a token by the hash of its secret. Names are unique.
func (s *Store) AddToken(ctx context.Context, token verifier.Token, hash []byte) error {
	body, err := json.Marshal(token)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, func(t *tx) error {
		n, err := t.affect(`INSERT INTO tokens (hash, name, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, hex.EncodeToString(hash), token.Name, string(body))
		if err == nil && n == 0 {
			return &verifier.ConflictError{Field: "name", Problem: "a token named " + token.Name + " exists; remove it first or choose another name"}
		}
		return err
	})
}

// Token is the one whose secret has that hash, or ErrNotFound. Looking a hash up tells nothing of the secret, however long it takes.
func (s *Store) Token(ctx context.Context, hash []byte) (verifier.Token, error) {
	token, ok, err := one(s.pool(ctx), scanToken, `SELECT body FROM tokens WHERE hash = $1`, hex.EncodeToString(hash))
	if err == nil && !ok {
		err = fmt.Errorf("token: %w", verifier.ErrNotFound)
	}
	return token, err
}

// useEvery is how often the use of one token is written down at most.
const useEvery = time.Minute

// TokenUsed keeps when a token was used last, to the minute. It does not wait for the disk, and where the writer is busy it waits for the
// next use.
func (s *Store) TokenUsed(hash []byte, token verifier.Token, at time.Time) {
	id := hex.EncodeToString(hash)
	if token.Used != nil && at.Sub(*token.Used) < useEvery {
		return
	}
	if last, known := s.used.Load(id); known && at.Sub(last.(time.Time)) < useEvery {
		return
	}
	s.used.Store(id, at)
	at = at.UTC().Truncate(time.Second)
	s.writer.offer(func(t *tx) error {
		kept, ok, err := one(t, scanToken, `SELECT body FROM tokens WHERE hash = $1`, id)
		if err != nil || !ok {
			return err
		}
		kept.Used = &at
		body, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		return t.exec(`UPDATE tokens SET body = $1 WHERE hash = $2`, string(body), id)
	})
}

// Tokens lists all tokens by name.
func (s *Store) Tokens(ctx context.Context) ([]verifier.Token, error) {
	return collect(s.pool(ctx), scanToken, `SELECT body FROM tokens ORDER BY name`)
}

// RemoveToken takes a token away; it opens nothing from now on.
func (s *Store) RemoveToken(ctx context.Context, name string) error {
	return s.writer.do(ctx, func(t *tx) error {
		n, err := t.affect(`DELETE FROM tokens WHERE name = $1`, name)
		if err == nil && n == 0 {
			err = fmt.Errorf("token %s: %w", name, verifier.ErrNotFound)
		}
		return err
	})
}

func scanToken(rows *sql.Rows) (t verifier.Token, err error) {
	var body string
	if err := rows.Scan(&body); err != nil {
		return t, err
	}
	return t, json.Unmarshal([]byte(body), &t)
}
