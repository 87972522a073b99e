package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestNoiseIsKept survives a restart and a backup, comes with the watches whose rules are about patterns, and goes when it is removed.
func TestNoiseIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	open := func(path string) *Store {
		s, err := Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := open(path)
	watchWith := func(measure verifier.Measure) Decide {
		return func(scene *verifier.Scene) (verifier.Effects, error) {
			e, err := watch(scene)
			hash := "sha256:" + measure.Patterns
			e.Verifications[0].Rules, e.RuleSet = hash, &verifier.RuleSet{Hash: hash, Rules: []verifier.Rule{{Name: "new", Measure: measure}}}
			return e, err
		}
	}
	put(t, s, release("a", "1.0", noon), watchWith(verifier.Measure{Patterns: "log.level:ERROR"}))
	put(t, s, release("b", "1.1", noon), watchWith(verifier.Measure{Count: "*"}))
	list := []verifier.Noise{
		{ID: "noise-1", Pattern: "disk full", Services: []string{}, By: "ann", Reason: "old", At: noon},
		{ID: "noise-2", Pattern: "no rate for <mail>", Services: []string{"check*"}, By: "ben", Reason: "tests", At: noon},
	}
	for _, n := range []verifier.Noise{{ID: "noise-1", Pattern: "disk full", By: "ben", At: noon}, list[1], list[0]} {
		if err := s.PutNoise(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(path)
	for _, s := range []*Store{s, open(copied)} {
		claimed, err := s.ClaimVerifications(t.Context(), noon, 10, time.Second)
		if err != nil || len(claimed) != 2 {
			t.Fatalf("%+v %v", claimed, err)
		}
		for _, w := range claimed {
			want := list
			if w.Verification.ID == "b" {
				want = nil
			}
			if diff := cmp.Diff(want, w.Noise); diff != "" {
				t.Errorf("%s (-want +got):\n%s", w.Verification.ID, diff)
			}
		}
	}
	if err := s.RemoveNoise(t.Context(), "noise-1", "ann", noon.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := s.RemoveNoise(t.Context(), "noise-1", "ann", noon); !errors.Is(err, verifier.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if left, err := s.Noise(t.Context()); err != nil || !cmp.Equal(left, list[1:]) {
		t.Errorf("%+v %v", left, err)
	}
	audit, err := s.Audit(t.Context(), "noise-1", 10)
	if err != nil || len(audit) != 3 || audit[0].What != "noise removed" || audit[0].Detail != "disk full" || audit[1].What != "noise" || audit[1].Reason != "old" {
		t.Errorf("%+v %v", audit, err)
	}
}
