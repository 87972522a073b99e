package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"verifier"
)

// TestPatternsAreBounded keeps patterns within 16 KB: their samples go first, then steps are merged, then rare ones go, which is said.
func TestPatternsAreBounded(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	some := func(steps, patterns, length int) verifier.Evidence {
		e := verifier.Evidence{Rule: "new", Arm: verifier.ArmBefore}
		list := make([]verifier.Pattern, patterns)
		for i := range list {
			for len(list[i].Template) < length {
				list[i].Template += fmt.Sprintf(" %x", random.Uint32())
			}
			list[i].Count, list[i].Sample = float64(i+1), "sample of "+list[i].Template
		}
		for i := range steps {
			e.Samples = append(e.Samples, verifier.Sample{T: at.Add(time.Duration(i+1) * time.Minute), Count: 1, Exposure: 2, Patterns: list})
		}
		return e
	}
	for _, test := range []struct {
		name                    string
		steps, patterns, length int
		lost                    bool
	}{{"few", 60, 5, 50, false}, {"many", 60, 100, 60, false}, {"too many", 60, 300, 200, true}} {
		t.Run(test.name, func(t *testing.T) {
			own := some(test.steps, test.patterns, test.length)
			blob, err := pack([]verifier.Evidence{own})
			if err != nil {
				t.Fatal(err)
			}
			list, err := unpack(blob)
			if err != nil {
				t.Fatal(err)
			}
			kept := map[string]float64{}
			for _, s := range list[0].Samples {
				for _, p := range s.Patterns {
					kept[p.Template] += p.Count
				}
			}
			if len(blob) > maxEvidence+16 || (list[0].Bounded != "") != test.lost || (len(kept) < test.patterns) != test.lost {
				t.Errorf("%d bytes, %d of %d patterns in %d steps, %q", len(blob), len(kept), test.patterns, len(list[0].Samples), list[0].Bounded)
			}
			last := own.Samples[0].Patterns[test.patterns-1]
			if last.Sample == "" || kept[last.Template] != last.Count*float64(test.steps) && !test.lost {
				t.Errorf("the most frequent was seen %v times; the caller's own is %+v", kept[last.Template], last)
			}
		})
	}
}
