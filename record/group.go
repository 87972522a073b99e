package record

import (
	"strings"
	"time"

	"verifier"
)

const groupWithin = 10 * time.Minute

// Group is the group that a deploy is recorded with: the one it was sent with, else that of the nearest other deploy of the same
// commit and environment within 10 minutes, else none. Of two equally near the earlier counts, then the lesser id.
func Group(d verifier.Deploy, near []verifier.Deploy) string {
	if d.Group != "" || d.Commit == "" {
		return d.Group
	}
	var nearest *verifier.Deploy
	for i, n := range near {
		if n.ID == d.ID || n.Void || n.Commit != d.Commit || !strings.EqualFold(n.Environment, d.Environment) || apart(n, d) > groupWithin {
			continue
		}
		if nearest == nil || apart(n, d) < apart(*nearest, d) || apart(n, d) == apart(*nearest, d) && n.Before(*nearest) {
			nearest = &near[i]
		}
	}
	if nearest == nil {
		return ""
	}
	return nearest.Group
}

func apart(a, b verifier.Deploy) time.Duration { return a.At.Sub(b.At).Abs() }
