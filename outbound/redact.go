package outbound

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	urlText    = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>` + "`" + `]+`)
	secretPath = regexp.MustCompile(`/(services|webhooks?|hooks?)/.*`)
)

// Redact is the error with the secrets of URLs in its text left out; what is inside can still be unwrapped. nil stays nil.
func Redact(err error) error {
	if err == nil {
		return nil
	}
	text := RedactText(err.Error())
	if text == err.Error() {
		return err
	}
	return &redacted{text, err}
}

type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// RedactText leaves the user, the query's values and what follows /services/, /webhooks/ and /hooks/ out of every URL in the text.
func RedactText(s string) string { return urlText.ReplaceAllStringFunc(s, redactURL) }

func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		scheme, _, _ := strings.Cut(s, "://")
		return scheme + "://..."
	}
	// Written by hand: url.URL would escape the dots' place holder and sort the query.
	out := u.Scheme + "://" + u.Host + secretPath.ReplaceAllString(u.EscapedPath(), "/$1/...")
	if u.RawQuery == "" {
		return out
	}
	var names []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name+"=...")
	}
	return out + "?" + strings.Join(names, "&")
}
