package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"verifier"
	"verifier/record"
)

// TestUpgradeDerivesKindsAnew opens a file that was written when a hotfix of 1.4.2 was taken for an older version.
func TestUpgradeDerivesKindsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verifier.db")
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	versions := []string{"1.4.1", "1.4.2", "1.4.2-hotfix1", "v1.4.2-hotfix1", "1.4.1.0"}
	kinds := []verifier.Kind{verifier.KindRelease, verifier.KindRelease, verifier.KindRelease, verifier.KindRedeploy, verifier.KindRollback}
	for i, version := range versions {
		put(t, s, release(fmt.Sprint(i), version, noon.Add(time.Duration(i)*time.Hour)), nil)
	}
	asBefore(t, s, versions)
	if s, err = Open(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.ResumeImports(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range kinds {
		if d, err := s.Deploy(t.Context(), fmt.Sprint(i)); err != nil || d.Kind != want {
			t.Errorf("%s is a %s, %v; want %s", versions[i], d.Kind, err, want)
		}
	}
	history, err := s.Histories(t.Context(), verifier.Place{Service: "checkout", Environment: "production"}, noon)
	if err != nil || len(history) != 1 || record.Condemned(history[0], "1.4.2") {
		t.Errorf("1.4.2 is known to be bad: %v, %v", history, err)
	}
	if left, err := one64(s.pool(t.Context()), `SELECT COUNT(*) FROM stale_places`); err != nil || left.Int64 != 0 {
		t.Errorf("%d places are left, %v", left.Int64, err)
	}
	put(t, s, release("later", "1.4.1", noon.Add(time.Minute)), nil) // arrives late, and finds the first success of 1.4.1 by its key
	if d, err := s.Deploy(t.Context(), "later"); err != nil || d.Kind != verifier.KindRedeploy {
		t.Errorf("the late deploy is a %s, %v", d.Kind, err)
	}
}

// asBefore makes the file one of before the present order, with what was derived then and what the migration adds, and closes it.
func asBefore(t *testing.T, s *Store, versions []string) {
	t.Helper()
	err := s.writer.do(t.Context(), func(tx *tx) error {
		for i, version := range versions {
			if err := tx.exec(`UPDATE deploys SET version = $1 WHERE id = $2`, version, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		for _, id := range []string{"2", "3"} {
			if err := tx.exec(`UPDATE deploys SET kind = 'rollback', body = REPLACE(REPLACE(body, '"kind":"release"', '"kind":"rollback"'),
				'"kind":"redeploy"', '"kind":"rollback"') WHERE id = $1`, id); err != nil {
				return err
			}
		}
		if err := tx.exec(`UPDATE deploys SET reverted = 1 WHERE id = '1'`); err != nil {
			return err
		}
		text, err := migrations.ReadFile("migrations/0005_version_order.sql")
		if err != nil {
			return err
		}
		return tx.exec(string(text[bytes.Index(text, []byte("INSERT INTO")):]))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
