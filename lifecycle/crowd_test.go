package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"verifier"
)

func TestCrowdSpreadsManyAndNotFew(t *testing.T) {
	for _, tt := range []struct {
		watches int
		atLeast time.Duration // of the spread
		atMost  time.Duration
	}{{1, 0, 10 * time.Millisecond}, {100, 50 * time.Millisecond, 200 * time.Millisecond}, {20_000, 14 * time.Second, 15 * time.Second}} {
		var c crowd
		for round := range 3 { // all of them, every 15 s
			for n := range tt.watches {
				c.woke(begin.Add(time.Duration(round)*15*time.Second + time.Duration(n)*time.Microsecond))
			}
		}
		var first, last time.Duration = time.Hour, 0
		for n := range 1000 {
			d := c.delay(verifier.Verification{ID: fmt.Sprint(n)}, 15*time.Second)
			first, last = min(first, d), max(last, d)
		}
		if spread := last - first; spread < tt.atLeast || spread > tt.atMost {
			t.Errorf("%d watches are spread over %s, want %s to %s", tt.watches, spread, tt.atLeast, tt.atMost)
		}
	}
}
