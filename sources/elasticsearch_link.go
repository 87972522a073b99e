package sources

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// luceneFilters is what the question is filtered by, as a Lucene query.
func (e *Elasticsearch) luceneFilters(a *esAsked) string {
	var parts []string
	phrase := func(field, value string) string {
		quoted, _ := escape(Lucene, '"', false, value) // it fails in other languages only
		return field + `:"` + quoted + `"`
	}
	s := a.Subject
	for _, f := range []struct{ field, value string }{
		{e.fields.service, s.Service}, {e.fields.environment, s.Environment}, {e.fields.target, s.Target},
	} {
		if e.filters(a, f.field) {
			parts = append(parts, phrase(f.field, f.value))
		}
	}
	var arm []string
	field := e.fields.host
	switch {
	case e.filters(a, e.fields.host):
		for _, h := range s.Hosts {
			arm = append(arm, phrase(field, h))
		}
	case e.filters(a, e.fields.version):
		field = e.fields.version
		arm = append(arm, phrase(field, s.Version))
	}
	text := strings.Join(arm, " OR ")
	switch {
	case text != "" && s.Peers:
		parts = append(parts, fmt.Sprintf("%s:* AND NOT (%s)", field, text))
	case text != "":
		parts = append(parts, "("+text+")")
	}
	return strings.Join(parts, " AND ")
}

// link is Kibana's Discover, with the question's stretch and filters and, where it is one, its Lucene query.
func (e *Elasticsearch) link(a *esAsked) string {
	if e.Kibana == "" {
		return ""
	}
	query := e.luceneFilters(a)
	m := a.Measure
	for _, text := range []string{m.Count, m.Where, m.Query} {
		query = e.narrowed(a, query, text)
	}
	if m.Ratio != nil {
		query = e.narrowed(a, query, m.Ratio.Of)
	}
	state := "(query:(language:lucene,query:" + rison(query) + "))"
	if e.DataView != "" {
		state = "(index:" + rison(e.DataView) + "," + state[1:]
	}
	when := func(t time.Time) string { return rison(t.UTC().Format("2006-01-02T15:04:05.000Z")) }
	fragment := fmt.Sprintf("/?_g=(time:(from:%s,to:%s))&_a=%s", when(a.From), when(a.To), state)
	return e.Kibana + "/app/discover#" + fragment
}

// narrowed adds a Lucene query; what is written in the query DSL cannot be in a link.
func (e *Elasticsearch) narrowed(a *esAsked, query, text string) string {
	filled, err := Fill(Lucene, text, a.Subject, a.Step)
	if text == "" || isJSON(text) || err != nil {
		return query
	}
	if query == "" {
		return filled
	}
	return query + " AND (" + filled + ")"
}

// rison is a text as Kibana's addresses hold it.
func rison(text string) string {
	return "'" + url.PathEscape(strings.NewReplacer("!", "!!", "'", "!'").Replace(text)) + "'"
}
