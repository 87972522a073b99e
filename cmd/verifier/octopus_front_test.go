package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
)

// octopusServer is Octopus Deploy with one project: its API, and its subscription.
type octopusServer struct {
	shop
	events      []string
	deployments []map[string]any
}

func (o *octopusServer) id(n int) string { return fmt.Sprintf("octopus:Deployments-%d", n) }

func (o *octopusServer) config(api bool) (hook, rollback string) {
	hook = "octopus: {header: X-Key, secret: s}"
	if api {
		hook = "octopus: {header: X-Key, secret: s, api: {url: '" + o.api.URL + "', key: API-1, projects: [Spaces-1], every: 1s}}"
	}
	return hook, "octopus: {url: '" + o.api.URL + "', key: API-1, space: Spaces-1}"
}

func (o *octopusServer) others(verifier.Verification) string {
	return "somebody else's task ServerTasks-99 of ben"
}

func (o *octopusServer) deploys(version, by string) { o.deploy(version, by, "") }

// deploy makes a deployment of a version go live, and tells of it.
func (o *octopusServer) deploy(version, by, comments string) map[string]any {
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
	o.send("/v1/hooks/octopus", `{"EventType":"SubscriptionPayload","Payload":{"ServerUri":"`+o.api.URL+`","Event":`+event+`}}`, "X-Key", "s")
	return d
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
	case path == "tasks" && o.shop.others:
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
	d := o.deploy(strings.TrimPrefix(in["ReleaseId"], "Releases-"), "verifier", in["Comments"])
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(d)
}

func TestOctopusFromEventToReport(t *testing.T) {
	fromEventToReport(t, func() frontTool { return &octopusServer{} })
}
