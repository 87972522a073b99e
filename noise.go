package verifier

import "time"

// Noise is a pattern that is never new: people know it. Services are globs; none is all.
type Noise struct {
	ID       string    `json:"id"`
	Pattern  string    `json:"pattern"` // a template
	Services []string  `json:"services"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// NoiseOf is the templates that are noise for a service.
func NoiseOf(list []Noise, service string) []string {
	var out []string
	for _, n := range list {
		if MatchAny(n.Services, service) {
			out = append(out, n.Pattern)
		}
	}
	return out
}
