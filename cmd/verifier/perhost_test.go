package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"verifier"
)

// TestEventsOfHostsWithoutAnID count as a deploy each; that is said once, to the sender and in status.
func TestEventsOfHostsWithoutAnID(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	send := func(service, version, more string) string {
		var receipt verifier.Receipt
		body := fmt.Sprintf(`{"service":%q,"environment":"production","version":%q%s}`, service, version, more)
		if code := f.ask("POST", "/v1/deploys", body, &receipt); code != http.StatusAccepted {
			t.Fatalf("%d for %s", code, body)
		}
		return receipt.Note
	}
	const remedy = `without an "id" count as 2 deploys. If they are one deploy, host by host, send the same "id" with each event (docs/rolling.md).`
	for i, want := range []string{"", "2 events of shop 1.1 in production " + remedy, ""} {
		if got := send("shop", "1.1", fmt.Sprintf(`,"hosts":["web%d"]`, i+1)); got != want {
			t.Errorf("host %d: %q, want %q", i+1, got, want)
		}
	}
	if got := send("shop", "1.2", ""); got != "" {
		t.Errorf("another version: %q", got)
	}
	for i, want := range []string{"", "2 events of cart 2.0 in production (eu) " + remedy, ""} {
		if got := send("cart", "2.0", `,"target":"eu"`); got != want {
			t.Errorf("without hosts, %d: %q, want %q", i+1, got, want)
		}
	}
	for _, more := range []string{`,"id":"a","hosts":["web1"]`, `,"id":"a","hosts":["web2"]`, `,"id":"b"`} {
		if got := send("mail", "3.0", more); got != "" {
			t.Errorf("with an id: %q", got)
		}
	}
	send("web", "4.0", `,"hosts":["web1"]`)
	if got := send("web", "4.0", `,"hosts":["web1"]`); got != "" {
		t.Errorf("one host twice: %q", got)
	}
	code, out := f.says("status")
	for _, want := range []string{
		`NOTE: 3 events of shop 1.1 in production (web1, web2 and web3) without an "id" count as 3 deploys. If they are one deploy, host by host, send the same "id"`,
		`NOTE: 3 events of cart 2.0 in production (eu) without an "id" count as 3 deploys.`,
	} {
		if code != exitOK || strings.Count(out, want) != 1 {
			t.Errorf("%d: %s\nwant %s", code, out, want)
		}
	}
	if strings.Count(out, "NOTE:") != 2 {
		t.Errorf("%s", out)
	}
	if code, out := f.says("deploy", "late", "production", "1", "--host", "a"); code != exitOK || strings.Contains(out, "note:") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := f.says("deploy", "late", "production", "1", "--host", "b"); code != exitOK || !strings.Contains(out, "note: 2 events of late 1 in production") {
		t.Errorf("%d %s", code, out)
	}
}
