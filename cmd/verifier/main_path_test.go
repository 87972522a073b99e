package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestMainPathOnLogs takes a bad deploy from its event to the month's report, with log files alone.
func TestMainPathOnLogs(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{})
	w.start()
	w.past()
	w.mainPath()
}

// mainPath deploys 1.1, which is bad, and follows it to its end.
func (w *town) mainPath() {
	w.Helper()
	began := time.Now()
	w.deploy("d1.1", "1.1", began)
	w.state("d1.1", verifier.FailedState)
	w.until("the rollback is called for", func() bool { return len(w.hook.all()) > 0 })
	call := w.hook.all()[0]
	checkSignature(w, call)
	for key, want := range map[string]string{
		"type": "rollback", "id": "rollback/d1.1/1", "verification": "d1.1", "service": "shop", "environment": "production", "from": "1.1", "to": "1.0", "by": "auto",
	} {
		if call.Body[key] != want {
			w.Errorf("the call's %s is %v, want %s", key, call.Body[key], want)
		}
	}
	w.deploy("d1.0-again", "1.0", time.Now())
	w.rollback("d1.1", verifier.RollbackRecovered)
	w.state("d1.0-again", verifier.Passed)
	incident := w.verification("d1.1").Incident
	w.until("the incident is resolved", func() bool { return w.incident(incident).Resolved != nil })
	w.until("the chat says so", func() bool {
		messages := w.slack.all()
		return strings.Contains(string(messages[len(messages)-1].Raw), "back to normal on 1.0")
	})
	w.checkChat()
	w.checkReport()
}

// checkChat holds what came in Slack to one message that is edited in place.
func (w *town) checkChat() {
	w.Helper()
	messages := w.slack.all()
	if messages[0].Path != "/api/chat.postMessage" || messages[0].Body["channel"] != "#deploys" || messages[0].Header.Get("Authorization") != "Bearer xoxb-test" {
		w.Errorf("the first message: %s %v", messages[0].Path, messages[0].Body)
	}
	for _, m := range messages[1:] {
		if m.Path != "/api/chat.update" || m.Body["ts"] != "1700000001.0001" || m.Body["channel"] != "C024" {
			w.Errorf("a later message goes to %s (ts %v, channel %v), want an edit of the first", m.Path, m.Body["ts"], m.Body["channel"])
		}
	}
	if first := string(messages[0].Raw); !strings.Contains(first, "shop 1.1 is worse in production") || !strings.Contains(first, "by anna; before 1.0") {
		w.Errorf("the first message: %s", first)
	}
	if pages := w.pager.all(); len(pages) != 0 {
		w.Errorf("somebody was woken for what the daemon mended: %s", pages[0].Raw)
	}
}

// checkReport reads the month as people do.
func (w *town) checkReport() {
	w.Helper()
	var month struct {
		Deploys      int     `json:"deploys"`
		Rollbacks    int     `json:"rollbacks"`
		RollbackRate float64 `json:"rollback_rate"`
	}
	if code := w.ask("GET", "/v1/reports/"+time.Now().UTC().Format("2006-01"), "", &month); code != http.StatusOK || month.Deploys != 4 || month.Rollbacks != 1 || month.RollbackRate != 0.25 {
		w.Errorf("the month's report answers %d %+v, want 4 deploys and 1 rollback", code, month)
	}
}
