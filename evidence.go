package verifier

import (
	"context"
	"time"
)

// Source answers questions about the past, one Answer for each Question, in order; a failure is in its Answer.
// It is called from many goroutines, and answers before the context's deadline or fails.
type Source interface {
	Ask(context.Context, []Question) []Answer
}

// Arm says whose samples they are.
type Arm string

// The arms. Deployed is what is judged; the others are what it is compared with.
const (
	ArmDeployed   Arm = "deployed"
	ArmBefore     Arm = "before"
	ArmPeers      Arm = "peers"       // instances or versions not yet changed, during the watch
	ArmLastWeek   Arm = "last-week"   // the same stretch seven days earlier
	ArmLastDeploy Arm = "last-deploy" // the same time after the deploy before
)

// Subject is what a question is about. Sources call services and environments by names of their own:
// Service and Environment are those names already.
type Subject struct {
	Service     string
	Environment string
	Target      string
	Version     string // the deployed version
	Team        string
	Hosts       []string // the changed hosts; empty when unknown
	Labels      map[string]string
	Peers       bool // asks for the instances that are *not* among Hosts, or not of Version
	Mixed       bool // other instances are not changed yet: a source that knows versions and no hosts asks for Version alone
}

// Question asks for one measure of one subject in steps: (From, From+Step], ..., up to To, which are whole multiples of Step in
// unix time.
type Question struct {
	Measure Measure
	Subject Subject
	From    time.Time
	To      time.Time
	Step    time.Duration
}

// Sample is one value of one step.
type Sample struct {
	T        time.Time // the END of the step
	Value    float64   // what limits look at: the count, the ratio, the percentile; never NaN or infinite
	Count    float64   // events counted, for count and ratio
	Exposure float64   // what they were counted among: requests, documents; 0 when there is none
	Patterns []Pattern `json:",omitempty"` // of the step's counted messages, where patterns are asked for
	Steps    int       `json:",omitempty"` // how many steps it stands for, where older ones were merged; 0 is one
}

// Width is how many steps the sample stands for.
func (s Sample) Width() int { return max(s.Steps, 1) }

// Answer is what a source said to one question. A step without data has no sample: nothing is never zero.
// For a log count, Exposure is the number of all documents of that service in the step, and a step without any has no sample.
type Answer struct {
	Samples []Sample  // in order of time, at most one a step
	Until   time.Time // complete up to; steps that end later may still change. Zero: the whole question
	Newest  time.Time // newest event seen, where the source knows it: its lag
	Partial string    // why the answer is not the whole truth; empty when it is
	Bounded string    // what was left out because a bound was reached: asking again will not help; empty when nothing was
	Unseen  bool      // nothing of this service was seen at all; false where the source cannot know
	Nearest string    // the nearest name that exists, where nothing of this service was ever seen
	Missing []string  // fields that the question names and no document has
	Absent  string    // where nothing was counted: what the question asks for and nothing ever was, in words; empty otherwise
	Skipped []Skipped // log lines that could not be read, by the step that they belong to
	Lines   string    // what the skipped lines are, with the first of them; empty where none were skipped
	Notes   []string  // what the source says of the query, although its answer is complete
	Query   string    // what was asked, in the source's language
	Link    string    // to look at it in the source's own pages
	Err     error     // nothing was answered; a SourceError says what it means
}

// Skipped is how many log lines of a step could not be read. The rest of the step is answered all the same.
type Skipped struct {
	T     time.Time // the END of the step
	Lines int
}

// SourceError is a failed question. Reason is SourceDown (not reachable, overloaded, refused), BadData (an answer that cannot be
// believed), SourceGone (what was asked for does not exist any more) or Partial. It is temporary unless Permanent.
type SourceError struct {
	Reason    Reason
	Permanent bool          // the query itself is wrong: asking again will not help
	After     time.Duration // the source asked to be left alone for so long
	Waits     bool          // our own budget did not let it through in time: it is asked later, and nothing is wrong
	Err       error
}

// Error is the text of the error inside.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap gives the error inside.
func (e *SourceError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrTemporary) true for what another try may mend, and ErrInvalid for what it will not.
func (e *SourceError) Is(target error) bool {
	if e.Permanent {
		return target == ErrInvalid
	}
	return target == ErrTemporary
}

// Evidence is what one rule saw of one arm.
type Evidence struct {
	Rule    string    `json:"rule"`
	Arm     Arm       `json:"arm"`
	From    time.Time `json:"from"`           // first step's start
	Until   time.Time `json:"until"`          // asked and answered up to
	Again   time.Time `json:"again,omitzero"` // asked once more, a lag later, up to
	Samples []Sample  `json:"samples"`
	Partial string    `json:"partial,omitempty"`
	Bounded string    `json:"bounded,omitempty"` // of any answer so far: it stays
	Unseen  bool      `json:"unseen,omitempty"`  // in no answer so far
	Asked   string    `json:"asked,omitempty"`   // what the source calls the service
	Nearest string    `json:"nearest,omitempty"` // the name that exists which is most like it
	Absent  string    `json:"absent,omitempty"`  // of the last answer that counted nothing; empty once anything was counted
	Skipped int       `json:"skipped,omitempty"` // log lines that could not be read, of all answers
	Lines   string    `json:"lines,omitempty"`   // what they are, with the first of them
	Query   string    `json:"query,omitempty"`
	Link    string    `json:"link,omitempty"`
	Trouble Reason    `json:"trouble,omitempty"` // of the last try, empty when it was answered
	Problem string    `json:"problem,omitempty"` // the trouble in words
	Settled bool      `json:"settled,omitempty"` // asked for good; never asked again (baselines)
}

// Baseline says which stretch `before` is, and of which version.
type Baseline struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Version string    `json:"version"`
	Since   time.Time `json:"since,omitzero"` // when that version was deployed
	Of      string    `json:"of,omitempty"`   // the verification it was inherited from
}

// Case is all that Judge looks at, for one rule: the times of the watch and the evidence by arm.
type Case struct {
	Deploy   Deploy
	From     time.Time // the change: the deploy's time
	Whole    time.Time // when the last host was changed; zero where all were at once
	Until    time.Time // end of the watch
	Ended    bool      // no more evidence will come: say what can be said
	Baseline *Baseline // nil: a first deploy has none
	Arms     map[Arm]Evidence
	Traffic  bool             // the service's other evidence shows that requests still come
	Load     map[Arm][]Sample // requests of each step (Value), where other evidence of the watch tells them
	Skip     []Span           // not judged: other changes of the place took hold there
	Zone     *time.Location   // of the times in sentences; nil is UTC
	Noise    []string         // templates that are never new
}

// Span is a stretch of time; without To it is not over.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// Overlaps reports whether the stretch shares any time with (from, to].
func (s Span) Overlaps(from, to time.Time) bool { return s.From.Before(to) && from.Before(s.To) }
