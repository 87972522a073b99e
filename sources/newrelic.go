package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/outbound"
)

// NewRelicConfig is one account of New Relic, asked in NRQL through NerdGraph.
type NewRelicConfig struct {
	AccountID  int             `yaml:"account_id"`
	APIKey     outbound.Secret `yaml:"api_key"` // a user key, NRAK-...
	APIKeyFile string          `yaml:"api_key_file"`
	Region     string          `yaml:"region"`        // us (default) or eu
	URL        string          `yaml:"url"`           // of NerdGraph, where it is not the region's own
	Lag        time.Duration   `yaml:"lag"`           // default 1m: agents send once a minute at most
	Timeout    time.Duration   `yaml:"timeout"`       // of one call; default 30 s
	QueryTime  time.Duration   `yaml:"query_timeout"` // that New Relic may take for one query; default 20 s
	CAFile     string          `yaml:"ca_file"`
	Budget     BudgetConfig    `yaml:"budget"` // default 50 queries a second (3,000 a minute) and 25 calls at once, New Relic's own limits
}

// NewRelic answers nrql, and count and ratio written in NRQL. A sample at t is the bucket that ends at t.
type NewRelic struct {
	nerdGraph
	app    string // where people look at queries
	lag    time.Duration
	budget *budget
	shared *shared[string, nrqlAnswer]
	bundle bundle
}

// Limits of New Relic's own.
const (
	nrPerMinute = 3000
	nrAtOnce    = 25
	nrBuckets   = 366 // most that one TIMESERIES gives
	nrBundle    = 10  // queries in one document
)

var nrRegions = map[string]struct{ api, app string }{
	"us": {"https://api.newrelic.com/graphql", "https://one.newrelic.com"},
	"eu": {"https://api.eu.newrelic.com/graphql", "https://one.eu.newrelic.com"},
}

// NewNewRelic makes the client; it calls nobody. A nil rt is made from the configuration's ca_file and timeout.
func NewNewRelic(c NewRelicConfig, rt http.RoundTripper) (*NewRelic, error) {
	region, known := nrRegions[cmp.Or(strings.ToLower(c.Region), "us")]
	switch {
	case !known:
		return nil, verifier.Invalid("region", "%q is none; write us or eu", c.Region)
	case c.AccountID <= 0:
		return nil, verifier.Invalid("account_id", "is missing; write the number of the account that is asked")
	case c.Lag < 0 || c.Timeout < 0 || c.QueryTime < 0:
		return nil, verifier.Invalid("lag", "and timeouts must not be negative")
	}
	key, err := outbound.ReadSecret(c.APIKey.Reveal(), c.APIKeyFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("api_key: %w", err)
	case key == "":
		return nil, verifier.Invalid("api_key", "is missing; write api_key_file with a user key (NRAK-...)")
	}
	u, err := serverURL(cmp.Or(c.URL, region.api))
	if err != nil {
		return nil, err
	}
	if rt == nil {
		if rt, err = outbound.New(outbound.Config{CAFile: c.CAFile, Timeout: c.Timeout}); err != nil {
			return nil, err
		}
	}
	n := &NewRelic{
		nerdGraph: nerdGraph{url: u.String(), host: u.Host, key: key, account: c.AccountID, client: outbound.Client(rt, c.Timeout), patience: cmp.Or(c.QueryTime, 20*time.Second)},
		app:       region.app, lag: cmp.Or(c.Lag, time.Minute), budget: newBudget(nrBudget(c.Budget)),
	}
	n.shared = newShared[string](min(moment, n.lag/2), func(a nrqlAnswer) bool { return a.err == nil })
	n.bundle.call = n.call
	return n, nil
}

func nrBudget(b BudgetConfig) BudgetConfig {
	return BudgetConfig{PerSecond: cmp.Or(b.PerSecond, nrPerMinute/60.0), AtOnce: cmp.Or(b.AtOnce, nrAtOnce)}
}

// Lag is how late its data are.
func (n *NewRelic) Lag() time.Duration { return n.lag }

// HasPeers reports whether the query can leave the changed hosts out, or its rows tell hosts or versions apart.
func (n *NewRelic) HasPeers(m verifier.Measure) bool {
	texts := nrqlTexts(m)
	return picksArm(m.Pick) || len(texts) > 0 && !slices.ContainsFunc(texts, func(text string) bool { return !slices.Contains(names(text), hostOp) })
}

// nrqlPlan is what is asked for one question.
type nrqlPlan struct {
	texts    []string // the rule's queries, filled in
	presence string   // all events of the service, filled in; empty where null says that there were none
	nearest  string   // the attribute with the service's name, and the types of events
	types    string
	facets   bool
}

// plan fills in the templates.
func (n *NewRelic) plan(q verifier.Question) (nrqlPlan, error) {
	var p nrqlPlan
	texts := nrqlTexts(q.Measure)
	switch {
	case len(texts) == 0:
		return p, errors.New("New Relic answers nrql, count and ratio only")
	case q.Step < time.Second || q.Step%time.Second != 0:
		return p, fmt.Errorf("a step of %v is none that NRQL has; write every: in whole seconds", q.Step)
	case q.Subject.Peers && !n.HasPeers(q.Measure):
		return p, errors.New("the query cannot tell changed hosts from others")
	}
	for _, text := range texts {
		filled, err := Fill(NRQL, text, q.Subject, q.Step)
		if err != nil {
			return p, err
		}
		p.texts = append(p.texts, filled)
	}
	read, err := readNRQL(texts[0])
	if err != nil {
		return p, err
	}
	p.facets = len(q.Measure.Pick) > 0
	if q.Measure.Ratio != nil || !read.zeroIsDoubtful() {
		return p, nil
	}
	p.nearest, p.types = read.serviceAttribute(), withAllOf(read.clause("from"))
	p.presence, err = Fill(NRQL, read.presence(), q.Subject, q.Step)
	return p, err
}

// all are the queries in full, in parts that one TIMESERIES can give, for each text of the plan.
func (p nrqlPlan) all(q verifier.Question) [][]string {
	texts := p.texts
	if p.presence != "" {
		texts = append(slices.Clone(texts), p.presence)
	}
	out := make([][]string, len(texts))
	part := nrBuckets * q.Step
	for i, text := range texts {
		for from := q.From; from.Before(q.To); from = from.Add(part) {
			to := from.Add(part)
			if to.After(q.To) {
				to = q.To
			}
			out[i] = append(out[i], timed(text, p.facets, from, to, q.Step))
		}
	}
	return out
}

// Ask answers all questions: each distinct query is asked once, several in one document.
func (n *NewRelic) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	plans := make([]nrqlPlan, len(questions))
	said := map[string]*nrqlAnswer{}
	for i, q := range questions {
		var err error
		if plans[i], err = n.plan(q); err != nil {
			answers[i].Err = badQuestion(err)
			continue
		}
		for _, text := range slices.Concat(plans[i].all(q)...) {
			said[text] = &nrqlAnswer{}
		}
	}
	n.askAll(ctx, said)
	for i, q := range questions {
		if answers[i].Err == nil {
			answers[i] = n.answer(q, plans[i], said)
		}
	}
	n.findNearest(ctx, questions, plans, answers)
	return answers
}

// askAll asks what others do not ask at this moment.
func (n *NewRelic) askAll(ctx context.Context, said map[string]*nrqlAnswer) {
	var group sync.WaitGroup
	for text, into := range said {
		group.Go(func() {
			got, err := n.shared.do(ctx, text, func(ctx context.Context) nrqlAnswer { return n.bundle.do(ctx, text) })
			if err != nil {
				got = nrqlAnswer{err: n.trouble(err)}
			}
			*into = got
		})
	}
	group.Wait()
}

// call asks one document, within the budget: every query in it counts.
func (n *NewRelic) call(ctx context.Context, texts []string) []nrqlAnswer {
	leave, err := n.budget.enter(ctx)
	waiting, cancel := n.budget.patience(ctx)
	defer cancel()
	for i := 1; i < len(texts) && err == nil; i++ {
		if err = n.budget.wait(waiting); err != nil {
			leave()
		}
	}
	if err != nil {
		return eachFailed(texts, down(fmt.Errorf("ask %s: %w", n.host, err)))
	}
	defer leave()
	said := n.ask(ctx, texts)
	for _, a := range said {
		_ = n.budget.heed(a.err) // told by the answers
	}
	return said
}

// bundle puts queries that come at the same moment into one document.
type bundle struct {
	call func(context.Context, []string) []nrqlAnswer

	mu   sync.Mutex
	open *bundled
}

type bundled struct {
	texts   []string
	said    []nrqlAnswer
	waiting int
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
}

// bundleFor is how long the first query waits for others.
const bundleFor = 5 * time.Millisecond

// do waits for the document that its query becomes a part of. It is given up when nobody waits any more.
func (b *bundle) do(ctx context.Context, text string) nrqlAnswer {
	doc, i := b.join(ctx, text)
	select {
	case <-doc.done:
		return doc.said[i]
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		if doc.waiting--; doc.waiting == 0 {
			doc.cancel()
			if b.open == doc {
				b.open = nil
			}
		}
		return nrqlAnswer{err: ctx.Err()}
	}
}

func (b *bundle) join(ctx context.Context, text string) (*bundled, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	doc := b.open
	if doc == nil {
		doc = &bundled{done: make(chan struct{})}
		doc.ctx, doc.cancel = context.WithCancel(context.WithoutCancel(ctx))
		b.open = doc
		time.AfterFunc(bundleFor, func() { b.send(doc) })
	}
	doc.texts = append(doc.texts, text)
	doc.waiting++
	if len(doc.texts) == nrBundle {
		b.open = nil
	}
	return doc, len(doc.texts) - 1
}

func (b *bundle) send(doc *bundled) {
	b.mu.Lock()
	if b.open == doc {
		b.open = nil
	}
	b.mu.Unlock()
	defer doc.cancel()
	doc.said = b.call(doc.ctx, doc.texts)
	close(doc.done)
}

// link leads to the query builder with the query in it.
func (n *NewRelic) link(text string) string {
	v := url.Values{}
	v.Set("platform[accountId]", fmt.Sprint(n.account))
	v.Set("pane", paneOf(n.account, text))
	return n.app + "/launcher/data-exploration.query-builder?" + v.Encode()
}
