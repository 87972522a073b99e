package intake

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"verifier"
	"verifier/words"
)

// junit is what was counted so far. Test cases are counted themselves: the sums that suites state are often wrong. Where a suite states more
// failures and errors than its cases show, it did fail outside of them (newman and karma say so of a script or a browser that broke).
type junit struct {
	roots   []verifier.TestResult
	result  verifier.TestResult // of the root that is open
	path    []string            // the elements that are open
	suites  []suite             // of them
	names   []string            // of the suites below the root of testsuites, or of the root itself
	root    string              // its name
	inCase  bool
	inFault int // how deep below a failure or an error; 0: outside
	test    testCase
	runs    map[string]*runs
	text    strings.Builder // of the failure or of the suite's output that is open
}

// suite is one that is open.
type suite struct {
	name          string
	stated, shown int // failures and errors
	said          string
}

// testCase is the one that is open.
type testCase struct {
	id, name, failure string
	message           string // of the failure that is open
	failed, skipped   bool
}

// runs are those of one test that failed. Runners that try failed tests again write each run as a case of its own.
type runs struct {
	failed   int
	failures []int // where they are told
}

func readJUnit(body []byte, name string) ([]verifier.TestResult, error) {
	body, err := cleanXML(body)
	if err != nil {
		return nil, err
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it was decoded
	j := &junit{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = j.take(token, name)
		}
		if err != nil {
			line, _ := d.InputPos()
			var syntax *xml.SyntaxError
			var invalid *verifier.InvalidError
			switch {
			case errors.As(err, &syntax):
				return nil, verifier.Invalid("body", "line %d is not XML: %s", syntax.Line, syntax.Msg)
			case errors.As(err, &invalid):
				return nil, err
			}
			return nil, verifier.Invalid("body", "line %d: %v", line, err)
		}
	}
	return j.roots, nil
}

var (
	declared  = regexp.MustCompile(`^<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']`)
	laterXML  = regexp.MustCompile(`(<\?xml\s[^>]*?version\s*=\s*["'])1\.1(["'])`)
	colours   = regexp.MustCompile(`(?:\x1b|&#0*27;|&#[xX]0*1[bB];)\[[0-9;:?]*[A-Za-z]`)
	reference = regexp.MustCompile(`&#(?:[xX][0-9a-fA-F]+|[0-9]+);`)
)

// cleanXML is the document in UTF-8 and XML 1.0. What may not stand in XML is replaced, as runners copy what tests print; colours of a
// terminal go.
func cleanXML(body []byte) ([]byte, error) {
	if m := declared.FindSubmatch(body); m != nil && !strings.HasPrefix(strings.ToLower(string(m[1])), "utf-") { // UTF-16 was read by its first bytes
		e, err := htmlindex.Get(string(m[1]))
		if err != nil {
			return nil, verifier.Invalid("body", "line 1: its encoding %.40q is not known; write UTF-8", m[1])
		}
		if body, err = e.NewDecoder().Bytes(body); err != nil {
			return nil, verifier.Invalid("body", "is not in its encoding %.40q: %v", m[1], err)
		}
	}
	body = laterXML.ReplaceAll(body, []byte("${1}1.0${2}"))
	body = colours.ReplaceAll(body, nil)
	body = bytes.ToValidUTF8(body, []byte(replacement))
	body = bytes.Map(func(r rune) rune {
		if isXML(r) {
			return r
		}
		return utf8.RuneError
	}, body)
	return reference.ReplaceAllFunc(body, func(ref []byte) []byte {
		digits, base := strings.Trim(string(ref), "&#;"), 10
		if digits[0] == 'x' || digits[0] == 'X' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 31); err != nil || !isXML(rune(n)) {
			return []byte(replacement)
		}
		return ref
	}), nil
}

const replacement = string(utf8.RuneError)

// isXML reports whether XML 1.0 knows the character.
func isXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// maxDepth is how deep elements may stand in one another.
const maxDepth = 1000

// take counts what one token says.
func (j *junit) take(token xml.Token, name string) error {
	switch t := token.(type) {
	case xml.StartElement:
		if len(j.path) >= maxDepth {
			return fmt.Errorf("more than %d elements stand in one another", maxDepth)
		}
		return j.open(t)
	case xml.CharData:
		if len(j.path) == 0 && len(bytes.Trim(t, " \t\r\n\ufeff")) > 0 {
			return fmt.Errorf("%.20q stands outside of the suites", bytes.TrimSpace(t))
		}
		if j.told() && j.text.Len() < maxTold {
			j.text.Write(t[:min(len(t), maxTold)])
		}
	case xml.EndElement:
		return j.close(t.Name.Local, name)
	}
	return nil
}

// maxTold is how much is read of what a failure tells.
const maxTold = 8 << 10

// told reports whether text that stands here tells of a failure: that of the failure or of its message, but no stack trace, and what a suite
// without cases prints.
func (j *junit) told() bool {
	if j.inFault > 0 {
		return j.inFault <= 2 && !j.in("stack-trace", "stacktrace")
	}
	return !j.inCase && j.in("system-err")
}

func (j *junit) open(e xml.StartElement) error {
	name, depth := e.Name.Local, len(j.path)
	if depth == 0 && name != "testsuites" && name != "testsuite" {
		return fmt.Errorf("the root is <%.40s>, and JUnit's are <testsuites> and <testsuite>", name)
	}
	if depth == 0 {
		*j = junit{roots: j.roots, runs: map[string]*runs{}}
	}
	switch {
	case name == "testsuites" && depth == 0:
		j.root = attribute(e, "name")
		j.suites = append(j.suites, suite{name: j.root, stated: stated(e)})
	case name == "testsuite":
		if depth == 0 || depth == 1 && j.path[0] == "testsuites" {
			j.names = append(j.names, attribute(e, "name"))
		}
		j.suites = append(j.suites, suite{name: attribute(e, "name"), stated: stated(e)})
	case name == "testcase" && j.inCase:
		return errors.New("a <testcase> stands in a <testcase>")
	case name == "testcase":
		j.inCase, j.test = true, j.begun(e)
	case j.inFault > 0:
		j.inFault++
	case isFault(name) && j.in("testcase", "testsuite"):
		j.inFault = 1
		j.fault(e)
	case j.in("testcase") && slices.Contains(retried, name):
		j.shown(1) // a suite may state them
	case j.in("testcase") && slices.Contains(notRun, strings.ToLower(name)):
		j.test.skipped = true
	case name == "system-err":
		j.text.Reset()
	}
	j.path = append(j.path, name)
	return nil
}

// retried are Surefire's words for runs that failed of a test that was tried again; whether it failed in the end, a failure says.
var retried = []string{"flakyFailure", "flakyError", "rerunFailure", "rerunError"}

// notRun are what runners write of tests that did not run, as elements or in the attributes status and result; failedWords of those that failed.
var (
	notRun      = []string{"notrun", "not_run", "not run", "skipped", "skip", "disabled", "ignored", "pending", "suppressed", "excluded", "inconclusive"}
	failedWords = []string{"fail", "failed", "failure", "error", "errored", "broken"}
)

func isFault(name string) bool { return name == "failure" || name == "error" }

// stated is how many failures and errors a suite says that it has.
func stated(e xml.StartElement) int {
	n := 0
	for _, name := range []string{"failures", "errors"} {
		if stated, err := strconv.Atoi(attribute(e, name)); err == nil && stated > 0 {
			n += min(stated, maxStated)
		}
	}
	return n
}

// maxStated is more than any body can hold.
const maxStated = 1_000_000

// shown counts failures that stand in the suites that are open. Only the innermost is told: what it shows is added to the one around it when
// it closes.
func (j *junit) shown(n int) {
	if last := len(j.suites) - 1; last >= 0 {
		j.suites[last].shown += n
	}
}

// begun is a test case as its element says.
func (j *junit) begun(e xml.StartElement) testCase {
	name, class := attribute(e, "name"), attribute(e, "classname")
	t := testCase{name: name}
	if class != "" && !strings.HasPrefix(name, class) {
		t.name = class + " " + name
	}
	t.id = strings.Join([]string{j.suites[len(j.suites)-1].name, attribute(e, "file"), class, name}, "\x00")
	for _, said := range []string{attribute(e, "status"), attribute(e, "result")} {
		said = strings.ToLower(said)
		t.skipped = t.skipped || slices.Contains(notRun, said)
		t.failed = t.failed || slices.Contains(failedWords, said)
	}
	return t
}

// fault begins a failure of the test, or of the suite, which could not be set up or taken down.
func (j *junit) fault(e xml.StartElement) {
	j.text.Reset()
	j.test.message = attribute(e, "message")
	j.test.failed = true
	j.shown(1)
}

func (j *junit) close(name, wanted string) error {
	j.path = j.path[:len(j.path)-1]
	switch {
	case j.inFault > 1:
		j.inFault--
	case j.inFault == 1:
		j.inFault = 0
		why := faultText(j.test.message, j.text.String())
		switch {
		case j.inCase:
			j.test.failure = cmp.Or(j.test.failure, why)
		default:
			j.test = testCase{name: "the suite", failure: why, failed: true}
			j.count()
		}
	case name == "testcase":
		j.inCase = false
		j.count()
	case name == "system-err" && !j.inCase && len(j.suites) > 0:
		j.suites[len(j.suites)-1].said = firstTold(j.text.String())
	case name == "testsuite" || name == "testsuites" && len(j.path) == 0:
		j.closeSuite()
	}
	if len(j.path) == 0 {
		return j.end(wanted)
	}
	return nil
}

// closeSuite counts the failures that the suite states and no case of it shows.
func (j *junit) closeSuite() {
	last := len(j.suites) - 1
	s := j.suites[last]
	j.suites = j.suites[:last]
	if missing := s.stated - s.shown; missing > 0 {
		s.shown = s.stated
		j.result.Tests += missing
		j.result.Failed += missing
		why := cmp.Or(s.said, "it states "+words.CountOf(missing, "failure", "failures")+" that no test case shows")
		j.tell(cmp.Or(s.name, "the suite") + ": " + why)
	}
	j.shown(s.shown)
}

// count takes up the test case that is closed. One that passes after it failed was tried again, and passed.
func (j *junit) count() {
	t := j.test
	before := j.runs[t.id]
	switch {
	case t.failed:
		if before == nil {
			before = &runs{}
			j.runs[t.id] = before
		}
		before.failed++
		j.result.Failed++
		before.failures = append(before.failures, j.tell(strings.TrimSuffix(t.name+": "+t.failure, ": ")))
	case t.skipped:
		j.result.Skipped++
	case before != nil && t.id != "":
		j.result.Tests -= before.failed
		j.result.Failed -= before.failed
		for _, i := range before.failures {
			if i >= 0 {
				j.result.Failures[i] = ""
			}
		}
		delete(j.runs, t.id)
	}
	j.result.Tests++
}

// tell keeps one line on a failure, and says where; -1 where there are enough.
func (j *junit) tell(line string) int {
	if len(j.result.Failures) >= 2*maxFailures {
		return -1
	}
	j.result.Failures = append(j.result.Failures, clipped(line))
	return len(j.result.Failures) - 1
}

// end names the result of a root that is closed.
func (j *junit) end(wanted string) error {
	r := j.result
	r.Failures = slices.DeleteFunc(r.Failures, func(s string) bool { return s == "" })
	r.Failures = r.Failures[:min(len(r.Failures), maxFailures)]
	if len(r.Failures) == 0 {
		r.Failures = nil
	}
	switch {
	case wanted != "":
		r.Name = wanted
	case j.root != "":
		r.Name = j.root
	case len(j.names) == 1:
		r.Name = j.names[0]
	case len(j.names) > 1:
		return verifier.Invalid("name", "is missing, and there are %d suites; say which tests these are, as ?name=smoke", len(j.names))
	}
	j.roots = append(j.roots, r)
	return nil
}

// in reports whether the innermost element that is open is one of these.
func (j *junit) in(names ...string) bool {
	return len(j.path) > 0 && slices.Contains(names, j.path[len(j.path)-1])
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// faultText is the line that says why a test failed: that of the message, or of the text where the message says no more than that it failed.
func faultText(message, text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	line = strings.TrimSpace(line)
	if line != "" && !slices.Contains(failedWords, strings.Trim(strings.ToLower(line), ".!")) && !strings.EqualFold(line, "test failed") {
		return line
	}
	return cmp.Or(firstTold(text), line)
}

// firstTold is the first line that says something: not one of those in which Go tells which test runs.
func firstTold(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.Trim(line, "-=") != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "Iteration: ") {
			return line
		}
	}
	return ""
}
