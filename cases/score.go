package cases

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"verifier"
)

// Interval is a 95 % bootstrap interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Scores are the figures of a set of verdicts. A hit is a fail on a bad case at or after its onset; a fail before that is a false
// alarm and the case missed. Inconclusive rolls nothing back and counts as a pass, and its share is told. A figure that nothing can
// be divided by is null.
type Scores struct {
	Cases          int                 `json:"cases"`
	Bad            int                 `json:"bad"`
	Hits           int                 `json:"hits"`
	False          int                 `json:"false"`
	Early          int                 `json:"early"` // of the false ones, before the onset of a bad case
	Missed         int                 `json:"missed"`
	Precision      *float64            `json:"precision"`
	Recall         *float64            `json:"recall"`
	F1             *float64            `json:"f1"`
	FalseRollbacks *float64            `json:"false_rollbacks"` // of the good cases
	DetectMedian   *float64            `json:"detect_median"`   // seconds from the onset
	DetectP90      *float64            `json:"detect_p90"`
	Recall5        *float64            `json:"recall_5m"`
	Recall10       *float64            `json:"recall_10m"`
	Inconclusive   *float64            `json:"inconclusive"`
	Intervals      map[string]Interval `json:"intervals"` // by group, of precision, recall, f1 and false_rollbacks
	Kinds          map[string][2]int   `json:"kinds"`     // of labels: failed, of all
}

// tally is one case with what was said of it.
type tally struct {
	group      string
	bad, fired bool
	hit        bool
	delay      float64
	undecided  bool
}

// counts are sums of tallies.
type counts struct{ hits, fires, bad, alarms, good int }

func (c *counts) add(o counts) {
	c.hits, c.fires, c.bad, c.alarms, c.good = c.hits+o.hits, c.fires+o.fires, c.bad+o.bad, c.alarms+o.alarms, c.good+o.good
}

func (t tally) counts() counts {
	one := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return counts{one(t.hit), one(t.fired), one(t.bad), one(t.fired && !t.bad), one(!t.bad)}
}

// rates are precision, recall, F1 and the false rollback rate; NaN where there is nothing to divide by.
func (c counts) rates() [4]float64 {
	over := func(a, b int) float64 {
		if b == 0 {
			return math.NaN()
		}
		return float64(a) / float64(b)
	}
	return [4]float64{over(c.hits, c.fires), over(c.hits, c.bad), over(2*c.hits, c.fires+c.bad), over(c.alarms, c.good)}
}

var rateNames = [4]string{"precision", "recall", "f1", "false_rollbacks"}

// Score holds verdicts against the labels. Errors wrap verifier.ErrInvalid: a case without a label or a verdict, a verdict twice, for no
// case, of no outcome, or a fail that does not say when.
func Score(list []Case, verdicts []Verdict) (Scores, error) {
	rows, err := tallies(list, verdicts)
	if err != nil {
		return Scores{}, fmt.Errorf("%w: %w", verifier.ErrInvalid, err)
	}
	var all counts
	var delays []float64
	s := Scores{Cases: len(rows), Kinds: map[string][2]int{}, Intervals: intervals(rows)}
	undecided, within5, within10 := 0, 0, 0
	for i, t := range rows {
		all.add(t.counts())
		if t.hit {
			delays = append(delays, t.delay)
			if t.delay <= 5*60 {
				within5++
			}
			if t.delay <= 10*60 {
				within10++
			}
		}
		if t.undecided {
			undecided++
		}
		if kind := list[i].Label.Kind; kind != "" {
			k := s.Kinds[kind]
			if t.fired {
				k[0]++
			}
			k[1]++
			s.Kinds[kind] = k
		}
	}
	s.Bad, s.Hits, s.False, s.Missed = all.bad, all.hits, all.fires-all.hits, all.bad-all.hits
	s.Early = s.False - all.alarms
	rates := all.rates()
	s.Precision, s.Recall, s.F1, s.FalseRollbacks = told(rates[0]), told(rates[1]), told(rates[2]), told(rates[3])
	s.DetectMedian, s.DetectP90 = told(quantile(delays, 0.5)), told(quantile(delays, 0.9))
	s.Recall5, s.Recall10 = told(float64(within5)/float64(all.bad)), told(float64(within10)/float64(all.bad))
	s.Inconclusive = told(float64(undecided) / float64(len(rows)))
	return s, nil
}

func told(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func tallies(list []Case, verdicts []Verdict) ([]tally, error) {
	said := map[string]Verdict{}
	for _, v := range verdicts {
		if _, twice := said[v.ID]; twice {
			return nil, fmt.Errorf("two verdicts for %s", v.ID)
		}
		if v.Outcome != verifier.Fail && v.Outcome != verifier.Pass && v.Outcome != verifier.Inconclusive {
			return nil, fmt.Errorf("%s: the outcome is %q; write fail, pass or inconclusive", v.ID, v.Outcome)
		}
		if v.Outcome == verifier.Fail && v.At == 0 {
			return nil, fmt.Errorf("%s: a fail needs the time of the decision", v.ID)
		}
		said[v.ID] = v
	}
	var rows []tally
	for _, c := range list {
		v, ok := said[c.ID]
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no verdict for %s", c.ID)
		case c.Label == nil:
			return nil, fmt.Errorf("%s has no label, so nothing can be scored", c.ID)
		}
		delete(said, c.ID)
		rows = append(rows, tallyOf(c, v))
	}
	for id := range said {
		return nil, fmt.Errorf("there is a verdict for %s, which is no case", id)
	}
	return rows, nil
}

func tallyOf(c Case, v Verdict) tally {
	onset := c.DeployedAt
	if c.Label.Onset.After(onset) {
		onset = c.Label.Onset
	}
	t := tally{group: c.Label.Group, bad: c.Label.Bad, fired: v.Outcome == verifier.Fail, undecided: v.Outcome == verifier.Inconclusive}
	if t.group == "" {
		t.group = c.ID
	}
	t.delay = v.At - seconds(onset)
	t.hit = t.fired && t.bad && t.delay >= 0
	return t
}

// resamples and their seed: intervals come out the same each time.
const (
	resamples = 2000
	seed      = 1
)

// intervals resamples groups, whose cases share data.
func intervals(rows []tally) map[string]Interval {
	byGroup := map[string]*counts{}
	var groups []*counts
	for _, t := range rows {
		if byGroup[t.group] == nil {
			byGroup[t.group] = &counts{}
			groups = append(groups, byGroup[t.group])
		}
		byGroup[t.group].add(t.counts())
	}
	random := rand.New(rand.NewPCG(seed, seed))
	var draws [4][]float64
	for range resamples {
		var sum counts
		for range groups {
			sum.add(*groups[random.IntN(len(groups))])
		}
		for i, x := range sum.rates() {
			if !math.IsNaN(x) {
				draws[i] = append(draws[i], x)
			}
		}
	}
	out := map[string]Interval{}
	for i, xs := range draws {
		if len(xs) > 0 {
			out[rateNames[i]] = Interval{quantile(xs, 0.025), quantile(xs, 0.975)}
		}
	}
	return out
}

// quantile is by linear interpolation (type 7 of Hyndman and Fan, 1996); NaN of nothing.
func quantile(xs []float64, p float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	h := p * float64(len(sorted)-1)
	i := min(int(h), max(len(sorted)-2, 0))
	if len(sorted) == 1 {
		return sorted[0]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// Print writes the figures for people.
func (s Scores) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "cases\t%d (%d bad, %d good)\n", s.Cases, s.Bad, s.Cases-s.Bad)
	for i, x := range []*float64{s.Precision, s.Recall, s.F1, s.FalseRollbacks} {
		fmt.Fprintf(t, "%s\t%s", []string{"precision", "recall", "F1", "false rollbacks"}[i], figure(x))
		if in, ok := s.Intervals[rateNames[i]]; ok {
			fmt.Fprintf(t, " [%.3f, %.3f]", in.Low, in.High)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintf(t, "hits / false / missed\t%d / %d / %d (of the false ones %d before the onset of a bad case)\n", s.Hits, s.False, s.Missed, s.Early)
	fmt.Fprintf(t, "time to detect\tmedian %s, p90 %s\n", duration(s.DetectMedian), duration(s.DetectP90))
	fmt.Fprintf(t, "recall within\t5 min %s, 10 min %s\n", figure(s.Recall5), figure(s.Recall10))
	fmt.Fprintf(t, "inconclusive\t%s\n", figure(s.Inconclusive))
	kinds := make([]string, 0, len(s.Kinds))
	for kind := range s.Kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(t, "  failed\t%d of %d %s\n", s.Kinds[kind][0], s.Kinds[kind][1], kind)
	}
	_ = t.Flush() // the writer's error is the caller's to see
}

func figure(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *x)
}

func duration(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return (time.Duration(*seconds) * time.Second).String()
}
