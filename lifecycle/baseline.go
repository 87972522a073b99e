package lifecycle

import (
	"time"

	"verifier"
)

// baselineOf says which stretch the deploy is compared with: the last one in which a version that is not condemned was settled.
// It ends where the deploy began. A version that was condemned, or replaced before it passed, hands on the baseline that it was
// itself compared with. A first deploy has none.
func baselineOf(s *verifier.Scene, d verifier.Deploy, rules []verifier.Rule) *verifier.Baseline {
	end := d.At
	if d.StartedAt != nil && d.StartedAt.Before(end) {
		end = *d.StartedAt
	}
	live := before(s.History, d)
	if live == nil {
		return nil
	}
	settled := live.Deploy.At.Add(longestSettle(rules))
	if inherits(*live) || !settled.Before(end) {
		if b := live.Baseline; b != nil {
			inherited := *b
			inherited.Of = live.Deploy.ID
			return &inherited
		}
		if live.Condemned() || !settled.Before(end) {
			return nil
		}
	}
	from := end.Add(-longestOver(rules))
	if settled.After(from) {
		from = settled
	}
	return &verifier.Baseline{From: from, Until: end, Version: live.Deploy.Version}
}

// before is the release that was live when d landed, or nil.
func before(history []verifier.Past, d verifier.Deploy) *verifier.Past {
	for i := range history {
		if p := &history[i]; p.Deploy.MovesLive() && p.Deploy.ID != d.ID && p.Deploy.Before(d) {
			return p
		}
	}
	return nil
}

// inherits reports whether the stretch after the deploy is no yardstick.
func inherits(p verifier.Past) bool {
	return p.Condemned() || p.State.Watching() || p.State == verifier.Superseded
}

func longestWatch(rules []verifier.Rule) time.Duration {
	return longest(rules, func(r verifier.Rule) time.Duration { return r.Watch })
}

func longestSettle(rules []verifier.Rule) time.Duration {
	return longest(rules, func(r verifier.Rule) time.Duration { return r.Settle })
}

// longestOver is the length of the stretch before that any rule looks at; a limit looks for its window there too.
func longestOver(rules []verifier.Rule) time.Duration {
	return longest(rules, overOf)
}

const defaultOver = 30 * time.Minute

func overOf(r verifier.Rule) time.Duration {
	if r.Compare != nil {
		return r.Compare.Over
	}
	return defaultOver
}

func longest(rules []verifier.Rule, of func(verifier.Rule) time.Duration) time.Duration {
	var most time.Duration
	for _, r := range rules {
		most = max(most, of(r))
	}
	return most
}

func shortestStep(rules []verifier.Rule) time.Duration {
	least := time.Minute
	for _, r := range rules {
		least = min(least, r.Every)
	}
	return least
}
