package sources

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/prometheus/prometheus/util/strutil"
)

// scanner follows a query text from template to template and knows what each stands in.
type scanner struct {
	lang    Language
	quote   byte   // of the literal being read; 0 outside
	regex   bool   // that literal is a regular expression
	value   bool   // that literal may hold a template
	inside  string // the literal so far, a letter for each template
	escape  int    // characters of an escape that are still to come; -1: its kind too
	comment string // what ends the comment being read
	ranges  bool   // between the brackets of a Lucene range
	before  string // the last characters outside literals and blanks, at most two
}

func (s *scanner) read(text string) {
	for i := 0; i < len(text); {
		i += s.step(text[i:])
	}
}

// step reads one character, or the two that open or close a comment.
func (s *scanner) step(text string) int {
	c := text[0]
	switch {
	case s.comment != "":
		if strings.HasPrefix(text, s.comment) {
			n := len(s.comment)
			s.comment = ""
			return n
		}
	case s.quote != 0:
		s.inLiteral(c)
	case s.escape != 0: // only Lucene escapes outside of literals
		s.escape = 0
		s.before = "a"
	default:
		return s.outside(text)
	}
	return 1
}

func (s *scanner) inLiteral(c byte) {
	switch {
	case s.escape == -1:
		s.escape = s.escapeLength(c)
	case s.escape > 0:
		s.escape--
	case c == '\\' && s.quote != '`':
		s.escape = -1
	case c == s.quote:
		s.quote, s.regex, s.before = 0, false, `"`
		return
	}
	s.inside += string(c)
}

// escapeLength is how many characters belong to an escape after its kind.
func (s *scanner) escapeLength(kind byte) int {
	if !s.lang.likePromQL() {
		return 0
	}
	switch kind {
	case 'x':
		return 2
	case 'u':
		return 4
	case 'U':
		return 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return 2
	}
	return 0
}

func (s *scanner) outside(text string) int {
	c := text[0]
	if end := s.commentEnd(text); end != "" {
		s.comment = end
		return min(2, len(text))
	}
	switch {
	case strings.IndexByte(s.quotes(), c) >= 0:
		s.open(c)
		return 1
	case s.lang == Lucene && c == '\\':
		s.escape = -1
	case s.lang == Lucene && (c == '[' || c == '{'):
		s.ranges = true
	case s.lang == Lucene && (c == ']' || c == '}'):
		s.ranges = false
	}
	if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
		return 1
	}
	s.before += string(c)
	s.before = s.before[max(0, len(s.before)-2):]
	return 1
}

// quotes are the characters that open a literal, and are its end too.
func (s *scanner) quotes() string {
	if s.lang == Lucene {
		return `"/`
	}
	return "\"'`"
}

func (s *scanner) commentEnd(text string) string {
	two := text[:min(2, len(text))]
	switch {
	case s.lang.likePromQL() && text[0] == '#':
		return "\n"
	case s.lang == LogQL && two == "//":
		return "\n"
	case s.lang == LogQL && two == "/*":
		return "*/"
	case s.lang == NRQL && (two == "--" || two == "//"):
		return "\n"
	case s.lang == NRQL && two == "/*":
		return "*/"
	}
	return ""
}

func (s *scanner) open(c byte) {
	s.quote, s.inside, s.regex = c, "", false
	switch s.lang {
	case LogQL: // single quotes are no literals there
		s.regex = s.before == "=~" || s.before == "!~" || s.before == "|~"
		s.value = c != '\'' && (s.regex || strings.HasSuffix(s.before, "="))
	case PromQL:
		s.regex = s.before == "=~" || s.before == "!~"
		s.value = s.regex || strings.HasSuffix(s.before, "=")
	case NRQL:
		s.value = c == '\'' && !strings.HasSuffix(strings.ToLower(s.before), "r")
	case Lucene:
		s.value = c == '"' && !s.ranges
	}
}

// accept says whether the template may stand here; rest is the text after it.
func (s *scanner) accept(name, rest string) error {
	if s.comment != "" {
		return errors.New("stands in a comment; take it out")
	}
	if s.escape != 0 {
		return errors.New("stands inside an escape; double the backslash before it")
	}
	if err := s.place(name, rest); err != nil {
		return err
	}
	if s.quote != 0 {
		s.inside += "a"
	} else if name != hostOp {
		s.before = "a"
	}
	return nil
}

func (s *scanner) place(name, rest string) error {
	switch {
	case name == stepName:
		return nil
	case name == hostOp || name == hostsName:
		return s.placeHosts(name, rest)
	case s.quote == 0 && s.ranges:
		return s.noValue()
	case s.quote == 0:
		return errors.New("stands outside a quoted literal; put it between quotes")
	case !s.value:
		return s.noValue()
	case s.regex:
		return s.inRegex()
	}
	return nil
}

func (s *scanner) noValue() error {
	switch s.lang {
	case PromQL:
		return errors.New(`stands in a literal that is no label's value; write label="..." or label=~"..."`)
	case LogQL:
		return errors.New(`stands in a literal that is no label's value and no line's text; write label="...", |= "..." or |~ "..."`)
	case NRQL:
		return errors.New("stands in a literal where values cannot be escaped; use single quotes without r before them")
	}
	return errors.New("stands in a range or a regular expression; write it as field:\"...\"")
}

// placeHosts accepts the list of hosts and the operator that takes it or leaves it out.
func (s *scanner) placeHosts(name, rest string) error {
	switch {
	case s.lang == Lucene:
		return errors.New("is not for Lucene; the source filters by its host field itself")
	case name == hostOp && s.quote != 0:
		return errors.New("is an operator; write it outside of quotes, between the label and the hosts")
	case name == hostOp:
		return s.operator(rest)
	case s.lang == NRQL && (s.quote != 0 || s.before != "N("):
		return errors.New("is a list with quotes of its own; write: host {{.HostOp}} ({{.Hosts}})")
	case s.lang == NRQL:
		return nil
	case s.quote == 0 || !s.regex:
		return errors.New(`is a regular expression; write: instance{{.HostOp}}"{{.Hosts}}"`)
	}
	return s.inRegex()
}

func (s *scanner) operator(rest string) error {
	rest = strings.TrimLeft(rest, " \t\r\n")
	if s.lang == NRQL {
		s.before = "IN"
		return nil
	}
	if rest == "" || strings.IndexByte(s.quotes(), rest[0]) < 0 {
		return errors.New(`must stand before a quoted regular expression; write: instance{{.HostOp}}"{{.Hosts}}"`)
	}
	s.before = "=~"
	return nil
}

var unfinishedGroup = regexp.MustCompile(`\(\?[A-Za-z<-]*$`)

// inRegex refuses places where quoting a value does not make it plain text.
func (s *scanner) inRegex() error {
	q := string(s.quote)
	text, err := strutil.Unquote(q + s.inside + q)
	if err != nil {
		return fmt.Errorf("stands in a literal that does not read: %w", err)
	}
	if strings.Contains(text, `\Q`) {
		return errors.New(`stands in a regular expression with \Q; take that out`)
	}
	_, err = syntax.Parse(text, syntax.Perl)
	var e *syntax.Error
	open := errors.As(err, &e) && e.Code == syntax.ErrMissingParen && !unfinishedGroup.MatchString(text)
	if err != nil && !open {
		return errors.New("stands in the middle of a class, escape or flag of a regular expression")
	}
	return nil
}
