package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
)

// ByEnvironment is one source by name that is another server, or of another type, in each environment, so that one rule serves all.
type ByEnvironment struct {
	backends map[string]*Limited // by environment in lower case, or a glob of it
}

// NewByEnvironment puts each environment's questions to its own backend. An environment may be a glob; an exact name wins, and then
// the longest. Each is left alone by itself while it is down: staging's trouble is not production's.
func NewByEnvironment(backends map[string]Backend) *ByEnvironment {
	b := &ByEnvironment{backends: map[string]*Limited{}}
	for environment, backend := range backends {
		b.backends[strings.ToLower(environment)] = Limit(environment, backend, nil)
	}
	return b
}

// Lag is the longest of all.
func (b *ByEnvironment) Lag() (longest time.Duration) {
	for _, l := range b.backends {
		longest = max(longest, l.Lag())
	}
	return longest
}

// HasPeers reports whether every environment's backend can tell changed instances from unchanged ones.
func (b *ByEnvironment) HasPeers(m verifier.Measure) bool {
	for _, l := range b.backends {
		if !l.HasPeers(m) {
			return false
		}
	}
	return true
}

// Ask asks the backends of all environments at the same time.
func (b *ByEnvironment) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	parts := map[*Limited][]int{}
	for i, q := range questions {
		l := b.of(q.Subject.Environment)
		if l == nil {
			answers[i].Err = b.unknown(q.Subject.Environment)
			continue
		}
		parts[l] = append(parts[l], i)
	}
	var group sync.WaitGroup
	for l, at := range parts {
		group.Go(func() {
			part := make([]verifier.Question, len(at))
			for i, n := range at {
				part[i] = questions[n]
			}
			for i, a := range l.Ask(ctx, part) {
				answers[at[i]] = a
			}
		})
	}
	group.Wait()
	return answers
}

// of is the backend of an environment; nil where there is none.
func (b *ByEnvironment) of(environment string) *Limited {
	environment = strings.ToLower(environment)
	if l := b.backends[environment]; l != nil {
		return l
	}
	best := ""
	for pattern := range b.backends {
		longer := len(pattern) > len(best) || len(pattern) == len(best) && pattern < best
		if longer && verifier.MatchAny([]string{pattern}, environment) {
			best = pattern
		}
	}
	return b.backends[best]
}

func (b *ByEnvironment) unknown(environment string) error {
	known := strings.Join(slices.Sorted(maps.Keys(b.backends)), ", ")
	return &verifier.SourceError{
		Reason: verifier.SourceGone, Permanent: true, Err: fmt.Errorf("the source has no server for the environment %q; it has %s", environment, known),
	}
}

// trouble is which environments do not answer, and why.
func (b *ByEnvironment) trouble() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(b.backends)) {
		if t := b.backends[name].Trouble(); t != "" {
			out = append(out, name+": "+t)
		}
	}
	return strings.Join(out, "; ")
}

// slowed is which environments' budgets do not suffice, and the most by which one slows.
func (b *ByEnvironment) slowed(now time.Time) (said string, most time.Duration) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(b.backends)) {
		if s, by := b.backends[name].Slowed(now); s != "" {
			out, most = append(out, name+": "+s), max(most, by)
		}
	}
	return strings.Join(out, "; "), most
}

// CheckByEnvironment says what is wrong with a measure for any of the environments. window is the longest of all.
func CheckByEnvironment(checks map[string]func(verifier.Measure) (time.Duration, error)) func(verifier.Measure) (time.Duration, error) {
	return func(m verifier.Measure) (longest time.Duration, err error) {
		for _, name := range slices.Sorted(maps.Keys(checks)) {
			window, err := checks[name](m)
			if err != nil {
				return 0, inEnvironment(name, err)
			}
			longest = max(longest, window)
		}
		return longest, nil
	}
}

// inEnvironment keeps the field in front.
func inEnvironment(name string, err error) error {
	var invalid *verifier.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 1 {
		return fmt.Errorf("in %s: %w", name, err)
	}
	f := invalid.Fields[0]
	return verifier.Invalid(f.Field, "in %s: %s", name, f.Problem)
}
