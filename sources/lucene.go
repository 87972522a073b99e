package sources

import (
	"errors"
	"strings"
	"sync"
	"unicode"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"verifier"
)

// The grammar of Lucene's classic query parser, as far as Elasticsearch's query_string is used for logs: terms, phrases, wildcards,
// field groups, AND OR NOT + - !, ranges and comparisons. Not there: fuzzy ~, boosts ^ and regular expressions /…/.
type luceneQuery struct {
	Clauses []*luceneClause `parser:"@@+"`
}

type luceneClause struct {
	Pos   lexer.Position
	Conj  string      `parser:"@('AND' | 'OR' | '&&' | '||')?"`
	Mod   string      `parser:"@('NOT' | '!' | '+' | '-')?"`
	Field *string     `parser:"(@Term ':')?"`
	Value luceneValue `parser:"@@"`
}

type luceneValue struct {
	Pos     lexer.Position
	Group   *luceneQuery   `parser:"  '(' @@ ')'"`
	Phrase  *string        `parser:"| @Phrase"`
	Range   *string        `parser:"| @Range"`
	Compare *luceneCompare `parser:"| @@"`
	Term    *string        `parser:"| @Term"`
}

type luceneCompare struct {
	Op string `parser:"@Compare"`
	To string `parser:"@('-'? (Term | Phrase))"`
}

var luceneLexer = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "Space", Pattern: `\s+`},
	{Name: "Phrase", Pattern: `"((?s:\\.)|[^"\\])*"`},
	{Name: "Range", Pattern: `[\[{][^\[\]{}]*[\]}]`},
	{Name: "Compare", Pattern: `>=|<=|>|<`},
	{Name: "Op", Pattern: `&&|\|\||[()!:+\-]`},
	{Name: "Word", Pattern: `(AND|OR|NOT)\b`},
	{Name: "Unsupported", Pattern: `[~^/]`},
	{Name: "Term", Pattern: `((?s:\\.)|[^\s()\[\]{}"~^:\\!+\-<>/])((?s:\\.)|[^\s()\[\]{}"~^:\\])*`},
})

// Query is a parsed Lucene query.
type Query struct{ root node }

// node is one part of a query.
type node interface {
	matches(document) bool
	fields(into map[string]bool) // those that are named
}

// ParseLucene reads a query. A field that is not named is the message, which is searched by words without case; all other fields are
// keywords: whole values, with case. A range between numbers holds numbers only, whether they are written as such or as text. The
// error is an InvalidError that says where the query stops making sense.
func ParseLucene(text string) (*Query, error) {
	if strings.TrimSpace(text) == "" {
		return nil, verifier.Invalid("query", "is empty; write * for all documents")
	}
	if len(text) > maxQuery {
		return nil, verifier.Invalid("query", "is longer than %d bytes", maxQuery)
	}
	p := &luceneParser{text: text}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Query{root}, nil
}

// Matches reports whether a document is one of those asked for.
func (q *Query) Matches(d document) bool { return q.root.matches(d) }

const (
	maxQuery = 16 << 10
	maxDepth = 50
)

type luceneParser struct{ text string }

func (p *luceneParser) parse() (node, error) {
	if depth(p.text) > maxDepth {
		return nil, verifier.Invalid("query", "has more than %d brackets within each other", maxDepth)
	}
	parser, err := luceneGrammar()
	if err != nil {
		return nil, err
	}
	tree, err := parser.ParseString("", p.text)
	if err != nil {
		return nil, p.problem(err)
	}
	if err := foreign(tree, ""); err != nil {
		return nil, err
	}
	return p.group(tree, "")
}

var luceneGrammar = sync.OnceValues(func() (*participle.Parser[luceneQuery], error) {
	return participle.Build[luceneQuery](participle.Lexer(luceneLexer), participle.Elide("Space"), participle.UseLookahead(2))
})

// depth is how far brackets are nested at most.
func depth(text string) int {
	now, most := 0, 0
	for _, r := range text {
		switch r {
		case '(':
			now++
			most = max(most, now)
		case ')':
			now--
		}
	}
	return most
}

// problem says where the query stops making sense, and what is not there by name.
func (p *luceneParser) problem(err error) error {
	at, what := 1, err.Error()
	if e, ok := errors.AsType[participle.Error](err); ok {
		at, what = e.Position().Column, e.Message()
	}
	switch {
	case strings.Contains(what, "<EOF>"):
		what = "it ends where a term, a phrase or a bracket is missing"
	case strings.HasPrefix(what, "unexpected token"):
		what, _, _ = strings.Cut(strings.TrimPrefix(what, "unexpected token "), " (")
		what += " does not belong there"
	}
	if at >= 1 && at <= len(p.text) {
		switch p.text[at-1] {
		case '~', '^':
			what = "fuzzy terms and boosts are not there"
		case '/':
			what = `regular expressions are not there; write a slash as \/`
		}
	}
	return verifier.Invalid("query", "column %d: %s", at, what)
}

// group is the boolean query of Lucene's classic parser: AND makes both its sides required, OR leaves them optional.
func (p *luceneParser) group(q *luceneQuery, field string) (node, error) {
	out := &boolean{}
	type part struct {
		node     node
		required bool
		not      bool
	}
	var parts []part
	for i, c := range q.Clauses {
		n, err := p.clause(c, field)
		if err != nil {
			return nil, err
		}
		and := c.Conj == "AND" || c.Conj == "&&"
		if i == 0 && c.Conj != "" {
			return nil, verifier.Invalid("query", "column %d: %s has nothing before it", c.Pos.Column, c.Conj)
		}
		if and && i > 0 {
			parts[i-1].required = true
		}
		not := c.Mod == "NOT" || c.Mod == "!" || c.Mod == "-"
		parts = append(parts, part{n, c.Mod == "+" || and, not})
	}
	for _, part := range parts {
		switch {
		case part.not:
			out.mustNot = append(out.mustNot, part.node)
		case part.required:
			out.must = append(out.must, part.node)
		default:
			out.should = append(out.should, part.node)
		}
	}
	if len(parts) == 1 && len(out.mustNot) == 0 {
		return parts[0].node, nil
	}
	return out, nil
}

func (p *luceneParser) clause(c *luceneClause, field string) (node, error) {
	v := c.Value
	if c.Field != nil {
		named := unescape(*c.Field)
		switch {
		case named.isAll() && v.Term != nil && *v.Term == "*":
			return all{}, nil
		case len(named.wild) > 0:
			return nil, verifier.Invalid("query", "column %d: %s is no field; a field's name has no wildcards", c.Pos.Column, *c.Field)
		case string(named.runes) == "_exists_" && v.Term != nil:
			return &exists{bare(*v.Term)}, nil
		case string(named.runes) == "_exists_":
			return nil, verifier.Invalid("query", "column %d: write _exists_:field", c.Pos.Column)
		}
		field = string(named.runes)
	}
	switch {
	case v.Group != nil:
		return p.group(v.Group, field)
	case v.Range != nil:
		return parseRange(*v.Range, field, c.Pos.Column)
	case v.Compare != nil:
		return comparison(v.Compare.Op, v.Compare.To, field), nil
	case v.Phrase != nil:
		return &leaf{field: field, want: pattern{runes: []rune(bare(*v.Phrase))}, phrase: true}, nil
	}
	want := unescape(*v.Term)
	if want.isAll() {
		if field == "" {
			return all{}, nil
		}
		return &exists{field}, nil
	}
	return &leaf{field: field, want: want}, nil
}

// bare is a term or phrase without quotes and escapes.
func bare(s string) string {
	if len(s) >= 2 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	return string(unescape(s).runes)
}

// pattern is a term whose wildcards are marked, so that escaped ones are plain characters.
type pattern struct {
	runes []rune
	wild  map[int]bool // positions of * and ? that stand for others
}

func unescape(s string) pattern {
	var p pattern
	escaped := false
	for _, r := range s {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		if (r == '*' || r == '?') && !escaped {
			if p.wild == nil {
				p.wild = map[int]bool{}
			}
			p.wild[len(p.runes)] = true
		}
		p.runes = append(p.runes, r)
		escaped = false
	}
	return p
}

func (p pattern) isAll() bool { return len(p.runes) == 1 && p.wild[0] && p.runes[0] == '*' }

// match is a glob that knows escaped wildcards; it is linear in its steps back.
func (p pattern) match(s []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p.runes) && p.wild[i] && p.runes[i] == '*':
			star, mark = i, j
			i++
		case i < len(p.runes) && (p.wild[i] || p.runes[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p.runes) && p.wild[i] && p.runes[i] == '*' {
		i++
	}
	return i == len(p.runes)
}

// parseRange reads [a TO b], with { } for ends that are left out, and * for no end.
func parseRange(text, field string, column int) (node, error) {
	from, to, ok := strings.Cut(text[1:len(text)-1], " TO ")
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	if !ok || from == "" || to == "" {
		return nil, verifier.Invalid("query", "column %d: %s is no range; write [400 TO 499], {400 TO *] …", column, text)
	}
	r := &between{field: field}
	if from != "*" {
		r.low, r.lowOpen = bound(from), text[0] == '{'
	}
	if to != "*" {
		r.high, r.highOpen = bound(to), text[len(text)-1] == '}'
	}
	return r, nil
}

func comparison(op, value, field string) node {
	b := bound(value)
	switch op {
	case ">":
		return &between{field: field, low: b, lowOpen: true}
	case ">=":
		return &between{field: field, low: b}
	case "<":
		return &between{field: field, high: b, highOpen: true}
	}
	return &between{field: field, high: b}
}

// edge is one end of a range, as text and, where it is one, as a number.
type edge struct {
	text     string
	number   float64
	isNumber bool
}

func bound(text string) *edge {
	text = bare(text)
	n, isNumber := numberOf(text)
	return &edge{text, n, isNumber}
}

// wordsOf are the words of a text as Elasticsearch's standard analyzer sees them, roughly: letters and digits, in lower case.
func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '*' && r != '?'
	})
}
