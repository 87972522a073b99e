package sources

import (
	"slices"

	"verifier"
)

// onlyKeys refuses a measure that asks for something else than the source answers, or for nothing. kind is the source in words,
// write what to write instead.
func onlyKeys(m verifier.Measure, kind, write string, keys ...string) error {
	asks := false
	for _, k := range keysOf(m) {
		if !slices.Contains(keys, k) {
			return verifier.Invalid(k, "is nothing %s can answer; write %s", kind, write)
		}
		asks = asks || !slices.Contains([]string{"where", "pick", "value"}, k)
	}
	if !asks {
		return verifier.Invalid("measure", "asks for nothing; write %s", write)
	}
	return nil
}

// keysOf are the keys that are written, those that say what is asked for before those that narrow it.
func keysOf(m verifier.Measure) (keys []string) {
	for _, k := range []struct {
		key string
		set bool
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
		{"value", m.Value != ""},
		{"where", m.Where != ""},
		{"pick", len(m.Pick) > 0},
	} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return keys
}
