package verifier

import (
	"strings"
	"time"
)

// What a hold may stop.
const (
	StopsRollback = "rollback"
	StopsGate     = "gate"
	StopsAlert    = "alert" // a mute
)

// Hold says who stops what, why and until when, over which services, environments and teams (globs; empty is all).
type Hold struct {
	ID           string     `json:"id"`
	By           string     `json:"by"`
	Reason       string     `json:"reason"`
	At           time.Time  `json:"at"`
	Until        *time.Time `json:"until"` // null: until somebody ends it
	Services     []string   `json:"services"`
	Environments []string   `json:"environments"`
	Teams        []string   `json:"teams"`
	Stops        []string   `json:"stops"`
	Ended        *time.Time `json:"ended,omitempty"`
	File         string     `json:"file,omitempty"`     // the hold file, where this hold is one
	Warnings     []string   `json:"warnings,omitempty"` // names that match nothing known, for whoever asks; not kept
}

// Active reports whether the hold is in force at that time.
func (h Hold) Active(now time.Time) bool {
	return (h.Ended == nil || now.Before(*h.Ended)) && (h.Until == nil || now.Before(*h.Until)) && !now.Before(h.At)
}

// Covers reports whether the hold stops that thing for that place and team.
func (h Hold) Covers(what string, p Place, team string) bool {
	stops := false
	for _, s := range h.Stops {
		stops = stops || strings.EqualFold(s, what)
	}
	return stops && MatchAny(h.Services, p.Service) && MatchAny(h.Environments, p.Environment) && MatchAny(h.Teams, team)
}

// Everywhere reports whether it covers every service, environment and team.
func (h Hold) Everywhere() bool { return len(h.Services)+len(h.Environments)+len(h.Teams) == 0 }
