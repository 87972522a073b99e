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

// known is what others know of a deploy: its watch, and what followed.
type known struct {
	watch               string
	state               verifier.State
	reverted, automatic bool
}

func (t *tx) knownOf(id string) (known, bool, error) {
	return one(t, func(rows *sql.Rows) (k known, err error) {
		return k, rows.Scan(&k.watch, &k.state, &k.reverted, &k.automatic)
	}, `SELECT watch, state, reverted, automatic FROM deploys WHERE id = $1`, id)
}

// know changes what is known of the deploy, and its facets with that.
func (t *tx) know(id string, change func(*known)) error {
	var body string
	was, ok, err := one(t, func(rows *sql.Rows) (k known, err error) {
		return k, rows.Scan(&k.watch, &k.state, &k.reverted, &k.automatic, &body)
	}, `SELECT watch, state, reverted, automatic, body FROM deploys WHERE id = $1`, id)
	k := was
	change(&k)
	if err != nil || !ok || k == was {
		return err
	}
	var d verifier.Deploy
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		return err
	}
	return t.exec(`UPDATE deploys SET watch = $2, state = $3, reverted = $4, automatic = $5, facets = $6 WHERE id = $1`,
		id, k.watch, k.state, bit(k.reverted), bit(k.automatic), facets(d, k.state, k.reverted, k.automatic))
}

// watched notes at the deploy which watch it has, and how far that is.
func (t *tx) watched(v verifier.Verification) error {
	automatic, err := t.automatic(v)
	if err != nil {
		return err
	}
	if err := t.know(v.ID, func(k *known) { k.watch, k.state, k.automatic = v.ID, v.State, automatic }); err != nil {
		return fmt.Errorf("note the watch of deploy %s: %w", v.ID, err)
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
