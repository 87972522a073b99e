package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// deployer is the deploy tool: it puts releases live and tells the daemon, and takes the daemon's rollback webhook.
type deployer struct {
	shop     *shop
	releases map[string]release
	daemon   string // address
	say      func(format string, args ...any)
	signed   *standardwebhooks.Webhook
	server   *httptest.Server
}

func openDeployer(s *shop, releases map[string]release, secret string, say func(string, ...any)) (*deployer, error) {
	signed, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("make the webhook's secret: %w", err)
	}
	d := &deployer{shop: s, releases: releases, say: say, signed: signed}
	d.server = httptest.NewServer(d)
	return d, nil
}

// deploy puts a version live and tells the daemon of it.
func (d *deployer) deploy(ctx context.Context, version, by string) (verification string, err error) {
	r, known := d.releases[version]
	if !known {
		return "", fmt.Errorf("there is no release %s", version)
	}
	d.shop.live.Store(&r)
	event := map[string]any{"service": service, "environment": environment, "version": version, "by": by, "at": time.Now().UTC()}
	var receipt struct{ ID, Verification string }
	err = call(ctx, http.MethodPost, d.daemon+"/v1/deploys", event, &receipt)
	return receipt.Verification, err
}

// ServeHTTP takes the rollback's webhook: it checks the signature, answers, and deploys the older version.
func (d *deployer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || d.signed.Verify(body, r.Header) != nil {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	var order struct{ ID, From, To, Reason string }
	if err := json.Unmarshal(body, &order); err != nil {
		http.Error(w, "this is no JSON", http.StatusBadRequest)
		return
	}
	d.say("deploy tool: the signed webhook %s came in; deploying %s again", order.ID, order.To)
	w.WriteHeader(http.StatusAccepted)
	go func() {
		if _, err := d.deploy(context.WithoutCancel(r.Context()), order.To, "verifier"); err != nil {
			d.say("deploy tool: %v", err)
		}
	}()
}

// pager is a PagerDuty that shows what it is sent.
type pager struct {
	server *httptest.Server
	say    func(format string, args ...any)
}

func openPager(say func(string, ...any)) *pager {
	p := &pager{say: say}
	p.server = httptest.NewServer(p)
	return p
}

// ServeHTTP takes PagerDuty's events.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event struct {
		Action  string `json:"event_action"`
		Key     string `json:"dedup_key"`
		Payload struct{ Summary string }
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&event); err != nil {
		http.Error(w, "this is no event", http.StatusBadRequest)
		return
	}
	p.say("pager (%s): %s", event.Action, event.Payload.Summary)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{"status":"success","message":"Event processed","dedup_key":"demo"}`)
}

// chat is a chat's incoming webhook that shows what it is sent.
type chat struct {
	server *httptest.Server
	mu     sync.Mutex
	last   string // message
	green  chan struct{}
	say    func(format string, args ...any)
}

func openChat(say func(string, ...any)) *chat {
	c := &chat{say: say, green: make(chan struct{}, 1)}
	c.server = httptest.NewServer(c)
	return c
}

// ServeHTTP takes Alertmanager's webhook body.
func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Status            string
		CommonAnnotations struct{ Title, Text, Links string }
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&message); err != nil {
		http.Error(w, "this is no message", http.StatusBadRequest)
		return
	}
	a := message.CommonAnnotations
	c.mu.Lock()
	defer c.mu.Unlock()
	told, edited := a.Title, c.last != "" && message.Status == "firing"
	if edited {
		told = news(c.last, a.Title)
	}
	c.last = a.Title
	switch {
	case told == "": // nothing that a person would notice
	case edited:
		c.say("chat, edited: %s", told)
	case message.Status == "firing":
		c.say("page to the team's chat:")
		for line := range strings.Lines(strings.TrimSpace(a.Title + "\n" + a.Text + "\n" + a.Links)) {
			c.say("  │ %s", strings.TrimSpace(line))
		}
	default:
		c.say("chat: %s", told)
		select {
		case c.green <- struct{}{}:
		default:
		}
	}
}

// call sends JSON and reads JSON.
func call(ctx context.Context, method, url string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %s: %s", method, url, response.Status, text)
	}
	if raw, ok := out.(*string); ok {
		*raw = string(text)
		return nil
	}
	return json.Unmarshal(text, out)
}
