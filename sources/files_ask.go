package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"verifier"
)

// asked is one question being answered.
type asked struct {
	verifier.Question
	measure measured
	steps   map[int64]*bucket // by the end of the step, in unix nanoseconds
	seen    bool              // a line of the service, of whatever host
	newest  time.Time
	missing map[string]bool // fields that no line of the service had so far
	wanted  map[string][]string
	values  fieldValues // of the fields in wanted
}

// bucket is what was seen in one step.
type bucket struct {
	docs, of, to float64
	values       []float64
	patterns     map[*cluster]float64

	skipped int    // lines that could not be read
	first   string // of them
}

// Ask reads every file once for all questions.
func (f *Files) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	var open []*asked
	at := map[*asked]int{}
	for i, q := range questions {
		m, err := compileMeasure(q.Measure, q.Subject, q.Step)
		if err == nil && q.Step <= 0 {
			err = errors.New("a step must be longer than 0")
		}
		if err == nil && q.Measure.Patterns != "" {
			err = f.wantPatterns(&m)
		}
		if err != nil {
			answers[i].Err = badQuestion(err)
			continue
		}
		a := &asked{Question: q, measure: m, steps: map[int64]*bucket{}, missing: m.fields(), wanted: m.wanted(f.fields.message), values: fieldValues{}}
		open, at[a] = append(open, a), i
	}
	if len(open) == 0 {
		return answers
	}
	leave, err := f.budget.enter(ctx)
	if err != nil {
		return fail(questions, down(fmt.Errorf("read %s: %w", f.Path, err)))
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, f.MaxTime)
	defer cancel()
	r := &reading{Files: f, ctx: ctx, asked: open, services: map[place]bool{}, missing: f.filters(), most: f.MaxBytes}
	err = r.all()
	for _, a := range open {
		if err != nil {
			answers[at[a]].Err = err
			continue
		}
		answers[at[a]] = r.answer(a)
		answers[at[a]].Absent = f.absent(ctx, a, answers[at[a]])
	}
	return answers
}

// wantPatterns makes the measure group the messages.
func (f *Files) wantPatterns(m *measured) error {
	if f.fields.message == "" {
		return errNoMessage
	}
	m.message, m.drain = f.fields.message, newDrain(f.masks)
	return nil
}

// answer adds up what was seen for one question.
func (r *reading) answer(a *asked) verifier.Answer {
	out := verifier.Answer{Newest: a.newest, Query: a.measure.text, Partial: r.partial, Unseen: !a.seen}
	if a.measure.drain != nil {
		out.Bounded = a.measure.drain.missed()
	}
	if r.tally.lines > 0 {
		out.Missing = slices.Collect(maps.Keys(r.missing))
	}
	if a.seen {
		out.Missing = slices.AppendSeq(out.Missing, maps.Keys(a.missing))
	} else {
		out.Nearest = nearestPlace(r.services, a.Subject)
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	for end, b := range a.steps {
		if s, ok := a.measure.sample(b); ok {
			s.T = time.Unix(0, end).UTC()
			out.Samples = append(out.Samples, s)
		}
	}
	slices.SortFunc(out.Samples, func(x, y verifier.Sample) int { return x.T.Compare(y.T) })
	out.Notes = r.tally.notes
	r.skipped(a, &out)
	return out
}

// place is a service of an environment that lines were seen of.
type place struct{ service, environment string }

// nearestPlace is the name that is most like the one asked for; its environment is told where the name itself is right.
func nearestPlace(known map[place]bool, s verifier.Subject) string {
	best, distance := place{}, math.MaxInt
	for k := range known {
		n := levenshtein.ComputeDistance(strings.ToLower(s.Service), strings.ToLower(k.service))
		if n < distance || n == distance && (k.service+k.environment) < (best.service+best.environment) {
			best, distance = k, n
		}
	}
	switch {
	case best.service == s.Service && best.environment != "":
		return best.service + " in " + best.environment
	case best.service == s.Service:
		return "" // it is there: the environment or the target is not
	}
	return best.service
}

// filters are the fields that lines are filtered by.
func (f *Files) filters() map[string]bool {
	out := map[string]bool{}
	for _, name := range []string{f.fields.service, f.fields.environment, f.fields.target} {
		if name != "" {
			out[name] = true
		}
	}
	return out
}

// crossOff takes away the fields that the line has.
func crossOff(missing map[string]bool, d document) {
	for name := range missing {
		if v, ok := d.field(name); ok && present(v) {
			delete(missing, name)
		}
	}
}

// take counts one line for every question that it is about.
func (r *reading) take(at time.Time, d document) {
	service, _ := d.text(r.fields.service)
	environment, _ := d.text(r.fields.environment)
	if len(r.services) < 1000 && service != "" {
		r.services[place{service, environment}] = true
	}
	crossOff(r.missing, d)
	r.steps = r.steps[:0]
	for _, a := range r.asked {
		if !at.After(a.From) || at.After(a.To) || !r.ofPlace(d, a.Subject) {
			continue
		}
		a.seen = true
		crossOff(a.missing, d)
		if !r.ofArm(d, a.Subject) {
			continue
		}
		if at.After(a.newest) {
			a.newest = at
		}
		end := ceilStep(at, a.Step)
		b := a.steps[end]
		if b == nil {
			b = &bucket{}
			a.steps[end] = b
		}
		a.measure.count(b, d)
		a.note(d)
		if r.steps = append(r.steps, b); r.here.waiting > 0 {
			b.skip(r.here.waiting, r.here)
		}
	}
	r.here.waiting = 0
}

// ceilStep is the end of the step that holds the moment: (end-step, end].
func ceilStep(at time.Time, step time.Duration) int64 {
	n, s := at.UnixNano(), int64(step)
	return (n + s - 1) / s * s
}

// ofPlace reports whether the line is of the service, the environment and the target.
func (r *reading) ofPlace(d document, s verifier.Subject) bool {
	return (r.fields.service == "" || d.has(r.fields.service, s.Service)) &&
		(r.fields.environment == "" || s.Environment == "" || d.has(r.fields.environment, s.Environment)) &&
		(r.fields.target == "" || s.Target == "" || d.has(r.fields.target, s.Target))
}

// ofArm reports whether the line is of the changed hosts, or for peers of any other host or version.
func (r *reading) ofArm(d document, s verifier.Subject) bool {
	if len(s.Hosts) > 0 && r.fields.host != "" {
		_, named := d.text(r.fields.host)
		of := slices.ContainsFunc(s.Hosts, func(h string) bool { return d.has(r.fields.host, h) })
		return of != s.Peers && (of || named)
	}
	if (s.Peers || s.Mixed) && r.fields.version != "" {
		version, ok := d.text(r.fields.version)
		return ok && verifier.SameVersion(version, s.Version) != s.Peers
	}
	return !s.Peers
}
