package main

import (
	"context"
	"path/filepath"
	"testing"

	"verifier"
	"verifier/rules"
)

// TestRealworldLimits reads the folders limit-*: a missing step neither ends nor extends the run of `for`, and a limit passes only with
// data in most of the steps that could be expected.
func TestRealworldLimits(t *testing.T) {
	for _, c := range []struct{ file, rules string }{
		{"limit-for-gaps/t.yaml", "limit-for-gaps/rules.yaml"},
		{"limit-passes-on-one-step/t2.yaml", "limit-passes-on-one-step/rules2.yaml"},
	} {
		f, err := readRuleTests(filepath.Join("../../testdata/realworld", c.file))
		if err != nil {
			t.Fatal(err)
		}
		set, err := rules.Load(filepath.Join("../../testdata/realworld", c.rules), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range f.Tests {
			t.Run(one.Name, func(t *testing.T) {
				want := one.Expect.Verdict
				if _, silent := one.Series["limf"]; silent {
					want = string(verifier.FailedState) // the rule says on_no_data: fail, and there was data before: it went silent
				}
				d := one.Deploy.deploy()
				selected, _ := set.For(d)
				var judged []verifier.Rule
				for _, r := range selected {
					if _, ok := one.Series[r.Name]; ok {
						judged = append(judged, r)
					}
				}
				v, err := one.replay(context.Background(), d, judged)
				if err != nil {
					t.Fatal(err)
				}
				if string(v.State) != want {
					t.Errorf("got %s, want %s: %s", v.State, want, v.Findings[0].Text)
				}
				t.Log(v.Findings[0].Text)
			})
		}
	}
}
