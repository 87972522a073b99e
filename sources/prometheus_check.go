package sources

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"verifier"
)

// CheckPrometheus says what is wrong with a measure for a metrics source, without asking anybody. window is the longest stretch that
// its range selectors look back; ranges of {{.Step}} look back no further than their own step and add nothing.
func CheckPrometheus(m verifier.Measure) (window time.Duration, err error) {
	if err := notMetrics(m); err != nil {
		return 0, err
	}
	if err := checkPick(m.Pick); err != nil {
		return 0, err
	}
	for i, text := range queries(m) {
		w, err := checkPromQL(text)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", fieldOf(m, i), err)
		}
		window = max(window, w)
	}
	return window, nil
}

func fieldOf(m verifier.Measure, i int) string {
	switch {
	case m.PromQL != "":
		return "promql"
	case m.Count != "":
		return "count"
	case i == 0:
		return "ratio.of"
	}
	return "ratio.to"
}

// notMetrics refuses what metrics have no word for.
func notMetrics(m verifier.Measure) error {
	for _, no := range []struct {
		field string
		set   bool
		write string
	}{
		{"percentile", m.Percentile != nil, "promql: 'histogram_quantile(0.95, sum by (le) (rate(..._bucket[1m])))'"},
		{"average", m.Average != nil, "promql: 'sum(rate(..._sum[1m])) / sum(rate(..._count[1m]))'"},
		{"where", m.Where != "", "the condition as a label matcher in the PromQL"},
		{"patterns", m.Patterns != "", "a logs source"},
		{"nrql", m.NRQL != "", "promql, or a newrelic source"},
		{"query", m.Query != "", "promql"},
		{"command", len(m.Command) > 0, "promql, or a checks source"},
		{"http", m.HTTP != "", "promql, or a checks source"},
	} {
		if no.set {
			return verifier.Invalid(no.field, "is nothing a metrics source can answer; write %s", no.write)
		}
	}
	texts := queries(m)
	if len(texts) == 0 || len(texts) == 2 && (m.Ratio.Of == "" || m.Ratio.To == "") {
		return verifier.Invalid("measure", "asks for nothing; write promql, count, or ratio with of and to")
	}
	return nil
}

// briefly is a step that stands for any, too short to count as a window.
const briefly = time.Millisecond

func checkPromQL(text string) (time.Duration, error) {
	s := verifier.Subject{
		Service: "x", Environment: "x", Target: "x", Version: "x", Team: "x", Hosts: []string{"x"}, Labels: map[string]string{},
	}
	for _, name := range names(text) {
		if key, ok := strings.CutPrefix(name, labelsDot); ok {
			s.Labels[key] = "x"
		}
	}
	filled, err := Fill(PromQL, text, s, briefly)
	if err != nil {
		return 0, err
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(filled)
	if err != nil {
		return 0, verifier.Invalid("query", "%v; with its templates filled in it reads: %s", err, filled)
	}
	if t := expr.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return 0, verifier.Invalid("query", "gives a %s; write one that gives a number at each moment, such as sum(rate(...[1m]))", t)
	}
	w, err := lookback(expr)
	if w <= briefly {
		w = 0
	}
	return w, err
}

// lookback is how far an expression looks back by its range selectors and subqueries, those inside of each other added up.
func lookback(n parser.Node) (time.Duration, error) {
	var own, longest time.Duration
	switch n := n.(type) {
	case *parser.MatrixSelector:
		own = n.Range
		if n.RangeExpr != nil {
			return 0, errNoPlainRange
		}
	case *parser.SubqueryExpr:
		own = n.Range
		if n.RangeExpr != nil {
			return 0, errNoPlainRange
		}
	}
	for child := range parser.ChildrenIter(n) {
		w, err := lookback(child)
		if err != nil {
			return 0, err
		}
		longest = max(longest, w)
	}
	return own + longest, nil
}

var errNoPlainRange = errors.New("a range is written as arithmetic; write a plain duration, such as [5m]")
