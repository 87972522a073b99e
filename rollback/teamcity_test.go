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

// teamCityFake answers as TeamCity's REST API does (wire formats, section 5); builds are newest first.
type teamCityFake struct {
	mu        sync.Mutex
	builds    []map[string]any
	states    []map[string]any // of the next looks at the rollback's build, the last one for ever
	archived  bool
	noType    bool
	cleanedUp bool   // build 1.4.1 of Shop_Build is gone
	reply     string // of the POST: lost, swallowed, html, nothing, 409, 500; empty: as it should be
	orders    []teamCityOrder
	cancelled []string
}

const teamCityKey = "tc-token"

// errorBody is recorded: rollback-apis/teamcity_error.json.
const teamCityErrorBody = `{"errors":[{"message":"No build found by locator '999'."}]}`

func (f *teamCityFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	path, ok := strings.CutPrefix(r.URL.Path, "/app/rest/")
	locator := r.URL.Query().Get("locator")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+teamCityKey:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "Authentication required\nTo login manually go to \"/login.html\" page")
	case path == "buildTypes/id:Shop_Deploy" && !f.noType:
		write(w, map[string]any{"id": "Shop_Deploy", "project": map[string]any{"archived": f.archived}})
	case path == "builds" && strings.Contains(locator, "Shop_Build)"):
		if !strings.Contains(locator, "number:1.4.1,") || f.cleanedUp {
			fmt.Fprint(w, `{"count":0}`)
			return
		}
		fmt.Fprint(w, `{"count":1,"build":[{"id":31,"number":"1.4.1","status":"SUCCESS","state":"finished","webUrl":"https://tc/31"}]}`)
	case path == "builds" || path == "buildQueue" && r.Method == http.MethodGet:
		f.list(w, path, locator)
	case path == "buildQueue":
		f.order(w, r)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		f.one(w, r, path)
	}
}

func (f *teamCityFake) list(w http.ResponseWriter, path, locator string) {
	var out []map[string]any
	for _, b := range f.builds {
		in := strings.Contains(locator, "buildType:(id:"+b["buildTypeId"].(string)+")")
		switch {
		case path == "buildQueue":
			in = in && b["state"] == "queued"
		case strings.Contains(locator, "state:running"):
			in = in && b["state"] == "running"
		default:
			in = in && strings.Contains(locator, "state:any,defaultFilter:false")
		}
		if in {
			out = append(out, b)
		}
	}
	write(w, map[string]any{"count": len(out), "build": out})
}

func (f *teamCityFake) at(id string) int {
	return slices.IndexFunc(f.builds, func(b map[string]any) bool { return fmt.Sprint(b["id"]) == id })
}

// one is a request for one build: builds/id:9, or buildQueue/id:9, where only those that wait are.
func (f *teamCityFake) one(w http.ResponseWriter, r *http.Request, path string) {
	kind, id, _ := strings.Cut(path, "/id:")
	i := f.at(id)
	if i < 0 || r.Method == http.MethodPost && (kind == "buildQueue") != (f.builds[i]["state"] == "queued") {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, teamCityErrorBody)
		return
	}
	b := f.builds[i]
	if r.Method == http.MethodPost {
		var in struct{ ReaddIntoQueue *bool }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.ReaddIntoQueue == nil || *in.ReaddIntoQueue {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		f.cancelled = append(f.cancelled, id)
		b["state"], b["status"], b["canceledInfo"] = "finished", "UNKNOWN", map[string]any{"text": "stopped"}
	}
	if id == "9" && len(f.states) > 0 {
		for key, value := range f.states[0] {
			b[key] = value
		}
		if len(f.states) > 1 {
			f.states = f.states[1:]
		}
	}
	write(w, b)
}

func (f *teamCityFake) order(w http.ResponseWriter, r *http.Request) {
	var in teamCityOrder
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.orders = append(f.orders, in)
	switch f.reply {
	case "409":
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"errors":[{"message":"The queue is paused."}]}`)
		return
	case "swallowed":
		panic(http.ErrAbortHandler)
	}
	b := map[string]any{
		"id": 9, "buildTypeId": in.BuildType.ID, "state": "queued", "webUrl": "https://tc/9", "triggered": map[string]any{"user": map[string]any{"username": "verifier"}},
		"comment": in.Comment, "properties": in.Properties, "waitReason": "Waiting to start checking for changes",
	}
	f.builds = append([]map[string]any{b}, f.builds...)
	switch f.reply {
	case "lost":
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>busy</html>")
	case "nothing":
		fmt.Fprint(w, `{}`)
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"errors":[{"message":"Error has occurred during request processing"}]}`)
	default:
		write(w, b)
	}
}

// other is a build of somebody's.
func (f *teamCityFake) other(id int, buildType, state, environment string) {
	f.builds = append(f.builds, map[string]any{
		"id": id, "buildTypeId": buildType, "state": state, "number": "1.4.3", "webUrl": fmt.Sprintf("https://tc/%d", id),
		"triggered":  map[string]any{"user": map[string]any{"username": "anna"}},
		"properties": map[string]any{"property": []teamCityProperty{{"env", environment}, {"version", "1.4.3"}}},
	})
}

var (
	teamCityQueued   = map[string]any{"state": "queued"}
	teamCityRuns     = map[string]any{"state": "running", "status": "SUCCESS"}
	teamCitySucceeds = map[string]any{"state": "finished", "status": "SUCCESS"}
)

func TestTeamCity(t *testing.T) {
	good := func(f *teamCityFake) { f.states = []map[string]any{teamCitySucceeds} }
	for name, c := range map[string]struct {
		fake    func(*teamCityFake)
		key     string
		posts   int
		cancels []string
		said    string // of what is said on the way
		problem string
		began   bool
	}{
		"to its end": {fake: func(f *teamCityFake) {
			f.states = []map[string]any{teamCityQueued, teamCityRuns, teamCitySucceeds}
		}, posts: 1, said: "task 9 of verifier, Waiting to start checking for changes (https://tc/9) is queued"},
		"it fails": {fake: func(f *teamCityFake) {
			f.states = []map[string]any{teamCityRuns, {"state": "finished", "status": "FAILURE", "statusText": "Exit code 1 (Step: deploy)"}}
		}, posts: 1, problem: "Exit code 1", began: true},
		"a success that is none": {fake: func(f *teamCityFake) {
			f.states = []map[string]any{teamCityRuns, {"state": "finished", "status": "UNKNOWN"}}
		}, posts: 1, problem: `its state is "finished" and its status "UNKNOWN"`, began: true},
		"somebody stops it": {fake: func(f *teamCityFake) {
			f.states = []map[string]any{{"state": "finished", "status": "UNKNOWN", "canceledInfo": map[string]any{"text": "not now", "user": map[string]any{"username": "anna"}}}}
		}, posts: 1, problem: "canceled: by anna not now", began: true},
		"it is to be approved": {fake: func(f *teamCityFake) {
			f.states = []map[string]any{{"state": "queued", "approvalInfo": map[string]any{"status": "waitingForApproval"}}, {"state": "finished", "status": "SUCCESS"}}
		}, posts: 1, said: "waits for a person: its build is to be approved in TeamCity"},
		"somebody else's build":        {fake: func(f *teamCityFake) { f.other(8, "Shop_Deploy", "running", "production") }, problem: "somebody else's task 8 of anna, 1.4.3 (https://tc/8) of Shop is running in TeamCity; nothing was begun"},
		"somebody else's in the queue": {fake: func(f *teamCityFake) { f.other(8, "Shop_Deploy", "queued", "production") }, problem: "somebody else's task 8 of anna"},
		"by another configuration":     {fake: func(f *teamCityFake) { f.other(8, "Shop_Hotfix", "running", "production") }, problem: "somebody else's task 8 of anna"},
		"of another environment":       {fake: func(f *teamCityFake) { f.other(8, "Shop_Deploy", "running", "staging"); good(f) }, posts: 1},
		"the failed one's build":       {fake: func(f *teamCityFake) { f.other(7, "Shop_Deploy", "running", "production"); good(f) }, posts: 1, cancels: []string{"7"}},
		"the failed one waits":         {fake: func(f *teamCityFake) { f.other(7, "Shop_Deploy", "queued", "production"); good(f) }, posts: 1, cancels: []string{"7"}},
		"archived":                     {fake: func(f *teamCityFake) { f.archived = true }, problem: "the project of Shop_Deploy is archived"},
		"no such configuration":        {fake: func(f *teamCityFake) { f.noType = true }, problem: "the build configuration Shop_Deploy is not in TeamCity"},
		"cleaned up":                   {fake: func(f *teamCityFake) { f.cleanedUp = true }, problem: "no successful build 1.4.1 of Shop_Build"},
		"the reply is lost":            {fake: func(f *teamCityFake) { good(f); f.reply = "lost" }, posts: 1},
		"the call is lost":             {fake: func(f *teamCityFake) { f.reply = "swallowed" }, posts: 1, problem: "not called for twice", began: true},
		"it breaks after it took it":   {fake: func(f *teamCityFake) { good(f); f.reply = "500" }, posts: 1},
		"a page":                       {fake: func(f *teamCityFake) { good(f); f.reply = "html" }, posts: 1},
		"nothing said":                 {fake: func(f *teamCityFake) { good(f); f.reply = "nothing" }, posts: 1},
		"refused":                      {fake: func(f *teamCityFake) { f.reply = "409" }, posts: 1, problem: "The queue is paused."},
		"a wrong key":                  {fake: func(*teamCityFake) {}, key: "none", problem: "is the key right"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &teamCityFake{}
			c.fake(f)
			server := httptest.NewServer(http.HandlerFunc(f.serve))
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			config := TeamCityConfig{
				APIConfig: APIConfig{URL: server.URL + "/", Key: teamCityKey}, BuildType: "{{.Service}}_Deploy", Promotes: "Shop_Build", AlsoDeployedBy: []string{"Shop_Hotfix"},
				Properties: map[string]string{"env": "{{.Environment}}", "version": "{{.To}}"},
			}
			if c.key != "" {
				config.Key = outbound.Secret(c.key)
			}
			way, err := New(Config{TeamCity: &config}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{
				ID: "rollback/teamcity:7/1", Service: "shop", Environment: "production", From: "1.4.2", To: "1.4.1", Reason: "errors", By: "auto",
				Deploy: verifier.Deploy{ID: "teamcity:7"}, Names: map[string]string{"teamcity": "Shop"},
			}
			said, err := followed(t, way.(*follower), order, func() {})
			if len(f.orders) != c.posts || !slices.Equal(f.cancelled, c.cancels) {
				t.Errorf("posted %v, cancelled %v; want %d and %v", f.orders, f.cancelled, c.posts, c.cancels)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			for _, o := range f.orders {
				want := []teamCityProperty{{"env", "production"}, {"version", "1.4.1"}, {idProperty, order.ID}}
				if o.BuildType.ID != "Shop_Deploy" || !slices.Equal(o.Properties.Property, want) || o.Dependencies.Build[0].ID != "31" || !strings.HasPrefix(o.Comment.Text, order.ID+": back from 1.4.2 to 1.4.1, by auto") {
					t.Errorf("ordered %+v", o)
				}
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}

func TestTeamCityConfig(t *testing.T) {
	reached := APIConfig{URL: "https://teamcity.example.com", Key: "k"}
	version := map[string]string{"version": "{{.To}}"}
	for want, c := range map[string]TeamCityConfig{
		"teamcity.url is not a URL (try https://teamcity.example.com)":                                   {},
		"teamcity.key is missing; write key_file":                                                        {APIConfig: APIConfig{URL: "https://teamcity.example.com"}},
		"teamcity.build_type is missing; write the id of the build configuration that deploys":           {APIConfig: reached, Properties: version},
		"teamcity says nowhere which version to deploy; write properties: {version: '{{.To}}'}":          {APIConfig: reached, BuildType: "Shop_Deploy", Properties: map[string]string{"env": "{{.Environment}}"}},
		"teamcity.properties.version: template: teamcity.properties.version:1:2: executing \"teamcity.p": {APIConfig: reached, BuildType: "Shop_Deploy", Properties: map[string]string{"version": "{{.Version}}"}, Promotes: "Shop_Build"},
	} {
		if _, err := newTeamCity(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	way, err := newTeamCity(TeamCityConfig{APIConfig: reached, BuildType: "{{.Service}}", Properties: version}, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := way.(*follower).Ready(t.Context(), verifier.RollbackCall{Service: "my shop),count:9"}); err == nil || !strings.Contains(err.Error(), "is no id of a build configuration; write names: {teamcity: …}") {
		t.Errorf("a service's name that is no id: %v", err)
	}
}
