package intake

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

const octopusFixture = "../testdata/octopus/subscription_deployment_failed.json"

func octopusDelivery(t testing.TB, change func(string) string) verifier.Delivery {
	t.Helper()
	text, err := os.ReadFile(octopusFixture)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Delivery{Body: []byte(change(string(text))), ReceivedAt: now}
}

func TestOctopus(t *testing.T) {
	same := func(s string) string { return s }
	as := func(category string) func(string) string {
		return func(s string) string {
			return strings.Replace(s, `"Category": "DeploymentFailed"`, `"Category": "`+category+`"`, 1)
		}
	}
	want := verifier.Deploy{
		ID: "octopus:Deployments-12519", Place: verifier.Place{Service: "Argo CD Octopub", Environment: "Development"}, Version: "0.1.178",
		Status: verifier.Failed, Change: verifier.Release, At: time.Date(2023, 9, 19, 21, 35, 8, 563_000_000, time.UTC), By: "system",
		URL: "https://mattc.octopus.app/app#/Spaces-282/deployments/Deployments-12519",
	}
	for _, tt := range []struct {
		name   string
		change func(string) string
		status verifier.Status // empty: ignored
	}{
		{"failed", same, verifier.Failed},
		{"started", as("DeploymentStarted"), verifier.Started},
		{"succeeded", as("DeploymentSucceeded"), verifier.Succeeded},
		{"cancelled", as("TaskCanceled"), verifier.Failed},
		{"queued", as("DeploymentQueued"), ""},
		{"a change of a project", as("Modified"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			deploys, ignored, err := mapped("octopus", octopusDelivery(t, tt.change))
			if err != nil || (tt.status == "") != (ignored != "") || (len(deploys) == 0) != (ignored != "") {
				t.Fatalf("got %+v, ignored %q, %v", deploys, ignored, err)
			}
			if tt.status == "" {
				return
			}
			want.Status = tt.status
			if diff := cmp.Diff([]verifier.Deploy{want}, deploys); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOctopusCountsInUTF16 cuts names out of a message with characters outside the basic plane.
func TestOctopusCountsInUTF16(t *testing.T) {
	e := octopusEvent{Message: "Deploy 🚀 of Köln 1.2 to Prod"}
	if err := json.Unmarshal([]byte(`[{"ReferencedDocumentId":"Projects-1","StartIndex":13,"Length":4},{"ReferencedDocumentId":"Releases-1","StartIndex":18,"Length":3},
		{"ReferencedDocumentId":"Environments-1","StartIndex":25,"Length":400}]`), &e.References); err != nil {
		t.Fatal(err)
	}
	if p, r, env := e.named("Projects-"), e.named("Releases-"), e.named("Environments-"); p != "Köln" || r != "1.2" || env != "" {
		t.Errorf("got %q, %q and %q", p, r, env)
	}
}

// TestOctopusDigest is the form of old servers: several events in one request.
func TestOctopusDigest(t *testing.T) {
	var body map[string]map[string]any
	text := octopusDelivery(t, func(s string) string {
		return `{"Payload": {` + s[strings.Index(s, `"Event": {`):strings.Index(s, `"EventNumberInBatch"`)] + `"ServerUri": "https://o"}}`
	}).Body
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	body["Payload"]["Events"] = []any{body["Payload"]["Event"], body["Payload"]["Event"]}
	delete(body["Payload"], "Event")
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	deploys, ignored, err := mapped("octopus", verifier.Delivery{Body: text, ReceivedAt: now})
	if err != nil || ignored != "" || len(deploys) != 2 || deploys[1].Version != "0.1.178" {
		t.Errorf("got %+v, ignored %q, %v", deploys, ignored, err)
	}
}

func TestOctopusTroubles(t *testing.T) {
	for want, change := range map[string]func(string) string{
		"Payload.Event": func(string) string { return `{"Payload":{}}` },
		"body":          func(string) string { return `[` },
	} {
		_, _, err := mapped("octopus", octopusDelivery(t, change))
		if !errors.Is(err, verifier.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an invalid %s", err, want)
		}
	}
	_, why, err := mapped("octopus", octopusDelivery(t, func(s string) string {
		return strings.Replace(s, `"Occurred": "2023-09-19`, `"Occurred": "2093-09-19`, 1)
	}))
	if err != nil || !strings.HasPrefix(why, "Payload.Event.Occurred: is ") {
		t.Errorf("a time ahead is %q, %v", why, err)
	}
}

// TestOctopusUnmapped is an event that does not say which release it is about.
func TestOctopusUnmapped(t *testing.T) {
	without := func(s string) string {
		return strings.Replace(s, "Releases-11138\",\n          \"StartIndex\": 57", "Releases-11138\",\n          \"StartIndex\": 570", 1)
	}
	deploys, why, err := mapped("octopus", octopusDelivery(t, without))
	if len(deploys) > 0 || err != nil || !strings.HasPrefix(why, `no version: no entry of hooks.octopus.map says it for {category: "DeploymentFailed"`) {
		t.Errorf("got %v, %q, %v", deploys, why, err)
	}
}

func TestOctopusHeader(t *testing.T) {
	for key, ok := range map[string]bool{"open sesame": true, "open sesam": false, "": false} {
		r, err := http.NewRequest(http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Key", key)
		if err := checkSecret(&hook{Hook: Hook{Header: "X-Key"}, secret: "open sesame"}, r, nil); (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func FuzzOctopus(f *testing.F) {
	text, err := os.ReadFile(octopusFixture)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"Payload":{"Events":[{"Category":"DeploymentStarted","RelatedDocumentIds":["Deployments-1"]}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		deploys, ignored, err := mapped("octopus", verifier.Delivery{Body: []byte(body), ReceivedAt: now})
		if err != nil && !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%v is no ErrInvalid", err)
		}
		if err == nil && (len(deploys) == 0) != (ignored != "") {
			t.Errorf("%d deploys, ignored %q", len(deploys), ignored)
		}
		for _, d := range deploys {
			if verifier.NameProblem(d.Service) != "" || verifier.VersionProblem(d.Version) != "" || idProblem(d.ID) != "" || d.At.IsZero() {
				t.Errorf("took %+v", d)
			}
		}
	})
}
