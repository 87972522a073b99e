package sources

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func documentOf(t *testing.T, text string) document {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	return document{field: fieldsOf(tree), analyzed: "message"}
}

func TestLucene(t *testing.T) {
	doc := documentOf(t, `{"message":"Payment timeout: gateway said NO","log.level":"ERROR","http":{"response":{"status_code":503}},
		"service.name":"web-1","tags":["slow","retry"],"ok":true,"path":"/a b/c:d",
		"took":"-","bytes":"1024","none":null,"list":[{"a":1},{"a":2}]}`)
	for query, want := range map[string]bool{
		`log.level:ERROR`: true, `log.level:error`: false, `log.level:(ERROR OR FATAL)`: true, `log.level:(WARN FATAL)`: false,
		`timeout`: true, `TIMEOUT`: true, `time*`: true, `tim?out`: true, `"gateway said"`: true, `"said gateway"`: false, `"Payment timeout: gateway"`: true,
		`http.response.status_code:>=500`: true, `http.response.status_code:<500`: false, `http.response.status_code:503`: true,
		`http.response.status_code:[500 TO 599]`: true, `http.response.status_code:{503 TO *]`: false, `http.response.status_code:[* TO 503}`: false,
		`http.response.status_code:*`: true, `missing:*`: false, `NOT missing:*`: true, `*`: true,
		`timeout AND gateway`: true, `timeout AND nothing`: false, `timeout OR nothing`: true, `nothing timeout`: true,
		`timeout AND NOT gateway`: false, `timeout -nothing`: true, `+timeout +nothing`: false, `timeout && !nothing`: true, `nothing || timeout`: true,
		`nothing OR timeout AND gateway`: true, `timeout OR nothing AND gateway`: false, // AND makes both its sides required
		`(nothing OR timeout) AND gateway`: true, `service.name:web-1`: true, `service.name:web*`: true, `service.name:web\*`: false,
		`*:*`: true, `_exists_:log.level`: true, `_exists_:missing`: false, `NOT _exists_:http.response.status_code`: false, `http:*`: true, `none:*`: false,
		`_exists_:http.response.status_code AND +tags:(slow -fast)`: true, `http.response.status_code:(>=500 AND <504)`: true,
		`took:>=500`: false, `took:[* TO *]`: true, `took:[a TO zz]`: false, `bytes:>=500`: true, `bytes:"1024"`: true, `bytes:[-5 TO 2e3]`: true,
		`list.a:2`: true, `list.a:>2`: false, `"NO"`: true, `no*`: true, `log.level:"ERR"`: false, `log.level:ERR?R`: true, `log.level:E*\*`: false,
		`nothing AND timeout OR gateway`: false, `timeout gateway AND nothing`: false, `-nothing`: true, `!timeout`: false, `nothing OR NOT timeout`: false,
		`(timeout OR nothing) AND (gateway nothing)`: true, `service.name:(web-1 OR web-2)`: true, `service.name:(+web* -web-2)`: true,
		`tags:retry`: true, `tags:fast`: false, `ok:true`: true, `path:"/a b/c:d"`: true, `path:\/a\ b\/c\:d`: true, `android`: false, `ORDER`: false,
	} {
		q, err := ParseLucene(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Matches(doc); got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestLuceneRefuses(t *testing.T) {
	for _, query := range []string{``, ` `, `a~2`, `a^3`, `/a.*/`, `(a`, `a)`, `a:`, `:a`, `AND a`, `a AND`, `[1 TO]`, `"open`, `a:[1 2]`, `a*:b`, `*:b`, `_exists_:"a b"`, `_exists_:(a b)`, `a AND OR b`, `NOT`} {
		if _, err := ParseLucene(query); err == nil {
			t.Errorf("%q was taken", query)
		}
	}
}

func FuzzParseLucene(f *testing.F) {
	f.Add(`log.level:(ERROR OR FATAL) AND NOT "a b" status:[1 TO 5} x:>=3 a\:b*`)
	f.Fuzz(func(_ *testing.T, text string) {
		if q, err := ParseLucene(text); err == nil {
			q.Matches(document{field: func(string) (any, bool) { return text, true }, analyzed: "message"})
		}
	})
}

// FuzzLuceneStaysInItsLiteral: whatever comes from outside, the filled query reads as the same tree with that value in its place.
func FuzzLuceneStaysInItsLiteral(f *testing.F) {
	seeds(f)
	const text = `service.name:"{{.Service}}" AND NOT (v:("{{.Version}}" OR "x") OR "pre {{.Labels.x}} post" e:["a" TO b])`
	tree := func(t *testing.T, v string) *boolean {
		filled, err := Fill(Lucene, text, hostile(v), 0)
		if err != nil {
			t.Fatalf("%q: %v", v, err)
		}
		q, err := ParseLucene(filled)
		if err != nil {
			t.Fatalf("%q of %q does not parse: %v", filled, v, err)
		}
		return q.root.(*boolean)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if len(v) > maxQuery/10 {
			return
		}
		valid := strings.ToValidUTF8(v, "\uFFFD")
		is := func(value string) pattern { return pattern{runes: []rune(value)} }
		want := &boolean{
			must: []node{&leaf{field: "service.name", want: is(valid), phrase: true}},
			mustNot: []node{&boolean{should: []node{
				&boolean{should: []node{&leaf{field: "v", want: is(valid), phrase: true}, &leaf{field: "v", want: is("x"), phrase: true}}},
				&leaf{want: is("pre " + valid + " post"), phrase: true},
				&between{field: "e", low: &edge{text: "a"}, high: &edge{text: "b"}},
			}}},
		}
		all := cmp.AllowUnexported(boolean{}, leaf{}, pattern{}, between{}, edge{})
		if diff := cmp.Diff(want, tree(t, v), all, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q left its literal: %s", v, diff)
		}
	})
}
