package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"verifier"
)

// absent says which values are asked for that no document of the service had in the last day, where nothing was counted. It is asked once
// an hour for a service and its fields.
func (e *Elasticsearch) absent(ctx context.Context, a *esAsked, samples []verifier.Sample) string {
	if !countedNothing(samples) || len(a.pick) > 0 {
		return ""
	}
	wanted := map[string][]string{}
	for field, values := range a.measure.wanted {
		if !a.mapping.absent(field) && (a.mapping.unknown || !slices.ContainsFunc(a.mapping.types[field], func(t string) bool { return slices.Contains(wordTypes, t) })) {
			wanted[field] = values
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	to := a.To.Truncate(time.Hour).Add(time.Hour)
	fields := slices.Sorted(maps.Keys(wanted))
	key := fmt.Sprint(to.Unix(), "\x00", a.Subject.Service, "\x00", a.Subject.Environment, "\x00", a.Subject.Target, "\x00", fields)
	seen, err := e.values.do(ctx, key, func(ctx context.Context) fieldValues { return e.valuesOf(ctx, a, fields, to) })
	if err != nil || seen == nil {
		return ""
	}
	return seen.absent(wanted)
}

// valuesOf asks for the most frequent values of the fields; nil where that was not answered.
func (e *Elasticsearch) valuesOf(ctx context.Context, a *esAsked, fields []string, to time.Time) fieldValues {
	aggs := object{}
	for _, field := range fields {
		aggs["values "+field] = object{"terms": object{"field": field, "size": mostValues}}
	}
	reply := e.search(ctx, object{
		"size": 0, "query": object{"bool": object{"filter": append([]object{e.between(to.Add(-recent), to)}, e.place(a)...)}}, "aggs": aggs,
	})
	if reply.err != nil || reply.result.partial() != "" {
		return nil
	}
	out := fieldValues{}
	for _, field := range fields {
		var said struct {
			Others  float64 `json:"sum_other_doc_count"`
			Buckets []struct {
				Key  any     `json:"key"`
				Text string  `json:"key_as_string"`
				Docs float64 `json:"doc_count"`
			} `json:"buckets"`
		}
		if json.Unmarshal(reply.result.Aggs["values "+field], &said) != nil {
			return nil
		}
		for _, b := range said.Buckets {
			text, _ := textOf(b.Key)
			if b.Text != "" {
				text = b.Text
			}
			out.add(field, text, b.Docs)
		}
		if v := out[field]; v != nil && said.Others > 0 {
			v.open = true
		}
	}
	return out
}
