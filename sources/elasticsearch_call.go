package sources

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"verifier"
	"verifier/outbound"
)

// bundler sends searches that come at about the same time as one _msearch.
type bundler struct {
	send   func([]*esSearch)
	gather time.Duration // how long a search waits for others

	mu      sync.Mutex
	waiting []*esSearch
}

// esSearch is a search that waits for its reply.
type esSearch struct {
	body  string
	reply esReply
	done  chan struct{}
}

// esReply is what was said to one search. It is read by many and not to be changed.
type esReply struct {
	result *esResult
	err    error
}

// perBundle is how many searches go in one _msearch.
const perBundle = 20

func (b *bundler) ask(ctx context.Context, body string) (esReply, error) {
	s := &esSearch{body: body, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, s)
	if len(b.waiting) == 1 {
		time.AfterFunc(b.gather, b.flush)
	}
	if len(b.waiting) == perBundle {
		b.mu.Unlock()
		b.flush()
	} else {
		b.mu.Unlock()
	}
	select {
	case <-s.done:
		return s.reply, nil
	case <-ctx.Done():
		return esReply{}, ctx.Err()
	}
}

func (b *bundler) flush() {
	b.mu.Lock()
	batch := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	go func() {
		b.send(batch)
		for _, s := range batch {
			close(s.done)
		}
	}()
}

// search is the reply to a body; what several ask alike is asked once.
func (e *Elasticsearch) search(ctx context.Context, body object) esReply {
	text := string(jsonBytes(body))
	reply, err := e.searches.do(ctx, text, func(ctx context.Context) esReply {
		r, err := e.bundles.ask(ctx, text)
		if err != nil {
			return esReply{err: e.trouble(err)}
		}
		return r
	})
	if err != nil {
		return esReply{err: e.trouble(err)}
	}
	return reply
}

// send asks one _search, or one _msearch of several.
func (e *Elasticsearch) send(batch []*esSearch) {
	ctx, cancel := context.WithTimeout(context.Background(), e.Timeout)
	defer cancel()
	if len(batch) == 1 {
		no, yes := false, true
		var said esResult
		err := e.call(ctx, esapi.SearchRequest{
			Index: []string{e.Index}, Body: strings.NewReader(batch[0].body), TrackTotalHits: true, AllowPartialSearchResults: &no, AllowNoIndices: &yes,
		}, &said)
		batch[0].reply = e.reply(&said, err)
		return
	}
	var lines bytes.Buffer
	header := jsonBytes(object{"index": strings.Split(e.Index, ","), "allow_partial_search_results": false, "allow_no_indices": true})
	for _, s := range batch {
		lines.Write(header)
		lines.WriteString("\n" + s.body + "\n")
	}
	var said struct {
		Responses []json.RawMessage `json:"responses"`
	}
	err := e.call(ctx, esapi.MsearchRequest{Body: &lines, Header: http.Header{"Content-Type": {"application/x-ndjson"}}}, &said)
	if err == nil && len(said.Responses) != len(batch) {
		err = e.unbelievable(fmt.Sprintf("it answered %d of %d searches", len(said.Responses), len(batch)))
	}
	for i, s := range batch {
		if err != nil {
			s.reply.err = err
			continue
		}
		s.reply = e.item(said.Responses[i])
	}
}

// item is one answer of an _msearch, whose own status says whether it is one.
func (e *Elasticsearch) item(raw json.RawMessage) esReply {
	var failed struct {
		Status int             `json:"status"`
		Error  json.RawMessage `json:"error"`
	}
	var said esResult
	if err := errors.Join(json.Unmarshal(raw, &failed), json.Unmarshal(raw, &said)); err != nil {
		return esReply{err: e.unbelievable(err.Error())}
	}
	if len(failed.Error) > 0 || failed.Status >= 400 {
		return esReply{err: e.trouble(&esFailure{status: cmp.Or(failed.Status, 500), said: errorText(failed.Error)})}
	}
	return e.reply(&said, nil)
}

func (e *Elasticsearch) reply(said *esResult, err error) esReply {
	if err == nil {
		if why := said.unbelievable(); why != "" {
			err = e.unbelievable(why)
		}
	}
	if err != nil {
		return esReply{err: err}
	}
	return esReply{result: said}
}

// call makes one call within the budget and reads its answer. Its errors are those of trouble.
func (e *Elasticsearch) call(ctx context.Context, r esapi.Request, out any) error {
	leave, err := e.budget.enter(ctx)
	if err != nil {
		return e.trouble(err)
	}
	defer leave()
	resp, err := r.Do(ctx, e.client)
	if err != nil {
		return e.trouble(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return e.trouble(fmt.Errorf("read its answer: %w", err))
	}
	if resp.StatusCode/100 != 2 {
		return e.budget.heed(e.trouble(failureOf(resp, body)))
	}
	if outbound.IsHTML(resp.Header, body) {
		return e.unbelievable("it answered HTML instead of JSON; is there a login page or proxy before it?")
	}
	if err := json.Unmarshal(body, out); err != nil {
		return e.unbelievable(fmt.Sprintf("it answered no JSON: %v: %s", err, outbound.Excerpt(string(body))))
	}
	return nil
}

// esFailure is an answer that says that there is none.
type esFailure struct {
	status int
	after  time.Duration
	said   string
}

func (f *esFailure) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("answered %d %s: %s", f.status, http.StatusText(f.status), f.said), ": ")
}

func failureOf(resp *esapi.Response, body []byte) *esFailure {
	f := &esFailure{status: resp.StatusCode, after: outbound.RetryAfter(resp.Header, time.Now())}
	var said struct {
		Error json.RawMessage `json:"error"`
	}
	switch {
	case outbound.IsHTML(resp.Header, body):
		f.said = "HTML instead of JSON; is there a login page or proxy before it?"
	case json.Unmarshal(body, &said) == nil && len(said.Error) > 0:
		f.said = errorText(said.Error)
	default:
		f.said = outbound.Excerpt(string(body))
	}
	return f
}

// esCause is an error of Elasticsearch's; its reason may be null.
type esCause struct {
	Type         string    `json:"type"`
	Reason       string    `json:"reason"`
	RootCause    []esCause `json:"root_cause"`
	FailedShards []struct {
		Reason esCause `json:"reason"`
	} `json:"failed_shards"`
}

// errorText is what an error says, which is a text on some routes and an object on others: its own words and those of its cause.
func errorText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return outbound.Excerpt(text)
	}
	var c esCause
	if json.Unmarshal(raw, &c) != nil || c.Type == "" {
		return outbound.Excerpt(string(raw))
	}
	out := strings.TrimSuffix(c.Type+": "+c.Reason, ": ")
	causes := c.RootCause
	for _, s := range c.FailedShards {
		causes = append(causes, s.Reason)
	}
	for _, cause := range causes {
		if cause.Type != "" && (cause.Type != c.Type || cause.Reason != c.Reason) {
			return outbound.Excerpt(out + ": " + strings.TrimSuffix(cause.Type+": "+cause.Reason, ": "))
		}
	}
	return outbound.Excerpt(out)
}

func (e *Elasticsearch) unbelievable(why string) error {
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("ask %s: %s", e.host, outbound.Excerpt(why))}
}

// trouble says what a failed call means.
func (e *Elasticsearch) trouble(err error) error {
	if known, ok := errors.AsType[*verifier.SourceError](err); ok {
		return known
	}
	out := &verifier.SourceError{Reason: verifier.SourceDown, Err: fmt.Errorf("ask %s: %w", e.host, outbound.Redact(err))}
	if errors.Is(err, outbound.ErrTooLarge) {
		out.Reason = verifier.BadData
	}
	if f, ok := errors.AsType[*esFailure](err); ok {
		out.After = f.after
		out.Reason, out.Permanent = f.meaning()
	}
	return out
}

// meaning is what a status means. Errors of single shards have the status of one of them.
func (f *esFailure) meaning() (reason verifier.Reason, permanent bool) {
	switch {
	case strings.Contains(f.said, "Partial shards failure"):
		return verifier.PartialData, false
	case strings.Contains(f.said, "too_many_buckets_exception"), f.status/100 == 3:
		return verifier.BadData, false
	case f.status == http.StatusNotFound:
		return verifier.SourceGone, false
	case f.status == http.StatusBadRequest:
		return verifier.BadData, true
	}
	return verifier.SourceDown, false
}
