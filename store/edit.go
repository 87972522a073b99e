package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// EditDeploy lets a person correct a deploy. What it was stays in the audit; kinds and previous versions are derived anew.
func (s *Store) EditDeploy(ctx context.Context, id string, edit func(*verifier.Deploy) error, by, reason string, now time.Time) (verifier.Deploy, error) {
	return s.correct(ctx, "edit", id, edit, by, reason, now)
}

func (s *Store) correct(ctx context.Context, what, id string, edit func(*verifier.Deploy) error, by, reason string, now time.Time) (verifier.Deploy, error) {
	var out verifier.Deploy
	err := s.writer.do(ctx, func(t *tx) error {
		was, err := deployIn(t, id)
		if err != nil {
			return err
		}
		d := was
		if err := edit(&d); err != nil {
			return err
		}
		d.ID, d.Corrected = was.ID, true
		d.Place = s.catalogue().Canonical(d.Place)
		if err := t.audit(what, was, by, reason, now); err != nil {
			return err
		}
		if d.Place.Key() != was.Place.Key() {
			if err := t.putDeploy(d); err != nil {
				return err
			}
			if err := t.reclassify(was.Place.Key(), was, s.catalogue().Service(was.Place, was.Team).Versions); err != nil {
				return err
			}
		}
		out, err = t.place(s.catalogue(), &was, d)
		return err
	})
	return out, err
}

// VoidDeploy takes a deploy out of the record; it stays listed, and counts for nothing.
func (s *Store) VoidDeploy(ctx context.Context, id, by, reason string, now time.Time) (verifier.Deploy, error) {
	return s.correct(ctx, "void", id, func(d *verifier.Deploy) error {
		if d.Void {
			return &verifier.ConflictError{Field: "id", Problem: "deploy " + id + " is void already"}
		}
		d.Void = true
		return nil
	}, by, reason, now)
}

// MarkDeploy keeps a person's word on what a deploy really was.
func (s *Store) MarkDeploy(ctx context.Context, id string, m verifier.Mark) error {
	return s.writer.do(ctx, func(t *tx) error {
		was, err := deployIn(t, id)
		if err != nil {
			return err
		}
		if err := t.audit("mark", was, m.By, m.Cause, m.At); err != nil {
			return err
		}
		if err := t.mark(id, m); err != nil {
			return err
		}
		v, ok, err := one(t, scanVerification, selectVerification+` WHERE id = $1`, id)
		if err != nil || !ok {
			return err
		}
		v.Mark = &m
		return t.putVerification(v)
	})
}

func deployIn(q querier, id string) (verifier.Deploy, error) {
	d, ok, err := one(q, scanDeploy, `SELECT body FROM deploys WHERE id = $1 AND `+visible, id)
	if err == nil && !ok {
		err = fmt.Errorf("deploy %s: %w", id, verifier.ErrNotFound)
	}
	return d, err
}

func (t *tx) audit(what string, was verifier.Deploy, by, reason string, now time.Time) error {
	detail, err := json.Marshal(was)
	if err != nil {
		return err
	}
	return t.putAudit(verifier.Audit{At: now, By: by, What: what, Subject: was.ID, Reason: reason, Detail: string(detail)})
}
