package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"verifier"
	"verifier/record"
)

// Decide is what makes effects of a scene. It must be pure: it may run more than once.
type Decide = func(*verifier.Scene) (verifier.Effects, error)

// Record writes one delivery with the deploys that were mapped from it, all or nothing. Facts about a known deploy are joined,
// kinds and previous versions of the place rewritten from the deploy's time on, and decide (nil: nothing) is asked once for each
// deploy that brought something new; its effects are in the same transaction. The receipts say how each deploy stands now. A deploy
// that contradicts the record fails the whole delivery, or, with KeepConflicts, is told in its receipt.
func (s *Store) Record(ctx context.Context, delivery verifier.Delivery, deploys []verifier.Deploy, decide Decide) ([]verifier.Receipt, error) {
	var receipts []verifier.Receipt
	err := s.writer.do(ctx, func(t *tx) error {
		receipts = receipts[:0]
		if err := t.putDelivery(delivery); err != nil {
			return err
		}
		for _, d := range deploys {
			d.Tool, d.RecordedAt = delivery.Tool, delivery.ReceivedAt
			r, err := s.recordOne(t, d, delivery.ReceivedAt, decide)
			if delivery.KeepConflicts && errors.As(err, &r.Conflict) { // found before anything was written
				r.ID, err = d.ID, nil
			}
			if err != nil {
				return err
			}
			receipts = append(receipts, r)
		}
		return t.noteConflicts(delivery, receipts)
	})
	return receipts, err
}

// noteConflicts keeps a delivery whose deploys contradict the record as a conflict, whatever else it is.
func (t *tx) noteConflicts(d verifier.Delivery, receipts []verifier.Receipt) error {
	var problems []string
	for _, r := range receipts {
		if r.Conflict != nil {
			problems = append(problems, r.Conflict.Error())
		}
	}
	if len(problems) == 0 {
		return nil
	}
	if d.Problem != "" {
		problems = append(problems, d.Problem)
	}
	d.Outcome, d.Problem = verifier.Conflict, strings.Join(problems, "; ")
	return t.putDelivery(d)
}

func (t *tx) putDelivery(d verifier.Delivery) error {
	header, err := json.Marshal(d.Header)
	if err != nil {
		return err
	}
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	outcome := d.Outcome
	if outcome == "" {
		outcome = verifier.Recorded
	}
	return t.exec(`INSERT INTO deliveries (tool, id, received_at, sender, header, body, outcome, problem) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tool, id) DO UPDATE SET outcome = excluded.outcome, problem = excluded.problem`,
		d.Tool, d.ID, millis(d.ReceivedAt), d.By, string(header), body, outcome, d.Problem)
}

func (s *Store) recordOne(t *tx, fact verifier.Deploy, now time.Time, decide Decide) (verifier.Receipt, error) {
	catalogue := s.catalogue()
	fact.Place = catalogue.Canonical(fact.Place)
	known, err := knownDeploy(t, fact.ID)
	if err != nil {
		return verifier.Receipt{}, err
	}
	if fact, err = t.putsBack(known, fact); err != nil {
		return verifier.Receipt{}, err
	}
	joined, changed, err := record.Join(known, fact)
	if err != nil {
		return verifier.Receipt{}, err
	}
	if !changed {
		if err := t.retell(known, joined); err != nil {
			return verifier.Receipt{}, err
		}
		return t.receipt(fact.ID, false)
	}
	team := joined.Team
	if team == "" {
		team = catalogue.Service(joined.Place, "").Team
	}
	if joined, err = t.regroup(record.Fill(joined, team)); err != nil {
		return verifier.Receipt{}, err
	}
	joined, err = t.place(catalogue, known, joined)
	if err != nil {
		return verifier.Receipt{}, err
	}
	if decide != nil {
		if err := s.decideOn(t, joined, "", now, decide); err != nil {
			return verifier.Receipt{}, err
		}
	}
	receipt, err := t.receipt(fact.ID, true)
	if err != nil || known != nil {
		return receipt, err
	}
	receipt.Note, err = t.perHostNote(joined)
	return receipt, err
}

// putsBack gives a deploy by which its tool rolls another back the version that it puts back.
func (t *tx) putsBack(known *verifier.Deploy, fact verifier.Deploy) (verifier.Deploy, error) {
	if known != nil || fact.RollsBack == "" {
		return record.PutsBack(known, nil, fact), nil
	}
	undone, err := deployIn(t, fact.RollsBack)
	if errors.Is(err, verifier.ErrNotFound) {
		return fact, nil
	}
	return record.PutsBack(nil, &undone, fact), err
}

// retell keeps who said what, where a fact says what the record had filled in by itself: that is nothing new, and counts for later facts.
func (t *tx) retell(known *verifier.Deploy, joined verifier.Deploy) error {
	if known == nil || maps.EqualFunc(known.Told, joined.Told, time.Time.Equal) {
		return nil
	}
	return t.putDeploy(joined)
}

// knownDeploy is what is known of the id. A row of an import that is not whole yet gives way.
func knownDeploy(t *tx, id string) (*verifier.Deploy, error) {
	type row struct {
		d       verifier.Deploy
		visible bool
	}
	r, ok, err := one(t, func(rows *sql.Rows) (row, error) {
		var r row
		var body string
		if err := rows.Scan(&body, &r.visible); err != nil {
			return r, err
		}
		return r, json.Unmarshal([]byte(body), &r.d)
	}, `SELECT body, import IN (SELECT id FROM imports WHERE state <> 'staging') FROM deploys WHERE id = $1`, id)
	if err != nil || !ok {
		return nil, err
	}
	if !r.visible {
		return nil, t.exec(`DELETE FROM deploys WHERE id = $1`, id)
	}
	return &r.d, nil
}

// mostOfCommit is how many deploys of one commit bear on each other's groups.
const mostOfCommit = 1000

// regroup gives the deploy its group, and others of its commit theirs where it changes them: it may be the first of them, and come in last.
func (t *tx) regroup(d verifier.Deploy) (verifier.Deploy, error) {
	if d.Commit == "" || d.Void {
		return d, nil
	}
	near, err := collect(t, scanDeploy, `SELECT body FROM deploys WHERE sha = $1 AND environment = $2 AND at BETWEEN $3 AND $4 AND id <> $5 AND `+visible+
		` ORDER BY at, id LIMIT $6`, d.Commit, lower(d.Environment), millis(d.At.Add(-record.GroupsOver)), millis(d.At.Add(record.GroupsOver)), d.ID, mostOfCommit)
	if err != nil {
		return d, err
	}
	for _, c := range record.Grouped(append(near, d)) {
		if c.ID == d.ID {
			d = c
		} else if err := t.putGroup(c); err != nil {
			return d, err
		}
	}
	return d, nil
}

// putGroup writes a deploy whose group has changed, and its verification.
func (t *tx) putGroup(d verifier.Deploy) error {
	if err := t.putDeploy(d); err != nil {
		return err
	}
	v, ok, err := one(t, scanVerification, selectVerification+` WHERE id = $1`, d.ID)
	if err != nil || !ok {
		return err
	}
	v.Deploy.Group, v.Deploy.Told = d.Group, d.Told
	return t.putVerification(v)
}

// visible are the rows that everybody sees; counted are those that reports see.
const (
	visible = `import IN (SELECT id FROM imports WHERE state <> 'staging')`
	counted = `import IN (SELECT id FROM imports WHERE state = 'done')`
)

// place writes the deploy and rewrites kind and previous of its place from the earlier of its old and its new time on.
func (t *tx) place(catalogue *verifier.Catalogue, known *verifier.Deploy, d verifier.Deploy) (verifier.Deploy, error) {
	from := d
	if known != nil && known.Before(d) {
		from = *known
	}
	write := t.putDeploy
	if known == nil {
		write = func(d verifier.Deploy) error { return t.insertDeploy(d, "") }
	}
	rows, err := t.onwards(d.Place.Key(), from, d.ID)
	if err != nil {
		return d, err
	}
	changed, err := t.classified(d.Place.Key(), from, append(rows, d), catalogue.Service(d.Place, d.Team).Versions)
	if err != nil {
		return d, err
	}
	for _, c := range changed {
		if c.ID == d.ID {
			d = c
		} else if err := t.putDeploy(c); err != nil {
			return d, err
		}
	}
	if err := write(d); err != nil {
		return d, err
	}
	return d, t.revert(d.Place.Key(), millis(from.At))
}

// reclassify folds the place's deploys in order, from the given one on. The zero deploy stands for all.
func (t *tx) reclassify(place string, from verifier.Deploy, mode string) error {
	rows, err := t.onwards(place, from, "")
	if err != nil {
		return err
	}
	changed, err := t.classified(place, from, rows, mode)
	if err != nil {
		return err
	}
	for _, d := range changed {
		if err := t.putDeploy(d); err != nil {
			return err
		}
	}
	return t.revert(place, since(from))
}

// since is where the fold begins.
func since(from verifier.Deploy) int64 {
	if from.At.IsZero() {
		return -1 << 62
	}
	return millis(from.At)
}

// onwards are the place's deploys from the given one on, but for one.
func (t *tx) onwards(place string, from verifier.Deploy, without string) ([]verifier.Deploy, error) {
	return collect(t, scanDeploy, `SELECT body FROM deploys WHERE place = $1 AND at >= $2 AND (at > $2 OR id >= $3) AND id <> $4 AND `+visible+
		` ORDER BY at, id`, place, since(from), from.ID, without)
}

// classified are those of the rows whose kind or previous version is to be rewritten.
func (t *tx) classified(place string, from verifier.Deploy, rows []verifier.Deploy, mode string) ([]verifier.Deploy, error) {
	record.Sort(rows)
	state, err := t.stateBefore(place, since(from), from.ID, rows)
	if err != nil {
		return nil, err
	}
	return record.Classify(state, rows, mode), nil
}

// stateBefore is what the fold of the next deploys has to know of that point of the place's history: first successes only of the
// versions that it will meet.
func (t *tx) stateBefore(place string, at int64, id string, next []verifier.Deploy) (*record.State, error) {
	state := &record.State{First: map[string]time.Time{}}
	const edge = `FROM deploys WHERE place = $1 AND live = 1 AND at <= $2 AND (at < $2 OR id < $3) AND ` + visible
	last, ok, err := one(t, scanDeploy, `SELECT body `+edge+` ORDER BY at DESC, id DESC LIMIT 1`, place, at, id)
	if err != nil || !ok {
		return state, err
	}
	state.Live = last.Version
	first, _, err := one(t, scanDeploy, `SELECT body `+edge+` ORDER BY at, id LIMIT 1`, place, at, id)
	if err != nil {
		return nil, err
	}
	if first.PreviousVersion != "" {
		state.First[verifier.VersionKey(first.PreviousVersion)] = time.Time{}
	}
	met := map[string]bool{verifier.VersionKey(first.PreviousVersion): true}
	for _, d := range append(next, last) {
		key := verifier.VersionKey(d.Version)
		if met[key] {
			continue
		}
		met[key] = true
		seen, err := one64(t, `SELECT MIN(at) `+edge+` AND version = $4`, place, at, id, key)
		if err != nil {
			return nil, err
		}
		if seen.Valid {
			state.First[key] = fromMillis(seen.Int64)
		}
	}
	return state, nil
}

// revert notes which releases were left by a rollback, from the one that was live before that time on.
func (t *tx) revert(place string, at int64) error {
	type row struct {
		d        verifier.Deploy
		reverted bool
	}
	rows, err := collect(t, func(rows *sql.Rows) (r row, err error) {
		var body string
		if err := rows.Scan(&body, &r.reverted); err != nil {
			return r, err
		}
		return r, json.Unmarshal([]byte(body), &r.d)
	}, `SELECT body, reverted FROM deploys WHERE place = $1 AND live = 1 AND at >= COALESCE((SELECT MAX(at) FROM deploys WHERE place = $1
		AND live = 1 AND at < $2), $2) AND `+visible+` ORDER BY at, id`, place, at)
	if err != nil {
		return err
	}
	for i, r := range rows {
		reverted := i+1 < len(rows) && record.LeftBy(r.d, rows[i+1].d)
		if reverted == r.reverted {
			continue
		}
		if err := t.know(r.d.ID, func(k *known) { k.reverted = reverted }); err != nil {
			return err
		}
	}
	return nil
}

// putDeploy writes the deploy's columns and body; what others know of it (watch, state) stays.
func (t *tx) putDeploy(d verifier.Deploy) error {
	values, err := deployColumns(d)
	if err != nil {
		return err
	}
	k, known, err := t.knownOf(d.ID)
	if err != nil {
		return err
	}
	if !known {
		return t.insertDeploy(d, "")
	}
	return t.exec(`UPDATE deploys SET place = $2, environment = $3, version = $4, at = $5, live = $6, sha = $7, body = $8, team = $9, kind = $10,
		status = $11, change = $12, void = $13, day = $14, facets = $15 WHERE id = $1`, append(values, facets(d, k.state, k.reverted, k.automatic))...)
}

// insertDeploy writes a deploy that is not known, by an import or, without one, by itself.
func (t *tx) insertDeploy(d verifier.Deploy, imported string) error {
	values, err := deployColumns(d)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO deploys (id, place, environment, version, at, live, sha, body, team, kind, status, change, void, day, import, facets, watch,
		state, reverted, automatic) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '', '', 0, 0)`,
		append(values, imported, facets(d, "", false, false))...)
}

func deployColumns(d verifier.Deploy) ([]any, error) {
	body, err := json.Marshal(d)
	return []any{
		d.ID, d.Place.Key(), lower(d.Environment), verifier.VersionKey(d.Version), millis(d.At), bit(d.MovesLive()), d.Commit, string(body), lower(d.Team), d.Kind, d.Status,
		d.Change, bit(d.Void), day(d.At),
	}, err
}

// receipt is how the deploy stands now.
func (t *tx) receipt(id string, isNew bool) (verifier.Receipt, error) {
	r, ok, err := one(t, func(rows *sql.Rows) (r verifier.Receipt, err error) {
		return r, rows.Scan(&r.ID, &r.Verification, &r.State)
	}, `SELECT d.id, d.watch, COALESCE(v.state, '') FROM deploys d LEFT JOIN verifications v ON v.id = d.watch WHERE d.id = $1`, id)
	if err == nil && !ok {
		err = fmt.Errorf("deploy %s: %w", id, verifier.ErrNotFound)
	}
	r.New = isNew
	return r, err
}

func scanDeploy(rows *sql.Rows) (d verifier.Deploy, err error) {
	var body string
	if err := rows.Scan(&body); err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(body), &d)
}
