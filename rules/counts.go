package rules

import (
	"verifier"
	"verifier/stats"
)

// null is one tolerance as a hypothesis: the deployed version's rate (and own on top) is at most (at least, where lower is
// worse) so many times the baseline's with plus on top.
type null struct{ ratio, plus, own float64 }

// frame turns samples into events that get worse in one way: shares where lower is worse are counted by their failures, whose
// change is seen much sooner.
type frame struct {
	trials bool
	failed bool // count what is not counted
	below  bool // fewer is worse
	nulls  []null
}

func (v view) frame(cmp verifier.Compare, side verifier.Worse) frame {
	f := frame{trials: v.trials}
	t, plus := cmp.Tolerate, cmp.AtLeast
	switch {
	case side == verifier.Higher:
		f.nulls = []null{{ratio: 1 + t}}
	case v.trials && t < 1:
		f.failed = true
		f.nulls = []null{{ratio: 1 - t, plus: t / (1 - t)}} // failures of the whole: t + (1-t) times the baseline's
	case v.trials:
		f.failed = true
		f.nulls = []null{{ratio: 1, plus: 1}} // unreachable by any share: all of it is tolerated
	default:
		f.below = true
		f.nulls = []null{{ratio: max(1-t, 0)}}
	}
	if plus > 0 && f.below {
		f.nulls = append(f.nulls, null{ratio: 1, own: plus})
	} else if plus > 0 {
		f.nulls = append(f.nulls, null{ratio: 1, plus: plus})
	}
	return f
}

// events is the step's count and what it was counted among.
func (f frame) events(s verifier.Sample) (x, n float64) {
	if !f.trials {
		return s.Count, 1
	}
	x = min(s.Count, s.Exposure)
	if f.failed {
		x = s.Exposure - x
	}
	return x, s.Exposure
}

func (f frame) dispersion(samples []verifier.Sample) float64 {
	counts, exposure := make([]float64, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		counts[i], exposure[i] = f.events(s)
	}
	return stats.Dispersion(counts, exposure)
}

// arm sums up events.
type arm struct{ x, n float64 }

func (a *arm) add(f frame, s verifier.Sample, sign float64) {
	x, n := f.events(s)
	a.x += sign * x
	a.n += sign * n
}

// tail is the chance that the split between both arms is that bad (or that good) while the null is true.
func (f frame) tail(h null, a, b arm, weight float64, worse bool) float64 {
	x, y := a.x+h.own*a.n, b.x+h.plus*b.n
	p := stats.Split(h.ratio, a.n, b.n)
	if worse != f.below {
		if x <= (x+y)*p {
			return 1 // on the good side: spares the exact tail
		}
		return stats.Above(x*weight, (x+y)*weight, p)
	}
	return stats.Below(x*weight, (x+y)*weight, p)
}

// worst is the largest tail of all nulls: a change must exceed each tolerance.
func (f frame) worst(a, b arm, weight float64) float64 {
	p := 0.0
	for _, h := range f.nulls {
		p = max(p, f.tail(h, a, b, weight, true))
	}
	return p
}

// best is the smallest tail the other way: inside the wider tolerance is inside.
func (f frame) best(a, b arm, weight float64) float64 {
	p := 1.0
	for _, h := range f.nulls {
		p = min(p, f.tail(h, a, b, weight, false))
	}
	return p
}

const (
	recent     = 8   // steps of the window in which late changes are looked for
	suspicious = 0.1 // a tail below this speaks for worse, if not surely
	missed     = 0.05
)

// againstFixed looks, after every step, at all steps since the deploy and at the recent ones; half of the error rate is spent
// on each.
func (v view) againstFixed(f frame, baseline []verifier.Sample, alpha, weight float64) match {
	var base, all, late arm
	for _, s := range baseline {
		base.add(f, s, 1)
	}
	var m match
	looks, steps := stats.NewLooks(v.steps()), float64(v.steps())
	exposure := 0.0
	for i, s := range v.after {
		all.add(f, s, 1)
		late.add(f, s, 1)
		if i >= recent {
			late.add(f, v.after[i-recent], -1)
		}
		exposure += s.Exposure
		if m.worse || !v.enough(i+1, exposure) {
			continue
		}
		m.worse = f.worst(all, base, weight) <= alpha/2*looks.Share(i+1) ||
			i >= recent && f.worst(late, base, weight) <= alpha/2/steps
	}
	m.inside = f.best(all, base, weight) <= alpha*looks.Share(len(v.after))
	m.fine = f.worst(all, base, weight) > suspicious && f.precise(all, base, weight)
	return m
}

// againstPeers bets step by step on how the events of that step split.
func (v view) againstPeers(f frame, peers []verifier.Sample, alpha, weight float64) match {
	bets := make([]stats.Bet, len(f.nulls))
	for i := range bets {
		bets[i] = stats.BetAbove(v.steps())
		if f.below {
			bets[i] = stats.BetBelow(v.steps())
		}
	}
	var own, base arm
	seen, exposure := 0, 0.0
	var m match
	v.pairs(peers, func(s, peer verifier.Sample) {
		var a, b arm
		a.add(f, s, 1)
		b.add(f, peer, 1)
		own.add(f, s, 1)
		base.add(f, peer, 1)
		least := 0.0
		for i, h := range f.nulls {
			x, y := a.x+h.own*a.n, b.x+h.plus*b.n
			if x+y > 0 {
				bets[i].Take(x, x+y, stats.Split(h.ratio, a.n, b.n), weight)
			}
			if i == 0 || bets[i].Evidence() < least {
				least = bets[i].Evidence()
			}
		}
		seen++
		exposure += s.Exposure
		m.worse = m.worse || least >= 1/alpha && v.enough(seen, exposure)
	})
	m.fine = seen > 0 && f.worst(own, base, weight) > suspicious && f.precise(own, base, weight)
	return m
}

// pairs walks both series and takes the steps that both have.
func (v view) pairs(peers []verifier.Sample, take func(s, peer verifier.Sample)) {
	i := 0
	for _, s := range v.after {
		for i < len(peers) && peers[i].T.Before(s.T) {
			i++
		}
		if i < len(peers) && peers[i].T.Equal(s.T) {
			take(s, peers[i])
		}
	}
}

// precise reports whether a clear change would have been seen: the rate is surely below twice the baseline's, one point more,
// or what is tolerated, whichever is most. (Where fewer is worse: surely above half.)
func (f frame) precise(a, b arm, weight float64) bool {
	if !(a.n > 0) || !(b.n > 0) {
		return false
	}
	base := b.x / b.n
	if f.below {
		return stats.LowerMean(a.x*weight, missed) >= base/2*a.n*weight
	}
	clear := 2 * base
	for _, h := range f.nulls {
		clear = max(clear, h.ratio*(base+h.plus))
	}
	if f.trials {
		return stats.UpperRate(a.x*weight, a.n*weight, missed) <= max(clear, base+0.01)
	}
	return stats.UpperMean(a.x*weight, missed) <= max(clear*a.n, base*a.n+5)*weight
}
