package lifecycle

import (
	"hash/fnv"
	"sync"
	"time"

	"verifier"
)

// crowd spreads the wakes of many watches. Steps end at whole multiples of every, so that all watches would fall due in the same
// moment and the last would wait for all others. Each is put off by its own share of the time that as many as there are take; a few
// watches wake at once.
type crowd struct {
	mu    sync.Mutex
	since time.Time
	count int     // wakes since then
	rate  float64 // wakes a second in the stretch before
}

const (
	crowdStretch = 10 * time.Second
	crowdWake    = 1500 * time.Microsecond // what one wake takes of a small machine
)

// woke counts one wake.
func (c *crowd) woke(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = now
	}
	if past := now.Sub(c.since); past >= crowdStretch {
		c.rate, c.count, c.since = float64(c.count)/past.Seconds(), 0, now
	}
	c.count++
}

// delay is the watch's own share: up to every, always the same for the same crowd.
func (c *crowd) delay(v verifier.Verification, every time.Duration) time.Duration {
	c.mu.Lock()
	watches := c.rate * every.Seconds()
	c.mu.Unlock()
	h := fnv.New32a()
	h.Write([]byte(v.ID))
	spread := min(every, time.Duration(watches*float64(crowdWake)))
	return time.Duration(float64(h.Sum32()%1000) / 1000 * float64(spread))
}
