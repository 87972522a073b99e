package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// isJSON tells an object of the query DSL from a Lucene query, which would be a range there.
func isJSON(text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	return ok && (strings.HasPrefix(strings.TrimSpace(rest), `"`) || strings.TrimSpace(rest) == "}")
}

// raw is a query of Elasticsearch's own: a clause whose documents are counted, or {"query": …, "aggs": {NAME: one metric}}.
func (m *esMeasure) raw(text string, s verifier.Subject, step time.Duration, message string) error {
	if !isJSON(text) {
		clause, filled, err := m.query(text, s, step, message)
		m.of, m.text = clause, filled
		return err
	}
	body, err := fillJSON(text, s)
	if err != nil {
		return err
	}
	m.text = string(jsonBytes(body))
	aggs, isSearch := body["aggs"]
	if _, long := body["aggregations"]; long {
		aggs, isSearch = body["aggregations"], true
	}
	query, hasQuery := body["query"]
	if !isSearch && !hasQuery {
		m.of = body
		return nil
	}
	for name := range body {
		if name != "query" && name != "aggs" && name != "aggregations" {
			return verifier.Invalid("query", "holds %q; write query and aggs alone, the rest of a search is verifier's", name)
		}
	}
	if hasQuery {
		clause, ok := query.(object)
		if !ok {
			return verifier.Invalid("query", "its query is no object of the query DSL")
		}
		m.of = clause
	}
	if !isSearch {
		return nil
	}
	named, _ := aggs.(object)
	if len(named) != 1 {
		return verifier.Invalid("query", "has %d aggs; write one, which gives one number, such as {\"max\": {\"field\": \"queue.length\"}}", len(named))
	}
	for _, one := range named {
		metric, ok := one.(object)
		if !ok || len(metric) != 1 {
			return verifier.Invalid("query", "its aggregation is not one metric, such as {\"max\": {\"field\": \"queue.length\"}}")
		}
		m.kind, m.metric = esValue, metric
	}
	return nil
}

// readable are the keys under which Elasticsearch reads a string as a language of its own, where a value could become more than one.
var readable = []string{"query_string", "simple_query_string", "regexp", "wildcard", "script", "runtime_mappings"}

// fillJSON reads an object and fills in the templates of its strings, which stay strings.
func fillJSON(text string, s verifier.Subject) (object, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var tree object
	err := dec.Decode(&tree)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows after its end")
		}
	}
	if err != nil {
		return nil, verifier.Invalid("query", "begins like an object of the query DSL and is no JSON: %v; templates stand in strings there", err)
	}
	filled, err := fillTree(tree, s, "")
	if err != nil {
		return nil, err
	}
	return filled.(object), nil
}

func fillTree(v any, s verifier.Subject, under string) (any, error) {
	switch v := v.(type) {
	case string:
		return fillString(v, s, under)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			filled, err := fillTree(one, s, under)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	case object:
		out := object{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(name, "{{") {
				return nil, verifier.Invalid("template", "%s stands in a name; templates are values", name)
			}
			inside := under
			if slices.Contains(readable, name) {
				inside = name
			}
			filled, err := fillTree(v[name], s, inside)
			if err != nil {
				return nil, err
			}
			out[name] = filled
		}
		return out, nil
	}
	return v, nil
}

func fillString(text string, s verifier.Subject, under string) (any, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	if under != "" {
		return nil, verifier.Invalid("template", "%s stands in %s, where a value could become more than a value; write a term query", text, under)
	}
	if err := checkPick(map[string]string{"": text}); err != nil {
		return nil, verifier.Invalid("template", "%s: write one of .Service .Environment .Target .Version .Team .Labels.name", text)
	}
	if slices.Contains(names(text), hostsName) {
		return nil, verifier.Invalid("template", "%s is not for Elasticsearch; the source filters by its host field itself", text)
	}
	filled, err := plain(text, s)
	if err != nil {
		return nil, verifier.Invalid("template", "%s: %v", text, err)
	}
	return filled, nil
}

// jsonBytes writes maps, lists and strings, which cannot fail.
func jsonBytes(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSpace(b.Bytes())
}
