package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"

	"verifier"
	"verifier/lifecycle"
	"verifier/rules"
	"verifier/words"
)

// Explanation is what would happen to a deploy of a place: which rules would watch it and what they see now, who would hear of it,
// and whether it could be rolled back.
type Explanation struct {
	verifier.Place
	Team       string                 `json:"team"`
	Claimed    bool                   `json:"claimed"`
	Nearest    string                 `json:"nearest"` // known service, where this one is unclaimed
	At         time.Time              `json:"at"`
	Live       string                 `json:"live"`
	Rules      []ExplainedRule        `json:"rules"`
	Receivers  []string               `json:"receivers"`
	Mode       verifier.RollbackMode  `json:"mode"`
	Way        bool                   `json:"way"` // a way of rolling back is configured
	To         string                 `json:"to"`
	Candidates []string               `json:"candidates"`
	Guards     []verifier.GuardAnswer `json:"guards"`
}

// ExplainedRule is one rule with what its source says now.
type ExplainedRule struct {
	Rule      string     `json:"rule"`
	Where     string     `json:"where"` // file:line
	Source    string     `json:"source"`
	Settings  []string   `json:"settings"` // key: value, as they are in force
	Value     *float64   `json:"value"`    // mean over the stretch
	Samples   int        `json:"samples"`
	Documents float64    `json:"documents"` // requests or documents that were counted among
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Newest    *time.Time `json:"newest"`
	Nearest   string     `json:"nearest"` // service that the source knows, where it never saw this one
	Missing   []string   `json:"missing"` // fields that the question names and no document has
	Absent    string     `json:"absent"`  // values that it asks for and no document has, in words
	Skipped   int        `json:"skipped"` // log lines that could not be read
	Lines     string     `json:"lines"`   // what those are, with the first of them
	Notes     []string   `json:"notes"`   // what the source says of the query, although its answer is complete
	Query     string     `json:"query"`
	Link      string     `json:"link"`
	Problem   string     `json:"problem"`

	Patterns []ExplainedPattern `json:"patterns,omitempty"` // the most frequent first
}

// ExplainedPattern is messages that the source has now.
type ExplainedPattern struct {
	verifier.Pattern
	Noise bool `json:"noise,omitempty"` // known to people, and never new
}

// explainedPatterns is how many are shown.
const explainedPatterns = 10

func (d *Daemon) explain(ctx context.Context, service, environment, target string, at time.Time) (any, error) {
	s := d.live()
	world := d.world()
	now := d.now()
	if at.IsZero() || at.After(now) {
		at = now
	}
	place := s.catalogue.Canonical(verifier.Place{Service: service, Environment: environment, Target: target})
	entry := s.catalogue.Service(place, "")
	deploy := verifier.Deploy{ID: "explain", Place: place, Version: "explain", Status: verifier.Succeeded, Change: verifier.Release, At: at, Team: entry.Team, RecordedAt: at}
	scene, err := d.store.SceneOf(ctx, deploy, at)
	if err != nil {
		return nil, err
	}
	out := Explanation{Place: place, Team: entry.Team, Claimed: entry.Claimed, At: at, Mode: entry.Rollback.Mode, Way: entry.Rollback.By != ""}
	if !entry.Claimed {
		out.Nearest = nearestService(s.catalogue, service)
	}
	for _, p := range scene.History {
		if p.Deploy.MovesLive() {
			out.Live, deploy.Previous = p.Deploy.Version, p.Deploy.Version
			break
		}
	}
	noise, err := d.store.Noise(ctx)
	if err != nil {
		return nil, err
	}
	known := verifier.NoiseOf(noise, place.Service)
	list, _ := world.Rules(deploy)
	for _, look := range world.Look(ctx, deploy, list, s.backends, at) {
		out.Rules = append(out.Rules, explained(look, known))
	}
	if err := d.explainBlind(ctx, &out); err != nil {
		return nil, err
	}
	out.Receivers = s.alerting.Explain(map[string]string{
		"alertname": "Verifier", "kind": string(verifier.IncidentVerdict), "service": place.Service, "environment": place.Environment, "target": place.Target,
		"team": entry.Team, "severity": string(verifier.SeverityPage), "outcome": string(verifier.FailedState),
	})
	failed := verifier.Verification{ID: deploy.ID, Deploy: deploy, State: verifier.FailedState, From: at, FailedAt: &at}
	out.Guards, out.To, out.Candidates = world.Guards(scene, failed, at)
	return out, nil
}

func explained(l lifecycle.Look, noise []string) ExplainedRule {
	out := ExplainedRule{
		Rule: l.Rule.Name, Where: l.Rule.Where, Source: l.Rule.Measure.Source, Settings: settings(l.Rule), Samples: len(l.Answer.Samples),
		From: l.From, To: l.To, Nearest: l.Answer.Nearest, Missing: l.Answer.Missing, Query: l.Answer.Query, Link: l.Answer.Link, Problem: cmp.Or(l.Answer.Partial, l.Answer.Bounded),
		Absent: l.Answer.Absent, Lines: l.Answer.Lines, Notes: l.Answer.Notes,
	}
	for _, s := range l.Answer.Skipped {
		out.Skipped += s.Lines
	}
	if l.Rule.Measure.Results != "" {
		out.Source, out.Query = "results", l.Rule.Measure.Results
		return out
	}
	if l.Answer.Err != nil {
		out.Problem = l.Answer.Err.Error()
	}
	if !l.Answer.Newest.IsZero() {
		out.Newest = &l.Answer.Newest
	}
	var sum float64
	for _, s := range l.Answer.Samples {
		sum += s.Value
		out.Documents += s.Exposure
	}
	if n := len(l.Answer.Samples); n > 0 {
		mean := sum / float64(n)
		out.Value = &mean
	}
	if l.Rule.Measure.Patterns != "" {
		all := rules.Patterns(l.Answer.Samples)
		for _, p := range all[:min(explainedPatterns, len(all))] {
			out.Patterns = append(out.Patterns, ExplainedPattern{p, p.AlikeAny(noise)})
		}
	}
	return out
}

// settings are a rule's keys as they are in force.
func settings(r verifier.Rule) []string {
	out := []string{
		"on_fail: " + string(r.OnFail), "severity: " + string(r.Severity), "on_no_data: " + string(r.OnNoData),
		"settle: " + r.Settle.String(), "watch: " + r.Watch.String(), "every: " + r.Every.String(),
	}
	if l := r.Limit; l != nil {
		for _, bound := range []struct {
			name string
			at   *float64
		}{{"above", l.Above}, {"below", l.Below}, {"equals", l.Equals}} {
			if bound.at != nil {
				out = append(out, fmt.Sprintf("limit.%s: %g", bound.name, *bound.at))
			}
		}
		if l.New != nil {
			out = append(out, fmt.Sprintf("limit.new: %d", *l.New), fmt.Sprintf("limit.seen_at_least: %d", max(l.SeenAtLeast, 1)))
		}
		if l.Within > 0 {
			out = append(out, "limit.within: "+l.Within.String())
		}
		if l.For > 0 {
			out = append(out, "limit.for: "+l.For.String())
		}
	}
	if c := r.Compare; c != nil {
		with := make([]string, len(c.With))
		for i, arm := range c.With {
			with[i] = string(arm)
		}
		out = append(out, "compare.with: "+strings.Join(with, " "), "compare.over: "+c.Over.String(), "compare.worse: "+string(c.Worse),
			fmt.Sprintf("compare.tolerate: %g%%", 100*c.Tolerate), fmt.Sprintf("compare.at_least: %g", c.AtLeast), fmt.Sprintf("confidence: %.4g%%", 100*r.Confidence))
	}
	if r.Optional {
		out = append(out, "optional: true")
	}
	if !r.MuteUntil.IsZero() {
		out = append(out, "mute_until: "+r.MuteUntil.Format(time.RFC3339))
	}
	return out
}

// nearest is the known name that is most like the one asked for, and never that name itself.
func nearest(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if n := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)); n < distance && !strings.EqualFold(k, name) {
			best, distance = k, n
		}
	}
	return best
}

// nearestService is the service of the catalogue whose name, alias or name in a tool is most like the one asked for.
func nearestService(c *verifier.Catalogue, name string) string {
	best, distance := "", len(name)/2+1
	for _, e := range c.Entries {
		service := e.Match.Service
		if service == "" || strings.ContainsAny(service, "*?") || strings.EqualFold(service, name) {
			continue
		}
		known := append([]string{service}, e.Aliases...)
		for _, k := range slices.AppendSeq(known, maps.Values(c.Service(verifier.Place{Service: service}, "").Names)) {
			n := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k))
			if n < distance || n == distance && best != "" && service < best {
				best, distance = service, n
			}
		}
	}
	return best
}

func explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [SERVICE ENV]",
		Short: "Show what would watch a deploy, what it sees now, who would hear of it and whether it could be rolled back",
		Args:  cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			ask, err := clientOf(c)
			if err != nil {
				return err
			}
			if receiver, _ := c.Flags().GetString("alert-test"); receiver != "" {
				return alertTest(c, ask, receiver)
			}
			if cost, _ := c.Flags().GetBool("cost"); cost {
				return explainCost(c, ask)
			}
			if len(args) != 2 {
				return fmt.Errorf("write verifier explain SERVICE ENV, --cost, or --alert-test RECEIVER")
			}
			query := placeQuery(c, args)
			if at, _ := c.Flags().GetString("at"); at != "" {
				query.Set("at", at)
			}
			var e Explanation
			if err := ask.do(c.Context(), http.MethodGet, "/v1/explain?"+query.Encode(), nil, &e); err != nil {
				return err
			}
			return printed(c, e, func(w io.Writer) { printExplanation(w, e.in(ask.zone)) })
		},
	}
	addServerFlags(c)
	addTargetFlag(c)
	c.Flags().String("at", "", "look at this time instead of now, RFC 3339")
	c.Flags().Bool("cost", false, "show what the rules ask of their sources in a day, the five dearest first")
	c.Flags().String("alert-test", "", "send a test message to this receiver")
	return c
}

func explainCost(c *cobra.Command, ask *client) error {
	var out struct {
		Rules []RuleCost `json:"rules"`
	}
	if err := ask.do(c.Context(), http.MethodGet, "/v1/explain/cost", nil, &out); err != nil {
		return err
	}
	return printed(c, out, func(w io.Writer) { printCosts(w, out.Rules) })
}

func alertTest(c *cobra.Command, ask *client, receiver string) error {
	if err := ask.do(c.Context(), http.MethodPost, "/v1/alert-test", map[string]string{"receiver": receiver}, nil); err != nil {
		return err
	}
	return printed(c, map[string]string{"receiver": receiver}, func(w io.Writer) {
		fmt.Fprintf(w, "a test message is on its way to %s; if none comes, the server's log says why\n", receiver)
	})
}

func printExplanation(w io.Writer, e Explanation) {
	fmt.Fprintf(w, "%s, team %s", e.Place, orDefault(e.Team, "unknown"))
	if !e.Claimed {
		fmt.Fprint(w, ", not in the catalogue")
		if e.Nearest != "" {
			fmt.Fprintf(w, " (did you mean %s?)", e.Nearest)
		}
	}
	fmt.Fprintf(w, "; live: %s\n", orDefault(e.Live, "nothing known"))
	if len(e.Rules) == 0 {
		fmt.Fprintln(w, "\nNo rule watches this place: a deploy would be inconclusive, no_rules.")
	}
	for _, r := range e.Rules {
		printExplainedRule(w, r)
	}
	fmt.Fprintf(w, "\nA failure would be told to: %s\n", orDefault(strings.Join(e.Receivers, ", "), "nobody"))
	fmt.Fprintf(w, "Rollback: mode %s", e.Mode)
	if !e.Way {
		fmt.Fprint(w, ", no way of doing it is configured")
	}
	if e.To != "" {
		fmt.Fprintf(w, ", would go back to %s", e.To)
	} else if len(e.Candidates) > 0 {
		fmt.Fprintf(w, ", a person would choose among %s", strings.Join(e.Candidates, ", "))
	}
	fmt.Fprintln(w)
	if e.To == "" && e.Mode != verifier.ModeOff {
		fmt.Fprintln(w, "  "+unprovenText(e.Place))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range e.Guards {
		answer := "ok"
		switch {
		case g.Pending:
			answer = "not asked yet"
		case g.Denies:
			answer = "blocks"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", g.Guard, answer, g.Text)
	}
	t.Flush()
}

// unprovenText says why nothing can be rolled back in the place, and what to do about it.
func unprovenText(p verifier.Place) string {
	return fmt.Sprintf("%s cannot be rolled back automatically yet: no version has passed its watch there or was marked good. To mark the live one: verifier mark good DEPLOY", p)
}

func printExplainedRule(w io.Writer, r ExplainedRule) {
	fmt.Fprintf(w, "\n%s  (%s)\n  %s\n", r.Rule, r.Where, strings.Join(r.Settings, ", "))
	if r.Source == "results" && r.To.IsZero() {
		fmt.Fprintf(w, "  waits for results of tests that are posted: %s\n", r.Query)
		return
	}
	printSaid(w, r)
	printPatterns(w, r.Patterns)
	printRemarks(w, r)
	if r.Query != "" {
		fmt.Fprintln(w, "  "+strings.ReplaceAll(r.Query, "\n", "\n  "))
	}
	if r.Link != "" {
		fmt.Fprintln(w, "  "+r.Link)
	}
}

// printSaid is what the source answered.
func printSaid(w io.Writer, r ExplainedRule) {
	stretch := "from " + clock(r.From) + " to " + clock(r.To) + r.To.Format(" MST")
	switch {
	case r.Problem != "" && r.Value == nil:
		fmt.Fprintf(w, "  %s cannot say: %s\n", r.Source, r.Problem)
	case r.Value == nil:
		fmt.Fprintf(w, "  %s has no data %s", r.Source, stretch)
		if r.Nearest != "" {
			fmt.Fprintf(w, "; it knows %s", r.Nearest)
		}
		fmt.Fprintln(w)
	default:
		fmt.Fprintf(w, "  %s: %s on average over %s %s", r.Source, words.Number(*r.Value), words.Count(r.Samples, "step"), stretch)
		if r.Documents > 0 {
			fmt.Fprintf(w, ", of %s", words.Count(int(r.Documents), "document"))
		}
		if r.Newest != nil {
			fmt.Fprintf(w, "; the newest is %s old", words.Duration(time.Since(*r.Newest)))
		}
		fmt.Fprintln(w)
		if r.Problem != "" {
			fmt.Fprintf(w, "  the answer is partial: %s\n", r.Problem)
		}
	}
}

// printRemarks is what to look at in the query, the source's fields or the log.
func printRemarks(w io.Writer, r ExplainedRule) {
	if len(r.Missing) > 0 {
		fmt.Fprintf(w, "  no document has %s: check its spelling, or the source's fields\n", strings.Join(r.Missing, ", "))
	}
	if r.Absent != "" {
		fmt.Fprintf(w, "  %s\n", r.Absent)
	}
	if r.Skipped > 0 {
		fmt.Fprintf(w, "  %s skipped: %s\n", words.Count(r.Skipped, "line"), r.Lines)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", note)
	}
}

func printPatterns(w io.Writer, list []ExplainedPattern) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, p := range list {
		note := ""
		if p.Noise {
			note = "  (known noise)"
		}
		fmt.Fprintf(t, "    %.0f\t  %s%s\n", p.Count, cmp.Or(p.Sample, p.Template), note)
	}
	t.Flush()
}

func clock(t time.Time) string { return t.Format("15:04:05") }

// in is the explanation with the stretches of its rules in a time zone.
func (e Explanation) in(zone *time.Location) Explanation {
	e.Rules = slices.Clone(e.Rules)
	for i := range e.Rules {
		e.Rules[i].From, e.Rules[i].To = e.Rules[i].From.In(zone), e.Rules[i].To.In(zone)
	}
	return e
}
