package web

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDocumentHasEveryRoute fails when a route is not in openapi.json, or one there is not served.
func TestDocumentHasEveryRoute(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Description string
			Security    []any
		}
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	for _, r := range (&server{Config: Config{Intake: nothing{}, Metrics: nothing{}}}).api() {
		o, ok := doc.Paths[r.path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s is not in openapi.json", r.method, r.path)
			continue
		}
		if (r.scope == "") != (o.Security != nil) || !strings.Contains(o.Description, "scope "+r.scope+".") && r.scope != "" {
			t.Errorf("%s %s needs %q, and openapi.json says: %s", r.method, r.path, r.scope, o.Description)
		}
		delete(doc.Paths[r.path], strings.ToLower(r.method))
	}
	for path, left := range doc.Paths {
		for method := range left {
			t.Errorf("openapi.json has %s %s, which is not served", method, path)
		}
	}
}
