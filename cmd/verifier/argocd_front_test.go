package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"verifier"
)

// argoServer is Argo CD with one application, which syncs at once.
type argoServer struct {
	shop
	history []map[string]any
	last    map[string]any
}

func (a *argoServer) id(n int) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "argocd:u1/" + a.history[n-1]["deployStartedAt"].(string)
}

func (a *argoServer) config(api bool) (hook, rollback string) {
	hook = "argocd: {header: X-Key, secret: s}"
	if api {
		hook = "argocd: {header: X-Key, secret: s, api: {url: '" + a.api.URL + "', key: k, every: 1s}}"
	}
	return hook, "argocd: {url: '" + a.api.URL + "', key: k}"
}

func (a *argoServer) others(verifier.Verification) string { return "of ben" }

func (a *argoServer) deploys(version, by string) {
	at := wholeSecond(version)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sync(version, by, at)
}

// sync is one sync of the application, and its notification. a.mu is held.
func (a *argoServer) sync(version, by string, at time.Time) {
	now := at.UTC().Format(time.RFC3339)
	a.last = map[string]any{
		"phase": "Succeeded", "startedAt": now, "finishedAt": now, "syncResult": map[string]string{"revision": version},
		"operation": map[string]any{"sync": map[string]string{"revision": version}, "initiatedBy": map[string]string{"username": by}},
	}
	a.history = append(a.history, map[string]any{
		"id": len(a.history) + 1, "revision": version, "deployStartedAt": now, "deployedAt": now, "initiatedBy": map[string]string{"username": by},
	})
	a.live = version
	body, err := json.Marshal(map[string]any{"app": a.app()})
	if err != nil {
		a.t.Error(err)
	}
	a.send("/v1/hooks/argocd", string(body), "X-Key", "s")
}

func (a *argoServer) app() map[string]any {
	return map[string]any{
		"metadata": map[string]string{"name": "shop", "uid": "u1"},
		"spec":     map[string]any{"project": "default", "destination": map[string]string{"namespace": "production"}, "syncPolicy": map[string]any{}},
		"status":   map[string]any{"history": a.history, "operationState": a.last},
	}
}

func (a *argoServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer k" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/applications":
		answer(map[string]any{"items": []any{a.app()}})
	case "GET /api/v1/applications/shop":
		app := a.app()
		if a.shop.others {
			app["status"].(map[string]any)["operationState"] = map[string]any{
				"phase": "Running", "startedAt": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
				"operation": map[string]any{"sync": map[string]string{"revision": "1.4.3"}, "initiatedBy": map[string]string{"username": "ben"}},
			}
		}
		answer(app)
	case "POST /api/v1/applications/shop/rollback":
		a.posts++
		var in struct{ ID int }
		_ = json.NewDecoder(r.Body).Decode(&in)
		revision := a.history[in.ID-1]["revision"].(string)
		a.sync(revision, "verifier", wholeSecond(revision))
		if a.lost {
			a.lost = false
			panic(http.ErrAbortHandler)
		}
		answer(a.app())
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestArgoCDFromEventToReport(t *testing.T) {
	fromEventToReport(t, func() frontTool { return &argoServer{} })
}
