package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/record"
	"verifier/words"
)

// A deploy that goes host by host is one deploy with one watch, from the first host that was changed until the watch after the last.
// While some hosts have it and others not, the others are its peers; nothing of it passes before its end is known.

// rolls begins the watch of a deploy that has changed hosts and is not whole, or goes on with it. It reports whether it did.
func (c *change) rolls(v *verifier.Verification, d verifier.Deploy) bool {
	switch {
	case !d.Mixed() || c.overtaken(d) || joins(d) && c.running(d) != nil:
		return false
	case v.Rules == "":
		c.begin(v, d, nil)
	default:
		c.progress(v)
	}
	return true
}

// asksFor reports whether the watch asks its questions: the deploy is live, at least on some hosts.
func asksFor(v verifier.Verification) bool {
	return v.Ended == nil && v.Behind == "" && (v.Deploy.Status == verifier.Succeeded || v.Deploy.Mixed() && v.Rules != "")
}

// landed is the end of a deploy that was watched while it went on.
func (c *change) landed(v *verifier.Verification, d verifier.Deploy) {
	answered := c.confirm(d)
	c.stopOlder(d)
	c.suspect(d)
	if c.cutShort(d) {
		c.supersededAtOnce(v, d, answered)
		return
	}
	if !joins(d) || answered != nil || c.mends(d) {
		c.supersede(d)
	}
	v.Deploy = d
	c.answers(v, answered)
	c.progress(v)
	c.joinLater(v)
}

// progress takes what the deploy has changed since into its running watch, which is longer by it.
func (c *change) progress(v *verifier.Verification) {
	d := v.Deploy
	rules, _ := c.Rules(d)
	v.From = earlier(v.From, d.FirstChange())
	if until := d.LastChange().Add(longestWatch(rules)); until.After(v.Until) {
		v.Until = until
		lookAgain(v, rules)
	}
	v.DueAt = earlier(v.DueAt, c.now.Add(shortestStep(rules)))
}

// lookAgain takes back what was found to be good so far, since there is more to be seen.
func lookAgain(v *verifier.Verification, rules []verifier.Rule) {
	for i, f := range v.Findings {
		if r, known := ruleNamed(rules, f.Rule); known && f.Outcome != verifier.Fail {
			v.Findings[i] = pending(r, v)
		}
	}
}

// goesOn reports whether the facts tell of further hosts.
func goesOn(was, d verifier.Deploy) bool {
	return len(d.Hosts) > 0 && (len(d.Hosts) > len(was.Hosts) || !d.At.Equal(was.At))
}

// reopens lets a watch that is over see a host that was changed since.
func (c *change) reopens(v *verifier.Verification, was verifier.Deploy) bool {
	d := v.Deploy
	rules, _ := c.Rules(d)
	if len(d.Hosts) <= len(was.Hosts) || len(rules) == 0 || v.State != verifier.Passed && v.State != verifier.Undecided ||
		!d.LastChange().Add(longestWatch(rules)).After(v.Until) || c.overtaken(d) {
		return false
	}
	v.State, v.Reason, v.Ended, v.DecidedAt = verifier.Observing, "", nil, nil
	return true
}

// mends reports whether d makes a place whole again that a deploy of another version has left mixed.
func (c *change) mends(d verifier.Deploy) bool {
	return d.Change == verifier.Release && slices.ContainsFunc(c.scene.Watches, func(v verifier.Verification) bool {
		return v.ID != d.ID && v.Ended == nil && v.Deploy.Mixed() && !record.Same(v.Deploy.Version, d.Version) && v.Deploy.Before(d)
	})
}

// hostChange is one host with when it was changed.
type hostChange struct {
	host string
	at   time.Time
}

// changesOf are the hosts that have the deployed version, in the order in which they got it.
func changesOf(v verifier.Verification) []hostChange {
	if len(v.Deploy.Hosts) == 0 && len(v.Joined) == 0 {
		return nil
	}
	var out []hostChange
	seen := map[string]bool{}
	add := func(host string, at time.Time) {
		if !seen[host] {
			seen[host] = true
			out = append(out, hostChange{host, at})
		}
	}
	for _, h := range v.Deploy.Hosts {
		add(h, v.Deploy.HostChanged(h))
	}
	for _, j := range v.Joined {
		for _, h := range j.Hosts {
			add(h, j.At)
		}
	}
	slices.SortStableFunc(out, func(a, b hostChange) int { return a.at.Compare(b.at) })
	return out
}

// hostsOf are the names of the changed hosts.
func hostsOf(v verifier.Verification) []string {
	var hosts []string
	for _, h := range changesOf(v) {
		hosts = append(hosts, h.host)
	}
	slices.Sort(hosts)
	return hosts
}

// tellsApart reports whether the rule's question can be asked of the changed hosts alone.
func tellsApart(v verifier.Verification, r verifier.Rule, source Backend) bool {
	return source.HasPeers(r.Measure) && len(changesOf(v)) > 0
}

func apartIn(sources Backends, v verifier.Verification, r verifier.Rule) bool {
	source, known := sources[r.Measure.Source]
	return known && tellsApart(v, r, source)
}

// onlyOn says which hosts have a deploy that is not whole; empty where it is, or nobody knows.
func onlyOn(v verifier.Verification) string {
	hosts := hostsOf(v)
	if !v.Deploy.Mixed() || len(hosts) == 0 {
		return ""
	}
	if n := len(hosts) - mostNamedHosts; n > 0 {
		hosts = append(hosts[:mostNamedHosts:mostNamedHosts], fmt.Sprintf("%d more", n))
	}
	why := "the deploy has not ended"
	if v.Deploy.Status == verifier.Failed {
		why = "the deploy failed"
	}
	if len(hosts) == 1 {
		return "Only " + hosts[0] + " has it: " + why + "."
	}
	return "Only " + words.List(hosts, len(hosts)) + " have it: " + why + "."
}

const mostNamedHosts = 10

// leg is a stretch in which the same hosts speak for the deployed version.
type leg struct {
	from, to time.Time
	hosts    []string
	mixed    bool // other hosts were not changed yet
}

// legs cuts a stretch where hosts join those that are judged: each has settled by then. Those that were changed first are there from
// the beginning, which is not judged until they have settled.
func legs(v verifier.Verification, r verifier.Rule, from, to time.Time) []leg {
	changes := changesOf(v)
	var out []leg
	current := leg{from: from}
	for _, h := range changes {
		joins := from
		if h.at.After(v.From) {
			joins = ceil(h.at.Add(r.Settle), r.Every)
		}
		if !joins.Before(to) {
			break
		}
		if joins.After(current.from) && len(current.hosts) > 0 {
			current.to = joins
			out = append(out, current)
			current = leg{from: joins, hosts: slices.Clone(current.hosts)}
		}
		current.hosts = append(current.hosts, h.host)
	}
	current.to = to
	for i := range out {
		slices.Sort(out[i].hosts)
	}
	slices.Sort(current.hosts)
	out = append(out, current)
	whole := wholeAt(v, changes)
	for i := range out {
		out[i].mixed = !whole.IsZero() && out[i].from.Before(whole) || v.Deploy.Mixed()
	}
	return out
}

// wholeAt is when the last of several hosts was changed; zero where all were changed at once.
func wholeAt(v verifier.Verification, changes []hostChange) time.Time {
	if n := len(changes); n > 0 && changes[n-1].at.After(v.From) {
		return latest(v.Deploy.LastChange(), changes[n-1].at)
	}
	return time.Time{}
}

// unsettled is what is left out where a source cannot tell hosts apart: each further host drains before its change and warms up after it.
func unsettled(v verifier.Verification, r verifier.Rule) []verifier.Span {
	var out []verifier.Span
	for _, h := range changesOf(v) {
		if !h.at.After(v.From) {
			continue
		}
		span := verifier.Span{From: h.at.Add(-r.Settle), To: h.at.Add(r.Settle)}
		if n := len(out); n > 0 && !span.From.After(out[n-1].To) {
			out[n-1].To = span.To
			continue
		}
		out = append(out, span)
	}
	return out
}

const (
	mostDurations   = 20               // as many deploys say how long one usually takes
	shortestOverdue = 10 * time.Second // no deploy is overdue sooner
)

// usual is how long deploys of the place take from start to end, zero where that is not known: the median of the last ones.
func usual(s *verifier.Scene, d verifier.Deploy) time.Duration {
	var took []time.Duration
	for _, p := range s.History {
		e := p.Deploy
		if e.ID == d.ID || e.Status != verifier.Succeeded || e.Change != d.Change || e.StartedAt == nil || !e.StartedAt.Before(e.At) || len(took) == mostDurations {
			continue
		}
		took = append(took, e.At.Sub(*e.StartedAt))
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// overdueAt is when a deploy that has not ended takes twice as long as usual; the end of act_within where nothing is known of that.
func (c *change) overdueAt(d verifier.Deploy) time.Time {
	if u := usual(c.scene, d); u > 0 {
		return d.Began().Add(max(2*u, shortestOverdue))
	}
	return c.actUntil(d)
}

// overdue tells once that a deploy was started and takes twice as long as usual.
func (c *change) overdue(v *verifier.Verification) {
	u := usual(c.scene, v.Deploy)
	if v.Overdue != nil || u == 0 || c.now.Before(c.overdueAt(v.Deploy)) && c.now.Before(c.actUntil(v.Deploy)) {
		return
	}
	v.Overdue = &c.now
	if v.Late {
		return
	}
	d := v.Deploy
	by, where := "", d.Environment
	if d.By != "" {
		by = " by " + d.By
	}
	if d.Target != "" {
		where += " (" + d.Target + ")"
	}
	text := fmt.Sprintf("Started %s%s and not ended; such a deploy usually takes %s", words.Time(d.Began(), c.now, c.Zone), by, words.Duration(u))
	if hosts := hostsOf(*v); len(hosts) > 0 {
		text += "\nChanged so far: " + strings.Join(hosts, ", ")
	}
	c.cases = append(c.cases, &verifier.Incident{
		ID: "overdue/" + v.ID, Kind: verifier.IncidentVerdict, News: true, Opened: c.now, Resolved: &c.now, Severity: verifier.SeverityWarn, URL: c.page(v.ID),
		Labels: map[string]string{
			"kind": string(verifier.IncidentVerdict), "service": d.Service, "environment": d.Environment, "target": d.Target, "team": d.Team,
			"severity": string(verifier.SeverityWarn), "outcome": string(v.State),
		},
		Title: fmt.Sprintf("%s %s was started in %s and has not ended", d.Service, d.Version, where), Text: text,
	})
}
