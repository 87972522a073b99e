package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/lifecycle"
)

// BenchmarkGoals measures what the daemon promises, through its front door and on the real disk, and prints one table. It takes
// about five minutes whatever -benchtime says; -short makes it a look at whether it still runs.
func BenchmarkGoals(b *testing.B) {
	size := benchSize{storm: 5000, events: 8 * time.Second, watches: 10_000, wakes: time.Minute, deploys: 1_000_000, idle: 30 * time.Second, scrapes: 2 * time.Minute}
	if testing.Short() {
		size = benchSize{storm: 300, events: time.Second, watches: 200, wakes: 18 * time.Second, deploys: 5000, idle: time.Second, scrapes: time.Second}
	}
	table := &benchTable{}
	b.Run("events", func(b *testing.B) { benchEvents(b, table, size) })
	b.Run("storm", func(b *testing.B) { benchStorm(b, table, size) })
	b.Run("wakes", func(b *testing.B) { benchWakes(b, table, size) })
	b.Run("reports", func(b *testing.B) { benchReports(b, table, size) })
	b.Run("patterns", func(b *testing.B) { benchPatterns(b, table) })
	b.Run("idle", func(b *testing.B) { benchIdle(b, table, size) })
	b.Run("embedded", func(b *testing.B) { benchEmbedded(b, table, size) })
	fmt.Print("\n", table, "\n")
}

type benchSize struct {
	events, wakes, idle, scrapes time.Duration
	watches, deploys, storm      int
}

// benchTable is what was promised, what was seen, and what it is held against.
type benchTable struct{ rows []string }

func (t *benchTable) add(what, goal, seen, beside string) {
	t.rows = append(t.rows, fmt.Sprintf("%-52s %-14s %-14s %s", what, goal, seen, beside))
	fmt.Println(t.rows[len(t.rows)-1])
}

func (t *benchTable) String() string {
	head := fmt.Sprintf("%-52s %-14s %-14s %s", "WHAT", "GOAL", "SEEN", "BESIDE IT")
	return head + "\n" + strings.Join(t.rows, "\n")
}

// benchEvents posts deploys, each answered only when it and its verification are on the disk.
func benchEvents(b *testing.B, table *benchTable, size benchSize) {
	fsync := fsyncTime(b)
	d := startBench(b)
	alone := d.post(1, size.events/4)
	all := d.post(64, size.events)
	table.add("durable events a second, 64 senders", "2,000", fmt.Sprintf("%.0f", rate(all, size.events)),
		fmt.Sprintf("one sender, one commit an event: %.0f; fsync of this disk %s", rate(alone, size.events/4), short(fsync)))
	d.stop()

	d = startBench(b)
	paced := d.pace(500, size.events)
	table.add("an event's wait at 500 a second, p99", "50 ms", short(quantile(paced, 99)),
		fmt.Sprintf("p50 %s, longest %s; from the time it was due to be sent", short(quantile(paced, 50)), short(paced[len(paced)-1])))
	d.stop()
}

// benchWakes watches many deploys at once with a source that answers at once.
func benchWakes(b *testing.B, table *benchTable, size benchSize) {
	d := startBench(b)
	defer d.stop()
	d.each(64, size.watches, func(n int) { d.send(n, fmt.Sprintf("watched-%d", n)) })
	d.lateness()           // what was late while they arrived is another figure
	time.Sleep(size.wakes) // a whole number of rounds
	late := d.lateness()
	if len(late) == 0 {
		b.Fatal("nothing woke")
	}
	active, _, err := d.store.Counts(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	table.add(fmt.Sprintf("wake lateness at %d watches every 15 s, p99", size.watches), "1 s", short(quantile(late, 99)),
		fmt.Sprintf("p50 %s, longest %s; %d wakes in %s, %d still watched", short(quantile(late, 50)), short(late[len(late)-1]), len(late), size.wakes, active))
}

const benchConfig = `listen: 127.0.0.1:0
store: ./bench.db
rules: ./rules.yaml
sources: {metrics: {type: prometheus, url: 'http://127.0.0.1:9', lag: 1s}}
`

const benchRules = `defaults: {settle: 0s, watch: 15m, every: 15s}
rules:
  - name: error-burst
    measure: {source: metrics, promql: 'sum(errors{service="{{.Service}}"})'}
    limit: {above: 50, within: 5m}
  - name: response-time
    measure: {source: metrics, promql: 'avg(seconds{service="{{.Service}}"})'}
    compare: {with: before, over: 5m, worse: higher, tolerate: 20%}
`

// atOnceSource answers every question at once, with a healthy value for each step.
type atOnceSource struct{}

func (atOnceSource) Lag() time.Duration             { return time.Second }
func (atOnceSource) HasPeers(verifier.Measure) bool { return false }
func (atOnceSource) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		for at := q.From.Add(q.Step); !at.After(q.To); at = at.Add(q.Step) {
			answers[i].Samples = append(answers[i].Samples, verifier.Sample{T: at, Value: 0.2, Count: 1, Exposure: 100})
		}
	}
	return answers
}

// benchDaemon is the whole daemon with that source.
type benchDaemon struct {
	*Daemon
	b      *testing.B
	client *http.Client
	stop   func()

	mu   sync.Mutex
	late []time.Duration
}

func startBench(b *testing.B) *benchDaemon {
	folder := b.TempDir()
	for name, text := range map[string]string{"verifier.yaml": benchConfig, "rules.yaml": benchRules} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	daemon, err := NewDaemon(context.Background(), filepath.Join(folder, "verifier.yaml"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	d := &benchDaemon{Daemon: daemon, b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}, Timeout: 30 * time.Second}}
	daemon.live().backends = lifecycle.Backends{"metrics": atOnceSource{}}
	woke := daemon.runner.Observer.Woke
	daemon.runner.Observer.Woke = func(late time.Duration) {
		woke(late)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.late = append(d.late, late)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- daemon.Run(ctx) }()
	d.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	return d
}

// lateness is what was seen since it was last asked, in order.
func (d *benchDaemon) lateness() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	late := d.late
	d.late = nil
	slices.Sort(late)
	return late
}

func (d *benchDaemon) send(n int, service string) {
	body := fmt.Sprintf(`{"id":"b-%s-%d","service":%q,"environment":"production","version":"1.0.%d","at":%q}`,
		service, n, service, n, time.Now().UTC().Format(time.RFC3339Nano))
	resp, err := d.client.Post("http://"+d.Addr()+"/v1/deploys", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		d.b.Error(err)
		return
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusAccepted || !bytes.Contains(answer, []byte(`"waiting"`)) {
		d.b.Errorf("answered %d: %s", resp.StatusCode, answer)
	}
}

// post sends without a pause for a while, and gives each event's wait in order.
func (d *benchDaemon) post(senders int, during time.Duration) []time.Duration {
	took := make([][]time.Duration, senders)
	end := time.Now().Add(during)
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for n := 0; time.Now().Before(end) && !d.b.Failed(); n++ {
				began := time.Now()
				d.send(n, fmt.Sprintf("of%d-%d-%d", senders, s, n%32))
				took[s] = append(took[s], time.Since(began))
			}
		})
	}
	group.Wait()
	return slices.Sorted(slices.Values(slices.Concat(took...)))
}

// pace sends at a fixed rate whether or not answers come; a wait counts from when the event should have left.
func (d *benchDaemon) pace(perSecond int, during time.Duration) []time.Duration {
	count := max(1, int(during.Seconds()*float64(perSecond)))
	took := make([]time.Duration, count)
	began := time.Now()
	var group sync.WaitGroup
	for n := range count {
		intended := began.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
		time.Sleep(time.Until(intended))
		group.Go(func() {
			d.send(n, fmt.Sprintf("paced-%d", n%2000))
			took[n] = time.Since(intended)
		})
	}
	group.Wait()
	slices.Sort(took)
	return took
}

// each calls do with 0 to count-1 from several goroutines.
func (d *benchDaemon) each(senders, count int, do func(int)) {
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for n := s; n < count && !d.b.Failed(); n += senders {
				do(n)
			}
		})
	}
	group.Wait()
}

func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[len(sorted)*percent/100]
}

func rate(took []time.Duration, during time.Duration) float64 {
	return float64(len(took)) / during.Seconds()
}

func short(d time.Duration) string { return fmt.Sprintf("%.3g ms", float64(d.Microseconds())/1000) }

// fsyncTime is the median time that the disk takes for one small durable write.
func fsyncTime(b *testing.B) time.Duration {
	file, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	took := make([]time.Duration, 100)
	for i := range took {
		began := time.Now()
		_, wrote := file.Write(make([]byte, 4096))
		if err := errors.Join(wrote, file.Sync()); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return quantile(took, 50)
}
