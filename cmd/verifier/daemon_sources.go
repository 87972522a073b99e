package main

import (
	"context"
	"sync"
	"time"

	"verifier/sources"
)

// checkEvery is how often each source is asked a cheap question, whether or not a watch asks it.
const checkEvery = 2 * time.Minute

// sourceStates is what was last logged of the sources.
type sourceStates struct {
	checked time.Time
	down    map[string]bool
}

// checkSources asks the sources that nobody asked yet, and all of them every few minutes. It logs once when one goes down, and once when it is back.
func (d *Daemon) checkSources(ctx context.Context, was *sourceStates) {
	s, now := d.live(), d.now()
	all := now.Sub(was.checked) >= checkEvery
	if all {
		was.checked = now
	}
	check, cancel := context.WithTimeout(ctx, selfEvery)
	defer cancel()
	var group sync.WaitGroup
	for _, b := range s.sources {
		if all || b.Down() || b.State() == sources.NotAsked {
			group.Go(func() { b.Check(check) })
		}
	}
	group.Wait()
	if ctx.Err() != nil {
		return
	}
	if was.down == nil {
		was.down = map[string]bool{}
	}
	for name, b := range s.sources {
		switch down := b.Down(); {
		case down && !was.down[name]:
			d.log.Warn("source is down", "source", name, "err", b.State())
		case !down && was.down[name]:
			d.log.Info("source is back", "source", name)
		}
		was.down[name] = b.Down()
	}
}
