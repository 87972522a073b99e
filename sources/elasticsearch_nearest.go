package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"verifier"
)

// recent is how far back names of services are looked for.
const recent = 24 * time.Hour

// esServices is who wrote in the last day.
type esServices struct {
	known     map[place]bool
	documents float64
	missing   []string // fields that are filtered by and that no document has
	ok        bool
}

// unseen looks for the service among those that wrote in the last day. One that did is not unknown: it is silent.
func (e *Elasticsearch) unseen(ctx context.Context, a *esAsked, out *verifier.Answer) {
	to := a.To.Truncate(time.Minute).Add(time.Minute)
	filters := slices.DeleteFunc([]string{e.fields.service, e.fields.environment, e.fields.target}, func(name string) bool { return !e.filters(a, name) })
	got, err := e.names.do(ctx, fmt.Sprint(to.Unix(), filters), func(ctx context.Context) esServices { return e.services(ctx, a, to, filters) })
	switch {
	case err != nil || !got.ok:
	case got.documents == 0:
		a.notes = append(a.notes, fmt.Sprintf("%s holds no document of the day before %s", e.Index, a.To.UTC().Format(time.RFC3339)))
	case got.knows(a.Subject):
		out.Unseen = false
	default:
		out.Missing = append(out.Missing, got.missing...)
		out.Nearest = nearestPlace(got.known, a.Subject)
	}
}

func (k esServices) knows(s verifier.Subject) bool {
	for p := range k.known {
		if p.service == s.Service && (p.environment == s.Environment || p.environment == "" || s.Environment == "") {
			return true
		}
	}
	return false
}

// services asks for the names, with their environments, that documents of the last day have.
func (e *Elasticsearch) services(ctx context.Context, a *esAsked, to time.Time, filters []string) (out esServices) {
	by, err := a.service.grouped()
	if err != nil || e.fields.service == "" {
		return out
	}
	terms := object{"terms": object{"field": by, "size": mostGroups}}
	if within, err := a.environment.grouped(); err == nil && e.fields.environment != "" {
		terms["aggs"] = object{"within": object{"terms": object{"field": within, "size": 20}}}
	}
	aggs := havings(filters)
	aggs["services"] = terms
	reply := e.search(ctx, object{
		"size": 0, "track_total_hits": true, "query": object{"bool": object{"filter": []object{e.between(to.Add(-recent), to)}}}, "aggs": aggs,
	})
	if reply.err != nil || reply.result.partial() != "" {
		return out
	}
	for _, name := range filters {
		if reply.result.documents(having+name) == 0 {
			out.missing = append(out.missing, name)
		}
	}
	out.documents = reply.result.Hits.Total.value
	out.known, out.ok = namesOf(reply.result.Aggs["services"])
	return out
}

// namesOf reads the groups of services and of environments within them.
func namesOf(raw json.RawMessage) (known map[place]bool, ok bool) {
	type bucket struct {
		Key any `json:"key"`
	}
	var said struct {
		Buckets []struct {
			bucket
			Within struct {
				Buckets []bucket `json:"buckets"`
			} `json:"within"`
		} `json:"buckets"`
	}
	if json.Unmarshal(raw, &said) != nil {
		return nil, false
	}
	known = map[place]bool{}
	for _, b := range said.Buckets {
		name, _ := textOf(b.Key)
		if len(b.Within.Buckets) == 0 {
			known[place{name, ""}] = true
		}
		for _, in := range b.Within.Buckets {
			environment, _ := textOf(in.Key)
			known[place{name, environment}] = true
		}
	}
	return known, true
}

// having is how the aggregation is named that counts the documents with a field.
const having = "having "

func havings(names []string) object {
	out := object{}
	for _, name := range names {
		out[having+name] = object{"filter": object{"exists": object{"field": name}}}
	}
	return out
}

// documents is how many documents an aggregation with a filter has.
func (r *esResult) documents(aggregation string) float64 {
	var said struct {
		Docs float64 `json:"doc_count"`
	}
	if json.Unmarshal(r.Aggs[aggregation], &said) != nil {
		return 0
	}
	return said.Docs
}
