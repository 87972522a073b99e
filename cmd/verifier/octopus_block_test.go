package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// TestCondemnedReleaseIsBlocked in Octopus, until somebody says that it is good.
func TestCondemnedReleaseIsBlocked(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var defects []map[string]string
	tool := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch path := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api"); path {
		case "GET /projects":
			fmt.Fprint(w, `{"Items":[{"Id":"Projects-1","Name":"Shop.Web"}]}`)
		case "GET /projects/Projects-1/releases/1.1":
			fmt.Fprint(w, `{"Id":"Releases-9"}`)
		case "GET /releases/Releases-9/defects":
			_ = json.NewEncoder(w).Encode(map[string]any{"Items": defects})
		case "POST /releases/Releases-9/defects":
			var in map[string]string
			_ = json.NewDecoder(r.Body).Decode(&in)
			defects = append(defects, map[string]string{"Status": "Unresolved", "Description": in["Description"]})
		case "POST /releases/Releases-9/defects/resolve":
			for _, d := range defects {
				d["Status"] = "Resolved"
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer tool.Close()
	blocked := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(defects) > 0 && defects[len(defects)-1]["Status"] == "Unresolved"
	}
	f := openFront(t, strings.Replace(frontConfig, "[{name: production, production: true}]", "[{name: staging}]", 1)+fmt.Sprintf(`
services: [{match: {service: shop}, names: {octopus: Shop.Web}}]
sinks: {octopus: {type: octopus, url: '%s', key: k, environments: [staging]}}
`, tool.URL), strings.Replace(frontRules, "on_fail: rollback", "on_fail: alert", 1))
	defer f.stop()
	var lines strings.Builder
	for i := range 30 {
		fmt.Fprintf(&lines, `{"@timestamp":%q,"log.level":"ERROR","service.name":"shop","service.environment":"staging"}`+"\n", time.Now().Add(time.Duration(i)*100*time.Millisecond).UTC().Format(time.RFC3339Nano))
	}
	f.write("x.log", lines.String())
	var receipt verifier.Receipt
	if code := f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"staging","version":"1.1"}`, &receipt); code != http.StatusAccepted {
		t.Fatalf("answered %d", code)
	}
	f.until("it is blocked", blocked)
	if code := f.ask("POST", "/v1/verifications/d1/dismiss", `{"reason":"a test of the alarm"}`, nil); code != http.StatusOK {
		t.Fatalf("dismiss answers %d", code)
	}
	f.until("it is released", func() bool { return !blocked() })
	if code := f.ask("POST", "/v1/deploys/d1/mark", `{"good":false,"cause":"loses orders"}`, nil); code != http.StatusOK {
		t.Fatalf("mark answers %d", code)
	}
	f.until("it is blocked again", blocked)
	mu.Lock()
	defer mu.Unlock()
	if len(defects) != 2 || !strings.HasPrefix(defects[0]["Description"], "verifier: failed in staging") || !strings.HasPrefix(defects[1]["Description"], "verifier: marked bad in staging") {
		t.Errorf("defects %v", defects)
	}
}
