package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

// What was skipped in a step counts once, although each step is asked for again; a value is absent only until it is seen.
func TestTakeRemarks(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(1_800_000_000+second), 0).UTC() }
	e := &verifier.Evidence{}
	counts := []float64{0, 0, 0, 1, 0}
	for i, count := range counts[1:] {
		end := at(10 * (i + 1))
		q := verifier.Question{From: at(10*i - 10), To: end, Step: 10 * time.Second}
		answer := verifier.Answer{
			Samples: []verifier.Sample{{T: at(10 * i), Count: counts[i], Exposure: 9}, {T: end, Count: count, Exposure: 9}},
			Skipped: []verifier.Skipped{{T: at(10 * i), Lines: 5}, {T: end, Lines: 5}}, Lines: "not JSON",
		}
		if count == 0 {
			answer.Absent = "no document has it"
		}
		take(asking{question: q, into: e, again: end}, answer)
		if want := i < 2; (e.Absent != "") != want {
			t.Errorf("after %d answers absent is %q", i+1, e.Absent)
		}
	}
	if e.Skipped != 25 || e.Lines != "not JSON" {
		t.Errorf("%d lines skipped (%s), want the 5 of each of 5 steps", e.Skipped, e.Lines)
	}
}
