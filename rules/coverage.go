package rules

import (
	"fmt"
	"math"
	"slices"
	"time"

	"verifier"
	"verifier/words"
)

// rhythm is how often a series has data where nothing is wrong.
type rhythm struct {
	share   float64 // of the steps that have data
	cadence float64 // steps from one value to the next, as a median
	known   bool    // from another stretch or from hosts that are unchanged, not guessed
}

// fewGaps is how many gaps it takes to tell a series' rhythm from itself.
const fewGaps = 4

// rhythm is that of the stretch before, else that of any other baseline. Without any, every step should have data; only what counts
// events may be sparse by nature, and then its own gaps tell how sparse.
func (v view) rhythm() rhythm {
	for _, arm := range []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers, verifier.ArmLastWeek, verifier.ArmLastDeploy} {
		e := v.c.Arms[arm]
		samples, steps := e.Samples, 0.0
		if aligned(arm) {
			samples, steps = v.judged(samples), float64(v.due(earliest(e.Until, v.c.Until)))
		} else if v.rule.Every > 0 {
			steps = float64(e.Until.Sub(began(e, v.rule.Every)) / v.rule.Every)
		}
		if len(samples) > 0 && steps > 0 {
			return rhythm{min(1, float64(stepsOf(samples))/steps), max(1, v.gap(samples)), true}
		}
	}
	if gap := v.gap(v.after); len(v.after) > fewGaps && v.eventful() {
		return rhythm{share: 1 / max(1, gap), cadence: max(1, gap)}
	}
	return rhythm{share: 1, cadence: 1}
}

// began is when the stretch before begins to count: with its first data, where there are enough to tell. What came before them is a
// series that was not there yet, and no rhythm.
func began(e verifier.Evidence, every time.Duration) time.Time {
	if len(e.Samples) <= fewGaps {
		return e.From
	}
	return e.Samples[0].T.Add(-time.Duration(e.Samples[0].Width()) * every)
}

// eventful reports whether the measure has data only where something happens: requests, documents.
func (v view) eventful() bool {
	m := v.rule.Measure
	return v.trials || m.Counts() || m.Percentile != nil || m.Average != nil || m.Patterns != ""
}

// gap is the median distance of neighbours, in steps. What was merged has no gap inside.
func (v view) gap(samples []verifier.Sample) float64 {
	if len(samples) < 2 || v.rule.Every <= 0 {
		return 1
	}
	gaps := make([]float64, 0, len(samples)-1)
	for i, s := range samples[1:] {
		gaps = append(gaps, float64(s.T.Sub(samples[i].T))/float64(v.rule.Every)-float64(s.Width()-1))
	}
	slices.Sort(gaps)
	return math.Round(gaps[(len(gaps)-1)/2])
}

// stepsOf is how many steps have data.
func stepsOf(samples []verifier.Sample) int {
	n := 0
	for _, s := range samples {
		n += s.Width()
	}
	return n
}

// due is how many steps are judged up to a time, whether they have data or not.
func (v view) due(until time.Time) int { return v.dueAfter(v.start, until) }

// dueAfter is how many judged steps begin at from or later and end by until.
func (v view) dueAfter(from, until time.Time) int {
	every := v.rule.Every
	if every <= 0 {
		return 1
	}
	phase := time.Unix(0, 0)
	if len(v.after) > 0 {
		phase = v.after[0].T
	}
	first := from.Add(every)
	if rest := first.Sub(phase) % every; rest > 0 {
		first = first.Add(every - rest)
	} else {
		first = first.Add(-rest)
	}
	if first.After(until) {
		return 0
	}
	n := int(until.Sub(first)/every) + 1
	for _, skip := range v.c.Skip {
		for t := first; !t.After(until); t = t.Add(every) {
			if skip.Overlaps(t.Add(-every), t) {
				n--
			}
		}
	}
	return max(n, 0)
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// gaps says what the missing steps mean for a pass: nothing passes that has data in half of the steps that could be expected or in
// fewer, or that stopped having data. It is empty where enough was seen.
func (v view) gaps() string {
	until := earliest(v.c.Arms[verifier.ArmDeployed].Until, v.c.Until)
	due, seen, r := v.due(until), stepsOf(v.after), v.rhythm()
	expected := r.share * float64(due)
	noise := math.Sqrt(expected * (1 - r.share))
	need := int(max(0, min(expected/2, expected-2*noise))) + 1
	if due > 0 && seen < need {
		text := fmt.Sprintf("data in only %d of %s of %s", seen, words.Count(due, "step"), length(v.rule.Every))
		if r.share < 1 && r.known {
			text += fmt.Sprintf(", where about %s %s expected", number(math.Round(expected)), firstOf(math.Round(expected) == 1, "was", "were"))
		}
		return text + fmt.Sprintf("; at least %d are needed", need)
	}
	if len(v.after) == 0 {
		return ""
	}
	last := v.after[len(v.after)-1].T
	if gone := r.share * float64(v.dueAfter(last, until)); gone >= missedEarly && gone >= expected/4 {
		return "no data since " + v.clock(last)
	}
	return ""
}
