package rollback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"verifier"
	"verifier/outbound"
)

// WebhookConfig is an address that takes the call, signed as https://www.standardwebhooks.com says.
type WebhookConfig struct {
	URL        string          `yaml:"url"`
	Secret     outbound.Secret `yaml:"secret"` // whsec_ and base64
	SecretFile string          `yaml:"secret_file"`
	Timeout    time.Duration   `yaml:"timeout"` // default 30 s
}

type webhook struct {
	url    string
	signed *standardwebhooks.Webhook
	client *http.Client
	now    func() time.Time
}

func newWebhook(c WebhookConfig, rt http.RoundTripper) (*webhook, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("webhook.url is not a URL (try https://deploys.example.com/rollback)")
	}
	secret, err := outbound.ReadSecret(c.Secret.Reveal(), c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("webhook.secret: %w", err)
	}
	if secret == "" {
		return nil, errors.New("webhook.secret is missing: who takes the call must be able to check who sent it; write secret_file")
	}
	signed, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		return nil, errors.New("webhook.secret is not a Standard Webhooks secret: use whsec_ followed by base64 of 24 to 64 bytes")
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	client := outbound.Client(rt, c.Timeout)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &webhook{url: c.URL, signed: signed, client: client, now: time.Now}, nil
}

// Call posts the call. 2xx is taken; 408, 425, 429, 5xx and no answer are temporary; everything else is refused.
func (w *webhook) Call(ctx context.Context, c verifier.RollbackCall) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write the call: %w", err)
	}
	request, err := w.request(ctx, c.ID, body)
	if err != nil {
		return "", err
	}
	response, err := w.client.Do(request)
	if err != nil {
		return "", &verifier.TemporaryError{Err: fmt.Errorf("the webhook did not answer: %w", outbound.Redact(err))}
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // what it says more is for the record alone
	said := strings.TrimSpace(response.Status + " " + firstLine(string(text)))
	switch {
	case response.StatusCode < 300:
		return said, nil
	case again(response.StatusCode):
		return "", &verifier.TemporaryError{After: outbound.RetryAfter(response.Header, w.now()), Err: fmt.Errorf("the webhook answered %s", said)}
	case response.StatusCode < 400:
		return "", fmt.Errorf("the webhook answered %s; a redirect is not followed, write the address that takes the call", said)
	}
	return "", fmt.Errorf("the webhook answered %s", said)
}

func (w *webhook) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	at := w.now()
	signature, err := w.signed.Sign(id, at, body)
	if err != nil {
		return nil, fmt.Errorf("sign the call: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, outbound.Redact(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", signature)
	return request, nil
}

func again(code int) bool {
	return code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return outbound.Excerpt(s)
}
