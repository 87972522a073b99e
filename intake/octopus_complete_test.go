package intake

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"verifier"
	"verifier/outbound"
)

// TestOctopusComplete asks the API for names that an event lacks, and for notes and variables where the map speaks of them: once for each
// release. Where they cannot be had, nobody is rolled back by them unasked.
func TestOctopusComplete(t *testing.T) {
	var calls atomic.Int32
	var broken atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		pages("X-Octopus-ApiKey", "k", map[string]string{
			"GET /api/Spaces-1/projects/Projects-1":         `{"Id":"Projects-1","Name":"Shop"}`,
			"GET /api/Spaces-1/environments/Environments-1": `{"Id":"Environments-1","Name":"Production"}`,
			"GET /api/Spaces-1/releases/Releases-1":         `{"Id":"Releases-1","Version":"1.4.2","ReleaseNotes":"Fixes.\n\nIrreversible: drops a column.","ProjectVariableSetSnapshotId":"variableset-Projects-1-s-2"}`,
			"GET /api/Spaces-1/releases/Releases-2":         `{"Id":"Releases-2","Version":"1.4.3","ReleaseNotes":"Fixes.","ProjectVariableSetSnapshotId":"variableset-Projects-1-s-2"}`,
			"GET /api/Spaces-1/variables/variableset-Projects-1-s-2": `{"Variables":[{"Name":"Tier","Value":"0","Scope":{}},{"Name":"Tier","Value":"1","Scope":{"Environment":["Environments-1"]}},
				{"Name":"Password","Value":null,"IsSensitive":true,"Scope":{}},{"Name":"Other","Value":"x","Scope":{"Environment":["Environments-2"]}}]}`,
		})(w, r)
	}))
	defer server.Close()
	rt, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	opened := func(entries ...map[string]string) *hook {
		hook := asksWith("octopus", API{URL: server.URL}, entries...)
		hooks, err := NewHooks(Config{Hooks: map[string]Hook{"octopus": hook}, Transport: rt})
		if err != nil {
			t.Fatal(err)
		}
		return hooks["octopus"]
	}
	read := func(h *hook, event string) verifier.Deploy {
		t.Helper()
		in := h.completed(t.Context(), verifier.Delivery{Tool: "octopus", ReceivedAt: noon, Body: []byte(`{"Payload":{"Event":` + event + `}}`)})
		mapped, err := h.mapped(in)
		if err != nil || len(mapped.Deploys) != 1 {
			t.Fatalf("got %+v, %v", mapped, err)
		}
		return mapped.Deploys[0]
	}
	whole := func(release int) string {
		text := fmt.Sprintf(octopusItem, 1, "DeploymentSucceeded", "2026-11-24T11:40:00Z", 7)
		return strings.ReplaceAll(text, "Releases-1", fmt.Sprint("Releases-", release))
	}
	bare := `{"Category":"DeploymentSucceeded","Occurred":"2026-11-24T11:40:00Z","SpaceId":"Spaces-1","RelatedDocumentIds":["Deployments-7","Projects-1","Releases-1","Environments-1"],"Message":"Deployed"}`
	plain := opened()
	if d := read(plain, whole(1)); d.Service != "Shop" || calls.Load() != 0 {
		t.Errorf("%+v after %d calls; want none, since nothing is missing", d, calls.Load())
	}
	if d := read(plain, bare); d.Service != "Shop" || d.Environment != "Production" || d.Version != "1.4.2" || calls.Load() != 3 {
		t.Errorf("%+v after %d calls", d, calls.Load())
	}
	read(plain, bare)
	if calls.Load() != 3 {
		t.Errorf("%d calls; what is known is not asked for again", calls.Load())
	}
	notes := opened(
		map[string]string{"release_notes": "*Irreversible*", "rollback.allowed": "false", "rollback.reason": "says its release"},
		map[string]string{"project": "Shop", "labels.tier": "variable.Tier", "labels.secret": "variable.Password", "labels.other": "variable.Other"},
	)
	if d := read(notes, whole(1)); !d.Irreversible() || d.Rollback.Reason != "says its release" || d.Labels["tier"] != "1" || len(d.Labels) != 1 {
		t.Errorf("%+v", d)
	}
	if d := read(notes, whole(2)); d.Irreversible() || d.Labels["tier"] != "1" {
		t.Errorf("%+v", d)
	}
	broken.Store(true)
	before := calls.Load()
	for range 2 {
		if d := read(notes, whole(3)); !d.Irreversible() || !strings.Contains(d.Rollback.Reason, "500") {
			t.Errorf("%+v", d)
		}
	}
	if n := calls.Load() - before; n != 1 {
		t.Errorf("%d calls to a server that does not answer, want 1", n)
	}
	if _, err := NewHooks(Config{Hooks: map[string]Hook{"octopus": {Header: "X", Secret: "s", Map: []map[string]string{{"release_notes": "*", "team": "x"}}}}}); err == nil || !strings.Contains(err.Error(), "write api:") {
		t.Errorf("a map that needs the API without one: %v", err)
	}
}
