package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"verifier"
)

// Set is all rules of a file or a folder.
type Set struct {
	rules     []verifier.Rule
	overrides []override
	files     []string
}

// override changes the named fields of one rule for the deploys that it selects.
type override struct {
	name   string
	where  string
	rule   rule
	sel    verifier.Select
	window time.Duration // of its own measure's range selectors
}

// The values that hold where nothing is written.
const (
	defaultSettle     = time.Minute
	defaultWatch      = 15 * time.Minute
	defaultEvery      = 15 * time.Second
	defaultOver       = 30 * time.Minute
	defaultTolerate   = 0.25
	defaultConfidence = 0.99
)

// For is the rules that select the deploy, resolved, and the hash that they are kept under. The confidence of the whole verdict is
// divided among those that count (Bonferroni).
func (s *Set) For(d verifier.Deploy) (list []verifier.Rule, hash string) {
	for _, r := range s.rules {
		if resolved, on := s.overridden(r, d); on && resolved.Select.Matches(d) {
			list = append(list, resolved)
		}
	}
	counting := 0
	for _, r := range list {
		if r.OnFail != verifier.FailNote && !r.Muted(d.At) {
			counting++
		}
	}
	for i := range list {
		list[i].Confidence = 1 - (1-list[i].Confidence)/float64(max(1, counting))
	}
	text, _ := json.Marshal(list) // unreachable error: plain fields
	sum := sha256.Sum256(text)
	return list, "sha256:" + hex.EncodeToString(sum[:])
}

// overridden is the rule with the overrides that select the deploy; false where one turns it off.
func (s *Set) overridden(r verifier.Rule, d verifier.Deploy) (verifier.Rule, bool) {
	on := true
	for _, o := range s.overrides {
		if o.name != r.Name || !o.sel.Matches(d) {
			continue
		}
		if o.rule.Off != nil {
			on = !*o.rule.Off
		}
		r = o.rule.apply(r)
		if o.rule.Settle != nil || o.rule.Measure != nil {
			r.Settle += o.window
		}
		r.Where += " " + o.where
	}
	return r, on
}

// Len is how many rules there are.
func (s *Set) Len() int { return len(s.rules) }

// Files are the files that were read, for watching them.
func (s *Set) Files() []string { return s.files }

// Rules are the rules as they are without any override.
func (s *Set) Rules() []verifier.Rule { return s.rules }

// first is the rule under the defaults that it inherits: the folder's, then its own file's, key by key.
func first(folder defaults, team string, own defaults) verifier.Rule {
	r := verifier.Rule{
		Team: team, Settle: defaultSettle, Watch: defaultWatch, Every: defaultEvery, Confidence: defaultConfidence,
		OnFail: verifier.FailAlert, OnNoData: verifier.NoDataInconclusive,
	}
	folder.over(&r)
	if team != "" {
		r.Select.Team = []string{team}
	}
	own.over(&r)
	return r
}

// over puts what is written over what the rule is already.
func (d defaults) over(r *verifier.Rule) {
	stretch(&r.Settle, d.Settle)
	stretch(&r.Watch, d.Watch)
	stretch(&r.Every, d.Every)
	if d.Confidence != nil {
		r.Confidence = float64(*d.Confidence)
	}
	r.Select = d.Select.over(r.Select)
}

func stretch(to *time.Duration, from *duration) {
	if from != nil {
		*to = time.Duration(*from)
	}
}

func value[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func word[T ~string](to *T, from *string) {
	if from != nil {
		*to = T(*from)
	}
}

// apply puts what is written over what the rule is already.
func (r rule) apply(to verifier.Rule) verifier.Rule {
	if r.Measure != nil {
		to.Measure = r.Measure.words()
	}
	to.Limit = r.Limit.apply(to.Limit, to.Measure)
	to.Measure.Exit = to.Limit != nil && to.Limit.Exit != nil
	to.Compare = r.Compare.apply(to.Compare, to.Measure)
	word(&to.OnFail, r.OnFail)
	word(&to.OnNoData, r.OnNoData)
	word(&to.Severity, r.Severity)
	value(&to.Optional, r.Optional)
	value(&to.EvenIfBefore, r.EvenIfBefore)
	if r.MuteUntil != nil {
		to.MuteUntil = time.Time(*r.MuteUntil)
	}
	value(&to.Note, r.Note)
	if r.MinSamples != nil {
		to.MinSamples = int(*r.MinSamples)
	}
	value(&to.MinExposure, r.MinExposure)
	stretch(&to.Extend, r.Extend)
	stretch(&to.Settle, r.Settle)
	stretch(&to.Watch, r.Watch)
	stretch(&to.Every, r.Every)
	if r.Severity == nil && (to.Severity == "" || r.OnFail != nil) {
		to.Severity = verifier.SeverityWarn
		if to.OnFail == verifier.FailRollback {
			to.Severity = verifier.SeverityPage
		}
	}
	return to
}

func (l *limit) apply(to *verifier.Limit, m verifier.Measure) *verifier.Limit {
	if l == nil {
		return to
	}
	out := verifier.Limit{}
	if to != nil {
		out = *to
	}
	pointer(&out.Above, l.Above.of(m))
	pointer(&out.Below, l.Below.of(m))
	pointer(&out.Equals, l.Equals.of(m))
	pointer(&out.Exit, (*int)(l.Exit))
	pointer(&out.New, (*int)(l.New))
	value(&out.SeenAtLeast, (*int)(l.SeenAtLeast))
	stretch(&out.Within, l.Within)
	stretch(&out.For, l.For)
	return &out
}

func pointer[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

func (c *compare) apply(to *verifier.Compare, m verifier.Measure) *verifier.Compare {
	if c == nil {
		return to
	}
	out := verifier.Compare{
		With: []verifier.Arm{verifier.ArmBefore, verifier.ArmPeers}, Over: defaultOver, Worse: verifier.Higher, Tolerate: defaultTolerate,
	}
	if to != nil {
		out = *to
	}
	if c.With != nil {
		out.With = make([]verifier.Arm, len(c.With))
		for i, arm := range c.With {
			out.With[i] = verifier.Arm(strings.ToLower(arm))
		}
	}
	stretch(&out.Over, c.Over)
	word(&out.Worse, c.Worse)
	if c.Tolerate != nil {
		out.Tolerate = float64(*c.Tolerate)
	}
	value(&out.AtLeast, c.AtLeast.of(m))
	return &out
}
