package record

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"verifier"
)

// Join adds a fact to what is known of its deploy (nil: nothing) and says whether that changed anything.
//
// The result is the same for any order of facts and any number of repeats. An end (succeeded, failed) wins over started; of two
// ends the later at wins, and at the same at succeeded. StartedAt is the latest start, which may lie after At where a tool
// started again. Hosts are united, each changed when a fact first named it; a start that names hosts tells how far the deploy has
// come, and is no start where another fact tells of one. Every other field goes to the fact with the later at, labels key by key,
// and at the same at to the greater value; what a fact leaves empty it does not say. A fact that does not say when has the time of
// what it repeats, else when it came in. Consent that is refused stays refused. Times count to the millisecond. What the record
// itself derived stays, RecordedAt is the earliest. A deploy with Expected hosts ends when all of them have told how it went.
//
// A fact for another place, version or change is a ConflictError. Once a person corrected a deploy that has ended, facts about it
// change nothing.
func Join(known *verifier.Deploy, fact verifier.Deploy) (joined verifier.Deploy, changed bool, err error) {
	if known == nil {
		return merge(fact, fact), true, nil
	}
	if known.Corrected && known.Status != verifier.Started {
		return *known, false, nil
	}
	if err := conflict(*known, fact); err != nil {
		return *known, false, err
	}
	joined = merge(*known, assume(*known, fact))
	return joined, !reflect.DeepEqual(plainly(joined), plainly(merge(*known, *known))), nil
}

// plainly leaves out whether the start was told or filled in: told again, it is nothing new.
func plainly(d verifier.Deploy) verifier.Deploy {
	d.Told = maps.Clone(d.Told)
	delete(d.Told, startedAt)
	if len(d.Told) == 0 {
		d.Told = nil
	}
	return d
}

// Fill sets the team where no fact said it. Any fact that does, earlier or later, wins over what was filled in.
func Fill(d verifier.Deploy, team string) verifier.Deploy {
	if d.Team != "" || team == "" {
		return d
	}
	d.Team, d.Told = team, filledIn(d.Told, "team")
	return d
}

// filledIn notes that the record filled in a field.
func filledIn(told map[string]time.Time, name string) map[string]time.Time {
	told = maps.Clone(told)
	if told == nil {
		told = map[string]time.Time{}
	}
	told[name] = time.Time{}
	return told
}

// assume gives a fact that did not say when the time of what it repeats: sent again, it is nothing new.
func assume(known, fact verifier.Deploy) verifier.Deploy {
	switch {
	case !fact.AtAssumed:
	case len(verifier.UnionHosts(known.Hosts, fact.Hosts)) > len(known.Hosts):
		// it tells of hosts that were changed since
	case fact.Status == verifier.Started && known.StartedAt != nil:
		fact.At = *known.StartedAt
	case fact.Status == known.Status, fact.Status == verifier.Started:
		fact.At = known.At
	}
	return fact
}

func conflict(known, fact verifier.Deploy) error {
	var wrong []verifier.FieldError
	for _, f := range []struct {
		name, known, fact string
		fold              bool
	}{
		{"id", known.ID, fact.ID, false},
		{"service", known.Service, fact.Service, true},
		{"environment", known.Environment, fact.Environment, true},
		{"target", known.Target, fact.Target, true},
		{"version", known.Version, fact.Version, false},
		{"change", string(known.Change), string(fact.Change), false},
	} {
		if f.known == f.fact || f.fold && strings.EqualFold(f.known, f.fact) || f.name == "version" && Same(f.known, f.fact) {
			continue
		}
		wrong = append(wrong, verifier.FieldError{Field: f.name, Problem: fmt.Sprintf(
			"deploy %q is known with %q, not %q; another deploy needs another id", known.ID, f.known, f.fact)})
	}
	if len(wrong) == 0 {
		return nil
	}
	return &verifier.ConflictError{Field: wrong[0].Field, Problem: wrong[0].Problem, More: wrong[1:]}
}

// merge takes the greater of each field under an order that only looks at the two values and the times they were said at, so it
// does not matter how often or in what order facts are merged.
func merge(a, b verifier.Deploy) verifier.Deploy {
	a, b = clean(a), clean(b)
	out := a
	out.Service, out.Environment, out.Target = min(a.Service, b.Service), min(a.Environment, b.Environment), min(a.Target, b.Target)
	out.Version = min(a.Version, b.Version) // spellings of one version
	if end := laterEnd(a, b); end != nil {
		out.Status, out.At = end.Status, end.At
	} else {
		out.At = later(a.At, b.At)
	}
	out.Found, out.WithoutID = max(a.Found, b.Found), a.WithoutID || b.WithoutID

	told := map[string]time.Time{}
	mergeStarts(&out, a, b, told)
	mergeHosts(&out, a, b, told)
	count(&out, told)
	mergeTexts(&out, a, b, told)
	mergeLabels(&out, a, b, told)
	mergeConsent(&out, a, b, told)
	out.Told = exceptions(told, out.At)

	if out.RecordedAt.IsZero() || !b.RecordedAt.IsZero() && b.RecordedAt.Before(out.RecordedAt) {
		out.RecordedAt = b.RecordedAt
	}
	if out.Tool == "" {
		out.Tool = b.Tool
	}
	return out
}

// clean brings times to the store's millisecond, so that a fact sent again is the same fact, and makes At and StartedAt of a
// deploy without an end one time. One that names hosts tells how far it has come: it began when the first was told of.
func clean(d verifier.Deploy) verifier.Deploy {
	d.At, d.RecordedAt = millis(d.At), millis(d.RecordedAt)
	if d.StartedAt != nil {
		at := millis(*d.StartedAt)
		d.StartedAt = &at
	}
	switch {
	case d.Status != verifier.Started:
	case len(d.Hosts) == 0:
		d.StartedAt = latest(d.StartedAt, &d.At)
		d.At = *d.StartedAt
	case d.StartedAt == nil:
		at := d.At
		d.StartedAt, d.Told = &at, maps.Clone(d.Told)
		if d.Told == nil {
			d.Told = map[string]time.Time{}
		}
		d.Told[startedAt] = time.Time{}
	}
	return d
}

// startedAt is noted where the record filled in the start.
const startedAt = "started_at"

// mergeStarts takes the latest start that was told, else the earliest of those that were filled in.
func mergeStarts(out *verifier.Deploy, a, b verifier.Deploy, told map[string]time.Time) {
	_, filledA := a.Told[startedAt]
	_, filledB := b.Told[startedAt]
	filledA, filledB = filledA || a.StartedAt == nil, filledB || b.StartedAt == nil
	switch {
	case filledA && !filledB:
		out.StartedAt = latest(b.StartedAt, nil)
	case filledB && !filledA:
		out.StartedAt = latest(a.StartedAt, nil)
	case !filledA:
		out.StartedAt = latest(a.StartedAt, b.StartedAt)
	default:
		out.StartedAt = earliest(a.StartedAt, b.StartedAt)
		if out.StartedAt != nil {
			told[startedAt] = time.Time{}
		}
	}
}

// mergeHosts unites the hosts, and keeps when each was first told of.
func mergeHosts(out *verifier.Deploy, a, b verifier.Deploy, told map[string]time.Time) {
	out.Hosts = unionHosts(a.Hosts, b.Hosts)
	out.Expected, out.FailedHosts = unionHosts(a.Expected, b.Expected), unionHosts(a.FailedHosts, b.FailedHosts)
	for _, d := range []verifier.Deploy{a, b} {
		for _, h := range d.Hosts {
			at := millis(d.HostChanged(h))
			if first, known := told[verifier.HostTold+h]; !known || at.Before(first) {
				told[verifier.HostTold+h] = at
			}
		}
	}
}

// count ends a deploy whose tool tells of each host by itself, when all that it is to reach have told: at the time of the last.
func count(out *verifier.Deploy, told map[string]time.Time) {
	if len(out.Expected) == 0 {
		return
	}
	var last time.Time
	for _, h := range out.Expected {
		if !slices.Contains(out.Hosts, h) {
			return
		}
		last = later(last, told[verifier.HostTold+h])
	}
	out.Status, out.At = verifier.Succeeded, last
	if len(out.FailedHosts) > 0 {
		out.Status = verifier.Failed
	}
}

func laterEnd(a, b verifier.Deploy) *verifier.Deploy {
	switch {
	case a.Status == verifier.Started && b.Status == verifier.Started:
		return nil
	case a.Status == verifier.Started:
		return &b
	case b.Status == verifier.Started:
		return &a
	case a.At.After(b.At), a.At.Equal(b.At) && a.Status >= b.Status:
		return &a
	}
	return &b
}

// said is one value with the time it was said at; ok is false where nobody said one.
type said struct {
	value string
	at    time.Time
	ok    bool
}

func (s said) beats(o said) bool {
	if !s.ok || !o.ok {
		return s.ok
	}
	if !s.at.Equal(o.at) {
		return s.at.After(o.at)
	}
	return s.value >= o.value
}

func winner(a, b said) said {
	if a.beats(b) {
		return a
	}
	return b
}

func saidIn(d verifier.Deploy, name, value string, ok bool) said {
	at, told := d.Told[name]
	if !told {
		at = d.At
	}
	return said{value, millis(at), ok}
}

func mergeTexts(out *verifier.Deploy, a, b verifier.Deploy, told map[string]time.Time) {
	as, bs, outs := texts(&a), texts(&b), texts(out)
	for i, f := range outs {
		w := winner(saidIn(a, f.name, *as[i].at, *as[i].at != ""), saidIn(b, f.name, *bs[i].at, *bs[i].at != ""))
		*f.at = w.value
		if w.ok {
			told[f.name] = w.at
		}
	}
}

type text struct {
	name string
	at   *string
}

func texts(d *verifier.Deploy) []text {
	return []text{
		{"previous_version", &d.PreviousVersion},
		{"rolls_back", &d.RollsBack},
		{"group", &d.Group},
		{"team", &d.Team},
		{"by", &d.By},
		{"commit", &d.Commit},
		{"repository", &d.Repository},
		{"url", &d.URL},
	}
}

func mergeLabels(out *verifier.Deploy, a, b verifier.Deploy, told map[string]time.Time) {
	out.Labels = nil
	for _, labels := range []map[string]string{a.Labels, b.Labels} {
		for k := range labels {
			name := "labels." + k
			va, oka := a.Labels[k]
			vb, okb := b.Labels[k]
			w := winner(saidIn(a, name, va, oka), saidIn(b, name, vb, okb))
			if out.Labels == nil {
				out.Labels = map[string]string{}
			}
			out.Labels[k], told[name] = w.value, w.at
		}
	}
}

func mergeConsent(out *verifier.Deploy, a, b verifier.Deploy, told map[string]time.Time) {
	sa, sb := consent(a), consent(b)
	w, from := sa, a
	if a.Irreversible() == b.Irreversible() && !sa.beats(sb) || !a.Irreversible() && b.Irreversible() {
		w, from = sb, b
	}
	out.Rollback = from.Rollback
	if w.ok {
		told["rollback"] = w.at
	}
}

func consent(d verifier.Deploy) said {
	word := "unsaid "
	if d.Rollback.Allowed != nil {
		word = fmt.Sprint(*d.Rollback.Allowed, " ")
	}
	return saidIn(d, "rollback", word+d.Rollback.Reason, d.Rollback != verifier.Consent{})
}

// exceptions leaves out what was said at the deploy's own time, which is nearly everything.
func exceptions(told map[string]time.Time, at time.Time) map[string]time.Time {
	maps.DeleteFunc(told, func(_ string, t time.Time) bool { return t.Equal(at) })
	if len(told) == 0 {
		return nil
	}
	return told
}

func unionHosts(a, b []string) []string {
	if len(a)+len(b) == 0 {
		return nil
	}
	return slices.Clip(verifier.UnionHosts(a, b))
}

func latest(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		a = b
	}
	if a == nil {
		return nil
	}
	t := *a
	return &t
}

func earliest(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		a = b
	}
	return latest(a, nil)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func millis(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
