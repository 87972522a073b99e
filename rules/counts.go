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

// spread is how much the counts of a stretch vary.
func (f frame) spread(samples []verifier.Sample) stats.Spread {
	counts, exposure := make([]float64, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		counts[i], exposure[i] = f.events(s)
	}
	return stats.NewSpread(counts, exposure)
}

// arm sums up events.
type arm struct{ x, n float64 }

func (f frame) sum(samples []verifier.Sample) (a arm) {
	for _, s := range samples {
		x, n := f.events(s)
		a.x, a.n = a.x+x, a.n+n
	}
	return a
}

func (a arm) minus(b arm) arm { return arm{a.x - b.x, a.n - b.n} }

// split is how the events of both arms fell: x of all are the deployed version's, where the null expects at most (at least, where
// fewer is worse) so many.
type split struct{ x, all, expected float64 }

func (h null) split(a, b arm) split {
	x, y := a.x+h.own*a.n, b.x+h.plus*b.n
	return split{x, x + y, (x + y) * stats.Split(h.ratio, a.n, b.n)}
}

func (s split) minus(t split) split {
	return split{s.x - t.x, s.all - t.all, s.expected - t.expected}
}

func (s split) plus(t split) split { return split{s.x + t.x, s.all + t.all, s.expected + t.expected} }

// plainly is how many standard deviations away a split must be before its exact tail is worth the time.
const plainly = 1.5

// tail is the chance that events fall that badly (or that well) while the null is true. A sum over steps of different shares varies
// less than one share throughout would (Hoeffding, On the distribution of the number of successes in independent trials, 1956).
func (f frame) tail(s split, weight float64, worse bool) float64 {
	if !(s.all > 0) {
		return 1
	}
	p := min(max(s.expected/s.all, 0), 1)
	if above := worse != f.below; above {
		if far := s.x - s.expected; far <= 0 || far*far*weight < plainly*plainly*s.expected*(1-p) {
			return 1
		}
		return stats.Above(s.x*weight, s.all*weight, p)
	}
	return stats.Below(s.x*weight, s.all*weight, p)
}

// worst is the largest tail of all nulls: a change must exceed each tolerance.
func (f frame) worst(a, b arm, weight float64) float64 {
	p := 0.0
	for _, h := range f.nulls {
		p = max(p, f.tail(h.split(a, b), weight, true))
	}
	return p
}

// best is the smallest tail the other way: inside the wider tolerance is inside.
func (f frame) best(a, b arm, weight float64) float64 {
	p := 1.0
	for _, h := range f.nulls {
		p = min(p, f.tail(h.split(a, b), weight, false))
	}
	return p
}

const (
	suspicious = 0.1 // a tail below this speaks for worse, if not surely
	missed     = 0.05
)

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
