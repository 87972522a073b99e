package rules

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"verifier"
)

// subject is the rule's name as the beginning of a sentence.
func (v view) subject() string {
	words := strings.NewReplacer("-", " ", "_", " ").Replace(v.rule.Name)
	first, size := utf8.DecodeRuneInString(words)
	if size == 0 {
		return "Value"
	}
	return string(unicode.ToUpper(first)) + words[size:]
}

func (v view) version() string {
	if v.c.Deploy.Version == "" {
		return "this deploy"
	}
	return v.c.Deploy.Version
}

func (v view) afterText() string { return "after " + v.version() }

// unit is the unit of the finding's values.
func (v view) unit() string {
	if v.rule.Measure.Unit == "" && v.rule.Measure.Ratio != nil {
		return "1"
	}
	return v.rule.Measure.Unit
}

// quantity is a value of the rule as people write it.
func (v view) quantity(x float64) string {
	if v.rule.Measure.Ratio != nil && (v.unit() == "1" || v.unit() == "%") {
		return percent(x)
	}
	return quantity(x, v.unit())
}

// Measured is what the rule measured, as its sentences write it, empty where that is not one value: a count's depends on its steps.
func Measured(r verifier.Rule, f verifier.Finding) string {
	if f.Value == nil || r.Measure.Count != "" {
		return ""
	}
	v := view{rule: r}
	return strings.ToLower(v.subject()) + " " + v.quantity(*f.Value)
}

// compared is a value that a comparison looks at: a count's is its share of the documents, or its mean of a step.
func (v view) compared(x float64) string {
	switch {
	case v.rule.Measure.Count != "" && v.trials:
		return percent(x)
	case v.rule.Measure.Count != "":
		return v.quantity(x) + " in " + length(v.rule.Every)
	}
	return v.quantity(x)
}

// among is what events are counted among.
func (v view) among() string {
	if v.rule.Measure.Count != "" || v.rule.Measure.Patterns != "" {
		return "documents"
	}
	return "events"
}

// detail is the numbers behind a share.
func (v view) detail() string {
	if !v.trials || v.scatter {
		return ""
	}
	what := ""
	if v.rule.Measure.Count != "" {
		what = " documents"
	}
	return fmt.Sprintf(" (%s of %s%s)", number(v.count), number(v.exposure), what)
}

// compareText is value and window, baselines with where they came from, what is tolerated, and how sure it is.
func (v view) compareText(said ruling, arms []against) string {
	text := fmt.Sprintf("%s %s%s %s, %s", v.subject(), v.compared(*said.value), v.detail(), v.afterText(), v.judgedTimes())
	for _, a := range arms {
		text += "; against " + v.origin(a.arm) + ": " + v.compared(a.base)
	}
	text += "; tolerated " + v.upOrDown(said) + " " + v.compared(*said.limit)
	switch {
	case said.outcome == verifier.Fail:
		return text + "; sure at " + percent(1-v.alpha())
	case said.outcome == verifier.Inconclusive:
		return text + "; too little data to tell"
	case said.outcome == verifier.Pending:
		return text + "; not sure yet"
	}
	return text
}

// judgedTimes is the stretch that was judged.
func (v view) judgedTimes() string {
	first, last := v.after[0].T.Add(-v.rule.Every), v.after[len(v.after)-1].T
	return v.fromTo(first, last, last)
}

func (v view) upOrDown(said ruling) string {
	if *said.limit < *said.baseline || v.rule.Compare.Worse == verifier.Lower {
		return "down to"
	}
	return "up to"
}

// origin says where a baseline came from.
func (v view) origin(arm verifier.Arm) string {
	switch arm {
	case verifier.ArmBefore:
		return v.stretch()
	case verifier.ArmPeers:
		return "hosts not yet changed"
	case verifier.ArmLastWeek:
		return "a week earlier"
	case verifier.ArmLastDeploy:
		return "after the deploy before"
	}
	return string(arm) // unreachable: the list of arms is closed
}

// stretch is the version and the times of the stretch before.
func (v view) stretch() string {
	b := v.c.Baseline
	if b == nil {
		return "before" // unreachable: where there is evidence of it there is a stretch
	}
	times := v.fromTo(b.From, b.Until, v.c.From)
	if b.Version == "" {
		return times
	}
	return b.Version + ", " + times
}

func (v view) whyNoBaseline(cmp verifier.Compare) string {
	if v.c.Baseline == nil {
		return "it is the first deploy there"
	}
	names := make([]string, len(cmp.With))
	for i, a := range cmp.With {
		names[i] = string(a)
	}
	return "there is no data of " + strings.Join(names, " or ")
}

// over is the window a limit looks at, where it says one.
func over(l verifier.Limit) string {
	if l.Within == 0 {
		return ""
	}
	return " in " + length(l.Within)
}

func (v view) limitName(l verifier.Limit, bound *float64) string {
	if bound == nil {
		return "no limit" // unreachable: a limit without a bound is refused at load
	}
	switch {
	case l.Exit != nil, l.Equals != nil:
		return "must be " + v.quantity(*bound)
	case bound == l.Below:
		return "at least " + v.quantity(*bound) + " wanted"
	}
	return "limit " + v.quantity(*bound)
}

func (v view) limitText(l verifier.Limit, w window, said ruling) string {
	text := fmt.Sprintf("%s %s%s %s, at %s; %s", v.subject(), v.quantity(w.value), over(l), v.afterText(), v.clock(w.to), v.limitName(l, said.limit))
	if l.For > 0 {
		text += ", held for " + length(l.For)
	}
	if said.before {
		text += "; it was crossed before the deploy too (" + v.stretch() + ")"
	}
	return text
}

func (v view) limitKept(l verifier.Limit, worst window, said ruling) string {
	most := "at most "
	if said.limit != nil && said.limit == l.Below {
		most = "at least "
	}
	if l.Exit != nil || l.Equals != nil {
		most = ""
	}
	return fmt.Sprintf("%s %s%s%s%s %s; %s", v.subject(), most, v.quantity(worst.value), over(l), v.detail(), v.afterText(), v.limitName(l, said.limit))
}

func (v view) limitSoFar(l verifier.Limit, worst *window) string {
	if worst == nil {
		return v.subject() + ": nothing to judge yet"
	}
	return fmt.Sprintf("%s %s%s so far; %s", v.subject(), v.quantity(worst.value), over(l), v.limitName(l, bound(l, crossing{})))
}

func (v view) silentText() string {
	proof := "which had data before (" + v.stretch() + ")"
	switch {
	case v.rule.OnNoData == verifier.NoDataFail:
	case v.c.Traffic:
		proof += "; requests go on"
	default:
		proof += "; hosts not yet changed have data"
	}
	if n := len(v.after); n > 0 {
		return v.subject() + ": nothing since " + v.clock(v.after[n-1].T) + " " + v.afterText() + ", " + proof
	}
	return v.subject() + ": nothing at all " + v.afterText() + ", " + proof
}

func (v view) neverText(nearest string) string {
	text := v.subject() + ": nothing of " + v.c.Deploy.Service + " in " + v.c.Deploy.Environment + " was ever seen by " + v.rule.Measure.Source
	if nearest != "" {
		text += "; the nearest name there is " + nearest
	}
	return text
}

// troubleText is what is wrong with the data.
func (v view) troubleText() string {
	what := map[verifier.Reason]string{
		verifier.SourceDown:  v.rule.Measure.Source + " does not answer",
		verifier.PartialData: v.rule.Measure.Source + " answers only in part",
		verifier.BadData:     v.rule.Measure.Source + " gave what cannot be",
		verifier.Lagging:     v.rule.Measure.Source + " lags behind",
		verifier.SourceGone:  "what was asked for is gone",
	}[v.trouble]
	if what == "" {
		what = string(v.trouble)
	}
	text := v.subject() + ": " + what
	if v.problem != "" {
		text += ": " + strings.TrimRight(v.problem, ". ")
	}
	return text
}

// clock is a time of day in the zone that people read, with the zone's name.
func (v view) clock(t time.Time) string { return t.In(zoneOf(v.c)).Format("15:04 MST") }

// fromTo is a stretch of time, to the second where it is short. It begins with its day where that is not the day of the other time.
func (v view) fromTo(from, to, other time.Time) string {
	layout := "15:04"
	if to.Sub(from) < 2*time.Minute {
		layout = "15:04:05"
	}
	from, to = from.In(zoneOf(v.c)), to.In(zoneOf(v.c))
	day := ""
	if from.Format(time.DateOnly) != other.In(zoneOf(v.c)).Format(time.DateOnly) {
		day = from.Format("2 Jan ")
	}
	return day + from.Format(layout) + " to " + to.Format(layout+" MST")
}

func zoneOf(c verifier.Case) *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}
