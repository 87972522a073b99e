package sources

import (
	"context"
	"encoding/json"
	"time"

	"verifier"
)

// complete says up to when an answer is complete, where the service's last step is silent: documents of others that are newer show
// that the service has nothing to say; where there are none at all, its own may be on their way. What cannot be found out is not held
// against the answer.
func (e *Elasticsearch) complete(ctx context.Context, a *esAsked, out *verifier.Answer) {
	if out.Partial != "" || out.Newest.After(a.To.Add(-a.Step)) || a.mapping.absent(e.fields.time) {
		return
	}
	newest, known := e.newest(ctx, a.To)
	if !known || !newest.Before(a.To) {
		return
	}
	out.Newest, out.Until = newest, newest.Truncate(a.Step)
	if out.Until.Before(a.From) {
		out.Until = a.From
	}
}

// newest is the time of the newest document of all, from a day before to until a day after it.
func (e *Elasticsearch) newest(ctx context.Context, to time.Time) (time.Time, bool) {
	hour := to.Truncate(time.Hour) // so that many ask the same
	since := hour.Add(-recent)
	reply := e.search(ctx, object{
		"size": 0, "query": object{"bool": object{"filter": []object{e.between(since, hour.Add(recent))}}},
		"aggs": object{"newest_of_all": object{"max": object{"field": e.fields.time}}},
	})
	if reply.err != nil || reply.result.partial() != "" {
		return time.Time{}, false
	}
	var found struct {
		Value *float64 `json:"value"`
	}
	if err := json.Unmarshal(reply.result.Aggs["newest_of_all"], &found); err != nil {
		return time.Time{}, false
	}
	if found.Value == nil {
		return since, true
	}
	return time.UnixMilli(int64(*found.Value)).UTC(), true
}
