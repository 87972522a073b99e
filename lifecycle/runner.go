package lifecycle

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/rules"
)

// Store is what the runner needs of the store. Claims raise the revision and set the due time to now + lease.
type Store interface {
	ClaimVerifications(ctx context.Context, now time.Time, limit int, lease time.Duration) ([]verifier.Watched, error)
	RenewVerifications(ctx context.Context, ids []string, until time.Time) error
	ClaimActions(ctx context.Context, rollbacks bool, now time.Time, limit int, lease time.Duration) ([]verifier.Action, error)
	SaveAction(ctx context.Context, a verifier.Action) error
	Save(ctx context.Context, effects ...verifier.Effects) []error
	Decide(ctx context.Context, verification string, decide func(*verifier.Scene) (verifier.Effects, error)) (*verifier.Verification, error)
	Open(ctx context.Context) ([]verifier.Verification, error) // those with a rollback that is proposed or counts down
	NextDue(ctx context.Context) (time.Time, error)
	Counts(ctx context.Context) (watches, actions int, err error)
	Changed() <-chan struct{}
	PassedRecently(ctx context.Context, environment string, since, until time.Time, limit int) ([]verifier.Verification, error)
}

// Observer is told what the runner does; every field may be nil.
type Observer struct {
	Woke   func(late time.Duration)
	Moved  func(before, after verifier.Verification)
	Acted  func(kind verifier.ActionKind, result string)
	Begin  func(ctx context.Context, what string) (_ context.Context, done func()) // around each wake and each action
	Failed func(where string, err error)
}

// Runner is the one loop: it claims what is due, asks, judges and saves, and does the actions. Any number of them may share a
// store.
type Runner struct {
	Store      Store
	World      func() World // as it is configured now
	Sources    func() Backends
	Performers map[verifier.ActionKind]verifier.Performer
	Now        func() time.Time
	Log        *slog.Logger
	Observer   Observer
	AskTimeout time.Duration // of all questions of one wake; 0 is 30 s
	ActTimeout time.Duration // of one action; 0 is 45 s

	flying flying
	crowd  crowd
	lanes  lanes
}

// ActionLease is how long an action is claimed for: longer than it may take.
const ActionLease = time.Minute

const (
	lease      = 10 * time.Second
	batch      = 64 // most that one claim takes: events wait for a claim's transaction
	idlePoll   = 30 * time.Second
	askTimeout = 30 * time.Second
)

// Run works until the context ends, then finishes what is in flight, for at most 10 seconds.
func (r *Runner) Run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r.lanes = newLanes()
	var group sync.WaitGroup
	r.count(ctx)
	group.Go(func() { r.renew(work, ctx.Done()) })
	for ctx.Err() == nil {
		if r.claim(ctx, work, &group) == 0 {
			r.sleep(ctx)
		}
	}
	time.AfterFunc(9*time.Second, stop)
	group.Wait()
}

// claim takes what is due as far as its lane is free, and reports how much it was.
func (r *Runner) claim(ctx, work context.Context, group *sync.WaitGroup) int {
	return r.claimActions(ctx, work, group, r.lanes.rollbacks, true) +
		r.claimWatches(ctx, work, group) +
		r.claimActions(ctx, work, group, r.lanes.actions, false)
}

func (r *Runner) claimWatches(ctx, work context.Context, group *sync.WaitGroup) int {
	free := r.lanes.watches.free()
	if free == 0 {
		return 0
	}
	now := r.Now()
	watched, err := r.Store.ClaimVerifications(ctx, now, free, lease)
	r.failed("claim verifications", err)
	for _, w := range watched {
		r.observeLateness(now, w)
		r.flying.add(w.Verification.ID)
		r.lanes.run(group, r.lanes.watches, func() {
			defer r.flying.remove(w.Verification.ID)
			r.wake(work, w)
		})
	}
	return len(watched)
}

func (r *Runner) claimActions(ctx, work context.Context, group *sync.WaitGroup, on lane, rollbacks bool) int {
	free := on.free()
	if free == 0 {
		return 0
	}
	actions, err := r.Store.ClaimActions(ctx, rollbacks, r.Now(), free, ActionLease)
	r.failed("claim actions", err)
	for _, a := range actions {
		r.lanes.run(group, on, func() { r.act(work, a) })
	}
	return len(actions)
}

// observeLateness counts from when the row was due, or was there: an event of last year is not looked at a year late.
func (r *Runner) observeLateness(now time.Time, w verifier.Watched) {
	if r.Observer.Woke != nil && !w.Verification.DueAt.IsZero() {
		late := min(now.Sub(w.Verification.DueAt), now.Sub(w.Verification.Deploy.RecordedAt))
		r.Observer.Woke(max(0, late))
	}
}

// sleep waits until a row falls due. Writes only make it look when that is.
func (r *Runner) sleep(ctx context.Context) {
	for ctx.Err() == nil {
		wait := r.untilDue(ctx)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
			return
		case <-r.lanes.freed:
			return
		case <-r.Store.Changed():
		}
		timer.Stop()
	}
}

// untilDue is how long to wait for the next row; a millisecond at least where it is due but its lane is full.
func (r *Runner) untilDue(ctx context.Context) time.Duration {
	due, err := r.Store.NextDue(ctx)
	r.failed("look for what is due", err)
	switch {
	case err != nil:
		return time.Second
	case due.IsZero():
		return idlePoll
	case r.lanes.full():
		return max(due.Sub(r.Now()), 100*time.Millisecond) // what is due must wait for a place, which is signalled
	}
	return min(idlePoll, due.Sub(r.Now()))
}

// renew keeps the leases of what is being asked about.
func (r *Runner) renew(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if ids := r.flying.old(lease / 4); len(ids) > 0 {
				r.failed("renew leases", r.Store.RenewVerifications(ctx, ids, r.Now().Add(lease)))
			}
			r.count(ctx)
		}
	}
}

// count looks how many watches there are.
func (r *Runner) count(ctx context.Context) {
	active, _, err := r.Store.Counts(ctx)
	r.failed("count the watches", err)
	if err == nil {
		r.crowd.watches.Store(int64(active))
	}
}

func (r *Runner) failed(where string, err error) {
	if err == nil || isCancelled(err) {
		return
	}
	r.Log.Error("cannot work", "at", where, "err", err)
	if r.Observer.Failed != nil {
		r.Observer.Failed(where, err)
	}
}

// wake is one look at one verification. Whoever was faster has the last word: a result that comes too late is dropped, and the
// row is due again.
func (r *Runner) wake(ctx context.Context, w verifier.Watched) {
	ctx, done := r.begin(ctx, "wake")
	defer done()
	asking, cancel := context.WithTimeout(ctx, cmp.Or(r.AskTimeout, askTimeout))
	defer cancel()
	ctx = context.WithoutCancel(ctx) // that a source took all of the time is kept all the same
	v := w.Verification
	world, sources := r.World(), r.Sources()
	e := Judged{Verification: v.ID, Revision: v.Revision, Rules: w.Rules, Findings: v.Findings}
	if asksFor(v) {
		r.look(asking, w, world, sources, &e)
	}
	if now := r.Now(); quiet(v, e, now) {
		effects := quietly(v, e, now)
		err := r.Store.Save(ctx, effects)[0]
		if err == nil {
			r.moved(v, effects.Verifications[0])
		}
		r.saved(v, err)
		return
	}
	e.Shared = r.shared(asking, w, e, sources, world)
	_, made, err := r.decide(ctx, world, v.ID, e)
	r.saved(v, err)
	if len(made.Holds) > 0 {
		r.Held(ctx)
	}
}

func (r *Runner) begin(ctx context.Context, what string) (_ context.Context, done func()) {
	if r.Observer.Begin == nil {
		return ctx, func() {}
	}
	return r.Observer.Begin(ctx, what)
}

// Held lets every rollback that waits see a new hold at once.
func (r *Runner) Held(ctx context.Context) {
	open, err := r.Store.Open(ctx)
	r.failed("look for rollbacks that wait", err)
	world := r.World()
	for _, v := range open {
		_, _, err := r.decide(ctx, world, v.ID, Held{v.ID})
		r.failed("hold the rollback of "+v.ID, err)
	}
}

// look asks and judges.
func (r *Runner) look(ctx context.Context, w verifier.Watched, world World, sources Backends, e *Judged) {
	d := w.Verification.Deploy
	urgent := countsDown(&w.Verification) // a rollback does not go out on old evidence
	evidence, wait, changed := gather(ctx, w, world.Catalogue.Service(d.Place, d.Team), sources, urgent, r.Now())
	now := r.Now()
	if changed {
		e.Evidence = evidence
	}
	e.Findings = judge(w, evidence, sources, wait, world.Zone, now)
	r.logRefused(w.Verification, e.Findings)
	e.Next = next(w, evidence, e.Findings, sources, wait, now).Add(r.crowd.delay(w.Verification.ID, shortestStep(w.Rules)))
	e.Recovered, e.RecoveredBy = recovered(w, evidence, sources, world.Zone, now)
	e.Relapsed = relapsed(w, evidence, sources, now)
	e.Undone = undone(w, evidence, sources, now)
}

// logRefused logs passes that the rules' self-check took back just now: each is a bug of this program.
func (r *Runner) logRefused(v verifier.Verification, findings []verifier.Finding) {
	for i, f := range findings {
		if known := i < len(v.Findings) && v.Findings[i].Decided(); !known && strings.Contains(f.Text, rules.Refused) {
			r.Log.Error("a rule's pass contradicts its own numbers and was refused", "verification", v.ID, "rule", f.Rule, "finding", f.Text)
		}
	}
}

func (r *Runner) saved(v verifier.Verification, err error) {
	switch {
	case err == nil:
	case isConflict(err):
		r.Log.Debug("somebody was faster", "verification", v.ID)
	default:
		r.failed("save verification "+v.ID, err)
	}
}

// quiet reports whether a wake changed nothing but evidence and numbers: then no scene is needed.
func quiet(v verifier.Verification, e Judged, now time.Time) bool {
	if !asksFor(v) || v.Deploy.Status == verifier.Started || v.Rollback != nil && waits(v.Rollback.State) || e.Relapsed || e.Undone == verifier.Pass {
		return false
	}
	if len(failing(e.Findings)) != len(failing(v.Findings)) {
		return false
	}
	return anyPending(e.Findings) || v.State == verifier.FailedState && now.Before(v.Until)
}

func waits(s verifier.RollbackState) bool {
	return s == verifier.RollbackProposed || s == verifier.RollbackApproved || s == verifier.RollbackSent
}

func quietly(v verifier.Verification, e Judged, now time.Time) verifier.Effects {
	noteOutage(&v, e, now)
	v.Findings, v.DueAt = e.Findings, e.Next
	out := verifier.Effects{}
	if len(e.Evidence) > 0 {
		out.Evidence = []verifier.EvidenceOf{{Verification: v.ID, Evidence: e.Evidence}}
		if v.State == verifier.Waiting {
			v.State = verifier.Observing
		}
	}
	out.Verifications = []verifier.Verification{v}
	return out
}

// flying are the verifications that are being asked about, with when that began.
type flying struct {
	mu  sync.Mutex
	ids map[string]time.Time
}

func (f *flying) add(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ids == nil {
		f.ids = map[string]time.Time{}
	}
	f.ids[id] = time.Now()
}

func (f *flying) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ids, id)
}

func (f *flying) old(than time.Duration) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for id, since := range f.ids {
		if time.Since(since) > than {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
