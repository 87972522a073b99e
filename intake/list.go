package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// API is how a tool's own list of what it deployed is asked for: events get lost.
type API struct {
	URL      string          `yaml:"url"`
	User     string          `yaml:"user"` // whose key it is, for tools that want to know
	Key      outbound.Secret `yaml:"key"`
	KeyFile  string          `yaml:"key_file"`
	Eauth    string          `yaml:"eauth"`    // of Salt: how the user proves who it is; default pam
	Projects []string        `yaml:"projects"` // what is asked for: GitHub's repositories, Jenkins' jobs, Octopus' spaces, ...
	Every    time.Duration   `yaml:"every"`    // default 5m
}

// EveryMissed is how often tools are asked for what was missed, where nothing else is configured.
const EveryMissed = 5 * time.Minute

// listing is how one tool tells what it did.
type listing struct {
	url      string // where the tool is, if nobody says; empty: it must be said
	example  string // of an address
	projects string // what must be listed under projects, for messages; empty: nothing must
	user     bool   // a user is needed
	header   func(a API, key string) http.Header
	list     func(ctx context.Context, l *lister, since time.Time) error
}

// lister gathers what a tool tells, in the words of its events, so that it is read like those.
type lister struct {
	API
	listing
	hook   *hook
	key    string
	header http.Header
	client *http.Client
	found  []verifier.Delivery

	completing *completing
}

// Bounds of one list.
const (
	listTimeout = 30 * time.Second
	mostPages   = 50
	mostFound   = 5000
)

// openAPI reads how the tool is asked; nil where it is not.
func (h *hook) openAPI(rt http.RoundTripper) error {
	if h.API == nil {
		return nil
	}
	a, t := *h.API, h.lists
	if t == nil {
		return fmt.Errorf("api: %s has no list of what it deployed; take it out", h.Tool)
	}
	if a.URL == "" {
		a.URL = t.url
	}
	a.URL = strings.TrimSuffix(a.URL, "/")
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("api.url is no address; write %s", t.example)
	}
	key, err := outbound.ReadSecret(a.Key.Reveal(), a.KeyFile)
	switch {
	case err != nil:
		return fmt.Errorf("api.key: %w", err)
	case key == "":
		return errors.New("api.key is missing; write key_file")
	case t.user && a.User == "":
		return errors.New("api.user is missing; write whose key it is")
	case t.projects != "" && len(a.Projects) == 0:
		return fmt.Errorf("api.projects is missing; write %s", t.projects)
	case a.Every < 0 || a.Every > 0 && a.Every < time.Second:
		return errors.New("api.every: write 1s at least; 5m is the default")
	}
	if a.Every == 0 {
		a.Every = EveryMissed
	}
	h.asks = &lister{API: a, listing: *t, hook: h, key: key.Reveal(), client: outbound.Client(rt, listTimeout), completing: &completing{known: map[string]octopusMore{}}}
	if t.header != nil {
		h.asks.header = t.header(a, key.Reveal())
	}
	if rt == nil {
		h.asks.client.Transport = nobody{}
	}
	return nil
}

// Every is how often the hook's tool is asked for what was missed; 0 where it is not.
func (hooks Hooks) Every(name string) time.Duration {
	if h := hooks[name]; h != nil && h.asks != nil {
		return h.asks.Every
	}
	return 0
}

// Listed is one event as the tool's own list tells it, with what it means.
type Listed struct {
	Delivery verifier.Delivery
	Mapped
	Err error // it cannot be read
}

// List asks the hook's tool for what it did since, in the order in which it was done. What it tells is put into the words of the tool's
// events, and read as they are.
func (hooks Hooks) List(ctx context.Context, name string, since, now time.Time) ([]Listed, error) {
	h := hooks[name]
	if h == nil || h.asks == nil {
		return nil, fmt.Errorf("hook %s: %w", name, verifier.ErrNotFound)
	}
	l := *h.asks
	if err := l.list(ctx, &l, since); err != nil {
		return nil, fmt.Errorf("ask %s for what was missed: %w", h.Tool, err)
	}
	var out []Listed
	for _, d := range l.found {
		d.Tool, d.By, d.ReceivedAt = name, name, now
		d = h.completed(ctx, d)
		mapped, err := h.mapped(d)
		out = append(out, Listed{d, mapped, err})
	}
	slices.SortStableFunc(out, func(a, b Listed) int { return first(a).Compare(first(b)) })
	return out, nil
}

// completed is the delivery with what its tool's API says more of it, where it may be asked.
func (h *hook) completed(ctx context.Context, d verifier.Delivery) verifier.Delivery {
	if h.asks == nil || h.complete == nil {
		return d
	}
	return h.complete(ctx, h, d)
}

func first(l Listed) time.Time {
	if len(l.Deploys) == 0 {
		return time.Time{}
	}
	return l.Deploys[0].At
}

// add notes one event; id tells it from the tool's others.
func (l *lister) add(id string, header map[string]string, body any) error {
	if len(l.found) >= mostFound {
		return fmt.Errorf("there are more than %d events", mostFound)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	d := verifier.Delivery{ID: verifier.FoundID + id, Header: map[string][]string{"Content-Type": {"application/json"}}, Body: text}
	for name, value := range header {
		d.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	l.found = append(l.found, d)
	return nil
}

// get asks for one page; path begins with a slash, or is a whole address of the same server.
func (l *lister) get(ctx context.Context, path string, out any) error {
	address := l.URL + path
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		if !sameServer(l.URL, path) {
			return fmt.Errorf("the next page is at another server, %s", outbound.Excerpt(path))
		}
		address = path
	}
	return l.explain(outbound.JSON(ctx, l.client, http.MethodGet, address, l.header, nil, out))
}

// sameServer keeps the key from others.
func sameServer(a, b string) bool {
	u, err := url.Parse(a)
	v, worse := url.Parse(b)
	return err == nil && worse == nil && u.Scheme == v.Scheme && u.Host == v.Host
}

// explain says what to do about the answers that every API gives.
func (l *lister) explain(err error) error {
	var status *outbound.StatusError
	if !errors.As(err, &status) {
		return err
	}
	switch status.Code {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w; is hooks.%s.api.key right, and still valid?", err, l.hook.name)
	case http.StatusForbidden:
		return fmt.Errorf("%w; what may the key of hooks.%s.api read?", err, l.hook.name)
	case http.StatusNotFound:
		return fmt.Errorf("%w; are hooks.%s.api.url and projects right?", err, l.hook.name)
	}
	return err
}

func bearer(_ API, key string) http.Header {
	return http.Header{"Authorization": {"Bearer " + key}, "Accept": {"application/json"}}
}

// unread says that an item of a list is not what it should be; err is nil where it has no id.
func unread(what string, err error) error {
	if err == nil {
		err = errors.New("it has no id")
	}
	return fmt.Errorf("%s of the list cannot be read: %w", what, err)
}
