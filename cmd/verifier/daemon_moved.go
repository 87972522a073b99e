package main

import (
	"strings"

	"verifier"
	"verifier/sinks"
)

// noteMoved counts what changed of a verification, and logs what people look for there: each verdict and each state of a rollback.
func (d *Daemon) noteMoved(before, after verifier.Verification) {
	d.metrics.Moved(before, after)
	about := logged(after.Deploy)
	if before.Overdue == nil && after.Overdue != nil {
		d.log.Warn("a deploy has not ended after twice the usual time", append(about, "started", after.Deploy.Began())...)
	}
	if before.State != after.State && !after.State.Watching() {
		d.log.Info("verdict", append(about, verdictPairs(after)...)...)
	}
	for _, state := range sinks.RollbackMoves(before.Rollback, after.Rollback) {
		d.log.Info("rollback", append(about, rollbackPairs(state, after.Rollback)...)...)
	}
}

// logged names a deploy and its place in a line of the log.
func logged(e verifier.Deploy) []any {
	out := pairs("deploy", e.ID, "service", e.Service, "environment", e.Environment, "target", e.Target, "version", e.Version)
	return out[:len(out):len(out)]
}

func verdictPairs(v verifier.Verification) []any {
	var rules, texts []string
	for _, f := range v.Findings {
		if f.Outcome == verifier.Fail {
			rules, texts = append(rules, f.Rule), append(texts, f.Text)
		}
	}
	return pairs("state", string(v.State), "reason", v.Reason, "rules", strings.Join(rules, " "), "text", strings.Join(texts, " "), "incident", v.Incident)
}

func rollbackPairs(state verifier.RollbackState, r *verifier.Rollback) []any {
	reasons := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		reasons[i] = string(reason)
	}
	by, why := "", ""
	if r.By != nil {
		by = *r.By
	}
	if state == r.State {
		why = r.Reason
	}
	return pairs("state", string(state), "from", r.From, "to", r.To, "by", by, "guards", strings.Join(reasons, " "), "reason", why)
}

// pairs leaves out those without a value.
func pairs(list ...string) (out []any) {
	for i := 0; i+1 < len(list); i += 2 {
		if list[i+1] != "" {
			out = append(out, list[i], list[i+1])
		}
	}
	return out
}
