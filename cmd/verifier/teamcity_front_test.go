package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// teamCityServer is TeamCity with one build configuration that deploys, whose builds end at once.
type teamCityServer struct {
	shop
	builds []map[string]any // oldest first
	called chan struct{}    // closed when a build is asked for; its reply does not come then, nor do its events
}

func (c *teamCityServer) id(n int) string { return fmt.Sprintf("teamcity:%d", n) }

func (c *teamCityServer) config(api bool) (hook, rollback string) {
	hook = "teamcity: {user: verifier, secret: s, map: [{build_type: 'Shop_Deploy*', service: shop, environment: property.env, version: property.version}]"
	if api {
		hook += ", api: {url: '" + c.api.URL + "', key: k, every: 1s}"
	}
	return hook + "}", "teamcity: {url: '" + c.api.URL + "', key: k, build_type: Shop_Deploy, properties: {env: '{{.Environment}}', version: '{{.To}}'}}"
}

func (c *teamCityServer) others(verifier.Verification) string {
	return "somebody else's task 99 of ben, 17 (https://tc/99) of shop is running in TeamCity"
}

func (c *teamCityServer) deploys(version, by string) {
	at := wholeSecond(version)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.build(version, by, map[string]any{"property": []map[string]string{{"name": "env", "value": "production"}, {"name": "version", "value": version}}}, "", at)
}

// build is one build that ended well, and its event. c.mu is held.
func (c *teamCityServer) build(version, by string, properties any, comment string, at time.Time) map[string]any {
	now := at.Format("20060102T150405-0700")
	n := len(c.builds) + 1
	b := map[string]any{
		"id": n, "buildTypeId": "Shop_Deploy", "number": fmt.Sprint(n), "status": "SUCCESS", "state": "finished", "webUrl": fmt.Sprintf("https://tc/%d", n),
		"startDate": now, "finishDate": now, "triggered": map[string]any{"user": map[string]string{"username": by}}, "properties": properties,
		"comment": map[string]string{"text": comment},
	}
	c.builds = append(c.builds, b)
	started := maps.Clone(b)
	started["state"] = "running"
	c.event("BUILD_STARTED", started)
	c.live = version
	c.event("BUILD_FINISHED", b)
	return b
}

func (c *teamCityServer) event(kind string, b map[string]any) {
	body, err := json.Marshal(map[string]any{"eventType": kind, "payload": b})
	if err != nil {
		c.t.Error(err)
	}
	c.send("/v1/hooks/teamcity", string(body), "Authorization", "Basic dmVyaWZpZXI6cw==")
}

func (c *teamCityServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer k" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	list := func(builds []map[string]any) { answer(map[string]any{"count": len(builds), "build": builds}) }
	locator := r.URL.Query().Get("locator")
	path := strings.TrimPrefix(r.URL.Path, "/app/rest/")
	switch {
	case path == "buildQueue" && r.Method == http.MethodPost:
		c.queue(w, r)
	case path == "buildQueue":
		list(nil)
	case path == "builds" && strings.Contains(locator, "state:running"):
		var running []map[string]any
		if c.shop.others {
			running = []map[string]any{{
				"id": 99, "number": "17", "state": "running", "webUrl": "https://tc/99", "triggered": map[string]any{"user": map[string]string{"username": "ben"}},
			}}
		}
		list(running)
	case path == "builds":
		list(c.builds)
	case path == "buildTypes/id:Shop_Deploy":
		answer(map[string]any{"id": "Shop_Deploy"})
	case strings.HasPrefix(path, "builds/id:"):
		for _, b := range c.builds {
			if path == fmt.Sprintf("builds/id:%v", b["id"]) {
				answer(b)
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"message":"No build found by locator '999'."}]}`)
	}
}

// queue is POST /app/rest/buildQueue. c.mu is held.
func (c *teamCityServer) queue(w http.ResponseWriter, r *http.Request) {
	c.posts++
	var in struct {
		Comment    struct{ Text string }
		Properties struct {
			Property []struct{ Name, Value string }
		}
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	version, properties := "", []map[string]string{}
	for _, p := range in.Properties.Property {
		if p.Name == "version" {
			version = p.Value
		}
		properties = append(properties, map[string]string{"name": p.Name, "value": p.Value})
	}
	hook := c.hook
	if c.called != nil {
		c.hook = ""
	}
	b := maps.Clone(c.build(version, "verifier", map[string]any{"property": properties}, in.Comment.Text, wholeSecond(version)))
	if c.called != nil {
		close(c.called)
		c.called, c.hook = nil, hook
		c.mu.Unlock()
		<-r.Context().Done()
		c.mu.Lock()
		panic(http.ErrAbortHandler)
	}
	if c.lost {
		c.lost = false
		panic(http.ErrAbortHandler)
	}
	b["state"] = "queued"
	delete(b, "status")
	_ = json.NewEncoder(w).Encode(b)
}

func TestTeamCityFromEventToReport(t *testing.T) {
	fromEventToReport(t, func() frontTool { return &teamCityServer{} })
}

// TestRollbackByHandThroughTeamCity: a person's rollback, of a version that no rule finds fault with, takes the daemon's own path, and tells the tool who and why.
func TestRollbackByHandThroughTeamCity(t *testing.T) {
	t.Parallel()
	folder, tool := t.TempDir(), &teamCityServer{}
	openTool(t, tool, filepath.Join(folder, "x.log"))
	hook, rollback := tool.config(false)
	f := openFront(t, strings.Replace(frontConfig, "./x.log", filepath.Join(folder, "x.log"), 1)+
		"hooks: {"+hook+"}\nservices: [{match: {service: shop}, rollback: {mode: approve, by: {"+rollback+"}}}]\n", frontRules)
	defer f.stop()
	tool.listens(f)
	tool.deploys("1.5.0", "anna")
	f.ask("POST", "/v1/deploys/teamcity:1/mark", `{"good":true}`, nil)
	tool.deploys("1.5.1", "anna")
	time.Sleep(time.Second) // until the whole second that it is of
	code, out := command(t, "rollback", "shop", "production", "--reason", "a customer called", "--server", f.url)
	if code != exitOK || !strings.Contains(out, "1.5.0") {
		t.Fatalf("exit %d: %s", code, out)
	}
	f.rolledBack("teamcity:2", verifier.RollbackRecovered)
	tool.mu.Lock()
	defer tool.mu.Unlock()
	const want = "rollback/teamcity:2/1: back from 1.5.1 to 1.5.0, by local. a customer called http"
	if comment := fmt.Sprint(tool.builds[2]["comment"]); len(tool.builds) != 3 || !strings.Contains(comment, want) {
		t.Errorf("%d builds, the last says %s; want %s", len(tool.builds), comment, want)
	}
}

// TestKilledWhileTeamCityIsCalled: a daemon that dies in the middle of the call finds the build that it began, and begins no other.
func TestKilledWhileTeamCityIsCalled(t *testing.T) {
	t.Parallel()
	called := make(chan struct{})
	w, tool := &town{TB: t, folder: t.TempDir(), url: fmt.Sprintf("http://127.0.0.1:%d", freePort(t))}, &teamCityServer{}
	openTool(t, tool, filepath.Join(w.folder, "x.log"))
	t.Cleanup(w.kill)
	hook, rollback := tool.config(false)
	w.write("rules.yaml", frontRules)
	w.write("verifier.yaml", strings.Replace(frontConfig, "127.0.0.1:0", strings.TrimPrefix(w.url, "http://"), 1)+
		"hooks: {"+hook+"}\nservices: [{match: {service: shop}, rollback: {mode: auto, countdown: 1s, by: {"+rollback+"}}}]\n")
	w.start()
	tool.mu.Lock()
	tool.hook, tool.called = w.url, called
	tool.mu.Unlock()
	tool.deploys("1.4.1", "anna")
	w.ask("POST", "/v1/deploys/teamcity:1/mark", `{"good":true}`, nil)
	time.Sleep(time.Second)
	tool.deploys("1.4.2", "anna")
	select {
	case <-called:
	case <-time.After(60 * time.Second):
		t.Fatalf("nothing is called: %+v", w.verification("teamcity:2"))
	}
	w.kill()
	w.start()
	w.until("the build is found", func() bool {
		r := w.verification("teamcity:2").Rollback
		return r != nil && strings.Contains(r.Progress, "task 3 of verifier, 3 (https://tc/3) succeeded")
	})
	tool.mu.Lock()
	tool.event("BUILD_FINISHED", tool.builds[2])
	posts := tool.posts
	tool.mu.Unlock()
	w.rollback("teamcity:2", verifier.RollbackRecovered)
	if posts != 1 {
		t.Errorf("TeamCity was told to build %d times, want once", posts)
	}
}
