package rules

import (
	"time"

	"verifier"
	"verifier/stats"
)

// longPast is how many values a stretch before needs to be judged by its own pseudo-changes.
const longPast = 200

// alone is the one long stretch that a single series is held against, where there is nothing else.
func alone(arms []against) (against, bool) {
	if len(arms) != 1 || arms[0].arm != verifier.ArmBefore || len(arms[0].samples) < longPast {
		return against{}, false
	}
	return arms[0], true
}

// placeboMatch holds a single series against what it did at pseudo-changes of its own past; false where too few fit into that.
func (v view) placeboMatch(cmp verifier.Compare, side verifier.Worse, before against, after []verifier.Sample) (match, bool) {
	t := turn{sign: 1}
	if side == verifier.Lower {
		t.sign = -1
	}
	day := 0
	if v.rule.Every > 0 {
		day = int(24 * time.Hour / v.rule.Every)
	}
	p := stats.NewPlacebo(t.all(before.samples), day, v.steps())
	if p == nil {
		return match{}, false
	}
	room := t.of(tolerated(cmp, side, before.base)) - t.of(before.base)
	m := match{fine: len(after) >= fewValues}
	for i, s := range after {
		if width := p.Take(t.of(s.Value), room); width > 0 && !m.worse && v.enough(i+1, 0) {
			m.worse, m.width, m.to = true, width, s.T
		}
	}
	m.fine = m.fine && !m.worse
	return m, true
}
