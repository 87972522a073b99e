package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"verifier"
)

// Decide reads the scene of a verification, asks for a decision and writes its effects, in one transaction. It returns the
// verification as it stands then. Errors of decide are returned as they are, and nothing is written.
func (s *Store) Decide(ctx context.Context, verification string, decide Decide) (*verifier.Verification, error) {
	var out verifier.Verification
	err := s.writer.do(ctx, func(t *tx) error {
		v, err := verificationIn(t, verification)
		if err != nil {
			return err
		}
		if err := s.decideOn(t, v.Deploy, v.ID, s.Now(), decide); err != nil {
			return err
		}
		out, err = verificationIn(t, verification)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func (s *Store) decideOn(t *tx, d verifier.Deploy, verification string, now time.Time, decide Decide) error {
	scene, err := sceneOf(t, d, verification, now)
	if err != nil {
		return fmt.Errorf("read the scene of %s: %w", d.ID, err)
	}
	effects, err := decide(scene)
	if err != nil {
		return err
	}
	return t.apply(effects)
}

// Save writes effects that were decided without a scene, each all or nothing, and answers for each: ErrConflict says that a
// verification was changed by somebody else meanwhile.
func (s *Store) Save(ctx context.Context, effects ...verifier.Effects) []error {
	errs := make([]error, len(effects))
	if len(effects) == 1 {
		errs[0] = s.writer.do(ctx, func(t *tx) error { return t.apply(effects[0]) })
		return errs
	}
	done := make(chan int, len(effects))
	for i, e := range effects {
		go func() {
			errs[i] = s.writer.do(ctx, func(t *tx) error { return t.apply(e) })
			done <- i
		}()
	}
	for range effects {
		<-done
	}
	return errs
}

func (t *tx) apply(e verifier.Effects) error {
	if e.RuleSet != nil {
		if err := t.putRules(*e.RuleSet); err != nil {
			return err
		}
	}
	for _, v := range e.Verifications {
		if err := t.putVerification(v); err != nil {
			return err
		}
	}
	for _, ev := range e.Evidence {
		if err := t.putEvidence(ev); err != nil {
			return err
		}
	}
	for _, in := range e.Incidents {
		if err := t.putIncident(in); err != nil {
			return err
		}
	}
	for _, a := range e.Actions {
		if err := t.putAction(a); err != nil {
			return err
		}
	}
	for _, h := range e.Holds {
		if err := t.putHold(h); err != nil {
			return err
		}
	}
	for id, m := range e.Marks {
		if err := t.mark(id, m); err != nil {
			return err
		}
	}
	for _, a := range e.Audit {
		if err := t.putAudit(a); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putRules(r verifier.RuleSet) error {
	body, err := json.Marshal(r.Rules)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO rule_sets (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`, r.Hash, string(body))
}

// putVerification inserts a new one, or saves where the revision still holds.
func (t *tx) putVerification(v verifier.Verification) error {
	revision := v.Revision
	v.Revision++
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var sent *time.Time
	rollback, baseline := "", ""
	if v.Baseline != nil {
		text, err := json.Marshal(v.Baseline)
		if err != nil {
			return err
		}
		baseline = string(text)
	}
	if v.Rollback != nil {
		rollback, sent = string(v.Rollback.State), v.Rollback.SentAt
	}
	values := []any{
		v.Deploy.Place.Key(), lower(v.Deploy.Environment), v.State, millis(v.Deploy.At), millisOrNull(&v.DueAt), millisOrNull(v.Ended),
		millisOrNull(v.FailedAt), millisOrNull(sent), rollback, v.Incident, v.Revision, string(body), baseline, v.ID,
	}
	if revision == 0 {
		err = t.exec(`INSERT INTO verifications (place, environment, state, at, due_at, ended, failed_at, sent_at, rollback, incident, revision, body, baseline, id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`, values...)
		if err != nil {
			return fmt.Errorf("open verification %s: %w", v.ID, err)
		}
		return t.watched(v)
	}
	n, err := t.affect(`UPDATE verifications SET place = $1, environment = $2, state = $3, at = $4, due_at = $5, ended = $6, failed_at = $7,
		sent_at = $8, rollback = $9, incident = $10, revision = $11, body = $12, baseline = $13 WHERE id = $14 AND revision = $15`, append(values, revision)...)
	if err != nil {
		return fmt.Errorf("save verification %s: %w", v.ID, err)
	}
	if n == 0 {
		return &verifier.ConflictError{Field: "revision", Problem: "verification " + v.ID + " was changed meanwhile"}
	}
	return t.watched(v)
}

func (t *tx) putEvidence(e verifier.EvidenceOf) error {
	blob, err := pack(e.Evidence)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO evidence (verification, at, body) VALUES ($1, $2, $3)
		ON CONFLICT (verification) DO UPDATE SET at = excluded.at, body = excluded.body`, e.Verification, millis(time.Now()), blob)
}

// putIncident replaces the incident and raises its revision, which stands in the row and in the body.
func (t *tx) putIncident(in verifier.Incident) error {
	known, _, err := one(t, scalar[int64], `SELECT revision FROM incidents WHERE id = $1`, in.ID)
	if err != nil {
		return err
	}
	in.Revision = known + 1
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	err = t.exec(`INSERT INTO incidents (id, kind, opened, resolved, revision, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET resolved = excluded.resolved, revision = excluded.revision, body = excluded.body`,
		in.ID, in.Kind, millis(in.Opened), millisOrNull(in.Resolved), in.Revision, string(body))
	if err != nil {
		return fmt.Errorf("save incident %s: %w", in.ID, err)
	}
	if known > 0 {
		if err := t.rearm(in); err != nil {
			return err
		}
	}
	for _, m := range in.Members {
		if err := t.exec(`INSERT INTO incident_places (place, incident) VALUES ($1, $2) ON CONFLICT DO NOTHING`, m.Place.Key(), in.ID); err != nil {
			return err
		}
	}
	return nil
}

// putAction inserts the action, or arms it again where its key is known: what it remembers of earlier runs stays. The revision of one
// that is claimed is odd: it runs again when that run is saved or its lease is over, so that one action runs once at a time.
func (t *tx) putAction(a verifier.Action) error {
	return t.exec(`INSERT INTO actions (key, kind, subject, state, created, due_at, attempt, revision, payload, memory, problem)
		VALUES ($1, $2, $3, 'waiting', $4, $5, 0, 2, $6, $7, '')
		ON CONFLICT (key) DO UPDATE SET state = 'waiting', attempt = 0, revision = actions.revision + 2, payload = excluded.payload, problem = '',
		created = excluded.created,
		due_at = CASE WHEN actions.revision % 2 = 1 AND actions.due_at > excluded.due_at THEN actions.due_at ELSE excluded.due_at END`,
		a.Key, a.Kind, a.Subject, millis(a.Created), millis(a.DueAt), string(a.Payload), string(a.Memory))
}

// rearm lets everybody who was told of the incident hear of its change, wherever the routes send it now.
func (t *tx) rearm(in verifier.Incident) error {
	return t.exec(`UPDATE actions SET state = 'waiting', attempt = 0, revision = revision + 2, created = $1,
		due_at = CASE WHEN revision % 2 = 1 AND due_at > $1 THEN due_at ELSE $1 END WHERE subject = $2 AND kind = $3`,
		millis(in.Updated), in.ID, verifier.ActionAlert)
}

func (t *tx) putHold(h verifier.Hold) error {
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO holds (id, ended, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, body = excluded.body`,
		h.ID, millisOrNull(h.Ended), string(body))
}

func (t *tx) putAudit(a verifier.Audit) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO audit (id, at, sender, what, subject, reason, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id.String(), millis(a.At), a.By, a.What, a.Subject, a.Reason, a.Detail)
}

// mark keeps a person's word at the deploy and, where it has one, at its verification.
func (t *tx) mark(id string, m verifier.Mark) error {
	d, ok, err := one(t, scanDeploy, `SELECT body FROM deploys WHERE id = $1`, id)
	if err != nil || !ok {
		return err
	}
	d.Mark = &m
	return t.putDeploy(d)
}

const selectVerification = `SELECT body, revision, due_at FROM verifications`

func scanVerification(rows *sql.Rows) (v verifier.Verification, err error) {
	var body string
	var revision int64
	var due sql.NullInt64
	if err := rows.Scan(&body, &revision, &due); err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return v, err
	}
	v.Revision = revision
	if due.Valid {
		v.DueAt = fromMillis(due.Int64)
	}
	return v, nil
}

func verificationIn(q querier, id string) (verifier.Verification, error) {
	v, ok, err := one(q, scanVerification, selectVerification+` WHERE id = $1`, id)
	if err == nil && !ok {
		err = fmt.Errorf("verification %s: %w", id, verifier.ErrNotFound)
	}
	return v, err
}

// sceneOf reads what a decision about the deploy sees; verification is the one that it is about, or empty.
func sceneOf(t *tx, d verifier.Deploy, verification string, now time.Time) (*verifier.Scene, error) {
	s := &verifier.Scene{Place: d.Place, Deploy: d}
	var err error
	key := d.Place.Key()
	if s.History, err = historyIn(t, key, now); err != nil {
		return nil, err
	}
	before := ""
	if was := s.LiveBefore(d); was != nil {
		before = was.ID
	}
	s.Watches, err = collect(t, scanVerification, selectVerification+` WHERE place = $1 AND (ended IS NULL OR rollback IN ('proposed', 'approved',
		'sent', 'confirmed') OR rollback <> '' AND at > $2 OR id = $3 OR id = $4 OR id = $5
		OR incident IN (SELECT p.incident FROM incident_places p JOIN incidents i ON i.id = p.incident WHERE p.place = $1 AND i.resolved IS NULL)) ORDER BY at DESC, id DESC`,
		key, millis(now.Add(-7*24*time.Hour)), verification, d.ID, before)
	if err != nil {
		return nil, err
	}
	for i := range s.Watches {
		if s.Watches[i].ID == d.ID && verification != "" {
			s.Deploy = s.Watches[i].Deploy
		}
	}
	if s.Holds, err = collect(t, scanHold, `SELECT body FROM holds WHERE ended IS NULL OR ended > $1`, millis(now)); err != nil {
		return nil, err
	}
	sent, err := collect(t, scanVerification, selectVerification+` WHERE sent_at > $1`, millis(now.AddDate(0, 0, -historyDays)))
	if err != nil {
		return nil, err
	}
	for _, v := range sent {
		s.Rollbacks = append(s.Rollbacks, verifier.Sent{Verification: v.ID, Place: v.Deploy.Place, Group: v.Deploy.GroupOrID(), At: *v.Rollback.SentAt})
	}
	failed, err := collect(t, scanVerification, selectVerification+` WHERE failed_at > $1 AND environment = $2`, millis(now.Add(-time.Hour)), lower(d.Environment))
	if err != nil {
		return nil, err
	}
	for _, v := range failed {
		if v.Late || v.Mark != nil && v.Mark.Good {
			continue // not now, or not at all
		}
		s.Failures = append(s.Failures, verifier.Failure{Verification: v.ID, Place: v.Deploy.Place, Group: v.Deploy.GroupOrID(), At: *v.FailedAt, Incident: v.Incident})
	}
	s.Incidents, err = incidentsOf(t, s)
	return s, err
}

// incidentsOf are the open ones with a member in the place, those of its watches and of the failures around, and those of the deploy's group up to the first
// that is open.
func incidentsOf(t *tx, s *verifier.Scene) ([]verifier.Incident, error) {
	list, err := collect(t, scanIncident, `SELECT i.body FROM incident_places p JOIN incidents i ON i.id = p.incident
		WHERE p.place = $1 AND i.resolved IS NULL`, s.Place.Key())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, v := range s.Watches {
		if v.Incident != "" {
			ids = append(ids, v.Incident)
		}
	}
	for _, f := range s.Failures {
		if f.Incident != "" {
			ids = append(ids, f.Incident)
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if _, list, err = withIncident(t, list, id); err != nil {
			return nil, err
		}
	}
	for n := 1; ; n++ {
		var in verifier.Incident
		if in, list, err = withIncident(t, list, verifier.VerdictIncidentID(s.Deploy, n)); err != nil || in.Resolved == nil {
			return list, err
		}
	}
}

// withIncident is the incident with that id, zero where there is none, and the list with it.
func withIncident(t *tx, list []verifier.Incident, id string) (verifier.Incident, []verifier.Incident, error) {
	if i := slices.IndexFunc(list, func(in verifier.Incident) bool { return in.ID == id }); i >= 0 {
		return list[i], list, nil
	}
	in, ok, err := one(t, scanIncident, `SELECT body FROM incidents WHERE id = $1`, id)
	if err != nil || !ok {
		return verifier.Incident{}, list, err
	}
	return in, append(list, in), nil
}

func scanIncident(rows *sql.Rows) (in verifier.Incident, err error) {
	var body string
	if err := rows.Scan(&body); err != nil {
		return in, err
	}
	return in, json.Unmarshal([]byte(body), &in)
}

func scanHold(rows *sql.Rows) (h verifier.Hold, err error) {
	var body string
	if err := rows.Scan(&body); err != nil {
		return h, err
	}
	return h, json.Unmarshal([]byte(body), &h)
}

// What a scene sees of a place's past: everything of the last days, at least so many, at most so many.
const (
	historyDays  = 90
	historyLeast = 50
	historyMost  = 500
)

func historyIn(q querier, place string, now time.Time) ([]verifier.Past, error) {
	oldest := now.AddDate(0, 0, -historyDays)
	rows, err := q.query(`SELECT d.body, COALESCE(v.state, ''), v.ended, COALESCE(v.rollback, ''), COALESCE(v.baseline, '') FROM deploys d LEFT JOIN verifications v ON v.id = d.id
		WHERE d.place = $1 AND d.import IN (SELECT id FROM imports WHERE state <> 'staging') ORDER BY d.at DESC, d.id DESC LIMIT $2`, place, historyMost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []verifier.Past
	for rows.Next() {
		p, err := scanPast(rows)
		if err != nil {
			return nil, err
		}
		if len(out) >= historyLeast && p.Deploy.At.Before(oldest) {
			break
		}
		if !p.Deploy.Void {
			out = append(out, p)
		}
	}
	return out, rows.Err()
}

func scanPast(rows *sql.Rows) (p verifier.Past, err error) {
	var deploy, baseline string
	var ended sql.NullInt64
	if err := rows.Scan(&deploy, &p.State, &ended, &p.Rollback, &baseline); err != nil {
		return p, err
	}
	if ended.Valid {
		at := fromMillis(ended.Int64)
		p.Ended = &at
	}
	if baseline != "" {
		if err := json.Unmarshal([]byte(baseline), &p.Baseline); err != nil {
			return p, err
		}
	}
	return p, json.Unmarshal([]byte(deploy), &p.Deploy)
}
