package rollback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"

	"verifier"
	"verifier/outbound"
)

// APIConfig is how a tool's API is reached.
type APIConfig struct {
	URL     string          `yaml:"url"`
	Key     outbound.Secret `yaml:"key"`
	KeyFile string          `yaml:"key_file"`
	Timeout time.Duration   `yaml:"timeout"` // of one request; default 30 s
}

func (c *APIConfig) place(relative func(string) string) { c.KeyFile = relative(c.KeyFile) }

// api makes calls to a tool.
type api struct {
	url    string
	header http.Header
	client *http.Client
}

// open reads the key and checks the address; tool is the key under rollback.by, for messages. header says how the key is sent.
func (c APIConfig) open(tool, example string, rt http.RoundTripper, header func(key string) http.Header) (*api, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s.url is not a URL (try %s)", tool, example)
	}
	key, err := outbound.ReadSecret(c.Key.Reveal(), c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s.key: %w", tool, err)
	}
	if key == "" {
		return nil, fmt.Errorf("%s.key is missing; write key_file", tool)
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return &api{strings.TrimSuffix(c.URL, "/"), header(key.Reveal()), outbound.Client(rt, c.Timeout)}, nil
}

// call makes one call; path begins with a slash.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	return explained(outbound.JSON(ctx, a.client, method, a.url+path, a.header, in, out))
}

// explained says what to do about the answers that every API gives.
func explained(err error) error {
	var status *outbound.StatusError
	if !errors.As(err, &status) {
		return err
	}
	switch status.Code {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w; is the key right, and still valid?", err)
	case http.StatusForbidden:
		return fmt.Errorf("%w; what may the key do there?", err)
	}
	return err
}

// notFound reports whether the API says that there is no such thing.
func notFound(err error) bool {
	var status *outbound.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// filler is a text with {{.Service}} and the like in it.
type filler struct{ *template.Template }

// parseText reads a text of the configuration; it may name Service, Environment, Target, From, To, Reason, By, URL and ID.
func parseText(key, text string) (filler, error) {
	t, err := template.New(key).Option("missingkey=error").Parse(text)
	if err != nil {
		return filler{}, fmt.Errorf("%s: %w", key, err)
	}
	f := filler{t}
	if _, err := f.fill("", verifier.RollbackCall{}); err != nil {
		return f, fmt.Errorf("%s: %w; there are Service, Environment, Target, From, To, Reason, By, URL and ID", key, err)
	}
	return f, nil
}

// fill writes the text; Service is what the tool calls it.
func (f filler) fill(tool string, c verifier.RollbackCall) (string, error) {
	c.Service = c.ServiceAs(tool)
	var b strings.Builder
	err := f.Execute(&b, c)
	return b.String(), err
}

// saysVersion reports whether one of the texts says which version to go back to.
func saysVersion(texts ...filler) bool {
	for _, f := range texts {
		one, _ := f.fill("", verifier.RollbackCall{To: "1.0"}) // errors: parseText filled it already
		other, _ := f.fill("", verifier.RollbackCall{To: "2.0"})
		if one != other {
			return true
		}
	}
	return false
}
