package verifier

import (
	"slices"
	"time"
)

// Gate says what a version must have behind it before it may go into an environment.
type Gate struct {
	Environment  string        // it is the gate into
	Services     []string      // globs; empty is all
	After        []string      // environments where this very version must have passed
	Results      []string      // tests, by glob, that must have passed there
	MaxAge       time.Duration // of the pass; 0: any
	Inconclusive bool          // a watch that could not tell is good enough
}

// GateReason names why a gate is shut. The list is closed.
type GateReason string

// The reasons.
const (
	GateHeld           GateReason = "held"            // a hold over the gate
	GateCondemned      GateReason = "condemned"       // the version was rolled back or marked bad, there or in an environment before
	GateFailed         GateReason = "failed"          // its deploy or its watch failed
	GateResultsFailed  GateReason = "results_failed"  // tests that are demanded failed
	GateNotDeployed    GateReason = "not_deployed"    // it was not there before
	GateWatching       GateReason = "watching"        // its watch is not over
	GateInconclusive   GateReason = "inconclusive"    // its watch could not tell, or was superseded or cancelled
	GateNotWatched     GateReason = "not_watched"     // it was there, and nobody watched
	GateResultsMissing GateReason = "results_missing" // tests that are demanded told nothing
	GateTooOld         GateReason = "too_old"         // it passed longer ago than max_age
	GateUnknownService GateReason = "unknown_service" // nobody named or deployed it
)

// GateProblem is one reason why a gate is shut, in words.
type GateProblem struct {
	Reason       GateReason `json:"reason"`
	Environment  string     `json:"environment"`
	Text         string     `json:"text"`
	Verification string     `json:"verification,omitempty"`
}

// GateOverride is a person's word that a version may pass all the same, although Despite was known. What came up later is not covered.
type GateOverride struct {
	By      string        `json:"by"`
	Reason  string        `json:"reason"`
	At      time.Time     `json:"at"`
	Until   time.Time     `json:"until"`
	Despite []GateProblem `json:"despite"`
}

// Covers reports whether each of the problems was known to whoever overrode the gate.
func (o GateOverride) Covers(problems []GateProblem) bool {
	for _, p := range problems {
		if !slices.ContainsFunc(o.Despite, func(known GateProblem) bool {
			if p.Reason != GateHeld && p.Reason != GateCondemned && p.Reason != GateResultsFailed {
				known.Text = p.Text // of the same watch, told at another time
			}
			return known == p
		}) {
			return false
		}
	}
	return true
}

// GateOutcome is passed, failed, inconclusive or pending.
type GateOutcome string

// The outcomes: failed is for good, inconclusive may be mended by somebody, pending by what is still to come.
const (
	GatePassed  GateOutcome = "passed"
	GateShut    GateOutcome = "failed"
	GateUntold  GateOutcome = "inconclusive"
	GatePending GateOutcome = "pending"
)

// GateAnswer is whether a version may go into an environment, and why not.
type GateAnswer struct {
	Place
	Version  string        `json:"version"`
	Allowed  bool          `json:"allowed"`
	Outcome  GateOutcome   `json:"outcome"`
	Text     string        `json:"text"` // in one sentence
	Reasons  []GateProblem `json:"reasons"`
	Override *GateOverride `json:"override"`
	At       time.Time     `json:"at"`
}
