package record

import "verifier"

// Missed reports whether the fact tells of a step of a deploy that the record lacks: the deploy itself, its end, another end than the
// one that is known, or hosts. What only says the same in other words was not missed.
func Missed(known *verifier.Deploy, fact verifier.Deploy) bool {
	switch {
	case known == nil:
		return true
	case known.Void || known.Corrected || conflict(*known, fact) != nil:
		return false
	case len(verifier.UnionHosts(known.Hosts, fact.Hosts)) > len(known.Hosts), len(fact.Expected) > 0 && len(known.Expected) == 0:
		return true
	case fact.Status == verifier.Started:
		return false
	}
	return known.Status == verifier.Started || known.Status != fact.Status && fact.At.After(known.At)
}
