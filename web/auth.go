package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"verifier"
)

// NewToken makes a secret and what of it is kept.
func NewToken() (secret string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b)
	secret = "vt_" + base64.RawURLEncoding.EncodeToString(b)
	return secret, HashToken(secret)
}

// HashToken is what is kept of a secret. Secrets are 32 random bytes, so a plain hash is enough.
func HashToken(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// allow serves callers that have the scope; without one everybody.
func (s *server) allow(scope string, serve http.HandlerFunc) http.HandlerFunc {
	if scope == "" {
		return serve
	}
	return func(w http.ResponseWriter, r *http.Request) {
		caller, err := s.caller(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if !has(caller.Scopes, scope) {
			s.fail(w, r, s.lacks(r.Context(), caller, scope))
			return
		}
		serve(w, r.WithContext(verifier.WithCaller(r.Context(), caller)))
	}
}

func (s *server) lacks(ctx context.Context, caller verifier.Caller, scope string) error {
	text := fmt.Sprintf("the token %s lacks the scope %s", caller.Name, scope)
	if caller.Name == localName {
		if local := s.local(ctx); local.Why != "" {
			text = local.Why + "; send a token with the scope " + scope
		}
	}
	return &refusal{http.StatusForbidden, text}
}

func has(scopes []string, wanted string) bool {
	return slices.Contains(scopes, wanted) || slices.Contains(scopes, verifier.ScopeAdmin) ||
		wanted == verifier.ScopeRead && slices.Contains(scopes, verifier.ScopeOperate)
}

// Local is what a caller on this machine may do without a token.
type Local struct {
	Scopes []string // none: a token is required
	Why    string   // why it may not do more; empty where there is nothing to say
}

// caller is who sent the request: the token's owner, or a caller on this machine without one, who is called local.
func (s *server) caller(r *http.Request) (verifier.Caller, error) {
	secret := secretOf(r)
	if secret == "" {
		return s.withoutToken(r)
	}
	token, err := s.record.Token(r.Context(), HashToken(secret))
	if errors.Is(err, verifier.ErrNotFound) || err == nil && token.Expires != nil && s.Now().After(*token.Expires) {
		return verifier.Caller{}, &refusal{http.StatusUnauthorized, "the token is unknown, removed or expired" + getToken}
	}
	if err != nil {
		return verifier.Caller{}, err
	}
	s.record.TokenUsed(HashToken(secret), token, s.Now())
	return verifier.Caller{Name: token.Name, Scopes: token.Scopes}, nil
}

const (
	localName = "local"
	getToken  = "; create one on the server's machine with `verifier token create NAME --scope SCOPE`, and send it as `Authorization: Bearer TOKEN` or, in a browser, as the password"
)

func (s *server) withoutToken(r *http.Request) (verifier.Caller, error) {
	needed := func(why string) error {
		if why != "" {
			why = ": " + why
		}
		return &refusal{http.StatusUnauthorized, "a token is required" + why + getToken}
	}
	if r.Header.Get("Authorization") != "" {
		return verifier.Caller{}, needed("the Authorization header holds neither Bearer nor Basic credentials")
	}
	if made, why := madeHere(r); !made {
		return verifier.Caller{}, needed(why)
	}
	local := s.local(r.Context())
	if len(local.Scopes) == 0 {
		return verifier.Caller{}, needed(local.Why)
	}
	return verifier.Caller{Name: localName, Scopes: local.Scopes}, nil
}

func (s *server) local(ctx context.Context) Local {
	switch {
	case s.Local != nil:
		return s.Local(ctx)
	case s.Loopback:
		return Local{Scopes: verifier.Scopes}
	}
	return Local{}
}

// secretOf is the token that the request brings; empty for none.
func secretOf(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// madeHere reports whether the request was made on this machine, and else why not. A page elsewhere that points its own name at
// 127.0.0.1 is not local, nor is what a proxy on this machine passes on.
func madeHere(r *http.Request) (here bool, why string) {
	if !isLoopback(r.RemoteAddr) {
		return false, ""
	}
	if header := forwarded(r.Header); header != "" {
		return false, "the request came through a proxy (header " + header + ")"
	}
	if !r.ProtoAtLeast(1, 1) { // no client speaks it any more; nginx's proxy_pass does by default, without any header
		return false, "the request came by HTTP/1.0, as through a proxy"
	}
	if !IsLoopback(r.Host) {
		return false, "the request was sent to the host " + strconv.Quote(clip(r.Host)) + ", not to 127.0.0.1 or localhost"
	}
	return true, ""
}

// IsLoopback reports whether a host, with or without a port, is this machine by an address or a name that no DNS server answers for.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// proxyHeaders are what reverse proxies, load balancers and tunnels add to a request; a * at the end stands for any rest.
var proxyHeaders = []string{
	"Forwarded", "Forwarded-*", "X-Forwarded", "X-Forwarded-*", "X-Original-*", "X-Real-*", "Via", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip",
	"X-Proxy-*", "Proxy-*", "X-Proxyuser-Ip", "Wl-Proxy-*", "Front-End-Https", "X-Scheme", "X-Url-Scheme", "X-Remote-*", "Remote-*", "X-Host", "X-Forward-*",
	"Cf-*", "Cdn-Loop", "Fastly-*", "X-Envoy-*", "X-Arr-*", "X-Azure-*", "X-Amzn-*", "X-Amz-Cf-*", "X-Appengine-*", "X-Goog-*", "X-Auth-Request-*", "X-Ssl-*", "Ssl-*",
	"X-Traefik-*", "Tailscale-*", "Ngrok-*", "X-Vercel-*", "Fly-*", "Do-Connecting-Ip", "X-Nginx-*", "X-Haproxy-*", "X-Varnish",
}

// forwarded is the first header that a proxy added, or nothing.
func forwarded(h http.Header) string {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, glob := range proxyHeaders {
			if verifier.Glob(glob, name) {
				return name
			}
		}
	}
	return ""
}
