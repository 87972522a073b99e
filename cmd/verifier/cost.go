package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"verifier"
)

// costSince is over how many days deploys are counted, to tell how many there are a day.
const costSince = 7

// RuleCost is what one rule asks of its source in a day, the dearest first.
type RuleCost struct {
	Rule         string  `json:"rule"`
	Source       string  `json:"source"`
	Deploys      int     `json:"deploys"`      // that it watched in the last 7 days
	Requests     float64 `json:"requests"`     // questions a day
	Documents    float64 `json:"documents"`    // looked at a day, where the source says how many
	Milliseconds float64 `json:"milliseconds"` // of the source's time a day
	Measured     int     `json:"measured"`     // questions that this was measured on, since the daemon started
}

// ruleCosts extrapolates what was measured to a day, by the deploys of the last 7 days.
func (d *Daemon) ruleCosts(ctx context.Context) (any, error) {
	s := d.live()
	since := d.now().AddDate(0, 0, -costSince)
	costs := map[string]*RuleCost{}
	for page := (verifier.Page{Limit: 500}); ; {
		list, next, err := d.store.Deploys(ctx, verifier.DeployFilter{Page: page, Status: verifier.Succeeded})
		if err != nil {
			return nil, fmt.Errorf("count the deploys of the last %d days: %w", costSince, err)
		}
		for _, deploy := range list {
			if deploy.At.Before(since) {
				next = ""
				break
			}
			rules, _ := s.rules.For(deploy)
			for _, r := range rules {
				s.addCost(costs, r)
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	out := struct {
		Rules []RuleCost `json:"rules"`
	}{[]RuleCost{}}
	for _, c := range costs {
		out.Rules = append(out.Rules, *c)
	}
	slices.SortFunc(out.Rules, func(a, b RuleCost) int {
		return cmp.Or(cmp.Compare(b.Milliseconds, a.Milliseconds), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Rule, b.Rule))
	})
	return out, nil
}

// addCost adds one watch: a question for each step, and one for the baseline.
func (s *setup) addCost(costs map[string]*RuleCost, r verifier.Rule) {
	source := s.sources[r.Measure.Source]
	if source == nil || r.Every <= 0 {
		return
	}
	c := costs[r.Name]
	if c == nil {
		c = &RuleCost{Rule: r.Name, Source: r.Measure.Source}
		costs[r.Name] = c
	}
	questions := float64(r.Watch / r.Every)
	if r.Compare != nil && slices.Contains(r.Compare.With, verifier.ArmBefore) {
		questions++
	}
	c.Deploys++
	c.Requests += questions / costSince
	spent := source.Spent(r.Measure)
	if c.Measured = spent.Questions; spent.Questions > 0 {
		each := questions / costSince / float64(spent.Questions)
		c.Documents += each * spent.Documents
		c.Milliseconds += each * float64(spent.Took) / float64(time.Millisecond)
	}
}

// dearest is how many rules are shown to people.
const dearest = 5

func printCosts(w io.Writer, rules []RuleCost) {
	if len(rules) == 0 {
		fmt.Fprintf(w, "No rule watched a deploy in the last %d days: nothing is asked.\n", costSince)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "REQUESTS/DAY\tDOCUMENTS/DAY\tMS/DAY\tDEPLOYS (7 DAYS)\tSOURCE\tRULE\t")
	for _, r := range rules[:min(dearest, len(rules))] {
		fmt.Fprintf(t, "%.0f\t%.0f\t%.0f\t%d\t%s\t%s\t\n", r.Requests, r.Documents, r.Milliseconds, r.Deploys, r.Source, r.Rule)
		if r.Measured == 0 {
			fmt.Fprintln(t, "\t\tnot measured yet\t\t\t\t")
		}
	}
	t.Flush()
	if n := len(rules) - dearest; n > 0 {
		fmt.Fprintf(w, "and %d cheaper rules; --format json shows all\n", n)
	}
}
