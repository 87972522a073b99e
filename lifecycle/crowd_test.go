package lifecycle

import (
	"fmt"
	"testing"
	"time"
)

func TestCrowdSpreadsManyAndNotFew(t *testing.T) {
	for watches, want := range map[int64]time.Duration{0: 0, 1: time.Millisecond, 100: 100 * time.Millisecond, 20_000: 15 * time.Second} {
		var c crowd
		c.watches.Store(watches)
		first, last := time.Hour, time.Duration(0)
		for n := range 1000 {
			d := c.delay(fmt.Sprint(n), 15*time.Second)
			first, last = min(first, d), max(last, d)
		}
		if spread := last - first; spread < want*9/10 || spread > want {
			t.Errorf("%d watches are spread over %s, want %s", watches, spread, want)
		}
	}
}
