// Package outbound is how the program talks to other servers. New makes the one http.RoundTripper that every client uses: it bounds
// time and bytes, speaks TLS 1.2 or newer, and refuses addresses where clouds keep credentials, at the moment of connecting, so that
// a name that resolves differently the second time gains nothing. Client refuses redirects that would carry credentials elsewhere,
// JSON makes one call, Redact keeps secrets out of errors. Nothing is retried here: whoever owns the row or the question retries.
// Everything is safe for use by many goroutines.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"verifier"
)

// Config bounds what calls may do. The zero value is usable.
type Config struct {
	Timeout   time.Duration  // of one call, its whole body included; default 30 s
	MaxBytes  int64          // of one answer, unpacked; default 32 MiB
	Allow     []netip.Prefix // addresses to allow though they are link-local or serve cloud metadata
	CAFile    string         // PEM certificates to trust besides the system's
	UserAgent string         // default verifier
}

// New is the way out. An answer larger than MaxBytes is cut off with an error. Proxies come from the environment; behind one, the
// address guard sees the proxy's address only.
func New(c Config) (http.RoundTripper, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := trust(c.CAFile)
		if err != nil {
			return nil, err
		}
		tlsConfig.RootCAs = pool
	}
	return &transport{
		next: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer(c).DialContext, TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true,
			MaxIdleConns: 100, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 1 << 20,
		},
		timeout:   cmp.Or(c.Timeout, 30*time.Second),
		max:       cmp.Or(c.MaxBytes, defaultMaxBytes),
		userAgent: cmp.Or(c.UserAgent, "verifier"),
	}, nil
}

const defaultMaxBytes = 32 << 20

func dialer(c Config) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: guard(c.Allow)}
}

func trust(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, verifier.Invalid("ca_file", "%s holds no PEM certificate", file)
	}
	return pool, nil
}

type transport struct {
	next      *http.Transport
	timeout   time.Duration
	max       int64
	userAgent string
}

// RoundTrip makes the call. The deadline lasts until the body is closed.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	r = r.Clone(ctx)
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", t.userAgent)
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &bounded{body: resp.Body, left: t.max, max: t.max, cancel: cancel}
	return resp, nil
}

// CloseIdleConnections is what http.Client calls of the same name.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// ErrTooLarge says that an answer was cut off.
var ErrTooLarge = errors.New("answer is too large")

// bounded is a body that fails beyond max bytes, rather than ending there as if it were whole.
type bounded struct {
	body      io.ReadCloser
	left, max int64
	cancel    context.CancelFunc
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.max)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, tooLarge(b.max)
	}
	return n, err
}

func tooLarge(most int64) error { return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most) }

func (b *bounded) Close() error {
	defer b.cancel()
	return b.body.Close()
}

// Client is an http.Client over rt that follows redirects on the same host only, and never from https to http.
// A timeout of 0 leaves rt's own.
func Client(rt http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{Transport: rt, Timeout: timeout, CheckRedirect: sameHost}
}

func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case next.URL.Host != first.Host:
		return refused("redirects to another host, %s; write that address if it is meant", next.URL.Host)
	case first.Scheme == "https" && next.URL.Scheme != "https":
		return refused("redirects from https to %s", next.URL.Scheme)
	case len(via) >= 5:
		return refused("redirects more than %d times", len(via)-1)
	}
	return nil
}

// refusal is a call that this package itself forbade; it is an ErrInvalid.
type refusal struct{ text string }

func refused(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

func (r *refusal) Error() string        { return r.text }
func (r *refusal) Is(target error) bool { return target == verifier.ErrInvalid }
