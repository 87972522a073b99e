package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
)

// Ask answers all questions; those that come together are one call.
func (e *Elasticsearch) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	var group sync.WaitGroup
	for i, q := range questions {
		group.Go(func() { answers[i] = e.ask(ctx, q) })
	}
	group.Wait()
	return answers
}

// esAsked is one question as it is asked.
type esAsked struct {
	verifier.Question
	measure                            esMeasure
	mapping                            esMapping
	service, environment, target, host exact
	version                            exact
	pick                               []string // labels, in order
	groups                             []string // the fields they are grouped by
	notes                              []string
}

func (e *Elasticsearch) ask(ctx context.Context, q verifier.Question) verifier.Answer {
	a, err := e.prepare(q)
	if err != nil {
		return verifier.Answer{Err: badQuestion(err)}
	}
	out := verifier.Answer{Link: e.link(a)}
	if err := e.resolve(ctx, a); err != nil {
		out.Query, out.Err = e.told(a), err
		return out
	}
	total := newEsTotal()
	if a.mapping.unknown || a.mapping.indices > 0 {
		for from := q.From; from.Before(q.To) && out.Err == nil; from = from.Add(a.stretch()) {
			to := from.Add(a.stretch())
			if to.After(q.To) {
				to = q.To
			}
			out.Err = e.add(ctx, a, total, from, to)
		}
	}
	if out.Err == nil && a.measure.patterns {
		out.Err = e.addPatterns(ctx, a, total)
	}
	if out.Err == nil {
		e.finish(ctx, a, total, &out)
	}
	out.Query = e.told(a)
	return out
}

// stretch is what one search asks for: Elasticsearch makes 65,535 buckets at most.
func (a *esAsked) stretch() time.Duration {
	if len(a.groups) > 0 {
		return a.Step * 50
	}
	return a.Step * 5000
}

func (e *Elasticsearch) prepare(q verifier.Question) (*esAsked, error) {
	switch {
	case q.Step < time.Millisecond || q.Step%time.Millisecond != 0:
		return nil, fmt.Errorf("a step of %v is no multiple of 1ms", q.Step)
	case q.Subject.Peers && !e.tellsApart(q):
		return nil, errors.New("nothing tells changed instances from others: the deploy names no hosts, or fields.host and fields.version are empty")
	}
	m, err := compileES(q.Measure, q.Subject, q.Step, e.fields.message)
	if err == nil {
		err = m.ofStretch(e.fields.time)
	}
	return &esAsked{Question: q, measure: m, pick: slices.Sorted(maps.Keys(q.Measure.Pick))}, err
}

func (e *Elasticsearch) tellsApart(q verifier.Question) bool {
	return picksArm(q.Measure.Pick) || e.fields.host != "" && len(q.Subject.Hosts) > 0 || e.fields.version != ""
}

// resolve finds out how the fields are mapped, and refuses what they cannot answer.
func (e *Elasticsearch) resolve(ctx context.Context, a *esAsked) error {
	names := map[string]bool{e.fields.time: true}
	f := e.fields
	filters := []struct {
		field string
		into  *exact
	}{{f.service, &a.service}, {f.environment, &a.environment}, {f.target, &a.target}, {f.host, &a.host}, {f.version, &a.version}}
	for _, list := range []map[string]bool{a.measure.named, a.measure.numbers} {
		maps.Copy(names, list)
	}
	for _, filter := range filters {
		names[filter.field] = true
	}
	for _, label := range a.pick {
		names[label] = true
	}
	delete(names, "")
	a.mapping = e.mapping(ctx, names)
	if a.mapping.err != nil {
		return a.mapping.err
	}
	if err := a.mapping.check(e.fields.time, a.measure); err != nil {
		return e.badMapping(err)
	}
	for _, filter := range filters {
		x, note, err := a.mapping.whole(filter.field)
		if err != nil && e.filters(a, filter.field) {
			return e.badMapping(err)
		}
		if *filter.into = x; note != "" && e.filters(a, filter.field) && !slices.Contains(a.notes, note) {
			a.notes = append(a.notes, note)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.measure.named)) {
		if types := a.mapping.types[name]; name != e.fields.message && len(types) > 0 && a.mapping.only(name, wordTypes) {
			a.notes = append(a.notes, name+" is text: its words are searched, without case")
		}
	}
	return e.resolvePick(a)
}

func (e *Elasticsearch) resolvePick(a *esAsked) error {
	for _, label := range a.pick {
		x, note, err := a.mapping.whole(label)
		if err != nil {
			return e.badMapping(err)
		}
		field, err := x.grouped()
		if err != nil {
			return e.badMapping(err)
		}
		if a.groups = append(a.groups, field); note != "" && !slices.Contains(a.notes, note) {
			a.notes = append(a.notes, note)
		}
	}
	return nil
}

// filters reports whether the question is filtered by the field. What pick compares is not: it is grouped by, for all who ask.
func (e *Elasticsearch) filters(a *esAsked, field string) bool {
	s := a.Subject
	switch field {
	case "":
		return false
	case e.fields.service:
		return !a.picks(field, "Service")
	case e.fields.environment:
		return s.Environment != "" && !a.picks(field, "Environment")
	case e.fields.target:
		return s.Target != "" && !a.picks(field, "Target")
	case e.fields.host:
		return len(s.Hosts) > 0 && !picksArm(a.Measure.Pick)
	case e.fields.version:
		return (s.Peers || s.Mixed) && (len(s.Hosts) == 0 || e.fields.host == "") && !picksArm(a.Measure.Pick)
	}
	return false
}

func (a *esAsked) picks(field, template string) bool {
	for label, text := range a.Measure.Pick {
		if label == field || slices.Contains(names(text), template) {
			return true
		}
	}
	return false
}

// place is the filters by service, environment and target.
func (e *Elasticsearch) place(a *esAsked) []object {
	var out []object
	for _, f := range []struct {
		exact
		value string
	}{{a.service, a.Subject.Service}, {a.environment, a.Subject.Environment}, {a.target, a.Subject.Target}} {
		if e.filters(a, f.field) {
			out = append(out, f.is(f.value))
		}
	}
	return out
}

// arm is the changed hosts, or for peers all others that say which they are.
func (e *Elasticsearch) arm(a *esAsked) object {
	s := a.Subject
	var is object
	var of exact
	switch {
	case e.filters(a, e.fields.host):
		of, is = a.host, a.host.is(s.Hosts...)
	case e.filters(a, e.fields.version):
		of, is = a.version, a.version.is(s.Version)
	default:
		return matchAll()
	}
	if !s.Peers {
		return is
	}
	return object{"bool": object{"must_not": is, "filter": object{"exists": object{"field": of.field}}}}
}

// body is the search for (from, to]. Elasticsearch's steps hold their beginning and ours their end, so they begin a millisecond later.
func (e *Elasticsearch) body(a *esAsked, from, to time.Time) object {
	aggs := object{"arm": object{"filter": e.arm(a), "aggs": e.grouped(a)}}
	maps.Copy(aggs, havings(a.namedInOrder()))
	return object{
		"size": 0, "track_total_hits": true, "aggs": aggs,
		"query": object{"bool": object{"filter": append([]object{e.between(from, to)}, e.place(a)...)}},
	}
}

func (e *Elasticsearch) between(from, to time.Time) object {
	return object{"range": object{e.fields.time: object{"gt": from.UnixMilli(), "lte": to.UnixMilli(), "format": "epoch_millis"}}}
}

func (a *esAsked) namedInOrder() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a.measure.named)), a.mapping.absent)
}

// mostGroups is how many values of a picked field are seen.
const mostGroups = 1000

// grouped is the steps, within the groups of what is picked.
func (e *Elasticsearch) grouped(a *esAsked) object {
	ms := a.Step.Milliseconds()
	aggs := object{
		"newest": object{"max": object{"field": e.fields.time}},
		"steps": object{
			"date_histogram": object{"field": e.fields.time, "fixed_interval": fmt.Sprintf("%dms", ms), "offset": "+1ms", "min_doc_count": 1},
			"aggs":           a.measure.aggs(),
		},
	}
	for _, field := range slices.Backward(a.groups) {
		aggs = object{"groups": object{"terms": object{"field": field, "size": mostGroups}, "aggs": aggs}}
	}
	return aggs
}

// aggs is what is asked of each step.
func (m esMeasure) aggs() object {
	of := object{"filter": m.of}
	switch m.kind {
	case esRatio:
		return object{"to": object{"filter": m.to, "aggs": object{"of": of}}}
	case esValue:
		inner := object{"value": m.metric}
		if m.field != "" {
			inner["n"] = object{"value_count": object{"field": m.field}}
		}
		of["aggs"] = inner
	}
	return object{"of": of}
}

// told is the question in words that can be pasted into Kibana, with what was found out about the fields.
func (e *Elasticsearch) told(a *esAsked) string {
	text := e.Index + ": " + a.measure.text
	if f := e.luceneFilters(a); f != "" {
		text += ", of " + f
	}
	if len(a.pick) > 0 {
		text += ", by " + strings.Join(a.pick, " and ")
	}
	if len(a.notes) > 0 {
		text += " [" + strings.Join(a.notes, "; ") + "]"
	}
	return text
}
