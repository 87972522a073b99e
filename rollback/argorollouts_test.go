package rollback

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"verifier"
	"verifier/outbound"
)

// rolloutFake is Kubernetes with one rollout, whose abort patch is the recorded one (wire formats, section 5).
type rolloutFake struct {
	mu       sync.Mutex
	image    string // of the template
	stable   string // pod hashes
	current  string
	abort    bool
	phases   []string // of the next looks, once it was told to go back; the last one for ever
	called   string
	sets     string
	noStatus bool // the status is no subresource
	reply    string
	patches  []string
}

const rolloutSets = `{"items":[
	{"metadata":{"name":"shop-aaa","labels":{"rollouts-pod-template-hash":"aaa"},"annotations":{"rollout.argoproj.io/revision":"1"},"ownerReferences":[{"uid":"u1"}]},
		"spec":{"template":{"metadata":{"labels":{"app":"shop","rollouts-pod-template-hash":"aaa"}},"spec":{"containers":[{"name":"web","image":"registry:5000/shop:1.4.1"}]}}}},
	{"metadata":{"name":"shop-bbb","labels":{"rollouts-pod-template-hash":"bbb"},"annotations":{"rollout.argoproj.io/revision":"2"},"ownerReferences":[{"uid":"u1"}]},
		"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry:5000/shop:1.4.2"}]}}}},
	{"metadata":{"name":"other","labels":{"rollouts-pod-template-hash":"ccc"},"annotations":{"rollout.argoproj.io/revision":"9"},"ownerReferences":[{"uid":"u2"}]},
		"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry:5000/shop:1.4.1"}]}}}}]}`

func (f *rolloutFake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer k" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","message":"Unauthorized"}`)
		return
	}
	const path = "/apis/argoproj.io/v1alpha1/namespaces/production/rollouts/shop"
	switch r.Method + " " + r.URL.Path {
	case "GET " + path:
		f.show(w)
	case "GET /apis/apps/v1/namespaces/production/replicasets":
		sets := rolloutSets
		if f.sets != "" {
			sets = f.sets
		}
		fmt.Fprint(w, sets)
	case "PATCH " + path, "PATCH " + path + "/status":
		if strings.HasSuffix(r.URL.Path, "/status") && f.noStatus {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		f.patch(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *rolloutFake) patch(w http.ResponseWriter, r *http.Request) {
	var body any
	_ = json.NewDecoder(r.Body).Decode(&body)
	text, _ := json.Marshal(body)
	f.patches = append(f.patches, strings.TrimPrefix(r.URL.Path, "/apis/argoproj.io/v1alpha1/namespaces/production/rollouts/shop")+" "+string(text))
	switch f.reply {
	case "403":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","message":"rollouts.argoproj.io \"shop\" is forbidden"}`)
		return
	case "swallowed":
		panic(http.ErrAbortHandler)
	}
	switch r.Header.Get("Content-Type") {
	case "application/merge-patch+json":
		f.abort = true
	case "application/json-patch+json":
		for _, op := range body.([]any) {
			op := op.(map[string]any)
			switch op["path"] {
			case "/metadata/annotations/verifier~1rollback":
				f.called = op["value"].(string)
			case "/spec/template":
				f.image, f.current = "registry:5000/shop:1.4.1", "aaa"
			}
		}
	default:
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	if f.reply == "lost" {
		f.reply = ""
		panic(http.ErrAbortHandler)
	}
	f.show(w)
}

func (f *rolloutFake) show(w http.ResponseWriter) {
	phase := "Healthy"
	if f.current != f.stable {
		phase = "Progressing"
	}
	if (f.called != "" || f.abort) && len(f.phases) > 0 {
		phase = f.phases[0]
		f.phases = f.phases[min(1, len(f.phases)-1):]
		if phase == "Healthy" {
			f.stable = f.current
		}
	}
	meta := map[string]any{"name": "shop", "uid": "u1", "generation": 4}
	if f.called != "" {
		meta["annotations"] = map[string]string{"verifier/rollback": f.called}
	}
	write(w, map[string]any{
		"metadata": meta,
		"spec":     map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []map[string]string{{"name": "web", "image": f.image}}}}},
		"status":   map[string]any{"phase": phase, "message": "as it goes", "abort": f.abort, "currentPodHash": f.current, "stableRS": f.stable, "observedGeneration": "4"},
	})
}

func TestArgoRollouts(t *testing.T) {
	const undo = ` [{"op":"add","path":"/metadata/annotations","value":{}},{"op":"add","path":"/metadata/annotations/verifier~1rollback","value":"rollback/d/1"},` +
		`{"op":"replace","path":"/spec/template","value":{"metadata":{"labels":{"app":"shop"}},"spec":{"containers":[{"image":"registry:5000/shop:1.4.1","name":"web"}]}}}]`
	const note = ` [{"op":"add","path":"/metadata/annotations","value":{}},{"op":"add","path":"/metadata/annotations/verifier~1rollback","value":"rollback/d/1"}]`
	for name, c := range map[string]struct {
		fake    *rolloutFake
		key     string
		patches []string
		problem string
		began   bool
	}{
		"undo what is rolled out":     {fake: &rolloutFake{current: "bbb", stable: "bbb", phases: []string{"Progressing", "Paused", "Healthy"}}, patches: []string{undo}},
		"abort what is under way":     {fake: &rolloutFake{current: "bbb", stable: "aaa", phases: []string{"Progressing", "Degraded"}}, patches: []string{note, `/status {"status":{"abort":true}}`}},
		"abort without a subresource": {fake: &rolloutFake{current: "bbb", stable: "aaa", noStatus: true, phases: []string{"Degraded"}}, patches: []string{note, ` {"status":{"abort":true}}`}},
		"it does not become healthy":  {fake: &rolloutFake{current: "bbb", stable: "bbb", phases: []string{"Progressing", "Degraded"}}, patches: []string{undo}, problem: "failed: as it goes", began: true},
		"the reply is lost":           {fake: &rolloutFake{current: "bbb", stable: "bbb", reply: "lost", phases: []string{"Healthy"}}, patches: []string{undo}},
		"the call is lost":            {fake: &rolloutFake{current: "bbb", stable: "bbb", reply: "swallowed"}, patches: []string{undo}, problem: "not called for twice", began: true},
		"somebody rolls out another":  {fake: &rolloutFake{image: "registry:5000/shop:1.4.3", current: "ddd", stable: "bbb"}, problem: "somebody else's task"},
		"no ReplicaSet of it is left": {fake: &rolloutFake{current: "bbb", stable: "bbb", sets: `{"items":[]}`}, problem: "has no ReplicaSet of 1.4.1 any more"},
		"it is forbidden":             {fake: &rolloutFake{current: "bbb", stable: "bbb", reply: "403"}, patches: []string{undo}, problem: "what may the key do there?"},
		"a wrong key":                 {fake: &rolloutFake{}, key: "no", problem: "is the key right"},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.fake
			if f.image == "" {
				f.image = "registry:5000/shop:1.4.2"
			}
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
			way, err := newArgoRollouts(ArgoRolloutsConfig{APIConfig: APIConfig{URL: server.URL, Key: key}}, rt)
			if err != nil {
				t.Fatal(err)
			}
			order := verifier.RollbackCall{ID: "rollback/d/1", Service: "shop", Environment: "production", From: "1.4.2", To: "1.4.1"}
			said, err := followed(t, way.(*follower), order, func() {})
			if got, want := strings.Join(f.patches, "\n"), strings.Join(c.patches, "\n"); got != want {
				t.Errorf("patched\n%s\nwant\n%s", got, want)
			}
			if c.problem == "" {
				if err != nil {
					t.Errorf("%v after %q", err, said)
				}
				return
			}
			if _, began := asEnded(err); err == nil || !strings.Contains(err.Error(), c.problem) || began != c.began {
				t.Errorf("ended with %v (began %v), want %q (%v)", err, began, c.problem, c.began)
			}
		})
	}
}
