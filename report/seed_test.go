package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/record"
	"verifier/report"
)

const services = 7

// seedDeploys are 418 deploys to production in September 2016, 10 of them to an older version and 14 of what was live, among
// failed ones, other changes, deploys to staging and those of the months around.
func seedDeploys(r *rand.Rand) []verifier.Deploy {
	var deploys []verifier.Deploy
	add := func(service int, environment, version string, at time.Time, change ...func(*verifier.Deploy)) {
		d := verifier.Deploy{
			ID: fmt.Sprintf("%06d", len(deploys)), Place: verifier.Place{Service: fmt.Sprint("service-", service), Environment: environment},
			Version: version, Status: verifier.Succeeded, Change: verifier.Release, At: at, Team: fmt.Sprint("team-", service%3),
		}
		for _, c := range change {
			c(&d)
		}
		deploys = append(deploys, d)
	}
	start := time.Date(2016, 9, 1, 0, 0, 0, 0, time.UTC)
	minor := [services]int{}
	for s := range services {
		add(s, "production", "1.0", start.AddDate(0, 0, -3))
		add(s, "staging", "1.0", start.AddDate(0, 0, -3))
	}
	for i := range 418 {
		s, at := i%services, start.Add(time.Duration(i)*100*time.Minute)
		switch {
		case i%41 == 40: // 10 times
			minor[s]--
		case i%29 != 28: // else 14 times what is live already
			minor[s] += 2
		}
		version := fmt.Sprint("1.", minor[s])
		add(s, "production", version, at)
		add(s, "staging", fmt.Sprint("1.", r.IntN(400)), at)
		if i%10 == 0 {
			add(s, "production", fmt.Sprint("1.", r.IntN(400)), at.Add(time.Minute), func(d *verifier.Deploy) { d.Status = verifier.Failed })
			add(s, "production", "0.1", at.Add(2*time.Minute), func(d *verifier.Deploy) { d.Change = verifier.Config })
			add(s, "production", "0.1", at.Add(3*time.Minute), func(d *verifier.Deploy) { d.Void = true })
		}
	}
	for s := range services {
		add(s, "production", "0.1", time.Date(2016, 10, 1, 0, 0, 0, 0, time.UTC))
	}
	return deploys
}

// arrive puts a deploy among the rows of its place and classifies it and what comes after it, as the store does.
func arrive(places map[string][]verifier.Deploy, d verifier.Deploy) {
	rows := places[d.Key()]
	i, _ := slices.BinarySearchFunc(rows, d, func(a, b verifier.Deploy) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	rows = slices.Insert(rows, i, d)
	var s record.State
	record.Classify(&s, rows[:i], record.Auto)
	for j := i; j < len(rows); j++ {
		rows[j] = s.Next(rows[j], record.Auto)
	}
	places[d.Key()] = rows
}

func TestSeedFigures(t *testing.T) {
	r := rand.New(rand.NewPCG(2016, 9))
	deploys := seedDeploys(r)
	for range 3 {
		r.Shuffle(len(deploys), func(i, j int) { deploys[i], deploys[j] = deploys[j], deploys[i] })
		places := map[string][]verifier.Deploy{}
		for _, d := range deploys {
			arrive(places, d)
		}
		var tallies []verifier.Tally
		for _, rows := range places {
			for _, d := range rows {
				tallies = append(tallies, verifier.Tally{
					Month: d.At.Format("2006-01"), Service: d.Service, Environment: d.Environment, Team: d.Team,
					Change: d.Change, Status: d.Status, Kind: d.Kind, Void: d.Void, N: 1,
				})
			}
		}
		got := makeReport(t, "2016-09", "service", tallies, nil)
		if got.Deploys != 418 || got.Rollbacks != 10 || got.Redeploys != 14 || got.FailedDeploys != 42 || *got.RollbackRate != 0.0239 {
			t.Fatalf("%d deploys, %d rollbacks, %d redeploys, %d failed, rate %v", got.Deploys, got.Rollbacks, got.Redeploys, got.FailedDeploys, *got.RollbackRate)
		}
		var text strings.Builder
		if err := got.Text(&text); err != nil || !strings.Contains(text.String(), "418 deploys to production, 10 rollbacks: 2.4 %") {
			t.Errorf("%v:\n%s", err, &text)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	var tallies []verifier.Tally
	for i := range 50_000 {
		tallies = append(tallies, tally("2016-09", fmt.Sprint("team-", i%300), 20))
	}
	for range b.N {
		if _, err := report.Make(monthOf("2016-09"), "team", tallies, nil, func(string) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
