package stats

import (
	"math"
	"slices"
)

// placeboWidths are the lengths of the windows of a [Placebo].
var placeboWidths = [...]int{1, 3, 5, 10, 20, 40}

const (
	levelOver   = 60  // values that make the level before a change
	placebos    = 200 // pseudo-changes, about
	fewPlacebos = 20
	oftenHigh   = 0.9   // the ordinary height of a placebo,
	timesOften  = 1.7   // which is to be exceeded so many times,
	rarelyHigh  = 0.995 // and its rare height
	timesRarely = 1.5
	days        = 7
	wholeDays   = 3   // from so many days on their shape is taken as it is
	partly      = 0.7 // of the shape of fewer
	worthIt     = 0.8 // shapes of other days are taken off if so little of the rest remains
)

// Placebo judges a single series by its own past: the same windows are held against what they show at pseudo-changes, at which
// nothing was changed. So it needs no distribution, and takes autocorrelation, spikes and habits of the day as they are. More is
// worse.
type Placebo struct {
	past     []float64
	levels   []float64 // the median of the values before each step, from the first that has enough of them
	day      int       // steps of a day
	watch    int
	seasonal bool
	height   [len(placeboWidths)]float64 // that a window has to exceed; 0 where there were none

	now  shape     // of the days before the change
	sums []float64 // since the change; one entry more than values
}

// NewPlacebo learns from the past of a series, in steps of which a day has so many, for a watch of so many steps. It is nil where the
// past is too short for a few dozen pseudo-changes.
func NewPlacebo(past []float64, day, watch int) *Placebo {
	p := &Placebo{past: past, day: day, watch: max(watch, 1), levels: levels(past)}
	room := len(past) - levelOver - p.watch
	if room < fewPlacebos {
		return nil
	}
	every := max(1, room/placebos)
	p.seasonal = p.shapesHelp(4 * every)
	var heights [len(placeboWidths)][]float64
	path := make([]float64, p.watch)
	first := p.first()
	every = max(1, (len(past)-p.watch-first)/placebos)
	for at := first; at+p.watch <= len(past); at += every {
		p.path(at, path)
		for i, h := range climb(path) {
			heights[i] = append(heights[i], h)
		}
	}
	for i, h := range heights {
		slices.Sort(h)
		last := float64(len(h) - 1)
		p.height[i] = max(timesOften*h[int(oftenHigh*last)], timesRarely*h[int(math.Ceil(rarelyHigh*last))], math.SmallestNonzeroFloat64)
	}
	p.now = p.shape(len(past))
	p.sums = append(make([]float64, 0, p.watch+1), 0)
	return p
}

// first is the first pseudo-change: where other days count, one that has as many of them as the change itself, if that leaves enough.
func (p *Placebo) first() int {
	for d := min(wholeDays, (len(p.past)-levelOver)/max(p.day, 1)); p.seasonal && d > 0; d-- {
		if first := levelOver + d*p.day; len(p.past)-p.watch-first >= max(fewPlacebos, p.day/2) {
			return first
		}
	}
	return levelOver
}

// shapesHelp reports whether other days' shapes make placebos flatter.
func (p *Placebo) shapesHelp(every int) bool {
	with, without := 0.0, 0.0
	path := make([]float64, p.watch)
	for at := levelOver + p.day; p.day > 0 && at+p.watch <= len(p.past); at += every {
		for _, seasonal := range []bool{true, false} {
			p.seasonal = seasonal
			p.path(at, path)
			for _, r := range path {
				if seasonal {
					with += math.Abs(r)
				} else {
					without += math.Abs(r)
				}
			}
		}
	}
	return with < worthIt*without
}

// levels has, for each step and for the one after the last, the median of the levelOver values before it.
func levels(past []float64) []float64 {
	out := make([]float64, len(past)+1)
	sorted := slices.Sorted(slices.Values(past[:levelOver]))
	for i := levelOver; ; i++ {
		out[i] = (sorted[levelOver/2-1] + sorted[levelOver/2]) / 2
		if i == len(past) {
			return out
		}
		gone, _ := slices.BinarySearch(sorted, past[i-levelOver])
		sorted = slices.Delete(sorted, gone, gone+1)
		at, _ := slices.BinarySearch(sorted, past[i])
		sorted = slices.Insert(sorted, at, past[i])
	}
}

// path is how the values after a pseudo-change lie above the level before it, less what they did on other days.
func (p *Placebo) path(at int, out []float64) {
	s := p.shape(at)
	for j := range out {
		out[j] = p.past[at+j] - p.levels[at] - s.rise(p, j)
	}
}

// shape is the same time of the day on other days: their steps, and how much of what they did is taken off.
type shape struct {
	from [days]int
	n    int
	part float64
}

func (p *Placebo) shape(at int) shape {
	s := shape{part: 1}
	for p.seasonal && s.n < days && at-(s.n+1)*p.day >= levelOver {
		s.from[s.n] = at - (s.n+1)*p.day
		s.n++
	}
	if s.n < wholeDays {
		s.part = partly
	}
	return s
}

// rise is what other days did j steps later, above their level: the highest of three neighbouring steps, the median of days.
func (s shape) rise(p *Placebo, j int) float64 {
	if s.n == 0 {
		return 0
	}
	var rises [days]float64
	for d, from := range s.from[:s.n] {
		high := math.Inf(-1)
		for k := max(from, from+j-1); k <= from+j+1 && k < len(p.past); k++ {
			high = max(high, p.past[k])
		}
		rises[d] = high - p.levels[from]
	}
	slices.Sort(rises[:s.n])
	return s.part * (rises[(s.n-1)/2] + rises[s.n/2]) / 2
}

// climb is the highest mean of all windows of each width.
func climb(path []float64) (heights [len(placeboWidths)]float64) {
	for i, w := range placeboWidths {
		sum := 0.0
		for j, x := range path {
			sum += x
			if j >= w {
				sum -= path[j-w]
			}
			if j >= w-1 {
				heights[i] = max(heights[i], sum/float64(w))
			}
		}
	}
	return heights
}

// Take takes the next value after the change. It returns the width of a window that ends with it, lies more than room above the level
// before, and is higher than windows at pseudo-changes were; 0 where there is none.
func (p *Placebo) Take(x, room float64) int {
	n := len(p.sums)
	p.sums = append(p.sums, p.sums[n-1]+x-p.levels[len(p.past)]-p.now.rise(p, n-1))
	for i, w := range placeboWidths {
		if w > n {
			break
		}
		if mean := (p.sums[n] - p.sums[n-w]) / float64(w); mean > max(p.height[i], room) {
			return w
		}
	}
	return 0
}
