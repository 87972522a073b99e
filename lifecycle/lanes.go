package lifecycle

import "sync"

// lanes keep what hangs from holding up the rest: a receiver that never answers takes no watch's place, and nothing takes a
// rollback's.
type lanes struct {
	watches, actions, rollbacks lane
	freed                       chan struct{} // signalled when a place became free
}

// lane holds one thing for each that is in flight.
type lane chan struct{}

// Watches are many because each may wait for a slow source; how many ask at once is the source's budget.
func newLanes() lanes {
	return lanes{watches: make(lane, 512), actions: make(lane, 32), rollbacks: make(lane, 32), freed: make(chan struct{}, 1)}
}

// free is how many more may be claimed now.
func (l lane) free() int { return min(batch, cap(l)-len(l)) }

func (l lanes) full() bool {
	return l.watches.free() == 0 || l.actions.free() == 0 || l.rollbacks.free() == 0
}

// run starts what was claimed. Only the loop calls it, for no more than was free, so it never waits.
func (l lanes) run(group *sync.WaitGroup, on lane, do func()) {
	on <- struct{}{}
	group.Go(func() {
		defer func() {
			<-on
			select {
			case l.freed <- struct{}{}:
			default:
			}
		}()
		do()
	})
}
