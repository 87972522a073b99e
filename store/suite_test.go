package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"verifier"
)

// TestSQLite runs the suite that every store must pass.
func TestSQLite(t *testing.T) {
	suite(t, func(t testing.TB) *Store {
		s, err := Open(t.Context(), filepath.Join(t.TempDir(), "verifier.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}

var noon = time.Date(2016, 9, 12, 12, 0, 0, 0, time.UTC)

func release(id, version string, at time.Time) verifier.Deploy {
	return verifier.Deploy{
		ID: id, Place: verifier.Place{Service: "checkout", Environment: "production"}, Version: version, Status: verifier.Succeeded,
		Change: verifier.Release, At: at,
	}
}

func put(t testing.TB, s *Store, d verifier.Deploy, decide Decide) verifier.Receipt {
	t.Helper()
	r, err := s.Record(t.Context(), verifier.Delivery{ID: fmt.Sprint(rand.Int64()), Tool: "api", ReceivedAt: d.At}, []verifier.Deploy{d}, decide)
	if err != nil {
		t.Fatal(err)
	}
	return r[0]
}

// watch opens a verification for whatever arrives, due at the deploy's time.
func watch(s *verifier.Scene) (verifier.Effects, error) {
	return verifier.Effects{Verifications: []verifier.Verification{{
		ID: s.Deploy.ID, Deploy: s.Deploy, State: verifier.Waiting, From: s.Deploy.At, Until: s.Deploy.At, DueAt: s.Deploy.At, Rules: "sha256:1",
	}}, RuleSet: &verifier.RuleSet{Hash: "sha256:1", Rules: []verifier.Rule{{Name: "errors"}}}}, nil
}

func suite(t *testing.T, open func(testing.TB) *Store) {
	t.Run("a deploy sent again is nothing new", func(t *testing.T) {
		s := open(t)
		first := put(t, s, release("a", "1.0", noon), watch)
		again := put(t, s, release("a", "1.0", noon), func(*verifier.Scene) (verifier.Effects, error) {
			t.Error("decided on a deploy that brought nothing new")
			return verifier.Effects{}, nil
		})
		if !first.New || again.New || again.Verification != "a" || again.State != verifier.Waiting {
			t.Errorf("got %+v, then %+v", first, again)
		}
	})
	t.Run("another version for a known id is a conflict and changes nothing", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), nil)
		_, err := s.Record(t.Context(), verifier.Delivery{ID: "x", Tool: "api", ReceivedAt: noon}, []verifier.Deploy{release("b", "1.1", noon), release("a", "2.0", noon)}, nil)
		var conflict *verifier.ConflictError
		if !errors.As(err, &conflict) || conflict.Field != "version" {
			t.Fatalf("got %v, want a conflict over the version", err)
		}
		if _, err := s.Deploy(t.Context(), "b"); !errors.Is(err, verifier.ErrNotFound) {
			t.Errorf("half of the delivery was recorded: %v", err)
		}
	})
	t.Run("a delivery that keeps conflicts loses none of its other deploys", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), nil)
		d := verifier.Delivery{ID: "x", Tool: "octopus", ReceivedAt: noon, KeepConflicts: true}
		receipts, err := s.Record(t.Context(), d, []verifier.Deploy{release("a", "2.0", noon), release("b", "1.1", noon.Add(time.Minute))}, nil)
		if err != nil || len(receipts) != 2 || receipts[0].Conflict == nil || receipts[1].Conflict != nil || !receipts[1].New {
			t.Fatalf("got %+v, %v", receipts, err)
		}
		if known, err := s.Deploy(t.Context(), "b"); err != nil || known.Version != "1.1" {
			t.Errorf("got %+v, %v", known, err)
		}
		kept, _, err := s.Deliveries(t.Context(), verifier.DeliveryFilter{Page: verifier.Page{Limit: 10}, Outcome: verifier.Conflict})
		if err != nil || len(kept) != 1 || !strings.Contains(kept[0].Problem, `known with "1.0"`) {
			t.Errorf("kept %+v, %v", kept, err)
		}
	})
	t.Run("a claim is exclusive, and a save that comes too late is a conflict", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), watch)
		claimed, err := s.ClaimVerifications(t.Context(), noon, 10, 10*time.Second)
		if err != nil || len(claimed) != 1 || len(claimed[0].Rules) != 1 {
			t.Fatalf("got %+v, %v", claimed, err)
		}
		if second, _ := s.ClaimVerifications(t.Context(), noon.Add(9*time.Second), 10, time.Second); len(second) != 0 {
			t.Errorf("claimed twice within the lease: %+v", second)
		}
		late := claimed[0].Verification
		if again, _ := s.ClaimVerifications(t.Context(), noon.Add(11*time.Second), 10, time.Second); len(again) != 1 {
			t.Fatal("not claimed again after the lease")
		}
		if err := s.Save(t.Context(), verifier.Effects{Verifications: []verifier.Verification{late}})[0]; !errors.Is(err, verifier.ErrConflict) {
			t.Errorf("got %v, want a conflict", err)
		}
	})
	t.Run("what a killed process had claimed is due again at once", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), watch)
		arm := verifier.Effects{Actions: []verifier.Action{{Key: "k", Kind: verifier.ActionAlert, Created: noon, DueAt: noon}, {Key: "later", Kind: verifier.ActionAlert, Created: noon, DueAt: noon.Add(time.Hour)}}}
		if err := s.Save(t.Context(), arm)[0]; err != nil {
			t.Fatal(err)
		}
		for run := range 2 {
			claimed, err := s.ClaimVerifications(t.Context(), noon, 10, 10*time.Second)
			actions, err2 := s.ClaimActions(t.Context(), false, noon, 10, time.Minute)
			if err != nil || err2 != nil || len(claimed) != 1 || len(actions) != 1 {
				t.Fatalf("claimed %d and %d, %v, %v", len(claimed), len(actions), err, err2)
			}
			if actions[0].Interrupted != (run == 1) {
				t.Errorf("run %d: the action was interrupted: %t", run, actions[0].Interrupted)
			}
			if err := s.Reclaim(t.Context(), noon, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("effects are all or nothing", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), watch)
		v, err := s.Verification(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		v.Revision = 99
		err = s.Save(t.Context(), verifier.Effects{Verifications: []verifier.Verification{v}, Actions: []verifier.Action{{Key: "k", Kind: verifier.ActionAlert, Created: noon, DueAt: noon}}})[0]
		if !errors.Is(err, verifier.ErrConflict) {
			t.Fatalf("got %v", err)
		}
		if _, err := s.Action(t.Context(), "k"); !errors.Is(err, verifier.ErrNotFound) {
			t.Errorf("the action of a lost save was written: %v", err)
		}
	})
	t.Run("an action armed again while it runs stays due and remembers the run", func(t *testing.T) {
		s := open(t)
		arm := verifier.Effects{Actions: []verifier.Action{{Key: "k", Kind: verifier.ActionAlert, Created: noon, DueAt: noon}}}
		if err := s.Save(t.Context(), arm)[0]; err != nil {
			t.Fatal(err)
		}
		running, err := s.ClaimActions(t.Context(), false, noon, 1, time.Minute)
		if err != nil || len(running) != 1 {
			t.Fatalf("got %v, %v", running, err)
		}
		if err := s.Save(t.Context(), arm)[0]; err != nil {
			t.Fatal(err)
		}
		if twice, err := s.ClaimActions(t.Context(), false, noon.Add(time.Second), 1, time.Minute); err != nil || len(twice) != 0 {
			t.Errorf("it runs twice at a time: %v, %v", twice, err)
		}
		a := running[0]
		a.State, a.Memory = verifier.ActionDone, []byte(`{"sent":1}`)
		if err := s.SaveAction(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		now, err := s.Action(t.Context(), "k")
		if err != nil || now.State != verifier.ActionWaiting || string(now.Memory) != `{"sent":1}` {
			t.Errorf("got %+v, %v", now, err)
		}
		if again, err := s.ClaimActions(t.Context(), false, now.DueAt, 1, time.Minute); err != nil || len(again) != 1 || string(again[0].Memory) != `{"sent":1}` {
			t.Errorf("it does not run again: %v, %v", again, err)
		}
	})
	t.Run("who was told of an incident is armed by its change, though the routes choose others", func(t *testing.T) {
		s := open(t)
		in := verifier.Incident{ID: "i", Kind: verifier.IncidentVerdict, Opened: noon, Updated: noon}
		told := verifier.Action{Key: "alert/i/a/webhook/0", Kind: verifier.ActionAlert, Subject: "i", Created: noon, DueAt: noon}
		if err := s.Save(t.Context(), verifier.Effects{Incidents: []verifier.Incident{in}, Actions: []verifier.Action{told}})[0]; err != nil {
			t.Fatal(err)
		}
		running, err := s.ClaimActions(t.Context(), false, noon, 1, time.Minute)
		if err != nil || len(running) != 1 {
			t.Fatalf("got %v, %v", running, err)
		}
		running[0].State = verifier.ActionDone
		if err := s.SaveAction(t.Context(), running[0]); err != nil {
			t.Fatal(err)
		}
		in.Title, in.Updated = "worse", noon.Add(time.Hour)
		if err := s.Save(t.Context(), verifier.Effects{Incidents: []verifier.Incident{in}})[0]; err != nil {
			t.Fatal(err)
		}
		if a, err := s.Action(t.Context(), told.Key); err != nil || a.State != verifier.ActionWaiting || !a.DueAt.Equal(in.Updated) {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	t.Run("an import is seen by nobody before it is whole, and adds nothing the second time", func(t *testing.T) { testImport(t, open(t)) })
	t.Run("what imports leave that died is finished or taken out", func(t *testing.T) { testDeadImports(t, open(t)) })
	t.Run("rules are held against what people said", func(t *testing.T) { testRuleTallies(t, open(t)) })
	t.Run("timings are of releases that went live", func(t *testing.T) { testTimings(t, open(t)) })
	t.Run("lists are found by all that they can be asked for", func(t *testing.T) { testLists(t, open(t)) })
	t.Run("deliveries are dropped when they are old", func(t *testing.T) { testRetain(t, open(t)) })
	t.Run("a voided deploy counts for nothing and the next one is derived anew", func(t *testing.T) {
		s := open(t)
		put(t, s, release("a", "1.0", noon), nil)
		put(t, s, release("b", "1.1", noon.Add(time.Hour)), nil)
		put(t, s, release("c", "1.0", noon.Add(2*time.Hour)), nil)
		if d, _ := s.Deploy(t.Context(), "c"); d.Kind != verifier.KindRollback || d.Previous != "1.1" {
			t.Fatalf("got %s from %s, want a rollback from 1.1", d.Kind, d.Previous)
		}
		if _, err := s.VoidDeploy(t.Context(), "b", "anna", "never happened", noon); err != nil {
			t.Fatal(err)
		}
		if d, _ := s.Deploy(t.Context(), "c"); d.Kind != verifier.KindRedeploy || d.Previous != "1.0" {
			t.Errorf("got %s from %s, want a redeploy of 1.0", d.Kind, d.Previous)
		}
		if audit, _ := s.Audit(t.Context(), "b", 10); len(audit) != 1 || audit[0].By != "anna" {
			t.Errorf("got %+v", audit)
		}
	})
	t.Run("any order of arrival gives the record of the sorted one", func(t *testing.T) {
		s := open(t)
		n := 0
		rapid.Check(t, func(r *rapid.T) { n++; anyOrder(r, s, n) })
	})
	t.Run("many writers at once are all kept", func(t *testing.T) {
		s := open(t)
		var group sync.WaitGroup
		for i := range 500 {
			group.Go(func() {
				put(t, s, release(fmt.Sprint(i), fmt.Sprint("1.", i), noon.Add(time.Duration(i)*time.Second)), watch)
			})
		}
		group.Wait()
		tallies, err := s.Tallies(t.Context(), "2016-09", "2016-09", nil)
		sum := 0
		for _, t := range tallies {
			sum += t.N
		}
		if err != nil || sum != 500 {
			t.Errorf("got %d deploys, %v", sum, err)
		}
	})
}

func testImport(t *testing.T, s *Store) {
	ctx := context.Background()
	rows := []verifier.Deploy{release("a", "1.0", noon), release("b", "1.1", noon.Add(time.Hour))}
	put(t, s, release("c", "1.0", noon.Add(2*time.Hour)), nil)
	id, err := s.BeginImport(ctx, "old.csv", "anna", noon)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.StageImport(ctx, id, rows); n != 2 || err != nil {
		t.Fatalf("staged %d, %v", n, err)
	}
	if list, _, _ := s.Deploys(ctx, verifier.DeployFilter{}); len(list) != 1 {
		t.Errorf("%d deploys are seen before the import is whole", len(list))
	}
	if err := s.FinishImport(ctx, id); err != nil {
		t.Fatal(err)
	}
	if d, _ := s.Deploy(ctx, "c"); d.Kind != verifier.KindRollback {
		t.Errorf("c is a %s after the import, want a rollback", d.Kind)
	}
	second, _ := s.BeginImport(ctx, "old.csv", "anna", noon)
	if n, err := s.StageImport(ctx, second, rows); n != 0 || err != nil {
		t.Errorf("the same file again added %d, %v", n, err)
	}
	rows[1].Version = "9.9"
	_, err = s.StageImport(ctx, second, rows)
	var row *RowError
	if !errors.As(err, &row) || row.Row != 1 || !errors.Is(err, verifier.ErrConflict) {
		t.Errorf("got %v, want a conflict in row 1", err)
	}
	if _, err := s.BeginImport(ctx, "third.csv", "bert", noon); !errors.Is(err, verifier.ErrConflict) || !strings.Contains(err.Error(), "another import") {
		t.Errorf("two imports at once: %v", err)
	}
	if err := s.AbandonImport(ctx, second); err != nil {
		t.Fatal(err)
	}
	if list, _, _ := s.Deploys(ctx, verifier.DeployFilter{}); len(list) != 3 {
		t.Errorf("%d deploys after an abandoned import, want 3", len(list))
	}
}

// testDeadImports lets one import die before it is whole, and one after.
func testDeadImports(t *testing.T, s *Store) {
	ctx := context.Background()
	begin := func(d verifier.Deploy) string {
		id, err := s.BeginImport(ctx, "old.csv", "anna", noon)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.StageImport(ctx, id, []verifier.Deploy{d}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	whole := begin(release("a", "1.1", noon))
	if err := s.setImport(ctx, whole, "whole"); err != nil {
		t.Fatal(err)
	}
	counted := func() (n int) {
		tallies, err := s.Tallies(ctx, "2016-09", "2016-09", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, t := range tallies {
			n += t.N
		}
		return n
	}
	if err := s.ResumeImports(ctx); err != nil || counted() != 0 {
		t.Errorf("an import that runs is seen: %d, %v", counted(), err)
	}
	s.unlockImports() // as the system does when a process dies
	if err := s.ResumeImports(ctx); err != nil || counted() != 1 {
		t.Errorf("%d deploys after the restart, %v; want 1", counted(), err)
	}
	if d, _ := s.Deploy(ctx, "a"); d.Kind != verifier.KindRelease {
		t.Errorf("it is a %q", d.Kind)
	}
	begin(release("b", "1.0", noon.Add(time.Hour)))
	s.unlockImports()
	third := begin(release("c", "1.0", noon.Add(2*time.Hour)))
	if err := s.FinishImport(ctx, third); err != nil || counted() != 2 {
		t.Errorf("%d deploys, %v; want those of two imports", counted(), err)
	}
	if _, err := s.Deploy(ctx, "b"); !errors.Is(err, verifier.ErrNotFound) {
		t.Errorf("what an import staged that died: %v", err)
	}
}

// testLists finds deploys and verifications by all that a list can be asked for.
func testLists(t *testing.T, s *Store) {
	older, newer := release("a", "1.1", noon), release("b", "1.0", noon.Add(time.Hour))
	older.Team, newer.Target = "Web", "eu_1"
	failed := release("c", "1.2", noon.Add(2*time.Hour))
	failed.Status, failed.Service, failed.Target = verifier.Failed, "checkout-web", "euX1"
	staging := release("d", "1.2", noon.AddDate(0, 1, 0))
	staging.Environment, staging.Change = "Staging", verifier.Config
	for _, d := range []verifier.Deploy{older, newer, failed, staging} {
		put(t, s, d, watch)
	}
	put(t, s, release("e", "1.0", noon.Add(3*time.Hour)), nil)
	if _, err := s.VoidDeploy(t.Context(), "e", "anna", "never happened", noon); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]verifier.DeployFilter{
		"d,e,c,b,a": {}, "d,e,b,a": {Service: "CHECKOUT"}, "d": {Environment: "staging"}, "d,e,c": {Environment: "production, Staging", Page: verifier.Page{Limit: 3}},
		"b": {Target: "EU_1"}, "a": {Team: "web"}, "c": {Status: verifier.Failed}, "": {Kind: verifier.KindRollback},
		"b,a": {Change: verifier.Release, Status: verifier.Succeeded}, "e,c,b,a": {Month: "2016-09"},
	} {
		list, _, err := s.Deploys(t.Context(), f)
		var ids []string
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		if got := strings.Join(ids, ","); err != nil || got != want {
			t.Errorf("%+v lists %s, %v; want %s", f, got, err, want)
		}
	}
	if list, _, err := s.Verifications(t.Context(), verifier.VerificationFilter{Service: "checkout", Environment: "production"}); err != nil || len(list) != 2 {
		t.Errorf("%d verifications, %v", len(list), err)
	}
	if list, _, err := s.Verifications(t.Context(), verifier.VerificationFilter{Service: "checkout", Target: "eu_1"}); err != nil || len(list) != 1 {
		t.Errorf("%d verifications of the target, %v", len(list), err)
	}
	watches, err := s.Watches(t.Context(), []string{"b", "none"})
	if v, ok := watches["b"]; err != nil || !ok || len(watches) != 1 || v.ID != "b" || v.Revision == 0 {
		t.Errorf("watches %+v, %v", watches, err)
	}
	if watches, err := s.Watches(t.Context(), nil); err != nil || len(watches) != 0 {
		t.Errorf("of no deploys: %+v, %v", watches, err)
	}
}

func testRetain(t *testing.T, s *Store) {
	for i := range 3 {
		put(t, s, release(fmt.Sprint(i), "1.0", noon.AddDate(0, 0, i)), nil)
	}
	if err := s.Retain(t.Context(), noon.AddDate(0, 0, 31), 0, 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Deliveries(t.Context(), verifier.DeliveryFilter{}); err != nil || len(list) != 2 {
		t.Errorf("%d deliveries are kept, %v; want 2", len(list), err)
	}
}

// testRuleTallies counts what rules were right and wrong about, by what people said and did.
func testRuleTallies(t *testing.T, s *Store) {
	judged := func(state verifier.State, outcomes ...verifier.Outcome) Decide {
		return func(scene *verifier.Scene) (verifier.Effects, error) {
			effects, err := watch(scene)
			v := &effects.Verifications[0]
			v.State = state
			for i, o := range outcomes {
				v.Findings = append(v.Findings, verifier.Finding{Rule: []string{"errors", "times"}[i], Outcome: o, OnFail: verifier.FailAlert})
			}
			if state == verifier.FailedState {
				v.FailedAt = &scene.Deploy.At
			}
			return effects, err
		}
	}
	mark := func(id string, good bool) {
		t.Helper()
		if _, err := s.Decide(t.Context(), id, func(scene *verifier.Scene) (verifier.Effects, error) {
			v := *scene.Watch(id)
			v.Mark = &verifier.Mark{Good: good, By: "anna", At: noon}
			return verifier.Effects{Verifications: []verifier.Verification{v}, Marks: map[string]verifier.Mark{id: *v.Mark}}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	put(t, s, release("caught", "1.1", minute(0)), judged(verifier.FailedState, verifier.Fail, verifier.Pass))
	put(t, s, release("false", "1.2", minute(1)), judged(verifier.FailedState, verifier.Fail, verifier.Pass))
	put(t, s, release("fine", "1.3", minute(2)), judged(verifier.Passed, verifier.Pass, verifier.Pass))
	put(t, s, release("undone", "1.5", minute(3)), judged(verifier.Passed, verifier.Pass, verifier.Pass))
	put(t, s, release("undoes", "1.4", minute(4)), judged(verifier.Passed, verifier.Pass, verifier.Pass))
	put(t, s, release("undone-and-good", "1.7", minute(5)), judged(verifier.Passed, verifier.Pass, verifier.Pass))
	put(t, s, release("undoes-that", "1.6", minute(6)), judged(verifier.Passed, verifier.Pass, verifier.Pass))
	mark("false", true)
	mark("undone-and-good", true)
	list, err := s.RuleTallies(t.Context(), "2016-08", "2016-09", nil)
	slices.SortFunc(list, func(a, b verifier.RuleTally) int { return strings.Compare(a.Rule, b.Rule) })
	want := []verifier.RuleTally{
		{Month: "2016-09", Environment: "production", Rule: "errors", Caught: 1, FalselyCondemned: 1, Missed: 1},
		{Month: "2016-09", Environment: "production", Rule: "times", Missed: 2},
	}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}

// testTimings counts trouble of releases alone, and none of a void one.
func testTimings(t *testing.T, s *Store) {
	failed := func(scene *verifier.Scene) (verifier.Effects, error) {
		effects, err := watch(scene)
		at := scene.Deploy.At.Add(5 * time.Minute)
		effects.Verifications[0].State, effects.Verifications[0].FailedAt = verifier.FailedState, &at
		return effects, err
	}
	passed := func(scene *verifier.Scene) (verifier.Effects, error) {
		effects, err := watch(scene)
		effects.Verifications[0].State = verifier.Passed
		return effects, err
	}
	toggle, gone := release("b", "1.0", noon.Add(time.Minute)), release("c", "1.1", noon.Add(2*time.Minute))
	toggle.Change = verifier.Toggle
	put(t, s, release("a", "1.0", noon), failed)
	put(t, s, toggle, failed)
	put(t, s, gone, failed)
	replayed := verifier.Delivery{ID: "replayed", Tool: "api", ReceivedAt: noon.Add(9 * time.Hour)}
	if _, err := s.Record(t.Context(), replayed, []verifier.Deploy{release("late", "1.3", noon.Add(3*time.Minute))}, failed); err != nil {
		t.Fatal(err)
	}
	put(t, s, release("d", "1.2", noon.Add(20*time.Minute)), passed)
	if _, err := s.VoidDeploy(t.Context(), "c", "anna", "never happened", noon); err != nil {
		t.Fatal(err)
	}
	list, err := s.Timings(t.Context(), "2016-09", nil)
	if err != nil || len(list) != 1 || list[0].Deploy != "a" || list[0].ToVerdict != 5*time.Minute || list[0].ToRecovery != 20*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
}
