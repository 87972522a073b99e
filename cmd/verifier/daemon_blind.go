package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// Blind is a rule that never had data for a place, although deploys were watched by it.
type Blind struct {
	verifier.Place
	Rule    string `json:"rule"`
	Watches int    `json:"watches"` // that ended without data
}

// blindTrouble is what the incidents' names begin with that tell of rules without data, one for each rule.
const blindTrouble = "rule/"

const (
	blindWatches = 2 // without data, where nothing is known of the time before the first
	blindEvery   = time.Minute
	blindLooks   = 500 // so many watches are looked back at
	blindPlaces  = 5   // so many places are named
)

// blindRules finds, in watches with the newest first, rules that never had data for a place and that still select it. An
// optional rule is left out: who wrote it expects it to lack data.
func blindRules(watches []verifier.Verification, rulesFor func(verifier.Deploy) []verifier.Rule) []Blind {
	type key struct{ place, rule string }
	type record struct {
		Blind
		seen, never bool
	}
	records, selected := map[key]*record{}, map[string][]verifier.Rule{}
	var order []key
	for _, v := range watches {
		place := v.Deploy.Place.Key()
		if _, known := selected[place]; !known {
			selected[place] = rulesFor(v.Deploy)
		}
		for _, f := range v.Findings {
			k := key{place, f.Rule}
			r := records[k]
			if r == nil {
				r = &record{Blind: Blind{Place: v.Deploy.Place, Rule: f.Rule}}
				records[k], order = r, append(order, k)
			}
			without := v.Ended != nil && f.Samples == 0 && (f.Reason == verifier.NoData || f.Reason == verifier.NeverSeen)
			if without {
				r.Watches++
			}
			r.never = r.never || f.Never
			r.seen = r.seen || f.Samples > 0 || f.Outcome == verifier.Pass || f.Outcome == verifier.Fail
		}
	}
	out := []Blind{}
	for _, k := range order {
		r := records[k]
		if watched := slices.ContainsFunc(selected[k.place], func(rule verifier.Rule) bool { return rule.Name == k.rule && !rule.Optional }); !watched || r.seen {
			continue
		}
		if r.Watches >= blindWatches || r.never && r.Watches > 0 {
			out = append(out, r.Blind)
		}
	}
	return out
}

// blind looks for such rules in what was watched last.
func (d *Daemon) blind(ctx context.Context) ([]Blind, error) {
	watches, _, err := d.store.Verifications(ctx, verifier.VerificationFilter{Page: verifier.Page{Limit: blindLooks}})
	if err != nil {
		return nil, err
	}
	s := d.live()
	return blindRules(watches, func(deploy verifier.Deploy) []verifier.Rule {
		list, _ := s.rules.For(deploy)
		return list
	}), nil
}

// noteBlind keeps what the daemon's own incidents tell of such rules, a while after it was last looked for.
func (d *Daemon) noteBlind(ctx context.Context) {
	if d.now().Sub(d.blindAt) < blindEvery {
		return
	}
	d.blindAt = d.now()
	list, err := d.blind(ctx)
	d.failed("look for rules without data", err)
	if err == nil {
		texts := blindTroubles(list)
		d.blindTexts.Store(&texts)
	}
}

// blindTroubles is one text for each rule. It changes only with the places: nobody hears of every deploy.
func blindTroubles(list []Blind) map[string]string {
	places := map[string][]string{}
	for _, b := range list {
		places[b.Rule] = append(places[b.Rule], b.Service+" in "+b.Where())
	}
	out := map[string]string{}
	for rule, of := range places {
		slices.Sort(of)
		out[blindTrouble+rule] = fmt.Sprintf("The rule %s has had no data for %s in any watch. %s", rule, words.List(of, blindPlaces), blindRemedy)
	}
	return out
}

const blindRemedy = "If it is not meant for them, leave them out with `select` or write `optional: true`; else `verifier explain SERVICE ENV` shows what it asks."

// blindTitle is the title of such an incident.
func blindTitle(name string) string {
	return "rule " + strings.TrimPrefix(name, blindTrouble) + " has no data"
}

// explainBlind says at a rule that it had no data for the place, where nothing worse is known of it.
func (d *Daemon) explainBlind(ctx context.Context, e *Explanation) error {
	list, err := d.blind(ctx)
	for i := range e.Rules {
		for _, b := range list {
			if r := &e.Rules[i]; r.Rule == b.Rule && r.Problem == "" && r.Samples == 0 && b.Place.Key() == e.Place.Key() {
				r.Problem = b.String()
			}
		}
	}
	return err
}

func (b Blind) String() string {
	return fmt.Sprintf("the rule %s has had no data for %s in %s in any of %s: leave it out with select, or write optional: true", b.Rule, b.Service, b.Where(), words.Count(b.Watches, "watch"))
}
