package intake

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"verifier"
)

func resultsFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/results", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadResults reads what runners write, in the encodings of their machines.
func TestReadResults(t *testing.T) {
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	german := `<?xml version="1.0" encoding="ISO-8859-1"?><testsuite name="Prüfung"><testcase name="Größe" classname="Größe"><failure>zu groß` + "\n" + `at x</failure></testcase></testsuite>`
	latin, err := charmap.ISO8859_1.NewEncoder().String(german)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.Replace(german, "ISO-8859-1", "utf-16", 1))
	if err != nil {
		t.Fatal(err)
	}
	size := []verifier.TestResult{{Name: "Prüfung", Tests: 1, Failed: 1, Failures: []string{"Größe: zu groß"}}}
	for name, c := range map[string]struct {
		body, name string
		want       []verifier.TestResult
	}{
		"node": {resultsFile(t, "node.xml"), "", []verifier.TestResult{{
			Name: "checkout", Tests: 4, Failed: 1, Skipped: 1,
			Failures: []string{"test shows the sum: Expected values to be strictly equal:+ actual - expected+ '12,00 €'- '12.00 €'     ^"},
		}}},
		"pytest": {resultsFile(t, "pytest.xml"), "smoke", []verifier.TestResult{{Name: "smoke", Tests: 4, Failed: 2, Skipped: 1, Failures: []string{
			"test_smoke test_price: AssertionError: wrong sum on the page <b>basket</b>",
			`test_smoke test_checkout: failed on setup with "RuntimeError: no browser answered at 127.0.0.1:4444"`,
		}}}},
		"latin 1":                          {latin, "", size},
		"UTF-16":                           {wide, "", size},
		"UTF-8 with a mark":                {"\ufeff" + strings.Replace(german, "ISO-8859-1", "utf-8", 1), "", size},
		"an empty suite":                   {`<testsuite name="ui"/>`, "", []verifier.TestResult{{Name: "ui"}}},
		"a suite that broke":               {`<testsuites><testsuite name="ui"><error message="no browser"/><testcase name="a"/></testsuite></testsuites>`, "", []verifier.TestResult{{Name: "ui", Tests: 2, Failed: 1, Failures: []string{"the suite: no browser"}}}},
		"a case that fails and is skipped": {`<testsuite name="ui"><testcase name="a"><skipped/><failure/><error message="b"/></testcase></testsuite>`, "", []verifier.TestResult{{Name: "ui", Tests: 1, Failed: 1, Failures: []string{"a: b"}}}},
		"an object":                        {`{"name":"smoke","tests":3,"failed":1,"skipped":1,"failures":["a\nb"],"url":"https://ci.example.com/7","at":"2026-11-25T11:00:00+01:00"}`, "", []verifier.TestResult{{Name: "smoke", Tests: 3, Failed: 1, Skipped: 1, Failures: []string{"a b"}, URL: "https://ci.example.com/7", At: at}}},
		"passed alone":                     {`[{"name":"smoke","passed":true},{"passed":false}]`, "ui", []verifier.TestResult{{Name: "smoke", Tests: 1}, {Name: "ui", Tests: 1, Failed: 1}}},
	} {
		got, err := ReadResults([]byte(c.body), c.name)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestReadBadResults says what, where and what instead.
func TestReadBadResults(t *testing.T) {
	for body, want := range map[string]string{
		"":                     "body: is empty; send JUnit XML",
		"  \n":                 "body: is empty",
		"ok":                   `body: is neither JUnit XML nor JSON; it begins with "ok"`,
		"<html><body/></html>": "body: line 1: the root is <html>, and JUnit's are <testsuites> and <testsuite>",
		`<testsuite name="a"><testcase><failure/><testcase/></testcase></testsuite>`:                                   "line 1: a <testcase> stands in a <testcase>",
		"<testsuite name=\"a\"><testcase/></testsuite>\nno":                                                            `line 2: "no" stands outside of the suites`,
		"<testsuite>\n<testcase>\n":                                                                                    "body: line 2 is not XML: unexpected EOF",
		"<testsuite>\n<testcase></testsuite>":                                                                          "body: line 2 is not XML: element <testcase> closed by </testsuite>",
		`<?xml version="1.0" encoding="ebcdic-7"?><testsuite/>`:                                                        "encoding",
		"<testsuite><testcase/></testsuite>":                                                                           "name: is missing; say which tests these are, as ?name=smoke",
		`<testsuites><testsuite name="a"/><testsuite name="b"/></testsuites>`:                                          "name: is missing, and there are 2 suites",
		`<testsuite name="` + strings.Repeat("x", 300) + `"/>`:                                                         "name: has 300 bytes; at most 200 are taken",
		`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite name="a"><testcase name="&a;"/></testsuite>`: "is not XML: invalid character entity &a;",
		`{"name":"a"`: "body: ", `[]`: "body: is an empty list", `[1]`: "[0]: is no JSON object", `{"name":"a","tests":2,"failed":1} x`: "body: something follows the object",
		`{"name":"a"}`: "tests: is missing", `{"name":"a","tests":2}`: "failed: is missing",
		`{"name":"a","tests":2,"failed":1,"skipped":2}`:   "failed: 1 failed and 2 skipped are more than the 2 tests",
		`{"name":"a","tests":-2,"failed":0}`:              "tests: counts are never negative",
		`{"name":"a","passed":true,"failed":1,"tests":2}`: "passed: is true, and 1 failed",
		`{"name":"a","failures":2,"tests":2}`:             "failures: is number, and not a list of texts",
		`{"name":"a","failrues":[]}`:                      `body: unknown field "failrues"; fields are name, tests, failed, skipped, failures, passed, url and at`,
		`{"name":"a","at":"noon"}`:                        "at",
		`{"name":"a","passed":true,"url":"javascript:x"}`: "url: is no address",
		`[{"name":"a","passed":true},{"tests":1}]`:        "[1].name: is missing",
	} {
		got, err := ReadResults([]byte(body), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v; want %s", body, got, err, want)
		}
	}
}

// FuzzReadResults holds that whatever is read can be kept: named, counted, and fit for JSON.
func FuzzReadResults(f *testing.F) {
	f.Add([]byte(resultsFile(f, "node.xml")), "")
	f.Add([]byte(resultsFile(f, "pytest.xml")), "smoke")
	f.Add([]byte(`[{"name":"smoke","tests":3,"failed":1,"failures":["x"]},{"name":"ui","passed":true}]`), "")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		list, err := ReadResults(body, name)
		if err != nil {
			return
		}
		if len(list) == 0 {
			t.Fatal("nothing was read, and no error")
		}
		for _, r := range list {
			if nameProblem(r.Name) != "" || r.Failed < 0 || r.Skipped < 0 || r.Failed+r.Skipped > r.Tests || len(r.Failures) > maxFailures {
				t.Fatalf("%+v", r)
			}
			for _, text := range r.Failures {
				if len(text) > maxFailure+len("…") || !utf8.ValidString(text) {
					t.Fatalf("%q", text)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}
