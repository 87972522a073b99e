package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"verifier"
	"verifier/lifecycle"
)

// keptEvidence is what the daemon saw of a deploy: by measure, step and arm.
type keptEvidence struct {
	state     verifier.State
	automatic bool // the daemon rolled it back by itself
	evidence  map[keptKey]verifier.Evidence
	results   []lifecycle.Happened // of tests, as they came in
}

type keptKey struct {
	measure string
	step    time.Duration
	arm     verifier.Arm
}

func (b *backtester) kept(ctx context.Context, d verifier.Deploy) (keptEvidence, error) {
	out := keptEvidence{evidence: map[keptKey]verifier.Evidence{}}
	watches, err := b.store.Watches(ctx, []string{d.ID})
	v, ok := watches[d.ID]
	if err != nil || !ok {
		return out, err
	}
	out.state = v.State
	for _, r := range v.Results {
		out.results = append(out.results, lifecycle.Happened{At: r.At, Event: lifecycle.Resulted{Verification: d.ID, Results: []verifier.TestResult{r}}})
	}
	slices.SortFunc(out.results, func(a, b lifecycle.Happened) int { return a.At.Compare(b.At) })
	if r := v.Rollback; r != nil && v.ID == d.ID {
		out.automatic = r.SentAt != nil && r.By != nil && *r.By == lifecycle.Auto
	}
	list, err := b.store.RuleSet(ctx, v.Rules)
	if err != nil {
		return out, err
	}
	seen, err := b.store.Evidence(ctx, v.ID)
	if err != nil {
		return out, err
	}
	for _, e := range seen {
		i := slices.IndexFunc(list, func(r verifier.Rule) bool { return r.Name == e.Rule })
		if i >= 0 && e.Trouble == "" && e.Partial == "" {
			out.evidence[keptKey{measureKey(list[i].Measure), list[i].Every, e.Arm}] = e
		}
	}
	return out, nil
}

// answer is what was seen of the stretch that a question asks about, if it was seen whole.
func (k keptEvidence) answer(q verifier.Question, deployed time.Time) (verifier.Answer, bool) {
	arm := verifier.ArmDeployed
	switch {
	case q.Subject.Peers:
		arm = verifier.ArmPeers
	case !q.To.After(deployed):
		arm = verifier.ArmBefore
	}
	e, ok := k.evidence[keptKey{measureKey(q.Measure), q.Step, arm}]
	if !ok || q.From.Before(e.From) || q.To.After(e.Until) {
		return verifier.Answer{}, false
	}
	a := verifier.Answer{Query: e.Query, Link: e.Link, Unseen: e.Unseen, Nearest: e.Nearest}
	for _, s := range e.Samples {
		if s.T.After(q.From) && !s.T.After(q.To) {
			a.Samples = append(a.Samples, s)
		}
	}
	return a, true
}

// remembering answers from what was kept, and asks the source for all else that it may have still.
type remembering struct {
	lifecycle.Backend
	kept     keptEvidence
	deployed time.Time
	alone    bool
	heard    *heard
}

// heard is what came of the questions about one deploy. Sources are asked side by side.
type heard struct {
	mu       sync.Mutex
	answered int
	trouble  error // the first
}

func (h *heard) note(answers []verifier.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range answers {
		switch {
		case a.Err == nil:
			h.answered++
		case h.trouble == nil:
			h.trouble = a.Err
		}
	}
}

var (
	errNotKept  = errors.New("this was not kept, and no source is asked")
	errNowAlone = errors.New("this was not kept, and the source knows the present alone")
)

// Ask answers all questions; those that nothing was kept of go to the source together.
func (r remembering) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	defer func() { r.heard.note(answers) }()
	var ask []int
	for i, q := range questions {
		a, ok := r.kept.answer(q, r.deployed)
		switch {
		case ok:
			answers[i] = a
		case r.alone:
			answers[i].Err = gone(errNotKept)
		case len(q.Measure.Command) > 0 || q.Measure.HTTP != "":
			answers[i].Err = gone(errNowAlone)
		default:
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return answers
	}
	asked := make([]verifier.Question, len(ask))
	for k, i := range ask {
		asked[k] = questions[i]
	}
	for k, a := range r.Backend.Ask(ctx, asked) {
		answers[ask[k]] = a
	}
	return answers
}

func gone(err error) error {
	return &verifier.SourceError{Reason: verifier.SourceGone, Permanent: true, Err: err}
}
