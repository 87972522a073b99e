package sources

import (
	"regexp"
	"slices"
	"strings"

	"verifier"
)

// foreign refuses what is pasted from other languages: it parses, and then counts nothing, or everything. Kibana's search bar speaks KQL,
// whose operators are in lower case and whose comparisons stand without a colon.
func foreign(q *luceneQuery, field string) error {
	for i, c := range q.Clauses {
		of := field
		if c.Field != nil {
			of = bare(*c.Field)
		}
		if problem := foreignClause(q.Clauses, i, of); problem != "" {
			return verifier.Invalid("query", "column %d: %s", c.Value.Pos.Column, problem)
		}
		if c.Value.Group != nil {
			if err := foreign(c.Value.Group, of); err != nil {
				return err
			}
		}
	}
	return nil
}

func foreignClause(all []*luceneClause, i int, field string) string {
	c := all[i]
	if c.Value.Compare != nil && field == "" {
		name := "field"
		if i > 0 && all[i-1].Field == nil && all[i-1].Value.Term != nil {
			name = *all[i-1].Value.Term
		}
		return "a comparison needs a colon behind its field; write " + name + ":" + c.Value.Compare.Op + c.Value.Compare.To + " (this looks like KQL, the query is Lucene)"
	}
	if c.Value.Term == nil {
		return ""
	}
	term := *c.Value.Term
	operator := slices.Contains([]string{"and", "or", "not"}, strings.ToLower(term))
	switch {
	case operator && c.Field == nil && len(all) > 1 && (i > 0 || strings.EqualFold(term, "not")):
		return term + " is searched as a word; write " + strings.ToUpper(term) + ", or put the word in quotes (this looks like KQL, the query is Lucene)"
	case strings.HasPrefix(term, "="), c.Field == nil && strings.HasSuffix(term, "="):
		return term + " is searched as a word; write field:value instead of field=value"
	case strings.HasPrefix(term, "'"):
		return term + " begins with a single quote, which is searched for; write double quotes"
	}
	return ""
}

// dateMath is a time that is relative to the moment of the question, or computed from another.
var dateMath = regexp.MustCompile(`^now([-+/].*)?$|\|\|`)

// dateMathIn is the fields that are compared with such a time.
func dateMathIn(n node) (fields []string) {
	switch n := n.(type) {
	case *boolean:
		for _, list := range [][]node{n.must, n.should, n.mustNot} {
			for _, inner := range list {
				fields = append(fields, dateMathIn(inner)...)
			}
		}
	case *between:
		for _, end := range []*edge{n.low, n.high} {
			if end != nil && dateMath.MatchString(end.text) {
				return []string{n.field}
			}
		}
	}
	return fields
}

// wantedValues is the whole values that a query asks for, by field: those of which a document must have one.
func wantedValues(n node, message string, to map[string][]string) {
	switch n := n.(type) {
	case *boolean:
		for _, list := range [][]node{n.must, n.should} {
			for _, inner := range list {
				wantedValues(inner, message, to)
			}
		}
	case *leaf:
		if n.field != "" && n.field != message && len(n.want.wild) == 0 {
			to[n.field] = append(to[n.field], string(n.want.runes))
		}
	}
}
