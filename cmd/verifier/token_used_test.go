package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTokenListShowsTheLastUse uses one of two tokens; what is shown is kept by the store.
func TestTokenListShowsTheLastUse(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	db := filepath.Join(f.folder, "verifier.db")
	_, secret := command(t, "token", "create", "reader", "--scope", "read", "--store", db)
	if code, out := command(t, "token", "create", "idle", "--scope", "read", "--store", db); code != exitOK {
		t.Fatal(out)
	}
	for range 3 {
		var out any
		if code := f.ask(http.MethodGet, "/v1/holds", "", &out, "Authorization", "Bearer "+strings.TrimSpace(secret)); code != http.StatusOK {
			t.Fatal(code, out)
		}
	}
	var list string
	for range 100 {
		if _, list = command(t, "token", "list", "--store", db); strings.Count(list, "never") == 3 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for line := range strings.Lines(list) {
		if today := time.Now().UTC().Format("2006-01-02 "); strings.HasPrefix(line, "reader") && strings.Count(line, today) != 2 || strings.HasPrefix(line, "idle") && strings.Count(line, "never") != 2 {
			t.Errorf("%s", list)
		}
	}
	before, _ := f.daemon.store.Tokens(t.Context())
	for _, token := range before {
		if token.Name == "reader" && (token.Used == nil || time.Since(*token.Used) > time.Minute) {
			t.Errorf("used %v", token.Used)
		}
	}
}
