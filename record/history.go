package record

import (
	"slices"
	"time"

	"verifier"
)

const mostCandidates = 5

// Same is [verifier.SameVersion].
func Same(a, b string) bool { return verifier.SameVersion(a, b) }

// Live is the version live at that time by a place's history, newest first; ok is false where none was yet.
func Live(history []verifier.Past, at time.Time) (version string, ok bool) {
	for _, p := range history {
		if p.Deploy.MovesLive() && !p.Deploy.At.After(at) {
			return p.Deploy.Version, true
		}
	}
	return "", false
}

// LastGood is the version to go back to from d: of those live in the place before d the most recent one that passed or was marked
// good, is not condemned, is not d's own and is not live now, unless d has not succeeded and may be on some hosts alone. Where there is none, candidates are up to five others that were live
// before d and are not condemned, newest first, for a person to choose from.
func LastGood(history []verifier.Past, d verifier.Deploy) (target string, candidates []string) {
	live := d.Version
	if i := slices.IndexFunc(history, func(p verifier.Past) bool { return p.Deploy.MovesLive() }); i >= 0 && d.Status == verifier.Succeeded {
		live = history[i].Deploy.Version
	}
	tried := map[string]bool{}
	for _, p := range history {
		v := p.Deploy.Version
		if !p.Deploy.MovesLive() || !p.Deploy.Before(d) || Same(v, d.Version) || Same(v, live) || tried[verifier.VersionKey(v)] {
			continue
		}
		tried[verifier.VersionKey(v)] = true
		if Condemned(history, v) {
			continue
		}
		if sound(history, v, d) {
			return v, nil
		}
		candidates = append(candidates, v)
	}
	return "", candidates[:min(len(candidates), mostCandidates)]
}

func sound(history []verifier.Past, version string, before verifier.Deploy) bool {
	return slices.ContainsFunc(history, func(p verifier.Past) bool {
		return p.Deploy.MovesLive() && Same(p.Deploy.Version, version) && p.Deploy.Before(before) && p.Sound()
	})
}

// Condemned reports whether the latest word on a version of the place is against it. Words are a person's mark, a release's
// verdict where it has no mark (failed or passed), and a rollback that left the version; at one time the word against it counts.
func Condemned(history []verifier.Past, version string) bool {
	var latest time.Time
	condemned := false
	for _, p := range history {
		at, against, ok := word(p, version)
		if ok && (at.After(latest) || at.Equal(latest) && against) {
			latest, condemned = at, against
		}
	}
	return condemned
}

func word(p verifier.Past, version string) (at time.Time, against, ok bool) {
	d := p.Deploy
	switch {
	case d.Kind == verifier.KindRollback && d.MovesLive() && Same(d.Previous, version):
		return d.At, true, true
	case d.Change != verifier.Release || d.Void || !Same(d.Version, version):
		return time.Time{}, false, false
	case d.Mark != nil:
		return later(d.Mark.At, d.At), !d.Mark.Good, true
	case p.State == verifier.FailedState || p.State == verifier.Passed:
		return verdictAt(p), p.State == verifier.FailedState, true
	}
	return time.Time{}, false, false
}

// verdictAt is when the verdict was last open to change.
func verdictAt(p verifier.Past) time.Time {
	if p.Ended != nil {
		return *p.Ended
	}
	return p.Deploy.At
}

// Crossed lists the deploys that going back from d to a version would undo besides d: those of the place, whatever they changed
// and however they ended, since that version was last made live, newest first. Where the history does not show that, all before d.
func Crossed(history []verifier.Past, d verifier.Deploy, to string) []verifier.Deploy {
	var crossed []verifier.Deploy
	for _, p := range history {
		if p.Deploy.ID == d.ID || p.Deploy.Void || !p.Deploy.Before(d) {
			continue
		}
		if p.Deploy.MovesLive() && Same(p.Deploy.Version, to) {
			break
		}
		crossed = append(crossed, p.Deploy)
	}
	return crossed
}
