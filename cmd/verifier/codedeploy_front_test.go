package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"

	"verifier"
)

const codeDeployHook = `hooks: {codedeploy: {header: X-Key, secret: hush, map: [{application: shop, version: deployment_id}]}}
`

// TestRealworldCodeDeployAutoRollback lets CodeDeploy roll back a failed deployment by itself.
func TestRealworldCodeDeployAutoRollback(t *testing.T) {
	f := openFront(t, frontConfig+codeDeployHook, frontRules)
	defer f.stop()
	events, err := os.Open("../../testdata/realworld/codedeploy-auto-rollback/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	for lines := bufio.NewScanner(events); lines.Scan(); {
		if code := f.ask("POST", "/v1/hooks/codedeploy", lines.Text(), nil, "X-Key", "hush"); code != http.StatusAccepted {
			t.Fatalf("%d for %s", code, lines.Text())
		}
		// what comes first says no rollback yet: both are facts about one deploy
		started := strings.Replace(strings.Replace(lines.Text(), `"SUCCEEDED"`, `"CREATED"`, 1), `"FAILED"`, `"CREATED"`, 1)
		if code := f.ask("POST", "/v1/hooks/codedeploy", started, nil, "X-Key", "hush"); code >= 300 {
			t.Fatalf("%d for %s", code, started)
		}
	}
	for id, want := range map[string]verifier.Deploy{
		"d-A1": {Version: "d-A1", Status: verifier.Succeeded, Kind: verifier.KindRelease},
		"d-A2": {Version: "d-A2", Status: verifier.Failed, Kind: verifier.KindRelease, Previous: "d-A1"},
		"d-A3": {Version: "d-A1", Status: verifier.Succeeded, Kind: verifier.KindRollback, Previous: "d-A2", RollsBack: "codedeploy:d-A2"},
	} {
		var d verifier.Deploy
		f.ask("GET", "/v1/deploys/codedeploy:"+id, "", &d)
		if d.Version != want.Version || d.Status != want.Status || d.Kind != want.Kind || d.Previous != want.Previous || d.RollsBack != want.RollsBack {
			t.Errorf("%s is %+v", id, d)
		}
	}
	for version, want := range map[string]int{"d-A1": exitOK, "d-A2": exitFailed} {
		if code, out := f.says("gate", "shop", "production", version); code != want {
			t.Errorf("the gate for %s: %d %s", version, code, out)
		}
	}
	var month struct {
		Deploys   int `json:"deploys"`
		Rollbacks int `json:"rollbacks"`
		Failed    int `json:"failed_deploys"`
	}
	if f.ask("GET", "/v1/reports/2025-11", "", &month); month.Rollbacks != 1 || month.Failed != 1 {
		t.Errorf("the month: %+v", month)
	}
}

// TestCodeDeployRollbackOfWhatNobodyKnows: the deploy that is undone never came in. Nothing good is taken for bad.
func TestCodeDeployRollbackOfWhatNobodyKnows(t *testing.T) {
	f := openFront(t, frontConfig+codeDeployHook, frontRules)
	defer f.stop()
	const event = `{"applicationName":"shop","deploymentGroupName":"production","deploymentId":"`
	for _, body := range []string{
		event + `d-B1","completeTime":"1764539460.0","status":"SUCCEEDED"}`,
		event + `d-B3","completeTime":"1764539660.0","status":"SUCCEEDED","rollbackInformation":"{\"RollbackTriggeringDeploymentId\":\"d-B2\"}"}`,
	} {
		if code := f.ask("POST", "/v1/hooks/codedeploy", body, nil, "X-Key", "hush"); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	var d verifier.Deploy
	if f.ask("GET", "/v1/deploys/codedeploy:d-B3", "", &d); d.Kind != verifier.KindRollback || d.Version != "d-B3" || d.Previous != "" {
		t.Errorf("%+v", d)
	}
	if code, out := f.says("gate", "shop", "production", "d-B1"); code != exitOK {
		t.Errorf("the gate for d-B1: %d %s", code, out)
	}
}
