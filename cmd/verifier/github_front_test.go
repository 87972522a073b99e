package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
)

// gitHubServer is GitHub with one repository whose deployments somebody carries out at once.
type gitHubServer struct {
	shop
	deployments []map[string]any
	statuses    map[string][]map[string]any
}

func (g *gitHubServer) id(n int) string { return fmt.Sprintf("github:%d", n) }

func (g *gitHubServer) config(api bool) (hook, rollback string) {
	hook = "github: {secret: s}"
	if api {
		hook = "github: {secret: s, api: {url: '" + g.api.URL + "', key: k, projects: [acme/shop], every: 1s}}"
	}
	return hook, "github: {url: '" + g.api.URL + "', key: k, repository: 'acme/{{.Service}}', deployment: true}"
}

func (g *gitHubServer) others(verifier.Verification) string {
	return "somebody else's task acme/shop/99 of ben"
}

func (g *gitHubServer) deploys(version, by string) {
	g.deploy(map[string]any{"ref": version, "environment": "production", "payload": map[string]string{}}, by)
}

func (g *gitHubServer) deploy(in map[string]any, by string) map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, now := len(g.deployments)+1, time.Now().UTC()
	d := map[string]any{
		"id": n, "sha": strings.Repeat("a", 40), "ref": in["ref"], "environment": in["environment"], "payload": in["payload"], "created_at": now, "updated_at": now,
		"creator": map[string]string{"login": by},
	}
	status := map[string]any{"id": 100 + n, "state": "success", "environment": in["environment"], "created_at": now, "creator": map[string]string{"login": by}}
	g.deployments = append([]map[string]any{d}, g.deployments...)
	g.statuses[fmt.Sprint(n)] = []map[string]any{status}
	g.live = fmt.Sprint(in["ref"])
	body, err := json.Marshal(map[string]any{"action": "created", "deployment": d, "deployment_status": status, "repository": map[string]string{"name": "shop", "full_name": "acme/shop"}})
	if err != nil {
		g.t.Error(err)
	}
	mac := hmac.New(sha256.New, []byte("s"))
	mac.Write(body)
	g.send("/v1/hooks/github", string(body), "X-GitHub-Event", "deployment_status", "X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)), "X-GitHub-Delivery", fmt.Sprint("d", n))
	return d
}

func (g *gitHubServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path, ok := strings.CutPrefix(r.URL.Path, "/repos/acme/shop")
	switch {
	case r.Header.Get("Authorization") != "Bearer k":
		w.WriteHeader(http.StatusUnauthorized)
		return
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method == http.MethodPost && path == "/deployments":
		g.order(w, r)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case strings.HasPrefix(path, "/commits/"):
		answer(map[string]string{"sha": strings.Repeat("a", 40)})
	case path == "/deployments" && g.shop.others:
		answer(append([]map[string]any{{"id": 99, "environment": "production", "payload": "", "creator": map[string]string{"login": "ben"}}}, g.deployments...))
	case path == "/deployments":
		answer(g.deployments)
	case path == "/deployments/99/statuses":
		answer([]map[string]string{{"state": "in_progress"}})
	case strings.HasSuffix(path, "/statuses"):
		answer(g.statuses[strings.TrimSuffix(strings.TrimPrefix(path, "/deployments/"), "/statuses")])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// order is POST /deployments.
func (g *gitHubServer) order(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	_ = json.NewDecoder(r.Body).Decode(&in)
	g.mu.Lock()
	g.posts++
	lost := g.lost
	g.lost = false
	g.mu.Unlock()
	d := g.deploy(in, "verifier")
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(d)
}

func TestGitHubFromEventToReport(t *testing.T) {
	fromEventToReport(t, func() frontTool { return &gitHubServer{statuses: map[string][]map[string]any{}} })
}
