package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// release is one version of the shop: how often it fails and how long it takes.
type release struct {
	version string
	fails   float64       // share of requests that end in 500
	slow    time.Duration // added to every answer
}

// shop is the service that is deployed: it answers requests as its live release does, and logs each.
type shop struct {
	live   atomic.Pointer[release]
	server *httptest.Server
	mu     sync.Mutex
	log    *os.File
}

const (
	perSecond = 80                    // requests
	usually   = 0.004                 // share of requests that fail whatever is deployed
	answersIn = 12 * time.Millisecond // on average
)

func openShop(path string, first release) (*shop, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the shop's log: %w", err)
	}
	s := &shop{log: f}
	s.live.Store(&first)
	s.server = httptest.NewServer(s)
	return s, nil
}

func (s *shop) close() {
	s.server.Close()
	s.log.Close()
}

// ServeHTTP is the shop's checkout.
func (s *shop) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	began := time.Now()
	r := s.live.Load()
	time.Sleep(answersIn/2 + rand.N(answersIn) + r.slow)
	status := http.StatusOK
	if rand.Float64() < r.fails {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	s.write(r.version, status, time.Since(began))
}

// line is one log line in Elastic's common schema.
type line struct {
	Time        time.Time `json:"@timestamp"`
	Level       string    `json:"log.level"`
	Message     string    `json:"message"`
	Service     string    `json:"service.name"`
	Version     string    `json:"service.version"`
	Environment string    `json:"service.environment"`
	Host        string    `json:"host.name"`
	Status      int       `json:"http.response.status_code"`
	Duration    int64     `json:"event.duration"` // nanoseconds
}

func (s *shop) write(version string, status int, took time.Duration) {
	l := line{
		Time: time.Now().UTC(), Level: "INFO", Message: "order placed", Service: service, Version: version, Environment: environment,
		Host: "shop-1", Status: status, Duration: took.Nanoseconds(),
	}
	if status >= http.StatusInternalServerError {
		l.Level, l.Message = "ERROR", "cannot reserve stock: nil pointer in basket"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	json.NewEncoder(s.log).Encode(l) // the shop goes on without its log
}

// customers send requests until the context ends.
func (s *shop) customers(ctx context.Context) {
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	waiting := make(chan struct{}, perSecond)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case waiting <- struct{}{}:
			go func() {
				defer func() { <-waiting }()
				s.order(ctx)
			}()
		default: // the shop is too slow for more
		}
	}
}

func (s *shop) order(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.URL+"/checkout", nil)
	if err != nil {
		return
	}
	response, err := s.server.Client().Do(request)
	if err != nil {
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}
