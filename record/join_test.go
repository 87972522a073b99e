package record_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"verifier"
	"verifier/record"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func ptr[T any](v T) *T { return &v }

func fact(status verifier.Status, minute int, change ...func(*verifier.Deploy)) verifier.Deploy {
	d := verifier.Deploy{
		ID: "d1", Place: verifier.Place{Service: "checkout", Environment: "production"}, Version: "1.4.2",
		Status: status, Change: verifier.Release, At: at(minute),
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func joinAll(t interface{ Fatalf(string, ...any) }, facts []verifier.Deploy) verifier.Deploy {
	var known *verifier.Deploy
	for _, f := range facts {
		d, _, err := record.Join(known, f)
		if err != nil {
			t.Fatalf("join %+v: %v", f, err)
		}
		known = &d
	}
	return *known
}

func TestJoin(t *testing.T) {
	team := func(s string) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.Team = s } }
	refused := func(d *verifier.Deploy) { d.Rollback = verifier.Consent{Allowed: ptr(false), Reason: "migration"} }
	allowed := func(d *verifier.Deploy) { d.Rollback = verifier.Consent{Allowed: ptr(true)} }
	hosts := func(h ...string) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.Hosts = h } }
	label := func(k, v string) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.Labels = map[string]string{k: v} }
	}
	started := func(minute int) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.StartedAt = ptr(at(minute)) }
	}
	told := func(field string, minute int) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) {
			if d.Told == nil {
				d.Told = map[string]time.Time{}
			}
			d.Told[field] = at(minute)
		}
	}
	const begun, ok, bad = verifier.Started, verifier.Succeeded, verifier.Failed
	for _, c := range []struct {
		name  string
		facts []verifier.Deploy
		want  verifier.Deploy
	}{
		{"one fact stays as it is", []verifier.Deploy{fact(ok, 5, team("a"))}, fact(ok, 5, team("a"))},
		{"a started one has its start", []verifier.Deploy{fact(begun, 0)}, fact(begun, 0, started(0))},
		{"started yields to an end", []verifier.Deploy{fact(begun, 0), fact(ok, 5)}, fact(ok, 5, started(0))},
		{"even to an earlier end", []verifier.Deploy{fact(begun, 7), fact(ok, 5)}, fact(ok, 5, started(7))},
		{"the later start", []verifier.Deploy{fact(begun, 0), fact(begun, 2)}, fact(begun, 2, started(2))},
		{"the later end", []verifier.Deploy{fact(bad, 6), fact(ok, 5)}, fact(bad, 6)},
		{"at one time succeeded", []verifier.Deploy{fact(bad, 5), fact(ok, 5)}, fact(ok, 5)},
		{"the later team", []verifier.Deploy{fact(ok, 5, team("a")), fact(ok, 6, team("b"))}, fact(ok, 6, team("b"))},
		{"empty says nothing", []verifier.Deploy{fact(ok, 5, team("a")), fact(ok, 6)}, fact(ok, 6, team("a"), told("team", 5))},
		{
			"a later start says the team, an earlier end the status",
			[]verifier.Deploy{fact(begun, 7, team("b")), fact(ok, 5, team("a"))},
			fact(ok, 5, team("b"), started(7), told("team", 7)),
		},
		{"refused stays", []verifier.Deploy{fact(begun, 0, refused), fact(ok, 5, allowed)}, fact(ok, 5, started(0), refused, told("rollback", 0))},
		{"hosts unite", []verifier.Deploy{fact(ok, 5, hosts("b", "a")), fact(ok, 5, hosts("c", "a"))}, fact(ok, 5, hosts("a", "b", "c"))},
		{
			"each host when it was first named",
			[]verifier.Deploy{fact(begun, 0), fact(begun, 2, hosts("a")), fact(begun, 3, hosts("a", "b")), fact(ok, 5, hosts("a", "b", "c"))},
			fact(ok, 5, started(0), hosts("a", "b", "c"), told("hosts.a", 2), told("hosts.b", 3)),
		},
		{
			"without a start of its own it began with the first host",
			[]verifier.Deploy{fact(begun, 2, hosts("a")), fact(begun, 3, hosts("b"))},
			fact(begun, 3, started(2), hosts("a", "b"), told("hosts.a", 2), func(d *verifier.Deploy) { d.Told["started_at"] = time.Time{} }),
		},
		{
			"an end for each host",
			[]verifier.Deploy{fact(ok, 2, hosts("a")), fact(ok, 5, hosts("b"))},
			fact(ok, 5, hosts("a", "b"), told("hosts.a", 2)),
		},
		{
			"labels key by key",
			[]verifier.Deploy{fact(begun, 0, label("tier", "1")), fact(ok, 5, label("zone", "eu"))},
			fact(ok, 5, started(0), told("labels.tier", 0), func(d *verifier.Deploy) { d.Labels = map[string]string{"tier": "1", "zone": "eu"} }),
		},
	} {
		for _, order := range []string{"as sent", "reversed"} {
			t.Run(c.name+"/"+order, func(t *testing.T) {
				facts := c.facts
				if order == "reversed" {
					facts = nil
					for _, f := range c.facts {
						facts = append([]verifier.Deploy{f}, facts...)
					}
				}
				if diff := cmp.Diff(c.want, joinAll(t, facts)); diff != "" {
					t.Errorf("joined (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestJoinKeepsWhatTheRecordKnows(t *testing.T) {
	known := fact(verifier.Started, 0)
	known.Kind, known.Previous, known.Tool, known.RecordedAt, known.Void = verifier.KindRelease, "1.4.1", "github", at(1), true
	known.Mark = &verifier.Mark{Good: true}
	f := fact(verifier.Succeeded, 5)
	f.Tool, f.RecordedAt = "api", at(6)
	got, changed, err := record.Join(&known, f)
	want := known
	want.Status, want.At, want.StartedAt = verifier.Succeeded, at(5), ptr(at(0))
	if diff := cmp.Diff(want, got); diff != "" || !changed || err != nil {
		t.Errorf("changed %v, err %v, joined (-want +got):\n%s", changed, err, diff)
	}
}

func TestJoinConflict(t *testing.T) {
	known := fact(verifier.Started, 0)
	for field, change := range map[string]func(*verifier.Deploy){
		"service":     func(d *verifier.Deploy) { d.Service = "cart" },
		"environment": func(d *verifier.Deploy) { d.Environment = "staging" },
		"target":      func(d *verifier.Deploy) { d.Target = "eu" },
		"version":     func(d *verifier.Deploy) { d.Version = "1.4.3" },
		"change":      func(d *verifier.Deploy) { d.Change = verifier.Config },
	} {
		got, changed, err := record.Join(&known, fact(verifier.Succeeded, 5, change))
		var conflict *verifier.ConflictError
		if !errors.As(err, &conflict) || conflict.Field != field {
			t.Errorf("%s: err %v, want a conflict that names it", field, err)
		}
		if diff := cmp.Diff(known, got); changed || diff != "" {
			t.Errorf("%s: changed %v:\n%s", field, changed, diff)
		}
	}
	_, _, err := record.Join(&known, fact(verifier.Succeeded, 5, func(d *verifier.Deploy) { d.Service, d.Version, d.Change = "cart", "2", verifier.Infra }))
	var all *verifier.ConflictError
	if !errors.As(err, &all) || len(all.Fields()) != 3 || !strings.Contains(err.Error(), "service: ") || !strings.Contains(err.Error(), "; change: ") {
		t.Errorf("three fields contradict: %v", err)
	}
	if _, _, err := record.Join(&known, fact(verifier.Succeeded, 5, func(d *verifier.Deploy) { d.Service = "Checkout" })); err != nil {
		t.Errorf("names compare without case: %v", err)
	}
}

func TestJoinRepeated(t *testing.T) {
	f := fact(verifier.Succeeded, 5, func(d *verifier.Deploy) { d.At = d.At.Add(123456 * time.Nanosecond).In(time.FixedZone("", 3600)) })
	known := joinAll(t, []verifier.Deploy{f})
	if !known.At.Equal(at(5)) {
		t.Errorf("at %v, want whole milliseconds", known.At)
	}
	if _, changed, err := record.Join(&known, f); changed || err != nil {
		t.Errorf("the same fact again: changed %v, err %v", changed, err)
	}
}

func TestJoinCorrected(t *testing.T) {
	known := fact(verifier.Succeeded, 5)
	known.Version, known.Corrected = "1.4.3", true
	got, changed, err := record.Join(&known, fact(verifier.Succeeded, 6))
	if diff := cmp.Diff(known, got); changed || err != nil || diff != "" {
		t.Errorf("changed %v, err %v:\n%s", changed, err, diff)
	}
}

func TestFillYieldsToFacts(t *testing.T) {
	team := func(d *verifier.Deploy) { d.Team = "b" }
	commit := func(d *verifier.Deploy) { d.Commit = "g" }
	filled := record.Grouped([]verifier.Deploy{record.Fill(joinAll(t, []verifier.Deploy{fact(verifier.Succeeded, 5, commit)}), "a")})[0]
	if filled.Team != "a" || filled.Group != "g" {
		t.Fatalf("filled %q and %q", filled.Team, filled.Group)
	}
	got, _, _ := record.Join(&filled, fact(verifier.Started, 0, team))
	if got.Team != "b" || got.Group != "g" {
		t.Errorf("team %q, group %q; want b and g", got.Team, got.Group)
	}
	if again := record.Fill(got, "a"); again.Team != "b" {
		t.Errorf("filled again: %q", again.Team)
	}
	got, _, _ = record.Join(&filled, fact(verifier.Started, 0, func(d *verifier.Deploy) { d.Group = "train" }))
	if again := record.Grouped([]verifier.Deploy{got}); got.Group != "train" || len(again) != 0 {
		t.Errorf("the group that was sent: %q, then %v", got.Group, again)
	}
}

func TestJoinAnyOrder(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "c"})
	drawFact := rapid.Custom(func(t *rapid.T) verifier.Deploy {
		d := fact(rapid.SampledFrom(verifier.Statuses).Draw(t, "status"), rapid.IntRange(0, 3).Draw(t, "minute"))
		d.Service = rapid.SampledFrom([]string{"checkout", "Checkout"}).Draw(t, "service")
		d.PreviousVersion, d.Group, d.Team, d.By = word.Draw(t, "previous"), word.Draw(t, "group"), word.Draw(t, "team"), word.Draw(t, "by")
		d.Commit, d.Repository, d.URL = word.Draw(t, "commit"), word.Draw(t, "repository"), word.Draw(t, "url")
		d.Hosts = rapid.SliceOfN(rapid.SampledFrom([]string{"h1", "h2", "h3"}), 0, 3).Draw(t, "hosts")
		d.Labels = rapid.MapOfN(rapid.SampledFrom([]string{"x", "y"}), word, 0, 2).Draw(t, "labels")
		d.Rollback.Reason = word.Draw(t, "reason")
		d.Rollback.Allowed = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)}).Draw(t, "allowed")
		if rapid.Bool().Draw(t, "has start") {
			d.StartedAt = ptr(at(rapid.IntRange(-1, 4).Draw(t, "start")))
		}
		d.RecordedAt = at(rapid.IntRange(0, 3).Draw(t, "recorded"))
		return d
	})
	rapid.Check(t, func(t *rapid.T) {
		facts := rapid.SliceOfN(drawFact, 1, 5).Draw(t, "facts")
		want := joinAll(t, facts)
		again := append(rapid.Permutation(facts).Draw(t, "order"), facts[0])
		if diff := cmp.Diff(want, joinAll(t, again)); diff != "" {
			t.Fatalf("another order and a repeat (-want +got):\n%s", diff)
		}
		half := rapid.IntRange(0, len(facts)-1).Draw(t, "half")
		if half == 0 {
			return
		}
		left, right := joinAll(t, facts[:half]), joinAll(t, facts[half:])
		got, _, err := record.Join(&left, right)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("joined in halves: %v (-want +got):\n%s", err, diff)
		}
		if _, changed, _ := record.Join(&want, facts[half]); changed {
			t.Fatal(fmt.Sprint("changed by a fact that is in it: ", facts[half]))
		}
	})
}

func TestJoinFactWithoutTime(t *testing.T) {
	at := time.Date(2016, 9, 12, 12, 0, 0, 0, time.UTC)
	fact := func(status verifier.Status, at time.Time, assumed bool) verifier.Deploy {
		return verifier.Deploy{ID: "a", Version: "1", Status: status, Change: verifier.Release, At: at, AtAssumed: assumed}
	}
	ended, _, _ := record.Join(nil, fact(verifier.Succeeded, at, true))
	if again, changed, _ := record.Join(&ended, fact(verifier.Succeeded, at.Add(time.Minute), true)); changed || !again.At.Equal(at) {
		t.Errorf("sent again without a time: %v, %v", again.At, changed)
	}
	if failed, changed, _ := record.Join(&ended, fact(verifier.Failed, at.Add(time.Minute), true)); !changed || failed.Status != verifier.Failed {
		t.Errorf("another end without a time: %+v", failed)
	}
	if said, changed, _ := record.Join(&ended, fact(verifier.Succeeded, at.Add(time.Minute), false)); !changed || said.At.Equal(at) {
		t.Errorf("a later end: %+v", said)
	}
	next := fact(verifier.Succeeded, at.Add(time.Minute), true)
	next.Hosts = []string{"web2"}
	if two, changed, _ := record.Join(&ended, next); !changed || !two.At.Equal(next.At) || !two.HostChanged("web2").Equal(next.At) {
		t.Errorf("another host without a time: %+v", two)
	}
	begun, _, _ := record.Join(nil, fact(verifier.Started, at, true))
	whole, _, _ := record.Join(&begun, fact(verifier.Succeeded, at.Add(time.Minute), true))
	if late, changed, _ := record.Join(&whole, fact(verifier.Started, at.Add(time.Hour), true)); changed || !late.StartedAt.Equal(at) || !late.At.Equal(at.Add(time.Minute)) {
		t.Errorf("the start again, after the end: %+v", late)
	}
}

// TestJoinCounts ends a deploy when all hosts that it is to reach have told, in whatever order they do.
func TestJoinCounts(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 24, 10, minute, 0, 0, time.UTC) }
	fact := func(minute int, hosts, failed, expected []string) verifier.Deploy {
		return verifier.Deploy{
			ID: "salt:1", Place: verifier.Place{Service: "shop", Environment: "production"}, Version: "1.4.2", Status: verifier.Started, Change: verifier.Release,
			At: at(minute), Hosts: hosts, FailedHosts: failed, Expected: expected,
		}
	}
	job := fact(0, nil, nil, []string{"a", "b"})
	first, second, broken := fact(1, []string{"a"}, nil, nil), fact(3, []string{"b"}, nil, nil), fact(3, []string{"b"}, []string{"b"}, nil)
	for name, test := range map[string]struct {
		facts  []verifier.Deploy
		status verifier.Status
		at     time.Time
	}{
		"the job alone":              {[]verifier.Deploy{job}, verifier.Started, at(0)},
		"one of two":                 {[]verifier.Deploy{job, first}, verifier.Started, at(1)},
		"both":                       {[]verifier.Deploy{job, first, second}, verifier.Succeeded, at(3)},
		"both, the job at last":      {[]verifier.Deploy{second, first, job}, verifier.Succeeded, at(3)},
		"both, twice":                {[]verifier.Deploy{second, job, second, first, first}, verifier.Succeeded, at(3)},
		"one failed":                 {[]verifier.Deploy{job, first, broken}, verifier.Failed, at(3)},
		"one failed, the first last": {[]verifier.Deploy{broken, job, first}, verifier.Failed, at(3)},
		"nobody said how many":       {[]verifier.Deploy{first, second}, verifier.Started, at(3)},
	} {
		t.Run(name, func(t *testing.T) {
			var known *verifier.Deploy
			for _, f := range test.facts {
				joined, _, err := record.Join(known, f)
				if err != nil {
					t.Fatal(err)
				}
				known = &joined
			}
			if known.Status != test.status || !known.At.Equal(test.at) {
				t.Errorf("%s at %s, want %s at %s", known.Status, known.At, test.status, test.at)
			}
		})
	}
}

// TestJoinSpellings joins facts that spell the version in two ways; another version is still a conflict.
func TestJoinSpellings(t *testing.T) {
	spelled := func(version string) func(*verifier.Deploy) {
		return func(d *verifier.Deploy) { d.Version = version }
	}
	facts := []verifier.Deploy{fact(verifier.Started, 0, spelled("v1.10.0")), fact(verifier.Succeeded, 5, spelled("1.10.0"))}
	one := joinAll(t, facts)
	two := joinAll(t, []verifier.Deploy{facts[1], facts[0]})
	if diff := cmp.Diff(one, two); diff != "" || one.Version != "1.10.0" || one.Status != verifier.Succeeded {
		t.Errorf("%+v\n%s", one, diff)
	}
	if _, _, err := record.Join(&one, fact(verifier.Succeeded, 6, spelled("1.11"))); err == nil {
		t.Error("another version is no conflict")
	}
}
