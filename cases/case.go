package cases

import (
	"cmp"
	"math"
	"slices"
	"time"

	"verifier"
)

// Kind is what the samples of a series are.
type Kind string

// The kinds of series.
const (
	Count Kind = "count" // events of a step, among an exposure or not
	Ratio Kind = "ratio" // between 0 and 1, of an unknown exposure
	Value Kind = "value" // a gauge or a percentile
)

// Case is one deploy with what was measured around it.
type Case struct {
	ID         string
	Service    string
	DeployedAt time.Time
	Until      time.Time // end of the watch
	Step       time.Duration
	Series     []Series
	Label      *Label // nil where nobody said
	Line       int    // of the file
}

// Series is one thing that was measured.
type Series struct {
	Name     string
	Kind     Kind
	Worse    verifier.Worse
	Unit     string
	Deployed []verifier.Sample // before and after the deploy; several at one time (pods) are put together
	Control  []verifier.Sample // of instances on the old version, during the watch
}

// Label is the truth about a case.
type Label struct {
	Bad   bool
	Onset time.Time // when the trouble began; zero: with the deploy
	Kind  string
	Group string // cases of one group share data
}

// Verdict is what was said of a case. Outcome is fail, pass or inconclusive, At when it was decided.
type Verdict struct {
	ID      string           `json:"id"`
	Outcome verifier.Outcome `json:"outcome"`
	At      float64          `json:"at"`
	Reason  string           `json:"reason"`
}

// together puts samples of one time together: counts are added up, values averaged.
func together(samples []verifier.Sample, kind Kind) []verifier.Sample {
	var out []verifier.Sample
	for from := 0; from < len(samples); {
		to := from
		sum := verifier.Sample{T: samples[from].T}
		for ; to < len(samples) && samples[to].T.Equal(sum.T); to++ {
			sum.Value += samples[to].Value
			sum.Count += samples[to].Count
			sum.Exposure += samples[to].Exposure
		}
		if kind != Count {
			sum.Value /= float64(to - from)
		}
		out = append(out, sum)
		from = to
	}
	return out
}

// Traffic reports whether the series counts what comes in: requests or lines, more or fewer of which are no fault by themselves.
func (s Series) Traffic() bool {
	return s.Kind == Count && s.Worse == verifier.Either && !slices.ContainsFunc(s.Deployed, func(s verifier.Sample) bool { return s.Exposure > 0 })
}

// Aligned is the case moved so that steps end at whole multiples of the step, as the daemon's do, and by how much. Samples between
// two steps belong to the step that they fall into.
func (c Case) Aligned() (Case, time.Duration) {
	by := c.Step - c.phase()
	if by == c.Step {
		by = 0
	}
	out := c
	out.DeployedAt, out.Until = c.DeployedAt.Add(by), c.Until.Add(by)
	out.Series = slices.Clone(c.Series)
	for i, s := range out.Series {
		out.Series[i].Deployed, out.Series[i].Control = s.moved(s.Deployed, by, c.Step), s.moved(s.Control, by, c.Step)
	}
	return out, by
}

func (s Series) moved(samples []verifier.Sample, by, step time.Duration) []verifier.Sample {
	out := slices.Clone(samples)
	for i, x := range out {
		at := x.T.Add(by).UnixNano()
		if rest := at % int64(step); rest != 0 {
			at += int64(step) - rest
		}
		out[i].T = time.Unix(0, at).UTC()
	}
	return together(out, s.Kind)
}

// phase is how far after a whole multiple of the step most samples end.
func (c Case) phase() time.Duration {
	often := map[int64]int{}
	for _, s := range c.Series {
		for _, x := range s.Deployed {
			often[x.T.UnixNano()%int64(c.Step)]++
		}
	}
	best := int64(0)
	for phase, n := range often {
		if n > often[best] || n == often[best] && phase < best {
			best = phase
		}
	}
	return time.Duration(best)
}

// Before is the stretch from the first sample to the deploy.
func (c Case) Before() time.Time {
	first := c.DeployedAt
	for _, s := range c.Series {
		if len(s.Deployed) > 0 && s.Deployed[0].T.Before(first) {
			first = s.Deployed[0].T
		}
	}
	return first
}

// Newest is the time of the last sample of all at or before now, of any series and instance; zero without any.
func (c Case) Newest(now time.Time) time.Time {
	var newest time.Time
	for _, s := range c.Series {
		for _, list := range [][]verifier.Sample{s.Deployed, s.Control} {
			i, _ := slices.BinarySearchFunc(list, now, func(x verifier.Sample, t time.Time) int { return cmp.Compare(x.T.UnixNano(), t.UnixNano()+1) })
			if i > 0 && list[i-1].T.After(newest) {
				newest = list[i-1].T
			}
		}
	}
	return newest
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func at(seconds float64) time.Time { return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC() }
