package main

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"verifier"
)

// TestWhatCallersHereMayDo takes the implicit admin away as soon as anything says that others may reach the daemon.
func TestWhatCallersHereMayDo(t *testing.T) {
	admin, read, none := verifier.Scopes, []string{verifier.ScopeRead}, []string(nil)
	for _, c := range []struct {
		name, local, url string
		loopback, tokens bool
		want             []string
		why              string
	}{
		{"alone", "", "http://127.0.0.1:8080", true, false, admin, ""},
		{"alone by name", "", "http://localhost:8080", true, false, admin, ""},
		{"alone by IPv6", "", "http://[::1]:8080", true, false, admin, ""},
		{"behind a name", "", "https://verifier.example.com", true, false, none, "url in verifier.yaml is not loopback"},
		{"behind an address", "", "https://192.0.2.1", true, false, none, "url in verifier.yaml is not loopback"},
		{"a token exists", "", "http://127.0.0.1:8080", true, true, none, "tokens exist"},
		{"listens beyond", "", "http://127.0.0.1:8080", false, false, none, ""},
		{"admin, said so", "admin", "https://verifier.example.com", true, true, admin, ""},
		{"read, said so", "read", "http://127.0.0.1:8080", true, false, read, "local: read"},
		{"off, said so", "off", "http://127.0.0.1:8080", true, false, none, "local: off"},
	} {
		got := localAccess(&Config{Local: c.local, URL: c.url}, c.loopback, c.tokens)
		if !slices.Equal(got.Scopes, c.want) || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %+v, want %v because of %q", c.name, got, c.want, c.why)
		}
	}
}

// TestNobodyIsAdminImplicitlyOnceOthersMayCome asks a daemon before and after something says so.
func TestNobodyIsAdminImplicitlyOnceOthersMayCome(t *testing.T) {
	t.Setenv("VERIFIER_TOKEN", "")
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	if code, out := f.says("hold", "list"); code != exitOK {
		t.Fatalf("before: %d %s", code, out)
	}
	_, secret := command(t, "token", "create", "ci", "--scope", "deploys:write", "--store", filepath.Join(f.folder, "verifier.db"))
	code, out := f.says("hold", "add", "--all", "--reason", "disk")
	if code != exitTrouble || !strings.Contains(out, "tokens exist") || !strings.Contains(out, "verifier token create") || !strings.Contains(out, "VERIFIER_TOKEN") {
		t.Errorf("once a token exists: %d %s", code, out)
	}
	if code := f.ask("POST", "/v1/deploys", `{"service":"shop","environment":"production","version":"1.1"}`, nil, "Authorization", "Bearer "+strings.TrimSpace(secret)); code != http.StatusAccepted {
		t.Errorf("with the token: %d", code)
	}
	f.write("verifier.yaml", "local: read\n"+frontConfig)
	f.until("the reload", func() bool { return f.ask("GET", "/v1/holds", "", nil) == http.StatusOK })
	if code := f.ask("POST", "/v1/holds", `{"reason":"disk"}`, nil); code != http.StatusForbidden {
		t.Errorf("local: read, and a hold: %d", code)
	}

	f.write("verifier.yaml", "local: off\n"+frontConfig)
	f.until("the next reload", func() bool { return f.ask("GET", "/v1/holds", "", nil) == http.StatusUnauthorized })

	proxied := openFront(t, "url: https://verifier.example.com\n"+frontConfig, frontRules)
	defer proxied.stop()
	for path, want := range map[string]int{"/": 401, "/v1/status": 401, "/metrics": 401, "/v1/explain?service=a&environment=b": 401, "/healthz": 200} {
		if code := proxied.ask("GET", path, "", nil); code != want {
			t.Errorf("behind a proxy that adds nothing, %s answers %d, want %d", path, code, want)
		}
	}
}
