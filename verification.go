package verifier

import "time"

// State is how far a verification has come. Failed is entered with the first failing rule that counts, and never left.
type State string

// The states. A watch that failed goes on to its end all the same: Verification.Ended says when nothing more is asked.
const (
	Waiting        State = "waiting"
	Observing      State = "observing"
	Passed         State = "passed"
	FailedState    State = "failed"
	Undecided      State = "inconclusive"
	Superseded     State = "superseded"
	CancelledState State = "cancelled"
)

// States lists every State.
var States = []State{Waiting, Observing, Passed, FailedState, Undecided, Superseded, CancelledState}

// Watching reports whether the state is before any verdict.
func (s State) Watching() bool { return s == Waiting || s == Observing }

// Verification is the watch over one deploy.
type Verification struct {
	ID        string       `json:"id"`
	Deploy    Deploy       `json:"deploy"`
	State     State        `json:"state"`
	Reason    string       `json:"reason,omitempty"` // of a cancelled, superseded or inconclusive one: deploy_failed, no_end, no_rules, ...
	Rules     string       `json:"rules"`            // hash of its rule set
	From      time.Time    `json:"from"`             // the deploy's time: what comes later is judged
	Until     time.Time    `json:"until"`
	Findings  []Finding    `json:"findings"`
	FailedAt  *time.Time   `json:"failed_at,omitempty"`  // when the verdict fell
	DecidedAt *time.Time   `json:"decided_at,omitempty"` // when it left waiting and observing
	Ended     *time.Time   `json:"ended"`                // null until nothing more is asked
	Mark      *Mark        `json:"mark"`
	Rollback  *Rollback    `json:"rollback"`
	Incident  string       `json:"incident"`
	Baseline  *Baseline    `json:"baseline,omitempty"`
	Joined    []Joined     `json:"joined,omitempty"`    // deploys that joined this watch
	Outages   []Span       `json:"outages,omitempty"`   // of sources: the watch is longer by them
	Results   []TestResult `json:"results,omitempty"`   // of tests that were run against the deploy
	Suspected *Suspicion   `json:"suspected,omitempty"` // it passed, and was undone or mended within a day
	WayBack   *WayBack     `json:"way_back,omitempty"`  // what the tool said when the watch began, where it can be asked
	Answers   string       `json:"answers,omitempty"`   // the verification whose rollback this deploy is
	Overdue   *time.Time   `json:"overdue,omitempty"`   // when it was told that the deploy takes twice as long as usual
	Unproven  bool         `json:"unproven,omitempty"`  // no version to go back to was known to be good when the watch began
	Behind    string       `json:"behind,omitempty"`    // the verification whose verdict it waits for before it begins
	Mended    *time.Time   `json:"mended,omitempty"`    // when a change that joined had undone what failed
	Late      bool         `json:"late,omitempty"`      // recorded later than act_within after its own time: tells nobody

	Revision int64     `json:"revision"`
	DueAt    time.Time `json:"-"`
	Attempt  int       `json:"-"`
}

// Suspicion says why a version that passed may have been bad.
type Suspicion struct {
	Kind    string    `json:"kind"`    // SuspectedByRollback or SuspectedByHotfix
	Deploy  string    `json:"deploy"`  // that undid or mended it
	Version string    `json:"version"` // of that
	At      time.Time `json:"at"`
}

// The kinds of Suspicion.
const (
	SuspectedByRollback = "rollback"
	SuspectedByHotfix   = "hotfix"
)

// WayBack is whether the version before could be deployed again, as its tool said when the watch began.
type WayBack struct {
	To   string    `json:"to"`
	Open bool      `json:"open"`
	Text string    `json:"text"` // what the tool said
	At   time.Time `json:"at"`
}

// Joined is a deploy that joined a running watch: its own step and settle are left out.
type Joined struct {
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	Hosts []string  `json:"hosts,omitempty"` // that it changed, where it brings the version of the watch to further ones
}

// RollbackState is how far a rollback has come.
type RollbackState string

// The states of a rollback.
const (
	RollbackVetoed    RollbackState = "vetoed"
	RollbackProposed  RollbackState = "proposed"
	RollbackApproved  RollbackState = "approved"
	RollbackSent      RollbackState = "sent"
	RollbackConfirmed RollbackState = "confirmed"
	RollbackRecovered RollbackState = "recovered"
	RollbackDenied    RollbackState = "denied"
	RollbackCancelled RollbackState = "cancelled"
	RollbackExpired   RollbackState = "expired"
	RollbackRefused   RollbackState = "refused"
	RollbackFailed    RollbackState = "failed"
)

// RollbackStates lists every RollbackState.
var RollbackStates = []RollbackState{
	RollbackVetoed, RollbackProposed, RollbackApproved, RollbackSent, RollbackConfirmed, RollbackRecovered, RollbackDenied, RollbackCancelled,
	RollbackExpired, RollbackRefused, RollbackFailed,
}

// Open reports whether the rollback still waits for something.
func (s RollbackState) Open() bool {
	return s == RollbackProposed || s == RollbackApproved || s == RollbackSent || s == RollbackConfirmed
}

// GuardReason names a guard that denied a rollback. The list is closed.
type GuardReason string

// The guards' reasons.
const (
	GuardOff            GuardReason = "off"
	GuardHeld           GuardReason = "held"
	GuardNewer          GuardReason = "newer"
	GuardRollback       GuardReason = "rollback"
	GuardNotRelease     GuardReason = "not_release"
	GuardIrreversible   GuardReason = "irreversible"
	GuardNoTarget       GuardReason = "no_target"
	GuardKnownBad       GuardReason = "known_bad"
	GuardLive           GuardReason = "live"
	GuardLate           GuardReason = "late"
	GuardTooFewSamples  GuardReason = "too_few_samples"
	GuardTooMany        GuardReason = "too_many"
	GuardRecentRollback GuardReason = "recent_rollback"
	GuardEnvironment    GuardReason = "environment"
)

// GuardAnswer is what one guard said: denied or not, and why in words. Pending: it can be asked only when a rule has failed.
type GuardAnswer struct {
	Guard   GuardReason `json:"guard"`
	Denies  bool        `json:"denies"`
	Text    string      `json:"text"`
	Pending bool        `json:"pending,omitempty"`
}

// Rollback is the way back of one verification.
type Rollback struct {
	State       RollbackState `json:"state"`
	Mode        RollbackMode  `json:"mode"`
	To          string        `json:"to"`
	From        string        `json:"from"`
	Reasons     []GuardReason `json:"reasons"`
	Reason      string        `json:"reason,omitempty"` // how it ended, in a word or a sentence: recovered, not_recovered, confirm_within, ...
	Candidates  []string      `json:"candidates"`
	Guards      []GuardAnswer `json:"guards,omitempty"`
	By          *string       `json:"by"` // who approved, denied or cancelled; auto for the daemon
	At          time.Time     `json:"at"` // of the present state
	ProposedAt  *time.Time    `json:"proposed_at,omitempty"`
	SentAt      *time.Time    `json:"sent_at,omitempty"`
	ConfirmedAt *time.Time    `json:"confirmed_at,omitempty"`
	RecoveredAt *time.Time    `json:"recovered_at,omitempty"`
	SendAt      *time.Time    `json:"send_at,omitempty"`  // end of the countdown
	Number      int           `json:"number"`             // its action's key is rollback/<verification>/<number>
	Person      bool          `json:"person,omitempty"`   // asked for by a person: skips some guards
	Admin       bool          `json:"admin,omitempty"`    // may cross an irreversible deploy
	Taken       bool          `json:"taken,omitempty"`    // the tool said yes
	Progress    string        `json:"progress,omitempty"` // what the tool said last
	Stuck       bool          `json:"stuck,omitempty"`    // its task waits for a person
	Answer      string        `json:"answer,omitempty"`   // deploy that confirmed it

	Paused    *Pause        `json:"paused,omitempty"`     // while another release is under way in the place
	PausedFor time.Duration `json:"paused_for,omitempty"` // all pauses that are over: the time to act is longer by them
	Unclear   *Unclear      `json:"unclear,omitempty"`    // confirmed, and nobody can tell whether it helped
}

// Why is how the rollback ended, in words: Reason, or what its code stands for.
func (r Rollback) Why() string {
	switch r.Reason {
	case "recovered":
		return "the failing rules are back inside their limits"
	case "not_recovered":
		return "the failing rules still fail on " + r.To
	}
	return r.Reason
}

// Over reports whether nothing more comes of the rollback.
func (r Rollback) Over() bool {
	return !r.State.Open() || r.State == RollbackConfirmed && r.Unclear != nil
}

// Pause is why a rollback that is proposed or approved waits: a newer release was started. It goes on if that fails or has no end.
type Pause struct {
	Deploy  string        `json:"deploy"`
	Version string        `json:"version"`
	By      string        `json:"by,omitempty"` // who deploys it
	At      time.Time     `json:"at"`
	Left    time.Duration `json:"left,omitempty"` // of the countdown
	Long    bool          `json:"long,omitempty"` // longer than confirm_within: a person is needed
}

// Unclear is why nobody can tell whether a rollback helped, and what the failing rule saw before it and after it.
type Unclear struct {
	Reason string    `json:"reason"` // a finding's reason, superseded or cancelled
	Rule   string    `json:"rule,omitempty"`
	Failed *Figure   `json:"failed,omitempty"` // of the deploy that was rolled back
	After  *Figure   `json:"after,omitempty"`  // of the version that is back
	At     time.Time `json:"at"`
}

// Figure is what a rule saw: its value with its counts.
type Figure struct {
	Value    *float64 `json:"value"`
	Count    float64  `json:"count"`
	Exposure float64  `json:"exposure"`
	Unit     string   `json:"unit"`
	Text     string   `json:"text"`
}
