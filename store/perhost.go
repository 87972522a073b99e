package store

import (
	"context"
	"fmt"
	"time"

	"verifier"
	"verifier/record"
)

// withoutID stands in the index over such deploys as it is here.
const withoutID = `body LIKE '%"without_id":true%'`

// mostWithoutID is how many of them are looked at.
const mostWithoutID = 2000

// PerHostNotes says of which deploys each host counts as one, because their events bear no id, since then.
func (s *Store) PerHostNotes(ctx context.Context, since time.Time) ([]string, error) {
	list, err := collect(s.pool(ctx), scanDeploy, `SELECT body FROM deploys WHERE at > $1 AND `+withoutID+` AND `+visible+
		` ORDER BY at DESC LIMIT $2`, millis(since), mostWithoutID)
	if err != nil {
		return nil, fmt.Errorf("look for deploys without an id: %w", err)
	}
	return record.PerHostNotes(list), nil
}

// perHostNote is what the sender of a new deploy without an id is told.
func (t *tx) perHostNote(d verifier.Deploy) (string, error) {
	if !d.WithoutID {
		return "", nil
	}
	near, err := collect(t, scanDeploy, `SELECT body FROM deploys WHERE place = $1 AND at BETWEEN $2 AND $3 AND `+visible+` ORDER BY at DESC LIMIT $4`,
		d.Key(), millis(d.At.Add(-record.PerHostWithin)), millis(d.At.Add(record.PerHostWithin)), mostWithoutID)
	return record.PerHostNote(d, near), err
}
