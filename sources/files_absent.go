package sources

import (
	"context"
	"fmt"
	"time"

	"verifier"
)

// A count of 0 may be good news, or a value that is written in another way. It is looked up once an hour for a service, in the lines of
// the hour before the question.
const (
	valuesKept   = time.Hour
	valuesBefore = time.Hour
	valuesBytes  = 32 << 20
	valuesTime   = 2 * time.Second
)

// note keeps the values of the fields that are asked for.
func (a *asked) note(d document) {
	for field := range a.wanted {
		v, _ := d.field(field)
		anyOf(v, func(v any) bool {
			if text, ok := textOf(v); ok {
				a.values.add(field, text, 1)
			}
			return false
		})
	}
}

// absent says which values are asked for that the service's lines never have, where nothing was counted.
func (f *Files) absent(ctx context.Context, a *asked, answer verifier.Answer) string {
	if !countedNothing(answer.Samples) || a.values.absent(a.wanted) == "" {
		return ""
	}
	key := fmt.Sprint(a.Subject.Service, "\x00", a.Subject.Environment, "\x00", a.Subject.Target, "\x00", a.wanted)
	before, err := f.values.do(ctx, key, func(ctx context.Context) fieldValues { return f.valuesBefore(ctx, a) })
	if err != nil {
		return ""
	}
	all := fieldValues{}
	all.addAll(a.values)
	all.addAll(before)
	return all.absent(a.wanted)
}

// countedNothing reports whether there were documents, and none that was counted.
func countedNothing(samples []verifier.Sample) bool {
	documents := 0.0
	for _, s := range samples {
		if s.Count > 0 {
			return false
		}
		documents += s.Exposure
	}
	return documents > 0
}

// valuesBefore reads the hour before the question. What cannot be read says nothing.
func (f *Files) valuesBefore(ctx context.Context, a *asked) fieldValues {
	ctx, cancel := context.WithTimeout(ctx, min(f.MaxTime, valuesTime))
	defer cancel()
	earlier := &asked{
		Question: verifier.Question{Subject: a.Subject, From: a.From.Add(-valuesBefore), To: a.From, Step: valuesBefore},
		measure:  measured{of: &Query{all{}}}, steps: map[int64]*bucket{}, missing: map[string]bool{}, wanted: a.wanted, values: fieldValues{},
	}
	earlier.Subject.Hosts, earlier.Subject.Peers, earlier.Subject.Mixed = nil, false, false
	r := &reading{Files: f, ctx: ctx, asked: []*asked{earlier}, services: map[place]bool{}, missing: map[string]bool{}, most: min(f.MaxBytes, valuesBytes)}
	if err := r.all(); err != nil {
		return fieldValues{}
	}
	return earlier.values
}
