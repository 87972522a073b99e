package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/record"
	"verifier/rules"
	"verifier/words"
)

// title is what, where, and whether a person is needed: read on a lock screen.
func (c *change) title(in *verifier.Incident, m verifier.Member) string {
	if in.Resolved != nil {
		return resolvedTitle(in, m)
	}
	open := openMembers(in)
	said := m.Says
	if len(open) > 1 && slices.ContainsFunc(open, func(o verifier.Member) bool { return o.Says != m.Says }) && said != "" {
		said = m.Place.Service + ": " + said
	}
	title := whatFailed(open, m)
	if said != "" {
		title += ". " + said
	}
	if in.Person && !strings.HasSuffix(title, "?") {
		title += ". You are needed"
	}
	return title
}

// whatFailed is which deploys failed, and where.
func whatFailed(open []verifier.Member, m verifier.Member) string {
	place := " in " + where(m.Place)
	switch {
	case len(open) > 1:
		names := make([]string, len(open))
		for i, o := range open {
			names[i] = deployName(o)
		}
		return words.List(names, mostInTitle) + " failed in " + m.Place.Environment
	case m.Outcome != string(verifier.FailedState):
		return deployName(m) + place
	case m.NotNew:
		return deployName(m) + place + ": over a limit, but not new with this deploy"
	}
	return deployName(m) + " failed" + place
}

const (
	mostInTitle = 3  // deploys that a title names
	mostTold    = 10 // members of an incident whose numbers are told; all are named
)

func resolvedTitle(in *verifier.Incident, m verifier.Member) string {
	if len(in.Members) == 1 {
		return m.Resolution
	}
	names := make([]string, len(in.Members))
	for i, o := range in.Members {
		names[i] = o.Place.Service
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 1 {
		return m.Resolution
	}
	return words.List(names, mostInTitle) + " are back to normal in " + m.Place.Environment
}

// deployName names a deploy: checkout 1.4.2, or checkout (config 17) where it is no release.
func deployName(m verifier.Member) string {
	if m.Change != "" && m.Change != verifier.Release {
		return m.Place.Service + " (" + strings.TrimSpace(string(m.Change)+" "+m.Version) + ")"
	}
	return strings.TrimSpace(m.Place.Service + " " + m.Version)
}

// where is the environment and, where there is one, the target.
func where(p verifier.Place) string {
	if p.Target != "" {
		return p.Environment + " (" + p.Target + ")"
	}
	return p.Environment
}

// text is short lines: what each rule saw, what happens next, and what was deployed.
func (c *change) text(in *verifier.Incident) string {
	if len(in.Members) == 1 {
		return strings.Join(c.memberLines(in.Members[0]), "\n")
	}
	open := openMembers(in)
	all := append(open, slices.DeleteFunc(slices.Clone(in.Members), func(m verifier.Member) bool { return m.Resolved == nil })...)
	var lines, names []string
	for i, m := range all {
		if i >= mostTold {
			names = append(names, deployName(m))
			continue
		}
		lines = append(lines, groupLine(m))
		if m.Resolved == nil && m.Text != "" {
			lines = append(lines, "  "+line(m.Text))
		}
	}
	if len(names) > 0 {
		lines = append(lines, "Also: "+strings.Join(names, ", "))
	}
	return strings.Join(lines, "\n")
}

// groupLine is one member of a group: which, and what is being done.
func groupLine(m verifier.Member) string {
	if m.Resolved != nil {
		return m.Resolution
	}
	said := m.Says
	if m.NotNew {
		said = "over a limit, but not new with this deploy"
	}
	if said == "" {
		return deployName(m)
	}
	return deployName(m) + ": " + said
}

func (c *change) memberLines(m verifier.Member) []string {
	lines := slices.Clone(m.Lines)
	if m.Resolved != nil && len(lines) > 0 {
		lines[0] = deployName(m) + " had failed: " + lines[0]
	}
	if m.Resolved == nil && m.Rollback != "" {
		lines = append(lines, line(m.Rollback))
	}
	return append(lines, c.deployedLine(m))
}

func (c *change) deployedLine(m verifier.Member) string {
	text := "Deployed " + words.Time(m.At, c.now, c.Zone)
	if m.By != "" {
		text += " by " + m.By
	}
	if m.Previous != "" && m.Previous != m.Version {
		text += ", replacing " + m.Previous
	}
	return text
}

// findingLines is a sentence for each failing rule, the worst first, and which hosts it is about.
func (c *change) findingLines(v *verifier.Verification) []string {
	var failing []verifier.Finding
	for _, f := range v.Findings {
		if f.Outcome == verifier.Fail && f.Counts() {
			failing = append(failing, f)
		}
	}
	slices.SortStableFunc(failing, func(a, b verifier.Finding) int { return weight(&b) - weight(&a) })
	var lines []string
	for _, f := range failing {
		lines = append(lines, line(f.Text))
	}
	if only := onlyOn(*v); only != "" && len(lines) > 0 {
		lines = append(lines, line(only))
	}
	return lines
}

// backText is the good news of a member: what runs now, what its rule measures, how long it was bad.
func (c *change) backText(v *verifier.Verification, m verifier.Member) string {
	d, place := v.Deploy, " in "+where(m.Place)
	text := m.Place.Service + " " + d.Version + " runs well" + place
	switch {
	case record.Same(d.Version, m.Version):
		text = deployName(m) + " runs well again" + place
	case record.Same(d.Version, m.Previous) || v.Answers == m.Verification || d.Kind == verifier.KindRollback:
		text = m.Place.Service + " is back on " + d.Version + place
	}
	bad := "bad for " + words.Duration(v.From.Sub(m.At))
	if measured := c.measuredNow(v, m.Labels["rule"]); measured != "" {
		return text + ". " + capital(measured) + "; " + bad
	}
	return text + ". " + capital(bad)
}

// measuredNow is what the rule that had failed finds in the watch that passed.
func (c *change) measuredNow(v *verifier.Verification, rule string) string {
	r, known := ruleNamed(c.rules, rule)
	for _, f := range v.Findings {
		if said := rules.Measured(r, f); known && f.Rule == rule && f.Outcome == verifier.Pass && said != "" {
			return said
		}
	}
	return ""
}

// said is what is being done about a failure: for the title, in a line of its own, and whether the fault is no longer live.
type said struct {
	title, detail string
	easing        bool
}

// rollbackText says what is being done about it.
func (c *change) rollbackText(v *verifier.Verification) said {
	r := v.Rollback
	if newer := c.replacement(v); newer != nil {
		return replacedText(newer)
	}
	if r == nil {
		if f := worst(v.Findings); f != nil && f.Before {
			return said{detail: "No rollback, because the limit was crossed before the deploy too"}
		}
		if v.Ended == nil && slices.ContainsFunc(v.Findings, mayRollBack) {
			return said{title: "No rollback so far: the failing rule only alerts"}
		}
		return said{title: "No rollback: the failing rule only alerts"}
	}
	switch r.State {
	case verifier.RollbackProposed, verifier.RollbackApproved, verifier.RollbackSent:
		return c.waitingText(v)
	case verifier.RollbackConfirmed:
		return c.confirmedText(v)
	case verifier.RollbackRecovered:
		return said{title: "Rolled back to " + r.To + ", which runs well", easing: true}
	case verifier.RollbackFailed, verifier.RollbackRefused:
		return c.brokenText(v)
	}
	return endedText(v)
}

// mayRollBack reports whether the rule is not decided and would roll back.
func mayRollBack(f verifier.Finding) bool {
	return f.Outcome == verifier.Pending && f.Counts() && f.OnFail == verifier.FailRollback
}

// waitingText is of a rollback that waits for a person, its time, or its deploy.
func (c *change) waitingText(v *verifier.Verification) said {
	r := v.Rollback
	waits := ""
	if p := r.Paused; p != nil {
		waits = p.Version + " is being deployed"
		if p.By != "" {
			waits = p.By + " is deploying " + p.Version
		}
	}
	switch {
	case r.Paused != nil && r.State == verifier.RollbackApproved:
		return said{title: "The rollback to " + r.To + " is paused: " + waits, detail: "It goes on if that deploy fails or has no end"}
	case r.State == verifier.RollbackProposed && r.To == "" && len(r.Candidates) == 1:
		return said{title: "Roll back to " + r.Candidates[0] + "?", detail: "It is the only earlier version, and not known to be good"}
	case r.State == verifier.RollbackProposed && r.To == "":
		return said{title: "Which version to roll back to: " + orList(r.Candidates) + "?", detail: "No earlier version is known to be good"}
	case r.State == verifier.RollbackProposed && r.Mode == verifier.ModeSuggest:
		return said{title: "Roll back to " + r.To + "?", detail: capital(waits)}
	case r.State == verifier.RollbackProposed:
		return said{title: "Approve the rollback to " + r.To + "?", detail: joined("The proposal expires at "+words.Time(c.expiresAt(v), c.now, c.Zone), waits)}
	case r.SendAt != nil:
		clock := words.Time
		if r.SendAt.Sub(r.At) < 2*time.Minute {
			clock = words.TimeSeconds
		}
		return said{title: "Rolling back to " + r.To + " at " + clock(*r.SendAt, c.now, c.Zone)}
	case r.Stuck:
		return said{title: "The rollback to " + r.To + " waits for a person in the deploy tool", detail: toolSays(r.Progress)}
	}
	return said{title: "Rolling back to " + r.To + " now", detail: joined(byText("Ordered", r), toolSays(r.Progress))}
}

// confirmedText is of a rollback whose version is live again.
func (c *change) confirmedText(v *verifier.Verification) said {
	r := v.Rollback
	if r.Unclear == nil {
		return said{title: r.To + " is back; checking whether it helped", detail: byText("Rolled back", r), easing: true}
	}
	out := said{title: r.To + " is back; " + unclearText(r.Unclear.Reason), easing: true}
	if after := r.Unclear.After; after != nil && after.Text != "" {
		out.detail = "After the rollback: " + line(after.Text)
	}
	return out
}

// unclearText is why nobody can tell whether a rollback helped.
func unclearText(reason string) string {
	switch verifier.Reason(reason) {
	case verifier.NoData, verifier.TooLittleData, verifier.NeverSeen:
		return "too little traffic to tell whether it helped"
	case verifier.SourceDown, verifier.PartialData, verifier.Lagging, verifier.BadData, verifier.SourceGone:
		return "the source had no complete data to tell whether it helped"
	case verifier.NoBaseline:
		return "nothing to compare it with, so it is unclear whether it helped"
	case verifier.NoRules:
		return "no rule watches it, so it is unclear whether it helped"
	}
	switch verifier.State(reason) {
	case verifier.Superseded:
		return "another deploy replaced it before anybody could tell whether it helped"
	case verifier.CancelledState:
		return "its watch was cancelled before anybody could tell whether it helped"
	}
	return "it is unclear whether it helped"
}

// afterRollback is what the rule that had failed sees of the version that is back.
func afterRollback(answer *verifier.Verification, rule string) string {
	if answer == nil {
		return ""
	}
	for _, f := range answer.Findings {
		if f.Rule == rule && f.Text != "" {
			return "After the rollback: " + line(f.Text)
		}
	}
	if f := worst(answer.Findings); f != nil {
		return "After the rollback: " + line(f.Text)
	}
	return ""
}

// brokenText is of a rollback that did not come about, or did not help.
func (c *change) brokenText(v *verifier.Verification) said {
	r := v.Rollback
	switch {
	case r.State == verifier.RollbackRefused:
		return said{title: "The deploy tool refused the rollback" + toText(r), detail: toolSays(r.Reason)}
	case r.ConfirmedAt != nil:
		out := said{title: "Rolled back" + toText(r) + ", still failing"}
		if f := worst(v.Findings); f != nil {
			out.detail = afterRollback(c.asItStands(r.Answer), f.Rule)
		}
		return out
	}
	return said{title: "The rollback" + toText(r) + " failed", detail: capital(r.Reason)}
}

// endedText is of a rollback that is not going to be.
func endedText(v *verifier.Verification) said {
	r := v.Rollback
	who := ""
	if r.By != nil && *r.By != Auto && *r.By != Daemon {
		who = *r.By
	}
	switch {
	case r.State == verifier.RollbackVetoed:
		return vetoedText(v, who)
	case r.State == verifier.RollbackExpired:
		return said{title: "The rollback" + toText(r) + " expired", detail: capital(r.Reason)}
	case r.State == verifier.RollbackCancelled && r.Reason == recoveredReason:
		return said{title: "Rollback cancelled: the failing rules are back inside their limits", easing: true}
	case who == "":
		return said{title: strings.TrimSuffix("Rollback "+string(r.State)+": "+r.Reason, ": ")}
	}
	out := said{title: who + " " + string(r.State) + " the rollback" + toText(r)}
	if r.Reason != "" {
		out.detail = "Reason: " + r.Reason
	}
	return out
}

func vetoedText(v *verifier.Verification, who string) said {
	r := v.Rollback
	var denials []string
	for _, a := range r.Guards {
		if a.Denies {
			denials = append(denials, a.Text)
		}
	}
	if why := environmentDenial(r); why != "" && who == "" && !strings.HasSuffix(why, dependencyFailed) {
		return said{title: "No rollback: " + v.Deploy.Environment + " itself seems to be the trouble", detail: capital(why)}
	}
	out := said{title: "No rollback"}
	if who != "" {
		out.title = "The rollback that " + who + " ordered was blocked"
	}
	if len(denials) > 0 {
		out.title += ": " + denials[0]
	}
	if len(denials) > 1 {
		out.detail = "Also: " + strings.Join(denials[1:], "; ")
	}
	return out
}

// replacement is the newest release that went live after a failed one, where the rollback has not to do with it.
func (c *change) replacement(v *verifier.Verification) *verifier.Past {
	if r := v.Rollback; r != nil && (r.SentAt != nil || r.ConfirmedAt != nil) || v.State != verifier.FailedState {
		return nil
	}
	newer := replaced(c.scene, v)
	i := slices.IndexFunc(c.scene.History, func(p verifier.Past) bool { return newer != nil && p.Deploy.ID == newer.ID })
	if i < 0 {
		return nil
	}
	return &c.scene.History[i]
}

func replacedText(p *verifier.Past) said {
	text := p.Deploy.Version + " is live now"
	switch {
	case p.State.Watching() || p.State == "":
		return said{title: text + "; checking whether it helped", easing: true}
	case p.State == verifier.FailedState:
		return said{title: text + " and failed too"}
	}
	return said{title: text, easing: true}
}

func toText(r *verifier.Rollback) string {
	if r.To == "" {
		return ""
	}
	return " to " + r.To
}

// byText says which person did it and why; empty where the daemon did.
func byText(done string, r *verifier.Rollback) string {
	if r.By == nil || *r.By == Auto || *r.By == Daemon {
		return ""
	}
	return strings.TrimSuffix(done+" by "+*r.By+": "+r.Reason, ": ")
}

func toolSays(text string) string {
	if text == "" {
		return ""
	}
	return "The deploy tool says: " + text
}

// joined puts sentences that are not empty one after the other.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), ". ")
}

// orList is a, b or c.
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// line is a sentence without its full stop.
func line(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }

// capital begins a sentence with what an ASCII text says.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// spell is how long something takes; whole hours stay hours up to two days, as people write them in the configuration.
func spell(d time.Duration) string {
	if d >= time.Hour && d <= 48*time.Hour && d%time.Hour == 0 {
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return words.Duration(d)
}
