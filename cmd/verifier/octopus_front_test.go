package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// octopusServer is Octopus Deploy with one project: its API, its subscription, and the shop that it deploys to, whose 1.4.2 is bad.
type octopusServer struct {
	t   *testing.T
	api *httptest.Server
	log *os.File

	mu          sync.Mutex
	hook        string // where events are sent; empty: nobody listens
	events      []string
	deployments []map[string]any
	live        string
	posts       int
	lost        bool // the reply to the next deployment does not arrive
	others      bool // somebody else deploys there
}

func openOctopus(t *testing.T, logs string) *octopusServer {
	t.Helper()
	file, err := os.Create(logs)
	if err != nil {
		t.Fatal(err)
	}
	o := &octopusServer{t: t, log: file}
	o.api = httptest.NewServer(http.HandlerFunc(o.serve))
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { o.traffic(ctx) })
	t.Cleanup(func() { stop(); group.Wait(); o.api.Close(); file.Close() })
	return o
}

// traffic is what the shop logs.
func (o *octopusServer) traffic(ctx context.Context) {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case now := <-tick.C:
			o.mu.Lock()
			level := "INFO"
			if o.live == "1.4.2" {
				level = "ERROR"
			}
			o.mu.Unlock()
			for range 8 {
				fmt.Fprintf(o.log, `{"@timestamp":%q,"log.level":%q,"service.name":"shop","service.environment":"production"}`+"\n", now.UTC().Format(time.RFC3339Nano), level)
			}
		}
	}
}

// deploys makes a deployment of a version go live, and tells of it.
func (o *octopusServer) deploys(version, by, comments string) map[string]any {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.deployments) + 1
	d := map[string]any{
		"Id": fmt.Sprintf("Deployments-%d", n), "ReleaseId": "Releases-" + version, "ProjectId": "Projects-1", "EnvironmentId": "Environments-1",
		"TaskId": fmt.Sprintf("ServerTasks-%d", n), "Comments": comments, "DeployedBy": by,
	}
	o.deployments = append(o.deployments, d)
	o.live = version
	event := fmt.Sprintf(`{"Id":"Events-%d","Category":"DeploymentSucceeded","Occurred":%q,"Username":%q,"SpaceId":"Spaces-1","RelatedDocumentIds":["Deployments-%d","Projects-1","Releases-1","Environments-1"],
		"Message":"Deploy shop %s to production","MessageReferences":[{"ReferencedDocumentId":"Projects-1","StartIndex":7,"Length":4},
		{"ReferencedDocumentId":"Releases-1","StartIndex":12,"Length":5},{"ReferencedDocumentId":"Environments-1","StartIndex":21,"Length":10}]}`,
		n, time.Now().UTC().Format(time.RFC3339Nano), by, n, version)
	o.events = append([]string{event}, o.events...)
	if o.hook != "" {
		o.send(event)
	}
	return d
}

func (o *octopusServer) send(event string) {
	request, err := http.NewRequest("POST", o.hook, strings.NewReader(`{"EventType":"SubscriptionPayload","Payload":{"ServerUri":"`+o.api.URL+`","Event":`+event+`}}`))
	if err != nil {
		o.t.Error(err)
		return
	}
	request.Header.Set("X-Key", "s")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		o.t.Error(err)
		return
	}
	response.Body.Close()
	if response.StatusCode >= 300 {
		o.t.Errorf("an event is answered with %d", response.StatusCode)
	}
}

func (o *octopusServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("X-Octopus-ApiKey") != "API-1" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/Spaces-1/")
	if path == "deployments" && r.Method == http.MethodPost {
		o.order(w, r)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	items := func(list ...any) { _ = json.NewEncoder(w).Encode(map[string]any{"Items": list}) }
	switch {
	case path == "events":
		fmt.Fprintf(w, `{"TotalResults":%d,"Items":[%s],"Links":{}}`, len(o.events), strings.Join(o.events, ","))
	case path == "projects":
		items(map[string]string{"Id": "Projects-1", "Name": "shop"})
	case path == "environments":
		items(map[string]string{"Id": "Environments-1", "Name": "production"})
	case strings.HasPrefix(path, "projects/Projects-1/releases/"):
		fmt.Fprintf(w, `{"Id":"Releases-%s"}`, strings.TrimPrefix(path, "projects/Projects-1/releases/"))
	case strings.HasSuffix(path, "/defects"):
		items()
	case path == "tasks" && o.others:
		items(map[string]any{"Id": "ServerTasks-99", "State": "Executing", "Arguments": map[string]string{"DeploymentId": "Deployments-99"}})
	case path == "tasks":
		items()
	case path == "deployments/Deployments-99":
		fmt.Fprint(w, `{"Id":"Deployments-99","ProjectId":"Projects-1","EnvironmentId":"Environments-1","DeployedBy":"ben"}`)
	case path == "deployments":
		_ = json.NewEncoder(w).Encode(map[string]any{"Items": o.deployments})
	case strings.HasPrefix(path, "tasks/"):
		fmt.Fprintf(w, `{"Id":%q,"State":"Success","IsCompleted":true,"FinishedSuccessfully":true}`, strings.TrimPrefix(path, "tasks/"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// order is POST /deployments.
func (o *octopusServer) order(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	o.mu.Lock()
	o.posts++
	lost := o.lost
	o.lost = false
	o.mu.Unlock()
	d := o.deploys(strings.TrimPrefix(in["ReleaseId"], "Releases-"), "verifier", in["Comments"])
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(d)
}

// TestOctopusFromEventToReport: an event, a verdict, the rollback through Octopus' API, its confirmation by the next event, the check
// that it helped, and the report; with somebody else at work, with the reply lost, and with the daemon down when the event was sent.
func TestOctopusFromEventToReport(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*octopusServer)
		down    bool
		state   verifier.RollbackState
	}{
		"plainly":                  {func(*octopusServer) {}, false, verifier.RollbackRecovered},
		"the reply is lost":        {func(o *octopusServer) { o.lost = true }, false, verifier.RollbackRecovered},
		"somebody else is at work": {func(o *octopusServer) { o.others = true }, false, verifier.RollbackRefused},
		"the daemon was not there": {func(*octopusServer) {}, true, verifier.RollbackRecovered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			o := openOctopus(t, filepath.Join(folder, "x.log"))
			c.prepare(o)
			config := strings.Replace(frontConfig, "./x.log", filepath.Join(folder, "x.log"), 1) + fmt.Sprintf(`
hooks: {octopus: {header: X-Key, secret: s, api: {url: '%[1]s', key: API-1, projects: [Spaces-1], every: 1s}}}
receivers: [{name: chat, webhook_configs: [{url: '%[1]s/chat'}]}]
route: {receiver: chat}
services:
  - match: {service: shop}
    team: payments
    rollback: {mode: auto, countdown: 1s, by: {octopus: {url: '%[1]s', key: API-1, space: Spaces-1}}}
`, o.api.URL)
			f := openFront(t, config, frontRules)
			stop := f.stop
			defer func() { stop() }()
			o.hook = f.url + "/v1/hooks/octopus"
			o.deploys("1.4.1", "anna", "")
			if code := f.ask("POST", "/v1/deploys/octopus:Deployments-1/mark", `{"good":true}`, nil); code != http.StatusOK {
				t.Fatalf("mark answers %d", code)
			}
			time.Sleep(3 * time.Second) // it is watched, and passes
			if c.down {
				f.stop()
				o.hook = ""
				o.deploys("1.4.2", "anna", "")
				time.Sleep(time.Second)
				f = f.again()
				stop = f.stop
				o.mu.Lock()
				o.hook = f.url + "/v1/hooks/octopus"
				o.mu.Unlock()
			} else {
				o.deploys("1.4.2", "anna", "")
			}
			v := f.rolledBack("octopus:Deployments-2", c.state)
			o.mu.Lock()
			posts, comments := o.posts, slices.Clone(o.deployments)
			o.mu.Unlock()
			if want := map[bool]int{true: 0, false: 1}[c.state == verifier.RollbackRefused]; posts != want {
				t.Errorf("Octopus was told to deploy %d times, want %d", posts, want)
			}
			if c.down != (v.Deploy.Found == verifier.FoundLate) {
				t.Errorf("found %q", v.Deploy.Found)
			}
			if c.state == verifier.RollbackRefused {
				if !strings.Contains(v.Rollback.Reason, "somebody else's task ServerTasks-99 of ben") {
					t.Errorf("refused: %q", v.Rollback.Reason)
				}
				var list struct{ Items []verifier.Incident }
				if f.ask("GET", "/v1/incidents", "", &list); len(list.Items) == 0 || !list.Items[0].Person || !strings.Contains(list.Items[0].Text, "ServerTasks-99 of ben") {
					t.Errorf("nobody is paged: %+v", list.Items)
				}
				return
			}
			if v.WayBack == nil || !v.WayBack.Open || v.WayBack.To != "1.4.1" {
				t.Errorf("the way back: %+v", v.WayBack)
			}
			if len(comments) != 3 || !strings.Contains(fmt.Sprint(comments[2]["Comments"]), "[rollback/octopus:Deployments-2/1]") {
				t.Errorf("deployments %v", comments)
			}
			var report struct{ Deploys, Rollbacks int }
			f.ask("GET", "/v1/reports/"+time.Now().UTC().Format("2006-01"), "", &report)
			if report.Deploys != 3 || report.Rollbacks != 1 {
				t.Errorf("report %+v, want 3 deploys and 1 rollback", report)
			}
		})
	}
}

// again starts a daemon on the same folder.
func (f *front) again() *front {
	f.t.Helper()
	d, err := NewDaemon(f.t.Context(), filepath.Join(f.folder, "verifier.yaml"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return &front{t: f.t, folder: f.folder, url: "http://" + d.Addr(), daemon: d, stop: func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	}}
}

// rolledBack waits until the rollback of the watch has come to that state.
func (f *front) rolledBack(id string, state verifier.RollbackState) (v verifier.Verification) {
	f.t.Helper()
	for range 400 {
		var text string
		if f.ask("GET", "/v1/verifications/"+id, "", &text) == http.StatusOK && json.Unmarshal([]byte(text), &v) == nil && v.Rollback != nil && v.Rollback.State == state {
			return v
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("%s is %s, its rollback %+v; want %s", id, v.State, v.Rollback, state)
	return v
}
