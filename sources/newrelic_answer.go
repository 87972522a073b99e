package sources

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/prometheus/common/model"

	"verifier"
	"verifier/outbound"
)

// answer makes the samples of one question out of what was said to its queries.
func (n *NewRelic) answer(q verifier.Question, p nrqlPlan, said map[string]*nrqlAnswer) verifier.Answer {
	out := verifier.Answer{Query: strings.Join(p.texts, "  /  ")}
	all := p.all(q)
	out.Link = n.link(all[0][len(all[0])-1])
	values := make([]map[time.Time]float64, len(all))
	for i, parts := range all {
		values[i] = map[time.Time]float64{}
		for _, text := range parts {
			a := said[text]
			if a.err != nil {
				out.Err = a.err
				return out
			}
			partial, err := collectRows(values[i], a.result, q, n)
			if err != nil {
				out.Err = err
				return out
			}
			out.Partial = cmp.Or(out.Partial, partial)
		}
	}
	out.Samples, out.Err = n.samples(q, p, values)
	slices.SortFunc(out.Samples, func(a, b verifier.Sample) int { return a.T.Compare(b.T) })
	n.seen(&out, p, values)
	return out
}

// seen says when the service was last heard of, and whether it ever was.
func (n *NewRelic) seen(out *verifier.Answer, p nrqlPlan, values []map[time.Time]float64) {
	for t, v := range values[len(values)-1] {
		if (p.presence == "" || v > 0) && t.After(out.Newest) {
			out.Newest = t
		}
	}
	out.Unseen = p.presence != "" && out.Newest.IsZero() && out.Err == nil && out.Partial == ""
}

// samples joins the queries' values. A 0 where the service did nothing at all is no sample.
func (n *NewRelic) samples(q verifier.Question, p nrqlPlan, values []map[time.Time]float64) ([]verifier.Sample, error) {
	if q.Measure.Counts() && p.facets {
		withZeros(values[0], values[1])
	}
	if q.Measure.Ratio != nil {
		return ratios(values[0], values[1], q.From) // NRQL writes its zeros: what is absent was not answered
	}
	var out []verifier.Sample
	for t, v := range values[0] {
		s := verifier.Sample{T: t, Value: v}
		if p.presence != "" {
			all := values[1][t]
			if all == 0 && v == 0 {
				continue
			}
			if q.Measure.Count != "" {
				s.Count, s.Exposure = v, max(all, v)
			}
		}
		if q.Measure.Count != "" && v < 0 {
			return nil, badAnswer("counts %g events at %s", v, t.Format(time.RFC3339))
		}
		out = append(out, s)
	}
	return out, nil
}

// withZeros adds the counts of rows that FACET leaves out because they are 0: the service did something then.
func withZeros(some, all map[time.Time]float64) {
	for t, n := range all {
		if _, there := some[t]; !there && n > 0 {
			some[t] = 0
		}
	}
}

// collectRows puts the value of each bucket under its end. Buckets without a value are no data.
func collectRows(into map[time.Time]float64, r nrqlResult, q verifier.Question, n *NewRelic) (partial string, err error) {
	partial = messagesOf(r)
	picked := 0
	summed := q.Measure.Counts() && picksArm(q.Measure.Pick)
	for _, row := range r.Results {
		at, err := bucketEnd(row, q)
		if err != nil {
			return "", n.badAnswer("%w", err)
		}
		ok, err := rowMatches(row, r, q)
		if err != nil {
			return "", n.badAnswer("%w", err)
		}
		if !ok || !at.After(q.From) || at.After(q.To) {
			continue
		}
		picked++
		v, ok, err := rowValue(row, facetsOf(r), q.Measure.Pick)
		if err != nil {
			return "", n.badAnswer("%w", err)
		}
		if !ok {
			continue
		}
		if _, twice := into[at]; twice && !summed {
			return "", n.badAnswer("the query gives several rows at %s where one is needed; pick by attributes that tell them apart", at.Format(time.RFC3339))
		}
		into[at] += v
	}
	if picked == 0 && len(q.Measure.Pick) > 0 && !emptyRest(r.OtherResult) {
		partial = cmp.Or(partial, "the rows were cut off, and what is picked is not among them; write a higher LIMIT or a narrower WHERE")
	}
	return partial, nil
}

// lossy are words of messages that speak of rows or events that are not in the answer. All others are advice, beside a whole answer.
var lossy = regexp.MustCompile(`(?i)too many|truncat|limit|sampl|incomplete|partial|missing|dropp|exceed|cut off|time[ds]? ?out|not all|inspected`)

// messagesOf are the messages that make the answer partial.
func messagesOf(r nrqlResult) string {
	if r.Metadata == nil {
		return ""
	}
	var out []string
	for _, m := range r.Metadata.Messages {
		if m, _, _ := strings.Cut(m, "http"); lossy.MatchString(m) { // an address says nothing of the answer
			out = append(out, m)
		}
	}
	return outbound.Excerpt(strings.Join(out, "; "))
}

func facetsOf(r nrqlResult) []string {
	if r.Metadata == nil {
		return nil
	}
	return r.Metadata.Facets
}

// emptyRest reports whether otherResult holds no events.
func emptyRest(rest any) bool {
	switch rest := rest.(type) {
	case []any:
		return !slices.ContainsFunc(rest, func(part any) bool { return !emptyRest(part) })
	case map[string]any:
		for name, v := range rest {
			if f, ok := v.(float64); ok && f != 0 && name != beginKey && name != endKey {
				return false
			}
		}
	}
	return true
}

const (
	beginKey = "beginTimeSeconds"
	endKey   = "endTimeSeconds"
	facetKey = "facet"
)

// bucketEnd is the end of the row's bucket, which must be a step of the question. A row without times is the only bucket there is.
func bucketEnd(row map[string]any, q verifier.Question) (time.Time, error) {
	begin, hasBegin := row[beginKey].(float64)
	end, hasEnd := row[endKey].(float64)
	if !hasBegin || !hasEnd {
		if q.To.Sub(q.From) == q.Step {
			return q.To.UTC(), nil
		}
		return time.Time{}, fmt.Errorf("the answer has rows without %s and %s", beginKey, endKey)
	}
	at := time.UnixMilli(int64(math.Round(end * 1000))).UTC()
	width := time.Duration((end - begin) * float64(time.Second)).Round(time.Millisecond)
	if width != q.Step || at.Sub(q.From)%q.Step != 0 {
		return time.Time{}, fmt.Errorf("the answer is in buckets of %s that end at %s, where steps of %s were asked for", width, at.Format(time.RFC3339Nano), q.Step)
	}
	return at, nil
}

// rowMatches reports whether the row is the one that is picked. Facets come under their own names, or together as facet.
func rowMatches(row map[string]any, r nrqlResult, q verifier.Question) (bool, error) {
	labels := model.Metric{}
	for label := range q.Measure.Pick {
		v, ok := facetValue(row, facetsOf(r), label)
		if !ok {
			return false, fmt.Errorf("the rows have no %s to pick by; they have %s", label, strings.Join(sortedKeys(row), ", "))
		}
		labels[model.LabelName(label)] = model.LabelValue(v)
	}
	return matches(labels, q.Measure.Pick, q.Subject), nil
}

func facetValue(row map[string]any, facets []string, label string) (string, bool) {
	if v, ok := row[label]; ok {
		return plainText(v), true
	}
	i := slices.Index(facets, label)
	switch all := row[facetKey].(type) {
	case []any:
		if i >= 0 && i < len(all) {
			return plainText(all[i]), true
		}
	case nil:
	default:
		if i == 0 || i < 0 && len(facets) == 0 {
			return plainText(all), true
		}
	}
	return "", false
}

func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// rowValue is the one number of a row; ok is false where there is none: null, missing or empty.
func rowValue(row map[string]any, facets []string, pick map[string]string) (value float64, ok bool, err error) {
	var found []string
	for name := range row {
		_, picked := pick[name]
		if name == beginKey || name == endKey || name == facetKey || name == "comparison" || picked || slices.Contains(facets, name) {
			continue
		}
		found = append(found, name)
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return 0, false, nil
	case 1:
		return nrqlNumber(found[0], row[found[0]])
	}
	return 0, false, fmt.Errorf("the query gives several values (%s) where one is needed; SELECT one", strings.Join(found, ", "))
}

// nrqlNumber reads a number, or an object with one: {"95": 0.2} of a percentile, or apdex with its score.
func nrqlNumber(name string, v any) (float64, bool, error) {
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0), nil
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, false, fmt.Errorf("the query gives the text %q as %s where a number is needed", outbound.Excerpt(v), name)
		}
		return f, !math.IsNaN(f) && !math.IsInf(f, 0), nil
	case map[string]any:
		if score, has := v["score"]; has {
			return nrqlNumber(name, score)
		}
		switch keys := sortedKeys(v); len(keys) {
		case 0:
			return 0, false, nil
		case 1:
			return nrqlNumber(name+"."+keys[0], v[keys[0]])
		default:
			return 0, false, fmt.Errorf("the query gives several values of %s (%s) where one is needed; ask for one percentile", name, strings.Join(keys, ", "))
		}
	}
	return 0, false, fmt.Errorf("the query gives %T as %s where a number is needed", v, name)
}

// findNearest asks once which names there are, where nothing of a service was seen.
func (n *NewRelic) findNearest(ctx context.Context, questions []verifier.Question, plans []nrqlPlan, answers []verifier.Answer) {
	said := map[string]*nrqlAnswer{}
	for i, a := range answers {
		if text := plans[i].names(questions[i]); a.Unseen && text != "" {
			said[text] = &nrqlAnswer{}
		}
	}
	n.askAll(ctx, said)
	for i := range answers {
		a := said[plans[i].names(questions[i])]
		if a == nil || a.err != nil || !answers[i].Unseen {
			continue // it was only to help
		}
		answers[i].Nearest = nearestOf(a.result, questions[i].Subject.Service)
	}
}

// names is the query for the names of the last day, which is long enough to know a name by.
func (p nrqlPlan) names(q verifier.Question) string {
	if p.nearest == "" {
		return ""
	}
	return fmt.Sprintf("SELECT uniques(%s, 1000) AS names FROM %s\nSINCE %d UNTIL %d", p.nearest, p.types, q.To.Add(-24*time.Hour).UnixMilli(), q.To.UnixMilli())
}

func nearestOf(r nrqlResult, service string) string {
	best, least := "", max(3, len(service)/2)+1
	for _, row := range r.Results {
		for _, v := range row {
			list, _ := v.([]any)
			for _, one := range list {
				name := plainText(one)
				if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(service)); name != service && d < least {
					best, least = name, d
				}
			}
		}
	}
	return best
}
