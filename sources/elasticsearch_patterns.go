package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"verifier/outbound"
)

// The bounds of fetching messages.
const (
	mostFetched = 10_000 // for one question, where nothing is configured
	perPage     = 5000
	mostOfPage  = 10_000 // index.max_result_window, unless somebody changed it
)

// esHit is one document: nothing but its message and, in sort, its time in milliseconds.
type esHit struct {
	Index   string           `json:"_index"`
	ID      string           `json:"_id"`
	Sort    []float64        `json:"sort"`
	Fields  map[string][]any `json:"fields"`
	Ignored map[string][]any `json:"ignored_field_values"` // too long for their mapping
}

// message is the document's text; of a list, its first.
func (h esHit) message(field string) string {
	for _, values := range [][]any{h.Fields[field], h.Ignored[field]} {
		for _, v := range values {
			if text, ok := textOf(v); ok {
				return text
			}
		}
	}
	return ""
}

// esReading is the messages of one question being fetched, the oldest first. The next page begins with the last page's last
// millisecond, without the documents that are known: there is no field to break ties by in Elasticsearch 7, 8 and OpenSearch alike.
type esReading struct {
	*esAsked
	drain *drain
	steps map[time.Time]map[*cluster]float64 // by their ends
	last  time.Time                          // the time of the newest document so far
	known map[string]bool                    // documents of that time
	page  int
}

// addPatterns groups the messages that were counted.
func (e *Elasticsearch) addPatterns(ctx context.Context, a *esAsked, total *esTotal) error {
	counted := 0
	for _, s := range total.samples {
		counted += int(s.Count)
	}
	if counted == 0 || total.partial != "" {
		return nil
	}
	if a.mapping.absent(e.fields.message) {
		return e.badMapping(fmt.Errorf("no document has %s; name the field that holds messages as message in the source's fields", e.fields.message))
	}
	r := &esReading{esAsked: a, drain: newDrain(e.masks), steps: map[time.Time]map[*cluster]float64{}, last: a.From.Add(time.Millisecond), page: perPage}
	for more := true; more; {
		var err error
		if more, err = e.nextPage(ctx, r, total); err != nil {
			return err
		}
	}
	if total.partial != "" {
		return nil // the counts are the whole truth, and the messages are not
	}
	r.drain.beyond = max(r.drain.beyond, counted-r.drain.messages)
	total.bounded = r.drain.missed()
	for end, s := range total.samples {
		s.Patterns = r.drain.counted(r.steps[end])
		total.samples[end] = s
	}
	return nil
}

// nextPage fetches and groups one page; more says whether another may follow.
func (e *Elasticsearch) nextPage(ctx context.Context, r *esReading, total *esTotal) (more bool, err error) {
	size := min(r.page+len(r.known), r.drain.most-r.drain.messages+len(r.known), mostOfPage)
	if len(r.known) >= size { // so many documents of one millisecond
		return false, nil
	}
	result, err := e.messages(ctx, r, size)
	if r.page > 1 && errors.Is(err, outbound.ErrTooLarge) {
		r.page = max(1, r.page/8)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	total.partial = result.partial()
	if err := r.take(result.Hits.Hits, e.fields.message); err != nil {
		return false, e.unbelievable(err.Error())
	}
	return total.partial == "" && len(result.Hits.Hits) >= size && r.drain.messages < r.drain.most, nil
}

// messages asks for a page. A search of its own, and no part of an _msearch: others would wait for it.
func (e *Elasticsearch) messages(ctx context.Context, r *esReading, size int) (*esResult, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	a, no, yes := r.esAsked, false, true
	body := object{
		"size": size, "_source": false, "fields": []string{e.fields.message}, "track_total_hits": false,
		"sort":  []object{{e.fields.time: object{"order": "asc", "unmapped_type": "date", "numeric_type": "date"}}},
		"query": object{"bool": object{"filter": append([]object{e.between(r.last.Add(-time.Millisecond), a.To), e.arm(a), a.measure.of}, e.place(a)...)}},
	}
	var said esResult
	err := e.call(ctx, esapi.SearchRequest{
		Index: []string{e.Index}, Body: strings.NewReader(string(jsonBytes(body))), AllowPartialSearchResults: &no, AllowNoIndices: &yes,
	}, &said)
	if err == nil && said.Shards == nil {
		err = e.unbelievable("its answer has no _shards; is it Elasticsearch?")
	}
	return &said, err
}

// take groups the documents that are not known yet.
func (r *esReading) take(hits []esHit, field string) error {
	for _, h := range hits {
		if len(h.Sort) == 0 {
			return errors.New("a document of its answer has no time to be sorted by")
		}
		at := time.UnixMilli(int64(h.Sort[0])).UTC()
		id := h.Index + "/" + h.ID
		switch {
		case at.Before(r.last):
			return fmt.Errorf("a document of %s follows one of %s, and they were to be sorted by time", at.Format(time.RFC3339Nano), r.last.Format(time.RFC3339Nano))
		case at.After(r.last):
			r.last, r.known = at, map[string]bool{}
		case r.known[id]:
			continue
		case r.known == nil:
			r.known = map[string]bool{}
		}
		r.known[id] = true
		c := r.drain.add(h.message(field))
		if c == nil {
			continue
		}
		end := time.Unix(0, ceilStep(at, r.Step)).UTC()
		if r.steps[end] == nil {
			r.steps[end] = map[*cluster]float64{}
		}
		r.steps[end][c]++
	}
	return nil
}
