package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"verifier"
)

func (s *server) holds(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "limit", "after", "all")
	all := q.bool("all")
	after := q.text("after") // the last id: holds are few and listed by id
	q.values.Del("after")
	size := q.page().Size()
	if err := q.err(); err != nil {
		Problem(w, r, err)
		return
	}
	every, err := s.record.Holds(r.Context(), s.Now(), all)
	every = s.warned(r.Context(), every)
	var items []verifier.Hold
	next := ""
	for _, h := range every {
		if h.ID <= after {
			continue
		}
		if len(items) == size {
			next = items[size-1].ID
			break
		}
		items = append(items, WholeHold(h))
	}
	listed(w, r, items, next, err)
}

// warned says of each hold which of its names match nothing known.
func (s *server) warned(ctx context.Context, holds []verifier.Hold) []verifier.Hold {
	for i, h := range holds {
		if s.Scope == nil || h.Everywhere() {
			continue
		}
		var invalid *verifier.InvalidError
		if err := s.Scope(ctx, &h); errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				h.Warnings = append(h.Warnings, f.Problem)
			}
		}
		holds[i].Warnings = h.Warnings
	}
	return holds
}

// WholeHold fills in the lists that are empty.
func WholeHold(h verifier.Hold) verifier.Hold {
	h.Services, h.Environments, h.Teams, h.Stops = orEmpty(h.Services), orEmpty(h.Environments), orEmpty(h.Teams), orEmpty(h.Stops)
	return h
}

// putHold makes a hold; a mute stops alerts and nothing else.
func (s *server) putHold(mute bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var h verifier.Hold
		err := read(w, r, &h)
		if err == nil {
			err = s.hold(r, &h, mute)
		}
		if err != nil {
			Problem(w, r, err)
			return
		}
		answer(w, http.StatusCreated, h)
	}
}

// hold checks and keeps one, and lets what waits see it.
func (s *server) hold(r *http.Request, h *verifier.Hold, mute bool) error {
	if mute && len(h.Stops) == 0 {
		h.Stops = []string{verifier.StopsAlert}
	}
	h.Warnings = nil
	if err := s.checkHold(*h, mute); err != nil {
		return err
	}
	if s.Scope != nil {
		if err := s.Scope(r.Context(), h); err != nil {
			return err
		}
	}
	if len(h.Stops) == 0 {
		h.Stops = []string{verifier.StopsRollback}
	}
	*h = WholeHold(*h)
	h.ID, h.At, h.Ended, h.By = "hold-"+uuid.NewString()[:8], s.Now().UTC(), nil, verifier.CallerFrom(r.Context()).Name
	kept := *h
	kept.Warnings = nil
	if err := s.record.PutHold(r.Context(), kept); err != nil {
		return err
	}
	s.Held(r.Context())
	return nil
}

func (s *server) checkHold(h verifier.Hold, mute bool) error {
	var bad []verifier.FieldError
	wrong := func(field, format string, args ...any) {
		bad = append(bad, verifier.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if strings.TrimSpace(h.Reason) == "" {
		wrong("reason", "is required: say why, for people who find the hold")
	} else if problem := textProblem(h.Reason); problem != "" {
		wrong("reason", "%s", problem)
	}
	if h.Until != nil && !h.Until.After(s.Now()) {
		wrong("until", "%s is not in the future", h.Until.UTC().Format(time.RFC3339))
	}
	if mute && h.Until == nil {
		wrong("until", "is required: a mute ends by itself")
	}
	for _, what := range h.Stops {
		switch {
		case mute && what != verifier.StopsAlert:
			wrong("stops", "invalid value %.40q: a mute stops alerts; leave stops out, or post to /v1/holds", what)
		case !mute && what != verifier.StopsRollback && what != verifier.StopsGate:
			wrong("stops", "invalid value %.40q: must be rollback or gate; to mute alerts, post to /v1/mutes", what)
		}
	}
	for _, globs := range []struct {
		field string
		list  []string
	}{{"services", h.Services}, {"environments", h.Environments}, {"teams", h.Teams}} {
		for i, glob := range globs.list {
			if problem := globProblem(glob); problem != "" {
				wrong(fmt.Sprintf("%s[%d]", globs.field, i), "%s", problem)
			}
		}
	}
	return invalid(bad)
}

func globProblem(glob string) string {
	problem := verifier.NameProblem(strings.NewReplacer("*", "x", "?", "x").Replace(glob))
	if problem != "" {
		problem += " (* and ? stand for others)"
	}
	return problem
}

func (s *server) endHold(w http.ResponseWriter, r *http.Request) {
	if err := s.record.EndHold(r.Context(), r.PathValue("id"), verifier.CallerFrom(r.Context()).Name, s.Now()); err != nil {
		Problem(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
