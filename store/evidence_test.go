package store

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"verifier"
)

// TestEvidenceIsBounded keeps each rule and arm within 16 KB: older steps are merged, the newest stay, and no event is lost.
func TestEvidenceIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	long := verifier.Evidence{Rule: "long", Arm: verifier.ArmDeployed, From: at}
	events := 0.0
	for i := range 20_000 {
		s := verifier.Sample{T: at.Add(time.Duration(i+1) * 200 * time.Millisecond), Count: float64(random.IntN(1e6)), Exposure: 1e6 + float64(random.IntN(1e6))}
		s.Value = s.Count / s.Exposure
		long.Samples = append(long.Samples, s)
		events += s.Count
	}
	short := verifier.Evidence{Rule: "short", Arm: verifier.ArmBefore, Samples: long.Samples[:100]}
	blob, err := pack([]verifier.Evidence{short, long, short, short, short})
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpack(blob)
	if err != nil || len(got) != 5 {
		t.Fatalf("%d arms (%v)", len(got), err)
	}
	if alone, err := pack(got[1:2]); err != nil || len(alone) > maxEvidence {
		t.Errorf("the long arm takes %d bytes (%v), at most %d", len(alone), err, maxEvidence)
	}
	if len(got[0].Samples) != 100 || len(long.Samples) != 20_000 {
		t.Errorf("%d of 100 steps of the short arm; the caller's own are %d", len(got[0].Samples), len(long.Samples))
	}
	kept := got[1].Samples
	if newest := kept[len(kept)-1]; !reflect.DeepEqual(newest, long.Samples[19_999]) || len(kept) < fewSamples/2 {
		t.Errorf("%d steps, the newest %+v, want %+v", len(kept), newest, long.Samples[19_999])
	}
	sum := 0.0
	for i, s := range kept {
		sum += s.Count
		if i > 0 && !s.T.After(kept[i-1].T) {
			t.Fatalf("step %d is out of order", i)
		}
	}
	if sum != events {
		t.Errorf("%v events, want %v", sum, events)
	}
}
