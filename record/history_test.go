package record_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/record"
)

// past is one line of a history, oldest first. Verdicts end 5 minutes after the deploy.
type past struct {
	minute  int
	version string
	state   verifier.State
	change  func(*verifier.Deploy)
}

func history(lines ...past) []verifier.Past {
	var deploys []verifier.Deploy
	byID := map[string]past{}
	for i, l := range lines {
		d := told{l.minute, l.version, l.change, "", ""}.deploy(i)
		deploys = append(deploys, d)
		byID[d.ID] = l
	}
	var out []verifier.Past
	for _, d := range record.Recount(deploys, record.Auto) {
		p := verifier.Past{Deploy: d, State: byID[d.ID].state}
		if p.State == verifier.Passed || p.State == verifier.FailedState {
			p.Ended = ptr(d.At.Add(5 * time.Minute))
		}
		out = append(out, p)
	}
	slices.Reverse(out)
	return out
}

func mark(good bool, minute int) func(*verifier.Deploy) {
	return func(d *verifier.Deploy) { d.Mark = &verifier.Mark{Good: good, At: at(minute)} }
}

func broken(d *verifier.Deploy)   { d.Status = verifier.Failed }
func voided(d *verifier.Deploy)   { d.Void = true }
func toConfig(d *verifier.Deploy) { d.Change = verifier.Config }

func TestLive(t *testing.T) {
	h := history(past{0, "1.0", "", nil}, past{10, "1.1", "", nil}, past{20, "1.2", "", broken}, past{30, "1.3", "", voided}, past{40, "1.4", "", toConfig})
	for minute, want := range map[int]string{-1: "", 0: "1.0", 9: "1.0", 10: "1.1", 50: "1.1"} {
		if got, ok := record.Live(h, at(minute)); got != want || ok != (want != "") {
			t.Errorf("at minute %d: %q, %v; want %q", minute, got, ok, want)
		}
	}
}

func TestCondemned(t *testing.T) {
	for name, c := range map[string]struct {
		history []verifier.Past
		want    bool
	}{
		"unknown":                      {nil, false},
		"passed":                       {history(past{0, "v", verifier.Passed, nil}), false},
		"failed":                       {history(past{0, "v", verifier.FailedState, nil}), true},
		"inconclusive":                 {history(past{0, "v", verifier.Undecided, nil}), false},
		"dismissed":                    {history(past{0, "v", verifier.FailedState, mark(true, 3)}), false},
		"marked bad":                   {history(past{0, "v", verifier.Passed, mark(false, 3)}), true},
		"failed, then passed":          {history(past{0, "v", verifier.FailedState, nil}, past{9, "v", verifier.Passed, nil}), false},
		"passed, then failed":          {history(past{0, "v", verifier.Passed, nil}, past{9, "v", verifier.FailedState, nil}), true},
		"an old deploy marked later":   {history(past{0, "v", verifier.Passed, mark(false, 60)}, past{9, "v", verifier.Passed, nil}), true},
		"left by a rollback":           {history(past{0, "1.0", verifier.Passed, nil}, past{9, "v", verifier.Passed, nil}, past{20, "1.0", "", nil}), true},
		"left, then marked good":       {history(past{0, "1.0", verifier.Passed, nil}, past{9, "v", verifier.Passed, mark(true, 60)}, past{20, "1.0", "", nil}), false},
		"left, then passed":            {history(past{0, "1.0", verifier.Passed, nil}, past{9, "v", "", nil}, past{20, "1.0", "", nil}, past{40, "v", verifier.Passed, nil}), false},
		"left by one that failed":      {history(past{0, "1.0", verifier.Passed, nil}, past{9, "v", verifier.Passed, nil}, past{20, "1.0", "", broken}), false},
		"followed by a newer one":      {history(past{0, "v", verifier.Passed, nil}, past{9, "w", verifier.FailedState, nil}), false},
		"its configuration failed":     {history(past{0, "v", verifier.Passed, nil}, past{9, "v", verifier.FailedState, toConfig}), false},
		"the one that failed was void": {history(past{0, "v", verifier.FailedState, voided}), false},
	} {
		if got := record.Condemned(c.history, "v"); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestLastGood(t *testing.T) {
	const pass, fail, unsure = verifier.Passed, verifier.FailedState, verifier.Undecided
	many := []past{}
	for i := range 8 {
		many = append(many, past{i * 10, fmt.Sprint("0.", i), unsure, nil})
	}
	for name, c := range map[string]struct {
		history    []past // the last is the one to go back from
		later      []past // and these came after it
		target     string
		candidates []string
	}{
		"nothing before":            {[]past{{0, "1.0", fail, nil}}, nil, "", nil},
		"the one before":            {[]past{{0, "1.0", pass, nil}, {10, "1.1", pass, nil}, {20, "1.2", fail, nil}}, nil, "1.1", nil},
		"over a condemned one":      {[]past{{0, "1.0", pass, nil}, {10, "1.1", fail, nil}, {20, "1.2", fail, nil}}, nil, "1.0", nil},
		"over an undecided one":     {[]past{{0, "1.0", pass, nil}, {10, "1.1", unsure, nil}, {20, "1.2", fail, nil}}, nil, "1.0", nil},
		"marked good":               {[]past{{0, "1.0", pass, nil}, {10, "1.1", fail, mark(true, 12)}, {20, "1.2", fail, nil}}, nil, "1.1", nil},
		"passed once, live again":   {[]past{{0, "1.0", pass, nil}, {10, "1.1", pass, nil}, {15, "1.0", unsure, nil}, {20, "1.2", fail, nil}}, nil, "1.0", nil},
		"a redeploy of itself":      {[]past{{0, "1.0", pass, nil}, {10, "1.1", pass, nil}, {20, "1.1", fail, nil}}, nil, "1.0", nil},
		"never what is live":        {[]past{{0, "1.0", pass, nil}, {10, "1.1", pass, nil}, {20, "1.2", fail, nil}}, []past{{30, "1.1", "", nil}}, "1.0", nil},
		"nor what never was live":   {[]past{{0, "1.0", pass, nil}, {10, "1.1", pass, broken}, {20, "1.2", fail, nil}}, nil, "1.0", nil},
		"candidates, not condemned": {[]past{{0, "1.0", unsure, nil}, {5, "1.1", fail, nil}, {9, "1.2", "", nil}, {20, "1.3", fail, nil}}, nil, "", []string{"1.2", "1.0"}},
		"five candidates":           {many, nil, "", []string{"0.6", "0.5", "0.4", "0.3", "0.2"}},
	} {
		h := history(append(slices.Clone(c.history), c.later...)...)
		target, candidates := record.LastGood(h, h[len(c.later)].Deploy)
		if diff := cmp.Diff(c.candidates, candidates); target != c.target || diff != "" {
			t.Errorf("%s: target %q, want %q; candidates (-want +got):\n%s", name, target, c.target, diff)
		}
	}
}

func TestCrossed(t *testing.T) {
	h := history(past{0, "1.0", "", nil}, past{5, "1.1", "", nil}, past{10, "1.0", "", nil}, past{15, "1.2", "", broken},
		past{20, "1.2", "", toConfig}, past{25, "1.2", "", voided}, past{30, "1.3", "", nil}, past{40, "1.4", "", nil})
	for to, want := range map[string][]string{
		"1.3": nil, "1.0": {"d06", "d04", "d03"}, "1.1": {"d06", "d04", "d03", "d02"}, "0.9": {"d06", "d04", "d03", "d02", "d01", "d00"},
	} {
		var ids []string
		for _, d := range record.Crossed(h, h[0].Deploy, to) {
			ids = append(ids, d.ID)
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("to %s (-want +got):\n%s", to, diff)
		}
	}
}

func TestGroup(t *testing.T) {
	near := func(id string, minute int, group string, change ...func(*verifier.Deploy)) verifier.Deploy {
		d := fact(verifier.Succeeded, minute)
		d.ID, d.Service, d.Group, d.Commit = id, id, group, "9fceb02"
		for _, c := range change {
			c(&d)
		}
		return d
	}
	staging := func(d *verifier.Deploy) { d.Environment = "staging" }
	other := func(d *verifier.Deploy) { d.Commit = "1a2b3c4" }
	d := near("d", 0, "")
	for name, c := range map[string]struct {
		d    verifier.Deploy
		near []verifier.Deploy
		want string
	}{
		"nothing near":      {d, nil, "9fceb02"},
		"sent":              {near("d", 0, "own"), []verifier.Deploy{near("a", 0, "g")}, "own"},
		"near":              {d, []verifier.Deploy{near("a", 10, "g")}, "g"},
		"near and not sent": {d, []verifier.Deploy{near("a", 10, "")}, "9fceb02"},
		"too far":           {d, []verifier.Deploy{near("a", 11, "g")}, "9fceb02"},
		"too late":          {d, []verifier.Deploy{near("a", -11, "")}, "9fceb02/2"},
		"the founder's":     {d, []verifier.Deploy{near("a", -5, "g"), near("b", 4, "h"), near("c", 9, "i")}, "g"},
		"the first sent":    {d, []verifier.Deploy{near("a", 1, ""), near("b", 2, "h")}, "h"},
		"the earlier":       {d, []verifier.Deploy{near("a", 5, "g"), near("b", -5, "h")}, "h"},
		"joins no joiner":   {d, []verifier.Deploy{near("a", -14, ""), near("b", -7, "")}, "9fceb02/2"},
		"environment":       {d, []verifier.Deploy{near("a", 1, "g", staging)}, "9fceb02"},
		"commit":            {d, []verifier.Deploy{near("a", 1, "g", other)}, "9fceb02"},
		"void":              {d, []verifier.Deploy{near("a", 1, "g", voided)}, "9fceb02"},
		"without a commit":  {fact(verifier.Succeeded, 0), []verifier.Deploy{near("a", 1, "g", func(d *verifier.Deploy) { d.Commit = "" })}, ""},
		"equally near, ids": {d, []verifier.Deploy{near("b", 5, "h"), near("a", 5, "g")}, "g"},
		"began earlier":     {d, []verifier.Deploy{near("a", 15, "", func(d *verifier.Deploy) { start := at(-2); d.StartedAt = &start })}, "9fceb02"},
	} {
		got := c.d.Group
		for _, changed := range record.Grouped(append(c.near, c.d)) {
			if changed.ID == c.d.ID {
				got = changed.Group
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
