package intake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	letters "unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"verifier"
)

// What is kept of failed tests: the first ones, each as one line.
const (
	maxFailures = 20
	maxFailure  = 300
	maxTestName = 200
)

// ReadResults reads what a test runner wrote: JUnit's XML, or a JSON object or list of objects. name is the results' own, where
// the sender gave one: XML of several suites is one result then, else that of its root or its only suite. It is pure; errors
// are *verifier.InvalidError and say which field, or which line of the XML.
func ReadResults(body []byte, name string) ([]verifier.TestResult, error) {
	body, err := inUTF8(body)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(body)
	var list []verifier.TestResult
	switch {
	case len(body) == 0:
		return nil, verifier.Invalid("body", "is empty; send JUnit XML, or JSON like {\"name\": \"smoke\", \"tests\": 12, \"failed\": 0}")
	case body[0] == '<':
		list, err = readJUnit(body, name)
	case body[0] == '{' || body[0] == '[':
		list, err = readJSONResults(body, name)
	default:
		return nil, verifier.Invalid("body", "is neither JUnit XML nor JSON; it begins with %.20q", body)
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		if problem := nameProblem(list[i].Name); problem != "" {
			return nil, verifier.Invalid("name", "%s", problem)
		}
	}
	return list, nil
}

// inUTF8 reads the mark of byte order that PowerShell and other programs of Windows put in front.
func inUTF8(body []byte) ([]byte, error) {
	out, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), body)
	if err != nil {
		return nil, verifier.Invalid("body", "is not in the encoding that its first bytes say: %v", err)
	}
	return out, nil
}

func nameProblem(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "is missing; say which tests these are, as ?name=smoke"
	case len(name) > maxTestName:
		return fmt.Sprintf("has %d bytes; at most %d are taken", len(name), maxTestName)
	case strings.ContainsFunc(name, letters.IsControl):
		return fmt.Sprintf("%.60q has control characters", name)
	}
	return ""
}

// junit is what was counted so far. Test cases are counted themselves: the sums that suites state are often wrong.
type junit struct {
	result verifier.TestResult
	path   []string
	root   string   // name of the root
	suites []string // names of the suites below the root of testsuites, or of the root itself
	test   struct {
		name, failure   string
		failed, skipped bool
	}
	text strings.Builder // of the failure that is open
}

func readJUnit(body []byte, name string) ([]verifier.TestResult, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return in, nil // it was, and has been read by its first bytes
		}
		e, err := htmlindex.Get(label)
		if err != nil {
			return nil, fmt.Errorf("its encoding %.40q is not known; write UTF-8", label)
		}
		return e.NewDecoder().Reader(in), nil
	}
	j := &junit{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = j.take(token)
		}
		if err != nil {
			line, _ := d.InputPos()
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, verifier.Invalid("body", "line %d is not XML: %s", syntax.Line, syntax.Msg)
			}
			return nil, verifier.Invalid("body", "line %d: %v", line, err)
		}
	}
	switch {
	case name != "":
		j.result.Name = name
	case j.root != "":
		j.result.Name = j.root
	case len(j.suites) == 1:
		j.result.Name = j.suites[0]
	case len(j.suites) > 1:
		return nil, verifier.Invalid("name", "is missing, and there are %d suites; say which tests these are, as ?name=smoke", len(j.suites))
	}
	return []verifier.TestResult{j.result}, nil
}

// take counts what one token says.
func (j *junit) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return j.open(t)
	case xml.CharData:
		if len(j.path) == 0 && len(bytes.Trim(t, " \t\r\n\ufeff")) > 0 {
			return fmt.Errorf("%.20q stands outside of the suites", bytes.TrimSpace(t))
		}
		if j.in("failure", "error") && j.text.Len() < maxFailure {
			j.text.Write(t)
		}
	case xml.EndElement:
		j.close(t.Name.Local)
	}
	return nil
}

func (j *junit) open(e xml.StartElement) error {
	name := e.Name.Local
	depth := len(j.path)
	switch {
	case depth == 0 && name != "testsuites" && name != "testsuite":
		return fmt.Errorf("the root is <%.40s>, and JUnit's are <testsuites> and <testsuite>", name)
	case depth == 0 && name == "testsuites":
		j.root = attribute(e, "name")
	case name == "testsuite" && (depth == 0 || depth == 1 && j.path[0] == "testsuites"):
		j.suites = append(j.suites, attribute(e, "name"))
	case name == "testcase" && slices.Contains(j.path, "testcase"):
		return errors.New("a <testcase> stands in a <testcase>")
	case name == "testcase":
		j.test.name, j.test.failure, j.test.failed, j.test.skipped = testName(e), "", false, false
	case (name == "failure" || name == "error") && j.in("testcase", "testsuite"):
		j.test.failed = true
		j.text.Reset()
		j.text.WriteString(attribute(e, "message"))
		if j.text.Len() > 0 {
			j.text.WriteByte('\n') // what comes in the element is a stack trace
		}
	case name == "skipped" && j.in("testcase"):
		j.test.skipped = true
	}
	j.path = append(j.path, name)
	return nil
}

func (j *junit) close(name string) {
	j.path = j.path[:len(j.path)-1]
	switch name {
	case "failure", "error":
		switch {
		case j.in("testcase") && j.test.failure == "":
			j.test.failure = headline(j.text.String())
		case j.in("testsuite"): // it could not be set up or taken down
			j.test.name, j.test.failure = "the suite", headline(j.text.String())
			j.count()
		}
	case "testcase":
		j.count()
	}
}

func (j *junit) count() {
	j.result.Tests++
	switch {
	case j.test.failed:
		j.result.Failed++
		if len(j.result.Failures) < maxFailures {
			j.result.Failures = append(j.result.Failures, clipped(strings.TrimSuffix(j.test.name+": "+j.test.failure, ": ")))
		}
	case j.test.skipped:
		j.result.Skipped++
	}
}

// in reports whether the innermost element that is open is one of these.
func (j *junit) in(names ...string) bool {
	for _, name := range names {
		if len(j.path) > 0 && j.path[len(j.path)-1] == name {
			return true
		}
	}
	return false
}

func testName(e xml.StartElement) string {
	name, class := attribute(e, "name"), attribute(e, "classname")
	if class == "" || strings.HasPrefix(name, class) {
		return name
	}
	return class + " " + name
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

func headline(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// clipped is one line of text, fit to be shown.
func clipped(s string) string {
	s = strings.Map(func(r rune) rune {
		if letters.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if len(s) > maxFailure {
		return strings.ToValidUTF8(s[:maxFailure], "") + "…"
	}
	return s
}

// jsonResult is a result as scripts send it: with counts, or with passed alone.
type jsonResult struct {
	Name     string     `json:"name"`
	Tests    *int       `json:"tests"`
	Failed   *int       `json:"failed"`
	Skipped  int        `json:"skipped"`
	Passed   *bool      `json:"passed"`
	Failures []string   `json:"failures"`
	URL      string     `json:"url"`
	At       *time.Time `json:"at"`
}

func readJSONResults(body []byte, name string) ([]verifier.TestResult, error) {
	var sent []json.RawMessage
	one := body[0] == '{'
	if one {
		sent = []json.RawMessage{body}
	} else if err := json.Unmarshal(body, &sent); err != nil {
		return nil, verifier.Invalid("body", "is not JSON: %v", err)
	}
	if len(sent) == 0 {
		return nil, verifier.Invalid("body", "is an empty list; send at least one result")
	}
	var out []verifier.TestResult
	var bad verifier.InvalidError
	for i, text := range sent {
		field := ""
		if !one {
			field = fmt.Sprintf("[%d].", i)
		}
		var r jsonResult
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err := d.Decode(&r)
		if err == nil && len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
			err = errors.New("something follows the object")
		}
		if err != nil {
			return nil, badResult(field, err)
		}
		if r.Name == "" {
			r.Name = name
		}
		for _, f := range r.problems() {
			bad.Fields = append(bad.Fields, verifier.FieldError{Field: field + f.Field, Problem: f.Problem})
		}
		out = append(out, r.result())
	}
	if len(bad.Fields) > 0 {
		return nil, &bad
	}
	return out, nil
}

// badResult says in which field a result is not what it has to be.
func badResult(at string, err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		kind := map[string]string{"int": "a whole number", "bool": "true or false", "string": "text", "[]string": "a list of texts", "Time": "a time; write 2026-11-24T10:00:00Z"}[wrong.Type.String()]
		return verifier.Invalid(at+wrong.Field, "is %s, and not %s", wrong.Value, cmp.Or(kind, wrong.Type.String()))
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if wrong != nil {
		text = "is no JSON object"
	}
	return verifier.Invalid(cmp.Or(strings.TrimSuffix(at, "."), "body"), "%s; fields are name, tests, failed, skipped, failures, passed, url and at", text)
}

// problems is what is wrong with one result.
func (r jsonResult) problems() (bad []verifier.FieldError) {
	wrong := func(field, format string, args ...any) {
		bad = append(bad, verifier.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if problem := nameProblem(r.Name); problem != "" {
		wrong("name", "%s", problem)
	}
	if problem := linkProblem(r.URL); problem != "" {
		wrong("url", "%s", problem)
	}
	tests, failed := valueOf(r.Tests), valueOf(r.Failed)
	switch {
	case r.Tests == nil && r.Passed == nil:
		wrong("tests", "is missing; say how many were run, or passed: true or false")
	case r.Tests != nil && r.Failed == nil && r.Passed == nil:
		wrong("failed", "is missing; say how many failed")
	case tests < 0 || failed < 0 || r.Skipped < 0:
		wrong("tests", "counts are never negative")
	case r.Tests != nil && failed+r.Skipped > tests:
		wrong("failed", "%d failed and %d skipped are more than the %d tests", failed, r.Skipped, tests)
	case r.Passed != nil && *r.Passed && failed > 0:
		wrong("passed", "is true, and %d failed", failed)
	case r.Passed != nil && !*r.Passed && r.Failed != nil && failed == 0:
		wrong("passed", "is false, and none failed")
	}
	return bad
}

func valueOf(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func (r jsonResult) result() verifier.TestResult {
	out := verifier.TestResult{Name: r.Name, Tests: valueOf(r.Tests), Failed: valueOf(r.Failed), Skipped: r.Skipped, URL: r.URL}
	if r.Tests == nil {
		out.Tests = 1 + r.Skipped
	}
	if r.Passed != nil && !*r.Passed && r.Failed == nil {
		out.Failed = 1
	}
	if r.At != nil {
		out.At = r.At.UTC()
	}
	for _, f := range r.Failures[:min(len(r.Failures), maxFailures)] {
		out.Failures = append(out.Failures, clipped(f))
	}
	return out
}
