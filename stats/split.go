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
