package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"verifier"
	"verifier/outbound"
)

// esResult is the answer to a search.
type esResult struct {
	TimedOut        bool      `json:"timed_out"`
	TerminatedEarly bool      `json:"terminated_early"`
	Shards          *esShards `json:"_shards"`
	Clusters        *struct {
		Skipped int `json:"skipped"`
		Partial int `json:"partial"`
		Failed  int `json:"failed"`
		Running int `json:"running"`
	} `json:"_clusters"`
	Hits struct {
		Total *esHits `json:"total"`
		Hits  []esHit `json:"hits"`
	} `json:"hits"`
	Aggs map[string]json.RawMessage `json:"aggregations"`
}

type esShards struct {
	Total      int `json:"total"`
	Successful int `json:"successful"`
	Failed     int `json:"failed"`
	Failures   []struct {
		Reason esCause `json:"reason"`
	} `json:"failures"`
}

// esHits is how many documents there are. Before 7.0 it was a number.
type esHits struct {
	value float64
	least bool // at least so many
}

// UnmarshalJSON takes both forms.
func (h *esHits) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &h.value) == nil {
		return nil
	}
	var o struct {
		Value    float64 `json:"value"`
		Relation string  `json:"relation"`
	}
	err := json.Unmarshal(b, &o)
	h.value, h.least = o.Value, o.Relation != "" && o.Relation != "eq"
	return err
}

// unbelievable says why this is no answer to a search; empty when it is one.
func (r *esResult) unbelievable() string {
	switch {
	case r.Shards == nil:
		return "its answer has no _shards; is it Elasticsearch?"
	case r.partial() != "":
		return ""
	case r.Hits.Total == nil:
		return "its answer has no hits.total"
	case r.Aggs == nil && r.Shards.Total > 0:
		return "its answer has no aggregations"
	}
	return ""
}

// partial says why the answer is not the whole truth. A search that timed out has no failed shards.
func (r *esResult) partial() string {
	s := r.Shards
	switch {
	case s.Failed > 0 || s.Successful < s.Total:
		why := ""
		if len(s.Failures) > 0 {
			why = prefixed(": ", outbound.Excerpt(s.Failures[0].Reason.Type+" "+s.Failures[0].Reason.Reason))
		}
		return fmt.Sprintf("%d of %d shards failed%s", max(s.Failed, s.Total-s.Successful), s.Total, why)
	case r.TimedOut:
		return "the search timed out in Elasticsearch (timed_out)"
	case r.TerminatedEarly:
		return "the search ended early (terminated_early)"
	case r.Clusters != nil && r.Clusters.Skipped+r.Clusters.Partial+r.Clusters.Failed+r.Clusters.Running > 0:
		return fmt.Sprintf("clusters did not answer: %d skipped, %d partial, %d failed", r.Clusters.Skipped, r.Clusters.Partial, r.Clusters.Failed)
	case r.Hits.Total != nil && r.Hits.Total.least:
		return fmt.Sprintf("the number of documents is only a lower bound, %g", r.Hits.Total.value)
	}
	return ""
}

// esSteps is what is aggregated over one arm, or one group of it.
type esSteps struct {
	Groups *struct {
		Others  int `json:"sum_other_doc_count"`
		Buckets []struct {
			Key  any    `json:"key"`
			Text string `json:"key_as_string"`
			esSteps
		} `json:"buckets"`
	} `json:"groups"`
	Newest struct {
		Value *float64 `json:"value"`
	} `json:"newest"`
	Steps *struct {
		Buckets []esStep `json:"buckets"`
	} `json:"steps"`
}

type esStep struct {
	Key  float64     `json:"key"` // its first millisecond
	Docs float64     `json:"doc_count"`
	Of   *esMeasured `json:"of"`
	To   *struct {
		Docs float64     `json:"doc_count"`
		Of   *esMeasured `json:"of"`
	} `json:"to"`
}

// esMeasured is the documents asked for and, where one was asked for, the value over them.
type esMeasured struct {
	Docs float64 `json:"doc_count"`
	N    *struct {
		Value float64 `json:"value"`
	} `json:"n"`
	Value json.RawMessage `json:"value"`
}

// esTotal gathers what the searches of one question say.
type esTotal struct {
	samples map[time.Time]verifier.Sample
	seen    float64            // documents of the service, of whatever host
	has     map[string]float64 // documents by named field
	newest  time.Time
	partial string
	bounded string
	shards  int
}

func newEsTotal() *esTotal {
	return &esTotal{samples: map[time.Time]verifier.Sample{}, has: map[string]float64{}}
}

// add asks for one stretch and adds what is said.
func (e *Elasticsearch) add(ctx context.Context, a *esAsked, total *esTotal, from, to time.Time) error {
	reply := e.search(ctx, e.body(a, from, to))
	if reply.err != nil {
		return reply.err
	}
	r := reply.result
	total.partial = cmp.Or(total.partial, r.partial())
	total.shards += r.Shards.Total
	if r.Hits.Total != nil && len(a.groups) == 0 {
		total.seen += r.Hits.Total.value
	}
	for _, name := range a.namedInOrder() {
		total.has[name] += r.documents(having + name)
	}
	raw := r.Aggs["arm"]
	if raw == nil {
		return nil
	}
	var arm esSteps
	if err := json.Unmarshal(raw, &arm); err != nil {
		return e.unbelievable(err.Error())
	}
	if err := total.take(a, arm, model.Metric{}); err != nil {
		return e.unbelievable(err.Error())
	}
	return nil
}

// take adds the steps of the groups that the question is about.
func (t *esTotal) take(a *esAsked, s esSteps, labels model.Metric) error {
	if s.Groups != nil && len(labels) < len(a.pick) {
		label := a.pick[len(labels)]
		if s.Groups.Others > 0 {
			t.partial = cmp.Or(t.partial, fmt.Sprintf("%s has more than %d values; narrow the query or the index", label, mostGroups))
		}
		for _, b := range s.Groups.Buckets {
			inner := labels.Clone()
			key, _ := textOf(b.Key)
			inner[model.LabelName(label)] = model.LabelValue(cmp.Or(b.Text, key))
			if err := t.take(a, b.esSteps, inner); err != nil {
				return err
			}
		}
		return nil
	}
	if s.Steps == nil {
		return fmt.Errorf("its answer has no steps")
	}
	if len(a.pick) > 0 {
		if matches(labels, placePick(a.Measure.Pick), a.Subject) {
			t.seen += s.docs()
		}
		if !matches(labels, a.Measure.Pick, a.Subject) {
			return nil
		}
	}
	if v := s.Newest.Value; v != nil && *v > 0 {
		if at := time.UnixMilli(int64(*v)).UTC(); at.After(t.newest) {
			t.newest = at
		}
	}
	return t.steps(a, s)
}

// placePick is what is picked without what tells arms apart.
func placePick(pick map[string]string) map[string]string {
	out := map[string]string{}
	for label, text := range pick {
		if !picksArm(map[string]string{label: text}) {
			out[label] = text
		}
	}
	return out
}

func (s esSteps) docs() (n float64) {
	for _, b := range s.Steps.Buckets {
		n += b.Docs
	}
	return n
}

func (t *esTotal) steps(a *esAsked, s esSteps) error {
	for _, b := range s.Steps.Buckets {
		end := time.UnixMilli(int64(b.Key) - 1).Add(a.Step).UTC()
		if !end.After(a.From) || end.After(a.To) {
			continue
		}
		got, ok, err := a.measure.sample(b)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if known, twice := t.samples[end]; twice { // hosts or versions that add up
			if !a.Measure.Counts() {
				return fmt.Errorf("%d groups are picked where one is needed, and values do not add up; pick by fields that tell them apart", 2)
			}
			got.Count, got.Exposure = got.Count+known.Count, got.Exposure+known.Exposure
			if got.Value = got.Count; a.Measure.Ratio != nil {
				got.Value = got.Count / got.Exposure
			}
		}
		got.T = end
		t.samples[end] = got
	}
	return nil
}

// sample is what a step says; false where it says nothing.
func (m esMeasure) sample(b esStep) (s verifier.Sample, ok bool, err error) {
	switch {
	case m.kind == esRatio && b.To != nil && b.To.Of != nil:
		of, to := b.To.Of.Docs, b.To.Docs
		return verifier.Sample{Value: of / max(to, 1), Count: of, Exposure: to}, to > 0, nil
	case m.kind == esRatio || b.Of == nil:
		return s, false, fmt.Errorf("a step of its answer has no numbers")
	case m.kind == esCount:
		return verifier.Sample{Value: b.Of.Docs, Count: b.Of.Docs, Exposure: b.Docs}, b.Docs > 0, nil
	}
	v, ok, err := metricValue(b.Of.Value)
	exposure := b.Of.Docs
	if b.Of.N != nil {
		exposure = b.Of.N.Value
	}
	return verifier.Sample{Value: v, Exposure: exposure}, ok && exposure > 0, err
}

// metricValue is an aggregation's one number: its value, or the one of its values. None, NaN and the infinities are no data.
func metricValue(raw json.RawMessage) (v float64, ok bool, err error) {
	var said struct {
		Value  json.RawMessage `json:"value"`
		Values map[string]any  `json:"values"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return 0, false, fmt.Errorf("its aggregation gives no number: %w", err)
	}
	var one any
	switch {
	case len(said.Value) > 0:
		if err := json.Unmarshal(said.Value, &one); err != nil {
			return 0, false, err
		}
	case len(said.Values) == 1:
		for name, v := range said.Values {
			if !strings.HasSuffix(name, "_as_string") {
				one = v
			}
		}
	default:
		return 0, false, fmt.Errorf("its aggregation gives not one number but %.80s", raw)
	}
	if one == nil {
		return 0, false, nil
	}
	if text, isText := one.(string); isText && (text == "NaN" || strings.HasSuffix(text, "Infinity")) {
		return 0, false, nil
	}
	n, isNumber := one.(float64)
	if !isNumber {
		return 0, false, fmt.Errorf("its aggregation gives %.80s, which is no number", raw)
	}
	return n, !math.IsNaN(n) && !math.IsInf(n, 0), nil
}

// finish makes the answer of what was gathered.
func (e *Elasticsearch) finish(ctx context.Context, a *esAsked, total *esTotal, out *verifier.Answer) {
	out.Newest, out.Partial, out.Bounded, out.Unseen = total.newest, total.partial, total.bounded, total.seen == 0
	for _, s := range total.samples {
		out.Samples = append(out.Samples, s)
	}
	slices.SortFunc(out.Samples, func(x, y verifier.Sample) int { return x.T.Compare(y.T) })
	if !a.mapping.unknown && a.mapping.indices == 0 || total.shards == 0 {
		a.notes = append(a.notes, "no index matches "+e.Index)
		return
	}
	for _, name := range []string{e.fields.time, e.fields.service, e.fields.environment, e.fields.target} {
		if (name == e.fields.time || e.filters(a, name)) && a.mapping.absent(name) {
			out.Missing = append(out.Missing, name)
		}
	}
	if out.Unseen {
		e.unseen(ctx, a, out)
	} else {
		for name := range a.measure.named {
			if total.has[name] == 0 {
				out.Missing = append(out.Missing, name)
			}
		}
		out.Absent = e.absent(ctx, a, out.Samples)
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	e.complete(ctx, a, out)
}
