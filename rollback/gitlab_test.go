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

// gitLabFake answers as GitLab's API does: one project.
type gitLabFake struct {
	mu        sync.Mutex
	pipelines []map[string]any
	variables map[string][]gitLabVariable
	deploys   []map[string]any
	next      []string // of looks at the rollback's pipeline; the last one for ever
	reply     string   // lost, swallowed, 400; empty: as it should be
	noRef     bool
	posts     []string
	cancels   []string
}

func (f *gitLabFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Private-Token") != "k" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"401 Unauthorized"}`)
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/projects/acme%2Fshop")
	switch call := r.Method + " " + path; {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case call == "GET /repository/commits/main" && !f.noRef:
		fmt.Fprint(w, `{"id":"abc"}`)
	case call == "GET /deployments":
		q := r.URL.Query()
		write(w, slices.DeleteFunc(slices.Clone(f.deploys), func(d map[string]any) bool {
			return q.Get("environment") != "production" || d["status"] != q.Get("status")
		}))
	case call == "GET /pipelines":
		write(w, f.pipelines)
	case call == "POST /pipeline":
		f.begin(w, r)
	case strings.HasSuffix(path, "/variables"):
		write(w, f.variables[strings.TrimSuffix(strings.TrimPrefix(path, "/pipelines/"), "/variables")])
	case strings.HasSuffix(path, "/cancel"):
		f.cancels = append(f.cancels, strings.TrimSuffix(strings.TrimPrefix(path, "/pipelines/"), "/cancel"))
		f.deploys = nil
		fmt.Fprint(w, `{}`)
	case call == "GET /pipelines/9":
		p := f.pipelines[0]
		if len(f.next) > 0 {
			p["status"] = f.next[0]
			f.next = f.next[min(1, len(f.next)-1):]
		}
		write(w, p)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"404 Commit Not Found"}`)
	}
}

func (f *gitLabFake) begin(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Ref       string
		Variables []gitLabVariable
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	slices.SortFunc(in.Variables, func(a, b gitLabVariable) int { return strings.Compare(a.Key, b.Key) })
	f.posts = append(f.posts, fmt.Sprint(in))
	switch f.reply {
	case "400":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"message":{"base":["Missing CI config file"]}}`)
		return
	case "swallowed":
		panic(http.ErrAbortHandler)
	}
	p := map[string]any{"id": 9, "status": "created", "web_url": "https://gitlab.com/acme/shop/-/pipelines/9", "user": map[string]string{"username": "verifier"}}
	f.pipelines, f.variables["9"] = append([]map[string]any{p}, f.pipelines...), in.Variables
	if f.reply == "lost" {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	write(w, p)
}

func (f *gitLabFake) deployment(id int, status, by string) {
	f.deploys = append(f.deploys, map[string]any{
		"id": id, "ref": "v1.4.3", "status": status, "environment": map[string]string{"name": "production"}, "user": map[string]string{"username": by},
		"deployable": map[string]any{"pipeline": map[string]any{"id": id * 10, "status": "running", "web_url": "https://gitlab.com/p"}},
	})
}

func TestGitLab(t *testing.T) {
	for name, c := range map[string]struct {
		fake    func(*gitLabFake)
		deploy  string
		key     string
		posts   int
		cancels []string
		said    string
		problem string
		began   bool
	}{
		"to its end":             {fake: func(f *gitLabFake) { f.next = []string{"pending", "running", "success"} }, posts: 1, said: "task acme%2Fshop/pipelines/9 of verifier"},
		"it fails":               {fake: func(f *gitLabFake) { f.next = []string{"failed"} }, posts: 1, problem: "the pipeline ended with failed", began: true},
		"it is skipped":          {fake: func(f *gitLabFake) { f.next = []string{"skipped"} }, posts: 1, problem: "the pipeline ended with skipped", began: true},
		"a job by hand":          {fake: func(f *gitLabFake) { f.next = []string{"manual", "success"} }, posts: 1, said: "waits for a person: a manual job"},
		"the reply is lost":      {fake: func(f *gitLabFake) { f.reply, f.next = "lost", []string{"success"} }, posts: 1},
		"the call is lost":       {fake: func(f *gitLabFake) { f.reply = "swallowed" }, posts: 1, problem: "not called for twice", began: true},
		"refused":                {fake: func(f *gitLabFake) { f.reply = "400" }, posts: 1, problem: "Missing CI config file"},
		"somebody else deploys":  {fake: func(f *gitLabFake) { f.deployment(8, "running", "anna") }, problem: "somebody else's task acme%2Fshop/pipelines/80 of anna"},
		"one waits for approval": {fake: func(f *gitLabFake) { f.deployment(8, "blocked", "anna") }, problem: "somebody else's task"},
		"the failed one goes on": {fake: func(f *gitLabFake) { f.deployment(7, "running", "anna"); f.next = []string{"success"} }, deploy: "gitlab:7", posts: 1, cancels: []string{"70"}},
		"the ref is gone":        {fake: func(f *gitLabFake) { f.noRef = true }, problem: "the project has no main"},
		"a wrong key":            {fake: func(*gitLabFake) {}, key: "no", problem: "is the key right"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &gitLabFake{variables: map[string][]gitLabVariable{}}
			c.fake(f)
			server := httptest.NewServer(http.HandlerFunc(f.serve))
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			key := outbound.Secret("k")
			if c.key != "" {
				key = outbound.Secret(c.key)
			}
			way, err := newGitLab(GitLabConfig{APIConfig: APIConfig{URL: server.URL, Key: key}, Project: "acme/{{.Service}}", Variables: map[string]string{"VERSION": "{{.To}}"}}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{ID: "rollback/gitlab:7/1", Service: "shop", Environment: "production", From: "1.4.2", To: "1.4.1", Deploy: verifier.Deploy{ID: c.deploy}}
			said, err := followed(t, way.(*follower), order, func() {})
			if len(f.posts) != c.posts || !slices.Equal(f.cancels, c.cancels) {
				t.Errorf("posted %v, cancelled %v; want %d and %v", f.posts, f.cancels, c.posts, c.cancels)
			}
			for _, p := range f.posts {
				if p != "{main [{VERIFIER_ID rollback/gitlab:7/1} {VERSION 1.4.1}]}" {
					t.Errorf("posted %s", p)
				}
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}
