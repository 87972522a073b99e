// Package intake takes the events of deploy tools: one file for each tool.
//
// A request is checked (who sent it, how large it is), mapped to deploys by a pure function, and given to the Recorder together with
// the raw delivery; nothing is answered before both are written. A tool's own words are mapped to ours by the hook's map. Every field
// that is wrong is named in the answer. Events of a tool
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
)

// Recorder writes a delivery with its deploys, all or nothing.
type Recorder interface {
	Record(ctx context.Context, d verifier.Delivery, deploys []verifier.Deploy) ([]verifier.Receipt, error)
	Refused(hook string, why error) // a sender that did not prove who it is; nothing is kept of it
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

// New serves POST /v1/deploys and POST /v1/hooks/{tool}. hooks gives those that are configured now; fail writes an error as the API
// does. Who may use /v1/deploys was checked before.
func New(hooks func() Hooks, r Recorder, fail func(http.ResponseWriter, *http.Request, error), now func() time.Time) http.Handler {
	h := &handler{recorder: r, fail: fail, now: now, hooks: hooks}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/deploys", h.api)
	mux.HandleFunc("POST /v1/hooks/{tool}", h.hooked)
	return mux
}

type handler struct {
	recorder Recorder
	fail     func(http.ResponseWriter, *http.Request, error)
	now      func() time.Time
	hooks    func() Hooks
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
	hook, configured := h.hooks()[name]
	if !configured {
		h.fail(w, r, fmt.Errorf("hook %s: %w; write hooks: {%s: {secret_file: …}} in verifier.yaml", name, verifier.ErrNotFound, name))
		return
	}
	body, err := read(w, r)
	if err == nil {
		err = hook.check(hook, r, body)
	}
	if err != nil {
		h.recorder.Refused(name, err)
		h.fail(w, r, err)
		return
	}
	delivery := h.delivery(r, name, r.Header.Get(hook.delivery), body)
	delete(delivery.Header, http.CanonicalHeaderKey(hook.Header))
	delivery.By = name
	if hook.confirm != nil {
		said, err := hook.confirm(r.Context(), hook, delivery)
		if err != nil {
			h.recorder.Refused(name, err)
			h.fail(w, r, err)
			return
		}
		if said != "" {
			delivery.Outcome, delivery.Problem = verifier.Ignored, said
			h.keep(w, r, delivery)
			return
		}
	}
	h.take(w, r, hook, hook.completed(r.Context(), delivery))
}

// take records what a delivery means. What is no deploy is kept, to be looked at and replayed. It is answered 200, for the sender can do
// nothing about it and some switch a hook off after errors; 422 is for what this tool does not send at all.
func (h *handler) take(w http.ResponseWriter, r *http.Request, hook *hook, d verifier.Delivery) {
	mapped, err := hook.mapped(d)
	switch {
	case err != nil:
		d.Outcome, d.Problem = verifier.Unreadable, err.Error()
	case mapped.Unmapped != "":
		d.Outcome, d.Problem = verifier.Unmapped, mapped.Unmapped
	case mapped.Ignored != "":
		d.Outcome, d.Problem = verifier.Ignored, mapped.Ignored
	}
	if err == nil && len(mapped.Deploys) > 0 {
		d.KeepConflicts = true
		h.record(w, r, d, mapped.Deploys)
		return
	}
	if err != nil {
		if _, keep := h.recorder.Record(r.Context(), d, nil); keep != nil {
			err = keep
		}
		h.fail(w, r, err)
		return
	}
	h.keep(w, r, d)
}

// keep records a delivery that is no deploy, and says why.
func (h *handler) keep(w http.ResponseWriter, r *http.Request, d verifier.Delivery) {
	if _, err := h.recorder.Record(r.Context(), d, nil); err != nil {
		h.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{string(d.Outcome): d.Problem})
}

// record writes the deploys of a delivery and answers with the first of them. Where none fits the record, it says why.
func (h *handler) record(w http.ResponseWriter, r *http.Request, d verifier.Delivery, deploys []verifier.Deploy) {
	receipts, err := h.recorder.Record(r.Context(), d, deploys)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	status, first := http.StatusOK, -1
	for i, receipt := range receipts {
		if receipt.New {
			status = http.StatusAccepted
		}
		if first < 0 && receipt.Conflict == nil {
			first = i
		}
	}
	if first < 0 {
		conflict := receipts[0].Conflict
		answer(w, http.StatusOK, map[string]any{string(verifier.Conflict): conflict.Error(), "errors": conflict.Fields()})
		return
	}
	answer(w, status, receipts[first])
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

// secretHeaders are not kept, nor is what only verifier itself writes.
var secretHeaders = map[string]bool{"Authorization": true, "Cookie": true, "X-Hub-Signature": true, "X-Hub-Signature-256": true, "Proxy-Authorization": true, completedHeader: true}

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
