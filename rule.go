package verifier

import "time"

// Rule is what to measure and how to judge it, resolved for one deploy: defaults and overrides are in it.
// Resolved rules are stored as JSON under their hash, so that a running watch is not changed by a reload.
type Rule struct {
	Name   string `json:"name"`
	Where  string `json:"where"` // file:line of its definition
	Team   string `json:"team,omitempty"`
	Select Select `json:"select"`

	Measure Measure  `json:"measure"`
	Limit   *Limit   `json:"limit,omitempty"`
	Compare *Compare `json:"compare,omitempty"`

	OnFail       OnFail        `json:"on_fail"`
	Severity     Severity      `json:"severity"`
	OnNoData     OnNoData      `json:"on_no_data"`
	Optional     bool          `json:"optional,omitempty"`
	EvenIfBefore bool          `json:"even_if_before,omitempty"`
	MuteUntil    time.Time     `json:"mute_until,omitzero"`
	Note         string        `json:"note,omitempty"` // why it is muted or what it is for
	MinSamples   int           `json:"min_samples,omitempty"`
	MinExposure  float64       `json:"min_exposure,omitempty"`
	Extend       time.Duration `json:"extend,omitempty"`

	Settle     time.Duration `json:"settle"` // not judged after the deploy; a PromQL's longest range selector is in it
	Watch      time.Duration `json:"watch"`
	Every      time.Duration `json:"every"`
	Confidence float64       `json:"confidence"` // of this rule alone: the whole verdict's, divided by the rules that count
}

// Muted reports whether the rule's failures do not count at this time.
func (r Rule) Muted(now time.Time) bool { return now.Before(r.MuteUntil) }

// Select says which deploys a rule is for, by glob; an empty list matches all.
type Select struct {
	Service     []string            `json:"service,omitempty"`
	Environment []string            `json:"environment,omitempty"`
	Target      []string            `json:"target,omitempty"`
	Team        []string            `json:"team,omitempty"`
	Change      []string            `json:"change,omitempty"`
	Labels      map[string][]string `json:"labels,omitempty"`
}

// Matches reports whether the deploy is one of those selected.
func (s Select) Matches(d Deploy) bool {
	for name, patterns := range s.Labels {
		if !MatchAny(patterns, d.Labels[name]) {
			return false
		}
	}
	return MatchAny(s.Service, d.Service) && MatchAny(s.Environment, d.Environment) && MatchAny(s.Target, d.Target) &&
		MatchAny(s.Team, d.Team) && MatchAny(s.Change, string(d.Change))
}

// Measure is what a rule asks of a source. Exactly one of the questions is set.
// Texts may hold templates ({{.Service}}, ...), which the source fills in, escaped for its language.
type Measure struct {
	Source string            `json:"source"`
	Unit   string            `json:"unit,omitempty"`
	Pick   map[string]string `json:"pick,omitempty"`  // labels of the series that counts, of an answer with many
	Where  string            `json:"where,omitempty"` // a query that narrows percentile and average

	Count      string      `json:"count,omitempty"`
	Ratio      *Ratio      `json:"ratio,omitempty"`
	Percentile *Percentile `json:"percentile,omitempty"`
	Average    *Average    `json:"average,omitempty"`
	Patterns   string      `json:"patterns,omitempty"`
	PromQL     string      `json:"promql,omitempty"`
	NRQL       string      `json:"nrql,omitempty"`
	Query      string      `json:"query,omitempty"`
	Command    []string    `json:"command,omitempty"`
	Exit       bool        `json:"exit,omitempty"`    // of a command: its exit code counts, and not the number that it writes
	Results    string      `json:"results,omitempty"` // names of tests, by glob, whose results are posted; it has no source
	HTTP       string      `json:"http,omitempty"`    // a path below the source's url
	Value      string      `json:"value,omitempty"`   // of http: an expression over the answer that gives a number
}

// Counts reports whether samples are events with an exposure, and not values.
func (m Measure) Counts() bool { return m.Count != "" || m.Ratio != nil }

// Ratio is the share of some events among others: two queries.
type Ratio struct {
	Of string `json:"of"`
	To string `json:"to"`
}

// Percentile is the p-th percentile (0 < p < 100) of a field.
type Percentile struct {
	Field string  `json:"field"`
	P     float64 `json:"p"`
}

// Average is the mean of a field.
type Average struct {
	Field string `json:"field"`
}

// Limit fails a rule the moment it is crossed.
type Limit struct {
	Above       *float64      `json:"above,omitempty"`
	Below       *float64      `json:"below,omitempty"`
	Equals      *float64      `json:"equals,omitempty"` // fails on any other value
	Exit        *int          `json:"exit,omitempty"`   // of a command
	Within      time.Duration `json:"within,omitempty"` // counts are summed, values averaged over so long a window
	For         time.Duration `json:"for,omitempty"`    // it must hold that long
	New         *int          `json:"new,omitempty"`    // so many new patterns are tolerated
	SeenAtLeast int           `json:"seen_at_least,omitempty"`
}

// Worse is the direction in which a value gets worse.
type Worse string

// The directions.
const (
	Higher Worse = "higher"
	Lower  Worse = "lower"
	Either Worse = "either"
)

// Compare fails a rule when the deployed version is surely worse than each baseline by more than is tolerated.
type Compare struct {
	With     []Arm         `json:"with"`
	Over     time.Duration `json:"over"` // length of the stretch before
	Worse    Worse         `json:"worse"`
	Tolerate float64       `json:"tolerate"`           // relative: 0.25 is 25 %
	AtLeast  float64       `json:"at_least,omitempty"` // absolute; a change must exceed both
}

// OnFail is what a failed rule brings about.
type OnFail string

// The consequences.
const (
	FailRollback OnFail = "rollback"
	FailAlert    OnFail = "alert"
	FailNote     OnFail = "note"
)

// Severity says whether a person is to be woken for a failed rule.
type Severity string

// The severities.
const (
	SeverityPage Severity = "page"
	SeverityWarn Severity = "warn"
)

// OnNoData is the outcome of a rule without data. NoDataFail counts only if the query had data before the deploy.
type OnNoData string

// The outcomes of no data.
const (
	NoDataInconclusive OnNoData = "inconclusive"
	NoDataFail         OnNoData = "fail"
	NoDataPass         OnNoData = "pass"
)
