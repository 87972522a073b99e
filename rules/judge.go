package rules

import (
	"time"

	"verifier"
	"verifier/stats"
)

// ruling is what one kind of judgement says.
type ruling struct {
	outcome  verifier.Outcome
	reason   verifier.Reason
	value    *float64
	limit    *float64
	baseline *float64
	from, to time.Time // what the value is of; zero: all judged steps
	before   bool
	patterns []verifier.Pattern // new ones
	never    bool               // there was no data before either
	chance   bool               // a pass although the value is over the limit: by no more than chance explains
	text     string             // without the full stop
}

func pending(text string) ruling { return ruling{outcome: verifier.Pending, text: text} }

func inconclusive(reason verifier.Reason, text string) ruling {
	return ruling{outcome: verifier.Inconclusive, reason: reason, text: text}
}

// Judge says what the rule says of the case now. It is pure and never panics, whatever the samples are.
func Judge(r verifier.Rule, c verifier.Case, now time.Time) verifier.Finding {
	v := look(r, c)
	return v.finding(v.decide(), now)
}

// decide puts the order of things: what fails, fails; then doubts; then what passes.
func (v view) decide() ruling {
	said := v.judgements()
	if said.outcome == verifier.Fail {
		return said
	}
	silence, silent := v.silence()
	switch {
	case silent && silence.outcome == verifier.Fail:
		return silence
	case v.trouble != "" && v.ended:
		return v.troubled(said)
	case v.trouble != "":
		said.outcome, said.reason, said.text = verifier.Pending, "", v.troubleText()
		return said
	case silent:
		return silence
	case said.outcome == verifier.Pending || !v.ended && said.outcome == verifier.Inconclusive && said.reason != verifier.NoBaseline:
		said.outcome, said.reason = verifier.Pending, ""
		return said
	}
	return v.sufficient(said)
}

func (v view) troubled(said ruling) ruling {
	said.outcome, said.reason, said.text = verifier.Inconclusive, v.trouble, v.troubleText()
	return said
}

// documentsToPass is how many documents a log must have before few matches mean anything.
const documentsToPass = 50

// sufficient takes a pass back where too little was seen.
func (v view) sufficient(said ruling) ruling {
	if said.outcome != verifier.Pass {
		return said
	}
	short := v.short()
	if short == "" {
		return said
	}
	if !v.ended {
		return pending(v.subject() + " so far: " + short)
	}
	said.outcome, said.reason, said.text = verifier.Inconclusive, verifier.TooLittleData, v.subject()+": too little data "+v.afterText()+": "+short
	return said
}

// short says what is lacking for a pass, empty where nothing is.
func (v view) short() string {
	need := v.rule.MinExposure
	if need == 0 && (v.rule.Measure.Count != "" || v.rule.Measure.Patterns != "") {
		need = documentsToPass
	}
	switch {
	case len(v.after) < v.rule.MinSamples:
		return plural(len(v.after), "step") + " with data, " + number(float64(v.rule.MinSamples)) + " are needed"
	case v.trials && v.exposure < need:
		return number(v.exposure) + " " + v.among() + ", " + number(need) + " are needed"
	case v.rule.OnNoData == verifier.NoDataPass:
		return "" // a step without data is as good as any
	}
	return v.gaps()
}

// judgements is the limit's word, the comparison's, or both together.
func (v view) judgements() ruling {
	l, c := v.rule.Limit, v.rule.Compare
	switch {
	case l != nil && v.rule.Measure.Patterns != "" && l.New != nil:
		return v.judgePatterns(*l)
	case l != nil && c != nil:
		return v.both(v.judgeLimit(*l), v.judgeCompare(*c))
	case l != nil:
		return v.judgeLimit(*l)
	case c != nil:
		return v.judgeCompare(*c)
	}
	return inconclusive(verifier.NoRules, v.subject()+": the rule has neither a limit nor a comparison")
}

// both fails if both fail, and passes at the end if either passes.
func (v view) both(l, c ruling) ruling {
	switch {
	case l.outcome == verifier.Fail && c.outcome == verifier.Fail:
		c.before = l.before
		c.text = l.text + ". " + c.text
		return c
	case !v.ended:
		c.outcome, c.reason = verifier.Pending, ""
		if l.outcome == verifier.Pending {
			c.text = l.text + ". " + c.text
		}
		return c
	case c.outcome == verifier.Pass:
		return c
	case l.outcome == verifier.Pass:
		return l
	case c.outcome == verifier.Fail:
		return l
	}
	return c
}

func (v view) finding(said ruling, now time.Time) verifier.Finding {
	r := v.rule
	deployed := v.c.Arms[verifier.ArmDeployed]
	f := verifier.Finding{
		Rule: r.Name, Outcome: said.outcome, Reason: said.reason, Text: said.text + "." + v.remarks(),
		Value: said.value, Limit: said.limit, Baseline: said.baseline, Unit: v.unit(), Count: v.count, Exposure: v.exposure,
		From: v.start, To: v.start, Query: deployed.Query, Link: deployed.Link, Muted: r.Muted(now), OnFail: r.OnFail,
		Severity: r.Severity, Optional: r.Optional, Before: said.before && !r.EvenIfBefore, Samples: len(v.after), Patterns: said.patterns, Never: said.never,
	}
	if v.scatter {
		f.Count, f.Exposure = 0, 0
	}
	if n := len(v.after); n > 0 {
		f.From, f.To = v.after[0].T.Add(-r.Every), v.after[n-1].T
	}
	if !said.from.IsZero() {
		f.From, f.To = said.from, said.to
	}
	if r.Measure.Ratio != nil && v.exposure > 0 && !v.scatter && r.Confidence > 0 && r.Confidence < 1 {
		low, high := stats.Wilson(int(min(v.count, v.exposure)+0.5), int(v.exposure+0.5), r.Confidence)
		f.Interval = []float64{low, high}
	}
	if r.Compare != nil && (said.outcome == verifier.Pass || said.reason == verifier.IsWorse) {
		f.Confidence = &r.Confidence
	}
	if f.Decided() {
		f.At = &now
	}
	return checked(r, f, said.chance)
}
