package main

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestBlindRules: a rule that has had no data for a place is told once for each place, until it has data, is left out or is optional.
func TestBlindRules(t *testing.T) {
	t.Parallel()
	now := time.Now()
	watch := func(service string, findings ...verifier.Finding) verifier.Verification {
		return verifier.Verification{Deploy: verifier.Deploy{Place: verifier.Place{Service: service, Environment: "production"}}, Ended: &now, Findings: findings}
	}
	none := verifier.Finding{Rule: "r", Outcome: verifier.Inconclusive, Reason: verifier.NoData}
	never, down, some := none, none, verifier.Finding{Rule: "r", Outcome: verifier.Pass, Samples: 4}
	never.Never = true
	down.Reason = verifier.SourceDown
	selected := []verifier.Rule{{Name: "r"}}
	for _, c := range []struct {
		name    string
		rules   []verifier.Rule
		watches []verifier.Verification
		want    string
	}{
		{"none before either", selected, []verifier.Verification{watch("a", never)}, "a"},
		{"one watch, nothing known of before", selected, []verifier.Verification{watch("a", none)}, ""},
		{"two watches", selected, []verifier.Verification{watch("a", none), watch("a", none), watch("b", none)}, "a"},
		{"data in an earlier watch", selected, []verifier.Verification{watch("a", never), watch("a", none), watch("a", some)}, ""},
		{"a source that is down", selected, []verifier.Verification{watch("a", down), watch("a", down)}, ""},
		{"optional", []verifier.Rule{{Name: "r", Optional: true}}, []verifier.Verification{watch("a", never)}, ""},
		{"left out since", []verifier.Rule{{Name: "other"}}, []verifier.Verification{watch("a", never)}, ""},
		{"two places", selected, []verifier.Verification{watch("a", never), watch("b", never), watch("a", never)}, "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			list := blindRules(c.watches, func(verifier.Deploy) []verifier.Rule { return c.rules })
			for _, b := range list {
				got = append(got, b.Service)
				if text := b.String(); !strings.Contains(text, "select") || !strings.Contains(text, "optional: true") {
					t.Errorf("no remedy in %s", text)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
			if texts := blindTroubles(list); len(texts) > 1 {
				t.Errorf("more than one incident for one rule: %v", texts)
			}
		})
	}
	list := []Blind{{Place: verifier.Place{Service: "a", Environment: "production"}, Rule: "r", Watches: 2}}
	more := []Blind{list[0]}
	more[0].Watches = 9
	if a, b := blindTroubles(list)["rule/r"], blindTroubles(more)["rule/r"]; a != b || !strings.Contains(a, "a in production") || selfTitle("rule/r", a) != "rule r has no data" {
		t.Errorf("%q and %q: nobody is to hear of every deploy", a, b)
	}
}
