package verifier

import "time"

// Tally is how many deploys of one month share all these properties; reports are made of nothing else but these and Timings.
type Tally struct {
	Month       string // 2016-09, in the report's time zone
	Service     string
	Environment string
	Team        string
	Change      Change
	Status      Status
	Kind        Kind
	State       State  // of its verification; empty without one
	Marked      string // good, bad or empty
	Condemned   bool   // its verification failed
	Reverted    bool   // a later release of the place rolled back from it
	Auto        bool   // a rollback that the daemon called for
	Corrected   bool
	Void        bool
	N           int
}

// RuleTally is what one rule was right and wrong about in one month and environment.
type RuleTally struct {
	Month            string // 2016-09, in the report's time zone
	Environment      string
	Rule             string
	Caught           int // bad deploys that it failed
	Missed           int // bad deploys that it watched and did not fail
	FalselyCondemned int // deploys that it failed and that somebody marked good
}

// Timing is how long things took for one deploy.
type Timing struct {
	Deploy      string
	Service     string
	Environment string
	Team        string
	At          time.Time
	ToVerdict   time.Duration // from the deploy to a fail; 0 when it did not fail
	ToRecovery  time.Duration // from the deploy to the end of trouble: recovered, or the next sound deploy; 0 when there was none
}
