package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// gqlField is one field of a GraphQL document.
type gqlField struct {
	alias, name string
	args        map[string]string
	fields      []gqlField
}

type gqlDocument struct {
	variables map[string]string // name to type
	root      []gqlField
}

var gqlToken = regexp.MustCompile(`\.\.\.|[A-Za-z_][A-Za-z0-9_]*!?|\$[A-Za-z0-9_]+|[{}():!]`)

// parseGraphQL reads as much of GraphQL as New Relic's own documents use.
func parseGraphQL(t *testing.T, text string) gqlDocument {
	t.Helper()
	p := &gqlParser{t: t, tokens: gqlToken.FindAllString(text, -1)}
	doc := gqlDocument{variables: map[string]string{}}
	p.want("query")
	if p.peek() == "(" {
		p.next()
		for p.peek() != ")" {
			name := p.next()
			p.want(":")
			doc.variables[name] = p.next()
		}
		p.next()
	}
	doc.root = p.selection()
	return doc
}

type gqlParser struct {
	t      *testing.T
	tokens []string
}

func (p *gqlParser) peek() string {
	if len(p.tokens) == 0 {
		p.t.Fatal("the document ends too early")
	}
	return p.tokens[0]
}

func (p *gqlParser) next() string {
	token := p.peek()
	p.tokens = p.tokens[1:]
	return token
}

func (p *gqlParser) want(token string) {
	if got := p.next(); got != token {
		p.t.Fatalf("the document has %q where %q belongs", got, token)
	}
}

func (p *gqlParser) selection() []gqlField {
	p.want("{")
	var fields []gqlField
	for p.peek() != "}" {
		f := gqlField{name: p.next(), args: map[string]string{}}
		if p.peek() == ":" {
			p.next()
			f.alias, f.name = f.name, p.next()
		}
		if p.peek() == "(" {
			p.next()
			for p.peek() != ")" {
				name := p.next()
				p.want(":")
				f.args[name] = p.next()
			}
			p.next()
		}
		if p.peek() == "{" {
			f.fields = p.selection()
		}
		fields = append(fields, f)
	}
	p.next()
	return fields
}

func field(fields []gqlField, name string) *gqlField {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// unknownIn says which of our fields the vendor's document does not know.
func unknownIn(path string, ours, vendors []gqlField) (unknown []string) {
	for _, f := range ours {
		v := field(vendors, f.name)
		if v == nil || (len(f.fields) == 0) != (len(v.fields) == 0) {
			unknown = append(unknown, path+"."+f.name)
			continue
		}
		unknown = append(unknown, unknownIn(path+"."+f.name, f.fields, v.fields)...)
	}
	return unknown
}

func recorded(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/newrelic", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fakeNerdGraph answers queries by what say says of each, and refuses documents that New Relic's own client would not send.
type fakeNerdGraph struct {
	t      *testing.T
	vendor gqlDocument
	say    func(nrql string) any                                            // a result, or GraphQL errors
	whole  func(w http.ResponseWriter, document string, nrql []string) bool // answers the call itself

	mu        sync.Mutex
	documents int
	queries   []string
	asked     map[string]int // how often a query's progress was asked about
}

func newFakeNerdGraph(t *testing.T, say func(nrql string) any) (*fakeNerdGraph, *NewRelic) {
	return newFakeNerdGraphWith(t, NewRelicConfig{}, say)
}

func newFakeNerdGraphWith(t *testing.T, c NewRelicConfig, say func(nrql string) any) (*fakeNerdGraph, *NewRelic) {
	t.Helper()
	f := &fakeNerdGraph{t: t, say: say, vendor: parseGraphQL(t, recorded(t, "gqlNRQLQueryWithAdditionalOptions.graphql")), asked: map[string]int{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c.URL, c.AccountID, c.APIKey = s.URL+"/graphql", 1234567, "NRAK-TEST"
	n, err := NewNewRelic(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f, n
}

func (f *fakeNerdGraph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || r.URL.Path != "/graphql" {
		f.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	if got := r.Header.Get("Api-Key"); got != "NRAK-TEST" {
		f.t.Errorf("Api-Key is %q", got)
	}
	doc := parseGraphQL(f.t, in.Query)
	f.checkVariables(doc, in.Variables)
	account := field(field(doc.root, "actor").fields, "account")
	if account.args["id"] != "$accountId" || in.Variables["accountId"] != float64(1234567) {
		f.t.Errorf("account %v, variables %v", account.args, in.Variables)
	}
	f.answer(w, in.Query, account.fields, in.Variables)
}

// checkVariables holds each declared variable against the vendor's type, and wants each to be given and used.
func (f *fakeNerdGraph) checkVariables(doc gqlDocument, given map[string]any) {
	for name, kind := range doc.variables {
		want := f.vendor.variables[name]
		switch {
		case regexp.MustCompile(`^\$q\d+$`).MatchString(name):
			want = "Nrql!"
		case name == "$queryId":
			want = "ID!"
		}
		if _, ok := given[name[1:]]; !ok || kind != want {
			f.t.Errorf("variable %s is %s, given %t; want %s", name, kind, ok, want)
		}
	}
	if len(given) != len(doc.variables) {
		f.t.Errorf("variables %v are given, %v declared", slices.Sorted(maps.Keys(given)), slices.Sorted(maps.Keys(doc.variables)))
	}
}

func (f *fakeNerdGraph) answer(w http.ResponseWriter, document string, fields []gqlField, variables map[string]any) {
	vendor := field(field(field(f.vendor.root, "actor").fields, "account").fields, "nrql")
	results := map[string]any{}
	var errs []any
	var texts []string
	for _, one := range fields {
		if unknown := unknownIn("nrql", one.fields, vendor.fields); len(unknown) > 0 {
			f.t.Errorf("the document asks for %v, which New Relic's own does not", unknown)
		}
		if one.name == "nrqlQueryProgress" {
			results[one.name] = f.progress(variables["queryId"].(string))
			continue
		}
		if one.name != "nrql" || one.args["timeout"] != "$timeout" || one.args["async"] != "$async" || !strings.HasPrefix(one.args["query"], "$q") {
			f.t.Errorf("field %s with %v", one.name, one.args)
		}
		text := variables[one.args["query"][1:]].(string)
		texts = append(texts, text)
		name := one.name
		if one.alias != "" {
			name = one.alias
		}
		switch said := f.say(text).(type) {
		case outbound.GraphQLError:
			results[name] = nil
			errs = append(errs, map[string]any{"message": said.Message, "path": []any{"actor", "account", name}, "extensions": map[string]any{"errorClass": said.Class}})
		default:
			results[name] = said
		}
	}
	f.mu.Lock()
	f.documents++
	f.queries = append(f.queries, texts...)
	f.mu.Unlock()
	if f.whole != nil && f.whole(w, document, texts) {
		return
	}
	out := map[string]any{"data": map[string]any{"actor": map[string]any{"account": results}}}
	if errs != nil {
		out["errors"] = errs
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		f.t.Error(err)
	}
}

// progress is completed at the third look.
func (f *fakeNerdGraph) progress(id string) any {
	f.mu.Lock()
	f.asked[id]++
	n := f.asked[id]
	f.mu.Unlock()
	if n < 3 || id == "never" {
		return pendingResult("")
	}
	return rows(bucketRow(1, "average.duration", 0.2))
}

func pendingResult(id string) any {
	return map[string]any{"results": nil, "queryProgress": map[string]any{"completed": false, "queryId": id, "retryAfter": 0.01, "retryDeadline": 60}}
}

func rows(list ...map[string]any) any {
	if list == nil {
		list = []map[string]any{}
	}
	return map[string]any{"results": list, "metadata": map[string]any{"facets": nil, "messages": []string{}}, "queryProgress": map[string]any{"completed": true, "queryId": nil, "retryAfter": nil}}
}

func facetRows(facets []string, rest any, list ...map[string]any) any {
	return map[string]any{"results": list, "otherResult": rest, "metadata": map[string]any{"facets": facets, "messages": []string{}}}
}

// bucketRow is the bucket that ends so many minutes after noon, with pairs of name and value.
func bucketRow(minute int, pairs ...any) map[string]any {
	end := noon.Add(time.Duration(minute) * time.Minute).Unix()
	row := map[string]any{"beginTimeSeconds": end - 60, "endTimeSeconds": end}
	for i := 0; i < len(pairs); i += 2 {
		row[pairs[i].(string)] = pairs[i+1]
	}
	return row
}

func nrqlOf(text string) verifier.Measure { return verifier.Measure{NRQL: text} }

func nrError(class, message string) outbound.GraphQLError {
	return outbound.GraphQLError{Message: message, Class: class}
}

func stretchOf(from, to time.Time) string {
	return fmt.Sprintf("\nSINCE %d UNTIL %d TIMESERIES 60 seconds", from.UnixMilli(), to.UnixMilli())
}
