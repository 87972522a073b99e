package intake

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestRealworldJUnit reads reports as runners wrote them.
func TestRealworldJUnit(t *testing.T) {
	for _, c := range []struct {
		folder, file           string
		tests, failed, skipped int
		failure                string
	}{
		{"junit-newman-script-error", "nm2.xml", 2, 1, 0, "cart: testScriptError: Unexpected token '<' at 1:1"},
		{"junit-disabled-counted", "gtest.xml", 3, 0, 2, ""},
		{"junit-disabled-counted", "all_disabled.xml", 1, 0, 1, ""},
		{"junit-invalid-xml-chars", "badutf8.xml", 1, 0, 0, ""},
		{"junit-invalid-xml-chars", "esc_cdata.xml", 1, 0, 0, ""},
		{"junit-invalid-xml-chars", "esc_ref.xml", 1, 0, 0, ""},
	} {
		got, err := ReadResults(realworld(t, c.folder, c.file), "")
		if err != nil || len(got) != 1 || got[0].Tests != c.tests || got[0].Failed != c.failed || got[0].Skipped != c.skipped || strings.Join(got[0].Failures, "; ") != c.failure {
			t.Errorf("%s/%s: %+v, %v", c.folder, c.file, got, err)
		}
	}
}

// TestJUnitKinds reads what runners mean and not what is easiest to count.
func TestJUnitKinds(t *testing.T) {
	result := func(tests, failed, skipped int, failures ...string) verifier.TestResult {
		return verifier.TestResult{Name: "ui", Tests: tests, Failed: failed, Skipped: skipped, Failures: failures}
	}
	for name, c := range map[string]struct {
		body string
		want verifier.TestResult
	}{
		"karma: the browser broke":                            {`<testsuite name="ui" tests="0" errors="1" failures="0"><system-err>Disconnected</system-err></testsuite>`, result(1, 1, 0, "ui: Disconnected")},
		"the root states more than its suites":                {`<testsuites name="ui" failures="2"><testsuite name="a" failures="1"><testcase name="x"><failure message="m"/></testcase></testsuite></testsuites>`, result(2, 2, 0, "x: m", "ui: it states 1 failure that no test case shows")},
		"parents state what their children show":              {`<testsuites name="ui" failures="1" errors="1"><testsuite name="a" failures="1" errors="1"><testsuite name="b" failures="1" errors="1"><testcase name="x"><failure message="m"/><error message="n"/></testcase></testsuite></testsuite></testsuites>`, result(1, 1, 0, "x: m")},
		"suites state fewer than they show":                   {`<testsuite name="ui" failures="0"><testcase name="x"><failure message="m"/></testcase></testsuite>`, result(1, 1, 0, "x: m")},
		"a status that says it did not run":                   {`<testsuite name="ui"><testcase name="a" status="disabled"/><testcase name="b" status="Skipped"/><testcase name="c" result="ignored"/><testcase name="d"><ignored/></testcase><testcase name="e" status="passed"/></testsuite>`, result(5, 0, 4)},
		"a status that says it failed":                        {`<testsuite name="ui"><testcase name="a" status="failed"/></testsuite>`, result(1, 1, 0, "a")},
		"Surefire: a flaky test passed":                       {`<testsuite name="ui" failures="0" flakes="1"><testcase name="a"><flakyFailure message="m">at x</flakyFailure></testcase></testsuite>`, result(1, 0, 0)},
		"Surefire: flakes among the failures":                 {`<testsuite name="ui" failures="1"><testcase name="a"><flakyError message="m"/></testcase></testsuite>`, result(1, 0, 0)},
		"Surefire: all runs failed":                           {`<testsuite name="ui" failures="1"><testcase name="a"><failure message="m"/><rerunFailure message="n"/></testcase></testsuite>`, result(1, 1, 0, "a: m")},
		"gotestsum: run again and passed":                     {`<testsuites name="ui" failures="2"><testsuite name="p" failures="2" tests="4"><testcase classname="p" name="A"><failure message="Failed"/></testcase><testcase classname="p" name="A"><failure message="Failed"/></testcase><testcase classname="p" name="A"/><testcase classname="p" name="B"/></testsuite></testsuites>`, result(2, 0, 0)},
		"gotestsum: run again and failed":                     {`<testsuite name="ui" failures="2"><testcase classname="p" name="A"><failure message="x"/></testcase><testcase classname="p" name="A"><failure message="x"/></testcase></testsuite>`, result(2, 2, 0, "p A: x", "p A: x")},
		"a test of the same name elsewhere":                   {`<testsuites name="ui"><testsuite name="p"><testcase name="A"><failure message="x"/></testcase></testsuite><testsuite name="q"><testcase name="A"/></testsuite></testsuites>`, result(2, 1, 0, "A: x")},
		"passed first, then failed":                           {`<testsuite name="ui"><testcase name="A"/><testcase name="A"><failure message="x"/></testcase></testsuite>`, result(2, 1, 0, "A: x")},
		"gotestsum: why it failed stands in the body":         {"<testsuite name=\"ui\"><testcase name=\"A\"><failure message=\"Failed\" type=\"\">=== RUN   TestA&#xA;    a_test.go:9: got 1, want 2&#xA;--- FAIL: TestA (0.00s)&#xA;</failure></testcase></testsuite>", result(1, 1, 0, "A: a_test.go:9: got 1, want 2")},
		"NUnit: why it failed stands in a message":            {`<testsuite name="ui"><testcase name="A"><failure><message><![CDATA[  Expected: 1` + "\n" + `  But was: 2]]></message><stack-trace>at X</stack-trace></failure></testcase></testsuite>`, result(1, 1, 0, "A: Expected: 1")},
		"a stack trace alone says nothing":                    {`<testsuite name="ui"><testcase name="A"><failure><stack-trace>at X</stack-trace></failure></testcase></testsuite>`, result(1, 1, 0, "A")},
		"XML 1.1":                                             {`<?xml version="1.1" encoding="UTF-8"?><testsuite name="ui"><testcase name="a&#1;b"><failure message="x&#x1B;[31mred&#x1B;[0m y"/></testcase></testsuite>`, result(1, 1, 0, "a�b: xred y")},
		"colours in a failure":                                {"<testsuite name=\"ui\"><testcase name=\"a\"><failure><![CDATA[\x1b[1;31mred\x1b[0m]]></failure></testcase></testsuite>", result(1, 1, 0, "a: red")},
		"Latin 1 with a control character":                    {"<?xml version='1.0' encoding='iso-8859-1'?><testsuite name=\"ui\"><testcase name=\"caf\xe9 \x02\"><error/></testcase></testsuite>", result(1, 1, 0, "café �")},
		"nothing ran":                                         {`<testsuite name="ui" tests="0"/>`, result(0, 0, 0)},
		"a case that is skipped by its element and by status": {`<testsuite name="ui" skipped="1"><testcase name="a" status="notrun"><skipped/></testcase></testsuite>`, result(1, 0, 1)},
	} {
		got, err := ReadResults([]byte(c.body), "")
		if diff := cmp.Diff([]verifier.TestResult{c.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// TestSeveralReports reads several documents of one request: as a form, and one after the other.
func TestSeveralReports(t *testing.T) {
	a := `<?xml version="1.0" encoding="UTF-8"?><testsuite name="A"><testcase name="x"/></testsuite>`
	b := `<?xml version="1.0"?><testsuite name="B"><testcase name="y"><failure message="m"/></testcase></testsuite>`
	form := func(fields ...string) []byte {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == "name" {
				if err := w.WriteField("name", fields[i+1]); err != nil {
					t.Fatal(err)
				}
				continue
			}
			part, err := w.CreateFormFile("file", fields[i])
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(part, fields[i+1])
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return body.Bytes()
	}
	both := []verifier.TestResult{{Name: "A", Tests: 1}, {Name: "B", Tests: 1, Failed: 1, Failures: []string{"y: m"}}}
	one := []verifier.TestResult{{Name: "smoke", Tests: 2, Failed: 1, Failures: []string{"y: m"}}}
	for name, c := range map[string]struct {
		body []byte
		name string
		want []verifier.TestResult
	}{
		"a form":                    {form("a.xml", a, "b.xml", b), "", both},
		"a form under one name":     {form("a.xml", a, "b.xml", b), "smoke", one},
		"a form that has the name":  {form("a.xml", a, "name", "smoke", "b.xml", b), "", one},
		"one after the other":       {[]byte(a + "\n" + b), "", both},
		"all of them one name":      {[]byte(a + b), "smoke", one},
		"XML and JSON":              {form("a.xml", a, "b.json", `[{"name":"B","tests":1,"failed":1,"failures":["y: m"]}]`), "", both},
		"a later count of a name":   {[]byte(`[{"name":"A","tests":9,"failed":9},{"name":"A","passed":true}]`), "", both[:1]},
		"suites of one name add up": {[]byte(a + strings.Replace(b, `"B"`, `"A"`, 1)), "", []verifier.TestResult{{Name: "A", Tests: 2, Failed: 1, Failures: []string{"y: m"}}}},
	} {
		got, err := ReadResults(c.body, c.name)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
	for want, body := range map[string][]byte{
		"body: b.xml: line 1 is not XML":   form("a.xml", a, "b.xml", "<testsuite>"),
		"body: is a form without files":    form("name", "smoke"),
		"body: is not a whole form":        form("a.xml", a)[:200],
		"body: empty.xml: is empty":        form("empty.xml", ""),
		"name: a.xml: is missing, and the": form("a.xml", `<testsuites><testsuite/><testsuite/></testsuites>`),
	} {
		if got, err := ReadResults(body, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want %s", got, err, want)
		}
	}
}

// TestResultsAreBounded refuses more results than are kept, and reads deep reports in a time that does not grow with depth times cases.
func TestResultsAreBounded(t *testing.T) {
	if _, err := ReadResults(manyResults(200_000), ""); err == nil || !strings.Contains(err.Error(), "has 200000 results; at most 50") {
		t.Errorf("%v", err)
	}
	if _, err := ReadResults([]byte(strings.Repeat("<testsuite name='a'>", 2000)), ""); err == nil || !strings.Contains(err.Error(), "more than 1000 elements") {
		t.Errorf("%v", err)
	}
	var many strings.Builder
	for i := range 51 {
		fmt.Fprintf(&many, "<testsuite name='s%d'><testcase/></testsuite>", i)
	}
	if _, err := ReadResults([]byte(many.String()), ""); err == nil || !strings.Contains(err.Error(), "results of 51 names") {
		t.Errorf("%v", err)
	}
	if got, err := ReadResults([]byte(many.String()), "smoke"); err != nil || got[0].Tests != 51 {
		t.Errorf("%v, %v", got, err)
	}
}

func manyResults(n int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"t%d","passed":true}`, i)
	}
	b.WriteByte(']')
	return b.Bytes()
}

// BenchmarkReadResults reads reports of as many bytes as are taken at most: ns/op grows with the size, whatever their shape.
func BenchmarkReadResults(b *testing.B) {
	cases := strings.Repeat("<testcase name='a'/>", 100_000)
	deep := strings.Repeat("<testsuite name='a'>", 900) + cases + strings.Repeat("</testsuite>", 900)
	for name, body := range map[string][]byte{
		"200000 JSON results":          manyResults(200_000),
		"100000 cases":                 []byte("<testsuite name='a'>" + cases + "</testsuite>"),
		"100000 cases, 900 deep":       []byte(deep),
		"100000 cases that fail twice": []byte("<testsuite name='a'>" + strings.Repeat("<testcase name='a'><failure/></testcase>", 100_000) + "</testsuite>"),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_, _ = ReadResults(body, "") // too many are refused
			}
		})
	}
}
