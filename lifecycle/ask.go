package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"verifier"
)

// Backend is a source with what asking it needs to know: how late its data are, and whether it can tell changed instances from
// unchanged ones for this measure.
type Backend interface {
	verifier.Source
	Lag() time.Duration
	HasPeers(verifier.Measure) bool
}

// Backends are the sources by name.
type Backends map[string]Backend

// Paced is a Backend with a budget: when a watch may ask its questions, at once where that is not after now. said tells where its
// cadence is slower than was wanted, and why.
type Paced interface {
	Turn(watch string, questions []verifier.Question, now time.Time) (at time.Time, said string)
}

// paces are when the watch may ask again the sources that it must wait for, and what is to be said of its cadence, by source.
type paces map[string]pace

type pace struct {
	turn time.Time
	said string
}

// later reports whether the watch waits for its turn.
func (p paces) later(source string, now time.Time) bool { return p[source].turn.After(now) }

// asking is one question with the evidence that its answer goes into.
type asking struct {
	question verifier.Question
	into     *verifier.Evidence
	fixed    bool          // a baseline: asked once and kept
	back     time.Duration // it is of so long before: its steps are moved to those of the watch
	again    time.Time     // steps up to here are asked for the last time
}

// gather asks for everything that the watch lacks up to now and returns its evidence with the answers in it. changed is false
// where nothing was to be asked yet. What does not fit into a source's budget has to wait, unless it is urgent.
func gather(ctx context.Context, w verifier.Watched, service verifier.Service, sources Backends, urgent bool, now time.Time) (evidence []verifier.Evidence, wait paces, changed bool) {
	evidence = slices.Clone(w.Evidence)
	book := map[string]*verifier.Evidence{}
	for i := range evidence {
		book[evidence[i].Rule+"\x00"+string(evidence[i].Arm)] = &evidence[i]
	}
	bySource := map[string][]asking{}
	var fresh []*verifier.Evidence
	for _, r := range w.Rules {
		source, known := sources[r.Measure.Source]
		if !known || settledRule(w.Verification, r) && !loadWanted(w, r) {
			continue
		}
		bySource[r.Measure.Source] = append(bySource[r.Measure.Source], askings(w.Verification, r, service, source, now, func(arm verifier.Arm) *verifier.Evidence {
			e := book[r.Name+"\x00"+string(arm)]
			if e == nil {
				e = &verifier.Evidence{Rule: r.Name, Arm: arm}
				fresh = append(fresh, e)
			}
			return e
		})...)
	}
	wait = paces{}
	if !urgent {
		wait = takeTurns(w.Verification.ID, bySource, sources, now)
	}
	if len(bySource) == 0 {
		return evidence, wait, false
	}
	askAll(ctx, bySource, sources, wait, now)
	for _, e := range fresh {
		evidence = append(evidence, *e)
	}
	return evidence, wait, true
}

// takeTurns takes those sources out of bySource for which it is not the watch's turn.
func takeTurns(watch string, bySource map[string][]asking, sources Backends, now time.Time) paces {
	wait := paces{}
	for name, list := range bySource {
		source, paced := sources[name].(Paced)
		if !paced || len(list) == 0 {
			continue
		}
		var p pace
		if p.turn, p.said = source.Turn(watch, questionsOf(list), now); p.turn.After(now) {
			delete(bySource, name)
		}
		wait[name] = p
	}
	return wait
}

func questionsOf(list []asking) []verifier.Question {
	questions := make([]verifier.Question, len(list))
	for i, a := range list {
		questions[i] = a.question
	}
	return questions
}

// soon is when a question that was not let through is asked again.
const soon = time.Second

// askAll asks all sources at the same time.
func askAll(ctx context.Context, bySource map[string][]asking, sources Backends, wait paces, now time.Time) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for name, list := range bySource {
		group.Go(func() {
			answers := sources[name].Ask(ctx, questionsOf(list))
			stuck := map[*verifier.Evidence]bool{} // a stretch of it is lacking: what comes after is asked again with it
			for i, a := range list {
				if stuck[a.into] {
					continue
				}
				stuck[a.into] = answers[i].Err != nil || answers[i].Partial != "" || !answers[i].Until.IsZero() && answers[i].Until.Before(a.question.To)
				if failure, ok := errors.AsType[*verifier.SourceError](answers[i].Err); ok && failure.Waits {
					mu.Lock()
					wait[name] = pace{now.Add(soon), wait[name].said}
					mu.Unlock()
					continue
				}
				take(a, answers[i])
			}
		})
	}
	group.Wait()
}

// settledRule reports whether nothing more is to be learned of the rule: it is decided, and no rollback depends on it.
func settledRule(v verifier.Verification, r verifier.Rule) bool {
	i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == r.Name })
	if i < 0 || !v.Findings[i].Decided() {
		return false
	}
	f := v.Findings[i]
	if f.Outcome == verifier.Fail && f.Counts() && !mending(v).IsZero() {
		return false
	}
	return !f.RollsBack() || !mayStillAct(v)
}

// mayStillAct reports whether a failed rule is looked at further: the countdown asks whether the trouble is over.
func mayStillAct(v verifier.Verification) bool {
	if v.Rollback == nil {
		return v.State == verifier.FailedState
	}
	switch v.Rollback.State {
	case verifier.RollbackApproved, verifier.RollbackProposed:
		return true
	case verifier.RollbackCancelled:
		return v.Rollback.Reason == recoveredReason
	}
	return false
}

// askings are the questions of one rule: the deployed version and its peers up to now, the stretch before once.
func askings(v verifier.Verification, r verifier.Rule, service verifier.Service, source Backend, now time.Time, of func(verifier.Arm) *verifier.Evidence) []asking {
	subject := subjectOf(v.Deploy, service, r.Measure.Source)
	subject.Hosts = hostsOf(v)
	until := latest(askUntil(v), untilOf(v, r))
	end := floor(earlier(now.Add(-source.Lag()), until), r.Every)
	again := floor(earlier(now.Add(-2*source.Lag()), until), r.Every)
	start := floor(v.From, r.Every)
	var out []asking
	add := func(arm verifier.Arm, s verifier.Subject, cut func(from, to time.Time) []leg) {
		e := of(arm)
		from := latest(start, e.Again)
		if !end.After(from) || !end.After(e.Until) && !again.After(e.Again) {
			return
		}
		for _, l := range cut(from, end) {
			s.Hosts, s.Mixed = l.hosts, l.mixed
			out = append(out, asking{question: question(r, s, l.from, l.to), into: e, again: again})
		}
	}
	whole := func(from, to time.Time) []leg { return []leg{{from: from, to: to, hosts: subject.Hosts}} }
	cut := whole
	apart := tellsApart(v, r, source)
	if apart {
		cut = func(from, to time.Time) []leg { return legs(v, r, from, to) }
	}
	add(verifier.ArmDeployed, subject, cut)
	if len(out) == 0 && end.Before(start.Add(r.Every)) {
		return nil
	}
	if usesPeers(r) && apart {
		peers := subject
		peers.Peers = true
		add(verifier.ArmPeers, peers, whole)
	}
	if a, ok := askBefore(v, r, subject, source, now, of); ok {
		out = append(out, a)
	}
	return append(out, askOtherDays(v, r, subject, source, now, of)...)
}

func question(r verifier.Rule, s verifier.Subject, from, to time.Time) verifier.Question {
	return verifier.Question{Measure: r.Measure, Subject: s, From: from, To: to, Step: r.Every}
}

// usesPeers: a count needs them too, to tell hosts that went silent from a service that nobody calls.
func usesPeers(r verifier.Rule) bool {
	return comparesWith(r, verifier.ArmPeers) || r.Measure.Counts()
}

func comparesWith(r verifier.Rule, arm verifier.Arm) bool {
	return r.Compare != nil && slices.Contains(r.Compare.With, arm)
}

// askUntil is the end of the last step that is asked for: the end of the watch, or of a countdown that outlasts it.
func askUntil(v verifier.Verification) time.Time {
	if r := v.Rollback; r != nil && r.SendAt != nil && r.SendAt.After(v.Until) {
		return *r.SendAt
	}
	return v.Until
}

// subjectOf is whom to ask about, by the names that the source uses.
func subjectOf(d verifier.Deploy, service verifier.Service, source string) verifier.Subject {
	s := verifier.Subject{
		Service: d.Service, Environment: d.Environment, Target: d.Target, Version: d.Version, Team: d.Team, Hosts: d.Hosts, Labels: d.Labels,
	}
	if name := service.Names[source]; name != "" {
		s.Service = fillName(name, d)
	}
	return s
}

// take puts an answer into the evidence. Steps that are answered again replace what was known of them.
func take(a asking, answer verifier.Answer) {
	e, q := a.into, a.question
	if a.back > 0 {
		q, answer = moved(q, answer, a.back)
	}
	if answer.Err != nil {
		e.Trouble, e.Problem = troubleOf(answer.Err), answer.Err.Error()
		var failure *verifier.SourceError
		if a.fixed && errors.As(answer.Err, &failure) && failure.Permanent {
			e.Settled = true
		}
		return
	}
	e.Trouble, e.Problem = "", ""
	if e.From.IsZero() || q.From.Before(e.From) {
		e.From = q.From
	}
	kept := slices.DeleteFunc(slices.Clone(e.Samples), func(s verifier.Sample) bool { return s.T.After(q.From) && !s.T.After(q.To) })
	e.Samples = append(kept, answer.Samples...)
	slices.SortFunc(e.Samples, func(x, y verifier.Sample) int { return x.T.Compare(y.T) })
	e.Partial, e.Query, e.Link = answer.Partial, answer.Query, answer.Link
	e.Bounded = cmp.Or(e.Bounded, answer.Bounded)
	e.Unseen = answer.Unseen && (e.Until.IsZero() || e.Unseen)
	if e.Asked = ""; answer.Unseen {
		e.Asked = q.Subject.Service
	}
	if answer.Nearest != "" {
		e.Nearest = answer.Nearest
	}
	takeRemarks(e, answer)
	if answer.Partial != "" {
		return // asked again from where it was whole
	}
	until := q.To
	if !answer.Until.IsZero() && answer.Until.Before(until) {
		until = answer.Until
	}
	if until.After(e.Until) {
		e.Until = until
	}
	e.Again = latest(e.Again, earlier(a.again, until))
	e.Settled = a.fixed
}

// takeRemarks keeps what the source said about its answer. Skipped lines of a step that is answered again count once.
func takeRemarks(e *verifier.Evidence, answer verifier.Answer) {
	for _, skipped := range answer.Skipped {
		if answer.Partial == "" && skipped.T.After(e.Until) {
			e.Skipped += skipped.Lines
			e.Lines = cmp.Or(e.Lines, answer.Lines)
		}
	}
	e.Absent = cmp.Or(answer.Absent, e.Absent)
	if slices.ContainsFunc(e.Samples, func(s verifier.Sample) bool { return s.Count > 0 }) {
		e.Absent = ""
	}
}

func troubleOf(err error) verifier.Reason {
	var failure *verifier.SourceError
	if errors.As(err, &failure) && failure.Reason != "" {
		return failure.Reason
	}
	return verifier.SourceDown
}

func floor(t time.Time, step time.Duration) time.Time {
	if step <= 0 {
		return t
	}
	n := t.UnixNano()
	return time.Unix(0, n-n%int64(step)).UTC()
}

func ceil(t time.Time, step time.Duration) time.Time {
	if f := floor(t, step); !f.Equal(t) {
		return f.Add(step)
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
