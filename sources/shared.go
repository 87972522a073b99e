package sources

import (
	"context"
	"sync"
	"time"
)

// shared makes one call of equal ones: of those under way at the same time, and for a moment after for an answer that is good.
type shared[K comparable, V any] struct {
	keep time.Duration
	good func(V) bool

	mu    sync.Mutex
	calls map[K]*sharedCall[V]
}

type sharedCall[V any] struct {
	done    chan struct{}
	value   V
	ended   time.Time // zero while under way
	waiting int
	cancel  context.CancelFunc
}

func newShared[K comparable, V any](keep time.Duration, good func(V) bool) *shared[K, V] {
	return &shared[K, V]{keep: keep, good: good, calls: map[K]*sharedCall[V]{}}
}

// do gives what the one call says. The call goes on until the last of those who wait for it has gone.
func (s *shared[K, V]) do(ctx context.Context, key K, call func(context.Context) V) (V, error) {
	c := s.join(ctx, key, call)
	select {
	case <-c.done:
		return c.value, nil
	case <-ctx.Done():
		s.leave(key, c)
		var none V
		return none, ctx.Err()
	}
}

func (s *shared[K, V]) join(ctx context.Context, key K, call func(context.Context) V) *sharedCall[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, old := range s.calls {
		if !old.ended.IsZero() && time.Since(old.ended) >= s.keep {
			delete(s.calls, k)
		}
	}
	if c := s.calls[key]; c != nil {
		c.waiting++
		return c
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &sharedCall[V]{done: make(chan struct{}), waiting: 1, cancel: cancel}
	s.calls[key] = c
	go func() {
		defer cancel()
		value := call(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		c.value, c.ended = value, time.Now()
		if s.calls[key] == c && (s.keep <= 0 || !s.good(value)) {
			delete(s.calls, key)
		}
		close(c.done)
	}()
	return c
}

func (s *shared[K, V]) leave(key K, c *sharedCall[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.waiting--; c.waiting == 0 && c.ended.IsZero() {
		c.cancel()
		if s.calls[key] == c {
			delete(s.calls, key)
		}
	}
}
