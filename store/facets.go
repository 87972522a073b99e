package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"verifier"
)

func lower(s string) string { return strings.ToLower(s) }

// bit is how a column keeps a boolean.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// facets is what a report counts the deploy by, as one text: deploys with the same facets are one line of a tally.
func facets(d verifier.Deploy, state verifier.State, reverted, automatic bool) string {
	marked := ""
	if d.Mark != nil {
		marked = "bad"
		if d.Mark.Good {
			marked = "good"
		}
	}
	text, _ := json.Marshal(verifier.Tally{ // unreachable error: plain fields
		Service: d.Service, Environment: d.Environment, Team: d.Team, Change: d.Change, Status: d.Status, Kind: d.Kind, State: state,
		Marked: marked, Condemned: state == verifier.FailedState, Reverted: reverted, Auto: automatic, Corrected: d.Corrected, Void: d.Void,
	})
	return string(text)
}

// refacet writes the facets anew after something that they are made of has changed.
func (t *tx) refacet(id string) error {
	type row struct {
		d                   verifier.Deploy
		state               verifier.State
		reverted, automatic bool
	}
	r, ok, err := one(t, func(rows *sql.Rows) (r row, err error) {
		var body string
		if err := rows.Scan(&body, &r.state, &r.reverted, &r.automatic); err != nil {
			return r, err
		}
		return r, json.Unmarshal([]byte(body), &r.d)
	}, `SELECT body, state, reverted, automatic FROM deploys WHERE id = $1`, id)
	if err != nil || !ok {
		return err
	}
	return t.exec(`UPDATE deploys SET facets = $1 WHERE id = $2`, facets(r.d, r.state, r.reverted, r.automatic), id)
}

// watched notes at the deploy which watch it has, and how far that is.
func (t *tx) watched(v verifier.Verification) error {
	automatic, err := t.automatic(v)
	if err != nil {
		return err
	}
	n, err := t.affect(`UPDATE deploys SET watch = $1, state = $2, automatic = $3 WHERE id = $1 AND (watch <> $1 OR state <> $2 OR automatic <> $3)`,
		v.ID, v.State, bit(automatic))
	if err != nil {
		return fmt.Errorf("note the watch of deploy %s: %w", v.ID, err)
	}
	if n > 0 {
		if err := t.refacet(v.ID); err != nil {
			return err
		}
	}
	for _, j := range v.Joined {
		if err := t.exec(`UPDATE deploys SET watch = $1 WHERE id = $2 AND watch <> $1`, v.ID, j.ID); err != nil {
			return err
		}
	}
	return nil
}

// automatic reports whether the deploy is a rollback that the daemon called for without a person.
func (t *tx) automatic(v verifier.Verification) (bool, error) {
	if v.Answers == "" {
		return false, nil
	}
	answered, ok, err := one(t, scanVerification, selectVerification+` WHERE id = $1`, v.Answers)
	return ok && answered.Rollback != nil && !answered.Rollback.Person && answered.Rollback.By != nil && *answered.Rollback.By == "auto", err
}
