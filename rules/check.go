package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// add checks one rule and keeps it.
func (l *loader) add(r rule, base verifier.Rule, p place) {
	if r.Name == "" {
		l.bad(p, nil, "the rule has no name; write name: error-ratio")
		return
	}
	if problem := verifier.PlainNameProblem(r.Name); problem != "" {
		l.bad(p, []string{"name"}, "%s", problem)
	}
	if known, twice := l.names[strings.ToLower(r.Name)]; twice {
		l.bad(p, []string{"name"}, "%s is there already (%s); to change a rule for some write override: %s", r.Name, known, r.Name)
		return
	}
	l.names[strings.ToLower(r.Name)] = p.line()
	if r.Off != nil {
		l.bad(p, []string{"off"}, "a rule of its own is never off; write override: NAME with select and off: true")
	}
	resolved := r.apply(base)
	resolved.Name, resolved.Where = r.Name, p.where()
	resolved.Select = r.Select.over(base.Select)
	l.checkPercent(r, resolved, p)
	resolved.Settle += l.check(resolved, 0, p)
	l.set.rules = append(l.set.rules, resolved)
}

// override checks what a rule becomes, and keeps the change.
func (l *loader) override(o waiting) {
	i := slices.IndexFunc(l.set.rules, func(r verifier.Rule) bool { return strings.EqualFold(r.Name, o.rule.Override) })
	if i < 0 && slices.ContainsFunc(l.wrong, func(name string) bool { return strings.EqualFold(name, o.rule.Override) }) {
		return // what is wrong with that rule is said already
	}
	if i < 0 {
		l.bad(o.place, []string{"override"}, "there is no rule %s%s", o.rule.Override, didYouMean(o.rule.Override, l.known()))
		return
	}
	target := l.set.rules[i]
	if o.rule.Name != "" {
		l.bad(o.place, []string{"name"}, "an override has no name of its own")
	}
	out := override{name: target.Name, rule: o.rule, where: o.place.line()}
	var base verifier.Select
	if o.team != "" {
		base.Team = []string{o.team}
	}
	out.sel = o.rule.Select.over(base)
	if o.rule.Off == nil || !*o.rule.Off {
		l.checkPercent(o.rule, o.rule.apply(target), o.place)
		out.window = l.check(o.rule.apply(target), target.Settle, o.place)
	}
	l.set.overrides = append(l.set.overrides, out)
}

func (l *loader) known() []string {
	var names []string
	for _, r := range l.set.rules {
		names = append(names, r.Name)
	}
	return names
}

// checkPercent refuses percentages of what is no share.
func (l *loader) checkPercent(r rule, resolved verifier.Rule, p place) {
	if unit := resolved.Measure.Unit; unit != "" && unit != "1" && unit != "%" {
		for _, key := range r.inPercent() {
			l.bad(p, strings.Split(key, "."), "the rule measures %s, which has no percentages; write the number of %s, or compare: {tolerate: 25%%}", unit, unit)
		}
	}
}

// check names what is wrong with a resolved rule, and gives how far its query looks back. whole is a settle that has such a stretch
// in it already.
func (l *loader) check(r verifier.Rule, whole time.Duration, p place) time.Duration {
	bad := func(keys, format string, args ...any) {
		l.bad(p, strings.Fields(strings.ReplaceAll(keys, ".", " ")), format, args...)
	}
	if r.Limit == nil && r.Compare == nil {
		bad("", "the rule %s judges nothing; write limit or compare", r.Name)
	}
	oneOf(bad, "on_fail", r.OnFail, verifier.FailRollback, verifier.FailAlert, verifier.FailNote)
	oneOf(bad, "severity", r.Severity, verifier.SeverityPage, verifier.SeverityWarn)
	oneOf(bad, "on_no_data", r.OnNoData, verifier.NoDataInconclusive, verifier.NoDataFail, verifier.NoDataPass)
	for _, c := range r.Select.Change {
		oneOf(bad, "select.change", verifier.Change(c), verifier.Changes...)
	}
	l.checkTimes(r, bad)
	l.checkLimit(r, bad)
	l.checkCompare(r, bad)
	checkPatterns(r, bad)
	window := l.checkMeasure(r.Measure, bad)
	if settle := r.Settle + window; window > 0 && r.Settle != whole && r.Settle < r.Watch && settle >= r.Watch {
		bad("settle", "%s and the %s that the query looks back leave nothing of the watch of %s to be judged; write a longer watch or a shorter range", length(r.Settle), length(window), length(r.Watch))
	}
	return window
}

func oneOf[T ~string](bad func(string, string, ...any), keys string, is T, all ...T) {
	if slices.Contains(all, is) {
		return
	}
	list := make([]string, len(all))
	for i, a := range all {
		list[i] = string(a)
	}
	bad(keys, "%q is none; write %s", string(is), strings.Join(list, ", "))
}

const (
	shortestStep = 100 * time.Millisecond
	longestWatch = 7 * 24 * time.Hour
	mostSteps    = 20_000
)

func (l *loader) checkTimes(r verifier.Rule, bad func(string, string, ...any)) {
	switch {
	case r.Every < shortestStep:
		bad("every", "%s is too short; write 100ms or more", length(r.Every))
	case r.Watch < r.Every:
		bad("watch", "%s is shorter than one step (every: %s); write more", length(r.Watch), length(r.Every))
	case r.Watch > longestWatch:
		bad("watch", "%s is too long; at most 7d", length(r.Watch))
	case r.Watch/r.Every > mostSteps:
		bad("every", "%s makes %d steps of a watch of %s; at most %d", length(r.Every), r.Watch/r.Every, length(r.Watch), mostSteps)
	}
	if r.Settle >= r.Watch && r.Settle > 0 && r.Watch >= r.Every {
		bad("settle", "%s leaves nothing of the watch of %s to be judged; write less", length(r.Settle), length(r.Watch))
	}
	if r.Extend > longestWatch {
		bad("extend", "%s is too long; at most 7d", length(r.Extend))
	}
	if r.Confidence < 0.5 || r.Confidence >= 1 {
		bad("", "defaults.confidence %g is no confidence; write 99%% or so", r.Confidence)
	}
	if r.MinExposure < 0 || !finite(r.MinExposure) {
		bad("min_exposure", "%g is no number of 0 or more", r.MinExposure)
	}
}

func (l *loader) checkLimit(r verifier.Rule, bad func(string, string, ...any)) {
	if r.Limit == nil {
		return
	}
	c := *r.Limit
	for _, b := range []struct {
		key   string
		value *float64
	}{{"above", c.Above}, {"below", c.Below}, {"equals", c.Equals}} {
		if b.value != nil && !finite(*b.value) {
			bad("limit."+b.key, "%g is never crossed; write a number", *b.value)
		}
	}
	l.checkExit(r, bad)
	if r.Measure.Results != "" && (c.Above == nil || c.Below != nil || c.Equals != nil || c.For > 0) {
		bad("limit", "of results is how many failed tests are tolerated, and how long they are waited for; write {above: 0, within: 20m}")
	}
	if c.Above == nil && c.Below == nil && c.Equals == nil && c.Exit == nil && c.New == nil && c.SeenAtLeast == 0 && r.Measure.Patterns == "" {
		bad("limit", "is empty; write above, below or equals, or exit for a command")
	}
	if c.Above != nil && c.Below != nil && *c.Below > *c.Above {
		bad("limit", "nothing is below %g and above %g at the same time, so every value fails; swap them", *c.Below, *c.Above)
	}
	if c.Within > 0 && c.Within < r.Every {
		bad("limit.within", "%s is shorter than one step (every: %s); write more", length(c.Within), length(r.Every))
	}
	if c.Within > r.Watch || c.For > r.Watch {
		bad("limit", "within and for must fit into the watch of %s", length(r.Watch))
	}
	if r.Measure.Count != "" && c.Within == 0 && c.Above != nil {
		bad("limit", "a count is summed over a window; write within: 5m")
	}
}

// checkExit holds exit codes apart from numbers: they are no more or less, and have no mean.
func (l *loader) checkExit(r verifier.Rule, bad func(string, string, ...any)) {
	c := *r.Limit
	switch {
	case c.Exit == nil:
	case len(r.Measure.Command) == 0:
		bad("limit.exit", "only a command has an exit code")
	case c.Above != nil || c.Below != nil || c.Equals != nil:
		bad("limit.exit", "is the program's exit code, and above, below and equals are of the number that it writes; write two rules")
	case *c.Exit > 255:
		bad("limit.exit", "%d is no exit code; write one of 0 to 255", *c.Exit)
	case c.Within > 0:
		bad("limit.within", "exit codes have no mean; write for: %s, where it must fail that long", length(c.Within))
	}
}

func (l *loader) checkCompare(r verifier.Rule, bad func(string, string, ...any)) {
	if r.Compare == nil {
		return
	}
	c := *r.Compare
	for _, arm := range c.With {
		switch arm {
		case verifier.ArmBefore, verifier.ArmPeers, verifier.ArmLastWeek, verifier.ArmLastDeploy:
		default:
			bad("compare.with", "%q is none; write before, peers, last-week or last-deploy", string(arm))
		}
	}
	if len(c.With) == 0 {
		bad("compare.with", "is empty; write before, peers, last-week or last-deploy")
	}
	oneOf(bad, "compare.worse", c.Worse, verifier.Higher, verifier.Lower, verifier.Either)
	if c.Over < r.Every {
		bad("compare.over", "%s is shorter than one step (every: %s); write more", length(c.Over), length(r.Every))
	}
	if c.Over > longestWatch {
		bad("compare.over", "%s is too long; at most 7d", length(c.Over))
	}
	if c.AtLeast < 0 || !finite(c.AtLeast) {
		bad("compare.at_least", "%g is no number of 0 or more", c.AtLeast)
	}
	if c.Worse == verifier.Lower && c.Tolerate >= 1 {
		bad("compare.tolerate", "%g%% lower is nothing or less; write below 100%%", 100*c.Tolerate)
	}
	if r.Measure.Results != "" {
		bad("compare", "results of tests have a limit, and nothing to be compared with; write limit: {above: 0, within: 20m}")
	}
	if len(r.Measure.Command) > 0 || r.Measure.HTTP != "" {
		bad("compare", "a command or an address has a limit, and nothing to be compared with")
	}
}

// checkMeasure wants exactly one question, a source that is there, and a query that compiles.
func (l *loader) checkMeasure(m verifier.Measure, bad func(string, string, ...any)) time.Duration {
	questions := questionsOf(m)
	switch {
	case m.Results != "" && len(questions) > 1:
		bad("measure", "asks for %s at once; write one of them", strings.Join(questions, " and "))
		return 0
	case m.Results != "" && m.Source != "":
		bad("measure.source", "results of tests are posted, and of no source; take it out")
		return 0
	case m.Results != "":
		return 0
	case m.Source == "":
		bad("measure", "source is missing; write the name of one of verifier.yaml's sources")
	}
	switch {
	case len(questions) == 0:
		bad("measure", "asks for nothing; write count, ratio, percentile, average, patterns, promql, nrql or query")
		return 0
	case len(questions) > 1:
		bad("measure", "asks for %s at once; write one of them", strings.Join(questions, " and "))
		return 0
	}
	if m.Value != "" && m.HTTP == "" {
		bad("measure.value", "is of http alone: an expression over its JSON answer")
	}
	problem := incomplete(m)
	if problem != "" {
		bad("measure."+questions[0], problem)
	}
	if l.sources == nil || m.Source == "" {
		return 0
	}
	check, known := l.sources[m.Source]
	if !known {
		names := slices.Sorted(maps.Keys(l.sources))
		if len(names) == 0 {
			bad("measure.source", "verifier.yaml has no sources; write one there, like sources: {%s: {type: files, path: '/var/log/shop/*.log'}}", m.Source)
			return 0
		}
		bad("measure.source", "%s is none of verifier.yaml's sources (%s)%s", m.Source, strings.Join(names, ", "), didYouMean(m.Source, names))
		return 0
	}
	if problem != "" || m.Value != "" && m.HTTP == "" {
		return 0
	}
	window, err := check(m)
	if err != nil {
		key := questions[0]
		for _, other := range []string{"where", "pick", "value"} {
			if strings.HasPrefix(err.Error(), other) {
				key = other
			}
		}
		bad("measure."+key, "%s", strings.TrimPrefix(err.Error(), key+": "))
	}
	return window
}

// incomplete says what a question of several parts lacks.
func incomplete(m verifier.Measure) string {
	switch p := m.Percentile; {
	case m.Ratio != nil && (m.Ratio.Of == "" || m.Ratio.To == ""):
		return "needs two queries; write {of: what is bad, to: all there is}"
	case m.Average != nil && m.Average.Field == "":
		return "needs a field; write {field: event.duration}"
	case p != nil && p.Field == "":
		return "needs a field; write {field: event.duration, p: 95}"
	case p != nil && p.P > 0 && p.P < 1:
		return fmt.Sprintf("p: %g is below 1; write %g", p.P, 100*p.P)
	case p != nil && !(p.P >= 1 && p.P < 100):
		return fmt.Sprintf("p: %g is not between 1 and 100; write 95", p.P)
	}
	return ""
}

func questionsOf(m verifier.Measure) []string {
	var out []string
	for _, q := range []struct {
		name string
		set  bool
	}{
		{"count", m.Count != ""},
		{"ratio", m.Ratio != nil},
		{"percentile", m.Percentile != nil},
		{"average", m.Average != nil},
		{"patterns", m.Patterns != ""},
		{"promql", m.PromQL != ""},
		{"nrql", m.NRQL != ""},
		{"query", m.Query != ""},
		{"command", len(m.Command) > 0},
		{"http", m.HTTP != ""},
		{"results", m.Results != ""},
	} {
		if q.set {
			out = append(out, q.name)
		}
	}
	return out
}
