package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Widths are the lengths, in steps, of the windows that a scan looks at. Each ends with the newest step.
var Widths = [...]int{1, 2, 4, 8, 16, 32, 64}

// Scan divides an error rate over the windows of so many steps: half on the windows of each of the [Widths], where windows of one
// width that do not overlap share alike, and half on the growing window since the start, where each doubling gets the same. Windows
// that overlap say much the same, so this bound is wide: the caller's simulations tell by how much it may be stretched.
type Scan struct {
	steps, widths, doublings float64
}

// NewScan plans the scan of so many steps.
func NewScan(steps int) Scan {
	s := Scan{steps: float64(max(steps, 1))}
	for _, w := range Widths {
		if w <= steps {
			s.widths++
		}
	}
	s.doublings = max(1, math.Log2(s.steps))
	return s
}

// Window is the share of the error rate for one look at the latest w steps.
func (s Scan) Window(w int) float64 {
	if s.widths == 0 {
		return 0
	}
	return 0.5 / s.widths * min(1, float64(w)/s.steps)
}

// Growing is the share of the error rate for one look at all steps so far.
func (s Scan) Growing() float64 { return 0.5 / s.doublings / 2 }

// Spread is how much more counts vary than independent events would, by the width of the window: neighbouring steps have their
// ups and downs together, so that a sum over many varies more than one step tells.
type Spread struct {
	steps  int
	burst  bool
	factor [len(Widths)]float64 // of the widths up to a quarter of the steps; the largest so far
}

// surelyMore is how many standard errors a dispersion must be above 1 to be believed.
const surelyMore = 2

// NewSpread measures the spread of a stretch. exposure has one entry for each count. It is 1 throughout where no width shows more
// than chance would.
func NewSpread(counts, exposure []float64) Spread {
	s := Spread{steps: len(counts)}
	k, most := Sum(counts), 1.0
	for i, w := range Widths {
		if blocks := float64(len(counts) / w); blocks >= 4 && k > 0 {
			d := DispersionOf(counts, exposure, w)
			mean := k / float64(len(counts)) * float64(w)
			s.burst = s.burst || d > 1+surelyMore*math.Sqrt((2+1/mean)/blocks)
			most = max(most, d)
		}
		s.factor[i] = most
	}
	return s
}

// Of is the dispersion to be reckoned with over w steps: more for long windows, of which the stretch held few.
func (s Spread) Of(w int) float64 {
	if !s.burst {
		return 1
	}
	f := s.factor[0]
	for i, width := range Widths {
		if width <= w {
			f = s.factor[i]
		}
	}
	return 1 + (f-1)*(1+2*math.Sqrt(2*min(float64(w), float64(s.steps))/float64(s.steps)))
}

// Doubt widens a tail for a spread that is known from few windows of that length only: as Student's distribution has it.
func (s Spread) Doubt(p float64, w int) float64 {
	if !s.burst || p <= 0 || p >= 0.5 {
		return p
	}
	return StudentAbove(-distuv.UnitNormal.Quantile(max(p, math.SmallestNonzeroFloat64)), float64(s.steps)/float64(w))
}

// DispersionOf is the [Dispersion] of sums over w neighbouring steps, in windows that overlap by half.
func DispersionOf(counts, exposure []float64, w int) float64 {
	if w <= 1 {
		return Dispersion(counts, exposure)
	}
	var k, n []float64
	for i := 0; i+w <= len(counts); i += w / 2 {
		k, n = append(k, Sum(counts[i:i+w])), append(n, Sum(exposure[i:i+w]))
	}
	return Dispersion(k, n)
}

const leastFreedom = 3

// StudentAbove is the probability that Student's t with so many degrees of freedom (at least 3 are taken) exceeds z.
func StudentAbove(z, freedom float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: max(freedom, leastFreedom)}.Survival(z)
}
