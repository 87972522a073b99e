package report

import (
	"cmp"
	"fmt"
	"slices"

	"verifier"
)

// Rule is how far one rule can be believed, by what people marked and rolled back: in the month, and in the months before together.
type Rule struct {
	Rule string `json:"rule"`
	Belief
	Before Belief `json:"before"`
}

// Belief counts what a rule was right and wrong about.
type Belief struct {
	Caught           int      `json:"caught"`            // bad deploys that it failed
	Missed           int      `json:"missed"`            // bad deploys that it watched and did not fail
	FalselyCondemned int      `json:"falsely_condemned"` // good ones that it failed
	Precision        *float64 `json:"precision"`         // of what it failed, the share that was bad; null where it failed nothing
	Recall           *float64 `json:"recall"`            // of the bad ones, the share that it failed; null where there were none
}

func makeRules(month string, tallies []verifier.RuleTally, production func(string) bool) []Rule {
	rules := []Rule{}
	for _, t := range tallies {
		if !production(t.Environment) {
			continue
		}
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.Rule == t.Rule })
		if i < 0 {
			i = len(rules)
			rules = append(rules, Rule{Rule: t.Rule})
		}
		b := &rules[i].Before
		if t.Month == month {
			b = &rules[i].Belief
		}
		b.Caught, b.Missed, b.FalselyCondemned = b.Caught+t.Caught, b.Missed+t.Missed, b.FalselyCondemned+t.FalselyCondemned
	}
	for i := range rules {
		rules[i].judged()
		rules[i].Before.judged()
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Compare(a.Rule, b.Rule) })
	return rules
}

func (b *Belief) judged() {
	b.Precision, b.Recall = share(b.Caught, b.Caught+b.FalselyCondemned), share(b.Caught, b.Caught+b.Missed)
}

// share is n of of, to three digits; nil where there were none.
func share(n, of int) *float64 {
	if of == 0 {
		return nil
	}
	x := round(float64(n)/float64(of), 3)
	return &x
}

// ruleTable shows every rule that was right or wrong about something.
func (r Report) ruleTable() table {
	t := table{Title: "The judge, by rule", Head: []string{"Rule", "Precision", "Recall", "Precision before", "Recall before"}}
	for _, rule := range r.Rules {
		t.Rows = append(t.Rows, tableRow{Cells: []string{rule.Rule, rule.right(), rule.found(), rule.Before.right(), rule.Before.found()}})
	}
	return t
}

func (b Belief) right() string { return ofAll(b.Caught, b.Caught+b.FalselyCondemned) }
func (b Belief) found() string { return ofAll(b.Caught, b.Caught+b.Missed) }

func ofAll(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%s of %s", number(n), number(of))
}
