package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"verifier"
)

// subject is the rule's name as the beginning of a sentence.
func (v view) subject() string {
	if name := capital(strings.NewReplacer("-", " ", "_", " ").Replace(v.rule.Name)); name != "" {
		return name
	}
	return "Value"
}

// capital is a text as the beginning of a sentence.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
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

// inside are the samples of a window.
func (v view) inside(w window) []verifier.Sample {
	return slices.DeleteFunc(slices.Clone(v.after), func(s verifier.Sample) bool { return !s.T.After(w.from) || s.T.After(w.to) })
}

// detail is the numbers behind a share, between parentheses.
func (v view) detail(samples []verifier.Sample) string {
	if numbers := v.numbers(samples); numbers != "" {
		return " (" + numbers + ")"
	}
	return ""
}

// numbers are the events of a stretch and what they are counted among, empty where a value has none.
func (v view) numbers(samples []verifier.Sample) string {
	if !v.trials || v.scatter {
		return ""
	}
	count, exposure := 0.0, 0.0
	for _, s := range samples {
		count += s.Count
		exposure += s.Exposure
	}
	text := number(count) + " of " + number(exposure)
	if v.rule.Measure.Count != "" {
		text += " documents"
	}
	return text
}

// compareText is the value with its counts and window, each baseline with its own, the limit, and the confidence:
// Error ratio: 4.1 % (131 of 3,210), 14:02 to 14:09 UTC; before 0.6 % (18 of 3,000; 1.4.1, 13:32 to 14:02), limit 0.9 % (confidence 99.7 %).
func (v view) compareText(said ruling, arms []against) string {
	parts := make([]string, 0, len(arms)+1)
	for _, a := range arms {
		parts = append(parts, v.armText(a))
	}
	bound := "limit " + v.compared(*said.limit)
	if said.outcome == verifier.Fail {
		bound += " (confidence " + percent(1-v.alpha()) + ")"
	}
	text := fmt.Sprintf("%s: %s%s, %s; %s", v.subject(), v.compared(*said.value), v.detail(v.after), v.judgedTimes(), strings.Join(append(parts, bound), ", "))
	switch {
	case said.outcome == verifier.Inconclusive:
		return text + "; too little data to tell"
	case said.outcome == verifier.Pending:
		return text + "; not certain yet"
	case said.chance:
		return text + "; over the limit, but by no more than chance explains"
	}
	return text
}

// armText is one baseline: where it came from, its value, its counts, and the stretch that they are of.
func (v view) armText(a against) string {
	var facts []string
	if numbers := v.numbers(a.samples); numbers != "" {
		facts = append(facts, numbers)
	}
	if a.arm == verifier.ArmBefore {
		facts = append(facts, v.stretchOf(a.samples))
	} else {
		from, to := v.times(a.samples)
		back := v.earlierBy(a.arm)
		facts = append(facts, v.span(from.Add(-back), to.Add(-back), v.c.From, ""))
	}
	return armName(a.arm) + " " + v.compared(a.base) + " (" + strings.Join(facts, "; ") + ")"
}

// armName is a baseline as a subject, and whose says where its data are from.
func armName(arm verifier.Arm) string { return strings.TrimPrefix(whose(arm), "on ") }

func whose(arm verifier.Arm) string {
	switch arm {
	case verifier.ArmPeers:
		return "on unchanged hosts"
	case verifier.ArmLastWeek:
		return "a week earlier"
	case verifier.ArmLastDeploy:
		return "after the previous deploy"
	}
	return "before"
}

// earlierBy is how long before the watch the arm's data are from, whose steps are moved to those of the watch.
func (v view) earlierBy(arm verifier.Arm) time.Duration {
	switch {
	case arm == verifier.ArmLastWeek:
		return 7 * 24 * time.Hour
	case arm == verifier.ArmLastDeploy && v.c.Baseline != nil && !v.c.Baseline.Since.IsZero():
		return v.c.From.Sub(v.c.Baseline.Since).Round(max(v.rule.Every, 1))
	}
	return 0
}

// times is the stretch of some samples.
func (v view) times(samples []verifier.Sample) (from, to time.Time) {
	first := samples[0]
	return first.T.Add(-time.Duration(first.Width()) * v.rule.Every), samples[len(samples)-1].T
}

// judgedTimes is the stretch that was judged.
func (v view) judgedTimes() string {
	from, to := v.times(v.after)
	return v.fromTo(from, to, to)
}

// stretch is the version and the times of the stretch before, of what this rule has of it.
func (v view) stretch() string { return v.stretchOf(v.c.Arms[verifier.ArmBefore].Samples) }

// stretchOf is the version before and the times of its samples; those of the baseline where there are none.
func (v view) stretchOf(samples []verifier.Sample) string {
	b := v.c.Baseline
	if b == nil {
		return "before" // unreachable: where there is evidence of it there is a stretch
	}
	from, until := b.From, b.Until
	if len(samples) > 0 {
		from, until = v.times(samples)
	}
	times := v.span(from, until, v.c.From, "")
	if b.Version == "" {
		return times
	}
	return b.Version + ", " + times
}

func (v view) whyNoBaseline(cmp verifier.Compare) string {
	if v.c.Baseline == nil {
		return "it is the first deploy in this place"
	}
	if len(cmp.With) == 1 && cmp.With[0] == verifier.ArmPeers {
		return "no unchanged host has data"
	}
	return "there is no data from before the deploy"
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
		return "limit at least " + v.quantity(*bound)
	}
	return "limit " + v.quantity(*bound)
}

func (v view) limitText(l verifier.Limit, w window, said ruling) string {
	value := v.quantity(w.value)
	if l.Exit != nil {
		value = "exit code " + value
	}
	if v.rule.Measure.Ratio != nil {
		value += v.detail(v.inside(w))
	}
	text := fmt.Sprintf("%s: %s%s at %s; %s", v.subject(), value, over(l), v.clock(w.to), v.limitName(l, said.limit))
	if l.For > 0 {
		text += " for " + length(l.For)
	}
	if said.before {
		text += "; not new: the limit was crossed before the deploy too (" + v.stretch() + ")"
	}
	return text
}

// limitKept is what came nearest to the limit; with for, what held that long, and what was over it for a shorter time.
func (v view) limitKept(l verifier.Limit, found crossing, said ruling) string {
	most := "at most "
	if said.limit != nil && said.limit == l.Below {
		most = "at least "
	}
	if l.Exit != nil || l.Equals != nil {
		most = ""
	}
	value, bound := v.quantity(found.worst.value), v.limitName(l, said.limit)
	if l.For > 0 {
		value += " for " + length(l.For)
		bound += " for " + length(l.For)
	}
	if found.peak != nil && crosses(l, found.peak.value) {
		value += ", briefly " + v.quantity(found.peak.value)
	}
	return fmt.Sprintf("%s: %s%s%s%s; %s", v.subject(), most, value, over(l), v.detail(v.after), bound)
}

// tooShort is why a limit could not be judged at all.
func (v view) tooShort(l verifier.Limit) string {
	if l.For > 0 && len(v.after) > 0 {
		return fmt.Sprintf("too little data %s: %s with data, and the limit must be crossed for %s", v.afterText(), plural(stepsOf(v.after), "step"), length(l.For))
	}
	return "too little data " + v.afterText() + " to compare with the limit"
}

func (v view) limitSoFar(l verifier.Limit, worst *window) string {
	if worst == nil {
		return v.subject() + ": nothing to judge yet"
	}
	return fmt.Sprintf("%s: %s%s so far; %s", v.subject(), v.quantity(worst.value), over(l), v.limitName(l, bound(l, crossing{})))
}

func (v view) silentText() string {
	proof := "there was data before (" + v.stretch() + ")"
	switch {
	case v.rule.OnNoData == verifier.NoDataFail:
	case v.c.Traffic:
		proof += ", and requests still arrive"
	default:
		proof += ", and unchanged hosts still have data"
	}
	if n := len(v.after); n > 0 {
		return v.subject() + ": no data since " + v.clock(v.after[n-1].T) + "; " + proof
	}
	return v.subject() + ": no data at all " + v.afterText() + "; " + proof
}

// neverText names the service as its source was asked for it: the catalogue's names may be what is misspelt.
func (v view) neverText(asked, nearest string) string {
	service := v.c.Deploy.Service
	if asked = cmp.Or(asked, service); asked != service {
		service = asked + " (the name of " + service + " there)"
	}
	text := v.subject() + ": nothing of " + service + " in " + v.c.Deploy.Environment + " was ever seen by " + v.rule.Measure.Source
	if nearest != "" && nearest != asked {
		text += "; the nearest name there is " + nearest
	}
	return text
}

// troubleText is what is wrong with the data.
func (v view) troubleText() string {
	what := map[verifier.Reason]string{
		verifier.SourceDown:  v.rule.Measure.Source + " does not answer",
		verifier.PartialData: v.rule.Measure.Source + " answers only in part",
		verifier.BadData:     v.rule.Measure.Source + " gave invalid data",
		verifier.Lagging:     v.rule.Measure.Source + " lags behind",
		verifier.SourceGone:  v.rule.Measure.Source + " no longer has what the rule asks for",
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

// fromTo is a stretch of time with its zone.
func (v view) fromTo(from, to, other time.Time) string { return v.span(from, to, other, " MST") }

// span is a stretch of time, to the second where it is short. It begins with its day where that is not the day of the other time.
func (v view) span(from, to, other time.Time, zone string) string {
	layout := "15:04"
	if to.Sub(from) < 2*time.Minute {
		layout = "15:04:05"
	}
	from, to = from.In(zoneOf(v.c)), to.In(zoneOf(v.c))
	day := ""
	if from.Format(time.DateOnly) != other.In(zoneOf(v.c)).Format(time.DateOnly) {
		day = from.Format("2 Jan ")
	}
	return day + from.Format(layout) + " to " + to.Format(layout+zone)
}

func zoneOf(c verifier.Case) *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}
