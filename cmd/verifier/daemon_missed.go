package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/intake"
	"verifier/record"
)

// Events get lost: GitHub and GitLab do not send again, TeamCity does not by default, and the daemon may be down. Tools that may be asked
// are asked for what they did; senders that fall silent are named.

const (
	lookFor      = time.Second      // how often it is looked whom to ask
	giveWebhooks = time.Minute      // what is younger may still be sent
	overlap      = 15 * time.Minute // is asked for again: tools write their lists late
	beforeStop   = time.Hour        // the same, before the last event of an earlier run
	neverHeard   = 24 * time.Hour   // is asked for of a tool that never sent anything
	mostMissed   = 30 * 24 * time.Hour
	askTool      = 2 * time.Minute // all pages of one list
	habitsEvery  = time.Hour
	habitsOf     = 30 * 24 * time.Hour
)

// HookStatus is how a hook is, as `verifier status` shows it.
type HookStatus struct {
	Asked   *time.Time `json:"asked"`             // when the tool was last asked for what was missed; null: never
	Found   int        `json:"found"`             // deploys that were found so, since the start
	Unread  string     `json:"unread,omitempty"`  // an event of the list that says too little, or nothing that can be read
	Trouble string     `json:"trouble,omitempty"` // why the tool cannot be asked
	Quiet   string     `json:"quiet,omitempty"`   // it sends nothing for far longer than is its habit
}

// missed is what the daemon knows of the lists of tools, and of their habits.
type missed struct {
	mu    sync.Mutex
	tools map[string]*asked
	quiet map[string]string // by sender
}

// asked is how far one tool was asked.
type asked struct {
	HookStatus
	next    time.Time
	upTo    time.Time // everything before was seen
	running bool
	failed  int // times in a row
}

// keepMissed asks tools and looks at habits until the context ends.
func (d *Daemon) keepMissed(ctx context.Context) {
	started, habits := d.now(), time.Time{}
	var group sync.WaitGroup
	defer group.Wait()
	for tick := time.NewTicker(lookFor); ; {
		hooks := d.live().hooks
		d.missed.forget(hooks)
		for name := range hooks {
			if d.missed.begin(name, hooks.Every(name), d.now()) {
				group.Go(func() { d.askForMissed(ctx, hooks, name, started) })
			}
		}
		if now := d.now(); now.Sub(habits) >= habitsEvery {
			habits = now
			d.lookAtHabits(ctx, now)
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// forget drops what is known of tools that are not asked any more.
func (m *missed) forget(hooks intake.Hooks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.tools, func(name string, a *asked) bool { return hooks.Every(name) == 0 && !a.running })
}

// begin reports whether the tool is to be asked now.
func (m *missed) begin(hook string, every time.Duration, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if every == 0 {
		return false
	}
	a := m.tools[hook]
	if a == nil {
		a = &asked{}
		m.tools[hook] = a
	}
	if a.running || now.Before(a.next) {
		return false
	}
	a.running, a.next = true, now.Add(every)
	return true
}

// askForMissed asks one tool once.
func (d *Daemon) askForMissed(stopping context.Context, hooks intake.Hooks, hook string, started time.Time) {
	ctx, cancel := context.WithTimeout(stopping, askTool)
	defer cancel()
	now := d.now()
	since, err := d.missedSince(ctx, hook, now)
	var list []intake.Listed
	if err == nil {
		list, err = hooks.List(ctx, hook, since, now)
	}
	found, unread := 0, ""
	for _, l := range list {
		if err != nil {
			break
		}
		if why := wordsOf(l); why != "" {
			unread = orDefault(unread, why)
		}
		var n int
		n, err = d.takeMissed(ctx, l, started, now)
		found += n
	}
	if ctx.Err() != nil && err == nil {
		err = ctx.Err()
	}
	if stopping.Err() != nil {
		return // the daemon stops: no fault of the tool's
	}
	d.metrics.Listed(hook, err == nil, found)
	d.missed.end(hook, now, found, unread, err)
	switch {
	case err != nil:
		d.log.Warn("a deploy tool cannot be asked for what was missed", "hook", hook, "err", err)
	case found > 0:
		d.log.Warn("deploys were found that their tool did not send", "hook", hook, "deploys", found, "since", since)
	}
}

// missedSince is from when on the tool is asked.
func (d *Daemon) missedSince(ctx context.Context, hook string, now time.Time) (time.Time, error) {
	d.missed.mu.Lock()
	upTo := d.missed.tools[hook].upTo
	d.missed.mu.Unlock()
	if !upTo.IsZero() {
		return upTo.Add(-overlap), nil
	}
	heard, err := d.store.Heard(ctx, hook)
	switch {
	case err != nil:
		return time.Time{}, err
	case heard.IsZero():
		return now.Add(-neverHeard), nil
	case now.Sub(heard) > mostMissed:
		return now.Add(-mostMissed), nil
	}
	return heard.Add(-beforeStop), nil
}

// wordsOf says why an event of a list is no deploy though it tells of one.
func wordsOf(l intake.Listed) string {
	if l.Err != nil {
		return l.Err.Error()
	}
	return l.Unmapped
}

// takeMissed records what an event of a list tells that the record lacks, by the same path as what is sent. What is so young that its
// tool may still send it is left to that, unless it is from before the start.
func (d *Daemon) takeMissed(ctx context.Context, l intake.Listed, started, now time.Time) (found int, err error) {
	var deploys []verifier.Deploy
	for _, fact := range l.Deploys {
		if fact.At.After(now.Add(-giveWebhooks)) && fact.At.After(started) && !fact.AtAssumed {
			continue
		}
		fact.Place = d.live().catalogue.Canonical(fact.Place)
		known, err := d.known(ctx, fact.ID)
		if err != nil {
			return 0, err
		}
		if record.Missed(known, fact) {
			fact.Found = verifier.FoundLate
			deploys = append(deploys, fact)
		}
	}
	if len(deploys) == 0 {
		return 0, nil
	}
	l.Delivery.KeepConflicts = true
	receipts, err := recorder{d}.Record(ctx, l.Delivery, deploys)
	if errors.Is(err, verifier.ErrInvalid) {
		d.log.Warn("a deploy of a tool's list does not fit the record", "hook", l.Delivery.Tool, "delivery", l.Delivery.ID, "err", err)
		return 0, nil
	}
	for _, r := range receipts {
		if r.Conflict == nil {
			found++
		}
	}
	return found, err
}

// known is what the record has of the deploy; nil: nothing.
func (d *Daemon) known(ctx context.Context, id string) (*verifier.Deploy, error) {
	known, err := d.store.Deploy(ctx, id)
	if errors.Is(err, verifier.ErrNotFound) {
		return nil, nil
	}
	return &known, err
}

func (m *missed) end(hook string, now time.Time, found int, unread string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.tools[hook]
	a.running = false
	a.Asked, a.Unread = &now, unread
	a.Found += found
	if err == nil {
		a.upTo, a.failed, a.Trouble = now, 0, ""
		return
	}
	a.failed++
	a.Trouble = err.Error()
	var temporary *verifier.TemporaryError
	if errors.As(err, &temporary) && temporary.After > 0 {
		a.next = latestOf(a.next, now.Add(temporary.After))
	}
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lookAtHabits names senders that are silent for far longer than is their habit.
func (d *Daemon) lookAtHabits(ctx context.Context, now time.Time) {
	list, err := d.store.Habits(ctx, now.Add(-habitsOf))
	if err != nil {
		d.failed("look at the senders' habits", err)
		return
	}
	quiet := map[string]string{}
	for _, h := range list {
		_, configured := d.live().hooks[h.Tool]
		if h.Quiet(now) && (configured || h.Tool == "api") {
			quiet[h.Name()] = quietText(h, d.live().cfg.zone, now)
		}
	}
	d.missed.mu.Lock()
	was := d.missed.quiet
	d.missed.quiet = quiet
	d.missed.mu.Unlock()
	for name, text := range quiet {
		if was[name] == "" {
			d.log.Warn("a sender of deploy events is quiet", "sender", name, "why", text)
		}
	}
}

func quietText(h verifier.Habit, zone *time.Location, now time.Time) string {
	return fmt.Sprintf("%s has sent nothing since %s, for %s; of its last %d events no two were more than %s apart.",
		h.Name(), moment(h.Last, now, zone), roughly(now.Sub(h.Last)), h.Count, roughly(h.Longest))
}

// roughly says a duration as people do.
func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// status is how every hook is, and which senders are quiet.
func (m *missed) status(hooks intake.Hooks) (map[string]HookStatus, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]HookStatus{}
	for name := range hooks {
		s := HookStatus{}
		if a := m.tools[name]; a != nil {
			s = a.HookStatus
		}
		s.Quiet = m.quiet[name]
		out[name] = s
	}
	quiet := []string{}
	for _, text := range m.quiet {
		quiet = append(quiet, text)
	}
	slices.Sort(quiet)
	return out, quiet
}

// troubles are what self.receiver hears of: tools that cannot be asked twice in a row, and senders that are quiet.
func (m *missed) troubles() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for name, a := range m.tools {
		if a.failed >= 2 {
			out[hookTrouble+name] = "verifier cannot " + strings.TrimPrefix(a.Trouble, "cannot ") + ". What it does not send is missed."
		}
	}
	for name, text := range m.quiet {
		out[quietTrouble+name] = text
	}
	return out
}

const (
	hookTrouble  = "hook/"
	quietTrouble = "quiet/"
)
