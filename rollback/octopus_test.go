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

// octopusFake answers as Octopus Deploy's API does (wire formats, section 5).
type octopusFake struct {
	mu          sync.Mutex
	deployments []octopusDeployment
	tasks       []octopusTask
	states      []string // of the next looks at the rollback's task, the last one for ever
	defect      string
	gone        bool   // the release was deleted
	reply       string // of POST /deployments: lost, html, 409, nothing; empty: as it should be
	posts       []map[string]string
	cancelled   []string
	pending     bool
}

const octopusKey = "API-1234"

func (f *octopusFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("X-Octopus-ApiKey") != octopusKey {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"ErrorMessage":"You must be logged in to request this resource."}`)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/Spaces-1/")
	q := r.URL.Query()
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case path == "projects":
		fmt.Fprint(w, `{"Items":[{"Id":"Projects-2","Name":"Shop.Checkout.Worker"},{"Id":"Projects-1","Name":"Shop.Checkout"}]}`)
	case path == "environments":
		fmt.Fprint(w, `{"Items":[{"Id":"Environments-1","Name":"Production"}]}`)
	case path == "tenants":
		fmt.Fprint(w, `{"Items":[{"Id":"Tenants-1","Name":"eu-1"}]}`)
	case path == "projects/Projects-1/releases/1.4.1" && !f.gone:
		fmt.Fprint(w, `{"Id":"Releases-9","Version":"1.4.1","ProjectId":"Projects-1"}`)
	case path == "releases/Releases-9/defects":
		if f.defect == "" {
			fmt.Fprint(w, `{"Items":[{"Status":"Resolved","Description":"old"}]}`)
			return
		}
		fmt.Fprintf(w, `{"Items":[{"Status":"Unresolved","Description":%q}]}`, f.defect)
	case path == "tasks":
		if q.Get("project") != "Projects-1" || q.Get("environment") != "Environments-1" || q.Get("name") != "Deploy" || q.Get("states") != "Queued,Executing,Cancelling" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		write(w, map[string]any{"Items": slices.DeleteFunc(slices.Clone(f.tasks), func(t octopusTask) bool { return octopusStates[t.State].over() })})
	case path == "deployments" && r.Method == http.MethodGet:
		write(w, map[string]any{"Items": f.deployments})
	case path == "deployments":
		f.deploy(w, r)
	case strings.HasPrefix(path, "deployments/"):
		i := slices.IndexFunc(f.deployments, func(d octopusDeployment) bool { return "deployments/"+d.ID == path })
		write(w, f.deployments[i])
	case path == "interruptions":
		fmt.Fprint(w, `{"Items":[{"Title":"Approve the switch"}]}`)
	case strings.HasSuffix(path, "/cancel"):
		id := strings.TrimSuffix(strings.TrimPrefix(path, "tasks/"), "/cancel")
		f.cancelled = append(f.cancelled, id)
		f.tasks[f.at(id)].State = "Canceled"
		write(w, f.tasks[f.at(id)])
	case strings.HasPrefix(path, "tasks/"):
		i := f.at(strings.TrimPrefix(path, "tasks/"))
		if len(f.states) > 0 {
			f.tasks[i].State = f.states[0]
			if len(f.states) > 1 {
				f.states = f.states[1:]
			}
		}
		t := f.tasks[i]
		t.Interruptions = f.pending && t.State == "Executing"
		write(w, t)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"ErrorMessage":"The resource you requested was not found."}`)
	}
}

func (f *octopusFake) at(id string) int {
	return slices.IndexFunc(f.tasks, func(t octopusTask) bool { return t.ID == id })
}

func (f *octopusFake) deploy(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.posts = append(f.posts, in)
	if f.reply == "409" {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"ErrorMessage":"There was a problem with your request.","Errors":["The release was already deployed."]}`)
		return
	}
	if f.reply != "swallowed" {
		f.deployments = append([]octopusDeployment{{
			ID: "Deployments-9", ReleaseID: in["ReleaseId"], ProjectID: "Projects-1", EnvironmentID: in["EnvironmentId"], TenantID: in["TenantId"],
			TaskID: "ServerTasks-9", Comments: in["Comments"], DeployedBy: "verifier",
		}}, f.deployments...)
		t := octopusTask{ID: "ServerTasks-9", Description: "Deploy Shop.Checkout release 1.4.1 to Production", State: "Queued"}
		t.Arguments.DeploymentID = "Deployments-9"
		f.tasks = append(f.tasks, t)
	}
	switch f.reply {
	case "lost", "swallowed":
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>busy</html>")
	case "nothing":
		fmt.Fprint(w, `{}`)
	default:
		w.WriteHeader(http.StatusCreated)
		write(w, f.deployments[0])
	}
}

func write(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// others adds a task of a deployment that runs.
func (f *octopusFake) others(deployment, task, by, environment string) {
	f.deployments = append(f.deployments, octopusDeployment{ID: deployment, ProjectID: "Projects-1", EnvironmentID: environment, TaskID: task, DeployedBy: by})
	t := octopusTask{ID: task, State: "Executing", Description: "Deploy release 1.4.3"}
	t.Arguments.DeploymentID = deployment
	f.tasks = append(f.tasks, t)
}

func TestOctopus(t *testing.T) {
	for name, c := range map[string]struct {
		fake    func(*octopusFake)
		tenant  string
		key     string
		posts   int
		cancels []string
		said    string // of what is said on the way
		problem string
		began   bool
	}{
		"to its end":           {fake: func(f *octopusFake) { f.states = []string{"Queued", "Executing", "Success"} }, posts: 1, said: "task ServerTasks-9 of verifier"},
		"to a tenant":          {fake: func(f *octopusFake) { f.states = []string{"Success"} }, tenant: "eu-1", posts: 1},
		"it fails":             {fake: func(f *octopusFake) { f.states = []string{"Executing", "Failed"} }, posts: 1, problem: "ServerTasks-9", began: true},
		"it times out":         {fake: func(f *octopusFake) { f.states = []string{"TimedOut"} }, posts: 1, problem: "failed", began: true},
		"a person is asked":    {fake: func(f *octopusFake) { f.pending = true; f.states = []string{"Executing", "Executing", "Success"} }, posts: 1, said: "waits for a person: an intervention is asked for: Approve the switch"},
		"somebody else's task": {fake: func(f *octopusFake) { f.others("Deployments-8", "ServerTasks-8", "anna", "Environments-1") }, problem: "somebody else's task ServerTasks-8 of anna"},
		"elsewhere": {fake: func(f *octopusFake) {
			f.others("Deployments-8", "ServerTasks-8", "anna", "Environments-2")
			f.states = []string{"Success"}
		}, posts: 1},
		"the failed one's task": {fake: func(f *octopusFake) {
			f.others("Deployments-7", "ServerTasks-7", "ben", "Environments-1")
			f.states = nil
		}, posts: 1, cancels: []string{"ServerTasks-7"}},
		"blocked":           {fake: func(f *octopusFake) { f.defect = "loses orders" }, problem: "the release 1.4.1 is blocked in Octopus: loses orders"},
		"deleted":           {fake: func(f *octopusFake) { f.gone = true }, problem: "the release 1.4.1 is not in Octopus any more"},
		"the reply is lost": {fake: func(f *octopusFake) { f.reply, f.states = "lost", []string{"Success"} }, posts: 1},
		"the call is lost":  {fake: func(f *octopusFake) { f.reply = "swallowed" }, posts: 1, problem: "not called for twice", began: true},
		"a page":            {fake: func(f *octopusFake) { f.reply, f.states = "html", []string{"Success"} }, posts: 1},
		"nothing said":      {fake: func(f *octopusFake) { f.reply, f.states = "nothing", []string{"Success"} }, posts: 1},
		"refused":           {fake: func(f *octopusFake) { f.reply = "409" }, posts: 1, problem: "already deployed"},
		"a wrong key":       {fake: func(*octopusFake) {}, key: "API-0", problem: "is the key right"},
		"no such tenant":    {fake: func(*octopusFake) {}, tenant: "us-1", problem: `no tenant "us-1"`},
	} {
		t.Run(name, func(t *testing.T) {
			f := &octopusFake{}
			c.fake(f)
			server := httptest.NewServer(http.HandlerFunc(f.serve))
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			key := octopusKey
			if c.key != "" {
				key = c.key
			}
			way, err := newOctopus(OctopusConfig{APIConfig: APIConfig{URL: server.URL, Key: outbound.Secret(key)}, Space: "Spaces-1"}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{
				ID: "rollback/octopus:Deployments-7/1", Service: "checkout", Environment: "production", Target: c.tenant, From: "1.4.2", To: "1.4.1", Reason: "errors",
				Deploy: verifier.Deploy{ID: "octopus:Deployments-7"}, Names: map[string]string{"octopus": "shop.checkout"},
			}
			said, err := followed(t, way.(*follower), order, func() { f.end(c.cancels) })
			if len(f.posts) != c.posts || !slices.Equal(f.cancelled, c.cancels) {
				t.Errorf("posted %v, cancelled %v; want %d and %v", f.posts, f.cancelled, c.posts, c.cancels)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			for _, p := range f.posts {
				if p["ReleaseId"] != "Releases-9" || p["EnvironmentId"] != "Environments-1" || (p["TenantId"] != "") != (c.tenant != "") || !strings.Contains(p["Comments"], "["+order.ID+"]") {
					t.Errorf("posted %v", p)
				}
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}

// end lets the rollback's own task succeed where another had to be cancelled first.
func (f *octopusFake) end(cancels []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.at("ServerTasks-9"); i >= 0 && len(cancels) > 0 {
		f.tasks[i].State = "Success"
	}
}

func TestOctopusConfig(t *testing.T) {
	for want, c := range map[string]OctopusConfig{
		"octopus.url is not a URL (try https://octopus.example.com)": {},
		"octopus.key is missing; write key_file":                     {APIConfig: APIConfig{URL: "https://octopus.example.com"}},
		"octopus.environment: template":                              {APIConfig: APIConfig{URL: "https://x.example.com", Key: "k"}, Environment: "{{.Env}}"},
	} {
		if _, err := newOctopus(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
