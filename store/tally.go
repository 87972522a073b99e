package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

func monthBounds(month string, zone *time.Location) (from, to time.Time, err error) {
	if zone == nil {
		zone = time.UTC
	}
	from, err = time.ParseInLocation("2006-01", month, zone)
	if err != nil {
		return from, to, verifier.Invalid("month", "%q is none; write it like 2016-09", month)
	}
	return from, from.AddDate(0, 1, 0), nil
}

// Tallies counts the deploys of the months from first to last (2016-09), whose bounds are in the zone.
func (s *Store) Tallies(ctx context.Context, first, last string, zone *time.Location) ([]verifier.Tally, error) {
	from, _, err := monthBounds(first, zone)
	if err != nil {
		return nil, err
	}
	end, _, err := monthBounds(last, zone)
	if err != nil {
		return nil, err
	}
	var out []verifier.Tally
	for ; !from.After(end); from = from.AddDate(0, 1, 0) {
		month := from.Format("2006-01")
		list, err := collect(s.pool(ctx), func(rows *sql.Rows) (verifier.Tally, error) { return scanTally(rows, month) },
			`SELECT facets, COUNT(*) FROM deploys WHERE day >= $1 AND day <= $2 AND at >= $3 AND at < $4 AND `+counted+` GROUP BY day, facets`,
			day(from), day(from.AddDate(0, 1, 0)), millis(from), millis(from.AddDate(0, 1, 0)))
		if err != nil {
			return nil, fmt.Errorf("count the deploys of %s: %w", month, err)
		}
		out = append(out, list...)
	}
	return out, nil
}

// day is the day in UTC, counted from 1970: what tallies are gathered by, so that a month is read in the order of an index.
func day(at time.Time) int64 {
	const length = int64(24 * time.Hour / time.Millisecond)
	ms := millis(at)
	return (ms - (ms%length+length)%length) / length
}

func scanTally(rows *sql.Rows, month string) (t verifier.Tally, err error) {
	var facets string
	var n int
	if err := rows.Scan(&facets, &n); err != nil {
		return t, err
	}
	err = json.Unmarshal([]byte(facets), &t)
	t.Month, t.N = month, n
	return t, err
}

// RuleTallies counts, for the months from first to last (2016-09), what each rule was right and wrong about. A failed deploy is bad
// unless somebody marked it good; any other is where it was rolled back or marked bad.
func (s *Store) RuleTallies(ctx context.Context, first, last string, zone *time.Location) ([]verifier.RuleTally, error) {
	from, _, err := monthBounds(first, zone)
	if err != nil {
		return nil, err
	}
	_, to, err := monthBounds(last, zone)
	if err != nil {
		return nil, err
	}
	type judged struct {
		v        verifier.Verification
		reverted bool
	}
	list, err := collect(s.pool(ctx), func(rows *sql.Rows) (j judged, err error) {
		var body string
		if err := rows.Scan(&body, &j.reverted); err != nil {
			return j, err
		}
		return j, json.Unmarshal([]byte(body), &j.v)
	}, `SELECT v.body, d.reverted FROM deploys d JOIN verifications v ON v.id = d.id WHERE d.day >= $1 AND d.day <= $2 AND d.at >= $3 AND d.at < $4 AND d.live = 1
		AND (d.state = 'failed' OR d.reverted = 1 OR d.facets LIKE '%"Marked":"bad"%')`,
		day(from), day(to), millis(from), millis(to))
	if err != nil {
		return nil, fmt.Errorf("count what rules were right about: %w", err)
	}
	counts := map[verifier.RuleTally]*verifier.RuleTally{}
	for _, j := range list {
		at := j.v.Deploy.At
		if zone != nil {
			at = at.In(zone)
		}
		failed := j.v.State == verifier.FailedState
		bad := failed || j.reverted
		if j.v.Mark != nil {
			bad = !j.v.Mark.Good
		}
		for _, f := range j.v.Findings {
			key := verifier.RuleTally{Month: at.Format("2006-01"), Environment: j.v.Deploy.Environment, Rule: f.Rule}
			if counts[key] == nil {
				counts[key] = &verifier.RuleTally{Month: key.Month, Environment: key.Environment, Rule: key.Rule}
			}
			switch n := counts[key]; {
			case !f.Counts():
			case f.Outcome == verifier.Fail && bad:
				n.Caught++
			case f.Outcome == verifier.Fail:
				n.FalselyCondemned++
			case bad:
				n.Missed++
			}
		}
	}
	out := make([]verifier.RuleTally, 0, len(counts))
	for _, n := range counts {
		if n.Caught+n.Missed+n.FalselyCondemned > 0 {
			out = append(out, *n)
		}
	}
	return out, nil
}

// Timings says how long trouble took to be found and to end, for the releases of a month that came to be live and failed. Those that
// were recorded only after their watch are left out.
func (s *Store) Timings(ctx context.Context, month string, zone *time.Location) ([]verifier.Timing, error) {
	from, to, err := monthBounds(month, zone)
	if err != nil {
		return nil, err
	}
	q := s.pool(ctx)
	list, err := collect(q, scanVerification, selectVerification+` WHERE failed_at IS NOT NULL AND at >= $1 AND at < $2 AND state = 'failed'
		AND EXISTS (SELECT 1 FROM deploys d WHERE d.id = verifications.id AND d.live = 1)`, millis(from), millis(to))
	if err != nil {
		return nil, fmt.Errorf("time the failures of %s: %w", month, err)
	}
	var out []verifier.Timing
	for _, v := range list {
		d := v.Deploy
		if d.RecordedAt.After(v.Until) {
			continue // it came in when its watch was over, replayed or late: nobody could have been faster
		}
		timing := verifier.Timing{Deploy: d.ID, Service: d.Service, Environment: d.Environment, Team: d.Team, At: d.At, ToVerdict: v.FailedAt.Sub(d.At)}
		recovered, err := recoveredAt(q, v)
		if err != nil {
			return nil, err
		}
		if !recovered.IsZero() {
			timing.ToRecovery = recovered.Sub(d.At)
		}
		out = append(out, timing)
	}
	return out, nil
}

// recoveredAt is when the trouble was over: the rollback helped, or the next deploy of the place that passed came in.
func recoveredAt(q querier, v verifier.Verification) (time.Time, error) {
	if r := v.Rollback; r != nil && r.RecoveredAt != nil && r.ConfirmedAt != nil {
		return *r.ConfirmedAt, nil
	}
	at, err := one64(q, `SELECT MIN(at) FROM verifications WHERE place = $1 AND at > $2 AND state = 'passed'`, v.Deploy.Place.Key(), millis(v.Deploy.At))
	if err != nil || !at.Valid {
		return time.Time{}, err
	}
	return fromMillis(at.Int64), nil
}
