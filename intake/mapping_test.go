package intake

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// mapped reads a delivery by a hook of that tool that maps nothing.
func mapped(tool string, in verifier.Delivery) (deploys []verifier.Deploy, ignored string, err error) {
	hook := Hook{Secret: "s"}
	if !tools[tool].signs {
		hook.Header = "X-Key"
	}
	return mappedBy(tool, hook, in)
}

func mappedBy(tool string, hook Hook, in verifier.Delivery) (deploys []verifier.Deploy, ignored string, err error) {
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{tool: hook}})
	if err != nil {
		return nil, "", err
	}
	in.Tool = tool
	out, err := hooks.Map(in)
	return out.Deploys, out.Ignored + out.Unmapped, err
}

// event is what a tool without words of ours says.
func event() Event {
	return Event{verifier.Deploy{ID: "7", Status: verifier.Succeeded, At: now}, map[string]string{
		"project": "Shop.Checkout", "number": "1.4.2", "octopus_environment": "", "release": "1.4.2", "tenant": "", "category": "Scaled", "space": "", "username": "anna",
	}}
}

func TestMapping(t *testing.T) {
	shop := map[string]string{"project": "Shop.*", "service": "shop", "environment": "production", "version": "release"}
	with := func(more map[string]string) map[string]string {
		m := maps.Clone(shop)
		maps.Copy(m, more)
		return m
	}
	tests := []struct {
		name      string
		entries   []map[string]string
		want      func(*verifier.Deploy)
		why, skip string
	}{
		{name: "copies and sets", entries: []map[string]string{shop}, want: func(*verifier.Deploy) {}},
		{name: "later entries win", entries: []map[string]string{shop, {"category": "Scal*", "change": "scale"}}, want: func(d *verifier.Deploy) { d.Change = verifier.Scale }},
		{name: "globs know no case", entries: []map[string]string{with(map[string]string{"project": "shop.CHECKOUT"})}, want: func(*verifier.Deploy) {}},
		{name: "holes", entries: []map[string]string{with(map[string]string{"service": "the-{{.username}}-{{ .release }}"})}, want: func(d *verifier.Deploy) { d.Service = "the-anna-1.4.2" }},
		{name: "an empty field sets nothing", entries: []map[string]string{shop, {"environment": "octopus_environment"}}, want: func(*verifier.Deploy) {}},
		{name: "a rollback that is not allowed", entries: []map[string]string{with(map[string]string{"rollback.allowed": "false", "rollback.reason": "migrates"})}, want: func(d *verifier.Deploy) {
			no := false
			d.Rollback = verifier.Consent{Allowed: &no, Reason: "migrates"}
		}},
		{name: "labels", entries: []map[string]string{with(map[string]string{"labels.tier": "1"})}, want: func(d *verifier.Deploy) { d.Labels = map[string]string{"tier": "1"} }},
		{name: "nothing fits", entries: []map[string]string{with(map[string]string{"project": "Other"})}, why: `no service, no environment, no version: no entry of hooks.octopus.map says it for {category: "Scaled", number: "1.4.2", project: "Shop.Checkout"`},
		{name: "the version is missing", entries: []map[string]string{{"service": "shop", "environment": "production"}}, why: "no version: "},
		{name: "not a deploy", entries: []map[string]string{shop, {"category": "Scaled", "ignore": "{{.category}} is none"}}, skip: "Scaled is none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hooks, err := NewHooks(Config{Hooks: map[string]Hook{"octopus": {Header: "X-Key", Secret: "s", Map: test.entries}}})
			if err != nil {
				t.Fatal(err)
			}
			e := event()
			why, skip := hooks["octopus"].apply(&e)
			if test.want == nil {
				if skip != (test.skip != "") || !strings.HasPrefix(why, test.why+test.skip) {
					t.Errorf("got %q (skip %v), want %q", why, skip, test.why+test.skip)
				}
				return
			}
			want := verifier.Deploy{
				ID: "octopus:7", Place: verifier.Place{Service: "shop", Environment: "production"}, Version: "1.4.2", Status: verifier.Succeeded,
				Change: verifier.Release, At: now,
			}
			test.want(&want)
			if diff := cmp.Diff(want, e.Deploy); diff != "" || why != "" || skip {
				t.Errorf("%s\n%q, %v", diff, why, skip)
			}
		})
	}
}

func TestBadHooks(t *testing.T) {
	tests := []struct {
		name, want string
		hook       Hook
	}{
		{"jenkinz", "hooks.jenkinz: no such tool: \"jenkinz\"; ", Hook{Secret: "s"}},
		{"octopus", "hooks.octopus: header is missing", Hook{Secret: "s"}},
		{"octopus", "hooks.octopus: the secret is missing", Hook{Header: "X-Key"}},
		{"github", "hooks.github: header has no meaning here", Hook{Header: "X-Key", Secret: "s"}},
		{"octopus", "map[0].shape: is neither of a deploy", Hook{Header: "X-Key", Secret: "s", Map: []map[string]string{{"shape": "round"}}}},
		{"octopus", "map[0].service: the tool says nothing called \"shape\"", Hook{Header: "X-Key", Secret: "s", Map: []map[string]string{{"service": "{{.shape}}"}}}},
		{"octopus", "map[0].change: \"relase\" is none", Hook{Header: "X-Key", Secret: "s", Map: []map[string]string{{"change": "relase"}}}},
		{"octopus", "map[0].says nothing", Hook{Header: "X-Key", Secret: "s", Map: []map[string]string{{"project": "shop"}}}},
	}
	for _, test := range tests {
		if _, err := NewHooks(Config{Hooks: map[string]Hook{test.name: test.hook}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	request := func(headers ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	basic := request()
	basic.SetBasicAuth("anna", "s3cret")
	wrong := request()
	wrong.SetBasicAuth("anna", "s3cre")
	key, user := Hook{Header: "X-Key"}, Hook{User: "anna"}
	tests := []struct {
		name string
		hook Hook
		r    *http.Request
		want string
	}{
		{"header", key, request("X-Key", "s3cret"), ""},
		{"bearer", Hook{Header: "Authorization"}, request("Authorization", "Bearer s3cret"), ""},
		{"no header", key, request(), "the header X-Key is missing"},
		{"wrong header", key, request("X-Key", "s3cretx"), "does not hold the secret"},
		{"basic", user, basic, ""},
		{"TeamCity's headers", user, request("php-auth-user", "anna", "php-auth-pw", "s3cret"), ""},
		{"wrong password", user, wrong, "user or password"},
		{"no password", user, request(), "Basic authentication is missing"},
	}
	for _, test := range tests {
		h := &hook{Hook: test.hook, name: "x", secret: "s3cret"}
		err := checkSecret(h, test.r, nil)
		var refused *Error
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &refused) || refused.Code != http.StatusUnauthorized) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// TestMisread keeps Go's types out of what an operator reads.
func TestMisread(t *testing.T) {
	for text, want := range map[string]string{`[]`: "it is array, and not what the tool sends", `{"a":{"b":"x"}}`: "a.b is string, and not what the tool sends", `{`: "unexpected end of JSON input"} {
		var into struct{ A struct{ B int } }
		if err := misread(json.Unmarshal([]byte(text), &into)); !strings.EqualFold(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
