package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"verifier"
)

// toldPatterns is how many new patterns a sentence quotes, the most frequent first, each cut to mostQuoted bytes.
const (
	toldPatterns = 3
	keptPatterns = 10 // of a finding
	mostQuoted   = 160
)

// judgePatterns fails where more patterns than are tolerated were seen often enough and never by the version before.
func (v view) judgePatterns(l verifier.Limit) ruling {
	before, why, problem := v.baseline(verifier.ArmBefore)
	if why != "" {
		return v.noPatternsBefore(why, problem)
	}
	found, noise := v.newPatterns(v.after, before, l)
	said := ruling{value: number64(len(found)), limit: number64(*l.New), patterns: found[:min(keptPatterns, len(found))]}
	count, exposure := 0.0, 0.0
	for _, s := range before {
		count += s.Count
		exposure += s.Exposure
	}
	text := v.newPatternsText(l, found)
	if noise > 0 {
		text += "; " + plural(noise, "pattern") + " known as noise " + firstOf(noise == 1, "is", "are") + " left out"
	}
	switch {
	case exposure < documentsToPass:
		return inconclusive(verifier.TooLittleData, fmt.Sprintf("%s: %s documents of %s are too few to know its patterns, %d are needed", v.subject(), number(exposure), v.stretch(), documentsToPass))
	case len(found) > *l.New:
		said.outcome, said.reason, said.text = verifier.Fail, verifier.LimitCrossed, text
		if bounded := v.c.Arms[verifier.ArmDeployed].Bounded; bounded != "" {
			said.text += "; " + bounded
		}
	case !v.ended:
		said.outcome, said.text = verifier.Pending, text+" so far"
	default:
		said.outcome, said.text = verifier.Pass, text
	}
	return said
}

func (v view) noPatternsBefore(why verifier.Reason, problem string) ruling {
	switch {
	case v.c.Baseline != nil && !v.c.Arms[verifier.ArmBefore].Settled && !v.ended:
		return pending(v.subject() + ": waiting for the patterns of the version before")
	case why != verifier.NoBaseline:
		return inconclusive(why, v.subject()+": the patterns of the version before could not be read: "+problem)
	case v.c.Baseline == nil:
		return inconclusive(why, v.subject()+": no version before whose patterns are known: it is the first deploy there")
	}
	return inconclusive(why, v.subject()+": there is no data of "+v.stretch()+", whose patterns would be known")
}

// newPatterns are those of the samples that were seen often enough and are in none of before, the most frequent first; those that are
// known as noise are counted alone.
func (v view) newPatterns(samples, before []verifier.Sample, l verifier.Limit) (found []verifier.Pattern, noise int) {
	known := group(before)
	found = slices.DeleteFunc(Patterns(samples), func(p verifier.Pattern) bool {
		if p.Count < float64(max(l.SeenAtLeast, 1)) || slices.ContainsFunc(known, p.Alike) {
			return true
		}
		isNoise := p.AlikeAny(v.c.Noise)
		if isNoise {
			noise++
		}
		return isNoise
	})
	return found, noise
}

// Patterns adds up the patterns of all steps, the most frequent first.
func Patterns(samples []verifier.Sample) []verifier.Pattern {
	out := group(samples)
	slices.SortStableFunc(out, func(a, b verifier.Pattern) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

// group adds up the patterns of all steps. Those of different answers may be more or less general.
func group(samples []verifier.Sample) []verifier.Pattern {
	var out []verifier.Pattern
	at := map[string]int{}
	for _, s := range samples {
		for _, p := range s.Patterns {
			i, ok := at[p.Template]
			if !ok {
				if i = slices.IndexFunc(out, p.Alike); i < 0 {
					i, out = len(out), append(out, verifier.Pattern{Template: p.Template})
				}
				at[p.Template] = i
			}
			out[i].Count += p.Count
			out[i].Sample = cmp.Or(out[i].Sample, p.Sample)
		}
	}
	return out
}

// newPatternsText is how many there are, whose, and what they say.
func (v view) newPatternsText(l verifier.Limit, found []verifier.Pattern) string {
	noun, subject := "pattern", v.subject()+": "
	if name, ok := strings.CutSuffix(strings.TrimPrefix(strings.ToLower(v.subject()), "new "), "patterns"); ok {
		noun, subject = name+"pattern", ""
	}
	text := subject + plural(len(found), noun)
	if len(found) == 0 {
		text = subject + firstOf(subject == "", "No ", "no ") + noun
	}
	text += " that " + v.before() + " never wrote"
	if n := max(l.SeenAtLeast, 1); n > 1 && len(found) == 0 {
		text += " was seen " + number(float64(n)) + " times"
	}
	for i, p := range found[:min(toldPatterns, len(found))] {
		text += []string{": ", ", "}[min(i, 1)] + quoted(cmp.Or(p.Sample, p.Template)) + " (" + plural(int(p.Count), "time") + ")"
	}
	if more := len(found) - toldPatterns; more > 0 {
		text += " and " + number(float64(more)) + " more"
	}
	if *l.New > 0 {
		text += "; tolerated are " + number(float64(*l.New))
	}
	return text
}

// before is the version before in a sentence.
func (v view) before() string {
	if b := v.c.Baseline; b != nil && b.Version != "" {
		return b.Version
	}
	return "the version before"
}

func quoted(text string) string {
	if len(text) > mostQuoted {
		text = strings.ToValidUTF8(text[:mostQuoted], "") + "…"
	}
	return "“" + text + "”"
}

// patternsInside reports whether none of the steps has a new pattern, but for those that are tolerated.
func (v view) patternsInside(l verifier.Limit, samples []verifier.Sample) bool {
	before, why, _ := v.baseline(verifier.ArmBefore)
	found, _ := v.newPatterns(samples, before, verifier.Limit{})
	return why == "" && len(found) <= *l.New
}

// checkPatterns holds patterns and their limit together: neither means anything without the other.
func checkPatterns(r verifier.Rule, bad func(string, string, ...any)) {
	l := verifier.Limit{}
	if r.Limit != nil {
		l = *r.Limit
	}
	asked := r.Measure.Patterns != ""
	switch {
	case !asked && (l.New != nil || l.SeenAtLeast != 0):
		bad("limit."+firstOf(l.New != nil, "new", "seen_at_least"), "is of patterns; write measure: {source: logs, patterns: 'log.level:ERROR'}, or above, below or equals")
	case !asked:
	case r.Compare != nil:
		bad("compare", "patterns have a limit and nothing to be compared; write limit: {new: 0, seen_at_least: 5} alone")
	case l.New == nil:
		bad("limit", "patterns need new; write {new: 0, seen_at_least: 5}")
	case l.Above != nil || l.Below != nil || l.Equals != nil || l.Exit != nil || l.Within > 0 || l.For > 0:
		bad("limit", "patterns know new and seen_at_least alone; take the others out")
	}
}

func firstOf(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
