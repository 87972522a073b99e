package web

import (
	"context"
	"slices"
	"strings"

	"verifier"
	"verifier/words"
)

// aim finds the one place that a request without an id is about. Where no target is named (an empty one is a name: deploys without a
// target), it is the only one that there is; of several one has to be named.
func (s *server) aim(ctx context.Context, q *query, p verifier.Place) (verifier.Place, error) {
	if len(q.bad) > 0 || q.values.Has("target") {
		return p, nil
	}
	known, err := s.record.Targets(ctx, p.Service, p.Environment)
	switch {
	case len(known) > 1:
		q.wrong("target", "is missing; %s has %s: %s; name one", p, words.Count(len(known), "target"), targetList(known))
	case len(known) == 1:
		p.Target = known[0]
	}
	return p, err
}

// aimKnown is aim for what was deployed already: a target that is named has to be known.
func (s *server) aimKnown(ctx context.Context, q *query, p verifier.Place) (verifier.Place, error) {
	if len(q.bad) > 0 || !q.values.Has("target") {
		return s.aim(ctx, q, p)
	}
	known, err := s.record.Targets(ctx, p.Service, p.Environment)
	if len(known) > 0 && !slices.ContainsFunc(known, func(t string) bool { return strings.EqualFold(t, p.Target) }) {
		named := p.Target
		p.Target = ""
		q.wrong("target", "%q is not a target of %s, which has %s%s", named, p, targetList(known), words.DidYouMean(named, known))
	}
	return p, err
}

// newest reads the parameters of a list that is to hold the newest item of one place alone.
func (s *server) newest(ctx context.Context, q *query, page *verifier.Page, p *verifier.Place, noTarget *bool) error {
	if !q.bool("newest") {
		return nil
	}
	for _, f := range []struct{ name, value string }{{"service", p.Service}, {"environment", p.Environment}} {
		if f.value == "" {
			q.wrong(f.name, "is missing; newest is about one place")
		}
	}
	if len(q.bad) == 0 {
		if err := s.knows(ctx, p.Environment); err != nil {
			return err
		}
	}
	var err error
	*p, err = s.aimKnown(ctx, q, *p)
	page.Limit, *noTarget = 1, p.Target == ""
	return err
}

// mostTargets is how many are listed.
const mostTargets = 20

func targetList(targets []string) string {
	shown := make([]string, len(targets))
	for i, t := range targets {
		shown[i] = t
		if t == "" {
			shown[i] = `"" (no target)`
		}
	}
	return words.List(shown, mostTargets)
}
