package main

import (
	"bytes"
	"strings"
	"testing"

	"verifier"
)

// TestExplainTellsWhatIsNotKnownYet: guards that only a failing rule can answer are not asked yet, and day 0 is named.
func TestExplainTellsWhatIsNotKnownYet(t *testing.T) {
	e := Explanation{
		Place: verifier.Place{Service: "checkout", Environment: "production"}, Claimed: true, Mode: verifier.ModeAuto, Way: true,
		Guards: []verifier.GuardAnswer{
			{Guard: verifier.GuardHeld, Text: "no hold"},
			{Guard: verifier.GuardNoTarget, Denies: true, Text: "no version was live here before"},
			{Guard: verifier.GuardTooFewSamples, Pending: true, Text: "asked when a rule has failed"},
		},
	}
	var b bytes.Buffer
	printExplanation(&b, e)
	for _, want := range []string{
		"held             ok             no hold", "no_target        blocks         no version", "too_few_samples  not asked yet  asked when",
		"checkout in production cannot be rolled back automatically yet",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestStatusNamesUnprovenPlaces once each, until a version has passed.
func TestStatusNamesUnprovenPlaces(t *testing.T) {
	watch := func(service string, state verifier.State, unproven bool) verifier.Verification {
		return verifier.Verification{ID: service, State: state, Unproven: unproven, Deploy: verifier.Deploy{Place: verifier.Place{Service: service, Environment: "production"}}}
	}
	var b bytes.Buffer
	printUnproven(&b, []verifier.Verification{
		watch("a", verifier.Observing, true), watch("a", verifier.Undecided, true), watch("b", verifier.Passed, true), watch("c", verifier.Passed, false), watch("c", verifier.Undecided, true),
	})
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "a in production cannot") {
		t.Errorf("%q", got)
	}
}
