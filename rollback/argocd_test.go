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
	"time"

	"verifier"
	"verifier/outbound"
)

var argoNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// argoFake answers as Argo CD's API does (wire formats, section 5): one application.
type argoFake struct {
	mu      sync.Mutex
	auto    string // syncPolicy
	running map[string]any
	next    []string // phases of the rollback at the next looks; "" is not yet begun
	begun   bool
	reply   string // lost, swallowed, 400, html; empty: as it should be
	posts   []map[string]any
	cancels int
	history string
}

const argoHistoryText = `[{"id":3,"revision":"aaa"},{"id":4,"revision":"bbb","source":{"targetRevision":"v1.4.1"}},{"id":5,"revision":"ccc"}]`

func (f *argoFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer k" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid session","code":16}`)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/applications/shop":
		f.app(w)
	case "POST /api/v1/applications/shop/rollback":
		var in map[string]any
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.posts = append(f.posts, in)
		switch f.reply {
		case "400":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"another operation is already in progress","code":9}`)
			return
		case "swallowed":
			panic(http.ErrAbortHandler)
		}
		f.begun = true
		switch f.reply {
		case "lost":
			panic(http.ErrAbortHandler)
		case "html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in</html>")
		default:
			f.app(w)
		}
	case "DELETE /api/v1/applications/shop/operation":
		f.cancels++
		f.running["phase"] = "Failed"
		fmt.Fprint(w, `{}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"applications.argoproj.io not found","code":5}`)
	}
}

func (f *argoFake) app(w http.ResponseWriter) {
	app := map[string]any{
		"metadata": map[string]any{"name": "shop", "uid": "u1"}, "spec": map[string]any{"syncPolicy": json.RawMessage(orObject(f.auto))},
	}
	status := map[string]any{"history": json.RawMessage(argoHistoryText)}
	if f.history != "" {
		status["history"] = json.RawMessage(f.history)
	}
	if f.running != nil {
		status["operationState"] = f.running
	}
	if f.begun {
		phase := ""
		if len(f.next) > 0 {
			phase = f.next[0]
			f.next = f.next[min(1, len(f.next)-1):]
		}
		operation := map[string]any{"sync": map[string]any{"revision": "bbb"}, "initiatedBy": map[string]any{"username": "verifier"}}
		if phase == "" {
			app["operation"] = operation
		} else {
			status["operationState"] = map[string]any{"phase": phase, "message": "as it goes", "startedAt": argoNow.Add(2 * time.Second), "operation": operation}
		}
	}
	app["status"] = status
	write(w, app)
}

func orObject(s string) string {
	if s == "" {
		return "{}"
	}
	return s
}

func argoSync(phase, revision, by string, at time.Time) map[string]any {
	return map[string]any{"phase": phase, "startedAt": at, "operation": map[string]any{"sync": map[string]any{"revision": revision}, "initiatedBy": map[string]any{"username": by}}}
}

func TestArgoCD(t *testing.T) {
	for name, c := range map[string]struct {
		fake    func(*argoFake)
		to      string // default bbb
		key     string
		posts   int
		cancels int
		said    string
		problem string
		began   bool
	}{
		"to its end":           {fake: func(f *argoFake) { f.next = []string{"", "Running", "Succeeded"} }, posts: 1, said: "is running"},
		"by its tag":           {fake: func(f *argoFake) { f.next = []string{"Succeeded"} }, to: "v1.4.1", posts: 1},
		"it fails":             {fake: func(f *argoFake) { f.next = []string{"Running", "Failed"} }, posts: 1, problem: "failed: as it goes", began: true},
		"auto-sync is on":      {fake: func(f *argoFake) { f.auto = `{"automated":{"prune":true,"selfHeal":true}}` }, problem: "auto-sync of shop is on"},
		"auto-sync is paused":  {fake: func(f *argoFake) { f.auto, f.next = `{"automated":{"enabled":false}}`, []string{"Succeeded"} }, posts: 1},
		"not in the history":   {fake: func(*argoFake) {}, to: "1.3.0", problem: "the history of shop has no 1.3.0; it keeps 3 entries"},
		"somebody else's sync": {fake: func(f *argoFake) { f.running = argoSync("Running", "ddd", "anna", argoNow.Add(-time.Minute)) }, problem: "somebody else's task shop@2026-11-24T11:59:00Z of anna"},
		"an old sync": {fake: func(f *argoFake) {
			f.running = argoSync("Succeeded", "bbb", "anna", argoNow.Add(-time.Hour))
			f.next = []string{"Succeeded"}
		}, posts: 1},
		"the failed sync goes on": {fake: func(f *argoFake) {
			f.running = argoSync("Running", "ccc", "anna", argoNow.Add(-2*time.Minute))
			f.next = []string{"Succeeded"}
		}, posts: 1, cancels: 1},
		"the reply is lost": {fake: func(f *argoFake) { f.reply, f.next = "lost", []string{"", "Running", "Succeeded"} }, posts: 1},
		"a page":            {fake: func(f *argoFake) { f.reply, f.next = "html", []string{"Succeeded"} }, posts: 1},
		"the call is lost":  {fake: func(f *argoFake) { f.reply = "swallowed" }, posts: 1, problem: "not called for twice", began: true},
		"refused":           {fake: func(f *argoFake) { f.reply = "400" }, posts: 1, problem: "another operation is already in progress"},
		"a wrong key":       {fake: func(*argoFake) {}, key: "no", problem: "is the key right"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &argoFake{}
			c.fake(f)
			server := httptest.NewServer(http.HandlerFunc(f.serve))
			defer server.Close()
			rt, err := outbound.New(outbound.Config{})
			if err != nil {
				t.Fatal(err)
			}
			key, to := outbound.Secret("k"), "bbb"
			if c.key != "" {
				key = outbound.Secret(c.key)
			}
			if c.to != "" {
				to = c.to
			}
			way, err := newArgoCD(ArgoCDConfig{APIConfig: APIConfig{URL: server.URL, Key: key}}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{
				ID: "rollback/argocd:u1/2026-11-24T11:58:00Z/1", Service: "shop", Environment: "production", From: "ccc", To: to, At: argoNow,
				Deploy: verifier.Deploy{ID: "argocd:u1/2026-11-24T11:58:00Z"},
			}
			said, err := followed(t, way.(*follower), order, func() {})
			if len(f.posts) != c.posts || f.cancels != c.cancels {
				t.Errorf("posted %v, cancelled %d; want %d and %d", f.posts, f.cancels, c.posts, c.cancels)
			}
			if slices.ContainsFunc(f.posts, func(p map[string]any) bool { return p["id"] != 4.0 || p["name"] != "shop" }) {
				t.Errorf("posted %v", f.posts)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.said) {
				t.Errorf("said %q, want %q among it", said, c.said)
			}
			checkEnd(t, err, c.problem, c.began)
		})
	}
}
