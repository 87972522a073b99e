package lifecycle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"verifier"
)

const (
	actTimeout = 45 * time.Second
	actFirst   = time.Second // first backoff; it doubles
	actMost    = 5 * time.Minute
	actGiveUp  = 24 * time.Hour // a rollback gives up with its confirm_within
)

// act does one action and keeps what became of it.
func (r *Runner) act(ctx context.Context, a verifier.Action) {
	ctx, done := r.begin(ctx, string(a.Kind))
	defer done()
	calling, cancel := context.WithTimeout(ctx, cmp.Or(r.ActTimeout, actTimeout))
	defer cancel()
	ctx = context.WithoutCancel(ctx) // a call that took all of its time is kept all the same
	performer, ok := r.Performers[a.Kind]
	if !ok {
		r.finish(ctx, a, verifier.ActionGivenUp, "nothing is configured for actions of kind "+string(a.Kind))
		return
	}
	if a.Kind == verifier.ActionRollback && !r.stillWanted(ctx, a) {
		r.finish(ctx, a, verifier.ActionDone, "no longer wanted")
		return
	}
	said, err := performer.Perform(calling, a)
	if a.Kind == verifier.ActionReady {
		err = r.readied(ctx, a, said, err)
	}
	if said.Memory != nil {
		a.Memory = said.Memory
	}
	if (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) && !errors.Is(err, verifier.ErrTemporary) {
		err = &verifier.TemporaryError{Err: err} // no answer in time is no refusal
	}
	switch {
	case err == nil:
		r.succeeded(ctx, a, said)
	case errors.Is(err, verifier.ErrTemporary) && !r.tooOld(a):
		r.again(ctx, a, err)
	default:
		r.gaveUp(ctx, a, err)
	}
}

// stillWanted reports whether the rollback still waits for its call: its deploy may have come in by other hands.
func (r *Runner) stillWanted(ctx context.Context, a verifier.Action) bool {
	wanted := true
	_, err := r.Store.Decide(ctx, a.Subject, func(s *verifier.Scene) (verifier.Effects, error) {
		v := s.Watch(a.Subject)
		wanted = v != nil && v.Rollback != nil && v.Rollback.State == verifier.RollbackSent && RollbackKey(v.ID, v.Rollback.Number) == a.Key
		return verifier.Effects{}, nil
	})
	return err != nil || wanted
}

func (r *Runner) tooOld(a verifier.Action) bool {
	limit := actGiveUp
	if a.Kind == verifier.ActionRollback {
		var order verifier.RollbackOrder
		if json.Unmarshal(a.Payload, &order) == nil {
			limit = r.World().Catalogue.Service(order.Call.Deploy.Place, order.Call.Deploy.Team).Rollback.ConfirmWithin
		}
	}
	return r.Now().Sub(a.Created) > limit && a.Attempt > 0 && r.Now().Sub(a.DueAt) < limit
}

func (r *Runner) succeeded(ctx context.Context, a verifier.Action, done verifier.Performed) {
	if a.Kind == verifier.ActionRollback {
		r.answer(ctx, a, Called{Message: done.Message, Stuck: done.Stuck})
	}
	a.Attempt = 0
	if !done.Again.IsZero() {
		a.State, a.DueAt, a.Problem = verifier.ActionWaiting, done.Again, ""
		r.failed("save action "+a.Key, r.Store.SaveAction(ctx, a))
		r.acted(a, "ok")
		return
	}
	r.finish(ctx, a, verifier.ActionDone, "")
	r.acted(a, "ok")
}

// again puts the action off: as long as the other side asked for, else twice as long each time, with jitter.
func (r *Runner) again(ctx context.Context, a verifier.Action, err error) {
	wait := min(actMost, actFirst<<min(a.Attempt, 9))
	wait += rand.N(wait/4 + 1)
	var temporary *verifier.TemporaryError
	if errors.As(err, &temporary) && temporary.After > wait {
		wait = min(temporary.After, time.Hour)
	}
	a.Attempt++
	a.State, a.DueAt, a.Problem = verifier.ActionWaiting, r.Now().Add(wait), err.Error()
	r.failed("save action "+a.Key, r.Store.SaveAction(ctx, a))
	r.Log.Warn("action put off", "action", a.Key, "attempt", a.Attempt, "again", a.DueAt, "err", err)
	r.acted(a, "retry")
}

func (r *Runner) gaveUp(ctx context.Context, a verifier.Action, err error) {
	if a.Kind == verifier.ActionRollback {
		called := Called{Refused: err.Error()}
		var ended interface{ Began() bool }
		if errors.Is(err, verifier.ErrTemporary) || errors.As(err, &ended) && ended.Began() {
			called = Called{GaveUp: err.Error()}
		}
		r.answer(ctx, a, called)
	}
	r.finish(ctx, a, verifier.ActionGivenUp, err.Error())
	r.Log.Error("action given up", "action", a.Key, "err", err)
	r.acted(a, "given_up")
}

// maxReadyTries is how often a tool that does not answer is asked whether the way back is open.
const maxReadyTries = 3

// readied notes what the tool said of the way back: that it is closed is an answer too.
func (r *Runner) readied(ctx context.Context, a verifier.Action, said verifier.Performed, err error) error {
	var order verifier.RollbackOrder
	if json.Unmarshal(a.Payload, &order) != nil || err == nil && said.Message == "" {
		return err
	}
	back := verifier.WayBack{To: order.Call.To, Open: err == nil, Text: said.Message, At: r.Now()}
	if err != nil {
		back.Text = err.Error()
	}
	_, failed := r.Decide(ctx, a.Subject, Readied{a.Subject, back})
	if err != nil && errors.Is(err, verifier.ErrTemporary) && a.Attempt < maxReadyTries {
		return err
	}
	if isConflict(failed) {
		return &verifier.TemporaryError{Err: failed}
	}
	r.failed("record whether "+a.Subject+" can be rolled back", failed)
	return nil
}

// answer tells the verification how its rollback was received, before the action is put down: a crash between the two asks the
// tool again with the same key.
func (r *Runner) answer(ctx context.Context, a verifier.Action, e Called) {
	e.Verification, e.Key = a.Subject, a.Key
	_, err := r.Decide(ctx, a.Subject, e)
	if err != nil && !isConflict(err) {
		r.failed("record the answer to "+a.Key, err)
	}
}

func (r *Runner) finish(ctx context.Context, a verifier.Action, state verifier.ActionState, problem string) {
	a.State, a.Problem = state, problem
	r.failed("save action "+a.Key, r.Store.SaveAction(ctx, a))
}

func (r *Runner) acted(a verifier.Action, result string) {
	if r.Observer.Acted != nil {
		r.Observer.Acted(a.Kind, result)
	}
}

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }
