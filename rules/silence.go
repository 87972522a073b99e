package rules

import (
	"time"

	"verifier"
)

const (
	missedEarly = 10 // so many steps with data were to be expected where none came any more
	missedEver  = 5  // the same, of a version that never had any
	missedOfFew = 2  // the same, at the end of a watch where no data is a failure by itself
)

// silence says what the absence of data means; ok is false where there is nothing to say (yet).
func (v view) silence() (said ruling, ok bool) {
	if v.trouble == "" && v.wentSilent() {
		return ruling{outcome: verifier.Fail, reason: verifier.WentSilent, text: v.silentText()}, true
	}
	if len(v.after) > 0 || !v.ended {
		return ruling{}, false
	}
	deployed := v.c.Arms[verifier.ArmDeployed]
	switch {
	case deployed.Unseen && v.nothingEver():
		return v.never(inconclusive(verifier.NeverSeen, v.neverText(deployed.Asked, deployed.Nearest))), true
	case v.rule.OnNoData == verifier.NoDataPass:
		return ruling{outcome: verifier.Pass, text: v.subject() + ": no data " + v.afterText() + ", which this rule takes as good"}, true
	}
	return v.never(inconclusive(verifier.NoData, v.subject()+": no data "+v.afterText())), true
}

// never adds to a rule without data, where it had none before the deploy either, what to do about it.
func (v view) never(said ruling) ruling {
	if before := v.c.Arms[verifier.ArmBefore]; !before.Settled || !v.nothingEver() {
		return said
	}
	said.never = true
	if said.reason == verifier.NoData {
		said.text += ", and none before it"
	}
	if !v.rule.Optional {
		said.text += ". If the rule is not meant for " + v.c.Deploy.Service + ", leave it out with select or write optional: true"
	}
	return said
}

// nothingEver reports whether neither this version nor the one before ever had data.
func (v view) nothingEver() bool {
	before := v.c.Arms[verifier.ArmBefore]
	return len(v.c.Arms[verifier.ArmDeployed].Samples) == 0 && len(before.Samples) == 0 && before.Trouble == ""
}

// wentSilent reports whether data stopped that was there before, and that this is no lack of requests.
func (v view) wentSilent() bool {
	before, why, _ := v.baseline(verifier.ArmBefore)
	if why != "" {
		return false
	}
	from := v.start
	if n := len(v.after); n > 0 {
		from = v.after[n-1].T
	}
	until := v.c.Arms[verifier.ArmDeployed].Until
	if until.After(v.c.Until) {
		until = v.c.Until
	}
	for _, skip := range v.c.Skip {
		if skip.Overlaps(from, until) {
			from = skip.To
		}
	}
	gone := v.expected(before, until.Sub(from))
	never := len(v.after) == 0
	if v.rule.OnNoData == verifier.NoDataFail {
		return gone >= missedEarly || never && v.ended && gone >= missedOfFew
	}
	if !v.trials || !v.c.Traffic && !v.peersIn(from, until) {
		return false
	}
	return gone >= missedEarly || never && gone >= missedEver
}

// expected is how many steps of a stretch would have data if it were like the stretch before.
func (v view) expected(before []verifier.Sample, stretch time.Duration) float64 {
	if v.rule.Every <= 0 || stretch <= 0 {
		return 0
	}
	steps := float64(stretch / v.rule.Every)
	e := v.c.Arms[verifier.ArmBefore]
	if e.From.IsZero() || !e.Until.After(e.From) {
		return steps
	}
	return steps * min(1, float64(len(before))*float64(v.rule.Every)/float64(e.Until.Sub(e.From)))
}

func (v view) peersIn(from, until time.Time) bool {
	peers, _, _ := v.baseline(verifier.ArmPeers)
	for _, s := range peers {
		if s.T.After(from) && !s.T.After(until) && (s.Exposure > 0 || s.Value > 0 || v.scatter) {
			return true
		}
	}
	return false
}
