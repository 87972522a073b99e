package store

import (
	"cmp"
	"slices"

	"verifier"
)

func hasPatterns(samples []verifier.Sample) bool {
	return slices.ContainsFunc(samples, func(s verifier.Sample) bool { return len(s.Patterns) > 0 })
}

// fewSteps cannot be merged further.
const fewSteps = 4

// thinPatterns takes away what is needed least: the samples of a pattern but its first; then, where too few steps are left to be merged,
// the rarer patterns, which it says. It is false where merging steps comes first.
func thinPatterns(e *verifier.Evidence) bool {
	if withoutRepeats(e) {
		return true
	}
	if len(e.Samples) >= fewSteps {
		return false
	}
	e.Samples = slices.Clone(e.Samples)
	for i, s := range e.Samples {
		kept := slices.Clone(s.Patterns)
		slices.SortStableFunc(kept, func(a, b verifier.Pattern) int { return cmp.Compare(b.Count, a.Count) })
		e.Samples[i].Patterns = kept[:len(kept)/2]
	}
	e.Bounded = cmp.Or(e.Bounded, "there are more patterns than are kept")
	return true
}

// withoutRepeats keeps the sample of each pattern's first step; false where nothing was to be taken away.
func withoutRepeats(e *verifier.Evidence) bool {
	seen, changed := map[string]bool{}, false
	samples := slices.Clone(e.Samples)
	for i, s := range samples {
		patterns := slices.Clone(s.Patterns)
		for j, p := range patterns {
			if p.Sample != "" && seen[p.Template] {
				patterns[j].Sample, changed = "", true
			}
			seen[p.Template] = seen[p.Template] || p.Sample != ""
		}
		samples[i].Patterns = patterns
	}
	e.Samples = samples
	return changed
}

func mergePatterns(a, b []verifier.Pattern) []verifier.Pattern {
	out := slices.Clone(a)
	for _, p := range b {
		i := slices.IndexFunc(out, func(o verifier.Pattern) bool { return o.Template == p.Template })
		if i < 0 {
			out = append(out, p)
			continue
		}
		out[i].Count += p.Count
		out[i].Sample = cmp.Or(out[i].Sample, p.Sample)
	}
	return out
}
