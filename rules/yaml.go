package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"verifier"
)

// ruleFile is one file of rules as it is written. What nobody judges yet is left out of the schema.
type ruleFile struct {
	Team     string   `yaml:"team,omitempty"`
	Defaults defaults `yaml:"defaults,omitempty"`
	Rules    []rule   `yaml:"rules"`
}

// defaults hold for the rules of their file.
type defaults struct {
	Settle     *duration `yaml:"settle,omitempty"`
	Watch      *duration `yaml:"watch,omitempty"`
	Every      *duration `yaml:"every,omitempty"`
	Confidence *share    `yaml:"confidence,omitempty"`
	Select     selects   `yaml:"select,omitempty"`
}

// rule is one rule, or one override of it, as it is written; what is nil was not written.
type rule struct {
	Name         string    `yaml:"name,omitempty"`
	Override     string    `yaml:"override,omitempty"`
	Off          *bool     `yaml:"off,omitempty"`
	Select       selects   `yaml:"select,omitempty"`
	Measure      *measure  `yaml:"measure,omitempty"`
	Limit        *limit    `yaml:"limit,omitempty"`
	Compare      *compare  `yaml:"compare,omitempty"`
	OnFail       *string   `yaml:"on_fail,omitempty" jsonschema:"enum=rollback,enum=alert,enum=note"`
	Severity     *string   `yaml:"severity,omitempty" jsonschema:"enum=page,enum=warn"`
	OnNoData     *string   `yaml:"on_no_data,omitempty" jsonschema:"enum=inconclusive,enum=fail,enum=pass"`
	Optional     *bool     `yaml:"optional,omitempty"`
	EvenIfBefore *bool     `yaml:"even_if_before,omitempty"`
	MuteUntil    *when     `yaml:"mute_until,omitempty"`
	Note         *string   `yaml:"note,omitempty"`
	MinSamples   *whole    `yaml:"min_samples,omitempty"`
	MinExposure  *float64  `yaml:"min_exposure,omitempty"`
	Extend       *duration `yaml:"extend,omitempty"`
	Settle       *duration `yaml:"settle,omitempty"`
	Watch        *duration `yaml:"watch,omitempty"`
	Every        *duration `yaml:"every,omitempty"`
}

type measure struct {
	Source     string            `yaml:"source,omitempty"`
	Unit       string            `yaml:"unit,omitempty"`
	Pick       map[string]string `yaml:"pick,omitempty"`
	Where      string            `yaml:"where,omitempty"`
	Count      string            `yaml:"count,omitempty"`
	Ratio      *ratio            `yaml:"ratio,omitempty"`
	Percentile *percentile       `yaml:"percentile,omitempty"`
	Average    *average          `yaml:"average,omitempty"`
	Patterns   string            `yaml:"patterns,omitempty"`
	PromQL     string            `yaml:"promql,omitempty"`
	NRQL       string            `yaml:"nrql,omitempty"`
	Query      string            `yaml:"query,omitempty"`
	Command    []string          `yaml:"command,omitempty"`
	HTTP       string            `yaml:"http,omitempty"`
	Results    string            `yaml:"results,omitempty"`
	Value      string            `yaml:"value,omitempty"`
}

type ratio struct {
	Of string `yaml:"of"`
	To string `yaml:"to"`
}

type percentile struct {
	Field string  `yaml:"field"`
	P     float64 `yaml:"p"`
}

type average struct {
	Field string `yaml:"field"`
}

type limit struct {
	Above       *amount   `yaml:"above,omitempty"`
	Below       *amount   `yaml:"below,omitempty"`
	Equals      *amount   `yaml:"equals,omitempty"`
	Exit        *whole    `yaml:"exit,omitempty"`
	Within      *duration `yaml:"within,omitempty"`
	For         *duration `yaml:"for,omitempty"`
	New         *whole    `yaml:"new,omitempty"`
	SeenAtLeast *whole    `yaml:"seen_at_least,omitempty"`
}

type compare struct {
	With     oneOrMore `yaml:"with,omitempty"`
	Over     *duration `yaml:"over,omitempty"`
	Worse    *string   `yaml:"worse,omitempty" jsonschema:"enum=higher,enum=lower,enum=either"`
	Tolerate *share    `yaml:"tolerate,omitempty"`
	AtLeast  *amount   `yaml:"at_least,omitempty"`
}

// selects is a select: each key a glob or a list of them.
type selects struct {
	Service     oneOrMore            `yaml:"service,omitempty"`
	Environment oneOrMore            `yaml:"environment,omitempty"`
	Target      oneOrMore            `yaml:"target,omitempty"`
	Team        oneOrMore            `yaml:"team,omitempty"`
	Change      oneOrMore            `yaml:"change,omitempty"`
	Labels      map[string]oneOrMore `yaml:"labels,omitempty"`
}

// oneOrMore is one word or a list of them.
type oneOrMore []string

// UnmarshalYAML takes both.
func (w *oneOrMore) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*w = oneOrMore{one}
		return nil
	}
	return unmarshal((*[]string)(w))
}

// duration is written as 30s, 15m, 12h or 90d.
type duration time.Duration

// UnmarshalYAML reads a duration of 0 or more.
func (d *duration) UnmarshalYAML(node ast.Node) error {
	parsed, err := verifier.ParseDuration(plain(node))
	*d = duration(parsed)
	return at(node, err)
}

// whole is a whole number of 0 or more.
type whole int

// UnmarshalYAML refuses fractions, which would be cut off.
func (w *whole) UnmarshalYAML(node ast.Node) error {
	n, err := strconv.Atoi(plain(node))
	if err != nil || n < 0 {
		return at(node, fmt.Errorf("%s is no whole number of 0 or more; write one like 5", plain(node)))
	}
	*w = whole(n)
	return nil
}

// when is a moment: 2026-12-01T10:00:00Z, or the beginning of a day in UTC.
type when time.Time

// UnmarshalYAML reads both ways of writing it.
func (w *when) UnmarshalYAML(node ast.Node) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, plain(node)); err == nil {
			*w = when(t)
			return nil
		}
	}
	return at(node, fmt.Errorf("%q is no time; write 2026-12-01 or 2026-12-01T10:00:00Z", plain(node)))
}

// share is a share: 25% or 0.25.
type share float64

// UnmarshalYAML reads both ways of writing it.
func (p *share) UnmarshalYAML(node ast.Node) error {
	text := plain(node)
	s, isPercent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || value < 0 || value != value || value > 1e6 {
		return at(node, fmt.Errorf("%q is no share; write 25%% or 0.25", text))
	}
	if isPercent {
		value /= 100
	}
	*p = share(value)
	return nil
}

// amount is a value of what a rule measures. Of shares it may be written in percent: 0.005 or 0.5%.
type amount struct {
	number  float64
	percent bool
}

// UnmarshalYAML reads both ways of writing it.
func (a *amount) UnmarshalYAML(node ast.Node) error {
	text := plain(node)
	if s, percent := strings.CutSuffix(text, "%"); percent {
		value, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err == nil && finite(value) {
			*a = amount{value / 100, true}
			return nil
		}
	}
	if node.Type() == ast.StringType { // YAML's numbers know no 1e9
		if value, err := strconv.ParseFloat(text, 64); err == nil && finite(value) {
			*a = amount{number: value}
			return nil
		}
	}
	if yaml.NodeToValue(node, &a.number) != nil || node.Type() == ast.StringType || node.Type() == ast.BoolType || node.Type() == ast.NullType {
		return at(node, fmt.Errorf("%s is not a number; write one like 10 or 0.5", valueOf(node.GetToken())))
	}
	return nil
}

// of is the amount in the unit of the measure: where that is %, 0.5% is 0.5.
func (a *amount) of(m verifier.Measure) *float64 {
	if a == nil {
		return nil
	}
	number := a.number
	if a.percent && m.Unit == "%" && m.Ratio == nil {
		number *= 100
	}
	return &number
}

// inPercent are the keys that are written in percent.
func (r rule) inPercent() []string {
	var keys []string
	note := func(key string, a *amount) {
		if a != nil && a.percent {
			keys = append(keys, key)
		}
	}
	if l := r.Limit; l != nil {
		note("limit.above", l.Above)
		note("limit.below", l.Below)
		note("limit.equals", l.Equals)
	}
	if c := r.Compare; c != nil {
		note("compare.at_least", c.AtLeast)
	}
	return keys
}

func plain(node ast.Node) string { return strings.Trim(strings.TrimSpace(node.String()), `"'`) }

// at is the error with its place in the file.
func at(node ast.Node, err error) error {
	if err == nil {
		return nil
	}
	return &yaml.SyntaxError{Message: err.Error(), Token: node.GetToken()}
}

func (m measure) words() verifier.Measure {
	out := verifier.Measure{
		Source: m.Source, Unit: m.Unit, Pick: m.Pick, Where: m.Where, Count: m.Count, Patterns: m.Patterns, PromQL: m.PromQL, NRQL: m.NRQL,
		Query: m.Query, Command: m.Command, HTTP: m.HTTP, Results: m.Results, Value: m.Value,
	}
	if m.Ratio != nil {
		out.Ratio = &verifier.Ratio{Of: m.Ratio.Of, To: m.Ratio.To}
	}
	if m.Percentile != nil {
		out.Percentile = &verifier.Percentile{Field: m.Percentile.Field, P: m.Percentile.P}
	}
	if m.Average != nil {
		out.Average = &verifier.Average{Field: m.Average.Field}
	}
	return out
}

// over replaces the keys of the default that are written here.
func (s selects) over(d verifier.Select) verifier.Select {
	replace := func(to *[]string, from oneOrMore) {
		if from != nil {
			*to = from
		}
	}
	replace(&d.Service, s.Service)
	replace(&d.Environment, s.Environment)
	replace(&d.Target, s.Target)
	replace(&d.Team, s.Team)
	replace(&d.Change, s.Change)
	if s.Labels != nil {
		d.Labels = map[string][]string{}
		for name, patterns := range s.Labels {
			d.Labels[name] = patterns
		}
	}
	return d
}
