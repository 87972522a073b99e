package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestVariantNewPatterns is a deploy that writes errors which the version before never wrote: told masked, and by how often.
func TestVariantNewPatterns(t *testing.T) {
	t.Parallel()
	s := openShops(t, "off", "500ms", `
defaults: {settle: 0, watch: 2500ms, every: 250ms}
rules:
  - name: new-error-patterns
    measure: {source: logs, patterns: 'log.level:ERROR'}
    limit: {new: 0, seen_at_least: 5}
    on_fail: rollback
    optional: true # a first deploy has no version before
  - name: flood
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 100000, within: 1s}
    min_exposure: 8
`, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	v := s.expect("bad", verifier.FailedState, verifier.RollbackVetoed)
	i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == "new-error-patterns" })
	if text := v.Findings[i].Text; !strings.HasPrefix(text, "1 error pattern that 1.0 never wrote: “order ") || !strings.Contains(text, " of <mail> handled” (") || v.Findings[i].Reason != verifier.LimitCrossed {
		t.Errorf("%+v", v.Findings)
	}
}
