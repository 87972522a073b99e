package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// shed is a deploy tool in memory. It counts what changes anything.
type shed struct {
	others  []task
	own     *task
	closed  error // why the version cannot be deployed
	reply   error // of start
	begins  bool  // start begins the task, whatever it replies
	hidden  int   // looks until a begun task is listed
	starts  int
	cancels int
	next    []taskState // what state answers, one after the other
	problem string
	unheard []error // what asking for the state comes to, one after the other
}

func (s *shed) name() string { return "Shed" }

func (s *shed) ready(context.Context, verifier.RollbackCall) (string, error) {
	return "1.4.1 is there", s.closed
}

func (s *shed) running(context.Context, verifier.RollbackCall) ([]task, error) { return s.others, nil }

func (s *shed) find(context.Context, verifier.RollbackCall) (*task, error) {
	if s.hidden > 0 {
		s.hidden--
		return nil, nil
	}
	return s.own, nil
}

func (s *shed) start(context.Context, verifier.RollbackCall) (task, error) {
	s.starts++
	if s.begins {
		s.own = &task{ID: "7", State: queued}
	}
	return task{ID: "7", State: queued}, s.reply
}

func (s *shed) state(_ context.Context, t task) (task, error) {
	if len(s.unheard) > 0 {
		err := s.unheard[0]
		s.unheard = s.unheard[1:]
		return t, err
	}
	t.State, t.Problem = s.next[0], s.problem
	if len(s.next) > 1 {
		s.next = s.next[1:]
	}
	return t, nil
}

func (s *shed) cancel(context.Context, task) error {
	s.cancels++
	if s.cancels > 0 {
		s.others = nil
	}
	return nil
}

// run follows until it is over, as the loop does: temporary errors are tried again.
func run(t *testing.T, s *shed) (said []string, _ error) {
	t.Helper()
	f := follow(s)
	f.every = 0
	var kept json.RawMessage
	for range 100 {
		done, err := f.Follow(t.Context(), call, kept, false)
		kept = done.Memory
		if err != nil && !errors.Is(err, verifier.ErrTemporary) {
			return said, err
		}
		said = append(said, done.Message)
		if err == nil && done.Again.IsZero() {
			return said, nil
		}
	}
	t.Fatalf("it goes on for ever: %q", said[len(said)-3:])
	return nil, nil
}

func temporary(err error) error { return &verifier.TemporaryError{Err: err} }

func TestFollow(t *testing.T) {
	timeout := temporary(errors.New("no answer within 30 s"))
	tests := []struct {
		name           string
		shed           shed
		starts, cancel int
		last, problem  string // what it says at the end, or the error
		began          bool   // of the error
	}{
		{name: "to its end", shed: shed{next: []taskState{queued, running, succeeded}}, starts: 1, last: "task 7 succeeded"},
		{name: "a person is waited for", shed: shed{next: []taskState{paused, succeeded}, problem: "approve the step"}, starts: 1, last: "task 7 succeeded"},
		{name: "it fails", shed: shed{next: []taskState{failed}, problem: "no such package"}, starts: 1, problem: "task 7 failed: no such package", began: true},
		{name: "somebody cancels it", shed: shed{next: []taskState{canceled}}, starts: 1, problem: "task 7 canceled", began: true},
		{name: "somebody else is at work", shed: shed{others: []task{{ID: "9", By: "anna", State: running, Deploy: "other"}}}, problem: "somebody else's task 9 of anna"},
		{name: "a task that says nothing of itself is somebody else's", shed: shed{others: []task{{ID: "9", State: queued}}}, problem: "somebody else's task 9"},
		{name: "the failed deploy goes on", shed: shed{others: []task{{ID: "9", State: running, Deploy: "d1"}}, next: []taskState{succeeded}}, starts: 1, cancel: 1, last: "task 7 succeeded"},
		{name: "the version is blocked", shed: shed{closed: errors.New("1.4.1 is blocked")}, problem: "1.4.1 cannot be deployed: 1.4.1 is blocked"},
		{name: "the reply is lost", shed: shed{begins: true, reply: timeout, next: []taskState{succeeded}}, starts: 1, last: "task 7 succeeded"},
		{name: "the reply is lost and the list is late", shed: shed{begins: true, reply: timeout, hidden: 5, next: []taskState{succeeded}}, starts: 1, last: "task 7 succeeded"},
		{name: "the reply is lost and so is the call", shed: shed{reply: timeout}, starts: 1, problem: "not called for twice", began: true},
		{name: "a page of a proxy", shed: shed{reply: errors.New("answered HTML instead of JSON")}, starts: 1, problem: "answered HTML", began: true},
		{name: "it began before the daemon was restarted", shed: shed{own: &task{ID: "7"}, next: []taskState{succeeded}}, last: "task 7 succeeded"},
		{name: "the key is wrong", shed: shed{reply: fmt.Errorf("start: %w", &outbound.StatusError{Code: http.StatusUnauthorized})}, starts: 1, problem: "answered 401"},
		{name: "a conflict", shed: shed{reply: &outbound.StatusError{Code: http.StatusConflict}}, starts: 1, problem: "answered 409"},
		{name: "the key ends while it runs", shed: shed{unheard: []error{fmt.Errorf("state: %w", &outbound.StatusError{Code: 401})}}, starts: 1, problem: "task 7 began, and cannot be followed: state: answered 401", began: true},
		{name: "pages and errors while it runs", shed: shed{unheard: []error{errors.New("answered HTML instead of JSON"), timeout, temporary(&outbound.StatusError{Code: 500})}, next: []taskState{succeeded}}, starts: 1, last: "task 7 succeeded"},
		{name: "it breaks", shed: shed{reply: temporary(&outbound.StatusError{Code: 500})}, starts: 1, problem: "answered 500", began: true},
	}
	failing := call
	failing.Deploy.ID = "d1"
	old := call
	call = failing
	t.Cleanup(func() { call = old })
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			said, err := run(t, &test.shed)
			if test.shed.starts != test.starts || test.shed.cancels != test.cancel {
				t.Errorf("began %d times, cancelled %d; want %d and %d", test.shed.starts, test.shed.cancels, test.starts, test.cancel)
			}
			if test.problem == "" {
				if err != nil || said[len(said)-1] != test.last {
					t.Errorf("ended with %q, %v; want %q", said[len(said)-1], err, test.last)
				}
				return
			}
			var ended *EndedError
			if err == nil || !strings.Contains(err.Error(), test.problem) || errors.As(err, &ended) != test.began {
				t.Errorf("ended with %v (began %v); want %q (%v)", err, errors.As(err, &ended), test.problem, test.began)
			}
		})
	}
}

// TestFollowTriesAgain: what was turned away at the door, or never left, is called for again.
func TestFollowTriesAgain(t *testing.T) {
	for _, err := range []error{
		temporary(&outbound.StatusError{Code: 429}), temporary(&outbound.StatusError{Code: 503}),
		temporary(&net.OpError{Op: "dial", Err: errors.New("connection refused")}),
	} {
		s := &shed{reply: err, next: []taskState{succeeded}}
		f := follow(s)
		kept, _ := json.Marshal(memory{Stage: starting})
		done, got := f.Follow(t.Context(), call, kept, false)
		if !errors.Is(got, verifier.ErrTemporary) {
			t.Errorf("%v: got %v, want to be tried again", err, got)
		}
		s.reply = nil
		done, got = f.Follow(t.Context(), call, done.Memory, false)
		if got != nil || !strings.Contains(string(done.Memory), string(starting)) {
			t.Errorf("%v: looked again and got %v, %s", err, got, done.Memory)
		}
	}
}

// TestFollowInterrupted: a daemon that was killed while it called does not call again.
func TestFollowInterrupted(t *testing.T) {
	s := &shed{own: &task{ID: "7"}, next: []taskState{succeeded}}
	kept, _ := json.Marshal(memory{Stage: starting})
	done, err := follow(s).Follow(t.Context(), call, kept, true)
	if err != nil || s.starts != 0 || done.Message != "task 7 succeeded" {
		t.Errorf("got %q, %v after %d calls", done.Message, err, s.starts)
	}
	s = &shed{}
	done, err = follow(s).Follow(t.Context(), call, kept, true)
	if err != nil || s.starts != 0 || done.Again.Before(time.Now()) || !strings.Contains(done.Message, "looking whether it began") {
		t.Errorf("got %q, %v after %d calls", done.Message, err, s.starts)
	}
}

// TestWayIsTakenOut of the configuration: what began may still run, and is no refusal.
func TestWayIsTakenOut(t *testing.T) {
	caller := NewCaller(func(string) (Way, bool) { return nil, false })
	payload, err := json.Marshal(verifier.RollbackOrder{By: "gone", Call: call})
	if err != nil {
		t.Fatal(err)
	}
	for stage, want := range map[stage]bool{looking: false, starting: true, watching: true} {
		kept, _ := json.Marshal(memory{Stage: stage})
		_, err := caller.Perform(t.Context(), verifier.Action{Payload: payload, Memory: kept})
		if _, began := asEnded(err); err == nil || !strings.Contains(err.Error(), "no longer in the configuration") || began != want {
			t.Errorf("%q: got %v (began %v, want %v)", stage, err, began, want)
		}
	}
	if _, err := caller.Perform(t.Context(), verifier.Action{Payload: payload}); err == nil {
		t.Error("a way that is gone is called")
	}
}

// followed lets a way follow its task to the end, as the loop does: temporary errors are tried again. each is called before each look.
func followed(t *testing.T, f *follower, c verifier.RollbackCall, each func()) (said []string, _ error) {
	t.Helper()
	f.every = 0
	var kept json.RawMessage
	for range 200 {
		each()
		done, err := f.Follow(t.Context(), c, kept, false)
		kept = done.Memory
		if err != nil && !errors.Is(err, verifier.ErrTemporary) {
			return said, err
		}
		said = append(said, done.Message)
		if err == nil && done.Again.IsZero() {
			return said, nil
		}
	}
	t.Fatalf("it goes on for ever: %q", said[len(said)-3:])
	return nil, nil
}

func asEnded(err error) (ended *EndedError, ok bool) {
	ok = errors.As(err, &ended)
	return ended, ok
}

// checkEnd holds the end of a rollback against the problem that it must have, and whether it is one of a rollback that began.
func checkEnd(t *testing.T, err error, problem string, began bool) {
	t.Helper()
	if problem == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if _, is := asEnded(err); err == nil || !strings.Contains(err.Error(), problem) || is != began {
		t.Errorf("ended with %v (began %v), want %q (%v)", err, is, problem, began)
	}
}
