package record

import (
	"slices"
	"time"

	"verifier"
)

// State is what the deploys of one place before some moment come to. The zero State is a place without any.
// It is made of the live version of the last of them and of each version's first success; both follow from those that move the
// live version alone.
type State struct {
	Live  string
	First map[string]time.Time // by verifier.VersionKey
}

// Next takes the place's next deploy in the order of [verifier.Deploy.Before] and returns it with its kind and previous version.
// A deploy that moves nothing (failed, started, void, or no release) has a previous version too, and a release that did not
// succeed the kind it would have had. PreviousVersion counts only where nothing was live before, and for a deploy by which its tool rolls
// another back.
func (s *State) Next(d verifier.Deploy, mode string) verifier.Deploy {
	d.Previous = s.Live
	if s.Live == "" {
		d.Previous = d.PreviousVersion
	}
	if d.RollsBack != "" {
		d.Previous = d.PreviousVersion // what it undoes failed perhaps, and was never live
	}
	before := *s
	if s.Live == "" && d.Previous != "" {
		before.First = map[string]time.Time{verifier.VersionKey(d.Previous): {}}
	}
	d.Kind = before.kind(d, mode)
	if d.MovesLive() {
		s.move(d)
	}
	return d
}

func (s *State) kind(d verifier.Deploy, mode string) verifier.Kind {
	switch {
	case d.Change != verifier.Release:
		return ""
	case d.RollsBack != "": // its tool says so
		return verifier.KindRollback
	case verifier.SameVersion(d.Previous, d.Version):
		return verifier.KindRedeploy
	case d.Previous != "" && Older(d.Version, d.Previous, s.seen, mode):
		return verifier.KindRollback
	}
	return verifier.KindRelease
}

func (s *State) seen(version string) (time.Time, bool) {
	t, ok := s.First[verifier.VersionKey(version)]
	return t, ok
}

func (s *State) move(d verifier.Deploy) {
	if s.First == nil {
		s.First = map[string]time.Time{}
	}
	if s.Live == "" && d.PreviousVersion != "" {
		s.First[verifier.VersionKey(d.PreviousVersion)] = time.Time{} // older than all that the record knows
	}
	key := verifier.VersionKey(d.Version)
	if _, ok := s.First[key]; !ok {
		s.First[key] = d.At
	}
	s.Live = d.Version
}

// Classify takes the place's next deploys, in order, and returns those whose kind or previous version is not what it says.
func Classify(s *State, next []verifier.Deploy, mode string) []verifier.Deploy {
	var changed []verifier.Deploy
	for _, d := range next {
		if c := s.Next(d, mode); c.Kind != d.Kind || c.Previous != d.Previous {
			changed = append(changed, c)
		}
	}
	return changed
}

// PutsBack is the fact about a deploy by which its tool rolls another back, with what the record knows of that one: it undoes that
// version, and bears the version before, which is known when the first fact comes in.
func PutsBack(known, undone *verifier.Deploy, fact verifier.Deploy) verifier.Deploy {
	switch {
	case known != nil:
		if known.RollsBack != "" {
			fact.Version, fact.PreviousVersion = known.Version, known.PreviousVersion
		}
	case undone != nil && undone.Key() == fact.Key():
		fact.PreviousVersion = undone.Version
		if undone.Previous != "" {
			fact.Version = undone.Previous
		}
	}
	return fact
}

// LeftBy reports whether a release that moved the live version was left by the next one that did, which is a rollback.
func LeftBy(d, next verifier.Deploy) bool {
	return next.Kind == verifier.KindRollback && Same(next.Previous, d.Version)
}

// Recount classifies all deploys of any places from nothing and returns them in the order of the record.
func Recount(deploys []verifier.Deploy, mode string) []verifier.Deploy {
	out := slices.Clone(deploys)
	Sort(out)
	states := map[string]*State{}
	for i, d := range out {
		key := d.Key()
		if states[key] == nil {
			states[key] = &State{}
		}
		out[i] = states[key].Next(d, mode)
	}
	return out
}

// Sort puts deploys in the order of the record: by time, ties by id.
func Sort(deploys []verifier.Deploy) {
	slices.SortFunc(deploys, func(a, b verifier.Deploy) int {
		switch {
		case a.Before(b):
			return -1
		case b.Before(a):
			return 1
		}
		return 0
	})
}
