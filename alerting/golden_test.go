package alerting

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

// arriving are the incidents whose messages are kept as golden files: what lifecycle tells, the daemon's own trouble, a report.
func arriving(t *testing.T) map[string]verifier.Incident {
	t.Helper()
	all := map[string]verifier.Incident{}
	for _, name := range []string{"rolling-back", "awaiting-approval", "refused", "recovered", "environment", "off"} {
		var in verifier.Incident
		if err := json.Unmarshal(file(t, "../lifecycle/testdata/told/"+name+".json"), &in); err != nil {
			t.Fatal(err)
		}
		all[name] = in
	}
	all["source"] = verifier.Incident{
		ID: "source/logs@2026-11-24T14:11:00Z", Kind: verifier.IncidentSource, Receiver: "all", Opened: now, Updated: now, Revision: 1, Person: true,
		Labels: map[string]string{"kind": "source", "severity": "page"}, Severity: verifier.SeverityPage, URL: "https://verifier.example.com/",
		Title: "verifier cannot read logs", Text: "dial tcp 10.0.0.7:9200: connect: connection refused",
	}
	all["report"] = verifier.Incident{
		ID: "report/0/2016-10-01T09:00:00Z", Kind: verifier.IncidentReport, Receiver: "all", Opened: now, Updated: now, Revision: 1, Resolved: &now,
		Labels: map[string]string{"kind": "report", "severity": "warn"}, Severity: verifier.SeverityWarn, URL: "https://verifier.example.com/reports/2016-09",
		Title: "Deploys and rollbacks of 2016-09", Text: string(file(t, "../report/testdata/full.text")), HTML: string(file(t, "../report/testdata/full.html")),
	}
	return all
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWhatArrives keeps what people see of each incident, as Slack, a mail program and PagerDuty show it.
func TestWhatArrives(t *testing.T) {
	for name, in := range arriving(t) {
		t.Run(name, func(t *testing.T) {
			got := arrived(t, in)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, []byte(got), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(file(t, golden)), got); d != "" {
				t.Error(d)
			}
		})
	}
}

// arrived is what the three channels get. A recovered incident was told as open before; reports go to no pager.
func arrived(t *testing.T, in verifier.Incident) string {
	t.Helper()
	slack, post, pager := newWorkspace(t), newPostbox(t, false), newInbox(t)
	tell := func(a *Alerting) {
		memories := map[string]json.RawMessage{}
		if in.Kind != verifier.IncidentReport && in.Resolved != nil {
			open := in
			open.Resolved, open.Person, open.Revision = nil, true, 0
			run(t, a, book{}, open, memories)
		}
		run(t, a, book{}, in, memories)
	}
	one := func(text string) string {
		return strings.NewReplacer("name: chat", "name: all", "name: mail", "name: all", "receiver: chat", "receiver: all", "receiver: mail", "receiver: all").Replace(text)
	}
	tell(loadVia(t, one(slackConfig), slack.Listener.Addr().String()))
	tell(load(t, one(mailConfig(post))))
	tell(load(t, fmt.Sprintf("receivers: [{name: all, pagerduty_configs: [{routing_key: k, url: '%s'}]}]\nroute: {receiver: all}", pager.URL)))
	shown := slack.requests[len(slack.requests)-1].body["attachments"].([]any)[0].(map[string]any)
	out := fmt.Sprintf("Slack (%v)\n\n%v\n%v\n\n", shown["color"], shown["title"], shown["text"])
	var subject, plain string
	for len(post.mails) > 0 {
		subject, plain, _ = mailed(t, <-post.mails)
	}
	out += fmt.Sprintf("E-mail: %s\n\n%s\n\n", subject, strings.TrimSpace(plain))
	if len(pager.bodies) == 0 {
		return out + "PagerDuty: nothing\n"
	}
	page := pager.bodies[len(pager.bodies)-1]
	out += fmt.Sprintf("PagerDuty: %v\n", page["event_action"])
	if payload, ok := page["payload"].(map[string]any); ok && page["event_action"] == "trigger" {
		out += fmt.Sprintf("\n%v (%v)\n", payload["summary"], payload["severity"])
		for _, line := range payload["custom_details"].(map[string]any)["text"].([]any) {
			out += fmt.Sprintf("%v\n", line)
		}
	}
	return out
}

// mailed takes a message apart: its subject, its plain part and its HTML.
func mailed(t *testing.T, text string) (subject, plain, html string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for reader := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if err != nil {
			return subject, plain, html
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			plain = strings.ReplaceAll(string(body), "\r\n", "\n")
		case "text/html":
			html = strings.ReplaceAll(string(body), "\r\n", "\n")
		}
	}
}

// TestReportByMail is the report's own page, and its text for those who read no HTML.
func TestReportByMail(t *testing.T) {
	p, in := newPostbox(t, false), arriving(t)["report"]
	in.Receiver = "mail"
	run(t, load(t, mailConfig(p)), book{}, in, map[string]json.RawMessage{})
	_, plain, html := mailed(t, <-p.mails)
	if strings.TrimSpace(html) != strings.TrimSpace(in.HTML) || !strings.Contains(plain, strings.TrimSpace(in.Text)) {
		t.Errorf("the mail's parts are\n%s\n%s", plain, html)
	}
}

// TestThirtyMembersFitIntoSlack also holds a table that is too long, and texts that grow when they are escaped.
func TestThirtyMembersFitIntoSlack(t *testing.T) {
	long := arriving(t)["refused"]
	long.Text = strings.TrimSpace(strings.Repeat(long.Text+" & <more>\n", 30))
	table := arriving(t)["report"]
	table.Receiver = "chat"
	table.Text = strings.Repeat("  payments-api  201  2.4 %  ████ & more\n", 200)
	unbroken := long
	unbroken.Text = strings.Repeat("&", 5000)
	for _, in := range []verifier.Incident{long, table, unbroken} {
		s := newWorkspace(t)
		run(t, loadVia(t, slackConfig, s.Listener.Addr().String()), book{}, in, map[string]json.RawMessage{})
		text := s.requests[0].body["attachments"].([]any)[0].(map[string]any)["text"].(string)
		if n := len([]rune(text)); n > 3000 || n < 2000 || !strings.Contains(text, "… more in verifier") {
			t.Errorf("%d characters: %s", n, text)
		}
		for _, l := range in.Links {
			if !strings.Contains(text, "<"+l.URL+"|"+l.Text+">") {
				t.Errorf("the link %s is gone: %s", l.Text, text)
			}
		}
		if in.Kind == verifier.IncidentReport && (!strings.HasPrefix(text, "```\n") || !strings.HasSuffix(text, "\n```")) {
			t.Errorf("no table: %s", text)
		}
		if strings.Contains(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text), "&") {
			t.Error("an escape is cut in two")
		}
	}
}
