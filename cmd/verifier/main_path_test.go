package main

import (
	"net/http"
	"strings"
	"syscall"
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
		return strings.Contains(string(messages[len(messages)-1].Raw), "shop is back on 1.0 in production")
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
	if first := string(messages[0].Raw); !strings.Contains(first, "shop 1.1 failed in production. ") || !strings.Contains(first, " UTC by anna, replacing 1.0") {
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
		Automatic    int     `json:"automatic_rollbacks"`
	}
	if code := w.ask("GET", "/v1/reports/"+time.Now().UTC().Format("2006-01"), "", &month); code != http.StatusOK || month.Deploys != 4 || month.Rollbacks != 1 || month.RollbackRate != 0.25 || month.Automatic != 1 {
		w.Errorf("the month's report answers %d %+v, want 4 deploys and 1 automatic rollback", code, month)
	}
}

// TestPageWakesWhereAPersonIsNeeded lets a person approve: the pager is triggered, and resolved under the same key.
func TestPageWakesWhereAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{mode: "approve"})
	w.start()
	w.past()
	go w.followCalls()
	w.deploy("d1.1", "1.1", time.Now())
	w.rollback("d1.1", verifier.RollbackProposed)
	w.until("the pager rings", func() bool { return len(w.pager.all()) > 0 })
	page := w.pager.all()[0]
	payload, _ := page.Body["payload"].(map[string]any)
	incident := w.verification("d1.1").Incident
	if page.Body["event_action"] != "trigger" || payload["severity"] != "critical" || payload["summary"] != "🔴 shop 1.1 failed in production. Approve the rollback to 1.0?" {
		t.Errorf("the page: %s", page.Raw)
	}
	for _, want := range []string{"Error ratio: ", "; before 0.5", "; 1.0, ", "The proposal expires at ", w.url + "/verifications/d1.1/approve"} {
		if !strings.Contains(string(page.Raw), want) {
			t.Errorf("the page does not say %q: %s", want, page.Raw)
		}
	}
	w.command("approve", "d1.1", "--reason", "seen it")
	w.rollback("d1.1", verifier.RollbackRecovered)
	w.until("the page is resolved", func() bool { return last(w.pager).Body["event_action"] == "resolve" })
	for _, p := range w.pager.all() {
		if p.Body["dedup_key"] != page.Body["dedup_key"] {
			t.Errorf("a page of %s under another key: %s", incident, p.Raw)
		}
	}
	if by := w.hook.all()[0].Body["by"]; by != "local" {
		t.Errorf("the call is by %v, want local, who approved it", by)
	}
}

// TestOperatorsStopAndReload is what an operator does to a running daemon.
func TestOperatorsStopAndReload(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{config: "self: {receiver: orders}", countdown: "1m"})
	w.start()
	second := w.program("serve", "--config", w.folder+"/verifier.yaml", "--listen", "127.0.0.1:0")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "verifier.db") || !strings.Contains(string(out), "another") {
		t.Errorf("a second daemon on the same store: %v\n%s", err, out)
	}
	w.past()
	rules := w.read("rules.yaml")
	w.write("rules.yaml", "rules: [{name: broken}]\n")
	w.until("the trouble with the files is told", func() bool {
		return len(w.chat.all()) > 0 && strings.Contains(string(last(w.chat).Raw), "rules.yaml:1")
	})
	var metrics, page string
	w.ask("GET", "/metrics", "", &metrics)
	w.ask("GET", "/", "", &page)
	if !strings.Contains(metrics, "verifier_rules_reload_failed 1") || !strings.Contains(page, "rules.yaml:1") || !strings.Contains(w.said(), "rules.yaml:1") {
		t.Errorf("metrics, page or log do not say that the rules are wrong:\n%s\n%s", page, w.said())
	}
	w.write("rules.yaml", rules)
	w.until("that is over", func() bool { return last(w.chat).Body["status"] == "resolved" })
	read := strings.Count(w.said(), "files read again")
	if err := w.daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.until("SIGHUP reads the files again", func() bool { return strings.Count(w.said(), "files read again") > read })
	w.deploy("d1.1", "1.1", time.Now())
	w.rollback("d1.1", verifier.RollbackApproved)
	w.write("verifier.db.hold", "the network is being rebuilt")
	w.rollback("d1.1", verifier.RollbackVetoed)
	if r := w.verification("d1.1").Rollback; len(r.Reasons) != 1 || r.Reasons[0] != verifier.GuardHeld || len(w.hook.all()) != 0 {
		t.Errorf("with the hold file: %+v, %d calls", r, len(w.hook.all()))
	}
	if took, err := w.terminate(); err != nil || took > 10*time.Second {
		t.Errorf("SIGTERM took %s: %v", took, err)
	}
	w.command("hold", "add", "--all", "--reason", "nobody is there", "--file", w.folder+"/verifier.db.hold")
	w.start()
	if out := w.command("status"); !strings.Contains(out, "nobody is there") {
		t.Errorf("a hold that was put while the daemon was down:\n%s", out)
	}
}
