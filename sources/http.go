package sources

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"verifier"
	"verifier/outbound"
)

// HTTPConfig is a server that answers JSON. It is asked about the present alone: a lag means nothing to it.
type HTTPConfig struct {
	ServerConfig `yaml:",inline"`
}

// HTTP answers http: a path below the source's url, and an expression over the JSON that comes, which gives one number. It calls once
// a step, and its sample stands at the end of the newest one.
type HTTP struct {
	url    *url.URL
	client *http.Client
	login  func(http.Header) error
	budget *budget
	shared *shared[string, said]
}

// said is what came for a path.
type said struct {
	body []byte
	err  error
}

// NewHTTP makes the client; it calls nobody. A nil rt is made from the configuration's ca_file and timeout.
func NewHTTP(c HTTPConfig, rt http.RoundTripper) (*HTTP, error) {
	u, err := serverURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Lag != 0 {
		return nil, verifier.Invalid("lag", "means nothing here: an address is asked about the present; take it out")
	}
	login, rt, err := c.way(rt)
	if err != nil {
		return nil, err
	}
	return &HTTP{u, outbound.Client(rt, c.Timeout), login, newBudget(c.Budget), newShared[string](moment, func(s said) bool { return s.err == nil })}, nil
}

// CheckHTTP says what is wrong with a measure for a source of type http, without calling anybody.
func CheckHTTP(m verifier.Measure) (time.Duration, error) {
	if err := onlyKeys(m, "an http source", "http: '/health?service={{.Service}}' and value: 'errors / requests'", "http", "value"); err != nil {
		return 0, err
	}
	s := anySubject(m.HTTP)
	if _, err := address(&url.URL{Scheme: "http", Host: "x"}, m.HTTP, verifier.Question{Subject: s, Step: time.Second}); err != nil {
		return 0, err
	}
	if _, err := compileValue(m.Value); err != nil {
		return 0, err
	}
	return 0, nil
}

// Lag is none: the server is asked about the present.
func (h *HTTP) Lag() time.Duration { return 0 }

// HasPeers is false: the server knows no hosts but those that it is told.
func (h *HTTP) HasPeers(verifier.Measure) bool { return false }

// Ask calls each distinct address once, within the budget's calls at once.
func (h *HTTP) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	now := time.Now()
	var group sync.WaitGroup
	for i, q := range questions {
		group.Go(func() { answers[i] = h.answer(ctx, q, now) })
	}
	group.Wait()
	return answers
}

func (h *HTTP) answer(ctx context.Context, q verifier.Question, now time.Time) verifier.Answer {
	if err := onlyPresent(q); err != nil {
		return verifier.Answer{Err: badQuestion(err)}
	}
	if _, err := CheckHTTP(q.Measure); err != nil {
		return verifier.Answer{Err: badQuestion(err)}
	}
	where, err := address(h.url, q.Measure.HTTP, q)
	if err != nil {
		return verifier.Answer{Err: badQuestion(err)}
	}
	program, _ := compileValue(q.Measure.Value) // checked above
	out := verifier.Answer{Query: strings.TrimSpace("GET " + where + "  " + q.Measure.Value), Link: where}
	if tooLate(q, now) {
		return ofThePast(q, out.Query)
	}
	got, err := h.shared.do(ctx, fmt.Sprintf("%s %d", where, q.To.UnixNano()), func(ctx context.Context) said { return h.get(ctx, where) })
	if err == nil {
		err = got.err
	}
	if err != nil {
		out.Err = h.trouble(err)
		return out
	}
	value, known, err := valueOfJSON(program, got.body)
	switch {
	case err != nil:
		out.Err = badValue("ask %s: %w", h.url.Host, err)
	case known:
		out.Samples = stands(q, value)
	default: // null, or not there: no data, never a zero
		out.Missing = []string{orAnswer(q.Measure.Value)}
	}
	return out
}

func (h *HTTP) get(ctx context.Context, where string) said {
	leave, err := h.budget.enter(ctx)
	if err != nil {
		return said{err: err}
	}
	defer leave()
	header := http.Header{}
	if err := h.login(header); err != nil {
		return said{err: &verifier.TemporaryError{Err: err}}
	}
	var body json.RawMessage
	err = outbound.JSON(ctx, h.client, http.MethodGet, where, header, nil, &body)
	if err != nil {
		_ = h.budget.heed(h.trouble(err)) // told by the answer
	}
	return said{body, err}
}

// trouble says what a failed call means: what does not exist is gone, what was answered wrongly is bad, all else is down.
func (h *HTTP) trouble(err error) error {
	out := &verifier.SourceError{Reason: verifier.SourceDown, Err: fmt.Errorf("ask %s: %w", h.url.Host, outbound.Redact(err))}
	var status *outbound.StatusError
	var later *verifier.TemporaryError
	switch {
	case errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusGone):
		out.Reason = verifier.SourceGone
	case errors.As(err, &status) && status.Code/100 == 4 && !errors.Is(err, verifier.ErrTemporary) &&
		status.Code != http.StatusUnauthorized && status.Code != http.StatusForbidden && status.Code != http.StatusProxyAuthRequired:
		out.Reason = verifier.BadData
	case errors.As(err, &later):
		out.After = later.After
	case status == nil && !ours(err) && (errors.Is(err, outbound.ErrTooLarge) || !errors.Is(err, verifier.ErrInvalid)):
		out.Reason = verifier.BadData // an answer that is no JSON
	}
	return out
}

// address is the path with its templates filled in, below the url. Values are escaped for where they stand.
func address(base *url.URL, text string, q verifier.Question) (string, error) {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") {
		return "", verifier.Invalid("http", "%q is no path below the source's url; write one like /health?service={{.Service}}", text)
	}
	if strings.ContainsRune(text, '#') {
		return "", verifier.Invalid("http", "%q has a #, and what follows that no server sees; write %%23", text)
	}
	var bad error
	inQuery, at, filled := false, 0, ""
	for _, span := range action.FindAllStringIndex(text, -1) {
		filled += text[at:span[0]]
		inQuery = inQuery || strings.Contains(text[at:span[0]], "?")
		at = span[1]
		v, err := inAddress(text[span[0]:span[1]], q, inQuery)
		if bad == nil {
			bad = err
		}
		filled += v
	}
	filled += text[at:]
	if bad == nil && strings.Contains(action.ReplaceAllString(text, ""), "{{") {
		bad = verifier.Invalid("http", "{{ has no }}")
	}
	if bad != nil {
		return "", bad
	}
	u, err := url.Parse(filled)
	if err != nil {
		return "", verifier.Invalid("http", "is no path: %v", err)
	}
	for part := range strings.SplitSeq(u.Path, "/") { // escaped ones too: many servers undo that first
		if part == "." || part == ".." {
			return "", verifier.Invalid("http", "%s would lead elsewhere, to %s", u.Path, path.Clean(u.Path))
		}
	}
	return strings.TrimSuffix(base.String(), "/") + filled, nil
}

func inAddress(found string, q verifier.Question, inQuery bool) (string, error) {
	name, err := nameOf(found)
	if err != nil {
		return "", verifier.Invalid("template", "%s %v", found, err)
	}
	v := ""
	switch name {
	case hostOp:
		return "", verifier.Invalid("template", "%s is for queries alone", found)
	case hostsName:
		v = strings.Join(q.Subject.Hosts, ",")
	case stepName:
		v = q.Step.String()
	default:
		if v, err = valueOf(name, q.Subject); err != nil {
			return "", verifier.Invalid("template", "%s: %v", found, err)
		}
	}
	if inQuery {
		return url.QueryEscape(v), nil
	}
	return url.PathEscape(v), nil
}

// anySubject has a value for everything that the texts name.
func anySubject(texts ...string) verifier.Subject {
	s := verifier.Subject{
		Service: "x", Environment: "x", Target: "x", Version: "x", Team: "x", Hosts: []string{"x"}, Labels: map[string]string{},
	}
	for _, text := range texts {
		for _, name := range names(text) {
			if key, ok := strings.CutPrefix(name, labelsDot); ok {
				s.Labels[key] = "x"
			}
		}
	}
	return s
}

const wholeAnswer = "answer"

func orAnswer(value string) string {
	if value == "" {
		return wholeAnswer
	}
	return value
}

// compileValue compiles an expression over an answer: its members by their names, and answer, the whole of it.
func compileValue(text string) (*vm.Program, error) {
	if strings.Contains(text, "{{") {
		return nil, verifier.Invalid("value", "takes no templates; put them into the path")
	}
	program, err := expr.Compile(orAnswer(text), expr.AllowUndefinedVariables(), expr.MaxNodes(500), expr.DisableBuiltin("now"))
	if err != nil {
		return nil, verifier.Invalid("value", "%v", err)
	}
	return program, nil
}

// valueOfJSON is the one number that the expression gives; known is false where it gives nothing.
func valueOfJSON(program *vm.Program, body []byte) (value float64, known bool, err error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return 0, false, errors.New("it answered nothing where JSON is needed")
	}
	if key, twice := repeated(json.NewDecoder(bytes.NewReader(body))); twice {
		return 0, false, fmt.Errorf("its answer has %q twice in one object; which of them is meant nobody can tell", key)
	}
	var whole any
	if err := json.Unmarshal(body, &whole); err != nil {
		return 0, false, fmt.Errorf("it answered no JSON: %w", err)
	}
	env := map[string]any{}
	if members, ok := whole.(map[string]any); ok {
		for k, v := range members {
			env[k] = v
		}
	}
	env[wholeAnswer] = whole
	out, err := expr.Run(program, env)
	if err != nil {
		return 0, false, fmt.Errorf("the value cannot be worked out: %s", outbound.Excerpt(err.Error()))
	}
	return oneNumber(out)
}

// oneNumber takes a number, or a list with one. Of two nobody can tell which is meant.
func oneNumber(v any) (value float64, known bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case []any:
		if len(v) > 1 {
			return 0, false, fmt.Errorf("the value is %d values where one is needed; narrow it, or write sum(...) or max(...)", len(v))
		}
		if len(v) == 0 {
			return 0, false, nil
		}
		return oneNumber(v[0])
	case int:
		return float64(v), true, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, false, fmt.Errorf("the value is %g, no number", v)
		}
		return v, true, nil
	case bool:
		return 0, false, fmt.Errorf("the value is %t, no number; write (...) ? 1 : 0", v)
	case string:
		return 0, false, fmt.Errorf("the value is the text %q, no number; write float(...)", outbound.Excerpt(v))
	}
	return 0, false, fmt.Errorf("the value is no number but %s", outbound.Excerpt(fmt.Sprint(v)))
}

// repeated finds a key that an object has twice.
func repeated(d *json.Decoder) (key string, twice bool) {
	type level struct {
		keys map[string]bool // nil in a list
		next bool            // a key comes
	}
	var open []level
	for {
		token, err := d.Token()
		if err != nil {
			return "", false
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].keys != nil {
			l := &open[n-1]
			if name, ok := token.(string); ok && l.next {
				if l.keys[name] {
					return name, true
				}
				l.keys[name], l.next = true, false
				continue
			}
			l.next = true
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{map[string]bool{}, true})
		case json.Delim('['):
			open = append(open, level{})
		}
	}
}
