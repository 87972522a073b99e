package rules

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// Lines that could not be read, and values that never occur, stand behind the sentence of a finding, whatever its outcome.
func TestRemarks(t *testing.T) {
	limit := 3.0
	r := verifier.Rule{
		Name: "errors", Measure: verifier.Measure{Source: "logs", Count: "level:ERROR"}, Limit: &verifier.Limit{Above: &limit, Within: time.Minute}, Every: 10 * time.Second,
	}
	from := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		count  float64
		absent string
		lines  int
		want   string
	}{
		"nothing to say":            {0, "", 0, "."},
		"lines that were left out":  {50, "", 1160, `. 1,160 lines skipped: not JSON, such as app.log: "at x".`},
		"a value that is not there": {0, "no document has level ERROR; it has Error, Information", 0, ". No document has level ERROR; it has Error, Information."},
		"a value that came later":   {1, "no document has level ERROR; it has Error, Information", 0, "."},
	} {
		e := verifier.Evidence{Rule: "errors", Arm: verifier.ArmDeployed, From: from, Until: from.Add(time.Minute), Absent: c.absent, Skipped: c.lines}
		if c.lines > 0 {
			e.Lines = `not JSON, such as app.log: "at x"`
		}
		for i := range 6 {
			e.Samples = append(e.Samples, verifier.Sample{T: from.Add(time.Duration(i+1) * 10 * time.Second), Value: c.count, Count: c.count, Exposure: 100})
		}
		got := Judge(r, verifier.Case{From: from, Until: from.Add(time.Minute), Ended: true, Arms: map[verifier.Arm]verifier.Evidence{verifier.ArmDeployed: e}}, from.Add(time.Minute))
		if !strings.HasSuffix(got.Text, c.want) || c.want == "." && strings.Count(got.Text, ". ") > 0 {
			t.Errorf("%s: %s %q, want it to end in %q", name, got.Outcome, got.Text, c.want)
		}
	}
}

// A typo in the catalogue's names is named as it was asked for, and no name is offered in place of itself.
func TestNeverSeenNamesWhatWasAsked(t *testing.T) {
	for _, c := range []struct{ asked, nearest, want string }{
		{"baskt-api", "basket-api", "nothing of baskt-api (the name of basket-api there) in production was ever seen by logs; the nearest name there is basket-api."},
		{"basket-api", "basket-api", "nothing of basket-api in production was ever seen by logs."},
		{"", "basket", "nothing of basket-api in production was ever seen by logs; the nearest name there is basket."},
	} {
		r := verifier.Rule{Name: "errors", Measure: verifier.Measure{Source: "logs", Count: "level:ERROR"}, Limit: &verifier.Limit{Above: new(float64)}, Every: time.Second}
		from := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		e := verifier.Evidence{Arm: verifier.ArmDeployed, From: from, Until: from.Add(time.Minute), Unseen: true, Asked: c.asked, Nearest: c.nearest}
		deploy := verifier.Deploy{Place: verifier.Place{Service: "basket-api", Environment: "production"}}
		got := Judge(r, verifier.Case{Deploy: deploy, From: from, Until: from.Add(time.Minute), Ended: true, Arms: map[verifier.Arm]verifier.Evidence{verifier.ArmDeployed: e}}, from)
		if got.Reason != verifier.NeverSeen || !strings.HasSuffix(got.Text, c.want) {
			t.Errorf("%s %q, want it to end in %q", got.Reason, got.Text, c.want)
		}
	}
}
