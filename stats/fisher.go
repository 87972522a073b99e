package stats

import "math"

// Fisher is the two-sided p-value of Fisher's exact test of two proportions, k of n and l of m: the chance of a table that is at most
// as likely as this one, given its sums, where both shares are the same. It is 1 where either has no n.
// Fisher, The logic of inductive inference, Journal of the Royal Statistical Society 98 (1935).
func Fisher(k, n, l, m int) float64 {
	if n <= 0 || m <= 0 || k < 0 || l < 0 || k > n || l > m {
		return 1
	}
	hits := k + l
	likely := func(i int) float64 { return choose(n, i) + choose(m, hits-i) - choose(n+m, hits) }
	const slack = 1e-7 // for tables that are just as likely, but for rounding
	seen, p := likely(k)+slack, 0.0
	for i := max(0, hits-m); i <= min(hits, n); i++ {
		if x := likely(i); x <= seen {
			p += math.Exp(x)
		}
	}
	return min(p, 1)
}

// choose is the logarithm of n over k.
func choose(n, k int) float64 {
	log := func(x int) float64 {
		l, _ := math.Lgamma(float64(x) + 1)
		return l
	}
	return log(n) - log(k) - log(n-k)
}
