package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestReplayOfUnmappedDeliveries mends a mapping: replay shows what it would record, records with --apply alone, and watches nothing.
func TestReplayOfUnmappedDeliveries(t *testing.T) {
	const hooks = "hooks: {octopus: {header: X-Key, secret: s3cret, map: []}}\n"
	f := openFront(t, frontConfig+hooks, frontRules)
	defer f.stop()
	text, err := os.ReadFile("../../testdata/octopus/subscription_deployment_failed.json")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(string(text), `"StartIndex": 57`, `"StartIndex": 570`, 1) // the release's name is not found
	body = strings.ReplaceAll(body, "2023-09-19T21:35:08", time.Now().UTC().Format("2006-01-02T15:04:05"))
	body = strings.Replace(body, `"Category": "DeploymentFailed"`, `"Category": "DeploymentSucceeded"`, 1)
	var answer struct{ Unmapped string }
	if code := f.ask(http.MethodPost, "/v1/hooks/octopus", body, &answer, "X-Key", "s3cret"); code != http.StatusOK || !strings.HasPrefix(answer.Unmapped, "no version: ") {
		t.Fatalf("answered %d, %+v", code, answer)
	}
	if code := f.ask(http.MethodPost, "/v1/hooks/octopus", body, nil, "X-Key", "wrong"); code != http.StatusUnauthorized {
		t.Errorf("a wrong secret is answered %d", code)
	}
	config := filepath.Join(f.folder, "verifier.yaml")
	run := func(args ...string) string {
		t.Helper()
		code, out := command(t, append(args, "--config", config)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, out)
		}
		return out
	}
	if out := run("hooks", "list", "--outcome", "unmapped"); !strings.Contains(out, "no version: no entry of hooks.octopus.map says it") {
		t.Errorf("hooks list says\n%s", out)
	}
	if out := run("hooks", "replay"); !strings.Contains(out, "0 deploys would be recorded, 1 deliveries are no deploy still") {
		t.Errorf("hooks replay says\n%s", out)
	}
	before, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	f.write("verifier.yaml", strings.Replace(string(before), "map: []", "map: [{project: 'Argo CD*', service: octopub, version: '1.2-of-{{.username}}'}]", 1))
	if out := run("hooks", "replay"); !strings.Contains(out, "octopub in Development, 1.2-of-system (succeeded)") || !strings.Contains(out, "--apply records them") {
		t.Errorf("hooks replay says\n%s", out)
	}
	var list struct{ Items []verifier.Deploy }
	if f.ask(http.MethodGet, "/v1/deploys", "", &list); len(list.Items) != 0 {
		t.Fatalf("a replay without --apply recorded %+v", list.Items)
	}
	if out := run("hooks", "replay", "--apply"); !strings.Contains(out, "1 deploys recorded, 0 of them known already; 0 deliveries are no deploy still") {
		t.Errorf("hooks replay --apply says\n%s", out)
	}
	if f.ask(http.MethodGet, "/v1/deploys", "", &list); len(list.Items) != 1 || list.Items[0].Found != verifier.FoundByReplay || list.Items[0].Version != "1.2-of-system" {
		t.Fatalf("recorded %+v", list.Items)
	}
	var watches struct{ Items []verifier.Verification }
	if f.ask(http.MethodGet, "/v1/verifications", "", &watches); len(watches.Items) != 0 {
		t.Errorf("a replayed deploy is watched: %+v", watches.Items)
	}
	if out := run("hooks", "replay", "--apply"); !strings.Contains(out, "nothing to replay") {
		t.Errorf("the second hooks replay says\n%s", out)
	}
}

// TestConflictIsKept posts a build that contradicts a known one: the answer is 200, as for everything that is kept, it is listed, and a replay
// says what it contradicts. The API answers 409 and keeps nothing.
func TestConflictIsKept(t *testing.T) {
	f := openFront(t, frontConfig+"hooks: {jenkins: {header: X-Key, secret: s3cret, map: [{job: '*', service: parameter.SERVICE, environment: production, version: parameter.VERSION}]}}\n", frontRules)
	defer f.stop()
	build := func(version string) string {
		return fmt.Sprintf(`{"name":"main","build":{"full_url":"http://j/job/cart/job/main/12/","number":12,"phase":"FINALIZED","status":"SUCCESS","parameters":{"SERVICE":"cart","VERSION":%q}}}`, version)
	}
	if code := f.ask(http.MethodPost, "/v1/hooks/jenkins", build("1.0"), nil, "X-Key", "s3cret"); code != http.StatusAccepted {
		t.Fatalf("the first is answered %d", code)
	}
	var answer struct {
		Conflict string
		Errors   []verifier.FieldError
	}
	if code := f.ask(http.MethodPost, "/v1/hooks/jenkins", build("1.1"), &answer, "X-Key", "s3cret"); code != http.StatusOK || len(answer.Errors) != 1 || answer.Errors[0].Field != "version" {
		t.Errorf("the conflict is answered %d, %+v", code, answer)
	}
	run := func(args ...string) string {
		t.Helper()
		code, out := command(t, append(args, "--config", filepath.Join(f.folder, "verifier.yaml"))...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, out)
		}
		return out
	}
	if out := run("hooks", "list", "--outcome", "conflict"); !strings.Contains(out, `version: deploy "jenkins:cart/main/12" is known with "1.0", not "1.1"`) {
		t.Errorf("hooks list says\n%s", out)
	}
	for _, args := range [][]string{{"hooks", "replay"}, {"hooks", "replay", "--apply"}, {"hooks", "replay", "--apply"}} {
		if out := run(args...); !strings.Contains(out, `no deploy: version: deploy "jenkins:cart/main/12" is known`) || !strings.Contains(out, "1 deliveries are no deploy still") {
			t.Errorf("hooks replay says\n%s", out)
		}
	}
	if page := f.text("/hooks?outcome=conflict"); !strings.Contains(page, "verifier hooks replay --tool jenkins") {
		t.Errorf("the page says\n%s", page)
	}
	if code := f.ask(http.MethodPost, "/v1/deploys", `{"id":"jenkins:cart/main/12","service":"pay","environment":"production","version":"1.0"}`, nil); code != http.StatusConflict {
		t.Errorf("the API answers a conflict with %d", code)
	}
	if out := run("hooks", "list", "--tool", "api"); strings.Contains(out, "conflict") {
		t.Errorf("hooks list says\n%s", out)
	}
}
