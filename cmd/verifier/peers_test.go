package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"testing"
	"time"

	"verifier"
	"verifier/cases"
)

// The judges of other tools, rebuilt from what their sources do, for comparison. Error ranges are absolute (a share of failed requests);
// every other metric is compared with its mean before the deploy. Traffic is left out: the tools' own examples do not judge it.

// point is a sample as those tools see it: seconds and one value.
type point struct{ t, v float64 }

// metric is one series of a case, for a tool that knows no exposure.
type metric struct {
	error                  bool
	worse                  verifier.Worse
	before, after, control []point
	usual                  float64 // NaN without a stretch before
}

func metricsOf(c cases.Case) []metric {
	deployed := float64(c.DeployedAt.Unix())
	start := deployed - max(3600, 60*c.Step.Seconds())
	var judged, all []metric
	for _, s := range c.Series {
		exposed := slices.ContainsFunc(append(slices.Clone(s.Deployed), s.Control...), func(x verifier.Sample) bool { return x.Exposure > 0 })
		g := metric{error: s.Kind == cases.Ratio || s.Kind == cases.Count && exposed, worse: s.Worse, usual: math.NaN()}
		for _, p := range points(s.Deployed, exposed) {
			switch {
			case p.t > deployed:
				g.after = append(g.after, p)
			case p.t > start:
				g.before = append(g.before, p)
			}
		}
		for _, p := range points(s.Control, exposed) {
			if p.t > deployed {
				g.control = append(g.control, p)
			}
		}
		if len(g.before) > 0 {
			g.usual = mean(g.before)
		}
		if !s.Traffic() {
			judged = append(judged, g)
		}
		all = append(all, g)
	}
	if len(judged) > 0 {
		return judged
	}
	return all
}

func points(samples []verifier.Sample, exposed bool) []point {
	var out []point
	for _, s := range samples {
		p := point{float64(s.T.UnixMilli()) / 1000, s.Value}
		if exposed {
			if s.Exposure == 0 {
				continue
			}
			p.v = s.Count / s.Exposure
		}
		out = append(out, p)
	}
	return out
}

func mean(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.v
	}
	return sum / float64(len(points))
}

func within(points []point, from, to float64) []point {
	var out []point
	for _, p := range points {
		if from < p.t && p.t <= to {
			out = append(out, p)
		}
	}
	return out
}

// off reports whether a value is out of the tool's range. level is how far another metric than errors may go from usual; NaN: any.
func (s metric) off(v, errors, level float64) bool {
	if s.error {
		return v > errors
	}
	if math.IsNaN(level) || math.IsNaN(s.usual) || s.usual == 0 {
		return false
	}
	change := v/s.usual - 1
	return change > level && s.worse != verifier.Lower || -change > level && s.worse != verifier.Higher
}

// peered is a case as those tools see it; rank tests are kept, as settings share them.
type peered struct {
	cases.Case
	metrics    []metric
	controlled bool
	shifts     map[shiftKey]*shift
}

type shiftKey struct {
	metric   int
	before   bool
	from, to float64
}

func newPeered(c cases.Case) *peered {
	p := &peered{Case: c, metrics: metricsOf(c), shifts: map[shiftKey]*shift{}}
	p.controlled = slices.ContainsFunc(p.metrics, func(m metric) bool { return len(m.control) > 0 })
	return p
}

// shift is that of a window against the control, where there is any and it is asked for, or else the hour before; nil without data.
func (c *peered) shift(i int, before bool, window [2]float64) *shift {
	k := shiftKey{i, before || !c.controlled, window[0], window[1]}
	if s, known := c.shifts[k]; known {
		return s
	}
	m := c.metrics[i]
	x, y := within(m.after, window[0], window[1]), m.before
	if !k.before {
		y = within(m.control, window[0], window[1])
	}
	c.shifts[k] = nil
	if len(x) > 0 && len(y) > 0 {
		s := mannWhitney(x, y)
		c.shifts[k] = &s
	}
	return c.shifts[k]
}

// watched is a setting of Argo Rollouts or Flagger: a check each so many minutes (or steps, if they are longer).
type watched struct {
	every               int
	warm, errors, level float64
	limit               int
	argo                bool
}

const noDataLimit = 4 // consecutiveErrorLimit of Argo Rollouts

// judge is when the tool fails the case, in seconds after the deploy; NaN: never.
func (w watched) judge(c *peered) float64 {
	sigs := c.metrics
	failed, silent := make([]int, len(sigs)), make([]int, len(sigs))
	checks := 0
	deployed, until := float64(c.DeployedAt.Unix()), float64(c.Until.Unix())
	every := float64(w.every) * max(60, c.Step.Seconds())
	for t := deployed + w.warm; t+every <= until; {
		t += every
		bad := false
		for i, s := range sigs {
			seen := within(s.after, t-every, t)
			off := len(seen) > 0 && s.off(mean(seen), w.errors, w.level)
			silent[i]++
			if len(seen) > 0 {
				silent[i] = 0
			}
			if off {
				failed[i]++
			}
			bad = bad || off || len(seen) == 0
			if w.argo && (failed[i] > w.limit || silent[i] > noDataLimit) {
				return t - deployed
			}
		}
		if bad {
			checks++
		}
		if !w.argo && checks >= w.limit {
			return t - deployed
		}
	}
	return math.NaN()
}

// ranked is a setting of Kayenta: its Mann-Whitney judge over growing or sliding windows, or once at the end.
type ranked struct {
	before  bool // against the hour before, else the control
	minutes int  // 0: at the end
	first30 bool // at the end, but after half an hour at the latest
	sliding bool
	warm    float64
	effect  float64
	noData  bool // half of the metrics without data is a fail
}

func (k ranked) windows(c cases.Case) [][2]float64 {
	start, end := float64(c.DeployedAt.Unix())+k.warm, float64(c.Until.Unix())
	switch {
	case start >= end:
		return nil
	case k.first30:
		return [][2]float64{{start, min(end, start+1800)}}
	case k.minutes == 0:
		return [][2]float64{{start, end}}
	}
	every := max(60*float64(k.minutes), c.Step.Seconds())
	var stops []float64
	for t := start + every; t < end+1; t += every {
		stops = append(stops, t)
	}
	if !k.sliding && (len(stops) == 0 || stops[len(stops)-1] < end) {
		stops = append(stops, end)
	}
	var out [][2]float64
	for _, t := range stops {
		from := start
		if k.sliding {
			from = t - every
		}
		out = append(out, [2]float64{from, t})
	}
	return out
}

func (k ranked) judge(c *peered) float64 {
	for _, w := range k.windows(c.Case) {
		missing, worse := 0, false
		for i, s := range c.metrics {
			found := c.shift(i, k.before, w)
			if found == nil {
				missing++
				continue
			}
			worse = worse || found.worse(s.worse, k.effect)
		}
		if k.noData && len(c.metrics) > 0 && 2*missing >= len(c.metrics) || worse {
			return w[1] - float64(c.DeployedAt.Unix())
		}
	}
	return math.NaN()
}

// shift is the confidence interval of how far x lies above y, its estimate, and the ratio of the means (NaN: not to be had).
type shift struct{ low, mid, high, ratio float64 }

const kayentaZ, kayentaTolerance = 2.3263478740408408, 0.25 // confidence 98 %

func mannWhitney(xs, ys []point) shift {
	x, y := sorted(xs), sorted(ys)
	n, m := float64(len(x)), float64(len(y))
	ratio := math.NaN()
	if mx, my := mean(xs), mean(ys); mx != 0 && my != 0 {
		ratio = mx / my
	}
	if x[0] == x[len(x)-1] && y[0] == y[len(y)-1] { // Kayenta adds a little noise here: a clear shift from four samples on
		d := 0.0
		if len(x) >= 4 {
			d = x[0] - y[0]
		}
		return shift{d, d, d, ratio}
	}
	diffs := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			diffs = append(diffs, a-b)
		}
	}
	sort.Float64s(diffs)
	ties := tied(x) + tied(y)
	sigma := math.Sqrt(max(0, n*m/12*(n+m+1-ties/((n+m)*(n+m-1)))))
	at := func(z float64) int { return min(int(n*m/2+z*sigma+0.5), len(diffs)-1) }
	edge := at(kayentaZ)
	return shift{diffs[len(diffs)-1-edge], diffs[len(diffs)-1-at(0)], diffs[edge], ratio}
}

func sorted(points []point) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = p.v
	}
	sort.Float64s(out)
	return out
}

// tied is the sum of c^3-c over the values that come c times.
func tied(sorted []float64) (sum float64) {
	for from := 0; from < len(sorted); {
		to := from
		for to < len(sorted) && sorted[to] == sorted[from] {
			to++
		}
		c := float64(to - from)
		sum += c*c*c - c
		from = to
	}
	return sum
}

func (s shift) worse(direction verifier.Worse, up float64) bool {
	down := map[float64]float64{1: 1, 1.2: 0.8}[up]
	if direction != verifier.Lower && s.low > kayentaTolerance*math.Abs(s.mid) && !(s.ratio < up) {
		return true
	}
	return direction != verifier.Higher && s.high < -kayentaTolerance*math.Abs(s.mid) && !(s.ratio > down)
}

// peer is one setting of another tool.
type peer interface{ judge(*peered) float64 }

// setting reads one as testdata/cases/peers.json writes it.
func setting(t *testing.T, s []any) peer {
	t.Helper()
	number := func(x any) float64 {
		if x == nil {
			return math.NaN()
		}
		return x.(float64)
	}
	if s[0] != "kayenta" {
		return watched{int(number(s[1])), number(s[2]), number(s[3]), number(s[4]), int(number(s[5])), s[0] == "argo"}
	}
	k := ranked{before: s[1] == "before", warm: number(s[3]), effect: number(s[4]), noData: s[5].(bool)}
	switch when := s[2].(type) {
	case string:
		k.first30 = when != "end"
	case []any:
		k.minutes, k.sliding = int(number(when[0])), when[1].(bool)
	}
	return k
}

func casesOf(t testing.TB, name string) []cases.Case {
	t.Helper()
	list, err := cases.Open("../../testdata/cases/" + name + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The rebuilt judges fire when those do that they are held against.
func TestPeers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../testdata/cases/peers.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Settings [][]any                          `json:"settings"`
		Fired    map[string]map[string][]*float64 `json:"fired"`
	}
	if err := json.Unmarshal(text, &golden); err != nil || len(golden.Settings) == 0 {
		t.Fatal(err, golden.Settings)
	}
	for file, rows := range golden.Fired {
		list := casesOf(t, file)
		if len(list) != len(rows) {
			t.Fatalf("%s: %d cases, want %d", file, len(list), len(rows))
		}
		for i, s := range golden.Settings {
			p, fires := setting(t, s), 0
			for _, c := range list {
				got, want := p.judge(newPeered(c)), rows[c.ID][i]
				if want == nil != math.IsNaN(got) || want != nil && math.Abs(got-*want) > 1 {
					t.Errorf("%s: %v: fires at %g, want %s", c.ID, s, got, told(want))
				}
				if want != nil {
					fires++
				}
			}
			if file == "synth-11" && fires == 0 {
				t.Errorf("%v never fires: it proves nothing", s)
			}
		}
	}
}

func told(x *float64) string {
	if x == nil {
		return "never"
	}
	return time.Duration(*x*float64(time.Second)).String() + fmt.Sprint(" ", *x)
}
