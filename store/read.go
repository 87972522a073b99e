package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// Deploy is the deploy with that id, or ErrNotFound.
func (s *Store) Deploy(ctx context.Context, id string) (verifier.Deploy, error) {
	d, ok, err := one(s.pool(ctx), scanDeploy, `SELECT body FROM deploys WHERE id = $1 AND `+visible, id)
	if err == nil && !ok {
		err = fmt.Errorf("deploy %s: %w", id, verifier.ErrNotFound)
	}
	return d, err
}

// Places gives the newest deploy of each place, by the order of their keys.
func (s *Store) Places(ctx context.Context) ([]verifier.Deploy, error) {
	q := s.pool(ctx)
	// A place has many deploys: this looks only for the next place each time.
	places, err := collect(q, scalar[string], `WITH RECURSIVE p (place) AS (SELECT MIN(place) FROM deploys UNION ALL
		SELECT (SELECT MIN(d.place) FROM deploys d WHERE d.place > p.place) FROM p WHERE p.place IS NOT NULL) SELECT place FROM p WHERE place IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("list places: %w", err)
	}
	var out []verifier.Deploy
	for _, place := range places {
		d, ok, err := one(q, scanDeploy, `SELECT body FROM deploys WHERE place = $1 AND `+visible+` ORDER BY at DESC, id DESC LIMIT 1`, place)
		if err != nil {
			return nil, fmt.Errorf("list places: %w", err)
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

// where collects conditions with their arguments.
type where struct {
	conditions []string
	args       []any
}

// add adds a condition; each ? in it stands for the next argument.
func (w *where) add(condition string, args ...any) {
	for _, a := range args {
		w.args = append(w.args, a)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

func (w *where) addSet(condition, value string) {
	if value != "" {
		w.add(condition, value)
	}
}

// addService finds the places of a service by the index over places.
func (w *where) addService(name string) {
	if name != "" {
		w.add("place >= ? AND place < ?", lower(name)+"\x1f", lower(name)+"\x20")
	}
}

// addAny is for a list of names with commas between them.
func (w *where) addAny(column, names string) {
	if names == "" {
		return
	}
	list := strings.Split(names, ",")
	for i, name := range list {
		list[i] = lower(strings.TrimSpace(name))
	}
	w.addSame(column, list)
}

// addSame is for a list of values; an empty one selects nothing.
func (w *where) addSame(column string, values []string) {
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = value
	}
	if len(values) == 0 {
		w.add("1 = 0")
		return
	}
	w.add(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// canonical are the names of a filter as the catalogue writes them; of environments there may be several with commas between them.
func (s *Store) canonical(service, environments string) (string, string) {
	names := strings.Split(environments, ",")
	for i, name := range names {
		p := s.catalogue().Canonical(verifier.Place{Service: service, Environment: strings.TrimSpace(name)})
		names[i], service = p.Environment, p.Service
	}
	return service, strings.Join(names, ",")
}

// addTarget finds the places of a target, or those without one.
func (w *where) addTarget(target string, none bool) {
	if target != "" || none {
		w.add(`place LIKE ? ESCAPE '\'`, "%\x1f"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(lower(target)))
	}
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// after continues a list in falling order of (column, id) behind the cursor of the page before.
func (w *where) after(cursor, column string) error {
	if cursor == "" {
		return nil
	}
	ms, id, ok := strings.Cut(cursor, "~")
	at, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return verifier.Invalid("after", "%q is no cursor; write the next of the page before", cursor)
	}
	w.add("("+column+" < ? OR "+column+" = ? AND id < ?)", at, at, id)
	return nil
}

// paged cuts the extra row that shows that there is a next page, and makes the cursor.
func paged[T any](list []T, size int, at func(T) (time.Time, string)) ([]T, string) {
	if len(list) <= size {
		return list, ""
	}
	t, id := at(list[size-1])
	return list[:size], strconv.FormatInt(millis(t), 10) + "~" + id
}

// Deploys lists deploys, newest first, and the cursor of the next page (empty: there is none).
func (s *Store) Deploys(ctx context.Context, f verifier.DeployFilter) ([]verifier.Deploy, string, error) {
	f.Service, f.Environment = s.canonical(f.Service, f.Environment)
	w := &where{}
	w.add(visible)
	w.addService(f.Service)
	w.addAny("environment", f.Environment)
	w.addTarget(f.Target, f.NoTarget)
	w.addSet("team = ?", lower(f.Team))
	w.addSet("kind = ?", string(f.Kind))
	w.addSet("status = ?", string(f.Status))
	w.addSet("change = ?", string(f.Change))
	w.addSet("state = ?", string(f.State))
	if f.Corrected {
		w.add(`facets LIKE '%"Corrected":true%'`)
	} else if f.Kind != "" || f.Status != "" || f.Change != "" || f.State != "" {
		w.add("void = 0")
	}
	if f.Month != "" {
		from, to, err := monthBounds(f.Month, f.Zone)
		if err != nil {
			return nil, "", err
		}
		w.add("at >= ? AND at < ?", millis(from), millis(to))
	}
	if err := w.after(f.After, "at"); err != nil {
		return nil, "", err
	}
	list, err := collect(s.pool(ctx), scanDeploy, `SELECT body FROM deploys`+w.String()+fmt.Sprintf(` ORDER BY at DESC, id DESC LIMIT %d`, f.Size()+1), w.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list deploys: %w", err)
	}
	list, next := paged(list, f.Size(), func(d verifier.Deploy) (time.Time, string) { return d.At, d.ID })
	return list, next, nil
}

// Verification is the one with that id, or ErrNotFound.
func (s *Store) Verification(ctx context.Context, id string) (verifier.Verification, error) {
	return verificationIn(s.pool(ctx), id)
}

// Verifications lists verifications, newest deploy first.
func (s *Store) Verifications(ctx context.Context, f verifier.VerificationFilter) ([]verifier.Verification, string, error) {
	f.Service, f.Environment = s.canonical(f.Service, f.Environment)
	w := &where{}
	w.addService(f.Service)
	w.addAny("environment", f.Environment)
	w.addTarget(f.Target, f.NoTarget)
	w.addSet("state = ?", string(f.State))
	if f.Active {
		w.add("ended IS NULL")
	}
	if err := w.after(f.After, "at"); err != nil {
		return nil, "", err
	}
	list, err := collect(s.pool(ctx), scanVerification, selectVerification+w.String()+fmt.Sprintf(` ORDER BY at DESC, id DESC LIMIT %d`, f.Size()+1), w.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list verifications: %w", err)
	}
	list, next := paged(list, f.Size(), func(v verifier.Verification) (time.Time, string) { return v.Deploy.At, v.ID })
	return list, next, nil
}

// Watches gives each of these deploys the verification that watches it, its own or the one that it joined; those without one are left out.
func (s *Store) Watches(ctx context.Context, deploys []string) (map[string]verifier.Verification, error) {
	type watch struct {
		deploy string
		verifier.Verification
	}
	w := &where{}
	w.addSame("d.id", deploys)
	list, err := collect(s.pool(ctx), func(rows *sql.Rows) (x watch, err error) {
		var body string
		if err := rows.Scan(&x.deploy, &x.Revision, &body); err != nil {
			return x, err
		}
		revision := x.Revision
		err = json.Unmarshal([]byte(body), &x.Verification)
		x.Revision = revision
		return x, err
	}, `SELECT d.id, v.revision, v.body FROM deploys d JOIN verifications v ON v.id = d.watch`+w.String(), w.args...)
	out := map[string]verifier.Verification{}
	for _, x := range list {
		out[x.deploy] = x.Verification
	}
	return out, err
}

// Open lists the verifications whose rollback waits for something.
func (s *Store) Open(ctx context.Context) ([]verifier.Verification, error) {
	return collect(s.pool(ctx), scanVerification, selectVerification+` WHERE rollback IN ('proposed', 'approved')`)
}

// Evidence is what the verification has seen.
func (s *Store) Evidence(ctx context.Context, verification string) ([]verifier.Evidence, error) {
	return evidenceIn(s.pool(ctx), verification)
}

// RuleSet is the rules that are kept under a hash; none where nothing is.
func (s *Store) RuleSet(ctx context.Context, hash string) ([]verifier.Rule, error) {
	return s.rulesOf(s.pool(ctx), hash)
}

// Incident is the one with that id, or ErrNotFound.
func (s *Store) Incident(ctx context.Context, id string) (verifier.Incident, error) {
	in, ok, err := one(s.pool(ctx), scanIncident, `SELECT body FROM incidents WHERE id = $1`, id)
	if err == nil && !ok {
		err = fmt.Errorf("incident %s: %w", id, verifier.ErrNotFound)
	}
	return in, err
}

// Incidents lists incidents, newest first.
func (s *Store) Incidents(ctx context.Context, f verifier.IncidentFilter) ([]verifier.Incident, string, error) {
	w := &where{}
	w.addSet("kind = ?", string(f.Kind))
	if f.Open {
		w.add("resolved IS NULL")
	}
	if err := w.after(f.After, "opened"); err != nil {
		return nil, "", err
	}
	list, err := collect(s.pool(ctx), scanIncident, `SELECT body FROM incidents`+w.String()+fmt.Sprintf(` ORDER BY opened DESC, id DESC LIMIT %d`, f.Size()+1), w.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list incidents: %w", err)
	}
	list, next := paged(list, f.Size(), func(in verifier.Incident) (time.Time, string) { return in.Opened, in.ID })
	return list, next, nil
}

// Holds lists the holds in force, or all that ever were.
func (s *Store) Holds(ctx context.Context, now time.Time, all bool) ([]verifier.Hold, error) {
	list, err := collect(s.pool(ctx), scanHold, `SELECT body FROM holds ORDER BY id`)
	if err != nil || all {
		return list, err
	}
	active := []verifier.Hold{}
	for _, h := range list {
		if h.Active(now) {
			active = append(active, h)
		}
	}
	return active, nil
}

// PutHold adds a hold or replaces it by its id.
func (s *Store) PutHold(ctx context.Context, h verifier.Hold) error {
	return s.writer.do(ctx, func(t *tx) error {
		if err := t.putHold(h); err != nil {
			return err
		}
		return t.putAudit(verifier.Audit{At: h.At, By: h.By, What: "hold", Subject: h.ID, Reason: h.Reason, Detail: strings.Join(h.Stops, ",")})
	})
}

// EndHold ends a hold now.
func (s *Store) EndHold(ctx context.Context, id, by string, now time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		h, ok, err := one(t, scanHold, `SELECT body FROM holds WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if !ok || !h.Active(now) {
			return fmt.Errorf("hold %s: %w", id, verifier.ErrNotFound)
		}
		h.Ended = &now
		if err := t.putHold(h); err != nil {
			return err
		}
		return t.putAudit(verifier.Audit{At: now, By: by, What: "hold ended", Subject: id})
	})
}

// Action is the one with that key, or ErrNotFound.
func (s *Store) Action(ctx context.Context, key string) (verifier.Action, error) {
	a, ok, err := one(s.pool(ctx), scanAction, selectAction+` WHERE key = $1`, key)
	if err == nil && !ok {
		err = fmt.Errorf("action %s: %w", key, verifier.ErrNotFound)
	}
	return a, err
}

// Actions lists the actions about a subject.
func (s *Store) Actions(ctx context.Context, subject string) ([]verifier.Action, error) {
	return collect(s.pool(ctx), scanAction, selectAction+` WHERE subject = $1 ORDER BY created, key`, subject)
}

// Audit lists who did what to a subject, newest first.
func (s *Store) Audit(ctx context.Context, subject string, limit int) ([]verifier.Audit, error) {
	return collect(s.pool(ctx), func(rows *sql.Rows) (a verifier.Audit, err error) {
		var at int64
		err = rows.Scan(&at, &a.By, &a.What, &a.Subject, &a.Reason, &a.Detail)
		a.At = fromMillis(at)
		return a, err
	}, `SELECT at, sender, what, subject, reason, detail FROM audit WHERE subject = $1 ORDER BY at DESC, id DESC LIMIT $2`, subject, limit)
}

// Deliveries lists what tools have sent, newest first, at most f.Limit; next is the cursor of the page after it.
func (s *Store) Deliveries(ctx context.Context, f verifier.DeliveryFilter) (_ []verifier.Delivery, next string, err error) {
	before, id, tool, err := deliveryCursor(f.After)
	if err != nil {
		return nil, "", err
	}
	since := int64(0)
	if !f.Since.IsZero() {
		since = millis(f.Since)
	}
	size := f.Size()
	list, err := collect(s.pool(ctx), func(rows *sql.Rows) (d verifier.Delivery, err error) {
		var at int64
		var header string
		if err := rows.Scan(&d.Tool, &d.ID, &at, &d.By, &header, &d.Body, &d.Outcome, &d.Problem); err != nil {
			return d, err
		}
		d.ReceivedAt = fromMillis(at)
		return d, json.Unmarshal([]byte(header), &d.Header)
	}, `SELECT tool, id, received_at, sender, header, body, outcome, problem FROM deliveries
		WHERE ($1 = '' OR tool = $1) AND ($2 = '' OR id = $2) AND ($3 = '' OR outcome = $3) AND received_at >= $4
			AND ($5 = 0 OR received_at < $5 OR received_at = $5 AND (id < $6 OR id = $6 AND tool < $7))
		ORDER BY received_at DESC, id DESC, tool DESC LIMIT $8`, f.Tool, f.ID, f.Outcome, since, before, id, tool, size+1)
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	if len(list) > size {
		last := list[size-1]
		next, list = fmt.Sprintf("%d/%s/%s", millis(last.ReceivedAt), last.Tool, last.ID), list[:size]
	}
	return list, next, nil
}

func deliveryCursor(after string) (before int64, id, tool string, err error) {
	if after == "" {
		return 0, "", "", nil
	}
	parts := strings.SplitN(after, "/", 3)
	if len(parts) == 3 {
		before, err = strconv.ParseInt(parts[0], 10, 64)
	}
	if len(parts) != 3 || err != nil {
		return 0, "", "", verifier.Invalid("after", "%.40q is no cursor; write the next of the page before", after)
	}
	return before, parts[2], parts[1], nil
}

// History is the past of a place, newest first, as a scene sees it.
func (s *Store) History(ctx context.Context, p verifier.Place, now time.Time) ([]verifier.Past, error) {
	return historyIn(s.pool(ctx), p.Key(), now)
}

// Histories are the pasts that speak of a place: of a target its own, or where it has none, that without a target; else those of
// the service in the environment with and without targets.
func (s *Store) Histories(ctx context.Context, p verifier.Place, now time.Time) ([][]verifier.Past, error) {
	q := s.pool(ctx)
	whole := p
	whole.Target = ""
	if p.Target != "" {
		for _, key := range []string{p.Key(), whole.Key()} {
			if own, err := historyIn(q, key, now); err != nil || len(own) > 0 {
				return [][]verifier.Past{own}, err
			}
		}
	}
	places, err := placesOf(q, whole)
	if err != nil {
		return nil, err
	}
	var all [][]verifier.Past
	for _, place := range places {
		history, err := historyIn(q, place, now)
		if err != nil {
			return nil, err
		}
		all = append(all, history)
	}
	return all, nil
}

// Targets are those that the service was deployed to in the environment, by their keys; an empty one stands for deploys without a target.
func (s *Store) Targets(ctx context.Context, service, environment string) ([]string, error) {
	q := s.pool(ctx)
	places, err := placesOf(q, s.catalogue().Canonical(verifier.Place{Service: service, Environment: environment}))
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, place := range places {
		d, ok, err := one(q, scanDeploy, `SELECT body FROM deploys WHERE place = $1 AND void = 0 AND `+visible+` ORDER BY at DESC, id DESC LIMIT 1`, place)
		if err != nil {
			return nil, err
		}
		if ok {
			targets = append(targets, d.Target)
		}
	}
	return targets, nil
}

// placesOf are the keys of the service's places in the environment, with and without targets.
func placesOf(q querier, p verifier.Place) ([]string, error) {
	p.Target = ""
	places, err := collect(q, scalar[string], `SELECT DISTINCT place FROM deploys WHERE place >= $1 AND place < $2 ORDER BY place`,
		p.Key(), strings.TrimSuffix(p.Key(), "\x1f")+"\x20")
	if err != nil {
		return nil, fmt.Errorf("list the targets of %s: %w", p, err)
	}
	return places, nil
}

// Scene is what a decision about the verification would see now; nothing is decided.
func (s *Store) Scene(ctx context.Context, verification string, now time.Time) (*verifier.Scene, error) {
	var scene *verifier.Scene
	err := s.writer.do(ctx, func(t *tx) error {
		v, err := verificationIn(t, verification)
		if err == nil {
			scene, err = sceneOf(t, v.Deploy, v.ID, now)
		}
		return err
	})
	return scene, err
}

// SceneOf is what a decision about a deploy that is not recorded would see now.
func (s *Store) SceneOf(ctx context.Context, d verifier.Deploy, now time.Time) (*verifier.Scene, error) {
	var scene *verifier.Scene
	err := s.writer.do(ctx, func(t *tx) (err error) {
		scene, err = sceneOf(t, d, "", now)
		return err
	})
	return scene, err
}

// PassedRecently lists verifications of an environment that passed since then, the newest of each place, with no deploy of the place
// after until.
func (s *Store) PassedRecently(ctx context.Context, environment string, since, until time.Time, limit int) ([]verifier.Verification, error) {
	return collect(s.pool(ctx), scanVerification, selectVerification+` v WHERE environment = $1 AND state = 'passed' AND at >= $2 AND at <= $3
		AND NOT EXISTS (SELECT 1 FROM deploys d WHERE d.place = v.place AND d.at > $3)
		AND NOT EXISTS (SELECT 1 FROM verifications w WHERE w.place = v.place AND w.at > v.at AND w.state <> 'superseded') ORDER BY at DESC LIMIT $4`,
		lower(environment), millis(since), millis(until), limit)
}

// Counts are how many verifications are active, and how many actions are due, running or being tried again.
func (s *Store) Counts(ctx context.Context) (active, waiting int, err error) {
	q := s.pool(ctx)
	if active, _, err = one(q, scalar[int], `SELECT COUNT(*) FROM verifications WHERE due_at IS NOT NULL AND ended IS NULL`); err != nil {
		return 0, 0, err
	}
	// The revision is odd while an action runs. What is merely put off is an alert that is repeated later, not one that waits.
	waiting, _, err = one(q, scalar[int], `SELECT COUNT(*) FROM actions WHERE state = 'waiting' AND (due_at <= $1 OR attempt > 0 OR revision % 2 = 1)`, millis(s.Now()))
	return active, waiting, err
}
