package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/web"
	"verifier/words"
)

// client asks a running server.
type client struct {
	server string
	token  string
	http   *http.Client
	zone   *time.Location // the server's, once it answered
}

const formatUsage = "text or json"

func addFormatFlag(c *cobra.Command) { c.Flags().String("format", "text", formatUsage) }

// addServerFlags adds what every command that asks a server takes.
func addServerFlags(c *cobra.Command) {
	c.Flags().String("server", envOr("VERIFIER_URL", "http://127.0.0.1:8080"), "address of the server (VERIFIER_URL)")
	addFormatFlag(c)
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func clientOf(c *cobra.Command) (*client, error) {
	server, _ := c.Flags().GetString("server")
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server %q is no address; write http://host:port", server)
	}
	return &client{server: strings.TrimSuffix(server, "/"), token: os.Getenv("VERIFIER_TOKEN"), http: &http.Client{}, zone: time.UTC}, nil
}

const maxAnswer = 16 << 20

// do sends one request, in as JSON unless it is a reader, and reads the JSON answer into out; a problem+json becomes an error that names every bad field.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.server, err)
	}
	if response.StatusCode >= 300 {
		return problemError(response, body)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s answered something that is not verifier's JSON: %w", c.server, err)
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if raw, ok := in.(io.Reader); ok {
		body = raw
	} else if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "verifier/"+version)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w (is `verifier serve` running there? name it with --server or VERIFIER_URL)", c.server, err)
	}
	if zone, err := time.LoadLocation(response.Header.Get(web.ZoneHeader)); err == nil {
		c.zone = zone
	}
	return response, nil
}

// answerError is an answer that is no success. Below 500 asking again will not mend it.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string { return e.text }

// final reports whether asking again will not mend an error.
func final(err error) bool {
	var answer *answerError
	return errors.As(err, &answer) && answer.status < 500
}

func problemError(response *http.Response, body []byte) error {
	var p struct {
		Title, Detail string
		Errors        []struct{ Field, Problem string }
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return &answerError{response.StatusCode, "the server answered " + response.Status}
	}
	var parts []string
	for _, e := range p.Errors {
		parts = append(parts, e.Field+": "+e.Problem)
	}
	if len(parts) == 0 {
		parts = []string{p.Detail}
	}
	text := strings.Join(parts, "; ")
	if text == "" {
		text = p.Title
	}
	if response.StatusCode == http.StatusUnauthorized {
		text += " (this command reads it from VERIFIER_TOKEN)"
	}
	return &answerError{response.StatusCode, text}
}

// when is a time as people read it, in the zone of the server's own sentences.
func (c *client) when(t time.Time) string { return words.Time(t, time.Now(), c.zone) }

// placeQuery are SERVICE ENV and --target as a query. Without --target the server refuses where there are several; --target ” is a name, that of
// deploys without one.
func placeQuery(c *cobra.Command, args []string) url.Values {
	q := url.Values{"service": {args[0]}, "environment": {args[1]}}
	if c.Flags().Changed("target") {
		target, _ := c.Flags().GetString("target")
		q.Set("target", target)
	}
	return q
}

// addTargetFlag is for every command that takes SERVICE ENV.
func addTargetFlag(c *cobra.Command) {
	c.Flags().String("target", "", "tenant, region or cell; required where the service has several there ('' for none)")
}

// placeText is SERVICE ENV and --target for messages.
func placeText(q url.Values) string {
	return verifier.Place{Service: q.Get("service"), Environment: q.Get("environment"), Target: q.Get("target")}.String()
}

// printed prints the value as JSON where that was asked for, else by text.
func printed(c *cobra.Command, value any, text func(io.Writer)) error {
	if f, _ := c.Flags().GetString("format"); f == "json" {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(value)
	}
	text(c.OutOrStdout())
	return nil
}
