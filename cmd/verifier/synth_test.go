package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/cases"
)

// Made-up cases with known truth: one service, an hour before its deploy and half an hour of watch; half of them are bad. Every case
// has diurnal traffic that is like its neighbour, a few missing samples and heavy-tailed latencies (percentiles of at most 40 requests a
// step), and by chance a restart burst (45 s of errors), a warm-up (slow for some two minutes), no control, error ratios in place of
// counts, log errors without exposure, and a gap in ingestion at the end.

const (
	synthBefore = 3600
	synthWatch  = 1800
	synthStep   = 30
)

var (
	goodKinds   = []string{"good", "good", "good", "good-restart", "good-warm-up", "good-incident", "good-surge", "good-gap"}
	badKinds    = []string{"bad-err-big", "bad-err-x3", "bad-err-1pt", "bad-lat-1.3", "bad-lat-2", "bad-tail", "bad-late", "bad-ramp", "bad-dead"}
	percentiles = []struct {
		name string
		q    float64
	}{{"latency_p50", 0.5}, {"latency_p95", 0.95}, {"latency_p99", 0.99}}
)

// dice are the draws of a case.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool            { return d.Float64() < p }
func (d dice) between(from, to float64) float64 { return from + (to-from)*d.Float64() }
func (d dice) either(if_ bool, x float64) float64 {
	if if_ {
		return x
	}
	return 0
}

func (d dice) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*d.NormFloat64()))
	}
	n, p, floor := 0.0, d.Float64(), math.Exp(-mean)
	for p > floor {
		n, p = n+1, p*d.Float64()
	}
	return n
}

func (d dice) binomial(n, p float64) float64 {
	p = min(1, max(0, p))
	switch {
	case n*p > 30 && n*(1-p) > 30:
		return min(n, max(0, math.Round(n*p+math.Sqrt(n*p*(1-p))*d.NormFloat64())))
	case n > 100 && p < 0.1:
		return min(n, d.poisson(n*p))
	}
	hits := 0.0
	for range int(n) {
		if d.chance(p) {
			hits++
		}
	}
	return hits
}

// made is one case being made.
type made struct {
	dice
	deployed      float64
	missing, gap  float64
	asRatio, logs bool
	sigma, median float64
	series        map[string]*cases.Series
	order         []string
}

func (m *made) put(name string, kind cases.Kind, worse verifier.Worse, unit string, control bool, s verifier.Sample) {
	if m.series[name] == nil {
		m.series[name] = &cases.Series{Name: name, Kind: kind, Worse: worse, Unit: unit}
		m.order = append(m.order, name)
	}
	to := &m.series[name].Deployed
	if control {
		to = &m.series[name].Control
	}
	*to = append(*to, s)
}

// latencies are those of at most 40 requests, in order.
func (m *made) latencies(n, factor, tail float64) []float64 {
	out := make([]float64, 0, 40)
	for range int(min(n, 40)) {
		v := m.median * factor * math.Exp(m.sigma*m.NormFloat64())
		if m.chance(0.01) {
			v *= 10
		}
		if m.chance(tail) {
			v = m.median * 8 * math.Exp(0.3*m.NormFloat64())
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// sample is one step of one arm: n requests of which a share p fails.
func (m *made) sample(control bool, t, n, p, factor, tail float64) {
	if m.chance(m.missing) || t > m.deployed+synthWatch-m.gap {
		return
	}
	end := time.Unix(int64(t), 0).UTC()
	e := m.binomial(n, p)
	switch {
	case n > 0 && m.asRatio:
		m.put("error_ratio", cases.Ratio, verifier.Higher, "1", control, verifier.Sample{T: end, Value: math.Round(e/n*1e6) / 1e6})
	case n > 0:
		m.put("errors", cases.Count, verifier.Higher, "1", control, verifier.Sample{T: end, Value: e, Count: e, Exposure: n})
	}
	m.put("requests", cases.Count, verifier.Either, "1", control, verifier.Sample{T: end, Value: n, Count: n})
	if m.logs {
		lines := m.poisson(1.5*e + 0.01*synthStep)
		m.put("log_errors", cases.Count, verifier.Higher, "1", control, verifier.Sample{T: end, Value: lines, Count: lines})
	}
	xs := m.latencies(n, factor, tail)
	for _, p := range percentiles {
		if len(xs) > 0 {
			m.put(p.name, cases.Value, verifier.Higher, "ms", control, verifier.Sample{T: end, Value: xs[min(len(xs)-1, int(p.q*float64(len(xs))))]})
		}
	}
}

// synth makes a case of a kind. over is the spread of the logarithm of the error rate, shared and half of it per arm.
func synth(random *rand.Rand, name, kind string, over float64) cases.Case {
	m := &made{dice: dice{random}, series: map[string]*cases.Series{}}
	bad := kind[:3] == "bad"
	rps := 2 * math.Pow(50, m.Float64())
	base := math.Pow(10, m.between(-4, -1.7))
	share := []float64{0.05, 0.1, 0.25, 0.5}[m.IntN(4)]
	swing, phase, noise := m.between(0, 0.6), m.between(0, 2*math.Pi), m.between(0, 0.4)
	m.sigma, m.median = m.between(0.4, 1.2), 20*math.Pow(20, m.Float64())
	control := kind == "good-incident" || m.chance(0.7)
	restart, warmUp := kind == "good-restart" || m.chance(0.3), kind == "good-warm-up" || m.chance(0.5)
	m.asRatio, m.logs = m.chance(0.25), m.chance(0.3)
	if kind == "good-gap" || m.chance(0.1) {
		m.gap = m.between(300, 600)
	}
	m.missing = []float64{0, 0.03, 0.1}[m.IntN(3)]
	begins := m.between(0, 900) // of an incident or a surge
	onset := map[string]float64{"bad-late": m.between(300, 900), "bad-ramp": 60}[kind]
	extra := map[string]float64{"bad-err-big": m.between(0.05, 0.5), "bad-err-x3": 0.005, "bad-err-1pt": 0.01, "bad-late": 0.05, "bad-ramp": 0.1}[kind]
	times, slower, tail := 1.0, 1.0, m.either(kind == "bad-tail", 0.05)
	switch kind {
	case "bad-err-x3":
		times = m.between(3, 10)
	case "bad-lat-1.3":
		slower = 1.3
	case "bad-lat-2":
		slower = m.between(1.6, 2.6)
	}
	m.deployed = 1_700_000_000 + float64(m.IntN(30*86400))
	drift, wobble := noise*m.NormFloat64(), m.NormFloat64()
	keep := math.Pow(0.95, synthStep/15.0)
	for t := m.deployed - synthBefore + float64(m.IntN(synthStep)); t <= m.deployed+synthWatch; t += synthStep {
		since := t - synthStep/2 - m.deployed // at the middle of the step
		drift = keep*drift + math.Sqrt(1-keep*keep)*noise*m.NormFloat64()
		wobble = 0.9*wobble + math.Sqrt(0.19)*m.NormFloat64()
		load := rps * synthStep * (1 + swing*math.Sin(2*math.Pi*t/86400+phase)) * math.Exp(drift-noise*noise/2)
		pOld, fOld := base, 1.0
		if kind == "good-incident" && begins < since && since < begins+600 {
			pOld, fOld = base+0.08, 1.5
		}
		if kind == "good-surge" && since > begins {
			load, fOld = load*1.8, 1.15
		}
		pNew, fNew, tailNew := pOld, fOld, 0.0
		if bad && since >= onset {
			grown := 1.0
			if kind == "bad-ramp" {
				grown = min(1, (since-onset)/900)
			}
			pNew, fNew, tailNew = pOld*times+extra*grown, fOld*slower, tail
		}
		if restart && since < 45 {
			pNew += 0.1
		}
		if warmUp && since < 150 {
			fNew *= 1 + math.Exp(-since/60)
		}
		if over > 0 {
			common := math.Exp(over*wobble - over*over/2)
			pOld *= common * math.Exp(over/2*m.NormFloat64())
			pNew *= common * math.Exp(over/2*m.NormFloat64())
		}
		if t <= m.deployed {
			m.sample(false, t, m.poisson(load), pOld, fOld, 0)
			continue
		}
		if !(kind == "bad-dead" && since >= onset) {
			part := 1.0
			if control {
				part = share
			}
			m.sample(false, t, m.poisson(load*part), pNew, fNew, tailNew)
		}
		if control {
			m.sample(true, t, m.poisson(load*(1-share)), pOld, fOld, 0)
		}
	}
	return m.finished(name, kind, control, bad, onset)
}

func (m *made) finished(name, kind string, control, bad bool, onset float64) cases.Case {
	at := time.Unix(int64(m.deployed), 0).UTC()
	c := cases.Case{ID: name, Service: "synth", DeployedAt: at, Until: at.Add(synthWatch * time.Second), Step: synthStep * time.Second}
	c.Label = &cases.Label{Bad: bad, Kind: kind}
	if bad {
		c.Label.Onset = at.Add(time.Duration(onset * float64(time.Second)))
	}
	for _, name := range m.order {
		s := *m.series[name]
		if len(s.Deployed) == 0 || name == "requests" && control { // the share of traffic changes when a canary starts
			continue
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// synths makes n cases, every second one bad.
func synths(seed uint64, n int, over float64) []cases.Case {
	out := make([]cases.Case, n)
	for i := range out {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d/%d", seed, i)
		random := rand.New(rand.NewPCG(seed, h.Sum64()))
		kinds := goodKinds
		if i%2 == 1 {
			kinds = badKinds
		}
		out[i] = synth(random, fmt.Sprintf("synth/%d/%05d", seed, i), kinds[random.IntN(len(kinds))], over)
	}
	return out
}

// Made-up cases are like those of the generator that they follow: a file of those stands beside the tests.
func TestSynth(t *testing.T) {
	t.Parallel()
	type traits struct{ controlled, ratios, logs, samples, errors, spread float64 }
	of := func(list []cases.Case) (x traits) {
		n := float64(len(list))
		for _, c := range list {
			for _, s := range c.Series {
				switch s.Name {
				case "error_ratio":
					x.ratios += 1 / n
				case "log_errors":
					x.logs += 1 / n
				case "errors":
					sum, all := 0.0, 0.0
					for _, e := range s.Deployed {
						sum, all = sum+e.Count, all+e.Exposure
					}
					x.errors += sum / all / n
				case "latency_p50":
					if len(s.Control) > 0 {
						x.controlled += 1 / n
					}
					x.samples += float64(len(s.Deployed)) / n
				case "latency_p95":
					x.spread += math.Log(s.Deployed[0].Value) / n
				}
			}
		}
		return x
	}
	got, want := of(synths(11, 600, 0)), of(casesOf(t, "synth-11"))
	for name, pair := range map[string][3]float64{ // got, want, and four standard errors of the twenty that are there
		"controlled": {got.controlled, want.controlled, 0.42}, "ratios": {got.ratios, want.ratios, 0.4}, "logs": {got.logs, want.logs, 0.42},
		"samples": {got.samples, want.samples, 20}, "errors": {got.errors, want.errors, 0.05}, "latencies": {got.spread, want.spread, 1},
	} {
		if math.Abs(pair[0]-pair[1]) > pair[2] {
			t.Errorf("%s: %.3f, want about %.3f", name, pair[0], pair[1])
		}
	}
	if diff := cmp.Diff(synths(11, 3, 0), synths(11, 3, 0)); diff != "" {
		t.Errorf("the same seed makes other cases:\n%s", diff)
	}
}
