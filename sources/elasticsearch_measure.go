package sources

import (
	"fmt"
	"slices"
	"time"

	"verifier"
)

// object is a piece of JSON that is sent.
type object = map[string]any

// esMeasure is a measure as Elasticsearch is asked for it, for one subject.
type esMeasure struct {
	kind    esKind
	of, to  object // queries; of alone narrows what is measured
	metric  object // aggregation that gives the value, for all but counts
	field   string // of percentile and average
	text    string
	named   map[string]bool     // fields that the queries name
	numbers map[string]bool     // those that are compared with numbers
	wanted  map[string][]string // whole values that are counted, by field
	moving  []string            // fields that are compared with date math

	patterns bool // of the counted messages are wanted
}

type esKind int

const (
	esCount esKind = iota
	esRatio
	esValue
)

func compileES(m verifier.Measure, s verifier.Subject, step time.Duration, message string) (out esMeasure, err error) {
	out = esMeasure{of: matchAll(), named: map[string]bool{}, numbers: map[string]bool{}}
	read := func(text string) (object, string) {
		if err != nil || text == "" {
			return matchAll(), ""
		}
		var clause object
		var filled string
		clause, filled, err = out.query(text, s, step, message)
		return clause, filled
	}
	switch {
	case m.Count != "":
		out.of, out.text = read(m.Count)
	case m.Patterns != "":
		out.of, out.text = read(m.Patterns)
		out.text, out.patterns = "patterns of "+out.text, true
		if out.named[message] = true; message == "" && err == nil {
			err = errNoMessage
		}
	case m.Ratio != nil && m.Ratio.Of != "" && m.Ratio.To != "":
		var of, to string
		out.kind = esRatio
		out.to, to = read(m.Ratio.To)
		out.of, of = read(m.Ratio.Of)
		out.text = of + " / " + to
	case m.Percentile != nil:
		var where string
		out.kind, out.field = esValue, m.Percentile.Field
		out.of, where = read(m.Where)
		out.metric = object{"percentiles": object{"field": out.field, "percents": []float64{m.Percentile.P}}}
		out.text = fmt.Sprintf("percentile %g of %s%s", m.Percentile.P, out.field, prefixed(" where ", where))
	case m.Average != nil:
		var where string
		out.kind, out.field = esValue, m.Average.Field
		out.of, where = read(m.Where)
		out.metric = object{"avg": object{"field": out.field}}
		out.text = fmt.Sprintf("average of %s%s", out.field, prefixed(" where ", where))
	case m.Query != "":
		err = out.raw(m.Query, s, step, message)
	default:
		return out, verifier.Invalid("measure", "asks for nothing; write count, ratio (of and to), percentile, average, patterns or query")
	}
	if out.field != "" {
		out.named[out.field] = true
	}
	return out, err
}

func matchAll() object { return object{"match_all": object{}} }

// query is a text as a clause: a Lucene query string, or an object of the query DSL.
func (m *esMeasure) query(text string, s verifier.Subject, step time.Duration, message string) (object, string, error) {
	if isJSON(text) {
		clause, err := fillJSON(text, s)
		return clause, string(jsonBytes(clause)), err
	}
	filled, err := Fill(Lucene, text, s, step)
	if err != nil {
		return nil, "", err
	}
	parsed, err := ParseLucene(filled)
	if err != nil {
		return nil, "", fmt.Errorf("%q: %w", filled, err)
	}
	m.wanted = map[string][]string{} // of a ratio, those of the last that is read
	wantedValues(parsed.root, message, m.wanted)
	m.moving = append(m.moving, dateMathIn(parsed.root)...)
	if err := m.ofStretch("@timestamp"); err != nil {
		return nil, "", err
	}
	parsed.root.fields(m.named)
	comparedNumbers(parsed.root, m.numbers)
	asked, err := forElasticsearch(filled, message)
	if err != nil {
		return nil, "", err
	}
	clause := object{"query": asked, "analyze_wildcard": false, "default_operator": "OR"}
	if message != "" {
		clause["default_field"] = message
	}
	return object{"query_string": clause}, filled, nil
}

// ofStretch refuses date math over the time of the documents: each question has its own stretch, and that of a baseline is hours ago.
func (m *esMeasure) ofStretch(field string) error {
	if slices.Contains(m.moving, field) {
		return verifier.Invalid("query", "compares %s with date math; leave the time out, verifier asks for the stretch of the watch itself", field)
	}
	return nil
}
