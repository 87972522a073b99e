package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// taken is one request that a receiver took.
type taken struct {
	At     time.Time
	Path   string
	Header http.Header
	Raw    []byte
	Body   map[string]any
}

// receiver is a server on loopback that keeps what it is sent. answer, which may be nil, writes the answer of the n-th request
// (from 1 on) and may wait; without it the answer is 202.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	list   []taken
	answer func(n int, in taken, w http.ResponseWriter)
}

func openReceiver(t testing.TB, answer func(n int, in taken, w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

// ServeHTTP keeps the request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	text, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	in := taken{At: time.Now(), Path: q.URL.Path, Header: q.Header, Raw: text}
	if err != nil || json.Unmarshal(text, &in.Body) != nil {
		http.Error(w, "this is no JSON", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.list = append(r.list, in)
	n := len(r.list)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(n, in, w)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// all is what came in so far.
func (r *receiver) all() []taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]taken(nil), r.list...)
}

// openSlack is a Slack behind a proxy: its notifier knows no other host than slack.com. It gives the proxy's address.
func openSlack(t testing.TB) (*receiver, string) {
	t.Helper()
	slack := &receiver{answer: func(n int, in taken, w http.ResponseWriter) {
		ts, _ := in.Body["ts"].(string)
		if in.Path == "/api/chat.postMessage" {
			ts = fmt.Sprintf("170000%04d.0001", n)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"ok":true,"channel":"C024","ts":%q}`, ts)
	}}
	slack.Server = httptest.NewTLSServer(slack)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodConnect || q.Host != "slack.com:443" {
			http.Error(w, "this proxy leads to slack.com alone", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", slack.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(there, here); there.Close() }()
		io.Copy(here, there)
	}))
	t.Cleanup(func() { slack.CloseClientConnections(); slack.Close(); proxy.Close() })
	return slack, proxy.URL
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// checkSignature holds a rollback call against its Standard Webhooks signature and its own id.
func checkSignature(t testing.TB, in taken) {
	t.Helper()
	signed, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(in.Raw, in.Header); err != nil {
		t.Errorf("the rollback call's signature: %v", err)
	}
	if in.Header.Get("webhook-id") != in.Body["id"] {
		t.Errorf("webhook-id is %q, the call's id %v", in.Header.Get("webhook-id"), in.Body["id"])
	}
}
