package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"verifier"
)

// StatusError is an answer other than 2xx. It is an ErrTemporary where another try may help, else an ErrInvalid.
type StatusError struct {
	Code  int
	After time.Duration // Retry-After; 0 when none was sent
	Body  string        // its beginning, printable, at most 300 runes
}

// Error gives the status and what the server said of it.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// Is tells temporary answers (408, 425, 429, 5xx) from final ones.
func (e *StatusError) Is(target error) bool {
	if e.temporary() {
		return target == verifier.ErrTemporary
	}
	return target == verifier.ErrInvalid
}

func (e *StatusError) temporary() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Code >= 500
}

// Status is nil for a 2xx answer, else a StatusError, for which it reads the beginning of the body. Temporary ones come inside a
// verifier.TemporaryError.
func Status(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what could be read of it is enough
	if IsHTML(resp.Header, head) {
		head = []byte(html.UnescapeString(string(unseen.ReplaceAll(head, []byte(" ")))))
	}
	e := &StatusError{Code: resp.StatusCode, After: RetryAfter(resp.Header, time.Now()), Body: Excerpt(string(head))}
	if e.temporary() {
		return &verifier.TemporaryError{After: e.After, Err: e}
	}
	return e
}

// unseen is what a page for people does not show: its head, scripts, comments and tags.
var unseen = regexp.MustCompile(`(?is)<head\b.*?</head>|<style\b.*?</style>|<script\b.*?</script>|<!--.*?-->|<[^>]*>`)

// RetryAfter is how long the server asks to be left alone, from seconds or a date; 0 when it does not say.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 24*3600)) * time.Second
	}
	t, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), 24*time.Hour)
}

// Excerpt is the beginning of a text from outside, fit for an error: one line, printable, at most 300 runes, URLs redacted.
func Excerpt(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	runes := []rune(RedactText(s))
	if len(runes) > 300 {
		return string(runes[:297]) + "..."
	}
	return string(runes)
}

// JSON makes one call. A nil in sends no body, a nil out wants none. Answers other than 2xx are a StatusError; no answer at all is
// an ErrTemporary. Errors hold no secrets of the URL.
func JSON(ctx context.Context, c *http.Client, method, url string, header http.Header, in, out any) error {
	req, err := jsonRequest(ctx, method, url, header, in)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer resp.Body.Close()
	where := method + " " + RedactText(url)
	if err := Status(resp); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", where, unanswered(err))
	}
	if err := decode(resp, body, out); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

func jsonRequest(ctx context.Context, method, url string, header http.Header, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request's body: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, Redact(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// unanswered is temporary, but for what was refused here.
func unanswered(err error) error {
	err = Redact(err)
	if errors.Is(err, verifier.ErrInvalid) || errors.Is(err, ErrTooLarge) {
		return err
	}
	return &verifier.TemporaryError{Err: err}
}

func decode(resp *http.Response, body []byte, out any) error {
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if IsHTML(resp.Header, body) {
		return errors.New("answered HTML instead of JSON; is there a login page or proxy before it?")
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("answered no JSON: %w: %s", err, Excerpt(string(body)))
	}
	return nil
}

// IsHTML reports whether an answer is a page for people, as login pages and proxies send with status 200.
func IsHTML(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}
