package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/store"
)

// TestDeadReceiverHoldsUpNothingElse has a thousand alerts for a receiver that never answers, and then a watch and a rollback's call.
func TestDeadReceiverHoldsUpNothingElse(t *testing.T) {
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "lanes.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	due := func(kind verifier.ActionKind, key string) verifier.Action {
		return verifier.Action{Key: key, Kind: kind, Subject: key, State: verifier.ActionWaiting, Created: now, DueAt: now}
	}
	var waiting verifier.Effects
	for n := range 1000 {
		waiting.Actions = append(waiting.Actions, due(verifier.ActionAlert, fmt.Sprintf("alert/%d", n)))
	}
	if err := st.Save(t.Context(), waiting)[0]; err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{}, 1)
	r := &Runner{
		Store: st, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		World: func() World { return World{Catalogue: &verifier.Catalogue{}} }, Sources: func() Backends { return nil },
		Performers: map[verifier.ActionKind]verifier.Performer{
			verifier.ActionAlert: performs(func(ctx context.Context, _ verifier.Action) (verifier.Performed, error) {
				<-ctx.Done()
				return verifier.Performed{}, ctx.Err()
			}),
			verifier.ActionRollback: performs(func(context.Context, verifier.Action) (verifier.Performed, error) {
				called <- struct{}{}
				return verifier.Performed{Again: time.Now().Add(time.Hour)}, nil
			}),
		},
	}
	r.lanes = newLanes()
	work, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for r.claim(t.Context(), work, &group) > 0 {
	}
	if got := len(r.lanes.actions); got != cap(r.lanes.actions) {
		t.Fatalf("%d alerts hang, want all %d places taken", got, cap(r.lanes.actions))
	}
	if err := st.Save(t.Context(), verifier.Effects{Actions: []verifier.Action{due(verifier.ActionRollback, "rollback/a/1")}})[0]; err != nil {
		t.Fatal(err)
	}
	if got := r.claim(t.Context(), work, &group); got != 1 {
		t.Fatalf("claimed %d, want the rollback alone", got)
	}
	<-called
	if got := r.lanes.watches.free(); got != batch {
		t.Errorf("%d places for watches, want all of a batch", got)
	}
	stop()
	group.Wait()
}

// TestNoAnswerInTimeIsTriedAgain holds that a receiver's silence neither ends an action nor loses its attempt.
func TestNoAnswerInTimeIsTriedAgain(t *testing.T) {
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "late.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	a := verifier.Action{Key: "alert/a", Kind: verifier.ActionAlert, Subject: "a", State: verifier.ActionWaiting, Created: now, DueAt: now}
	if err := st.Save(t.Context(), verifier.Effects{Actions: []verifier.Action{a}})[0]; err != nil {
		t.Fatal(err)
	}
	r := &Runner{
		Store: st, Now: time.Now, Log: slog.New(slog.DiscardHandler), World: func() World { return World{} },
		Performers: map[verifier.ActionKind]verifier.Performer{
			verifier.ActionAlert: performs(func(context.Context, verifier.Action) (verifier.Performed, error) {
				return verifier.Performed{}, context.DeadlineExceeded
			}),
		},
	}
	claimed, err := st.ClaimActions(t.Context(), false, now, 1, time.Minute)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	r.act(t.Context(), claimed[0])
	if got, err := st.Action(t.Context(), a.Key); err != nil || got.State != verifier.ActionWaiting || got.Attempt != 1 {
		t.Errorf("got %+v, %v; want it waiting after one attempt", got, err)
	}
}
