package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"verifier"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var call = verifier.RollbackCall{
	Type: "rollback", ID: "rollback/d1/1", Verification: "d1", Service: "checkout", Environment: "production", From: "1.4.2", To: "1.4.1",
	Reason: "errors 4 %; $(touch pwned) \"quoted\"\nsecond line", By: "auto", At: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), URL: "https://v/d1",
}

func TestWebhookIsSigned(t *testing.T) {
	signed, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := signed.Verify(body, r.Header); err != nil {
			t.Errorf("the signature is wrong: %v", err)
		}
		var got verifier.RollbackCall
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(call, got); diff != "" {
			t.Error(diff)
		}
		if id := r.Header.Get("webhook-id"); id != call.ID {
			t.Errorf("webhook-id %q, want the action's key", id)
		}
		io.WriteString(w, "queued as task 7\nmore")
	}))
	defer server.Close()
	way, err := New(Config{Webhook: &WebhookConfig{URL: server.URL, Secret: secret}}, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	said, err := way.Call(t.Context(), call)
	if err != nil || said != "200 OK queued as task 7" {
		t.Errorf("said %q, %v", said, err)
	}
}

// TestSignatureVector holds the signature against the published vector.
func TestSignatureVector(t *testing.T) {
	way, err := newWebhook(WebhookConfig{URL: "http://localhost", Secret: secret}, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	way.now = func() time.Time { return time.Unix(1614265330, 0) }
	r, err := way.request(t.Context(), "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for code, temporary := range map[int]bool{408: true, 425: true, 429: true, 500: true, 503: true, 302: false, 400: false, 404: false, 409: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(code)
		}))
		way, err := New(Config{Webhook: &WebhookConfig{URL: server.URL, Secret: secret}}, http.DefaultTransport)
		if err != nil {
			t.Fatal(err)
		}
		_, err = way.Call(t.Context(), call)
		if err == nil || errors.Is(err, verifier.ErrTemporary) != temporary {
			t.Errorf("%d: %v, want temporary %v", code, err, temporary)
		}
		var later *verifier.TemporaryError
		if temporary && (!errors.As(err, &later) || later.After != 7*time.Second) {
			t.Errorf("%d: Retry-After is forgotten: %v", code, err)
		}
		server.Close()
	}
}

func TestWebhookNobodyThere(t *testing.T) {
	way, err := New(Config{Webhook: &WebhookConfig{URL: "http://127.0.0.1:1/hook?token=hush", Secret: secret}}, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	_, err = way.Call(t.Context(), call)
	if !errors.Is(err, verifier.ErrTemporary) || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v: want it temporary, without secrets", err)
	}
}

func TestCommandGetsTheFields(t *testing.T) {
	t.Setenv("VERIFIER_TOKEN", "hush")
	out := t.TempDir() + "/env"
	way, err := New(Config{Command: &CommandConfig{Command: []string{"/bin/sh", "-c", "env -0 > \"$OUT\"; echo started; echo task 9"}, Env: map[string]string{"OUT": out}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	said, err := way.Call(t.Context(), call)
	if err != nil || said != "task 9" {
		t.Errorf("said %q, %v", said, err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"VERIFIER_ID=rollback/d1/1", "VERIFIER_FROM=1.4.2", "VERIFIER_TO=1.4.1", "VERIFIER_REASON=" + call.Reason, "VERIFIER_BY=auto", "VERIFIER_TARGET="} {
		if !strings.Contains("\x00"+string(text), "\x00"+want+"\x00") {
			t.Errorf("the program's environment has no %q", want)
		}
	}
	if strings.Contains(string(text), "hush") {
		t.Error("the daemon's own environment reaches the program")
	}
}

func TestCommandAnswers(t *testing.T) {
	for _, c := range []struct {
		script, want string
		temporary    bool
	}{
		{"exit 75", "exit 75", true}, {"echo no such release >&2; exit 3", "exit 3: no such release", false}, {"sleep 20 & sleep 20", "did not end", true},
	} {
		way, err := New(Config{Command: &CommandConfig{Command: []string{"/bin/sh", "-c", c.script}, Timeout: 300 * time.Millisecond}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = way.Call(context.Background(), call)
		if err == nil || errors.Is(err, verifier.ErrTemporary) != c.temporary || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.script, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %s", c.script, took)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for want, c := range map[string]Config{
		"no way is given":   {},
		"keep one":          {Webhook: &WebhookConfig{}, Command: &CommandConfig{}},
		"not a URL":         {Webhook: &WebhookConfig{URL: "deploys"}},
		"secret is missing": {Webhook: &WebhookConfig{URL: "https://deploys.example.com"}},
		"whsec_ followed":   {Webhook: &WebhookConfig{URL: "https://deploys.example.com", Secret: "whsec_!"}},
		"command is empty":  {Command: &CommandConfig{}},
		"not found":         {Command: &CommandConfig{Command: []string{"no-such-program-here"}}},
	} {
		if _, err := New(c, http.DefaultTransport); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func TestCallerNeedsItsWay(t *testing.T) {
	caller := NewCaller(func(string) (Way, bool) { return nil, false })
	payload, err := json.Marshal(verifier.RollbackOrder{By: "gone", Call: call})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := caller.Perform(t.Context(), verifier.Action{Payload: payload}); err == nil || errors.Is(err, verifier.ErrTemporary) {
		t.Errorf("%v, want the end of it", err)
	}
}
