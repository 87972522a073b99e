package sources

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"verifier"
)

// Language is what a query is written in: it decides how values are escaped and where a template may stand.
type Language string

// The languages.
const (
	PromQL Language = "PromQL"
	Lucene Language = "Lucene"
	NRQL   Language = "NRQL"
	LogQL  Language = "LogQL"
)

// likePromQL reports whether label matchers and literals are those of PromQL.
func (l Language) likePromQL() bool { return l == PromQL || l == LogQL }

// Check says what is wrong with the templates of a query text; nil when Fill can fill them in.
func Check(lang Language, text string) error {
	_, err := compile(lang, text)
	return err
}

// Fill puts the subject's values into the templates of the text, escaped so that none leaves its literal.
// It fails with an ErrInvalid where a template stands where it must not, or the subject has no such value.
func Fill(lang Language, text string, s verifier.Subject, step time.Duration) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	parts, err := compile(lang, text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		filled, err := p.fill(lang, s, step)
		if err != nil {
			return "", verifier.Invalid("template", "{{.%s}}: %v", p.name, err)
		}
		b.WriteString(filled)
	}
	return b.String(), nil
}

// part is a stretch of plain text and the template that follows it; the last one has none.
type part struct {
	text  string
	name  string
	quote byte // of the literal that the template stands in; 0 outside
	regex bool // that literal is a regular expression
}

var (
	action    = regexp.MustCompile(`\{\{.*?\}\}`)
	reference = regexp.MustCompile(`^\{\{\s*\.([A-Za-z]+(?:\.[A-Za-z0-9_./-]+)?)\s*\}\}$`)
)

const (
	hostsName = "Hosts"
	hostOp    = "HostOp"
	stepName  = "Step"
	labelsDot = "Labels."
)

// compile splits the text at its templates and refuses those that stand where a value could become more than a value.
func compile(lang Language, text string) ([]part, error) {
	scan := scanner{lang: lang}
	var parts []part
	at := 0
	for _, span := range action.FindAllStringIndex(text, -1) {
		between := text[at:span[0]]
		scan.read(between)
		found := text[span[0]:span[1]]
		name, err := nameOf(found)
		if err == nil {
			err = scan.accept(name, text[span[1]:])
		}
		if err != nil {
			return nil, verifier.Invalid("template", "%s at character %d %v", found, span[0]+1, err)
		}
		parts = append(parts, part{between, name, scan.quote, scan.regex})
		at = span[1]
	}
	if i := strings.Index(text[at:], "{{"); i >= 0 {
		return nil, verifier.Invalid("template", "{{ at character %d has no }}", at+i+1)
	}
	return append(parts, part{text: text[at:]}), nil
}

func nameOf(action string) (string, error) {
	m := reference.FindStringSubmatch(action)
	if m == nil || !known(m[1]) {
		return "", fmt.Errorf("is unknown; write one of .Service .Environment .Target .Version .Team .Hosts .HostOp .Step .Labels.name")
	}
	return m[1], nil
}

func known(name string) bool {
	return slices.Contains([]string{"Service", "Environment", "Target", "Version", "Team", hostsName, hostOp, stepName}, name) ||
		strings.HasPrefix(name, labelsDot)
}

// names lists the templates of a text, as they are written between the braces.
func names(text string) []string {
	var out []string
	for _, found := range action.FindAllString(text, -1) {
		if name, err := nameOf(found); err == nil {
			out = append(out, name)
		}
	}
	return out
}

func (p part) fill(lang Language, s verifier.Subject, step time.Duration) (string, error) {
	switch p.name {
	case stepName:
		return stepText(lang, step), nil
	case hostOp:
		return operator(lang, s.Peers), nil
	case hostsName:
		return hostList(lang, p.quote, s)
	}
	v, err := valueOf(p.name, s)
	if err != nil {
		return "", err
	}
	return escape(lang, p.quote, p.regex, v)
}

// valueOf is one value of the subject, as it is.
func valueOf(name string, s verifier.Subject) (string, error) {
	switch name {
	case "Service":
		return s.Service, nil
	case "Environment":
		return s.Environment, nil
	case "Target":
		return s.Target, nil
	case "Version":
		return s.Version, nil
	case "Team":
		return s.Team, nil
	}
	key := strings.TrimPrefix(name, labelsDot)
	v, ok := s.Labels[key]
	if !ok {
		return "", fmt.Errorf("the deploy has no label %q", key)
	}
	return v, nil
}
