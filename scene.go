package verifier

import "time"

// Scene is what a decision sees of the record: all of one place, and what of others bears on it, read in the transaction that
// will write the decision's Effects.
type Scene struct {
	Place     Place
	Deploy    Deploy         // the one that arrived, or that the decision is about
	History   []Past         // deploys of the place, newest first; at least 50 and those of 90 days, at most 500; void ones left out
	Watches   []Verification // of the place: not ended, or with an open rollback, the one the decision is about, of the release before the deploy, or of an open incident
	Holds     []Hold         // not ended
	Rollbacks []Sent         // rollbacks sent in the last 90 days, in every place
	Failures  []Failure      // verifications of the same environment that failed in the last hour, this one too; not late nor dismissed ones
	Incidents []Incident     // open ones with a member in the place, and those of Watches and Failures, open or not
}

// Watch is the verification with that id, or nil.
func (s *Scene) Watch(id string) *Verification {
	for i := range s.Watches {
		if s.Watches[i].ID == id {
			return &s.Watches[i]
		}
	}
	return nil
}

// Incident is the incident with that id, or nil.
func (s *Scene) Incident(id string) *Incident {
	for i := range s.Incidents {
		if s.Incidents[i].ID == id {
			return &s.Incidents[i]
		}
	}
	return nil
}

// LiveBefore is the release of another version that was live in the place just before d, or nil.
func (s *Scene) LiveBefore(d Deploy) *Deploy {
	for i := range s.History { // newest first
		if p := &s.History[i].Deploy; p.MovesLive() && p.ID != d.ID && p.Before(d) {
			if SameVersion(p.Version, d.Version) {
				return nil // once more the same
			}
			return p
		}
	}
	return nil
}

// VerdictIncident is the id of the incident that a failure of the deploy joins: the first of its group that is not resolved.
func (s *Scene) VerdictIncident(d Deploy) string {
	for n := 1; ; n++ {
		id := VerdictIncidentID(d, n)
		if in := s.Incident(id); in == nil || in.Resolved == nil {
			return id
		}
	}
}

// Past is one deploy of a place with what became of its watch.
type Past struct {
	Deploy   Deploy
	State    State // empty without a verification
	Rollback RollbackState
	Baseline *Baseline
	Ended    *time.Time
}

// Sound reports whether the deploy's verification passed or a person marked it good.
func (p Past) Sound() bool {
	if p.Deploy.Mark != nil {
		return p.Deploy.Mark.Good
	}
	return p.State == Passed
}

// Sent is one rollback that was called for.
type Sent struct {
	Verification string
	Place        Place
	Group        string // or the deploy's id
	At           time.Time
}

// Failure is one verification that failed in an environment.
type Failure struct {
	Verification string
	Place        Place
	Group        string // or the deploy's id
	At           time.Time
	Incident     string
}

// Effects is what one decision writes, all or nothing.
type Effects struct {
	Verifications []Verification  // inserted at revision 0, else saved where the revision still holds, and then raised
	Evidence      []EvidenceOf    // replaced
	RuleSet       *RuleSet        // kept under its hash
	Incidents     []Incident      // replaced by id; their revision is raised by the store
	Actions       []Action        // inserted, or re-armed where the key exists: payload and due time replaced, attempt 0, memory kept
	Holds         []Hold          // replaced by id
	Marks         map[string]Mark // by deploy id
	Audit         []Audit
}

// EvidenceOf is the evidence of one verification.
type EvidenceOf struct {
	Verification string
	Evidence     []Evidence
}

// RuleSet is the resolved rules that a verification was created with.
type RuleSet struct {
	Hash  string
	Rules []Rule
}

// Audit is one line of who did what and why. It is never changed.
type Audit struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	What    string    `json:"what"`    // approve, deny, hold, edit, judge, guard, ...
	Subject string    `json:"subject"` // verification, deploy, hold or token it is about
	Reason  string    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"` // what it was before, or the guards' answers
}

// Watched is a verification that is due, with all that judging it needs.
type Watched struct {
	Verification Verification
	Rules        []Rule
	Evidence     []Evidence
	Noise        []Noise // all that is known, where a rule is about patterns
}
