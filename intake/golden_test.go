package intake

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hookOf is a hook of the tool with a map as an operator would write it.
func hookOf(tool string) Hook {
	hook := Hook{Secret: "s3cret", Header: "X-Key"}
	if tools[tool].signs {
		hook.Header = ""
	}
	hook.Map = map[string][]map[string]string{
		"github":      {{"workflow_path": "*test.yml", "environment": "staging"}},
		"teamcity":    {{"build_type": "Shop_Deploy*", "service": "shop", "environment": "production", "version": "number", "target": "property.env.TARGET"}},
		"tcwebhooks":  {{"build_type": "Project_*", "service": "project", "environment": "staging"}},
		"jenkins":     {{"job": "shop/*", "service": "shop", "environment": "parameter.ENVIRONMENT", "version": "parameter.VERSION"}},
		"salt":        {{"sls": "applyme", "service": "apply", "environment": "saltenv", "version": "pillar.shop.version"}, {"sls": "applyme", "environment": "prod", "version": "1.4.2"}, {"sls": "shop.deploy", "service": "shop", "environment": "production", "version": "pillar.shop.version"}},
		"azuredevops": {{"pipeline": "*", "service": "{{.pipeline}}"}},
		"codedeploy":  {{"application": "myApp*", "version": "{{.deployment_id}}"}},
	}[tool]
	switch tool {
	case "codedeploy":
		hook = Hook{Topics: []string{"arn:aws:sns:us-east-1:123456789012:deploys"}, Map: hook.Map}
	case "custom":
		hook.Fields = map[string]string{
			"id": "body.release?.number", "service": "body.app", "environment": "body.stage", "version": "body.release?.tag", "at": "body.finished", "by": "body.who?.name",
			"status": `body.ok ? "succeeded" : "failed"`, "hosts": "body.machines", "ignore": `body.kind == "test" ? "it is a test" : nil`, "labels.number": "body.release?.number",
		}
	}
	return hook
}

// golden is what a fixture means.
type golden struct {
	Deploys  []verifier.Deploy `json:"deploys,omitempty"`
	Ignored  string            `json:"ignored,omitempty"`
	Unmapped string            `json:"unmapped,omitempty"`
	Problem  string            `json:"problem,omitempty"`
}

// TestGolden reads every fixture of every tool and holds what it means against the golden file beside it.
func TestGolden(t *testing.T) {
	for tool := range tools {
		fixtures, err := filepath.Glob("../testdata/" + tool + "/*.json")
		if err != nil || len(fixtures) == 0 {
			t.Errorf("%s has no fixture", tool)
		}
		for _, path := range fixtures {
			if strings.HasSuffix(path, ".golden.json") || strings.HasSuffix(path, "signature_test_vector.json") {
				continue
			}
			t.Run(tool+"/"+filepath.Base(path), func(t *testing.T) { holdGolden(t, tool, path) })
		}
	}
}

func holdGolden(t *testing.T, tool, path string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{tool: hookOf(tool)}})
	if err != nil {
		t.Fatal(err)
	}
	in := verifier.Delivery{Tool: tool, ReceivedAt: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC), Body: body, Header: headersOf(tool, path)}
	mapped, err := hooks.Map(in)
	got := golden{Deploys: mapped.Deploys, Ignored: mapped.Ignored, Unmapped: mapped.Unmapped}
	if err != nil {
		got.Problem = err.Error()
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.TrimSuffix(path, ".json") + ".golden.json"
	if *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with -update, and read it", err)
	}
	if diff := cmp.Diff(string(want), string(text)+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func headersOf(tool, path string) map[string][]string {
	if tool != "github" {
		return nil
	}
	event := "deployment_status"
	if strings.Contains(path, "workflow_run") {
		event = "workflow_run"
	}
	return map[string][]string{"X-Github-Event": {event}}
}

// fuzzTool feeds a tool's reader with what its fixtures become when they are cut and changed. Whatever it makes of it is fit to be
// recorded, is the same again, and bears the hook's name.
func fuzzTool(f *testing.F, tool string) {
	f.Helper()
	fixtures, _ := filepath.Glob("../testdata/" + tool + "/*.json") // the pattern is well formed
	for _, path := range fixtures {
		if body, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, ".golden.json") {
			f.Add(body)
		}
	}
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{tool: hookOf(tool)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, header := range []map[string][]string{headersOf(tool, ""), headersOf(tool, "workflow_run")} {
			in := verifier.Delivery{Tool: tool, ReceivedAt: now, Body: body, Header: header}
			mapped, err := hooks.Map(in)
			again, errAgain := hooks.Map(in)
			if diff := cmp.Diff(mapped, again); diff != "" || (err == nil) != (errAgain == nil) {
				t.Fatalf("not the same again: %s %v %v", diff, err, errAgain)
			}
			if err == nil && len(mapped.Deploys) == 0 && mapped.Ignored == "" && mapped.Unmapped == "" {
				t.Fatal("nothing came of it, and nobody says why")
			}
			for _, d := range mapped.Deploys {
				if problem := hooks[tool].unfit(d, now); problem != "" || !strings.HasPrefix(d.ID, tool+":") || d.Status == "" {
					t.Fatalf("%+v: %s", d, problem)
				}
			}
		}
	})
}

func FuzzReadTeamCity(f *testing.F)    { fuzzTool(f, "teamcity") }
func FuzzReadTCWebHooks(f *testing.F)  { fuzzTool(f, "tcwebhooks") }
func FuzzReadSalt(f *testing.F)        { fuzzTool(f, "salt") }
func FuzzReadArgoCD(f *testing.F)      { fuzzTool(f, "argocd") }
func FuzzReadGitLab(f *testing.F)      { fuzzTool(f, "gitlab") }
func FuzzReadGitHub(f *testing.F)      { fuzzTool(f, "github") }
func FuzzReadOctopus(f *testing.F)     { fuzzTool(f, "octopus") }
func FuzzReadJenkins(f *testing.F)     { fuzzTool(f, "jenkins") }
func FuzzReadAzureDevOps(f *testing.F) { fuzzTool(f, "azuredevops") }
func FuzzReadKubewatch(f *testing.F)   { fuzzTool(f, "kubewatch") }
func FuzzReadCodeDeploy(f *testing.F)  { fuzzTool(f, "codedeploy") }
func FuzzReadCustom(f *testing.F)      { fuzzTool(f, "custom") }
func FuzzReadCDEvents(f *testing.F)    { fuzzTool(f, "cdevents") }
