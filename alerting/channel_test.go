package alerting

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// loadVia loads a configuration whose every connection ends at one address.
func loadVia(t *testing.T, text, address string) *Alerting {
	t.Helper()
	dial := outbound.Dial(outbound.Config{})
	a, err := Load([]byte(text), filepath.Join(t.TempDir(), "verifier.yaml"), func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, address)
	}, &url.URL{Scheme: "https", Host: "v"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type request struct {
	path string
	key  string
	body map[string]any
}

// workspace is a server that answers as Slack does.
type workspace struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   string // instead of the good one, once
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	s := &workspace{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		r := request{path: q.URL.Path, key: q.Header.Get("Idempotency-Key")}
		if err := json.NewDecoder(q.Body).Decode(&r.body); err != nil {
			t.Error(err)
		}
		if got := q.Header.Get("Authorization"); got != "Bearer xoxb-hush" {
			t.Errorf("authorization %q", got)
		}
		s.requests = append(s.requests, r)
		w.Header().Set("Content-Type", "application/json")
		if s.answer != "" {
			fmt.Fprint(w, s.answer)
			s.answer = ""
			return
		}
		fmt.Fprintf(w, `{"ok":true,"ts":"17.%d","channel":"C1"}`, len(s.requests))
	}))
	t.Cleanup(s.Close)
	return s
}

const slackConfig = `
receivers:
  - name: chat
    slack_configs:
      - {api_url: 'https://slack.com/api/chat.postMessage', channel: '#deploys', update_message: true,
         http_config: {authorization: {credentials: xoxb-hush}, tls_config: {insecure_skip_verify: true}}}
route: {receiver: chat}
`

func TestSlackMessageIsEditedInPlace(t *testing.T) {
	s := newWorkspace(t)
	load := func() *Alerting { return loadVia(t, slackConfig, s.Listener.Addr().String()) }
	memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
	in.Title, in.Text = "cart *new* <1> is worse in production", "(14:02 UTC by a&b_c). Errors `x` > 4 %."
	in.Links = append(in.Links, verifier.Link{Text: "Evidence", URL: "https://v/verifications/d1"})
	run(t, load(), b, in, memories)
	resolved := now.Add(9 * time.Minute)
	in.Resolved, in.Revision, in.Title = &resolved, 2, "back on 1.4.1"
	run(t, load(), b, in, memories) // as after a restart: only the memory is left
	if len(s.requests) != 2 || s.requests[0].path != "/api/chat.postMessage" || s.requests[1].path != "/api/chat.update" {
		t.Fatalf("%+v, want one post and one update", s.requests)
	}
	first, second := s.requests[0], s.requests[1]
	if first.key != "alert/verdict/d1/production/payments/chat/slack/0/1" || second.key != "alert/verdict/d1/production/payments/chat/slack/0/2" {
		t.Errorf("keys %q and %q", first.key, second.key)
	}
	if second.body["ts"] != "17.1" || second.body["channel"] != "C1" {
		t.Errorf("the update goes to %v", second.body)
	}
	a := first.body["attachments"].([]any)[0].(map[string]any)
	const z = "\u200b"
	for key, want := range map[string]string{
		"title":      "🔴 cart " + z + "*" + z + "new" + z + "*" + z + " &lt;1&gt; is worse in production",
		"title_link": "https://v/verifications/d1", "color": "danger",
		"text": "(14:02 UTC by a&amp;b_c). Errors " + z + "`" + z + "x" + z + "`" + z + " &gt; 4 %.\n<https://v/stop|Stop> · <https://v/verifications/d1|Evidence>",
	} {
		if a[key] != want {
			t.Errorf("%s is %q, want %q", key, a[key], want)
		}
	}
	if a := second.body["attachments"].([]any)[0].(map[string]any); a["color"] != "good" || a["title"] != "🟢 back on 1.4.1" {
		t.Errorf("the end reads %v", a)
	}
	for _, r := range s.requests {
		if strings.Contains(fmt.Sprint(r.body), "Alertmanager") {
			t.Errorf("%v speaks of Alertmanager", r.body)
		}
	}
}

func TestSlackMessageThatWasDeletedIsPostedAgain(t *testing.T) {
	s := newWorkspace(t)
	a := loadVia(t, slackConfig, s.Listener.Addr().String())
	memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
	run(t, a, b, in, memories)
	in.Revision = 2
	s.answer = `{"ok":false,"error":"message_not_found"}`
	p := a.Performer(b, func(verifier.Incident, time.Time) bool { return false })
	b[in.ID] = in
	action := a.Targets(in, now)[0]
	action.Memory = memories[action.Key]
	done, err := p.Perform(t.Context(), action)
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Fatalf("%v, want to try again", err)
	}
	memories[action.Key] = done.Memory
	run(t, a, b, in, memories)
	if n := len(s.requests); n != 3 || s.requests[2].path != "/api/chat.postMessage" {
		t.Errorf("%+v, want a new message at the end", s.requests)
	}
}

// TestSendResolvedIsHonoured: false is what Alertmanager has for Slack and e-mail, and here where it is written.
func TestSendResolvedIsHonoured(t *testing.T) {
	for text, want := range map[string]int{
		slackConfig: 2, strings.Replace(slackConfig, "update_message: true", "update_message: true, send_resolved: false", 1): 1,
		strings.Replace(slackConfig, "update_message: true", "send_resolved: true", 1): 2, strings.Replace(slackConfig, " update_message: true,", "", 1): 1,
	} {
		s := newWorkspace(t)
		a := loadVia(t, text, s.Listener.Addr().String())
		memories, b, in := map[string]json.RawMessage{}, book{}, trouble14()
		run(t, a, b, in, memories)
		resolved := now
		in.Resolved, in.Revision = &resolved, 2
		run(t, a, b, in, memories)
		if len(s.requests) != want {
			t.Errorf("%d requests, want %d:\n%s", len(s.requests), want, text)
		}
	}
}

func TestPagerDutyBody(t *testing.T) {
	pager := newInbox(t)
	a := load(t, fmt.Sprintf("receivers: [{name: on-call, pagerduty_configs: [{routing_key: k, url: '%s'}]}]\nroute: {receiver: on-call}", pager.URL))
	in := trouble14()
	in.Title, in.Text = strings.Repeat("x", 2000), "Errors after 1.4.2: 4.1 %.\nmore: all"
	run(t, a, book{}, in, map[string]json.RawMessage{})
	body := pager.bodies[0]
	payload := body["payload"].(map[string]any)
	if n := len([]rune(payload["summary"].(string))); n > 1024 {
		t.Errorf("the summary has %d runes", n)
	}
	if payload["severity"] != "critical" || payload["source"] != "verifier" || body["client"] != "verifier" || body["client_url"] != in.URL {
		t.Errorf("payload %v of %v", payload, body)
	}
	links := fmt.Sprint(body["links"])
	if !strings.Contains(links, "https://v/stop") || strings.Count(links, "href") != 1 {
		t.Errorf("links %s", links)
	}
	details := payload["custom_details"].(map[string]any)
	if want := []any{in.Text, "Stop: https://v/stop"}; len(details) != 1 || !reflect.DeepEqual(details["text"], want) {
		t.Errorf("details %v", details)
	}
	if strings.Contains(strings.ToLower(fmt.Sprint(body, pager.headers)), "alertmanager") {
		t.Errorf("it speaks of Alertmanager: %v %v", body, pager.headers)
	}
}

// TestIdempotencyKeyIsTheSameThroughRetries also holds what each answer means: what the receiver refuses for good is given up.
func TestIdempotencyKeyIsTheSameThroughRetries(t *testing.T) {
	for code, temporary := range map[int]bool{408: true, 425: true, 429: true, 500: true, 503: true, 400: false, 403: false, 404: false, 410: false} {
		var keys []string
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			keys = append(keys, q.Header.Get("Idempotency-Key"))
			w.WriteHeader(code)
		}))
		a := load(t, fmt.Sprintf("receivers: [{name: 'web/hook', webhook_configs: [{url: '%s/hooks/hush?k=hush'}]}]\nroute: {receiver: web/hook}", hook.URL))
		in := trouble14()
		p := a.Performer(book{in.ID: in}, func(verifier.Incident, time.Time) bool { return false })
		for range 2 {
			_, err := p.Perform(t.Context(), a.Targets(in, now)[0])
			var again *verifier.TemporaryError
			if err == nil || asTemporary(err, &again) != temporary || strings.Contains(err.Error(), "hush") {
				t.Errorf("%d: %v, want temporary %v", code, err, temporary)
			}
		}
		hook.Close()
		const want = "alert/verdict/d1/production/payments/web/hook/webhook/0/1"
		if len(keys) != 2 || keys[0] != want || keys[1] != want {
			t.Errorf("keys %q, want %q twice", keys, want)
		}
	}
}

func TestNobodyThereAndHangingAreTriedAgain(t *testing.T) {
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		io.Copy(io.Discard, q.Body)
		<-q.Context().Done()
	}))
	defer stuck.Close()
	for _, address := range []string{"http://127.0.0.1:1", stuck.URL} {
		a := load(t, fmt.Sprintf("receivers: [{name: h, webhook_configs: [{url: '%s/hush'}]}]\nroute: {receiver: h}", address))
		in := trouble14()
		p := a.Performer(book{in.ID: in}, func(verifier.Incident, time.Time) bool { return false })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := p.Perform(ctx, a.Targets(in, now)[0])
		cancel()
		var again *verifier.TemporaryError
		if !asTemporary(err, &again) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want it tried again", address, err)
		}
	}
}

func TestMetadataAddressIsRefused(t *testing.T) {
	a := load(t, "receivers: [{name: h, webhook_configs: [{url: 'http://169.254.169.254/latest'}]}]\nroute: {receiver: h}")
	in := trouble14()
	p := a.Performer(book{in.ID: in}, func(verifier.Incident, time.Time) bool { return false })
	if _, err := p.Perform(t.Context(), a.Targets(in, now)[0]); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("%v, want the address refused", err)
	}
}

func TestKeysAreHidden(t *testing.T) {
	for _, text := range []string{
		`Post "https://hooks.slack.com/services/T/B/hush12345": EOF`, `Post "https://api.telegram.org/bot1:hush12345/sendMessage": EOF`,
		"unexpected status code 400: invalid routing_key: hush12345hush", `{"api_key":"hush12345hush"}`, "token xoxb-1-hush12345 is revoked",
		"https://x.webhook.office.com/webhookb2/hush12345: EOF", "https://u:hush12345@h:80", "https://alert.victorops.com/integrations/generic/1/alert/hush12345/x",
	} {
		if got := hideKeys(fmt.Errorf("%s", text)).Error(); strings.Contains(got, "hush12345") {
			t.Errorf("%s", got)
		}
	}
}

// postbox is a mail server that keeps what it is given.
type postbox struct {
	net.Listener
	mails chan string
}

func newPostbox(t *testing.T, refuse bool) *postbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postbox{ln, make(chan string, 9)}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.serve(conn, refuse)
		}
	}()
	return p
}

func (p *postbox) serve(conn net.Conn, refuse bool) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 test\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case verb == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			p.mails <- text.String()
			fmt.Fprint(conn, "250 kept\r\n")
		case verb == "RCPT" && refuse:
			fmt.Fprint(conn, "550 nobody of that name\r\n")
		case verb == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

func mailConfig(p *postbox) string {
	return fmt.Sprintf("global: {smtp_smarthost: '%s', smtp_from: verifier@example.com, smtp_require_tls: false}\n"+
		"receivers: [{name: mail, email_configs: [{to: lead@example.com, send_resolved: true}]}]\nroute: {receiver: mail}", p.Addr())
}

func TestMailHasSubjectAndBothParts(t *testing.T) {
	p := newPostbox(t, false)
	in := trouble14()
	in.Text = "cart <b>1.4.2</b> & more: Errors 4.1 %."
	run(t, load(t, mailConfig(p)), book{}, in, map[string]json.RawMessage{})
	subject, plain, html := mailed(t, <-p.mails)
	if subject != "🔴 checkout 1.4.2 is worse in production" {
		t.Errorf("subject %q", subject)
	}
	if !strings.Contains(plain, in.Text) || !strings.Contains(plain, "Stop: https://v/stop") {
		t.Errorf("plain part %q", plain)
	}
	for _, want := range []string{"cart &lt;b&gt;1.4.2&lt;/b&gt; &amp; more", `<a href="https://v/stop"`, ">Stop</a>"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in the HTML part %s", want, html)
		}
	}
	if file := os.Getenv("WRITE_MAIL"); file != "" {
		if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(subject+plain+html, "Alertmanager") {
		t.Error("the mail speaks of Alertmanager")
	}
}

func TestMailThatIsRefusedIsGivenUp(t *testing.T) {
	p := newPostbox(t, true)
	a, in := load(t, mailConfig(p)), trouble14()
	_, err := a.Performer(book{in.ID: in}, func(verifier.Incident, time.Time) bool { return false }).Perform(t.Context(), a.Targets(in, now)[0])
	var again *verifier.TemporaryError
	if err == nil || asTemporary(err, &again) {
		t.Errorf("%v, want the end of it", err)
	}
}
