package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// tasks is a deploy tool's API, as far as a rollback needs it. Errors say what was asked and what was answered; a
// verifier.TemporaryError is tried again.
type tasks interface {
	name() string                                                                 // of the tool, as people write it
	ready(ctx context.Context, c verifier.RollbackCall) (message string, _ error) // can c.To still be deployed?
	running(ctx context.Context, c verifier.RollbackCall) ([]task, error)         // running and queued ones of that service and environment
	find(ctx context.Context, c verifier.RollbackCall) (*task, error)             // the one that this very call began earlier; nil: none
	start(ctx context.Context, c verifier.RollbackCall) (task, error)             // exactly one call that changes anything
	state(ctx context.Context, t task) (task, error)
	cancel(ctx context.Context, t task) error
}

// task is one piece of work of a deploy tool.
type task struct {
	ID      string    `json:"id"`
	URL     string    `json:"url,omitempty"`
	By      string    `json:"by,omitempty"`     // who began it
	Note    string    `json:"note,omitempty"`   // what it says of itself: a version, a comment
	Deploy  string    `json:"deploy,omitempty"` // the deploy that it is, by the id that its events have; empty where the tool does not tell
	State   taskState `json:"state"`
	Problem string    `json:"problem,omitempty"` // of one that failed; of a paused one, what it waits for
	Misses  int       `json:"misses,omitempty"`  // looks in a row at which nothing of it was found
}

type taskState string

const (
	queued    taskState = "queued"
	running   taskState = "running"
	paused    taskState = "paused" // waits for a person
	succeeded taskState = "succeeded"
	failed    taskState = "failed"
	canceled  taskState = "canceled"
)

func (s taskState) over() bool { return s == succeeded || s == failed || s == canceled }

// String is "task 12 of anna (https://…)".
func (t task) String() string {
	s := "task " + t.ID
	if t.By != "" {
		s += " of " + t.By
	}
	if t.Note != "" {
		s += ", " + outbound.Excerpt(t.Note)
	}
	if t.URL != "" {
		s += " (" + t.URL + ")"
	}
	return s
}

// stage is how far the following of one call has come. Only starting may have changed anything at the tool.
type stage string

const (
	looking  stage = ""         // what runs there? ours is cancelled, somebody else's ends it
	starting stage = "starting" // the one call
	lost     stage = "lost"     // no reply came to it: it is looked for, and never made again
	watching stage = "watching" // the task runs
)

// memory is what is kept of a rollback between two looks at it.
type memory struct {
	Stage     stage    `json:"stage"`
	Task      *task    `json:"task,omitempty"`
	Cancelled []string `json:"cancelled,omitempty"` // tasks of the failed deploy that were cancelled, and are waited for
	Looks     int      `json:"looks,omitempty"`     // for a task that may have begun
	Why       string   `json:"why,omitempty"`       // no reply came
}

const (
	lookEvery = 5 * time.Second
	mostLooks = 24 // two minutes
)

// follower drives the API of a tool through one rollback. None of them knows idempotency keys: what may have begun already is looked
// for, and nothing is called twice.
type follower struct {
	tasks
	every time.Duration
	now   func() time.Time
}

func follow(t tasks) *follower { return &follower{t, lookEvery, time.Now} }

// EndedError says that the rollback began, or may have begun, and came to nothing.
type EndedError struct{ Problem string }

// Error is the problem.
func (e *EndedError) Error() string { return e.Problem }

// began reports whether what was kept of a rollback is of one that may have changed something.
func began(kept json.RawMessage) bool {
	var m memory
	return json.Unmarshal(kept, &m) == nil && m.Stage != looking
}

// Began tells it from a refusal.
func (e *EndedError) Began() bool { return true }

// Ready asks whether the version could be deployed now.
func (f *follower) Ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	return f.ready(ctx, c)
}

// Call is not how a task is begun.
func (f *follower) Call(context.Context, verifier.RollbackCall) (string, error) { return "", errNoTask }

// Follow takes the rollback one step further: it is due again until the task is over.
func (f *follower) Follow(ctx context.Context, c verifier.RollbackCall, kept json.RawMessage, interrupted bool) (verifier.Performed, error) {
	var m memory
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &m); err != nil {
			return verifier.Performed{}, fmt.Errorf("read what was kept of the rollback: %w", err)
		}
	}
	var done verifier.Performed
	var err error
	switch {
	case m.Stage == starting && interrupted:
		m.Stage, m.Why = lost, "the daemon was stopped while it called"
		fallthrough
	case m.Stage == lost:
		done, err = f.look(ctx, c, &m)
	case m.Stage == starting:
		done, err = f.begin(ctx, c, &m)
	case m.Stage == watching:
		done, err = f.watch(ctx, &m)
	default:
		done, err = f.prepare(ctx, c, &m)
	}
	done.Memory, _ = json.Marshal(m) // unreachable error: plain fields
	return done, err
}

// prepare looks for what this call began already, and for what else runs there.
func (f *follower) prepare(ctx context.Context, c verifier.RollbackCall, m *memory) (verifier.Performed, error) {
	own, err := f.find(ctx, c)
	if err != nil {
		return verifier.Performed{}, fmt.Errorf("look for the rollback's own task: %w", err)
	}
	if own != nil {
		m.Stage, m.Task = watching, own
		return f.watch(ctx, m)
	}
	others, err := f.running(ctx, c)
	if err != nil {
		return verifier.Performed{}, fmt.Errorf("look for what runs already: %w", err)
	}
	for _, t := range others {
		if !slices.Contains(m.Cancelled, t.ID) && (t.Deploy == "" || t.Deploy != c.Deploy.ID) {
			return verifier.Performed{}, fmt.Errorf("somebody else's %s of %s is %s in %s; nothing was begun", t, c.ServiceAs(strings.ToLower(f.name())), t.State, f.name())
		}
	}
	if len(others) > 0 {
		return f.clear(ctx, others, m)
	}
	if _, err := f.ready(ctx, c); err != nil {
		return verifier.Performed{}, fmt.Errorf("%s cannot be deployed: %w", c.To, err)
	}
	m.Stage = starting // kept before the call is made: whoever finds it interrupted knows that the call may have been made
	return verifier.Performed{Again: f.now(), Message: "nothing else runs there"}, nil
}

// clear cancels the failed deploy's own tasks, and waits until they are really over.
func (f *follower) clear(ctx context.Context, ours []task, m *memory) (verifier.Performed, error) {
	for _, t := range ours {
		if slices.Contains(m.Cancelled, t.ID) {
			continue
		}
		if err := f.cancel(ctx, t); err != nil {
			return verifier.Performed{}, fmt.Errorf("cancel %s, which still deploys the version that failed: %w", t, err)
		}
		m.Cancelled = append(m.Cancelled, t.ID)
	}
	return verifier.Performed{Again: f.now().Add(f.every), Message: "cancelled, and waiting for its end: " + ours[0].String()}, nil
}

// begin makes the one call.
func (f *follower) begin(ctx context.Context, c verifier.RollbackCall, m *memory) (verifier.Performed, error) {
	t, err := f.start(ctx, c)
	switch {
	case err == nil:
		m.Stage, m.Task = watching, &t
		return verifier.Performed{Again: f.now().Add(f.every), Message: "began " + t.String()}, nil
	case unsent(err):
		m.Stage = looking
		return verifier.Performed{}, err
	case errors.Is(err, verifier.ErrTemporary) || ctx.Err() != nil || garbled(err):
		m.Stage, m.Why = lost, err.Error()
		return verifier.Performed{Again: f.now().Add(f.every), Message: "no clear reply came; looking whether it began: " + err.Error()}, nil
	}
	return verifier.Performed{}, err
}

// look searches for the task that may have begun, for a while.
func (f *follower) look(ctx context.Context, c verifier.RollbackCall, m *memory) (verifier.Performed, error) {
	own, err := f.find(ctx, c)
	err = passing(err)
	switch {
	case err != nil && !errors.Is(err, verifier.ErrTemporary):
		return verifier.Performed{}, &EndedError{fmt.Sprintf("it may have begun (%s), and cannot be looked for: %v", m.Why, err)}
	case err != nil:
		return verifier.Performed{}, err
	case own != nil:
		m.Stage, m.Task = watching, own
		return f.watch(ctx, m)
	case m.Looks >= mostLooks:
		return verifier.Performed{}, &EndedError{fmt.Sprintf("no task of it is in %s, and it is not called for twice: %s", f.name(), m.Why)}
	}
	m.Looks++
	return verifier.Performed{Again: f.now().Add(f.every), Message: "no clear reply came; looking whether it began: " + m.Why}, nil
}

// watch asks how far the task is.
func (f *follower) watch(ctx context.Context, m *memory) (verifier.Performed, error) {
	t, err := f.state(ctx, *m.Task)
	switch err = passing(err); {
	case err != nil && errors.Is(err, verifier.ErrTemporary):
		return verifier.Performed{}, fmt.Errorf("ask for %s: %w", m.Task, err)
	case err != nil:
		return verifier.Performed{}, &EndedError{fmt.Sprintf("%s began, and cannot be followed: %v", m.Task, err)}
	}
	m.Task = &t
	again := f.now().Add(f.every)
	switch t.State {
	case succeeded:
		return verifier.Performed{Message: t.String() + " succeeded"}, nil
	case failed, canceled:
		return verifier.Performed{}, &EndedError{strings.TrimSuffix(fmt.Sprintf("%s %s: %s", t, t.State, outbound.Excerpt(t.Problem)), ": ")}
	case paused:
		return verifier.Performed{Again: again, Stuck: true, Message: fmt.Sprintf("%s waits for a person: %s", t, outbound.Excerpt(t.Problem))}, nil
	}
	return verifier.Performed{Again: again, Message: fmt.Sprintf("%s is %s", t, t.State)}, nil
}

// beforehand is an error of what start looks up before its call: nothing was begun.
type beforehand struct{ error }

// Unwrap gives the error inside.
func (b beforehand) Unwrap() error { return b.error }

// unsent reports whether the call surely began nothing: it never left, or was turned away at the door.
func unsent(err error) bool {
	var early beforehand
	if errors.As(err, &early) {
		return true
	}
	var status *outbound.StatusError
	if errors.As(err, &status) {
		return status.Code == http.StatusTooManyRequests || status.Code == http.StatusServiceUnavailable
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// passing makes what cannot be read temporary: the page of a proxy while the tool is restarted. A task that began is not given up for it.
func passing(err error) error {
	if err != nil && garbled(err) && !errors.Is(err, verifier.ErrTemporary) {
		return &verifier.TemporaryError{Err: err}
	}
	return err
}

// garbled reports whether the tool said yes in words that cannot be read.
func garbled(err error) bool {
	var status *outbound.StatusError
	return !errors.As(err, &status) && !errors.Is(err, verifier.ErrInvalid)
}
