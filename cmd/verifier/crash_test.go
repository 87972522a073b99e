package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

// crash is one moment of the main path at which the daemon is killed.
type crash struct {
	name   string
	mode   string // of the rollback; default auto
	pager  func(kill chan<- bool) func(int, taken, http.ResponseWriter)
	chat   func(kill chan<- bool) func(int, taken, http.ResponseWriter)
	hook   func(kill chan<- bool) func(int, taken, http.ResponseWriter)
	moment func(w *town) bool // looked for while the daemon runs; nil: the receiver says when
}

// once asks for the kill at the n-th request, and answers what the daemon will not live to hear.
func once(at int) func(kill chan<- bool) func(int, taken, http.ResponseWriter) {
	return func(kill chan<- bool) func(int, taken, http.ResponseWriter) {
		return func(n int, _ taken, w http.ResponseWriter) {
			if n == at {
				kill <- true
				time.Sleep(500 * time.Millisecond)
			}
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

// refusing answers that it is busy until it was asked so often, and asks for the kill at the first.
func refusing(kill chan<- bool) func(int, taken, http.ResponseWriter) {
	return func(n int, _ taken, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			kill <- true
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// begun reports whether the watch over the deploy is in that state, or further: states pass quickly where the machine is slow.
func begun(id string, states ...verifier.State) func(*town) bool {
	return func(w *town) bool { return slices.Contains(states, w.verification(id).State) }
}

// rolling reports whether the rollback has come to that state, or further.
func rolling(from verifier.RollbackState) func(*town) bool {
	way := []verifier.RollbackState{verifier.RollbackProposed, verifier.RollbackApproved, verifier.RollbackSent, verifier.RollbackConfirmed, verifier.RollbackRecovered}
	return func(w *town) bool {
		r := w.verification("d1.1").Rollback
		return r != nil && slices.Index(way, r.State) >= slices.Index(way, from)
	}
}

var crashes = []crash{
	{name: "the event was answered", moment: func(w *town) bool { return w.verification("d1.1").ID != "" }},
	{name: "the watch has begun", moment: begun("d1.1", verifier.Observing, verifier.FailedState)},
	{name: "the verdict has fallen", moment: begun("d1.1", verifier.FailedState)},
	{name: "the chat is being told", chat: once(1)},
	{name: "the chat was busy", chat: refusing},
	{name: "the pager is being rung", mode: "approve", pager: once(1)},
	{name: "the pager was busy", mode: "approve", pager: refusing},
	{name: "a person has approved", mode: "approve", moment: rolling(verifier.RollbackSent)},
	{name: "the countdown runs", moment: rolling(verifier.RollbackApproved)},
	{name: "the rollback was marked sent", moment: rolling(verifier.RollbackSent)},
	{name: "the call came in and its reply is lost", hook: once(1)},
	{name: "the deploy tool was busy", hook: refusing},
	{name: "the rollback is confirmed", moment: rolling(verifier.RollbackConfirmed)},
	{name: "the recovery is watched", moment: begun("d1.0-again", verifier.Observing, verifier.Passed)},
	{name: "the rollback has recovered", moment: rolling(verifier.RollbackRecovered)},
	{name: "the end is being told", moment: func(w *town) bool { return w.incident(w.verification("d1.1").Incident).Resolved != nil }},
}

// TestKilledAnywhereNothingIsLost kills the daemon once at each step of the main path and starts it again. Nothing may be lost, and
// nothing done twice under another key.
func TestKilledAnywhereNothingIsLost(t *testing.T) {
	t.Parallel()
	for i, c := range crashes {
		if !long && i%3 != 0 {
			continue // make crash has all of them
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kill := make(chan bool, 1)
			o := townOptions{mode: c.mode}
			if c.chat != nil {
				o.chat = c.chat(kill)
			}
			if c.pager != nil {
				o.pager = c.pager(kill)
			}
			if c.hook != nil {
				o.hook = c.hook(kill)
			}
			w := openTown(t, o)
			w.start()
			w.past()
			go w.followCalls()
			w.deploy("d1.1", "1.1", time.Now())
			if c.mode == "approve" {
				go w.approveWhenAsked()
			}
			w.until("the moment of the kill", func() bool {
				select {
				case <-kill:
					return true
				default:
					return c.moment != nil && c.moment(w)
				}
			})
			w.kill()
			time.Sleep(300 * time.Millisecond)
			w.start()
			w.rollback("d1.1", verifier.RollbackRecovered)
			w.state("d1.0-again", verifier.Passed)
			w.until("the resolution is told", func() bool { return len(w.chat.all()) > 0 && last(w.chat).Body["status"] == "resolved" })
			if c.mode == "approve" {
				w.until("the page is resolved", func() bool { return len(w.pager.all()) > 0 && last(w.pager).Body["event_action"] == "resolve" })
			}
			w.until("the message in Slack is edited", func() bool {
				return slices.ContainsFunc(w.slack.all(), func(m taken) bool { return m.Path == "/api/chat.update" })
			})
			w.checkOnce()
		})
	}
}

// followCalls is the deploy tool: it deploys what it is told to, once, whatever became of its reply, and says so until it is heard.
func (w *town) followCalls() {
	for !w.Failed() {
		time.Sleep(10 * time.Millisecond)
		if len(w.hook.all()) == 0 {
			continue
		}
		if _, code := w.tell("d1.0-again", "1.0", w.hook.all()[0].At); code != 0 {
			return
		}
	}
}

// approveWhenAsked is the person on call: it approves as soon as the pager has rung, until somebody has heard it.
func (w *town) approveWhenAsked() {
	for !w.Failed() {
		time.Sleep(10 * time.Millisecond)
		if len(w.pager.all()) == 0 {
			continue
		}
		if code := w.ask("POST", "/v1/verifications/d1.1/approve", `{"reason":"seen it"}`, nil); code == http.StatusOK || code == http.StatusConflict {
			return
		}
	}
}

func last(r *receiver) taken {
	list := r.all()
	return list[len(list)-1]
}

// checkOnce holds all that went out to one incident and one rollback, however often each was sent.
func (w *town) checkOnce() {
	w.Helper()
	for _, call := range w.hook.all() {
		checkSignature(w, call)
		if call.Body["id"] != "rollback/d1.1/1" {
			w.Errorf("a rollback was called for under another key: %v", call.Body["id"])
		}
	}
	pages := map[string]bool{}
	for _, p := range w.pager.all() {
		pages[fmt.Sprint(p.Body["dedup_key"])] = true
	}
	if len(pages) > 1 {
		w.Errorf("pages under %d keys, want one: %v", len(pages), pages)
	}
	edited := map[string]bool{}
	for _, m := range w.slack.all() {
		if m.Path == "/api/chat.update" {
			edited[fmt.Sprint(m.Body["ts"])] = true
		}
	}
	if len(edited) != 1 {
		w.Errorf("%d messages in Slack were edited, want one: %v", len(edited), edited)
	}
	groups := map[string]bool{}
	resolved := false
	for _, m := range w.chat.all() {
		groups[fmt.Sprint(m.Body["groupKey"])] = true
		if resolved && m.Body["status"] != "resolved" {
			w.Errorf("the incident was opened again after it was resolved: %s", m.Raw)
		}
		resolved = m.Body["status"] == "resolved"
	}
	if len(groups) != 1 {
		w.Errorf("messages of %d incidents, want one: %v", len(groups), groups)
	}
	var deploys struct{ Items []verifier.Deploy }
	w.ask("GET", "/v1/deploys", "", &deploys)
	if len(deploys.Items) != 4 {
		w.Errorf("%d deploys are on record, want 4", len(deploys.Items))
	}
	if text := w.command("report", "--store", w.folder+"/verifier.db", "--month", time.Now().UTC().Format("2006-01"), "--format", "csv"); !strings.Contains(text, "4,1,") {
		w.Errorf("the report says:\n%s", text)
	}
}

// TestStopWaitsForWhatIsInFlight stops the daemon while its message hangs: it ends within 10 s, and the next one sends it again.
func TestStopWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	hung, free := make(chan bool, 100), make(chan bool)
	release := sync.OnceFunc(func() { close(free) }) // else the chat's server cannot close
	defer release()
	w := openTown(t, townOptions{mode: "approve", chat: func(n int, _ taken, out http.ResponseWriter) {
		hung <- true
		if n == 1 {
			<-free
		}
		out.WriteHeader(http.StatusAccepted)
	}})
	w.start()
	w.past()
	w.deploy("d1.1", "1.1", time.Now())
	<-hung
	if took, err := w.terminate(); err != nil || took > 11*time.Second {
		t.Errorf("SIGTERM took %s: %v", took, err)
	}
	release()
	w.start()
	w.until("the message is sent again", func() bool { return len(w.chat.all()) > 1 })
}

// TestKilledAtRandomKeepsEveryAnsweredEvent posts events from several senders while the daemon is killed again and again: whatever was
// answered is on record. VERIFIER_CRASHES says how often (make crash: 40).
func TestKilledAtRandomKeepsEveryAnsweredEvent(t *testing.T) {
	t.Parallel()
	crashes, err := strconv.Atoi(orDefault(os.Getenv("VERIFIER_CRASHES"), "3"))
	if err != nil {
		t.Fatal(err)
	}
	w := openTown(t, townOptions{})
	w.start()
	var answered sync.Map
	stop := make(chan bool)
	var senders sync.WaitGroup
	for sender := range 4 {
		senders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("e-%d-%d", sender, n)
				body := fmt.Sprintf(`{"id":%q,"service":"s%d","environment":"production","version":"1.%d"}`, id, n%5, n)
				if code := w.ask("POST", "/v1/deploys", body, nil); code == http.StatusAccepted || code == http.StatusOK {
					answered.Store(id, true)
				}
			}
		})
	}
	for range crashes {
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
		w.kill()
		w.start()
	}
	close(stop)
	senders.Wait()
	known := map[string]bool{}
	for after := ""; ; {
		var page struct {
			Items []verifier.Deploy
			Next  string
		}
		if code := w.ask("GET", "/v1/deploys?limit=500&after="+url.QueryEscape(after), "", &page); code != http.StatusOK {
			t.Fatalf("the list is answered %d", code)
		}
		for _, d := range page.Items {
			known[d.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	sent := 0
	answered.Range(func(id, _ any) bool {
		sent++
		if !known[id.(string)] {
			t.Errorf("%s was answered and is lost", id)
		}
		return true
	})
	if sent < crashes {
		t.Errorf("only %d events were answered", sent)
	}
	t.Logf("%d events were answered, %d are on record", sent, len(known))
}
