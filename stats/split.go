package stats

import (
	"gonum.org/v1/gonum/mathext"
)

// Split is the probability that an event is the first arm's, where its rate is so many times the second's.
func Split(ratio, exposure, other float64) float64 {
	if !(exposure > 0) {
		return 0
	}
	return ratio * exposure / (ratio*exposure + other)
}

// Above is the probability of x or more successes in n trials of probability p. Fractions of events are welcome.
func Above(x, n, p float64) float64 {
	switch {
	case x <= 0 || p >= 1:
		return 1
	case x > n || p <= 0:
		return 0
	}
	return mathext.RegIncBeta(x, n-x+1, p)
}

// Below is the probability of x or fewer successes in n trials of probability p.
func Below(x, n, p float64) float64 { return Above(n-x, n, 1-p) }

// Looks divides an error rate over so many looks at a growing sample: look k gets a share that falls as 1/k, which is the same
// for each doubling of the sample.
type Looks struct{ whole float64 }

// NewLooks plans n looks.
func NewLooks(n int) Looks {
	whole := 0.0
	for k := 1; k <= max(n, 1); k++ {
		whole += 1 / float64(k)
	}
	return Looks{whole}
}

// Share is the share of look k, which counts from 1. The shares of all planned looks add up to 1.
func (l Looks) Share(k int) float64 { return 1 / (float64(max(k, 1)) * l.whole) }
