package lifecycle

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestSuspectedMissAsksOnce: a version that passed and is undone or mended within a day may have been bad. Its team is asked, once.
func TestSuspectedMissAsksOnce(t *testing.T) {
	label := func(k, v string) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.Labels = map[string]string{k: v} }
	}
	tests := []struct {
		name    string
		after   time.Duration
		next    string
		change  func(*verifier.Deploy)
		mark    bool // the first was marked good meanwhile
		kind    string
		version string
	}{
		{name: "rolled back", after: 3 * time.Hour, next: "0.9", kind: verifier.SuspectedByRollback},
		{name: "rolled back the day after", after: 25 * time.Hour, next: "0.9"},
		{name: "the next version", after: 3 * time.Hour, next: "1.1"},
		{name: "a hotfix by its version", after: 3 * time.Hour, next: "1.0.1", kind: verifier.SuspectedByHotfix},
		{name: "a hotfix by its label", after: 3 * time.Hour, next: "1.1", change: label("hotfix", "true"), kind: verifier.SuspectedByHotfix},
		{name: "no hotfix, as its label says", after: 3 * time.Hour, next: "1.0.1", change: label("hotfix", "false")},
		{name: "a hotfix by its branch", after: 3 * time.Hour, next: "1.1", change: label("branch", "hotfix/prices"), kind: verifier.SuspectedByHotfix},
		{name: "answered before", after: 3 * time.Hour, next: "0.9", mark: true},
		{name: "a change of configuration", after: 3 * time.Hour, next: "0.9", change: func(d *verifier.Deploy) { d.Change = verifier.Config }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSim(t, verifier.ModeOff)
			s.good("checkout") // 0.9, then 1.0
			if test.mark {
				if err := s.order("d02", verifier.Dismiss, ""); err != nil {
					t.Fatal(err)
				}
			}
			s.run(test.after)
			s.told = nil
			if test.change == nil {
				test.change = func(*verifier.Deploy) {}
			}
			s.deploy("checkout", test.next, test.change)
			s.run(time.Hour)
			got := s.get("d02").Suspected
			if test.kind == "" {
				if got != nil || len(s.told) > 0 {
					t.Fatalf("suspected %+v, told %+v", got, s.told)
				}
				return
			}
			if got == nil || got.Kind != test.kind || got.Deploy != "d03" || got.Version != test.next {
				t.Fatalf("suspected %+v, want %s by d03", got, test.kind)
			}
			if len(s.told) != 1 || s.told[0].Labels["team"] != "payments" || !strings.HasPrefix(s.told[0].Title, "Was checkout 1.0 in production bad?") ||
				!strings.Contains(s.told[0].Text, "verifier mark bad d02") || s.told[0].Resolved == nil {
				t.Fatalf("told %+v", s.told)
			}
			s.deploy("checkout", "1.2")
			s.deploy("checkout", "0.9") // undone again: not asked again about 1.0
			s.run(time.Hour)
			for _, in := range s.told[1:] {
				if in.ID == s.told[0].ID {
					t.Errorf("asked again: %+v", in)
				}
			}
		})
	}
}
