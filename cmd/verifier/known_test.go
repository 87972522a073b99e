package main

import (
	"net/http"
	"strings"
	"testing"

	"verifier"
)

// TestUnknownNamesDecideNothing mistypes what gates, holds, mutes and explain are asked about.
func TestUnknownNamesDecideNothing(t *testing.T) {
	f := openFront(t, gateConfig, gateRules)
	defer f.stop()
	f.ask("POST", "/v1/deploys", `{"service":"cart","environment":"edge","version":"1.0"}`, nil)
	f.ask("POST", "/v1/holds", `{"reason":"disk","stops":["gate"]}`, nil)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"gate shop prodction 9.9", exitTrouble, `environment: unknown environment "prodction": verifier.yaml does not declare it and nothing was deployed there; did you mean "production"?`},
		{"gate shop prodction 9.9 --on-trouble allow", exitTrouble, `did you mean "production"?`},
		{"gate shop prodction 9.9 --wait --timeout 10s", exitTrouble, `did you mean "production"?`},
		{"gate shop prodction 9.9 --override --reason sale", exitTrouble, `did you mean "production"?`},
		{"gate shop edeg 9.9", exitTrouble, `did you mean "edge"?`},
		{"gate cart edge 9.9", exitFailed, "held by local: disk"},
		{"gate shop LIVE 9.9", exitFailed, "held by local: disk"},
		{"explain shop prodction", exitTrouble, `did you mean "production"?`},
		{"rollback shop prodction", exitTrouble, `did you mean "production"?`},
		{"mark bad shop prodction --cause disk", exitTrouble, `did you mean "production"?`},
		{"explain shop stage", exitOK, "shop in staging"},
		{"hold add --environment prodction --reason disk", exitTrouble, `environments[0]: unknown environment "prodction"`},
		{"hold add --environment prd* --reason disk", exitTrouble, `"prd*" matches no known environment`},
		{"mute --environment prodction --reason disk --for 1h", exitTrouble, `did you mean "production"?`},
		{"hold add --environment live --reason disk", exitOK, "hold-"},
		{"hold add --service shpo --environment prod* --reason disk", exitOK, `no known service matches "shpo"; did you mean "shop"?`},
		{"hold list", exitOK, "production"},
	} {
		if code, out := f.says(strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s, want %d with %q", c.args, code, out, c.code, c.want)
		}
	}
	var said string
	for _, path := range []string{"/v1/gate?service=shop&environment=prodction&version=9", "/v1/explain?service=shop&environment=prodction", "/gate?service=shop&environment=prodction&version=9"} {
		if code := f.ask("GET", path, "", &said); code != http.StatusUnprocessableEntity || !strings.Contains(said, "production") || strings.Contains(said, "passed") {
			t.Errorf("%s: %d %s", path, code, said)
		}
	}
	var holds struct{ Items []verifier.Hold }
	f.ask("GET", "/v1/holds", "", &holds)
	for _, h := range holds.Items {
		if len(h.Environments) > 0 && h.Environments[0] == "live" {
			t.Errorf("kept as %+v", h)
		}
		f.ask("DELETE", "/v1/holds/"+h.ID, "", nil)
	}
	if code, out := f.says("gate", "shpo", "edge", "1.0"); code != exitUndecided || !strings.Contains(out, "INCONCLUSIVE") || !strings.Contains(out, `did you mean "shop"?`) {
		t.Errorf("an unknown service: %d %s", code, out)
	}
	if code, out := f.says("gate", "shop", "edge", "1.0"); code != exitOK || !strings.Contains(out, "PASSED") {
		t.Errorf("a known service without a gate: %d %s", code, out)
	}
}
