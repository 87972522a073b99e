package lifecycle

import (
	"time"

	"verifier"
	"verifier/record"
)

// baselineOf says which stretch the deploy is compared with: the last one in which a version that is not condemned was settled.
// It ends where the deploy began. A version that was condemned, or replaced before it passed, hands on the baseline that it was
// itself compared with. The watch of a verdict that was dismissed is left out. A first deploy has none.
func baselineOf(s *verifier.Scene, d verifier.Deploy, rules []verifier.Rule) *verifier.Baseline {
	end := d.Began()
	live, judged := before(s.History, d)
	if live == nil {
		return nil
	}
	settled, since := live.Deploy.At.Add(longestSettle(rules)), live.Deploy.At
	if b, changed := afterOtherChange(s.History, d, live.Deploy); b != nil {
		return b
	} else if changed.After(live.Deploy.At) {
		settled = changed.Add(longestSettle(rules))
	}
	if judged.State == verifier.FailedState { // and dismissed, if it gets that far: what looked bad by chance is nothing to compare with
		since = time.Time{}
		if judged.Ended != nil && judged.Ended.After(settled) {
			settled = *judged.Ended
		}
	}
	condemned := record.Condemned(s.History, live.Deploy.Version)
	if condemned || judged.State.Watching() || judged.State == verifier.Superseded || !settled.Before(end) {
		if b := judged.Baseline; b != nil {
			inherited := *b
			inherited.Of = judged.Deploy.ID
			return &inherited
		}
		if condemned || !settled.Before(end) {
			return nil
		}
	}
	from := end.Add(-longestOver(rules))
	if settled.After(from) {
		from = settled
	}
	return &verifier.Baseline{From: from, Until: end, Version: live.Deploy.Version, Since: since}
}

// afterOtherChange looks at the configurations, toggles and the like between the live release and d. Where the last of them that was
// judged failed, what followed is nothing to compare with: its own baseline is handed on. Where it passed, changed is its time.
func afterOtherChange(history []verifier.Past, d, live verifier.Deploy) (b *verifier.Baseline, changed time.Time) {
	for _, p := range history { // newest first
		if p.Deploy.Change == verifier.Release || p.Deploy.ID == d.ID || p.Deploy.Void || !p.Deploy.Before(d) || !live.Before(p.Deploy) {
			continue
		}
		bad := p.State == verifier.FailedState && (p.Deploy.Mark == nil || !p.Deploy.Mark.Good)
		switch {
		case bad && p.Baseline != nil:
			inherited := *p.Baseline
			inherited.Of = p.Deploy.ID
			return &inherited, time.Time{}
		case p.State == verifier.Passed:
			return nil, p.Deploy.At
		}
	}
	return nil, time.Time{}
}

// before is the release that was live when d landed, and the one whose watch speaks of it: where it was deployed once more during
// that watch, the first.
func before(history []verifier.Past, d verifier.Deploy) (live, judged *verifier.Past) {
	for i := range history {
		p := &history[i]
		if !p.Deploy.MovesLive() || p.Deploy.ID == d.ID || !p.Deploy.Before(d) {
			continue
		}
		if live == nil {
			live = p
		}
		if !record.Same(p.Deploy.Version, live.Deploy.Version) {
			break
		}
		judged = p
		if !joinedAnother(*p) {
			break
		}
	}
	return live, judged
}

// joinedAnother reports whether the deploy was watched by the watch over an earlier one.
func joinedAnother(p verifier.Past) bool {
	return p.Deploy.Kind == verifier.KindRedeploy && p.Baseline == nil && (p.State == "" || p.State == verifier.Superseded)
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

func longestStep(rules []verifier.Rule) time.Duration {
	return longest(rules, func(r verifier.Rule) time.Duration { return r.Every })
}

func shortestStep(rules []verifier.Rule) time.Duration {
	least := time.Minute
	for _, r := range rules {
		least = min(least, r.Every)
	}
	return least
}
