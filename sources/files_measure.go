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

	message string // the field whose patterns are wanted
	drain   *drain // nil for all other measures
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
		} else if relative := dateMathIn(q.root); len(relative) > 0 {
			err = verifier.Invalid("query", "%q compares %s with date math, which log files do not know; leave the time out, verifier asks for the stretch of the watch itself", filled, relative[0])
		}
		out.text = filled
		return q
	}
	switch {
	case m.Count != "":
		out.of = read(m.Count)
	case m.Patterns != "":
		out.of = read(m.Patterns)
		out.text = "patterns of " + out.text
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
		return out, verifier.Invalid("measure", "asks for nothing; write count, ratio (of and to), percentile, average or patterns")
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
		b.values = append(b.values, d.numbers(m.field)...)
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
			m.pattern(b, d)
		}
	}
}

// pattern counts the document's message, where patterns are wanted.
func (m measured) pattern(b *bucket, d document) {
	if m.drain == nil {
		return
	}
	text, _ := d.text(m.message)
	if c := m.drain.add(text); c != nil {
		if b.patterns == nil {
			b.patterns = map[*cluster]float64{}
		}
		b.patterns[c]++
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
	s := verifier.Sample{Value: b.of, Count: b.of, Exposure: b.docs}
	if m.drain != nil {
		s.Patterns = m.drain.counted(b.patterns)
	}
	return s, b.docs > 0
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

// fields are those that the measure names.
func (m measured) fields() map[string]bool {
	out := map[string]bool{}
	for _, q := range []*Query{m.of, m.to, m.where} {
		if q != nil {
			q.root.fields(out)
		}
	}
	if m.field != "" {
		out[m.field] = true
	}
	if m.message != "" {
		out[m.message] = true
	}
	return out
}

// wanted is the values that are counted, by field.
func (m measured) wanted(message string) map[string][]string {
	out := map[string][]string{}
	if m.of != nil {
		wantedValues(m.of.root, message, out)
	}
	return out
}

// text is a field's value as text; of a list, its first.
func (d document) text(name string) (text string, ok bool) {
	if name == "" {
		return "", false
	}
	v, known := d.field(name)
	return text, known && anyOf(v, func(v any) bool {
		text, ok = textOf(v)
		return ok
	})
}

// has reports whether the field, or one of its values, is this text.
func (d document) has(name, want string) bool {
	v, ok := d.field(name)
	return ok && anyOf(v, func(v any) bool {
		text, ok := textOf(v)
		return ok && text == want
	})
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// numbers are the field's values that are numbers.
func (d document) numbers(name string) []float64 {
	v, _ := d.field(name)
	var out []float64
	anyOf(v, func(v any) bool {
		if n, ok := numberOf(v); ok {
			out = append(out, n)
		}
		return false
	})
	return out
}

// numberOf is the value as a number. Text is one where it is written as one.
func numberOf(v any) (float64, bool) {
	n, ok := v.(float64)
	if s, isText := v.(string); isText {
		parsed, err := strconv.ParseFloat(s, 64)
		n, ok = parsed, err == nil
	}
	return n, ok && !math.IsNaN(n) && !math.IsInf(n, 0)
}
