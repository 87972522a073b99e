package sources

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"verifier"
)

// CheckNewRelic says what is wrong with a measure for New Relic, without asking anybody. The window is always 0: buckets of NRQL look
// back no further than their own step.
func CheckNewRelic(m verifier.Measure) (window time.Duration, err error) {
	if err := notNRQL(m); err != nil {
		return 0, err
	}
	if err := checkPick(m.Pick); err != nil {
		return 0, err
	}
	for i, text := range nrqlTexts(m) {
		if err := checkNRQL(text, m); err != nil {
			return 0, fmt.Errorf("%s: %w", nrqlField(m, i), err)
		}
	}
	return 0, nil
}

// nrqlTexts are the queries of a measure.
func nrqlTexts(m verifier.Measure) []string {
	switch {
	case m.NRQL != "":
		return []string{m.NRQL}
	case m.Count != "":
		return []string{m.Count}
	case m.Ratio != nil:
		return []string{m.Ratio.Of, m.Ratio.To}
	}
	return nil
}

func nrqlField(m verifier.Measure, i int) string {
	if m.NRQL != "" {
		return "nrql"
	}
	return fieldOf(m, i)
}

// notNRQL refuses what this source has no word for.
func notNRQL(m verifier.Measure) error {
	for _, no := range []struct {
		field string
		set   bool
		write string
	}{
		{"percentile", m.Percentile != nil, "nrql: \"SELECT percentile(duration, 95) FROM Transaction WHERE appName = '{{.Service}}'\""},
		{"average", m.Average != nil, "nrql: \"SELECT average(duration) FROM Transaction WHERE appName = '{{.Service}}'\""},
		{"where", m.Where != "", "the condition as WHERE in the NRQL"},
		{"patterns", m.Patterns != "", "an elasticsearch or files source"},
		{"promql", m.PromQL != "", "nrql, or a prometheus source"},
		{"query", m.Query != "", "nrql"},
		{"command", len(m.Command) > 0, "nrql, or a checks source"},
		{"http", m.HTTP != "", "nrql, or a checks source"},
	} {
		if no.set {
			return verifier.Invalid(no.field, "is nothing New Relic can answer; write %s", no.write)
		}
	}
	texts := nrqlTexts(m)
	if len(texts) == 0 || slices.Contains(texts, "") {
		return verifier.Invalid("measure", "asks for nothing; write nrql, count, or ratio with of and to, each in NRQL")
	}
	return nil
}

// ours are the clauses that the daemon writes: whose times they hold is not the rule's to say.
var oursNRQL = regexp.MustCompile(`\b(since|until|timeseries|compare\s+with|slide\s+by)\b`)

var selectsCount = regexp.MustCompile(`^select\s+count\s*\(`)

func checkNRQL(text string, m verifier.Measure) error {
	if err := Check(NRQL, text); err != nil {
		return err
	}
	q, err := readNRQL(text)
	if err != nil {
		return verifier.Invalid("query", "%v", err)
	}
	if found := oursNRQL.FindString(q.bare); found != "" {
		return verifier.Invalid("query", "has %s; take it out: SINCE, UNTIL and TIMESERIES are written by verifier, from the deploy's time, and baselines come with compare",
			strings.ToUpper(strings.Join(strings.Fields(found), " ")))
	}
	switch {
	case q.clause("select") == "" || q.clause("from") == "":
		return verifier.Invalid("query", "is no query for a number; write SELECT ... FROM ...")
	case m.Count != "" && !selectsCount.MatchString(q.maskedClause("select")):
		return verifier.Invalid("query", "counts nothing; a count begins with SELECT count(*), everything else is written as nrql")
	case q.clause("facet") != "" && len(m.Pick) == 0:
		return verifier.Invalid("query", "has FACET, and nothing says which of its rows counts; write pick: {appName: '{{.Service}}'}")
	case q.clause("facet") == "" && len(m.Pick) > 0:
		return verifier.Invalid("pick", "needs FACET in the NRQL; write FACET %s", strings.Join(sortedKeys(m.Pick), ", "))
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// nrqlQuery is a query text with what stands where.
type nrqlQuery struct {
	text  string
	bare  string // lower case, literals and comments blanked, as long as the text
	outer string // bare, with everything between parentheses blanked too
	from  []nrqlClause
}

type nrqlClause struct {
	word     string
	from, to int // of the whole clause
	body     int // where it begins after its word
}

var nrqlWords = regexp.MustCompile(`\b(select|from|where|facet|limit|offset|order\s+by|with\s+timezone|extrapolate)\b`)

// readNRQL finds the clauses of one query.
func readNRQL(text string) (nrqlQuery, error) {
	q := nrqlQuery{text: text}
	var err error
	if q.bare, err = blankLiterals(text); err != nil {
		return q, err
	}
	if q.outer, err = blankParentheses(q.bare); err != nil {
		return q, err
	}
	if strings.Contains(q.outer, ";") {
		return q, errors.New("has a semicolon; write one query without it")
	}
	found := nrqlWords.FindAllStringIndex(q.outer, -1)
	for i, at := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		word, _, _ := strings.Cut(q.outer[at[0]:at[1]], " ")
		q.from = append(q.from, nrqlClause{word, at[0], end, at[1]})
	}
	return q, nil
}

// blankLiterals writes underscores for what stands in literals and templates, and blanks for comments.
func blankLiterals(text string) (string, error) {
	scan := scanner{lang: NRQL}
	var b strings.Builder
	spans := action.FindAllStringIndex(text, -1)
	for i := 0; i < len(text); {
		if len(spans) > 0 && spans[0][0] < i {
			spans = spans[1:]
			continue
		}
		if len(spans) > 0 && spans[0][0] == i {
			b.WriteString(strings.Repeat("_", spans[0][1]-i))
			i = spans[0][1]
			continue
		}
		was := scan
		n := scan.step(text[i:])
		c := strings.ToLower(text[i : i+n])
		switch {
		case was.comment != "" || scan.comment != "":
			c = strings.Repeat(" ", n)
		case was.quote != 0 || scan.quote != 0 || c[0] >= utf8.RuneSelf || len(c) != n:
			c = strings.Repeat("_", n)
		case c == "\n" || c == "\t" || c == "\r":
			c = " "
		}
		b.WriteString(c)
		i += n
	}
	switch {
	case scan.quote != 0:
		return "", fmt.Errorf("has a literal without its closing %c", scan.quote)
	case scan.comment == "*/":
		return "", errors.New("has a comment without its closing */")
	}
	return b.String(), nil
}

func blankParentheses(bare string) (string, error) {
	out := []byte(bare)
	depth := 0
	for i, c := range out {
		if c == ')' {
			depth--
		}
		if depth < 0 {
			return "", fmt.Errorf("has a ) at character %d that closes nothing", i+1)
		}
		if depth > 0 {
			out[i] = '_'
		}
		if c == '(' {
			depth++
		}
	}
	if depth > 0 {
		return "", errors.New("has a ( that is not closed")
	}
	return string(out), nil
}

// clause is what the text says after the word; empty where it has none.
func (q nrqlQuery) clause(word string) string {
	for _, c := range q.from {
		if c.word == word {
			return strings.TrimSpace(q.text[c.body:c.to])
		}
	}
	return ""
}

func (q nrqlQuery) maskedClause(word string) string {
	for _, c := range q.from {
		if c.word == word {
			return strings.TrimSpace(q.bare[c.from:c.to])
		}
	}
	return ""
}

// nullWhenEmpty are the functions that say null, and not 0, of a bucket without events.
var nullWhenEmpty = regexp.MustCompile(`^select\s+(average|percentile|median|stddev|latest|earliest|min|max)\s*\(`)

// zeroIsDoubtful reports whether a 0 may mean that there was nothing to look at.
func (q nrqlQuery) zeroIsDoubtful() bool { return !nullWhenEmpty.MatchString(q.maskedClause("select")) }

// presence is the query for all events of the service, whatever the rule looks for among them: it keeps those conditions that name
// the subject, by a template or by an attribute that names applications. A query without such conditions gives all events of its types.
func (q nrqlQuery) presence() string {
	text := "SELECT count(*) FROM " + withAllOf(q.clause("from"))
	if kept := q.subjectConditions(); kept != "" {
		text += " WHERE " + kept
	}
	if facet := q.clause("facet"); facet != "" {
		text += " FACET " + facet
	}
	return text
}

var errorsAlone = regexp.MustCompile(`(?i)^transactionerror$`)

// withAllOf adds the requests to a query for errors: a service without errors is there all the same.
func withAllOf(types string) string {
	if errorsAlone.MatchString(types) {
		return "Transaction, " + types
	}
	return types
}

var (
	andWord = regexp.MustCompile(`\band\b`)
	orWord  = regexp.MustCompile(`\bor\b`)
)

// namesSubject are the attributes by which events tell whose they are.
var namesSubject = regexp.MustCompile("(?i)(^|[\\s(`])(appname|appid|app\\.name|entityguid|entity\\.guid|entity\\.name|service\\.name|service|apmapplicationnames|container_?name|k8s\\.[a-z.]*name)`?\\s*(=|in\\b|r?like\\b)")

// subjectConditions are the parts of WHERE, joined by AND, that say whose events are meant.
func (q nrqlQuery) subjectConditions() string {
	i := slices.IndexFunc(q.from, func(c nrqlClause) bool { return c.word == "where" })
	if i < 0 {
		return ""
	}
	c := q.from[i]
	outer := q.outer[c.body:c.to]
	ends := andWord.FindAllStringIndex(outer, -1)
	if orWord.MatchString(outer) {
		ends = nil
	}
	var kept []string
	at := c.body
	for _, end := range append(ends, []int{len(outer), len(outer)}) {
		if part := q.text[at : c.body+end[0]]; strings.Contains(part, "{{") || namesSubject.MatchString(part) {
			kept = append(kept, strings.TrimSpace(part))
		}
		at = c.body + end[1]
	}
	return strings.Join(kept, " AND ")
}

// serviceAttribute is the attribute that holds the service's name; empty where the query does not say.
func (q nrqlQuery) serviceAttribute() string {
	if m := namesService.FindStringSubmatch(q.subjectConditions()); m != nil {
		return m[1]
	}
	return ""
}

var namesService = regexp.MustCompile("(?i)([a-z_][a-z0-9_.]*|`[^`]+`)\\s*=\\s*'\\{\\{\\s*\\.Service\\s*\\}\\}'")

// timed is a filled-in query with its stretch and steps. It ends on lines of its own, so that a comment at the text's end stays one.
func timed(filled string, facets bool, from, to time.Time, step time.Duration) string {
	text := filled
	if q, err := readNRQL(filled); err == nil && facets && q.clause("limit") == "" {
		text += "\nLIMIT MAX" // 10 rows otherwise
	}
	return fmt.Sprintf("%s\nSINCE %d UNTIL %d TIMESERIES %d seconds", text, from.UnixMilli(), to.UnixMilli(), cmp.Or(int64(step/time.Second), 1))
}
