package verifier

import "time"

// Page is which part of a list is wanted: at most Limit items (0: 50, at most 500) after the cursor of the page before.
type Page struct {
	Limit int
	After string
}

// Size is the limit within its bounds.
func (p Page) Size() int {
	switch {
	case p.Limit <= 0:
		return 50
	case p.Limit > 500:
		return 500
	}
	return p.Limit
}

// DeployFilter selects deploys, newest first; empty fields select all. Void deploys are listed too, but not with a kind, a status, a
// change or a state, because they count for none (Corrected
// lists them all the same).
type DeployFilter struct {
	Page
	Service     string
	Environment string // or several, with commas between them
	Target      string
	NoTarget    bool // only those without a target
	Team        string
	Kind        Kind
	Status      Status
	Change      Change
	State       State  // of the deploy's own verification
	Corrected   bool   // only those that a person edited or voided
	Month       string // 2016-09, in Zone
	Zone        *time.Location
}

// VerificationFilter selects verifications, newest deploy first; empty fields select all.
type VerificationFilter struct {
	Page
	Service     string
	Environment string // or several, with commas between them
	Target      string
	NoTarget    bool // only those without a target
	State       State
	Active      bool // only those that have not ended
}

// DeliveryFilter selects deliveries, newest first; empty fields select all.
type DeliveryFilter struct {
	Page
	Tool    string // the hook's name, or api
	ID      string
	Outcome DeliveryOutcome
	Since   time.Time
}

// IncidentFilter selects incidents, newest first.
type IncidentFilter struct {
	Page
	Kind IncidentKind
	Open bool // only those not resolved
}

// Token is one key to the API. The secret itself is never kept, only its hash.
type Token struct {
	Name    string     `json:"name"`
	Scopes  []string   `json:"scopes"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"`
	Expires *time.Time `json:"expires"`
}
