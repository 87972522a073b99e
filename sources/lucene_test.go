package sources

import (
	"encoding/json"
	"strings"
	"testing"

	"verifier"
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

// FuzzLuceneLiterals: whatever a service is called, the filled query is one term of one field, and that is its name.
func FuzzLuceneLiterals(f *testing.F) {
	for _, name := range []string{"checkout", `a" OR *:*`, `\`, "*", "a b", "a:b", "(", "NOT", "a\nb", "\"", "/x/", "[1 TO 2]", "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, text := range []string{`service.name:"{{.Service}}"`, `service.name:{{.Service}}`} {
			filled, err := Fill(Lucene, text, verifier.Subject{Service: name}, 0)
			if err != nil {
				continue
			}
			q, err := ParseLucene(filled)
			if err != nil {
				t.Fatalf("%q of %q does not parse: %v", filled, name, err)
			}
			l, ok := q.root.(*leaf)
			if !ok || l.field != "service.name" || len(l.want.wild) > 0 || string(l.want.runes) != strings.ToValidUTF8(name, "\uFFFD") {
				t.Fatalf("%q of %q is %#v", filled, name, q.root)
			}
		}
	})
}
