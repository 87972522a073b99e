package rollback

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"verifier"
	"verifier/outbound"
)

// gitHubFake answers as GitHub's API does (wire formats, section 5).
type gitHubFake struct {
	mu       sync.Mutex
	runs     []map[string]any
	deploys  []map[string]any
	statuses map[string][]map[string]any // by deployment, the newest first
	next     []string                    // of looks at what was begun: "in_progress", "completed success"; the last one for ever
	reply    string                      // lost, swallowed, details, 422, 202; empty: as it should be
	disabled bool
	noRef    bool
	posts    []map[string]any
	cancels  []string
}

func (f *gitHubFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer k" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"Bad credentials"}`)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/repos/acme/checkout")
	switch call := r.Method + " " + path; {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case call == "GET /actions/workflows/deploy.yml":
		write(w, map[string]string{"state": map[bool]string{true: "disabled_manually", false: "active"}[f.disabled]})
	case strings.HasPrefix(call, "GET /commits/"):
		if f.noRef {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"message":"No commit found for SHA: v1.4.1"}`)
			return
		}
		fmt.Fprint(w, `{"sha":"abc"}`)
	case call == "GET ":
		fmt.Fprint(w, `{"full_name":"acme/checkout"}`)
	case call == "GET /actions/workflows/deploy.yml/runs", call == "GET /actions/runs" && r.URL.Query().Get("event") == "repository_dispatch":
		write(w, map[string]any{"workflow_runs": f.runs})
	case call == "POST /actions/workflows/deploy.yml/dispatches", call == "POST /dispatches":
		f.dispatch(w, r)
	case strings.HasPrefix(call, "GET /actions/runs/"):
		f.look(w, strings.TrimPrefix(path, "/actions/runs/"))
	case strings.HasSuffix(path, "/cancel"):
		id := strings.TrimSuffix(strings.TrimPrefix(path, "/actions/runs/"), "/cancel")
		f.cancels = append(f.cancels, id)
		run := f.runs[f.at(id)]
		run["status"], run["conclusion"] = "completed", "cancelled"
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{}`)
	case call == "GET /deployments":
		write(w, f.deploys)
	case call == "POST /deployments":
		f.deploy(w, r)
	case strings.HasSuffix(path, "/statuses"):
		id := strings.TrimSuffix(strings.TrimPrefix(path, "/deployments/"), "/statuses")
		if id == "29" && len(f.next) > 0 {
			f.statuses[id] = []map[string]any{{"state": f.next[0], "description": "as it goes"}}
			f.next = f.next[min(1, len(f.next)-1):]
		}
		list := f.statuses[id]
		if list == nil {
			list = []map[string]any{}
		}
		write(w, list)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *gitHubFake) at(id string) int {
	return slices.IndexFunc(f.runs, func(r map[string]any) bool { return fmt.Sprint(r["id"]) == id })
}

func (f *gitHubFake) look(w http.ResponseWriter, id string) {
	run := f.runs[f.at(id)]
	if id == "19" && len(f.next) > 0 {
		status, conclusion, _ := strings.Cut(f.next[0], " ")
		run["status"], run["conclusion"] = status, conclusion
		f.next = f.next[min(1, len(f.next)-1):]
	}
	write(w, run)
}

func (f *gitHubFake) dispatch(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.posts = append(f.posts, in)
	if f.reply == "422" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"message":"Unexpected inputs provided: [\"verifier\"]"}`)
		return
	}
	if f.reply != "swallowed" {
		given, _ := in["inputs"].(map[string]any)
		if given == nil {
			given, _ = in["client_payload"].(map[string]any)
		}
		f.runs = append([]map[string]any{{
			"id": 19, "run_attempt": 1, "display_title": fmt.Sprintf("Deploy %v to production, %v", given["version"], given["verifier"]), "status": "queued",
			"html_url": "https://github.com/acme/checkout/actions/runs/19", "triggering_actor": map[string]string{"login": "verifier"},
		}}, f.runs...)
	}
	switch f.reply {
	case "lost", "swallowed":
		panic(http.ErrAbortHandler)
	case "details":
		fmt.Fprint(w, `{"workflow_run_id":19,"run_url":"https://api.github.com/repos/acme/checkout/actions/runs/19","html_url":"https://github.com/acme/checkout/actions/runs/19"}`)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (f *gitHubFake) deploy(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.posts = append(f.posts, in)
	switch f.reply {
	case "202":
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"message":"Auto-merged main into v1.4.1 on deployment."}`)
		return
	case "422":
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"message":"Conflict: Commit status checks failed for v1.4.1."}`)
		return
	}
	d := map[string]any{"id": 29, "environment": in["environment"], "payload": in["payload"], "description": in["description"], "creator": map[string]string{"login": "verifier"}}
	f.deploys = append([]map[string]any{d}, f.deploys...)
	if f.reply == "lost" {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	write(w, d)
}

func (f *gitHubFake) run(id int, title, by string) {
	f.runs = append(f.runs, map[string]any{
		"id": id, "run_attempt": 1, "display_title": title, "status": "in_progress", "html_url": fmt.Sprint("https://github.com/acme/checkout/actions/runs/", id),
		"triggering_actor": map[string]string{"login": by},
	})
}

func (f *gitHubFake) deployment(id int, service, state string) {
	f.deploys = append(f.deploys, map[string]any{"id": id, "environment": "production", "payload": fmt.Sprintf(`{"service":%q}`, service), "creator": map[string]string{"login": "anna"}})
	if state != "" {
		f.statuses[fmt.Sprint(id)] = []map[string]any{{"state": state}}
	}
}

func TestGitHub(t *testing.T) {
	workflow := GitHubConfig{Workflow: "deploy.yml", Inputs: map[string]string{"version": "{{.To}}", "verifier": "{{.ID}}"}, Title: "to {{.Environment}}"}
	dispatch := GitHubConfig{EventType: "rollback", Payload: map[string]string{"version": "{{.To}}", "verifier": "{{.ID}}"}}
	deployment := GitHubConfig{Deployment: true, Ref: "v{{.To}}"}
	for name, c := range map[string]struct {
		config  GitHubConfig
		fake    func(*gitHubFake)
		deploy  string // the failed one
		key     string
		posts   int
		cancels []string
		said    string
		problem string
		began   bool
	}{
		"a workflow":                  {config: workflow, fake: func(f *gitHubFake) { f.next = []string{"queued", "in_progress", "completed success"} }, posts: 1, said: "task acme/checkout/19 of verifier"},
		"with details":                {config: workflow, fake: func(f *gitHubFake) { f.reply, f.next = "details", []string{"completed success"} }, posts: 1, said: "began task acme/checkout/19"},
		"it fails":                    {config: workflow, fake: func(f *gitHubFake) { f.next = []string{"completed failure"} }, posts: 1, problem: "the run ended with failure", began: true},
		"it is never told to succeed": {config: workflow, fake: func(f *gitHubFake) { f.next = []string{"completed neutral"} }, posts: 1, problem: "the run ended with neutral", began: true},
		"an approval is asked for":    {config: workflow, fake: func(f *gitHubFake) { f.next = []string{"waiting", "completed success"} }, posts: 1, said: "waits for a person: the environment's protection rules"},
		"somebody cancels it":         {config: workflow, fake: func(f *gitHubFake) { f.next = []string{"completed cancelled"} }, posts: 1, problem: "canceled", began: true},
		"the reply is lost":           {config: workflow, fake: func(f *gitHubFake) { f.reply, f.next = "lost", []string{"completed success"} }, posts: 1},
		"the call is lost":            {config: workflow, fake: func(f *gitHubFake) { f.reply = "swallowed" }, posts: 1, problem: "not called for twice", began: true},
		"an input is unknown":         {config: workflow, fake: func(f *gitHubFake) { f.reply = "422" }, posts: 1, problem: "Unexpected inputs provided"},
		"somebody else's run":         {config: workflow, fake: func(f *gitHubFake) { f.run(8, "Deploy 1.4.3 to production", "anna") }, problem: "somebody else's task acme/checkout/8 of anna"},
		"a run to staging": {config: workflow, fake: func(f *gitHubFake) {
			f.run(8, "Deploy 1.4.3 to staging", "anna")
			f.next = []string{"completed success"}
		}, posts: 1},
		"the failed run goes on": {config: workflow, fake: func(f *gitHubFake) {
			f.run(8, "Deploy 1.4.2 to production", "anna")
			f.next = []string{"completed success"}
		}, deploy: "github:run/8/1", posts: 1, cancels: []string{"8"}},
		"the workflow is off":                {config: workflow, fake: func(f *gitHubFake) { f.disabled = true }, problem: "the workflow deploy.yml is disabled_manually"},
		"a wrong key":                        {config: workflow, fake: func(*gitHubFake) {}, key: "no", problem: "is the key right"},
		"repository_dispatch":                {config: dispatch, fake: func(f *gitHubFake) { f.next = []string{"completed success"} }, posts: 1},
		"a deployment":                       {config: deployment, fake: func(f *gitHubFake) { f.next = []string{"queued", "in_progress", "success"} }, posts: 1, said: "task acme/checkout/29 of verifier"},
		"a deployment that fails":            {config: deployment, fake: func(f *gitHubFake) { f.next = []string{"error"} }, posts: 1, problem: "failed: as it goes", began: true},
		"a deployment's reply is lost":       {config: deployment, fake: func(f *gitHubFake) { f.reply, f.next = "lost", []string{"success"} }, posts: 1},
		"a merge instead":                    {config: deployment, fake: func(f *gitHubFake) { f.reply = "202" }, posts: 1, problem: "not called for twice", began: true},
		"checks failed":                      {config: deployment, fake: func(f *gitHubFake) { f.reply = "422" }, posts: 1, problem: "Commit status checks failed"},
		"another deployment runs":            {config: deployment, fake: func(f *gitHubFake) { f.deployment(8, "checkout", "in_progress") }, problem: "somebody else's task acme/checkout/8 of anna"},
		"another service's":                  {config: deployment, fake: func(f *gitHubFake) { f.deployment(8, "cart", "in_progress"); f.next = []string{"success"} }, posts: 1},
		"one that nobody took up":            {config: deployment, fake: func(f *gitHubFake) { f.deployment(8, "checkout", ""); f.next = []string{"success"} }, posts: 1},
		"the failed one cannot be cancelled": {config: deployment, fake: func(f *gitHubFake) { f.deployment(8, "checkout", "in_progress") }, deploy: "github:8", problem: "no way to cancel a deployment"},
		"the tag is gone":                    {config: deployment, fake: func(f *gitHubFake) { f.noRef = true }, problem: "the repository has no v1.4.1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &gitHubFake{statuses: map[string][]map[string]any{}}
			c.fake(f)
			server := httptest.NewServer(http.HandlerFunc(f.serve))
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			c.config.APIConfig = APIConfig{URL: server.URL, Key: "k"}
			if c.key != "" {
				c.config.Key = outbound.Secret(c.key)
			}
			c.config.Repository = "acme/{{.Service}}"
			way, err := newGitHub(c.config, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{
				ID: "rollback/github:7/1", Service: "checkout", Environment: "production", From: "1.4.2", To: "1.4.1", Reason: "errors", Deploy: verifier.Deploy{ID: c.deploy},
			}
			said, err := followed(t, way.(*follower), order, func() {})
			if len(f.posts) != c.posts || !slices.Equal(f.cancels, c.cancels) {
				t.Errorf("posted %v, cancelled %v; want %d and %v", f.posts, f.cancels, c.posts, c.cancels)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}

func TestGitHubConfig(t *testing.T) {
	key := APIConfig{Key: "k"}
	for want, c := range map[string]GitHubConfig{
		"github.key is missing":                           {Repository: "acme/shop", Deployment: true},
		"github.repository is missing":                    {APIConfig: key, Deployment: true},
		"does not say how to roll back, or says it twice": {APIConfig: key, Repository: "acme/shop"},
		"write one of workflow: deploy.yml":               {APIConfig: key, Repository: "acme/shop", Deployment: true, EventType: "rollback"},
		"no run could be told from others":                {APIConfig: key, Repository: "acme/shop", Workflow: "deploy.yml", Inputs: map[string]string{"version": "{{.To}}"}},
		"github.payload is none of a workflow":            {APIConfig: key, Repository: "acme/shop", Workflow: "deploy.yml", Payload: map[string]string{"a": "{{.ID}}"}},
		"github.inputs are of a workflow":                 {APIConfig: key, Repository: "acme/shop", Deployment: true, Inputs: map[string]string{"a": "b"}},
		"github.payload.version: ":                        {APIConfig: key, Repository: "acme/shop", Deployment: true, Payload: map[string]string{"version": "{{.Nope}}"}},
	} {
		if _, err := newGitHub(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
