package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"verifier"
	"verifier/outbound"
)

// LokiConfig is one Loki. Its lag is 15 s where none is written.
type LokiConfig struct {
	ServerConfig `yaml:",inline"`
	Tenant       string `yaml:"tenant"` // X-Scope-OrgID
}

// Loki answers count and ratio, whose queries are log selectors, and query, which is LogQL that gives numbers. Lines are counted by
// step; a step without any line of the streams has no sample.
type Loki struct {
	prom   *Prometheus // its range queries are Prometheus' own
	labels promv1.API
}

// NewLoki makes the client; it calls nobody. A nil rt is made from the configuration's ca_file and timeout.
func NewLoki(c LokiConfig, rt http.RoundTripper) (*Loki, error) {
	u, err := serverURL(strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/loki"))
	if err != nil {
		return nil, err
	}
	login, rt, err := c.way(rt)
	if err != nil {
		return nil, err
	}
	withTenant := func(h http.Header) error {
		if c.Tenant != "" {
			h.Set("X-Scope-OrgID", c.Tenant)
		}
		return login(h)
	}
	client, err := api.NewClient(api.Config{Address: u.String() + "/loki", Client: outbound.Client(&promCall{rt, withTenant, true}, c.Timeout)})
	if err != nil {
		return nil, outbound.Redact(err)
	}
	lag, v1 := cmp.Or(c.Lag, 15*time.Second), promv1.NewAPI(client)
	return &Loki{
		labels: v1,
		prom: &Prometheus{
			url: u, api: v1, lag: lag, budget: newBudget(c.Budget),
			shared: newShared[promRange](min(moment, lag/2), func(a promAnswer) bool { return a.err == nil }),
		},
	}, nil
}

// Lag is how late its lines are.
func (l *Loki) Lag() time.Duration { return l.prom.lag }

// HasPeers reports whether every query can leave the changed hosts out, or the answer tells hosts or versions apart.
func (l *Loki) HasPeers(m verifier.Measure) bool {
	if m.Query != "" && picksArm(m.Pick) {
		return true
	}
	texts := logQueries(m)
	for _, text := range texts {
		if !slices.Contains(names(text), hostOp) {
			return false
		}
	}
	return len(texts) > 0
}

// logQueries are the texts that the user wrote.
func logQueries(m verifier.Measure) []string {
	switch {
	case m.Query != "":
		return []string{m.Query}
	case m.Count != "":
		return []string{m.Count}
	case m.Ratio != nil:
		return []string{m.Ratio.Of, m.Ratio.To}
	}
	return nil
}

// Ask answers all questions, each distinct query once, within the budget's calls at once.
func (l *Loki) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := l.prom.askAll(ctx, questions, l.filled, l.answer)
	for i, a := range answers {
		if a.Unseen {
			answers[i].Nearest = l.nearest(ctx, questions[i])
		}
	}
	return answers
}

// filled is the texts to be asked: for count and ratio the counted lines and, last, all lines of the streams that they are among.
func (l *Loki) filled(q verifier.Question) ([]string, error) {
	if _, err := CheckLoki(q.Measure); err != nil {
		return nil, badQuestion(err)
	}
	switch {
	case q.Step < time.Millisecond:
		return nil, badQuestion(fmt.Errorf("a step of %v is shorter than 1ms", q.Step))
	case q.Subject.Peers && !l.HasPeers(q.Measure):
		return nil, badQuestion(errors.New("the query cannot tell changed hosts from others"))
	}
	texts := slices.Clone(logQueries(q.Measure))
	for i, text := range texts {
		filled, err := Fill(LogQL, text, q.Subject, q.Step)
		if err != nil {
			return nil, badQuestion(err)
		}
		texts[i] = filled
	}
	if q.Measure.Query != "" {
		return texts, nil
	}
	streams, err := streamsOf(texts[0])
	if err != nil {
		return nil, badQuestion(err)
	}
	texts = append(texts, streams)
	for i, text := range texts {
		texts[i] = fmt.Sprintf("sum(count_over_time(%s [%s]))", text, stepText(LogQL, q.Step))
	}
	return texts, nil
}

// answer makes the samples of one question out of what was said to its texts.
func (l *Loki) answer(q verifier.Question, texts []string, said promSaid) verifier.Answer {
	if q.Measure.Query != "" {
		out := l.prom.answer(q, texts, said)
		out.Link = ""
		return out
	}
	out := verifier.Answer{Query: strings.Join(texts[:len(texts)-1], "  /  ")}
	values := make([]map[time.Time]float64, len(texts))
	for i, text := range texts {
		a := said[rangeOf(text, q)]
		if out.Err = a.err; out.Err != nil {
			return out
		}
		out.Partial = cmp.Or(out.Partial, a.partial)
		out.Notes = append(out.Notes, a.notes...)
		if values[i], out.Err = valuesOf(a.series, q); out.Err != nil {
			return out
		}
	}
	lines := values[len(values)-1]
	out.Unseen = len(lines) == 0
	among := lines
	if q.Measure.Ratio != nil {
		among = values[1]
	}
	for t, all := range among {
		some, seen := values[0][t], lines[t] > 0
		if !seen || all <= 0 { // streams without a line, of a misspelt label: not zero errors
			continue
		}
		if some < 0 || some > 1.1*all+1 { // a line may come between the calls
			out.Err = badAnswer("counts %g of %g lines at %s; `of` must count a part of `to`", some, all, t.Format(time.RFC3339))
			return out
		}
		some = min(some, all)
		s := verifier.Sample{T: t, Value: some, Count: some, Exposure: all}
		if q.Measure.Ratio != nil {
			s.Value = some / all
		}
		out.Samples = append(out.Samples, s)
	}
	slices.SortFunc(out.Samples, func(a, b verifier.Sample) int { return a.T.Compare(b.T) })
	return out
}

var serviceLabel = regexp.MustCompile("([A-Za-z_][A-Za-z0-9_]*)\\s*=~?\\s*[\"`]\\{\\{\\s*\\.Service\\s*\\}\\}[\"`]")

// nearest is the value of the label that names the service which is most like the one asked for. Who cannot say says nothing.
func (l *Loki) nearest(ctx context.Context, q verifier.Question) string {
	label := serviceLabel.FindStringSubmatch(strings.Join(logQueries(q.Measure), " "))
	if label == nil {
		return ""
	}
	leave, err := l.prom.budget.enter(ctx)
	if err != nil {
		return ""
	}
	defer leave()
	known, _, _, err := l.labels.LabelValues(ctx, label[1], nil, q.From.Add(-time.Hour), q.To)
	if err != nil {
		return ""
	}
	best, distance := "", math.MaxInt
	for _, v := range known {
		if n := levenshtein.ComputeDistance(strings.ToLower(q.Subject.Service), strings.ToLower(string(v))); n < distance && string(v) != q.Subject.Service {
			best, distance = string(v), n
		}
	}
	return best
}
