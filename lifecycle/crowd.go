package lifecycle

import (
	"hash/fnv"
	"sync/atomic"
	"time"
)

// crowd is how many watches there are. Steps end at whole multiples of every, so that all of them would fall due in the same moment
// and the last would wait for all others. Each is put off by its own share of the time that so many take; a few wake at once.
type crowd struct{ watches atomic.Int64 }

// crowdWake is what one wake takes of a small machine, with as much left for everything else.
const crowdWake = time.Millisecond

// delay is the watch's own share: up to every, always the same for the same crowd.
func (c *crowd) delay(id string, every time.Duration) time.Duration {
	spread := min(every, time.Duration(c.watches.Load())*crowdWake)
	h := fnv.New32a()
	h.Write([]byte(id))
	return spread * time.Duration(h.Sum32()%1000) / 1000
}
