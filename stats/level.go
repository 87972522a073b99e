package stats

import "math"

// Level is where the values of a stretch lie and how they vary from step to step. Values far out are drawn in, so that a single one
// moves neither: Low and High are where to.
type Level struct {
	N         int
	Mean      float64
	Scale     float64 // standard deviation of one value
	Alike     float64 // so many times a sum varies more, because neighbours are alike; at least 1
	Low, High float64

	highest [len(Widths)]float64 // how far above Mean the mean of a window was at most, by width
}

// normal makes the median deviation the standard deviation of a normal distribution.
const normal = 1.4826

// NewLevel measures a stretch. Values further than so many standard deviations from the median are drawn in.
func NewLevel(values []float64, far float64) Level {
	l := Level{N: len(values), Low: math.Inf(-1), High: math.Inf(1), Alike: 1}
	if l.N == 0 {
		return l
	}
	middle := Median(values)
	l.Scale = robustScale(values, middle)
	if l.Scale > 0 {
		l.Low, l.High = middle-far*l.Scale, middle+far*l.Scale
	} else {
		l.Scale = rootMeanSquare(values, middle)
	}
	drawn := make([]float64, l.N)
	for i, x := range values {
		drawn[i] = l.Draw(x)
	}
	l.Mean = Sum(drawn) / float64(l.N)
	alike := min(max(Alike(drawn), 0), mostAlike)
	l.Alike = (1 + alike) / (1 - alike)
	l.climb(values)
	return l
}

const mostAlike = 0.95

// robustScale is the larger of what the distances from the median and from the neighbour say.
func robustScale(values []float64, middle float64) float64 {
	far, apart := make([]float64, len(values)), make([]float64, 0, len(values))
	for i, x := range values {
		far[i] = math.Abs(x - middle)
		if i > 0 {
			apart = append(apart, math.Abs(x-values[i-1]))
		}
	}
	scale := normal * Median(far)
	if len(apart) > 0 {
		scale = max(scale, normal*Median(apart)/math.Sqrt2)
	}
	return scale
}

func rootMeanSquare(values []float64, middle float64) float64 {
	sum := 0.0
	for _, x := range values {
		sum += (x - middle) * (x - middle)
	}
	return math.Sqrt(sum / float64(len(values)))
}

// climb finds, for widths of which the stretch holds three or more, the window that is furthest above the mean.
func (l *Level) climb(values []float64) {
	for i, w := range Widths {
		if 3*w > len(values) {
			return
		}
		sum := 0.0
		for j, x := range values {
			sum += x
			if j >= w {
				sum -= values[j-w]
			}
			if j >= w-1 {
				l.highest[i] = max(l.highest[i], sum/float64(w)-l.Mean)
			}
		}
	}
}

// Draw draws a value in.
func (l Level) Draw(x float64) float64 { return min(max(x, l.Low), l.High) }

// Highest is how far above the mean a window of that width (one of [Widths]) has been; 0 where the stretch held too few of them.
func (l Level) Highest(w int) float64 {
	for i, width := range Widths {
		if width == w {
			return l.highest[i]
		}
	}
	return 0
}

// Error is the standard error of a mean of w values of this scale that are as alike as these.
func (l Level) Error(scale float64, w int) float64 {
	n := float64(w)
	return scale * math.Sqrt(min(l.Alike, n)/n)
}

// slowFreedom is what a long stretch of slow values is worth all the same: a drift is not scatter.
const slowFreedom = 8

// Freedom is how many independent values the stretch is worth, less one.
func (l Level) Freedom() float64 {
	return max(float64(l.N)/l.Alike-1, min(float64(l.N-1), slowFreedom))
}
