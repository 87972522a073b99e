package alerting

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"verifier"
)

// channel is one receiver over time: its action, what it remembers, and a clock.
type channel struct {
	t      *testing.T
	hook   *inbox
	a      *Alerting
	book   book
	clock  time.Time
	muted  bool
	action verifier.Action
}

// openChannel tells a webhook of the incident; config is the route without its receiver, and what stands beside it.
func openChannel(t *testing.T, route, beside string, in verifier.Incident) *channel {
	t.Helper()
	c := &channel{t: t, hook: newInbox(t), clock: now, book: book{in.ID: in}}
	c.a = load(t, fmt.Sprintf("receivers: [{name: chat, webhook_configs: [{url: '%s'}]}, {name: other, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\nroute: {receiver: chat%s}\n%s", c.hook.URL, route, beside))
	c.action = c.a.Targets(in, now)[0]
	return c
}

// wake runs the action as the loop does when it is due, expects so many messages in all, and says when it is due again.
func (c *channel) wake(messages int) time.Time {
	c.t.Helper()
	p := &performer{c.a, c.book, func(verifier.Incident, time.Time) bool { return c.muted }, func() time.Time { return c.clock }}
	done, err := p.Perform(c.t.Context(), c.action)
	if err != nil {
		c.t.Fatal(err)
	}
	c.action.Memory = done.Memory
	if got := len(c.hook.bodies); got != messages {
		c.t.Errorf("at %s: %d messages, want %d", c.clock.Format("15:04"), got, messages)
	}
	return done.Again
}

func (c *channel) status() string {
	return fmt.Sprint(c.hook.bodies[len(c.hook.bodies)-1]["status"])
}

func (c *channel) resolve(id string) {
	in := c.book[id]
	resolved := c.clock
	in.Resolved, in.Revision = &resolved, in.Revision+1
	c.book[id] = in
}

func TestRepeatInterval(t *testing.T) {
	in := trouble14()
	c := openChannel(t, ", repeat_interval: 2h", "", in)
	again := c.wake(1)
	if !again.Equal(now.Add(2 * time.Hour)) {
		t.Fatalf("it is due again at %s", again)
	}
	c.clock = now.Add(time.Hour)
	c.wake(1) // too early: nothing new
	c.clock = again
	if again = c.wake(2); !again.Equal(now.Add(4 * time.Hour)) {
		t.Errorf("and then at %s", again)
	}
	c.clock = again.Add(-time.Minute)
	c.resolve(in.ID)
	if again = c.wake(3); !again.IsZero() || c.status() != "resolved" {
		t.Errorf("after the end (%s) it is due at %s", c.status(), again)
	}
}

// TestRepeatIntervalCountsFromTheLastMessage: a change in between is a message too.
func TestRepeatIntervalCountsFromTheLastMessage(t *testing.T) {
	in := trouble14()
	c := openChannel(t, ", repeat_interval: 2h", "", in)
	c.wake(1)
	c.clock = now.Add(time.Hour)
	in.Revision = 2
	c.book[in.ID] = in
	if again := c.wake(2); !again.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("it is due again at %s", again)
	}
}

func TestMuteEndsAndIsHeardOfOrNot(t *testing.T) {
	for _, over := range []bool{false, true} { // the trouble, before the mute is
		in := trouble14()
		c := openChannel(t, "", "", in)
		c.muted = true
		again := c.wake(0)
		if again.Before(c.clock) || again.After(c.clock.Add(time.Minute)) {
			t.Fatalf("muted, it is looked at again at %s", again)
		}
		c.clock = again
		if over {
			c.resolve(in.ID)
		}
		again, c.muted = c.wake(0), false
		if over {
			if !again.IsZero() {
				t.Errorf("what is over is looked at again at %s", again)
			}
			c.wake(0) // nobody heard of it
			continue
		}
		c.clock = again
		c.wake(1)
		c.muted = true
		c.resolve(in.ID)
		again = c.wake(1)
		c.clock, c.muted = again, false
		if c.wake(2); c.status() != "resolved" {
			t.Errorf("who heard of it hears that it is %s", c.status())
		}
	}
}

const office = "time_intervals: [{name: office, time_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}]}]}]"

func TestTimeIntervals(t *testing.T) {
	for route, loud := range map[string][]int{ // hours at which it speaks
		", routes: [{receiver: chat, active_time_intervals: [office]}]": {9, 16},
		", routes: [{receiver: chat, mute_time_intervals: [office]}]":   {8, 17, 23},
	} {
		for _, hour := range []int{8, 9, 16, 17, 23} {
			c := openChannel(t, route, office, trouble14())
			c.clock = time.Date(2026, 11, 24, hour, 0, 0, 0, time.UTC)
			want := 0
			for _, h := range loud {
				if h == hour {
					want = 1
				}
			}
			if again := c.wake(want); want == 0 && (again.IsZero() || again.After(c.clock.Add(time.Hour))) {
				t.Errorf("silent at %d, it is looked at again at %s", hour, again)
			}
		}
	}
	c := openChannel(t, ", routes: [{receiver: chat, active_time_intervals: [office]}]", office, trouble14())
	c.clock = time.Date(2026, 11, 24, 8, 59, 30, 0, time.UTC)
	c.clock = c.wake(0)
	c.wake(1) // the office opened meanwhile
}

// TestReceiverThatIsNoLongerRoutedHearsTheEnd: and one that never heard of it hears nothing.
func TestReceiverThatIsNoLongerRoutedHearsTheEnd(t *testing.T) {
	for _, told := range []bool{true, false} {
		in := trouble14()
		c := openChannel(t, "", "", in)
		n := 0
		if told {
			n = 1
			c.wake(n)
		}
		c.a = load(t, fmt.Sprintf("receivers: [{name: chat, webhook_configs: [{url: '%s'}]}, {name: other, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\nroute: {receiver: other}", c.hook.URL))
		c.resolve(in.ID)
		if told {
			n++
		}
		c.wake(n)
		if told && c.status() != "resolved" {
			t.Errorf("it hears that it is %s", c.status())
		}
		var mem memory
		if err := json.Unmarshal(c.action.Memory, &mem); told && (err != nil || !mem.Resolved) {
			t.Errorf("it remembers %s (%v)", c.action.Memory, err)
		}
	}
}
