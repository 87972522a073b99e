package sources

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// ServerConfig is how a server is reached over HTTP, and who asks.
type ServerConfig struct {
	URL             string                     `yaml:"url"`
	Lag             time.Duration              `yaml:"lag"` // how late its data are
	Headers         map[string]outbound.Secret `yaml:"headers"`
	BearerToken     outbound.Secret            `yaml:"bearer_token"`
	BearerTokenFile string                     `yaml:"bearer_token_file"` // read at each call: such files rotate
	Username        string                     `yaml:"username"`
	Password        outbound.Secret            `yaml:"password"`
	PasswordFile    string                     `yaml:"password_file"`
	CAFile          string                     `yaml:"ca_file"`
	Timeout         time.Duration              `yaml:"timeout"` // of one call; default 30 s
	Budget          BudgetConfig               `yaml:"budget"`
}

// way checks what can be checked without a call, and gives what puts the credentials on a request and the way out. A nil rt is made
// from ca_file and timeout.
func (c ServerConfig) way(rt http.RoundTripper) (login func(http.Header) error, out http.RoundTripper, err error) {
	if c.Lag < 0 || c.Timeout < 0 {
		return nil, nil, verifier.Invalid("lag", "and timeout must not be negative")
	}
	if rt == nil {
		if rt, err = outbound.New(outbound.Config{CAFile: c.CAFile, Timeout: c.Timeout}); err != nil {
			return nil, nil, err
		}
	}
	login, err = c.login()
	return login, rt, err
}

func serverURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, verifier.Invalid("url", "is no address; write http://host:9090 or https://...")
	case u.User != nil:
		return nil, verifier.Invalid("url", "holds a user; write username and password_file instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, verifier.Invalid("url", "holds a query or a fragment; write the address alone")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// login checks the credentials and gives what puts them on a request.
func (c ServerConfig) login() (func(http.Header) error, error) {
	password, err := outbound.ReadSecret(c.Password.Reveal(), c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	if (c.BearerToken != "" || c.BearerTokenFile != "") && (c.Username != "" || password != "") {
		return nil, verifier.Invalid("bearer_token", "and username are both given; keep one")
	}
	token := func() (outbound.Secret, error) { return outbound.ReadSecret(c.BearerToken.Reveal(), c.BearerTokenFile) }
	if _, err := token(); err != nil {
		return nil, fmt.Errorf("bearer_token: %w", err)
	}
	return func(h http.Header) error {
		for name, value := range c.Headers {
			h.Set(name, value.Reveal())
		}
		if c.Username != "" {
			r := http.Request{Header: h}
			r.SetBasicAuth(c.Username, password.Reveal())
		}
		t, err := token()
		if err == nil && t != "" {
			h.Set("Authorization", "Bearer "+t.Reveal())
		}
		return err
	}, nil
}
