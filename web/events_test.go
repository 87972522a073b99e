package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestEvents resumes where the asker was, ends at the end, and outlives the server's time limits.
func TestEvents(t *testing.T) {
	v := watchOf(verifier.Observing, "")
	k := &kept{watches: map[string]verifier.Verification{"d1": v, "d2": watchOf(verifier.Passed, "")}, changed: make(chan struct{})}
	k.watches["d1"] = func() verifier.Verification { v.ID = "d1"; return v }()
	server := httptest.NewUnstartedServer(open(k))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	get := func(path string, last string) *http.Response {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		r.Header.Set("Last-Event-ID", last)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	stream := get("/v1/verifications/d1/events", "7")
	if stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", stream.Header)
	}
	time.Sleep(300 * time.Millisecond) // longer than the limits
	v.State, v.Ended, v.Revision, v.Findings = verifier.Passed, &noon, 8, nil
	k.watches["d1"] = v
	k.changed <- struct{}{}
	text, err := io.ReadAll(stream.Body)
	if err != nil {
		t.Fatalf("cut off: %v", err)
	}
	got := string(text)
	if strings.Contains(got, "id: 7\n") || !strings.HasPrefix(got, "id: 8\nevent: verification\ndata: {") || !strings.Contains(got, `"findings":[]`) || strings.Count(got, "id: ") != 1 {
		t.Errorf("streamed %s", got)
	}
	if r := get("/v1/verifications/d1/events", "8"); r.StatusCode != http.StatusNoContent {
		t.Errorf("who has the last event is answered %d", r.StatusCode)
	}
	if r := get("/v1/verifications/d2/events", ""); r.StatusCode != http.StatusOK {
		t.Errorf("%d", r.StatusCode)
	}
}
