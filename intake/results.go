package intake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"
	"time"
	letters "unicode"

	"golang.org/x/text/encoding"
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

// ReadResults reads what test runners wrote: JUnit's XML, or a JSON object or list of objects; several documents come one after the other, or
// as the parts of a form. name is the results' own, where the sender gave one: all XML is one result then, else each document is one, by the
// name of its root or its only suite. It is pure, and linear in the body; errors are *verifier.InvalidError and say which field, or which line
// of the XML.
func ReadResults(body []byte, name string) ([]verifier.TestResult, error) {
	parts, named, err := documents(body)
	if err != nil {
		return nil, err
	}
	var list []verifier.TestResult
	at := map[string]int{} // by name
	for _, part := range parts {
		some, counted, err := readDocument(part.body, cmp.Or(name, named))
		if err != nil {
			return nil, part.named(err)
		}
		for _, r := range some {
			switch i, known := at[r.Name]; {
			case !known:
				at[r.Name] = len(list)
				list = append(list, r)
			case counted:
				list[i] = r
			default:
				list[i] = sum(list[i], r)
			}
		}
	}
	if len(list) > verifier.MaxResults {
		return nil, verifier.Invalid("body", "has results of %d names; at most %d are kept, so give those that belong together one name, as ?name=smoke", len(list), verifier.MaxResults)
	}
	for i := range list {
		if problem := nameProblem(list[i].Name); problem != "" {
			return nil, verifier.Invalid("name", "%s", problem)
		}
	}
	return list, nil
}

// readDocument reads one file of a test runner. Of results that the sender counted himself the last of a name counts; those of XML are added up.
func readDocument(body []byte, name string) (list []verifier.TestResult, counted bool, err error) {
	if body, err = inUTF8(body); err != nil {
		return nil, false, err
	}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return nil, false, verifier.Invalid("body", "is empty; send JUnit XML, or JSON like {\"name\": \"smoke\", \"tests\": 12, \"failed\": 0}")
	case body[0] == '<':
		list, err = readJUnit(body, name)
		return list, false, err
	case body[0] == '{' || body[0] == '[':
		list, err = readJSONResults(body, name)
		return list, true, err
	}
	return nil, false, verifier.Invalid("body", "is neither JUnit XML nor JSON; it begins with %.20q", body)
}

// document is one file that was sent; where there are several, file says which.
type document struct {
	file string
	body []byte
}

func (d document) named(err error) error {
	var invalid *verifier.InvalidError
	if d.file == "" || !errors.As(err, &invalid) {
		return err
	}
	fields := make([]verifier.FieldError, len(invalid.Fields))
	for i, f := range invalid.Fields {
		fields[i] = verifier.FieldError{Field: f.Field, Problem: fmt.Sprintf("%.100s: %s", d.file, f.Problem)}
	}
	return &verifier.InvalidError{Fields: fields}
}

// documents takes a form apart (multipart, as curl -F sends it), which begins with its boundary; its field name is the name of all. Anything
// else is one document.
func documents(body []byte) (parts []document, name string, err error) {
	line, _, found := bytes.Cut(body, []byte("\r\n"))
	boundary, isForm := strings.CutPrefix(string(line), "--")
	if !found || !isForm || boundary == "" || len(boundary) > 70 {
		return []document{{body: body}}, "", nil
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", verifier.Invalid("body", "is not a whole form: %v", err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, "", verifier.Invalid("body", "is not a whole form: %v", err)
		}
		if part.FileName() == "" && part.FormName() == "name" {
			name = strings.TrimSpace(string(text))
			continue
		}
		parts = append(parts, document{cmp.Or(part.FileName(), fmt.Sprintf("part %d", len(parts)+1)), text})
	}
	if len(parts) == 0 {
		return nil, "", verifier.Invalid("body", "is a form without files; send JUnit XML or JSON in each part")
	}
	return parts, name, nil
}

// sum puts two results of one name together.
func sum(a, b verifier.TestResult) verifier.TestResult {
	a.Tests, a.Failed, a.Skipped = a.Tests+b.Tests, a.Failed+b.Failed, a.Skipped+b.Skipped
	more := b.Failures[:min(len(b.Failures), maxFailures-len(a.Failures))]
	a.Failures = append(slices.Clip(a.Failures), more...)
	return a
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
	switch {
	case len(sent) == 0:
		return nil, verifier.Invalid("body", "is an empty list; send at least one result")
	case len(sent) > verifier.MaxResults:
		return nil, verifier.Invalid("body", "has %d results; at most %d are kept of one deploy", len(sent), verifier.MaxResults)
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
