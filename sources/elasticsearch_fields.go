package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"verifier"
)

// esMapping is how some fields are mapped in the indices. Where that may not be asked, unknown is set and they are taken as written.
type esMapping struct {
	indices int
	types   map[string][]string // by field
	unknown bool
	err     error
}

// mapping asks how the fields, and their keyword brothers, are mapped.
func (e *Elasticsearch) mapping(ctx context.Context, names map[string]bool) esMapping {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, name, name+keyword)
	}
	got, err := e.mappings.do(ctx, strings.Join(list, ","), func(ctx context.Context) esMapping { return e.askMapping(ctx, list) })
	if err != nil {
		return esMapping{err: e.trouble(err)}
	}
	return got
}

const keyword = ".keyword"

func (e *Elasticsearch) askMapping(ctx context.Context, list []string) esMapping {
	yes := true
	var said struct {
		Indices json.RawMessage                       `json:"indices"`
		Fields  map[string]map[string]json.RawMessage `json:"fields"`
	}
	err := e.call(ctx, esapi.FieldCapsRequest{Index: []string{e.Index}, Fields: list, AllowNoIndices: &yes}, &said)
	var failure *esFailure
	if errors.As(err, &failure) && (failure.status == http.StatusForbidden || failure.status == http.StatusMethodNotAllowed) {
		return esMapping{unknown: true}
	}
	if err != nil {
		return esMapping{err: err}
	}
	var indices []string
	if json.Unmarshal(said.Indices, &indices) != nil || said.Fields == nil {
		return esMapping{err: e.unbelievable("its answer to _field_caps has no indices and fields; is it Elasticsearch?")}
	}
	m := esMapping{indices: len(indices), types: map[string][]string{}}
	for name, types := range said.Fields {
		delete(types, "unmapped")
		m.types[name] = slices.Sorted(maps.Keys(types))
	}
	return m
}

// kinds of mappings.
var (
	wordTypes   = []string{"text", "match_only_text", "annotated_text", "search_as_you_type"}
	numberTypes = []string{
		"long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float", "histogram",
		"aggregate_metric_double",
	}
	timeTypes = []string{"date", "date_nanos"}
)

func (m esMapping) only(field string, kinds []string) bool {
	return m.unknown || !slices.ContainsFunc(m.types[field], func(t string) bool { return !slices.Contains(kinds, t) })
}

func (m esMapping) absent(field string) bool { return !m.unknown && len(m.types[field]) == 0 }

// exact is a field by which whole values are compared.
type exact struct {
	field string // as it is configured
	words bool   // it is text, at least in some indices: its keyword brother is asked
	mixed bool   // in others it is not
}

// whole finds out how whole values of a field are compared, and says so.
func (m esMapping) whole(field string) (out exact, note string, err error) {
	out.field = field
	isWords := func(t string) bool { return slices.Contains(wordTypes, t) }
	if m.unknown || !slices.ContainsFunc(m.types[field], isWords) {
		return out, "", nil
	}
	if len(m.types[field+keyword]) == 0 {
		return out, "", fmt.Errorf("%s is text, whose words are searched and not its whole value, and there is no %s%s; map it as keyword, or name another field in the source's fields",
			field, field, keyword)
	}
	out.words = true
	out.mixed = slices.ContainsFunc(m.types[field], func(t string) bool { return !isWords(t) })
	return out, fmt.Sprintf("%s is text: %s%s is asked", field, field, keyword), nil
}

// is matches documents whose field is one of the values.
func (x exact) is(values ...string) object {
	plainly := object{"terms": object{x.field: values}}
	switch {
	case !x.words:
		return plainly
	case !x.mixed:
		return object{"terms": object{x.field + keyword: values}}
	}
	elsewhere := object{"bool": object{"filter": plainly, "must_not": object{"exists": object{"field": x.field + keyword}}}}
	return object{"bool": object{"should": []object{{"terms": object{x.field + keyword: values}}, elsewhere}, "minimum_should_match": 1}}
}

// grouped is the field to aggregate by.
func (x exact) grouped() (string, error) {
	if x.mixed {
		return "", fmt.Errorf("%s is text in some indices and not in others; narrow the source's index, or map it alike", x.field)
	}
	if x.words {
		return x.field + keyword, nil
	}
	return x.field, nil
}

// check refuses what the mapping makes a wrong question.
func (m esMapping) check(time string, measure esMeasure) error {
	if !m.only(time, timeTypes) {
		return fmt.Errorf("%s is %s and no date; map it as date, or name another field as time in the source's fields", time, strings.Join(m.types[time], " and "))
	}
	if f := measure.field; f != "" && !m.only(f, numberTypes) {
		return fmt.Errorf("%s is %s and no number; map it as a number, or measure another field", f, strings.Join(m.types[f], " and "))
	}
	for _, f := range slices.Sorted(maps.Keys(measure.numbers)) {
		if !m.only(f, append(slices.Clone(numberTypes), timeTypes...)) && slices.ContainsFunc(m.types[f], isText) {
			return fmt.Errorf("%s is %s, which is compared as text and not as a number; map it as a number, or write a wildcard such as %s:5*",
				f, strings.Join(m.types[f], " and "), f)
		}
	}
	return nil
}

func isText(t string) bool {
	return slices.Contains(wordTypes, t) || t == "keyword" || t == "constant_keyword" || t == "wildcard"
}

// badMapping is a question that the indices' mapping cannot answer.
func (e *Elasticsearch) badMapping(err error) error {
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("ask %s: in %s %w", e.host, e.Index, err)}
}
