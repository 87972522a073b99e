package rules

import (
	"testing"
	"time"

	"verifier"
)

// steady is a counter in the middle of a watch of two hours at 30 s, against before and peers.
func steady(steps int) (*counter, verifier.Sample, verifier.Sample) {
	f := frame{trials: true, nulls: []null{{ratio: 1.05}, {ratio: 1, plus: 0.0005}}}
	var past []verifier.Sample
	for i := range 120 {
		past = append(past, verifier.Sample{Count: float64(i%5 + 1), Exposure: 300})
	}
	c := newCounter(f, []arm{f.sum(past)}, f.spread(past), true, steps, 0.002)
	return c, verifier.Sample{T: time.Unix(30, 0), Count: 3, Exposure: 300}, verifier.Sample{T: time.Unix(30, 0), Count: 12, Exposure: 1200}
}

// A new sample costs a constant number of windows, and no memory.
func TestTakeAllocatesNothing(t *testing.T) {
	c, s, peer := steady(2000)
	if n := testing.AllocsPerRun(1000, func() { c.take(s, &peer, true) }); n != 0 {
		t.Errorf("%.1f allocations for a sample", n)
	}
}

func BenchmarkTake(b *testing.B) {
	for name, worse := range map[string]float64{"as before": 1, "a little worse": 1.25} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			c, s, peer := steady(240)
			s.Count *= worse
			own, paired := c.own, c.paired
			for b.Loop() {
				if len(c.own) > 240 {
					c.own = own[:1]
					for k := range paired {
						c.paired[k] = paired[k][:1]
					}
				}
				c.take(s, &peer, true)
			}
		})
	}
}
