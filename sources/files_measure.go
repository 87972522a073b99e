package sources

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"verifier"
)

// measured is a measure whose queries are compiled for one subject.
type measured struct {
	of, to *Query // of count (of alone) and ratio
	where  *Query
	field  string
	p      float64 // percentile; 0 is the average
	text   string
}

func compileMeasure(m verifier.Measure, s verifier.Subject, step time.Duration) (out measured, err error) {
	read := func(text string) *Query {
		if err != nil || text == "" {
			return nil
		}
		filled, fillErr := Fill(Lucene, text, s, step)
		if fillErr != nil {
			err = fillErr
			return nil
		}
		q, parseErr := ParseLucene(filled)
		if parseErr != nil {
			err = fmt.Errorf("%q: %w", filled, parseErr)
		}
		out.text = filled
		return q
	}
	switch {
	case m.Count != "":
		out.of = read(m.Count)
	case m.Ratio != nil && m.Ratio.Of != "" && m.Ratio.To != "":
		out.to = read(m.Ratio.To)
		to := out.text
		out.of = read(m.Ratio.Of)
		out.text += " / " + to
	case m.Percentile != nil:
		out.where = read(m.Where)
		out.field, out.p = m.Percentile.Field, m.Percentile.P
		out.text = fmt.Sprintf("percentile %g of %s%s", out.p, out.field, prefixed(" where ", out.text))
	case m.Average != nil:
		out.where = read(m.Where)
		out.field = m.Average.Field
		out.text = fmt.Sprintf("average of %s%s", out.field, prefixed(" where ", out.text))
	default:
		return out, verifier.Invalid("measure", "asks for nothing; write count, ratio (of and to), percentile or average")
	}
	return out, err
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// count adds one document to the step.
func (m measured) count(b *bucket, d document) {
	b.docs++
	switch {
	case m.field != "":
		if m.where != nil && !m.where.Matches(d) {
			return
		}
		if v, ok := d.number(m.field); ok {
			b.values = append(b.values, v)
		}
	case m.to != nil:
		if m.to.Matches(d) {
			b.to++
			if m.of.Matches(d) {
				b.of++
			}
		}
	default:
		if m.of.Matches(d) {
			b.of++
		}
	}
}

// sample is what the step says; false where it says nothing.
func (m measured) sample(b *bucket) (verifier.Sample, bool) {
	switch {
	case m.field != "":
		if len(b.values) == 0 {
			return verifier.Sample{}, false
		}
		return verifier.Sample{Value: m.value(b.values), Exposure: float64(len(b.values))}, true
	case m.to != nil:
		if b.to == 0 {
			return verifier.Sample{}, false
		}
		return verifier.Sample{Value: b.of / b.to, Count: b.of, Exposure: b.to}, true
	}
	return verifier.Sample{Value: b.of, Count: b.of, Exposure: b.docs}, b.docs > 0
}

// value is the mean, or the percentile with linear interpolation between ranks (Hyndman and Fan 1996, type 7).
func (m measured) value(values []float64) float64 {
	if m.p == 0 {
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum / float64(len(values))
	}
	slices.Sort(values)
	at := m.p / 100 * float64(len(values)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(values)-1)
	return values[low] + (at-float64(low))*(values[high]-values[low])
}

// text is a field's value as text.
func (d document) text(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	v, ok := d.field(name)
	if !ok {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func (d document) number(name string) (float64, bool) {
	v, ok := d.field(name)
	if !ok {
		return 0, false
	}
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	return 0, false
}
