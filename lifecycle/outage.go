package lifecycle

import (
	"slices"
	"time"

	"verifier"
)

// noticed is how long an outage lasts before the watch is lengthened by it.
const noticed = time.Minute

// noteOutage lengthens the watch by the time in which a source that it depends on did not answer, once it answers again: what it lacks
// is asked for then, and it is watched for as long as was meant. Altogether a watch is at most doubled.
func noteOutage(v *verifier.Verification, e Judged, now time.Time) {
	if len(e.Evidence) == 0 || v.Ended != nil {
		return
	}
	n := len(v.Outages)
	open := n > 0 && v.Outages[n-1].To.IsZero()
	switch down := sourceDown(e); {
	case down && !open:
		v.Outages = append(slices.Clip(v.Outages), verifier.Span{From: now})
	case !down && open:
		lasted := now.Sub(v.Outages[n-1].From)
		if lasted < noticed {
			v.Outages = v.Outages[:n-1]
			return
		}
		room := longestWatch(e.Rules)
		for _, earlier := range v.Outages[:n-1] {
			room -= earlier.To.Sub(earlier.From)
		}
		v.Outages = slices.Clone(v.Outages)
		v.Outages[n-1].To = now
		v.Until = v.Until.Add(max(0, min(lasted, room)))
	}
}

// sourceDown reports whether a rule that is not decided, and holds up the verdict, could not be asked for.
func sourceDown(e Judged) bool {
	return slices.ContainsFunc(e.Evidence, func(evidence verifier.Evidence) bool {
		if evidence.Arm != verifier.ArmDeployed || evidence.Trouble != verifier.SourceDown {
			return false
		}
		return slices.ContainsFunc(e.Findings, func(f verifier.Finding) bool { return f.Rule == evidence.Rule && !f.Decided() && !f.Optional })
	})
}
