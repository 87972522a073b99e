package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"verifier"
)

// TestHoldsAreShownEverywhere holds by the API, with a hold file, and with a file that people wrote, and looks at every place that shows holds.
func TestHoldsAreShownEverywhere(t *testing.T) {
	f := openFront(t, frontConfig+"timezone: Europe/Berlin\n", frontRules)
	defer f.stop()
	f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","target":"eu","version":"1.0"}`, nil)
	file := filepath.Join(f.folder, "verifier.db.hold")
	everywhere := func(want string) {
		t.Helper()
		for _, path := range []string{"/", "/deploys/d1", "/verifications/d1", "/verifications/d1/rollback", "/incidents", "/holds", "/hooks", "/gate", "/noise", "/reports/2016-09"} {
			var page string
			if f.ask("GET", path, "", &page); !strings.Contains(page, want) {
				t.Errorf("%s lacks %q: %.900s", path, want, page)
			}
		}
		for _, args := range [][]string{{"status"}, {"hold", "list"}} {
			if code, out := f.says(args...); code != exitOK || !strings.Contains(out, want) {
				t.Errorf("%v: %d lacks %q: %s", args, code, want, out)
			}
		}
		var status Status
		if f.ask("GET", "/v1/status", "", &status); !strings.Contains(status.Held, want) || len(status.Holds) == 0 {
			t.Errorf("the status says %q and %+v", status.Held, status.Holds)
		}
	}
	holds := func() []verifier.Hold {
		var list struct{ Items []verifier.Hold }
		f.ask("GET", "/v1/holds", "", &list)
		return list.Items
	}

	if code, out := f.says("hold", "add", "--all", "--reason", "disk"); code != exitOK || !strings.Contains(out, "Rollbacks are held everywhere by local since") || !strings.Contains(out, "verifier hold end hold-") {
		t.Errorf("hold add: %d %s", code, out)
	}
	everywhere("Rollbacks are held everywhere by local since ")
	if _, out := f.says("hold", "list"); !strings.Contains(out, " CET") && !strings.Contains(out, " CEST") {
		t.Errorf("the list is in another zone: %s", out)
	}
	if code, out := f.says("hold", "end", holds()[0].ID); code != exitOK {
		t.Errorf("%d %s", code, out)
	}

	if code, out := command(t, "hold", "add", "--all", "--reason", "all is down", "--file", file); code != exitOK {
		t.Fatalf("%d %s", code, out)
	}
	everywhere("(hold file ./verifier.db.hold) since ")
	if list := holds(); len(list) != 1 || list[0].ID != "hold-file" || list[0].Reason != "all is down" || list[0].By != whoami() || list[0].At.IsZero() || list[0].File == "" || len(list[0].Stops) != 1 || list[0].Services == nil {
		t.Errorf("the hold file is listed as %+v", list)
	}
	if code, out := f.says("hold", "end", "hold-file"); code != exitTrouble || !strings.Contains(out, "remove the file to end it") {
		t.Errorf("ending it: %d %s", code, out)
	}

	for text, want := range map[string]string{"db is\nbroken\n": "by the hold file ./verifier.db.hold since", "": "no reason given", "2026-13-99T00:00:00Z by x: y": "2026-13-99T00:00:00Z by x: y"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		everywhere(want)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.says("hold", "add", "--service", "shop", "--stops", "gate,rollback", "--reason", "sale", "--for", "2h")
	everywhere("sale")
	if code, out := f.says("status"); code != exitOK || !strings.Contains(out, "Gates and rollbacks are held for shop by local since ") || !strings.Contains(out, "production (eu)") {
		t.Errorf("%d %s", code, out)
	}
	f.says("hold", "end", holds()[0].ID)
	if code, out := f.says("hold", "list"); code != exitOK || !strings.Contains(out, "Nothing is held.") || len(holds()) > 0 {
		t.Errorf("without a hold: %d %s", code, out)
	}
}

// TestHoldsThatHoldNothingAreRefused takes ends that are no ends.
func TestHoldsThatHoldNothingAreRefused(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	for _, c := range []struct{ args, want string }{
		{"hold add --all --reason disk --for 0s", "--for 0s must be longer than 0"},
		{"hold add --all --reason disk --for 0", "must be longer than 0"},
		{"hold add --all --reason disk --for -1h", "--for"},
		{"hold add --all --environment production --reason disk", "either --all, or"},
		{"hold add --all --reason disk --stops alert", "post to /v1/mutes"},
		{"mute --all --reason disk --for 0s", "must be longer than 0"},
		{"mute --all --reason disk", "--for is required"},
	} {
		if code, out := f.says(strings.Fields(c.args)...); code != exitTrouble || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s, want %q", c.args, code, out, c.want)
		}
	}
	for _, body := range []string{`{"reason":"disk","until":"2020-01-01T00:00:00Z"}`, `{"reason":"disk","until":"0001-01-01T00:00:00Z"}`} {
		var said string
		if code := f.ask("POST", "/v1/holds", body, &said); code != http.StatusUnprocessableEntity || !strings.Contains(said, "not in the future") {
			t.Errorf("%s: %d %s", body, code, said)
		}
	}
	for _, length := range []string{"0", "0s", "-1h", "soon"} {
		var said string
		if code := f.ask("POST", "/holds", "stops=rollback&reason=disk&for="+length, &said, "Content-Type", "application/x-www-form-urlencoded"); code != http.StatusUnprocessableEntity || !strings.Contains(said, "not a valid duration") {
			t.Errorf("for %s on the page: %d", length, code)
		}
	}
	if code, out := f.says("hold", "list"); code != exitOK || !strings.Contains(out, "Nothing is held.") {
		t.Errorf("%d %s", code, out)
	}
}

// TestMuteWritesNoKillSwitch holds the flags of a mute apart from those of a hold.
func TestMuteWritesNoKillSwitch(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	file := filepath.Join(f.folder, "verifier.db.hold")
	for _, args := range [][]string{
		{"mute", "--all", "--reason", "noise", "--file", file},
		{"mute", "--all", "--reason", "noise", "--for", "1h", "--file", file},
		{"mute", "--all", "--reason", "noise", "--for", "1h", "--stops", "rollback"},
	} {
		if code, out := f.says(args...); code != exitTrouble || !strings.Contains(out, "unknown flag") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the hold file is there: %v", err)
	}
	if code, out := command(t, "mute", "--help"); code != exitOK || strings.Contains(out, "kill switch") || strings.Contains(out, "--file") || !strings.Contains(out, "rolled back") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := f.says("mute", "--all", "--reason", "load test", "--for", "1h"); code != exitOK || !strings.Contains(out, "Alerts are muted everywhere by local since ") || !strings.Contains(out, ": load test") {
		t.Errorf("%d %s", code, out)
	}
	var list struct{ Items []verifier.Hold }
	if f.ask("GET", "/v1/holds", "", &list); len(list.Items) != 1 || len(list.Items[0].Stops) != 1 || list.Items[0].Stops[0] != verifier.StopsAlert {
		t.Errorf("kept as %+v", list.Items)
	}
	if code, out := f.says("mute", "--environment", "prodction", "--reason", "x", "--for", "1h"); code != exitTrouble || !strings.Contains(out, "production") {
		t.Errorf("%d %s", code, out)
	}
}
