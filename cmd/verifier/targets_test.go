package main

import (
	"net/http"
	"strings"
	"testing"

	"verifier"
)

const targetsConfig = `listen: 127.0.0.1:0
environments: [{name: production, aliases: [live], production: true}, {name: staging}]
sources: {logs: {type: files, path: ./x.log, lag: 100ms}}
services: [{match: {service: ten}, aliases: [Tenfold], rollback: {mode: suggest, by: {command: ['true']}}}]
`

const targetsRules = "rules:\n  - name: smoke\n    measure: {results: smoke}\n    limit: {above: 0}\n    on_fail: alert\n"

// TestCommandsRefuseToGuessTheTarget: of a service with several targets no command takes the newest.
func TestCommandsRefuseToGuessTheTarget(t *testing.T) {
	f := openFront(t, targetsConfig, targetsRules)
	defer f.stop()
	deploy := func(id, target, version string) {
		body := `{"id":"` + id + `","service":"ten","environment":"production","version":"` + version + `","target":"` + target + `"}`
		if code := f.ask("POST", "/v1/deploys", body, nil); code != http.StatusAccepted {
			t.Fatalf("%s: %d", body, code)
		}
	}
	deploy("a1", "Acme", "1.0")
	for _, place := range [][]string{{"ten", "production"}, {"tenfold", "live"}} {
		if code, out := f.says(append([]string{"mark", "good"}, append(place, "--cause", "it is fine")...)...); code != exitOK || out != "ten 1.0 in production (Acme) is marked good\n" {
			t.Errorf("the only target: %d %s", code, out)
		}
	}
	deploy("a2", "Acme", "1.1")
	deploy("g1", "globex", "1.0")
	f.write("smoke.json", `{"name":"smoke","tests":1,"failed":0}`)
	for _, args := range [][]string{
		{"rollback", "ten", "production"},
		{"approve", "ten", "production"},
		{"deny", "ten", "production"},
		{"cancel", "ten", "production"},
		{"dismiss", "ten", "production"},
		{"rollback", "tenfold", "live"},
		{"mark", "bad", "ten", "production", "--cause", "slow"},
		{"results", "ten", "production", f.folder + "/smoke.json"},
		{"explain", "ten", "production"},
		{"gate", "ten", "production", "1.1"},
		{"gate", "ten", "production", "1.1", "--override", "--reason", "it has to"},
	} {
		code, out := f.says(args...)
		if code != exitTrouble || !strings.Contains(out, "2 targets: Acme and globex; name one") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	for _, d := range []string{"a1", "a2", "g1"} {
		var v verifier.Verification
		f.ask("GET", "/v1/verifications/"+d, "", &v)
		if v.Rollback != nil || len(v.Results) > 0 || v.State == verifier.CancelledState {
			t.Errorf("%s was touched: %+v", d, v)
		}
	}
	namesOfTargets(t, f)
}

// namesOfTargets names a target, also that of deploys without one, and finds its name in the answers.
func namesOfTargets(t *testing.T, f *front) {
	t.Helper()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"mark", "bad", "ten", "production", "--cause", "slow", "--target", "acme"}, exitOK, "ten 1.1 in production (Acme) is marked bad"},
		{[]string{"mark", "bad", "ten", "production", "--cause", "slow", "--target", "globx"}, exitTrouble, `"globx" is not a target of ten in production, which has Acme and globex; did you mean "globex"?`},
		{[]string{"mark", "bad", "ten", "production", "--cause", "slow", "--target", ""}, exitTrouble, `"" is not a target of ten in production, which has Acme and globex`},
		{[]string{"cancel", "ten", "production", "--target", "globex"}, exitOK, "ten 1.0 in production (globex): CANCELLED"},
		{[]string{"status"}, exitOK, "production (globex)"},
		{[]string{"explain", "ten", "production", "--target", "acme"}, exitOK, "ten in production (acme)"},
		{[]string{"gate", "ten", "production", "1.1", "--target", "Acme"}, exitFailed, "1.1 was marked bad in production (Acme)"},
		{[]string{"gate", "ten", "production", "1.1", "--target", "globex"}, exitOK, "ten 1.1 into production (globex): PASSED"},
		{[]string{"gate", "ten", "production", "1.1", "--target", ""}, exitFailed, "1.1 was marked bad in production (Acme)"},
	} {
		if code, out := f.says(c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: %d %s; want %d with %s", c.args, code, out, c.code, c.want)
		}
	}
	if code := f.ask("POST", "/v1/deploys", `{"id":"n1","service":"ten","environment":"production","version":"1.0"}`, nil); code != http.StatusAccepted {
		t.Fatal(code)
	}
	if code, out := f.says("mark", "good", "ten", "production", "--cause", "fine", "--target", ""); code != exitOK || out != "ten 1.0 in production is marked good\n" {
		t.Errorf("no target: %d %s", code, out)
	}
	if code, out := f.says("rollback", "ten", "production"); code != exitTrouble || !strings.Contains(out, `3 targets: "" (no target), Acme and globex`) {
		t.Errorf("with and without targets: %d %s", code, out)
	}
	for _, path := range []string{"/v1/explain?service=ten&environment=production", "/v1/gate?service=ten&environment=production&version=1.1", "/v1/deploys?service=ten&environment=production&newest=true"} {
		var problem struct{ Errors []verifier.FieldError }
		if code := f.ask("GET", path, "", &problem); code != http.StatusUnprocessableEntity || len(problem.Errors) != 1 || problem.Errors[0].Field != "target" {
			t.Errorf("%s: %d %+v", path, code, problem)
		}
	}
	var page string
	if f.ask("GET", "/gate?service=ten&environment=production&target=&version=1.1", "", &page); !strings.Contains(page, "3 targets") {
		t.Errorf("the gate's page: %s", page)
	}
}
