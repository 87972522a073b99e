package verifier

import "time"

// Outcome is what a rule says now.
type Outcome string

// The outcomes.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive"
	Pending      Outcome = "pending"
)

// Reason says why an outcome is what it is. The list is closed; pass and pending have none.
type Reason string

// The reasons. The first ten never pass a deploy and never roll one back by themselves.
const (
	NoData        Reason = "no_data"
	TooLittleData Reason = "too_little_data"
	PartialData   Reason = "partial"
	SourceDown    Reason = "source_down"
	NoBaseline    Reason = "no_baseline"
	Lagging       Reason = "lagging"
	BadData       Reason = "bad_data"
	SourceGone    Reason = "source_gone"
	NeverSeen     Reason = "never_seen"
	NoRules       Reason = "no_rules"

	IsWorse      Reason = "worse"
	LimitCrossed Reason = "limit_crossed"
	WentSilent   Reason = "went_silent"
)

// Reasons lists every Reason.
var Reasons = []Reason{
	NoData, TooLittleData, PartialData, SourceDown, NoBaseline, Lagging, BadData, SourceGone, NeverSeen, NoRules, IsWorse, LimitCrossed, WentSilent,
}

// Finding is one rule's outcome now, with what led to it.
type Finding struct {
	Rule       string     `json:"rule"`
	Outcome    Outcome    `json:"outcome"`
	Reason     Reason     `json:"reason"`
	Text       string     `json:"text"` // one sentence for people: value, limit, baseline, window
	Value      *float64   `json:"value"`
	Limit      *float64   `json:"limit"`
	Baseline   *float64   `json:"baseline"`
	Interval   []float64  `json:"interval"` // low and high of the value's (or the ratio's) confidence interval; null when there is none
	Confidence *float64   `json:"confidence"`
	Unit       string     `json:"unit"`
	Count      float64    `json:"count"`
	Exposure   float64    `json:"exposure"`
	From       time.Time  `json:"from"`
	To         time.Time  `json:"to"`
	Query      string     `json:"query"`
	Link       string     `json:"link"`
	Muted      bool       `json:"muted"`
	OnFail     OnFail     `json:"on_fail"`
	Severity   Severity   `json:"severity"`
	Optional   bool       `json:"optional,omitempty"`
	Before     bool       `json:"before,omitempty"` // the limit was crossed before the deploy too: alerts, never rolls back
	Samples    int        `json:"samples"`
	Never      bool       `json:"never,omitempty"`    // neither this version nor the one before had any data
	Patterns   []Pattern  `json:"patterns,omitempty"` // the new ones, the most frequent first, at most ten
	At         *time.Time `json:"at,omitempty"`       // when the outcome was reached; null while pending
}

// Counts reports whether a failure of it makes the deploy fail: it is neither muted nor only a note.
func (f Finding) Counts() bool { return !f.Muted && f.OnFail != FailNote }

// Decided reports whether the outcome is more than pending.
func (f Finding) Decided() bool { return f.Outcome != Pending }

// RollsBack reports whether this finding asks for a rollback.
func (f Finding) RollsBack() bool {
	return f.Outcome == Fail && f.Counts() && f.OnFail == FailRollback && !f.Before
}
