package intake

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// checkSecret compares the one secret that a tool sends which signs nothing: in a header, as it is or as a Bearer token, or as the
// password of Basic authentication.
func checkSecret(h *hook, r *http.Request, _ []byte) error {
	if h.User != "" {
		return checkBasic(h, r)
	}
	given := r.Header.Get(h.Header)
	if given == "" {
		return &Error{http.StatusUnauthorized, "the header " + h.Header + " is missing; let " + h.Tool + " send it with the secret of hooks." + h.name}
	}
	if strings.EqualFold(h.Header, "Authorization") {
		if token, ok := strings.CutPrefix(given, "Bearer "); ok {
			given = token
		}
	}
	if !same(given, h.secret.Reveal()) {
		return &Error{http.StatusUnauthorized, "the header " + h.Header + " does not hold the secret of hooks." + h.name}
	}
	return nil
}

// checkBasic takes Basic authentication, and TeamCity's own two headers for the same.
func checkBasic(h *hook, r *http.Request) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("Php-Auth-User"), r.Header.Get("Php-Auth-Pw")
	}
	switch {
	case user == "" && password == "":
		return &Error{http.StatusUnauthorized, "Basic authentication is missing; let " + h.Tool + " send user and secret of hooks." + h.name}
	case !same(user, h.User) || !same(password, h.secret.Reveal()):
		return &Error{http.StatusUnauthorized, "user or password are not those of hooks." + h.name}
	}
	return nil
}

// same compares in a time that does not depend on where they differ.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
