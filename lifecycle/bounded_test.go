package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

// TestBoundsStay tells what asking again does not mend from what it does: a bound lets the watch go on and is not forgotten.
func TestBoundsStay(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var e verifier.Evidence
	ask := func(from, to int, a verifier.Answer) {
		take(asking{into: &e, question: verifier.Question{From: at.Add(time.Duration(from) * time.Minute), To: at.Add(time.Duration(to) * time.Minute)}}, a)
	}
	ask(0, 1, verifier.Answer{Bounded: "the first 10 of 20"})
	ask(1, 2, verifier.Answer{})
	if want := at.Add(2 * time.Minute); e.Bounded != "the first 10 of 20" || e.Partial != "" || !e.Until.Equal(want) {
		t.Errorf("%+v", e)
	}
	ask(2, 3, verifier.Answer{Partial: "a shard failed"})
	if want := at.Add(2 * time.Minute); !e.Until.Equal(want) {
		t.Errorf("what was partial is not asked again: %+v", e)
	}
	var before verifier.Evidence
	take(asking{into: &before, fixed: true, question: verifier.Question{From: at, To: at.Add(time.Minute)}}, verifier.Answer{Bounded: "the first 10 of 20"})
	if !before.Settled {
		t.Errorf("a bounded baseline is asked again: %+v", before)
	}
}
