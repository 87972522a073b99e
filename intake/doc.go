// Package intake takes the events of deploy tools: one file for each tool.
//
// A request is checked (who sent it, how large it is), mapped to deploys by a pure function, and given to the Recorder together with
// the raw delivery; nothing is answered before both are written. Every field that is wrong is named in the answer. Events of a tool
// that say nothing about a deploy are kept as deliveries, and answered with the reason why they are ignored; what a tool sent with
// the right secret and nobody can read is kept too, to be looked at.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"verifier"
	"verifier/outbound"
)

// Recorder writes a delivery with its deploys, all or nothing.
type Recorder interface {
	Record(ctx context.Context, d verifier.Delivery, deploys []verifier.Deploy) ([]verifier.Receipt, error)
}

// Hook is how a tool proves who it is.
type Hook struct {
	Header     string          `yaml:"header"` // that holds the secret, where the tool signs nothing
	Secret     outbound.Secret `yaml:"secret"`
	SecretFile string          `yaml:"secret_file"`
}

// Config is the hooks by tool.
type Config struct {
	Hooks map[string]Hook
}

// MaxBody is the largest body that is read.
const MaxBody = 1 << 20

// Error is a request that is refused before it is looked into.
type Error struct {
	Code    int
	Problem string
}

// Error is the problem.
func (e *Error) Error() string { return e.Problem }

// Status is the HTTP status that answers it.
func (e *Error) Status() int { return e.Code }

// tool is one deploy tool: who may send, and what a delivery means. ignored says why a delivery without deploys is none.
type tool struct {
	header string // names the tool's own header with the delivery's id
	signs  bool   // and so needs no header for the secret
	check  func(hook hook, r *http.Request, body []byte) error
	apply  func(d verifier.Delivery) (deploys []verifier.Deploy, ignored string, err error)
}

var tools = map[string]tool{
	"github":  {header: "X-GitHub-Delivery", signs: true, check: checkGitHub, apply: MapGitHub},
	"octopus": {check: checkOctopus, apply: MapOctopus},
}

// hook is one that is configured, with its secret read.
type hook struct {
	header string
	secret outbound.Secret
}

func (c Hook) read(name string) (hook, error) {
	t, known := tools[name]
	if !known {
		return hook{}, fmt.Errorf("hooks.%s: no such tool; github and octopus are there, others post to /v1/deploys", name)
	}
	secret, err := outbound.ReadSecret(c.Secret.Reveal(), c.SecretFile)
	switch {
	case err != nil:
		return hook{}, fmt.Errorf("hooks.%s: %w", name, err)
	case secret == "":
		return hook{}, fmt.Errorf("hooks.%s: the secret is missing; write secret_file", name)
	case t.signs && c.Header != "":
		return hook{}, fmt.Errorf("hooks.%s: header has no meaning here: %s signs what it sends; take it out", name, name)
	case !t.signs && c.Header == "":
		return hook{}, fmt.Errorf("hooks.%s: header is missing; write the name of the header that holds the secret, like X-Key", name)
	}
	return hook{c.Header, secret}, nil
}

// New serves POST /v1/deploys and POST /v1/hooks/{tool}. fail writes an error as the API does. Who may use /v1/deploys was checked
// before.
func New(c Config, r Recorder, fail func(http.ResponseWriter, *http.Request, error), now func() time.Time) (http.Handler, error) {
	hooks := map[string]hook{}
	for name, configured := range c.Hooks {
		var err error
		if hooks[name], err = configured.read(name); err != nil {
			return nil, err
		}
	}
	h := &handler{recorder: r, fail: fail, now: now, hooks: hooks}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/deploys", h.api)
	mux.HandleFunc("POST /v1/hooks/{tool}", h.hooked)
	return mux, nil
}

type handler struct {
	recorder Recorder
	fail     func(http.ResponseWriter, *http.Request, error)
	now      func() time.Time
	hooks    map[string]hook
}

func (h *handler) api(w http.ResponseWriter, r *http.Request) {
	body, err := read(w, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	delivery := h.delivery(r, "api", r.Header.Get("Idempotency-Key"), body)
	delivery.By = verifier.CallerFrom(r.Context()).Name
	deploy, err := MapAPI(delivery)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.record(w, r, delivery, []verifier.Deploy{deploy})
}

func (h *handler) hooked(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("tool")
	t, known := tools[name]
	hook, configured := h.hooks[name]
	if !known || !configured {
		h.fail(w, r, fmt.Errorf("hook %s: %w; write hooks: {%s: {secret_file: …}} in verifier.yaml", name, verifier.ErrNotFound, name))
		return
	}
	body, err := read(w, r)
	if err == nil {
		err = t.check(hook, r, body)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	delivery := h.delivery(r, name, r.Header.Get(t.header), body)
	delete(delivery.Header, http.CanonicalHeaderKey(hook.header))
	delivery.By = name
	deploys, ignored, err := t.apply(delivery)
	if err != nil || ignored != "" {
		if _, keep := h.recorder.Record(r.Context(), delivery, nil); keep != nil {
			err = keep
		}
	}
	switch {
	case err != nil:
		h.fail(w, r, err)
	case ignored != "":
		answer(w, http.StatusOK, map[string]string{"ignored": ignored})
	default:
		h.record(w, r, delivery, deploys)
	}
}

func (h *handler) record(w http.ResponseWriter, r *http.Request, d verifier.Delivery, deploys []verifier.Deploy) {
	receipts, err := h.recorder.Record(r.Context(), d, deploys)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	status := http.StatusOK
	for _, receipt := range receipts {
		if receipt.New {
			status = http.StatusAccepted
		}
	}
	answer(w, status, receipts[0])
}

// read is the body, at most MaxBody.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Error{http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB"}
	case err != nil:
		return nil, &Error{http.StatusBadRequest, "the body could not be read to its end"}
	case len(strings.TrimSpace(string(body))) == 0:
		return nil, verifier.Invalid("body", "is empty; send a JSON object")
	}
	return body, nil
}

// secretHeaders are not kept.
var secretHeaders = map[string]bool{"Authorization": true, "Cookie": true, "X-Hub-Signature": true, "X-Hub-Signature-256": true, "Proxy-Authorization": true}

func (h *handler) delivery(r *http.Request, tool, id string, body []byte) verifier.Delivery {
	header := map[string][]string{}
	for name, values := range r.Header {
		if !secretHeaders[name] {
			header[name] = values
		}
	}
	if id == "" || len(id) > 200 {
		id = uuid.NewString()
	}
	return verifier.Delivery{ID: id, Tool: tool, ReceivedAt: h.now().UTC(), Header: header, Body: body}
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value) // the sender is gone if this fails; what it sent is recorded
}

// key identifies a deploy that was sent without an id: the same facts twice are one deploy.
func key(d verifier.Deploy) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%s\x00%s\x00%d", d.Place.Key(), d.Version, d.Status, d.At.UnixMilli())
	return hex.EncodeToString(sum.Sum(nil)[:12])
}
