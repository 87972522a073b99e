package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"verifier"
)

// sent are deliveries that a sender sent, and not those that were found in its own list.
const sent = `id NOT LIKE '` + verifier.FoundID + `%'`

// Heard is when the hook's last delivery came in that its tool sent; zero where none is kept.
func (s *Store) Heard(ctx context.Context, hook string) (time.Time, error) {
	last, err := one64(s.pool(ctx), `SELECT MAX(received_at) FROM deliveries WHERE tool = $1 AND `+sent, hook)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the last delivery of %s: %w", hook, err)
	}
	if !last.Valid {
		return time.Time{}, nil
	}
	return fromMillis(last.Int64), nil
}

// Habits are how often each sender sends, by the deliveries since.
func (s *Store) Habits(ctx context.Context, since time.Time) ([]verifier.Habit, error) {
	list, err := collect(s.pool(ctx), func(rows *sql.Rows) (h verifier.Habit, err error) {
		var last, longest int64
		err = rows.Scan(&h.Tool, &h.Sender, &h.Count, &last, &longest)
		h.Last, h.Longest = fromMillis(last), time.Duration(longest)*time.Millisecond
		return h, err
	}, `SELECT tool, who, COUNT(*), MAX(received_at), COALESCE(MAX(gap), 0) FROM (
			SELECT tool, who, received_at, received_at - LAG(received_at) OVER (PARTITION BY tool, who ORDER BY received_at) AS gap FROM (
				SELECT tool, CASE WHEN tool = 'api' THEN sender ELSE '' END AS who, received_at FROM deliveries WHERE received_at >= $1 AND `+sent+`
			) AS s
		) AS g GROUP BY tool, who ORDER BY tool, who`, millis(since))
	if err != nil {
		return nil, fmt.Errorf("look how often deploy tools send: %w", err)
	}
	return list, nil
}
