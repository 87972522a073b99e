package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"verifier"
)

// BenchmarkRecord is durable deploy events: each is a delivery and a deploy, synced to disk before it is answered, from 64 senders
// at once. events/s is over all; p99-ms is one sender's wait.
func BenchmarkRecord(b *testing.B) {
	s, err := Open(context.Background(), b.TempDir()+"/bench.db", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const senders = 64
	took := make([][]time.Duration, senders)
	each := max(1, b.N/senders)
	began := time.Now()
	var group sync.WaitGroup
	for n := range senders {
		group.Go(func() {
			for i := range each {
				at := time.Now()
				id := fmt.Sprintf("%d-%d", n, i)
				d := verifier.Deploy{
					ID: id, Place: verifier.Place{Service: fmt.Sprintf("svc-%d", (n*each+i)%500), Environment: "production"}, Version: fmt.Sprintf("1.%d", i),
					Status: verifier.Succeeded, Change: verifier.Release, At: at,
				}
				if _, err := s.Record(context.Background(), verifier.Delivery{ID: id, Tool: "api", ReceivedAt: at, Body: []byte(`{}`)}, []verifier.Deploy{d}, nil); err != nil {
					b.Error(err)
					return
				}
				took[n] = append(took[n], time.Since(at))
			}
		})
	}
	group.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	b.ReportMetric(float64(len(all))/time.Since(began).Seconds(), "events/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}
