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
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"verifier"
	"verifier/outbound"
)

// PrometheusConfig is one server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics. Its lag is 15 s where
// none is written: what is scraped and ingested by then is whole.
type PrometheusConfig = ServerConfig

// Prometheus answers promql, and count and ratio written in PromQL. A sample at t is the query's value at t, the end of its step.
type Prometheus struct {
	url    *url.URL
	api    ranger
	lag    time.Duration
	budget *budget
	shared *shared[promRange, promAnswer]
}

// ranger answers range queries.
type ranger interface {
	QueryRange(context.Context, string, promv1.Range, ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error)
}

// moment is how long an answer is kept for others who ask the same: verifications that wake for the same step do so together.
const moment = time.Second

// maxPoints is what Prometheus gives at most for one series of one range query.
const maxPoints = 11000

// NewPrometheus makes the client; it calls nobody. A nil rt is made from the configuration's ca_file and timeout.
func NewPrometheus(c PrometheusConfig, rt http.RoundTripper) (*Prometheus, error) {
	u, err := serverURL(c.URL)
	if err != nil {
		return nil, err
	}
	login, rt, err := c.way(rt)
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.Config{Address: u.String(), Client: outbound.Client(&promCall{next: rt, login: login}, c.Timeout)})
	if err != nil {
		return nil, outbound.Redact(err)
	}
	lag := cmp.Or(c.Lag, 15*time.Second)
	return &Prometheus{
		url: u, api: promv1.NewAPI(client), lag: lag, budget: newBudget(c.Budget),
		shared: newShared[promRange](min(moment, lag/2), func(a promAnswer) bool { return a.err == nil }),
	}, nil
}

// promCall adds the credentials, and keeps the status and Retry-After of answers that the API's client would forget.
type promCall struct {
	next     http.RoundTripper
	login    func(http.Header) error
	textOnly bool // errors are no JSON
}

func (p *promCall) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if err := p.login(r.Header); err != nil {
		return nil, err
	}
	resp, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity: // the API's own errors
		if !p.textOnly {
			return resp, nil
		}
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if r.Method == http.MethodPost { // the client asks again with GET
			return resp, nil
		}
	}
	if err := outbound.Status(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return warnOfParts(resp)
}

// warnOfParts makes a warning of isPartial, by which a cluster of VictoriaMetrics says that some of its storage did not answer.
func warnOfParts(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var said struct {
		IsPartial bool `json:"isPartial"`
	}
	if bytes.Contains(body, []byte(`"isPartial"`)) && json.Unmarshal(body, &said) == nil && said.IsPartial {
		end := bytes.LastIndexByte(body, '}') // the last of two keys counts
		body = append(bytes.Clone(body[:end]), `,"warnings":["isPartial: some of the storage did not answer"]}`...)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// Lag is how late its data are.
func (p *Prometheus) Lag() time.Duration { return p.lag }

// HasPeers reports whether the query can leave the changed hosts out, or its answer tells hosts or versions apart.
func (p *Prometheus) HasPeers(m verifier.Measure) bool {
	if picksArm(m.Pick) {
		return true
	}
	texts := queries(m)
	for _, text := range texts {
		if !slices.Contains(names(text), hostOp) {
			return false
		}
	}
	return len(texts) > 0
}

// queries are the PromQL texts of a measure.
func queries(m verifier.Measure) []string {
	switch {
	case m.PromQL != "":
		return []string{m.PromQL}
	case m.Count != "":
		return []string{m.Count}
	case m.Patterns != "":
		return []string{m.Patterns}
	case m.Ratio != nil:
		return []string{m.Ratio.Of, m.Ratio.To}
	}
	return nil
}

// promRange is one range query. What several questions ask alike is asked once.
type promRange struct {
	query    string
	from, to int64 // unix nanoseconds
	step     time.Duration
}

func rangeOf(query string, q verifier.Question) promRange {
	return promRange{query, q.From.UnixNano(), q.To.UnixNano(), q.Step}
}

// promAnswer is what was said to one promRange. It is read by many and not to be changed.
type promAnswer struct {
	series  model.Matrix
	partial string
	notes   []string
	err     error
}

// Ask answers all questions, each distinct query once, within the budget's calls at once.
func (p *Prometheus) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	return p.askAll(ctx, questions, p.filled, p.answer)
}

// promSaid is what was said to each range.
type promSaid map[promRange]*promAnswer

// askAll asks the texts of all questions, and makes the answers of what was said.
func (p *Prometheus) askAll(ctx context.Context, questions []verifier.Question, filled func(verifier.Question) ([]string, error), answer func(verifier.Question, []string, promSaid) verifier.Answer) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	texts := make([][]string, len(questions))
	said := promSaid{}
	for i, q := range questions {
		if texts[i], answers[i].Err = filled(q); answers[i].Err != nil {
			continue
		}
		for _, text := range texts[i] {
			said[rangeOf(text, q)] = &promAnswer{}
		}
	}
	var group sync.WaitGroup
	for r, a := range said {
		group.Go(func() { *a = p.ask(ctx, r) })
	}
	group.Wait()
	for i, q := range questions {
		if answers[i].Err == nil {
			answers[i] = answer(q, texts[i], said)
		}
	}
	return answers
}

// filled is the texts to be asked for a question.
func (p *Prometheus) filled(q verifier.Question) ([]string, error) {
	texts := queries(q.Measure)
	switch {
	case len(texts) == 0:
		return nil, badQuestion(errors.New("a metrics source answers promql, count and ratio only"))
	case q.Step < time.Millisecond:
		return nil, badQuestion(fmt.Errorf("a step of %v is shorter than 1ms", q.Step))
	case q.Subject.Peers && !p.HasPeers(q.Measure):
		return nil, badQuestion(errors.New("the query cannot tell changed hosts from others"))
	}
	for i, text := range texts {
		filled, err := Fill(PromQL, text, q.Subject, q.Step)
		if err != nil {
			return nil, badQuestion(err)
		}
		texts[i] = filled
	}
	return texts, nil
}

func badQuestion(err error) error {
	return &verifier.SourceError{Reason: verifier.BadData, Permanent: true, Err: err}
}

// ask makes the calls of one range, several where it has more points than one call gives.
func (p *Prometheus) ask(ctx context.Context, r promRange) promAnswer {
	answer, err := p.shared.do(ctx, r, func(ctx context.Context) promAnswer {
		var whole promAnswer
		part := int64(maxPoints) * int64(r.step)
		for from := r.from; from < r.to; from += part {
			got := p.call(ctx, promRange{r.query, from, min(from+part, r.to), r.step})
			if got.err != nil {
				return got
			}
			whole.series = join(whole.series, got.series)
			whole.partial = cmp.Or(whole.partial, got.partial)
			if len(whole.notes) == 0 {
				whole.notes = got.notes
			}
		}
		return whole
	})
	if err != nil {
		return promAnswer{err: p.trouble(err)}
	}
	return answer
}

// join appends the later part of each series to its earlier one.
func join(whole, part model.Matrix) model.Matrix {
	if whole == nil {
		return part
	}
	at := map[model.Fingerprint]*model.SampleStream{}
	for _, s := range whole {
		at[s.Metric.Fingerprint()] = s
	}
	for _, s := range part {
		if known := at[s.Metric.Fingerprint()]; known != nil {
			known.Values = append(known.Values, s.Values...)
			continue
		}
		whole = append(whole, s)
	}
	return whole
}

func (p *Prometheus) call(ctx context.Context, r promRange) promAnswer {
	leave, err := p.budget.enter(ctx)
	if err != nil {
		return promAnswer{err: down(fmt.Errorf("ask %s: %w", p.url.Host, err))}
	}
	defer leave()
	value, warnings, infos, err := p.api.QueryRange(ctx, r.query, promv1.Range{
		Start: time.Unix(0, r.from).Add(r.step), End: time.Unix(0, r.to), Step: r.step,
	})
	if err != nil {
		return promAnswer{err: p.budget.heed(p.trouble(err))}
	}
	series, ok := value.(model.Matrix)
	if !ok {
		return promAnswer{err: p.trouble(&promv1.Error{Type: promv1.ErrBadResponse, Msg: kindOf(value) + " instead of a matrix"})}
	}
	partial, notes := sorted(warnings)
	return promAnswer{series: series, partial: outbound.Excerpt(strings.Join(partial, "; ")), notes: remarks(append(notes, infos...))}
}

// sorted tells warnings that some of the data is missing from annotations about the query itself, which leave the answer complete.
// Prometheus sends the latter as warnings or infos, Thanos all as warnings.
func sorted(warnings []string) (partial, notes []string) {
	for _, w := range warnings {
		text := strings.ToLower(strings.TrimSpace(w))
		if strings.HasPrefix(text, "promql info") || strings.HasPrefix(text, "promql warning") {
			notes = append(notes, w)
		} else {
			partial = append(partial, w)
		}
	}
	return partial, notes
}

// remarks are the first few, each once and no longer than a line.
func remarks(notes []string) []string {
	notes = slices.Compact(slices.Sorted(slices.Values(notes)))
	for i, n := range notes {
		notes[i] = outbound.Excerpt(n)
	}
	return notes[:min(len(notes), mostNotes)]
}

func kindOf(v model.Value) string {
	if v == nil {
		return "nothing"
	}
	return "a " + v.Type().String()
}

// trouble says what a failed call means.
func (p *Prometheus) trouble(err error) error {
	out := &verifier.SourceError{Reason: verifier.SourceDown, Err: fmt.Errorf("ask %s: %w", p.url.Host, outbound.Redact(err))}
	var failure *promv1.Error
	if errors.As(err, &failure) {
		out.Err = fmt.Errorf("ask %s: %s", p.url.Host, outbound.Excerpt(failure.Error()+" "+failure.Detail))
		switch failure.Type {
		case promv1.ErrBadData, "400": // VictoriaMetrics writes the status
			out.Reason, out.Permanent = verifier.BadData, true
		case promv1.ErrExec, "422":
			out.Reason = verifier.BadData
		case promv1.ErrBadResponse:
			out.Reason = verifier.BadData
			out.Err = fmt.Errorf("ask %s: no answer of Prometheus (is there a login page or proxy before it?): %s", p.url.Host, outbound.Excerpt(failure.Msg))
		}
	}
	var status *outbound.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusBadRequest || status.Code == http.StatusUnprocessableEntity) {
		out.Reason, out.Permanent = verifier.BadData, status.Code == http.StatusBadRequest
	}
	if errors.Is(err, outbound.ErrTooLarge) {
		out.Reason = verifier.BadData
	}
	var later *verifier.TemporaryError
	if errors.As(err, &later) {
		out.After = later.After
	}
	return out
}
