package sources

import (
	"slices"

	"verifier"
)

// comparedNumbers adds the fields whose ranges are of numbers.
func comparedNumbers(n node, to map[string]bool) {
	switch n := n.(type) {
	case *boolean:
		for _, list := range [][]node{n.must, n.should, n.mustNot} {
			for _, inner := range list {
				comparedNumbers(inner, to)
			}
		}
	case *between:
		if n.field != "" && n.numeric() && (n.low != nil || n.high != nil) {
			to[n.field] = true
		}
	}
}

// forElasticsearch makes Elasticsearch read a query as its own documentation and log files do. A bare * is all documents, and not only
// those that have the default field. Two words of a keyword without an operator between them would be one value with a blank, which no
// document has.
func forElasticsearch(text, message string) (string, error) {
	parser, err := luceneGrammar()
	if err != nil {
		return "", err
	}
	tree, err := parser.ParseString("", text)
	if err != nil {
		return "", err // unreachable: it was parsed before
	}
	r := &reader{message: message}
	if err := r.group(tree, ""); err != nil {
		return "", err
	}
	for _, at := range slices.Backward(r.stars) {
		text = text[:at] + "*:" + text[at:]
	}
	return text, nil
}

// reader goes through a query in the order of its text.
type reader struct {
	message string
	stars   []int // where a bare * stands
}

func (r *reader) group(q *luceneQuery, field string) error {
	var before *luceneClause
	for _, c := range q.Clauses {
		of := field
		if c.Field != nil {
			of = bare(*c.Field)
		}
		if before != nil && before.plain() && c.plain() && of != "" && of != r.message {
			return verifier.Invalid("query", "column %d: %s:(%s %s) is one value with a blank for Elasticsearch; write OR between them, or quotes around them",
				c.Pos.Column, of, *before.Value.Term, *c.Value.Term)
		}
		if c.Value.Term != nil && *c.Value.Term == "*" && c.Field == nil && of == "" {
			r.stars = append(r.stars, c.Value.Pos.Offset)
		}
		if c.Value.Group != nil {
			if err := r.group(c.Value.Group, of); err != nil {
				return err
			}
		}
		before = c
	}
	return nil
}

// plain reports whether it is a word alone.
func (c *luceneClause) plain() bool {
	return c.Conj == "" && c.Mod == "" && c.Field == nil && c.Value.Term != nil
}
