package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"verifier"
	"verifier/intake"
	"verifier/store"
)

// sending is one delivery of a storm.
type sending struct {
	path, body string
	at         time.Time
}

// storm is so many deliveries of two senders, in the order in which things happened: starts and ends of Octopus Deploy, and deploys that a
// script tells of host by host.
func storm(n int, end time.Time) []sending {
	random := rand.New(rand.NewPCG(1, 2))
	at := end.Add(-40 * time.Minute)
	var out []sending
	for i := 0; len(out) < n; i++ {
		at = at.Add(time.Second)
		version, service := fmt.Sprintf("1.%d.%d", random.IntN(20), random.IntN(3)), fmt.Sprintf("s%02d", random.IntN(40))
		if i%2 == 0 {
			for k, category := range []string{"DeploymentStarted", []string{"DeploymentSucceeded", "DeploymentFailed"}[random.IntN(5)/4]} {
				when := at.Add(time.Duration(k*30) * time.Second)
				out = append(out, sending{"/v1/hooks/octopus", octopusDelivery(i, category, service, version, when), when})
			}
			continue
		}
		hosts := 1 + random.IntN(3)
		for h := range hosts {
			status, when := "started", at.Add(time.Duration(h*10)*time.Second)
			if h == hosts-1 {
				status = "succeeded"
			}
			out = append(out, sending{"/v1/deploys", fmt.Sprintf(`{"id":"script-%d","service":%q,"environment":"production","version":%q,"status":%q,"hosts":["web%d"],"at":%q}`,
				i, service, version, status, h, when.Format(time.RFC3339Nano)), when})
		}
	}
	slices.SortStableFunc(out, func(a, b sending) int { return a.at.Compare(b.at) })
	return out[:n]
}

// octopusDelivery is what a subscription sends.
func octopusDelivery(id int, category, service, version string, at time.Time) string {
	return fmt.Sprintf(`{"Payload":{"Event":{"Id":"Events-%d","Category":%q,"Occurred":%q,"RelatedDocumentIds":["Deployments-%d","Projects-1","Releases-1","Environments-1"],
		"Message":"Deploy %s %s to production","MessageReferences":[{"ReferencedDocumentId":"Projects-1","StartIndex":7,"Length":%d},{"ReferencedDocumentId":"Releases-1","StartIndex":%d,"Length":%d},
		{"ReferencedDocumentId":"Environments-1","StartIndex":%d,"Length":10}]}}}`, id, category, at.Format(time.RFC3339Nano), id, service, version,
		len(service), 8+len(service), len(version), 12+len(service)+len(version))
}

// openStorm is a daemon whose only backend takes calls, and never answers.
func openStorm(tb testing.TB) *front {
	tb.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { silent.Close() })
	const rules = "defaults: {settle: 0, watch: 15m, every: 15s}\nrules:\n  - name: errors\n    measure: {source: metrics, promql: 'errors{service=\"{{.Service}}\"}'}\n    limit: {above: 3, within: 1m}\n"
	return openFront(tb, "listen: 127.0.0.1:0\nenvironments: [{name: production, production: true}]\nhooks: {octopus: {header: X-Key, secret: s}}\n"+
		"sources: {metrics: {type: prometheus, url: 'http://"+silent.Addr().String()+"', timeout: 2s}}\n", rules)
}

// scattered are the deliveries in any order, and some of them twice.
func scattered(all []sending, twice int) []sending {
	random := rand.New(rand.NewPCG(3, 4))
	again := append(slices.Clone(all), all[:twice]...)
	random.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	return again
}

// TestStorm: deliveries in any order, 30 % of them twice, give the record of the sorted ones; and while no backend answers, nobody who
// sends waits for one. make long sends 5,000, make bench has the times.
func TestStorm(t *testing.T) {
	t.Parallel()
	deliveries, twice := 770, 230
	if long {
		deliveries, twice = 3847, 1153
	}
	all := storm(deliveries, time.Now().UTC().Truncate(time.Millisecond))
	f := openStorm(t)
	defer f.stop()
	took := send(t, f, scattered(all, twice), 16)
	slices.Sort(took)
	if p50 := took[len(took)/2]; p50 > 2*time.Second {
		t.Errorf("a sender waits %v, as long as a backend is asked", p50)
	}
	want, got := inOrder(t, f.daemon.live().hooks, all), allDeploys(t, f.daemon.store)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(verifier.Deploy{}, "RecordedAt", "Tool"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the record depends on the order (-sorted +shuffled):\n%.3000s", diff)
	}
	if len(want) < deliveries/4 {
		t.Errorf("only %d deploys were recorded", len(want))
	}
}

// benchStorm sends the storm as tools do, 16 at a time.
func benchStorm(b *testing.B, table *benchTable, size benchSize) {
	f := openStorm(b)
	defer f.stop()
	again := scattered(storm(size.storm*10/13, time.Now().UTC()), size.storm*3/13)
	took := send(b, f, again, 16)
	slices.Sort(took)
	table.add("a delivery's wait while every backend hangs, p99", "50 ms", short(quantile(took, 99)),
		fmt.Sprintf("p50 %s, longest %s; %d deliveries, 30 %% twice, 16 senders", short(quantile(took, 50)), short(took[len(took)-1]), len(took)))
}

// inOrder is the record of the deliveries in the order in which things happened.
func inOrder(t *testing.T, hooks intake.Hooks, all []sending) []verifier.Deploy {
	t.Helper()
	var facts []verifier.Deploy
	for _, one := range all {
		in := verifier.Delivery{Tool: "octopus", ReceivedAt: time.Now(), Body: []byte(one.body)}
		if one.path == "/v1/deploys" {
			d, err := intake.MapAPI(in)
			if err != nil {
				t.Fatal(err)
			}
			facts = append(facts, d)
			continue
		}
		mapped, err := hooks.Map(in)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, mapped.Deploys...)
	}
	catalogue := &verifier.Catalogue{Environments: []verifier.Environment{{Name: "production", Production: true}}}
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "sorted.db"), func() *verifier.Catalogue { return catalogue })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Record(t.Context(), verifier.Delivery{ID: "all", Tool: "all", ReceivedAt: time.Now()}, facts, nil); err != nil {
		t.Fatal(err)
	}
	return allDeploys(t, s)
}

// send posts everything, by so many senders at once, and says how long each answer took.
func send(t testing.TB, f *front, all []sending, senders int) []time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}, Timeout: time.Minute}
	took := make([]time.Duration, len(all))
	next := make(chan int)
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for i := range next {
				request, err := http.NewRequest("POST", f.url+all[i].path, strings.NewReader(all[i].body))
				if err != nil {
					t.Error(err)
					continue
				}
				request.Header.Set("X-Key", "s")
				began := time.Now()
				response, err := client.Do(request)
				took[i] = time.Since(began)
				if err != nil {
					t.Error(err)
					continue
				}
				response.Body.Close()
				if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted {
					t.Errorf("%s answers %d", all[i].body, response.StatusCode)
				}
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	group.Wait()
	return took
}

// allDeploys are all deploys by their ids.
func allDeploys(t *testing.T, record *store.Store) []verifier.Deploy {
	t.Helper()
	var out []verifier.Deploy
	for filter := (verifier.DeployFilter{Page: verifier.Page{Limit: 500}}); ; {
		page, next, err := record.Deploys(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page...)
		if filter.After = next; next == "" {
			break
		}
	}
	slices.SortFunc(out, func(a, b verifier.Deploy) int { return strings.Compare(a.ID, b.ID) })
	return out
}
