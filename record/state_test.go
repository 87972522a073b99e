package record_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"verifier"
	"verifier/record"
)

// told is one line of a history: the deploy, and the kind and previous version it should get.
type told struct {
	minute   int
	version  string
	change   func(*verifier.Deploy)
	kind     verifier.Kind
	previous string
}

func (c told) deploy(i int) verifier.Deploy {
	d := fact(verifier.Succeeded, c.minute)
	d.ID, d.Version = fmt.Sprintf("d%02d", i), c.version
	if c.change != nil {
		c.change(&d)
	}
	return d
}

func TestRecount(t *testing.T) {
	const release, rollback, redeploy = verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy
	status := func(s verifier.Status) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.Status = s } }
	void := func(d *verifier.Deploy) { d.Void = true }
	config := func(d *verifier.Deploy) { d.Change = verifier.Config }
	previous := func(v string) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.PreviousVersion = v } }
	elsewhere := func(d *verifier.Deploy) { d.Environment = "staging" }
	shouted := func(d *verifier.Deploy) { d.Service = "CHECKOUT" }
	for name, history := range map[string][]told{
		"numbers": {
			{0, "1.0", nil, release, ""},
			{1, "1.1", nil, release, "1.0"},
			{2, "1.1", nil, redeploy, "1.1"},
			{3, "1.0", nil, rollback, "1.1"},
			{4, "1.2", nil, release, "1.0"},
		},
		"hashes go by when they were first seen": {
			{0, "bbbbbb1", nil, release, ""},
			{1, "aaaaaa1", nil, release, "bbbbbb1"},
			{2, "bbbbbb1", nil, rollback, "aaaaaa1"},
			{3, "aaaaaa1", nil, release, "bbbbbb1"},
		},
		"what failed or only started moves nothing": {
			{0, "1.0", nil, release, ""},
			{1, "1.1", status(verifier.Failed), release, "1.0"},
			{2, "1.2", status(verifier.Started), release, "1.0"},
			{3, "0.9", status(verifier.Failed), rollback, "1.0"},
			{4, "1.0", nil, redeploy, "1.0"},
		},
		"void ones are not there, and were not seen": {
			{0, "bbbbbb1", void, release, ""}, {1, "aaaaaa1", nil, release, ""}, {2, "bbbbbb1", nil, release, "aaaaaa1"},
		},
		"other changes have no kind": {
			{0, "1.0", nil, release, ""}, {1, "0.9", config, "", "1.0"}, {2, "1.1", nil, release, "1.0"},
		},
		"what was sent as previous counts first": {
			{0, "aaaaaa1", previous("bbbbbb1"), release, "bbbbbb1"}, {1, "bbbbbb1", previous("zzzzzz1"), rollback, "aaaaaa1"},
		},
		"first is older than what was sent as previous":   {{0, "1.0", previous("1.1"), rollback, "1.1"}},
		"first is what was sent as previous":              {{0, "1.0", previous("1.0"), redeploy, "1.0"}, {1, "0.9", nil, rollback, "1.0"}},
		"a start before the record knows nothing else":    {{0, "1.0", func(d *verifier.Deploy) { d.Status = verifier.Started; d.PreviousVersion = "1.1" }, rollback, "1.1"}, {1, "1.0", nil, release, ""}},
		"places are apart, and compare without case":      {{0, "1.1", nil, release, ""}, {1, "1.0", elsewhere, release, ""}, {2, "1.0", shouted, rollback, "1.1"}},
		"at one time the id decides":                      {{0, "1.1", nil, release, ""}, {0, "1.0", nil, rollback, "1.1"}},
		"versions seen at one time are not older by that": {{0, "bbbbbb1", nil, release, ""}, {0, "aaaaaa1", nil, release, "bbbbbb1"}, {1, "bbbbbb1", nil, release, "aaaaaa1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var deploys, want []verifier.Deploy
			for i, c := range history {
				d := c.deploy(i)
				deploys = append([]verifier.Deploy{d}, deploys...)
				d.Kind, d.Previous = c.kind, c.previous
				want = append(want, d)
			}
			if diff := cmp.Diff(want, record.Recount(deploys, record.Auto)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// arrive is what the store does with a deploy: the rows before it make a State, it and the rows after it are classified anew.
func arrive(rows []verifier.Deploy, d verifier.Deploy) []verifier.Deploy {
	rows = append(rows, d)
	record.Sort(rows)
	var s record.State
	var next []verifier.Deploy
	for _, row := range rows {
		if row.Before(d) {
			s.Next(row, record.Auto)
		} else {
			next = append(next, row)
		}
	}
	for _, changed := range record.Classify(&s, next, record.Auto) {
		for i := range rows {
			if rows[i].ID == changed.ID {
				rows[i] = changed
			}
		}
	}
	return rows
}

func TestAnyOrderOfArrival(t *testing.T) {
	version := rapid.SampledFrom([]string{"1.0", "1.1", "1.2", "aaaaaa1", "bbbbbb1"})
	rapid.Check(t, func(t *rapid.T) {
		var deploys []verifier.Deploy
		for i := range rapid.IntRange(1, 20).Draw(t, "deploys") {
			d := fact(rapid.SampledFrom(verifier.Statuses).Draw(t, "status"), rapid.IntRange(0, 9).Draw(t, "minute"))
			d.ID, d.Version = fmt.Sprintf("d%02d", i), version.Draw(t, "version")
			d.Change = rapid.SampledFrom([]verifier.Change{verifier.Release, verifier.Release, verifier.Config}).Draw(t, "change")
			d.PreviousVersion = rapid.SampledFrom([]string{"", "", "1.1", "bbbbbb1"}).Draw(t, "previous")
			d.Void = rapid.IntRange(0, 4).Draw(t, "void") == 0
			deploys = append(deploys, d)
		}
		var rows []verifier.Deploy
		for _, d := range rapid.Permutation(deploys).Draw(t, "order") {
			rows = arrive(rows, d)
		}
		if diff := cmp.Diff(record.Recount(deploys, record.Auto), rows); diff != "" {
			t.Fatalf("one by one (+) is not the full recount (-):\n%s", diff)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	var s record.State
	d := fact(verifier.Succeeded, 0)
	for i := range b.N {
		d.Version = fmt.Sprint("1.4.", i%100)
		s.Next(d, record.Auto)
	}
}
