package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestRealworldResults posts what newman and googletest wrote: a script that threw fails the rule, and where nothing ran nothing passes.
func TestRealworldResults(t *testing.T) {
	f := openFront(t, gateConfig, gateRules)
	defer f.stop()
	for folder, want := range map[string]struct {
		file, sent, state, text string
	}{
		"junit-newman-script-error": {"nm2.xml", "2 tests, 1 failed, 0 skipped", "failed", "1 of 2 tests of smoke failed: cart: testScriptError"},
		"junit-disabled-counted":    {"all_disabled.xml", "1 tests, 0 failed, 1 skipped", "inconclusive", "No test of smoke* was run."},
	} {
		var receipt verifier.Receipt
		f.ask(http.MethodPost, "/v1/deploys", fmt.Sprintf(`{"service":"shop","environment":"staging","target":%q,"version":"1"}`, folder), &receipt)
		if code, out := f.says("results", receipt.Verification, filepath.Join("../../testdata/realworld", folder, want.file), "--name", "smoke"); code != exitOK || !strings.Contains(out, want.sent) {
			t.Errorf("%s: %d %s", folder, code, out)
		}
		var v verifier.Verification
		f.until(folder+" has its verdict", func() bool {
			f.ask(http.MethodGet, "/v1/verifications/"+receipt.Verification, "", &v)
			return !v.State.Watching()
		})
		if string(v.State) != want.state || len(v.Findings) != 1 || !strings.Contains(v.Findings[0].Text, want.text) {
			t.Errorf("%s: %s, %+v", folder, v.State, v.Findings)
		}
	}
}

// TestResultsOfSeveralFiles posts files that are named, and those that a pattern fits.
func TestResultsOfSeveralFiles(t *testing.T) {
	f := openFront(t, gateConfig, gateRules)
	defer f.stop()
	var receipt verifier.Receipt
	f.ask(http.MethodPost, "/v1/deploys", `{"service":"shop","environment":"staging","version":"1"}`, &receipt)
	for _, name := range []string{"A", "B"} {
		f.write("TEST-"+name+".xml", fmt.Sprintf(`<testsuite name=%q><testcase name="x"/></testsuite>`, name))
	}
	a, b := filepath.Join(f.folder, "TEST-A.xml"), filepath.Join(f.folder, "TEST-B.xml")
	each := []string{"A                  1 tests", "B                  1 tests"}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{receipt.Verification, a, b}, each},
		{[]string{"shop", "staging", a, b}, each},
		{[]string{"shop", "staging", filepath.Join(f.folder, "TEST-*.xml"), "--name", "smoke"}, []string{"smoke              2 tests"}},
		{[]string{receipt.Verification, filepath.Join(f.folder, "TEST-?.xml"), "--name", "ui"}, []string{"ui                 2 tests"}},
	} {
		code, out := f.says(append([]string{"results"}, c.args...)...)
		for _, want := range c.want {
			if code != exitOK || !strings.Contains(out, want) {
				t.Errorf("%v: %d %s, want %s", c.args, code, out, want)
			}
		}
	}
	for want, args := range map[string][]string{
		"no file matches":                 {receipt.Verification, filepath.Join(f.folder, "none-*.xml")},
		"is a folder; write '":            {receipt.Verification, f.folder},
		"no such file":                    {receipt.Verification, a, filepath.Join(f.folder, "c.xml")},
		"TEST-C.xml: line 1 is not XML":   {receipt.Verification, a, broken(t, f, "TEST-C.xml")},
		"results {ID | SERVICE ENV} FILE": {receipt.Verification},
	} {
		if code, out := f.says(append([]string{"results"}, args...)...); code != exitTrouble || !strings.Contains(out, want) {
			t.Errorf("%v: %d %s, want %s", args, code, out, want)
		}
	}
}

func broken(t *testing.T, f *front, name string) string {
	t.Helper()
	f.write(name, "<testsuite>")
	return filepath.Join(f.folder, name)
}

// TestManyResultsAreAnsweredSoon posts 200,000 results: they are refused before anything is done, and the daemon goes on meanwhile.
func TestManyResultsAreAnsweredSoon(t *testing.T) {
	f := openFront(t, gateConfig, gateRules)
	defer f.stop()
	var receipt verifier.Receipt
	f.ask(http.MethodPost, "/v1/deploys", `{"service":"shop","environment":"staging","version":"1"}`, &receipt)
	var body strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&body, `%c{"name":"t%d","passed":true}`, "[,"[min(i, 1)], i)
	}
	began, answer := time.Now(), ""
	if code := f.ask(http.MethodPost, "/v1/verifications/"+receipt.Verification+"/results", body.String()+"]", &answer); code != http.StatusUnprocessableEntity || !strings.Contains(answer, "at most 50") {
		t.Errorf("answered %d %s", code, answer)
	}
	if took := time.Since(began); took > 20*time.Second { // it took minutes
		t.Errorf("answered after %s", took)
	}
	if code := f.ask(http.MethodGet, "/readyz", "", nil); code != http.StatusOK {
		t.Errorf("/readyz answers %d", code)
	}
}
