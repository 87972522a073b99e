package sources

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"verifier"
)

// answer makes the samples of one question out of what was said to its texts.
func (p *Prometheus) answer(q verifier.Question, texts []string, said promSaid) verifier.Answer {
	out := verifier.Answer{Query: strings.Join(texts, "  /  "), Link: p.link(texts, q)}
	values := make([]map[time.Time]float64, len(texts))
	for i, text := range texts {
		a := said[rangeOf(text, q)]
		if out.Err = a.err; out.Err != nil {
			return out
		}
		out.Partial = cmp.Or(out.Partial, a.partial)
		out.Notes = append(out.Notes, a.notes...)
		if values[i], out.Err = valuesOf(a.series, q); out.Err != nil {
			return out
		}
	}
	switch {
	case q.Measure.Ratio != nil:
		begins := beginning(said[rangeOf(texts[0], q)].series, q)
		if out.Samples, out.Err = ratios(values[0], values[1], begins); begins.IsZero() && len(out.Samples) > 0 {
			out.Absent = noSeries
		}
	case q.Measure.Count != "":
		out.Samples, out.Err = counts(values[0])
	default:
		for t, v := range values[0] {
			out.Samples = append(out.Samples, verifier.Sample{T: t, Value: v})
		}
	}
	slices.SortFunc(out.Samples, func(a, b verifier.Sample) int { return a.T.Compare(b.T) })
	if len(out.Samples) == 0 {
		out.Partial = cmp.Or(out.Partial, warningOf(out.Notes))
	}
	return out
}

// warningOf is the first warning about the query: where there is no value, it says why.
func warningOf(notes []string) string {
	for _, n := range notes {
		if strings.HasPrefix(n, "PromQL warning") {
			return n
		}
	}
	return ""
}

func (p *Prometheus) link(texts []string, q verifier.Question) string {
	u := *p.url
	u.Path += "/graph"
	v := url.Values{}
	for i, text := range texts {
		g := fmt.Sprintf("g%d.", i)
		v.Set(g+"expr", text)
		v.Set(g+"tab", "0")
		v.Set(g+"range_input", model.Duration(q.To.Sub(q.From)).String())
		v.Set(g+"end_input", q.To.UTC().Format("2006-01-02 15:04:05"))
	}
	u.RawQuery = v.Encode()
	return u.String()
}

// valuesOf is the picked series' value at each step's end. NaN and the infinities are no data: 0/0 is what a query over nothing gives.
func valuesOf(series model.Matrix, q verifier.Question) (map[time.Time]float64, error) {
	series, err := picked(series, q)
	if err != nil {
		return nil, err
	}
	out := map[time.Time]float64{}
	for _, s := range series {
		if len(s.Histograms) > 0 {
			return nil, badAnswer("gives native histograms; write histogram_quantile(...), histogram_count(...) or histogram_avg(...)")
		}
		for _, pair := range s.Values {
			t, v := pair.Timestamp.Time().UTC(), float64(pair.Value)
			if math.IsNaN(v) || math.IsInf(v, 0) || !t.After(q.From) || t.After(q.To) {
				continue
			}
			out[t] += v // more than one series only where events are added up
		}
	}
	return out, nil
}

// picked is the series that the question is about: one, or where events of several hosts or versions add up, all of them.
func picked(series model.Matrix, q verifier.Question) (model.Matrix, error) {
	m := q.Measure
	var out model.Matrix
	for _, s := range series {
		if matches(s.Metric, m.Pick, q.Subject) {
			out = append(out, s)
		}
	}
	if len(out) > 1 && !(m.Counts() && picksArm(m.Pick)) {
		return nil, badAnswer("gives %d series where one is needed; add sum(...) around it, or pick by labels that tell them apart", len(out))
	}
	return out, nil
}

func badAnswer(format string, args ...any) error {
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("the query "+format, args...)}
}

// counts are events. There cannot be fewer than none.
func counts(events map[time.Time]float64) ([]verifier.Sample, error) {
	var out []verifier.Sample
	for t, n := range events {
		if n < 0 {
			return nil, badAnswer("counts %g events at %s", n, t.Format(time.RFC3339))
		}
		out = append(out, verifier.Sample{T: t, Value: n, Count: n})
	}
	return out, nil
}

// ratios joins both counts where `to` has data. Steps of `to` before the first point of `of` have none of those events: Prometheus has no
// series of a status code before the first request that had it. Later gaps, and points that are not numbers, are no data. Prometheus
// extrapolates each series by itself, so a little more than all is all.
func ratios(of, to map[time.Time]float64, begins time.Time) ([]verifier.Sample, error) {
	var out []verifier.Sample
	for t, all := range to {
		some, ok := of[t]
		if !ok && !begins.IsZero() && !t.Before(begins) || all == 0 {
			continue
		}
		if some < 0 || all < 0 || some > 1.1*all+1 {
			return nil, badAnswer("counts %g of %g events at %s; `of` must count a part of `to`", some, all, t.Format(time.RFC3339))
		}
		some = min(some, all)
		out = append(out, verifier.Sample{T: t, Value: some / all, Count: some, Exposure: all})
	}
	return out, nil
}

// beginning is the time of the first point of the picked series, be it a number or not; zero where there is none.
func beginning(series model.Matrix, q verifier.Question) (first time.Time) {
	for _, s := range series {
		if !matches(s.Metric, q.Measure.Pick, q.Subject) || len(s.Values) == 0 {
			continue
		}
		if at := s.Values[0].Timestamp.Time().UTC(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// noSeries says that `of` of a ratio counts as 0 because it has no series at all.
const noSeries = "the query `of` has no series and counts as 0; check its spelling if it should have any"

// picksArm reports whether the labels tell changed hosts or versions from the others.
func picksArm(pick map[string]string) bool {
	for _, text := range pick {
		if n := names(text); slices.Contains(n, hostsName) || slices.Contains(n, "Version") {
			return true
		}
	}
	return false
}

// matches reports whether the series has all picked labels. For peers, those that name hosts or the version must differ.
func matches(metric model.Metric, pick map[string]string, s verifier.Subject) bool {
	for label, text := range pick {
		got := string(metric[model.LabelName(label)])
		arm := picksArm(map[string]string{label: text})
		if arm && got == "" || hit(text, got, s) == (arm && s.Peers) {
			return false
		}
	}
	return true
}

func hit(text, got string, s verifier.Subject) bool {
	if slices.Contains(names(text), hostsName) {
		return len(s.Hosts) == 0 && !s.Peers || slices.ContainsFunc(s.Hosts, func(h string) bool {
			return got == h || strings.HasPrefix(got, h+":") // instance is host:port
		})
	}
	want, err := plain(text, s)
	return err == nil && got == want
}

// plain fills in the values as they are, to be compared and not to be read by anybody.
func plain(text string, s verifier.Subject) (string, error) {
	var bad error
	out := action.ReplaceAllStringFunc(text, func(found string) string {
		name, err := nameOf(found)
		if err != nil {
			bad = err
			return ""
		}
		v, err := valueOf(name, s)
		if err != nil {
			bad = err
		}
		return v
	})
	return out, bad
}

// checkPick refuses what plain cannot fill in.
func checkPick(pick map[string]string) error {
	for label, text := range pick {
		for _, found := range action.FindAllString(text, -1) {
			name, err := nameOf(found)
			switch {
			case err != nil:
			case name == hostOp || name == stepName:
				err = errors.New("cannot be compared with a label")
			case name == hostsName && text != found:
				err = errors.New("must stand alone; a label is compared with each host")
			}
			if err != nil {
				return verifier.Invalid("pick."+label, "%s %v", found, err)
			}
		}
		if strings.Contains(action.ReplaceAllString(text, ""), "{{") {
			return verifier.Invalid("pick."+label, "{{ has no }}")
		}
	}
	return nil
}
