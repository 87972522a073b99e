package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"slices"
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
			s.fail(w, r, &refusal{http.StatusForbidden, "the token " + caller.Name + " has no scope " + scope})
			return
		}
		serve(w, r.WithContext(verifier.WithCaller(r.Context(), caller)))
	}
}

func has(scopes []string, wanted string) bool {
	return slices.Contains(scopes, wanted) || slices.Contains(scopes, verifier.ScopeAdmin) ||
		wanted == verifier.ScopeRead && slices.Contains(scopes, verifier.ScopeOperate)
}

// caller is who sent the request: the token's owner, or anybody on loopback, who is called local.
func (s *server) caller(r *http.Request) (verifier.Caller, error) {
	secret := secretOf(r)
	if secret == "" {
		if s.Loopback && r.Header.Get("Authorization") == "" && onLoopback(r) {
			return verifier.Caller{Name: "local", Scopes: verifier.Scopes}, nil
		}
		return verifier.Caller{}, &refusal{http.StatusUnauthorized, "a token is needed: Authorization: Bearer …, or as the password of Basic"}
	}
	token, err := s.record.Token(r.Context(), HashToken(secret))
	if errors.Is(err, verifier.ErrNotFound) || err == nil && token.Expires != nil && s.Now().After(*token.Expires) {
		return verifier.Caller{}, &refusal{http.StatusUnauthorized, "this token is not known, or no longer"}
	}
	return verifier.Caller{Name: token.Name, Scopes: token.Scopes}, err
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

// onLoopback holds the peer's address and the name it asked for against loopback: a page elsewhere that points its own name at
// 127.0.0.1 is not local, nor is what a proxy on this machine passes on.
func onLoopback(r *http.Request) bool {
	for _, passedOn := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(passedOn) != "" {
			return false
		}
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(peer)
	host := r.Host
	if h, _, splitErr := net.SplitHostPort(r.Host); splitErr == nil {
		host = h
	}
	named := net.ParseIP(strings.Trim(host, "[]"))
	return err == nil && ip != nil && ip.IsLoopback() && (host == "localhost" || named != nil && named.IsLoopback())
}
