package verifier

import (
	"context"
	"encoding/json"
	"time"
)

// ActionKind is what an action does to the outside world.
type ActionKind string

// The kinds of action.
const (
	ActionAlert    ActionKind = "alert"
	ActionRollback ActionKind = "rollback"
	ActionSink     ActionKind = "sink"
	ActionReport   ActionKind = "report"
	ActionReady    ActionKind = "ready" // asks the way of rolling back, when a watch begins
)

// ActionState is how far an action has come.
type ActionState string

// The states of an action. Waiting ones are claimed when due.
const (
	ActionWaiting ActionState = "waiting"
	ActionDone    ActionState = "done"
	ActionGivenUp ActionState = "given_up"
)

// Action is one thing to be done to the outside world, at least once, with a key that stays the same through retries.
type Action struct {
	Key      string          `json:"key"` // unique; goes out as the idempotency key
	Kind     ActionKind      `json:"kind"`
	Subject  string          `json:"subject"` // incident or verification it is about
	Payload  json.RawMessage `json:"payload,omitempty"`
	State    ActionState     `json:"state"`
	Created  time.Time       `json:"created"`
	DueAt    time.Time       `json:"due_at"`
	Attempt  int             `json:"attempt"`
	Memory   json.RawMessage `json:"memory,omitempty"` // what it remembers of what was sent: revision, thread
	Problem  string          `json:"problem,omitempty"`
	Revision int64           `json:"-"`

	// Interrupted says that nobody heard how the run before ended: its process was killed, and it may have done its work.
	Interrupted bool `json:"-"`
}

// Performer does the actions of one kind. It answers within the context's deadline.
// A TemporaryError is tried again later with the same key; any other error is the end of it.
type Performer interface {
	Perform(context.Context, Action) (Performed, error)
}

// Performed is what became of an action.
type Performed struct {
	Memory  json.RawMessage // kept with the action, for its next run
	Again   time.Time       // due again then (repeat_interval, a mute's end); zero: done
	Stuck   bool            // it waits for a person at the other side
	Message string          // what the other side said, for the record
}
