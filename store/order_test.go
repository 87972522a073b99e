package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"verifier"
	"verifier/record"
)

// history is what happens in the places of one service: facts about deploys, some of which come by an import, and what people correct
// afterwards.
type history struct {
	facts    [][]verifier.Deploy // by deploy
	imported []bool
	fixes    []fix
}

type fix struct {
	deploy int
	what   string // void, version, at, status or mark
}

func drawHistory(r *rapid.T) (h history) {
	minute := func(label string) time.Time {
		return noon.Add(time.Duration(4*rapid.IntRange(0, 6).Draw(r, label)) * time.Minute)
	}
	for i := range rapid.IntRange(1, 9).Draw(r, "deploys") {
		imported := rapid.IntRange(0, 3).Draw(r, "imported") == 0
		d := release(fmt.Sprint(i), rapid.SampledFrom([]string{"1.0", "v1", "1.1", "1.1.0", "1.1-hotfix1", "1.2", "abcdef1", "1234567"}).Draw(r, "version"), minute("at"))
		d.Target = rapid.SampledFrom([]string{"", "", "eu"}).Draw(r, "target")
		d.Change = rapid.SampledFrom([]verifier.Change{verifier.Release, verifier.Release, verifier.Release, verifier.Config}).Draw(r, "change")
		d.PreviousVersion = rapid.SampledFrom([]string{"", "", "1.1", "0.9"}).Draw(r, "previous version")
		if !imported { // imports found no groups
			d.Commit = rapid.SampledFrom([]string{"", "9fceb02"}).Draw(r, "commit")
		}
		var facts []verifier.Deploy
		for range rapid.IntRange(1, 3).Draw(r, "facts") {
			f := d
			f.Status = rapid.SampledFrom([]verifier.Status{verifier.Succeeded, verifier.Succeeded, verifier.Failed, verifier.Started}).Draw(r, "status")
			f.At = minute("fact at")
			f.Group = rapid.SampledFrom([]string{"", "", "", "train"}).Draw(r, "group")
			f.Hosts = rapid.SliceOfN(rapid.SampledFrom([]string{"web1", "web2"}), 0, 2).Draw(r, "hosts")
			f.Team = rapid.SampledFrom([]string{"", "web", "payments"}).Draw(r, "team")
			facts = append(facts, f)
		}
		h.facts = append(h.facts, facts)
		h.imported = append(h.imported, imported)
	}
	for range rapid.IntRange(0, 4).Draw(r, "fixes") {
		h.fixes = append(h.fixes, fix{
			rapid.IntRange(0, len(h.facts)-1).Draw(r, "fixed"),
			rapid.SampledFrom([]string{"void", "version", "at", "status", "mark"}).Draw(r, "fix"),
		})
	}
	return h
}

// as gives the facts to a service of its own; ids keep their order.
func as(service string, d verifier.Deploy) verifier.Deploy {
	d.Service, d.ID = service, service+"-"+d.ID
	if d.Commit != "" {
		d.Commit = service // a group of its own
	}
	return d
}

// anyOrder lets the same history arrive in order and in any order, with an import in between, and compares the two records with each
// other and each with a full recount; then once more after people have corrected it.
func anyOrder(r *rapid.T, s *Store, n int) {
	h := drawHistory(r)
	sorted, shuffled := fmt.Sprintf("s%06d", n), fmt.Sprintf("t%06d", n)
	var all []verifier.Deploy
	for _, facts := range h.facts {
		all = append(all, facts...)
	}
	record.Sort(all)
	for _, d := range all {
		arrive(r, s, as(sorted, d))
	}
	arriveAnyhow(r, s, h, shuffled)
	sameRecord(r, s, sorted, shuffled)
	for _, f := range h.fixes {
		correct(r, s, fmt.Sprint(sorted, "-", f.deploy), f.what)
		correct(r, s, fmt.Sprint(shuffled, "-", f.deploy), f.what)
		isRecount(r, s, shuffled)
	}
	sameRecord(r, s, sorted, shuffled)
}

func arrive(r *rapid.T, s *Store, d verifier.Deploy) {
	if _, err := s.Record(context.Background(), verifier.Delivery{ID: fmt.Sprint(d.ID, d.At, d.Status), Tool: "api", ReceivedAt: noon}, []verifier.Deploy{d}, nil); err != nil {
		r.Fatal(err)
	}
}

// arriveAnyhow records the facts in any order, those of imported deploys by one import that begins and ends somewhere in between.
func arriveAnyhow(r *rapid.T, s *Store, h history, service string) {
	var facts, staged []verifier.Deploy
	for i := range h.facts {
		for _, d := range h.facts[i] {
			if h.imported[i] {
				staged = append(staged, as(service, d))
			} else {
				facts = append(facts, as(service, d))
			}
		}
	}
	facts, staged = rapid.Permutation(facts).Draw(r, "order"), rapid.Permutation(staged).Draw(r, "lines")
	begin := rapid.IntRange(0, len(facts)).Draw(r, "begin")
	end := rapid.IntRange(begin, len(facts)).Draw(r, "end")
	id := ""
	for i := range len(facts) + 1 {
		if i == begin {
			var err error
			if id, err = s.BeginImport(context.Background(), "old.csv", "anna", noon); err == nil {
				_, err = s.StageImport(context.Background(), id, staged)
			}
			if err != nil {
				r.Fatal(err)
			}
		}
		if i == end {
			if err := s.FinishImport(context.Background(), id); err != nil {
				r.Fatal(err)
			}
		}
		if i < len(facts) {
			arrive(r, s, facts[i])
		}
	}
}

func correct(r *rapid.T, s *Store, id, what string) {
	var err error
	edit := func(change func(*verifier.Deploy)) {
		_, err = s.EditDeploy(context.Background(), id, func(d *verifier.Deploy) error { change(d); return nil }, "anna", "so it was", noon)
	}
	switch what {
	case "void":
		edit(func(d *verifier.Deploy) { d.Void = true })
	case "version":
		edit(func(d *verifier.Deploy) { d.Version = "1.1" })
	case "at":
		edit(func(d *verifier.Deploy) { d.At = noon.Add(12 * time.Minute) })
	case "status":
		edit(func(d *verifier.Deploy) { d.Status = verifier.Succeeded })
	case "mark":
		err = s.MarkDeploy(context.Background(), id, verifier.Mark{Cause: "it broke", By: "anna", At: noon})
	}
	if err != nil {
		r.Fatal(err)
	}
}

// rowsOf are the deploys of a service as they are kept, columns and all.
func rowsOf(r *rapid.T, s *Store, service string) (deploys []verifier.Deploy, columns map[string]string) {
	columns = map[string]string{}
	deploys, err := collect(s.pool(context.Background()), func(rows *sql.Rows) (d verifier.Deploy, err error) {
		var body, place, environment, version, team, kind, status, change, facets string
		var at int64
		var live, void, reverted bool
		if err := rows.Scan(&body, &place, &environment, &version, &at, &live, &team, &kind, &status, &change, &void, &reverted, &facets); err != nil {
			return d, err
		}
		err = json.Unmarshal([]byte(body), &d)
		columns[d.ID] = fmt.Sprintln(place, environment, version, at, live, team, kind, status, change, void, reverted, facets)
		return d, err
	}, `SELECT body, place, environment, version, at, live, team, kind, status, change, void, reverted, facets FROM deploys WHERE place >= $1 AND place < $2
		ORDER BY place, at, id`, service, service+"z")
	if err != nil {
		r.Fatal(err)
	}
	return deploys, columns
}

// isRecount holds what is kept of a service against a fold of all its deploys from nothing.
func isRecount(r *rapid.T, s *Store, service string) {
	deploys, columns := rowsOf(r, s, service)
	want := record.Recount(deploys, record.Auto)
	reverted, live := map[string]bool{}, map[string]string{}
	for _, d := range want {
		if d.MovesLive() {
			reverted[live[d.Key()]] = d.Kind == verifier.KindRollback
			live[d.Key()] = d.ID
		}
	}
	for _, d := range want {
		if !d.MovesLive() {
			reverted[d.ID] = strings.Contains(columns[d.ID], `"Reverted":true`) // says nothing of a deploy that counts for nothing
		}
		expected := fmt.Sprintln(d.Key(), lower(d.Environment), verifier.VersionKey(d.Version), d.At.UnixMilli(), d.MovesLive(), lower(d.Team), d.Kind, d.Status, d.Change, d.Void,
			reverted[d.ID], facets(d, "", reverted[d.ID], false))
		if diff := cmp.Diff(expected, columns[d.ID]); diff != "" {
			r.Fatalf("%s (-recount +kept):\n%s", d.ID, diff)
		}
	}
}

// sameRecord compares two services that the same has happened to.
func sameRecord(r *rapid.T, s *Store, a, b string) {
	isRecount(r, s, a)
	isRecount(r, s, b)
	first, _ := rowsOf(r, s, a)
	second, _ := rowsOf(r, s, b)
	for i := range second {
		second[i].Service, second[i].ID = a, strings.Replace(second[i].ID, b, a, 1)
		second[i].Commit, second[i].Group = strings.Replace(second[i].Commit, b, a, 1), strings.Replace(second[i].Group, b, a, 1)
	}
	if diff := cmp.Diff(first, second, cmpopts.IgnoreFields(verifier.Deploy{}, "RecordedAt", "Tool")); diff != "" {
		r.Fatalf("(-in order +in any order):\n%s", diff)
	}
}

// TestHistories gathers what speaks of a place: with and without targets where none is named.
func TestHistories(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "verifier.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, target := range []string{"", "eu", "us"} {
		d := release("d"+target, "1."+fmt.Sprint(i), noon)
		d.Target = target
		put(t, s, d, nil)
	}
	other := release("other", "9", noon)
	other.Service = "checkout-web"
	put(t, s, other, nil)
	for target, want := range map[string]string{"": "[d deu dus]", "eu": "[deu]", "asia": "[d]"} {
		all, err := s.Histories(t.Context(), verifier.Place{Service: "Checkout", Environment: "production", Target: target}, noon)
		var got []string
		for _, history := range all {
			for _, p := range history {
				got = append(got, p.Deploy.ID)
			}
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("target %q: %v, %v, not %s", target, got, err, want)
		}
	}
}
