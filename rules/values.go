package rules

import (
	"math"

	"verifier"
	"verifier/stats"
)

const (
	// stretchValues narrows the bound on the error rate of all windows together: values have heavier tails than the normal
	// distribution has. TestFalseAlarms and `make bench-judge` hold the stated rate with it.
	stretchValues = 0.5
	// fewRequests is how many requests a step needs for its percentile to mean something, where their number is known.
	fewRequests = 5
	// withLoad is how fast times grow with the load (as a power of it) where no peers share it: nobody is to blame for that.
	withLoad = 1.0 / 3
	// higherThan ever before a window has to be, so many times.
	higherThan = 1.3
	// surelyOf is the part of what is tolerated that a change must surely exceed; all of it has to be exceeded by what was seen. Of
	// values only their scatter is known: to be sure of the rest too would take several times as long.
	surelyOf    = 0.3
	leastVaries = 0.02 // a stretch that does not vary at all is taken to vary by so much of what is tolerated
	fewValues   = 3    // of less than so many nothing is known
	clearly     = 2    // standard errors below which no tail is worth the time
)

// farOut is how far out a value may be, in standard deviations, before it is drawn in: the fewer there will be, the more each counts.
func farOut(steps int) float64 { return max(3, 15/math.Sqrt(float64(max(steps, 1)))) }

// turn makes more worse, and takes logarithms of what is positive throughout: what gets worse is a multiple.
type turn struct {
	sign float64
	logs bool
}

func newTurn(side verifier.Worse, lists ...[]verifier.Sample) turn {
	t := turn{1, true}
	if side == verifier.Lower {
		t.sign = -1
	}
	for _, list := range lists {
		for _, s := range list {
			t.logs = t.logs && s.Value > 0
		}
	}
	return t
}

func (t turn) of(x float64) float64 {
	if t.logs {
		x = math.Log(x)
	}
	return t.sign * x
}

func (t turn) all(samples []verifier.Sample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = t.of(s.Value)
	}
	return out
}

// yardstick is a stretch that values are held against, and how far above it they may lie.
type yardstick struct {
	level stats.Level
	room  float64
	high  float64
	sums  []float64 // of the values, drawn in, since the start; one entry more than steps
	apart float64   // squared distances of neighbours
}

func newYardstick(level stats.Level, room float64, steps int) *yardstick {
	level.Scale = max(level.Scale, leastVaries*room)
	return &yardstick{level: level, room: room, high: level.High + 2*room, sums: append(make([]float64, 0, steps+1), 0)}
}

func (y *yardstick) draw(x float64) float64 { return min(max(x, y.level.Low), y.high) }

func (y *yardstick) take(x, before float64) {
	x = y.draw(x)
	n := len(y.sums) - 1
	if n > 0 {
		d := x - y.draw(before)
		y.apart += d * d / 2
	}
	y.sums = append(y.sums, y.sums[n]+x)
}

// scale is the standard deviation of the new values: theirs or the stretch's, whichever is more.
func (y *yardstick) scale() float64 {
	n := len(y.sums) - 1
	if n < 2 {
		return y.level.Scale
	}
	return max(y.level.Scale, math.Sqrt(y.apart/float64(n-1)))
}

// tail is the chance of the mean of the latest w values where they are as far above the stretch as is tolerated, and as the load is granted.
func (y *yardstick) tail(w int, load float64) float64 {
	n := len(y.sums) - 1
	above := (y.sums[n]-y.sums[n-w])/float64(w) - y.level.Mean
	if above <= max(y.level.Highest(w)*higherThan, y.room+load) {
		return 1
	}
	z := (above - y.room*surelyOf - load) / math.Hypot(y.level.Error(y.scale(), w), y.level.Error(y.level.Scale, y.level.N))
	if !(z > clearly) {
		return 1
	}
	return stats.StudentAbove(z, y.level.Freedom())
}

// valuer judges values as they come, by the means of a constant number of windows that end with the newest step.
type valuer struct {
	turn
	scan   stats.Scan
	alpha  float64
	sticks []*yardstick
	peers  *yardstick // their level, and what is tolerated against them
	gaps   []float64  // of the distances to the peers in the same step, drawn in
	gap    float64    // the last one
	wide   float64    // squared distances of neighbouring gaps
	both   []int      // steps that peers have too
	usual  float64    // requests of a step before; 0 where unknown
	loads  []float64  // of the requests

	last  float64
	found match // worse, once it was
}

// take takes a step, and its peers' where they have it.
func (u *valuer) take(s verifier.Sample, requests float64, peer *verifier.Sample, look bool) {
	x := u.of(s.Value)
	u.loads = append(u.loads, u.loads[len(u.loads)-1]+requests)
	for _, y := range u.sticks {
		y.take(x, u.last)
	}
	n := len(u.both) - 1
	gap, both := u.gaps[n], u.both[n]
	if u.peers != nil {
		u.peers.take(x, u.last)
		if peer != nil {
			now := u.peers.draw(x) - u.peers.draw(u.of(peer.Value))
			if both > 0 {
				u.wide += (now - u.gap) * (now - u.gap) / 2
			}
			gap, both, u.gap = gap+now, both+1, now
		}
	}
	u.gaps, u.both = append(u.gaps, gap), append(u.both, both)
	u.last = x
	if !look || u.found.worse {
		return
	}
	for _, w := range stats.Widths {
		if w > n+1 {
			return
		}
		if u.tail(w) <= u.alpha*u.scan.Window(w)*2 {
			u.found = match{worse: true, width: w, to: s.T}
			return
		}
	}
}

// tail is the weakest evidence of all baselines that the latest w values are worse.
func (u *valuer) tail(w int) float64 {
	p, load := 0.0, 0.0
	if u.peers != nil {
		p = u.tailOfPeers(w)
	} else {
		load = u.load(w)
	}
	for _, y := range u.sticks {
		if p >= 1 {
			return 1
		}
		p = max(p, y.tail(w, load))
	}
	return p
}

// load is what the latest w steps are granted for their load, as a logarithm.
func (u *valuer) load(w int) float64 {
	n := len(u.loads) - 1
	now := (u.loads[n] - u.loads[n-w]) / float64(w)
	if !u.logs || u.usual <= 0 || now <= u.usual {
		return 0
	}
	return max(0, u.sign) * withLoad * math.Log(now/u.usual)
}

func (u *valuer) tailOfPeers(w int) float64 {
	n := len(u.both) - 1
	both := u.both[n] - u.both[n-w]
	if both < (w+1)/2 {
		return 1
	}
	above := (u.gaps[n] - u.gaps[n-w]) / float64(both)
	if above <= u.peers.room {
		return 1
	}
	err, freedom := u.errorOfGap(both)
	z := (above - u.peers.room*surelyOf) / err
	if !(z > clearly) {
		return 1
	}
	return stats.StudentAbove(z, freedom)
}

// errorOfGap is the standard error of the mean distance over so many steps, and what it is known from: how values varied before or,
// where nothing is known of that, how the distances themselves vary.
func (u *valuer) errorOfGap(steps int) (err, freedom float64) {
	level := u.peers.level
	if len(u.sticks) > 0 {
		return level.Error(math.Hypot(u.peers.scale(), level.Scale), steps), level.Freedom()
	}
	seen := float64(max(u.both[len(u.both)-1]-1, 1))
	scale := max(math.Sqrt(u.wide/seen), leastVaries*u.peers.room)
	return scale / math.Sqrt(float64(steps)), seen
}

// valueMatch holds values against all baselines at once.
func (v view) valueMatch(cmp verifier.Compare, side verifier.Worse, arms []against, alpha float64) match {
	after := v.thick()
	if before, ok := alone(arms); ok {
		if m, ok := v.placeboMatch(cmp, side, before, after); ok {
			return m
		}
	}
	u, peers := v.newValuer(cmp, side, arms, after, alpha)
	if len(u.sticks) == 0 && u.peers == nil {
		return match{}
	}
	requests := v.requests(verifier.ArmDeployed)
	next, wait := 0, fewValues
	if v.steps() < 2*fewValues {
		wait = 1
	}
	for i, s := range after {
		for next < len(peers) && peers[next].T.Before(s.T) {
			next++
		}
		var peer *verifier.Sample
		if next < len(peers) && peers[next].T.Equal(s.T) {
			peer = &peers[next]
		}
		u.take(s, requests[s.T.UnixNano()], peer, i+1 >= wait && v.enough(i+1, 0))
	}
	return u.match(len(after), alpha)
}

func (v view) newValuer(cmp verifier.Compare, side verifier.Worse, arms []against, after []verifier.Sample, alpha float64) (*valuer, []verifier.Sample) {
	lists := [][]verifier.Sample{after}
	for _, a := range arms {
		lists = append(lists, a.samples)
	}
	steps := v.steps()
	u := &valuer{turn: newTurn(side, lists...), scan: stats.NewScan(steps), alpha: alpha * stretchValues, usual: v.usualLoad()}
	u.loads = append(make([]float64, 0, steps+1), 0)
	u.gaps, u.both = append(make([]float64, 0, steps+1), 0), append(make([]int, 0, steps+1), 0)
	var peers []verifier.Sample
	for _, a := range arms {
		if a.arm == verifier.ArmPeers {
			peers = a.samples
		} else if len(a.samples) >= fewValues {
			u.sticks = append(u.sticks, u.stick(cmp, side, a, steps))
		}
	}
	if len(peers) > 0 {
		a := against{verifier.ArmPeers, peers, stats.Median(values(peers))}
		u.peers = u.stick(cmp, side, a, steps)
		if len(u.sticks) > 0 {
			u.peers.level = u.sticks[0].level // how values vary is known best from the stretch before
		}
		u.peers.level.Low, u.peers.high = math.Inf(-1), math.Inf(1)
	}
	return u, peers
}

// stick measures a baseline; what is tolerated is turned with it.
func (u *valuer) stick(cmp verifier.Compare, side verifier.Worse, a against, steps int) *yardstick {
	level := stats.NewLevel(u.all(a.samples), farOut(steps))
	bound := tolerated(cmp, side, a.base)
	room := math.Inf(1) // a positive value is never below nothing
	if !u.logs || bound > 0 {
		room = u.of(bound) - u.of(a.base)
	}
	return newYardstick(level, room, steps)
}

// match is what the valuer found. Values are inside where their mean surely is, of the wider of all.
func (u *valuer) match(n int, alpha float64) match {
	m := u.found
	for _, y := range u.sticks {
		m.inside = m.inside || n > 0 && y.inside(n, u.scan.Growing()*alpha)
		m.fine = m.fine || n >= fewValues && y.fine(n)
	}
	if u.peers != nil {
		both := u.both[len(u.both)-1]
		gap := u.gaps[len(u.gaps)-1] / float64(max(both, 1))
		err, freedom := u.errorOfGap(max(both, 1))
		m.inside = m.inside || both > 0 && stats.StudentAbove((u.peers.room-gap)/err, freedom) <= u.scan.Growing()*alpha
		m.fine = m.fine || both >= fewValues && gap <= u.peers.room
	}
	return m
}

// inside reports whether the mean of all values is surely within what is tolerated.
func (y *yardstick) inside(n int, level float64) bool {
	mean := y.sums[n]/float64(n) - y.level.Mean
	z := (y.room - mean) / math.Hypot(y.level.Error(y.scale(), n), y.level.Error(y.level.Scale, y.level.N))
	return stats.StudentAbove(z, y.level.Freedom()) <= level
}

// fine reports whether nothing speaks for worse: the mean is within what is tolerated.
func (y *yardstick) fine(n int) bool { return y.sums[n]/float64(n)-y.level.Mean <= y.room }
