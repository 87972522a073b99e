package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

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
