package rules

import (
	"math"

	"verifier"
	"verifier/stats"
)

const (
	// stretchCounts is how far the bound on the error rate of all windows together may be stretched: they overlap, and counts are
	// discrete. TestFalseAlarms and `make bench-judge` hold the stated rate with it.
	stretchCounts = 1.5
	// agrees is what a stretch before has to say where peers carry the proof: the root of what is asked of them.
	agrees = 2.5
	// ownWays is how differently (squared, of the rate) two like hosts may do in one step, where events are too few to show it.
	ownWays = 0.15
)

// counter judges events as they come: a constant number of windows, which end with the newest step, is held against the stretch
// before and against what peers had in the same steps. Sums since the start are kept for each step, so a window is a difference.
type counter struct {
	frame
	scan   stats.Scan
	alpha  float64
	fixed  []arm // baselines that do not move
	spread stats.Spread
	peers  bool

	own    []arm
	paired [][]split // for each null, of the steps that both have
	found  match     // worse, once it was
}

// newCounter has room for so many steps; more are taken too. spread is that of the stretch before.
func newCounter(f frame, fixed []arm, spread stats.Spread, peers bool, steps int, alpha float64) *counter {
	c := &counter{frame: f, scan: stats.NewScan(steps), alpha: alpha * stretchCounts, fixed: fixed, spread: spread, peers: peers}
	c.own = append(make([]arm, 0, steps+1), arm{})
	for range f.nulls {
		c.paired = append(c.paired, append(make([]split, 0, steps+1), split{}))
	}
	return c
}

// take takes a step, and its peers' where they have it. It is looked at only where enough was seen.
func (c *counter) take(s verifier.Sample, peer *verifier.Sample, look bool) {
	var a arm
	a.x, a.n = c.events(s)
	last := c.own[len(c.own)-1]
	c.own = append(c.own, arm{last.x + a.x, last.n + a.n})
	for k, h := range c.nulls {
		sum := c.paired[k][len(c.paired[k])-1]
		if peer != nil {
			var b arm
			b.x, b.n = c.events(*peer)
			sum = sum.plus(h.split(a, b))
		}
		c.paired[k] = append(c.paired[k], sum)
	}
	if look && !c.found.worse && c.look() {
		c.found.to = s.T
	}
}

// look holds every window against its share of the error rate.
func (c *counter) look() bool {
	n := len(c.own) - 1
	if c.tail(n) <= c.alpha*c.scan.Growing() {
		c.found = match{worse: true, width: n}
		return true
	}
	for _, w := range stats.Widths {
		if w > n {
			break
		}
		if c.tail(w) <= c.alpha*c.scan.Window(w) {
			c.found = match{worse: true, width: w}
			return true
		}
	}
	return false
}

// tail is the weakest evidence of all baselines that the latest w steps are worse.
func (c *counter) tail(w int) float64 {
	p := 0.0
	if c.peers {
		p = c.tailOfPeers(w)
	}
	if p >= 1 {
		return p
	}
	n := len(c.own) - 1
	now, spread := c.own[n].minus(c.own[n-w]), c.spread.Of(w)
	for _, b := range c.fixed {
		q := c.spread.Doubt(c.worst(now, b, 1/spread), w)
		if c.peers {
			q = math.Pow(q, agrees)
		}
		p = max(p, q)
	}
	return p
}

func (c *counter) tailOfPeers(w int) float64 {
	p := 0.0
	for _, sums := range c.paired {
		n := len(sums) - 1
		s := sums[n].minus(sums[n-w])
		spread := max(c.spread.Of(1), 1+ownWays*min(s.x, s.expected)/float64(w))
		p = max(p, c.frame.tail(s, 1/spread, true))
	}
	return p
}

// count holds the events of the deployed version against all baselines.
func (v view) countMatches(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) []match {
	f := v.frame(cmp, side)
	var fixed []arm
	var spread stats.Spread
	var peers []verifier.Sample
	for _, a := range arms {
		switch a.arm {
		case verifier.ArmPeers:
			peers = a.samples
			continue
		case verifier.ArmBefore:
			spread = f.spread(a.samples)
		}
		fixed = append(fixed, f.sum(a.samples))
	}
	c := newCounter(f, fixed, spread, peers != nil, v.steps(), alpha)
	exposure, next := 0.0, 0
	var own, base arm // of the steps that peers have too
	for i, s := range v.after {
		for next < len(peers) && peers[next].T.Before(s.T) {
			next++
		}
		var peer *verifier.Sample
		if next < len(peers) && peers[next].T.Equal(s.T) {
			peer = &peers[next]
			own, base = add(own, f.sum([]verifier.Sample{s})), add(base, f.sum(peers[next:next+1]))
		}
		exposure += s.Exposure
		c.take(s, peer, v.enough(i+1, exposure))
	}
	return c.matches(own, base, len(v.after), alpha)
}

func add(a, b arm) arm { return arm{a.x + b.x, a.n + b.n} }

// matches is what the counter found and how the whole stretch stands against each baseline.
func (c *counter) matches(own, base arm, steps int, alpha float64) []match {
	all, weight := c.own[len(c.own)-1], 1/c.spread.Of(max(steps, 1))
	var out []match
	against := func(a, b arm, weight float64) {
		m := c.found
		m.inside = c.best(a, b, weight) <= alpha*c.scan.Growing()
		m.fine = c.worst(a, b, weight) > suspicious && c.precise(a, b, weight)
		out = append(out, m)
	}
	for _, b := range c.fixed {
		against(all, b, weight)
	}
	if c.peers {
		against(own, base, 1/c.spread.Of(1))
	}
	return out
}
