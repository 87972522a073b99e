package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/store"
)

// simTB is what a sim needs of a test: rapid's and Go's both have it.
type simTB interface {
	Helper()
	Context() context.Context
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
	Logf(string, ...any)
}

// sim is the daemon on a real store with simulated time: services with traffic, a deploy tool, and everybody who is told.
type sim struct {
	t       simTB
	store   *store.Store
	runner  *Runner
	clock   time.Time
	world   World
	entries []verifier.Entry
	rules   []verifier.Rule

	mu      sync.Mutex
	live    map[string][]version // by place
	broken  map[string]float64   // share of errors by service and version
	since   map[string]time.Time // when that began; default always
	until   map[string]time.Time // and when it ends; default never
	silent  map[string]bool      // services without traffic
	told    []verifier.Incident  // what receivers were sent, in order
	calls   []verifier.RollbackCall
	answer  func(verifier.RollbackCall) error // of the deploy tool
	follows bool                              // the deploy tool deploys what it is told to
	number  int
	done    int           // calls that the deploy tool has followed
	late    time.Duration // messages are sent so long after they are asked for
	inTurn  bool          // see turn
}

type version struct {
	at   time.Time
	name string
}

var begin = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func newSim(t *testing.T, mode verifier.RollbackMode) *sim {
	t.Helper()
	s := newSimIn(t, t.TempDir(), mode)
	t.Cleanup(func() { s.store.Close() })
	return s
}

// newSimIn is a sim with its store in the folder; who makes it closes the store.
func newSimIn(t simTB, dir string, mode verifier.RollbackMode) *sim {
	t.Helper()
	s := &sim{
		t: t, clock: begin, live: map[string][]version{}, broken: map[string]float64{}, since: map[string]time.Time{}, until: map[string]time.Time{}, silent: map[string]bool{}, follows: true,
		answer: func(verifier.RollbackCall) error { return nil },
	}
	s.entries = []verifier.Entry{{Match: verifier.Match{Environment: "production"}, Apply: func(to *verifier.Service) {
		to.Team, to.Rollback.Mode, to.Rollback.By = "payments", mode, "hook"
	}}}
	worse := &verifier.Compare{With: []verifier.Arm{verifier.ArmBefore}, Over: 30 * time.Minute, Worse: verifier.Higher, Tolerate: 0.5, AtLeast: 0.005}
	s.rules = []verifier.Rule{{
		Name: "error-ratio", Where: "rules.yaml:3", Measure: verifier.Measure{Source: "logs", Ratio: &verifier.Ratio{Of: "bad", To: "all"}}, Compare: worse,
		OnFail: verifier.FailRollback, Severity: verifier.SeverityPage, OnNoData: verifier.NoDataInconclusive,
		Settle: time.Minute, Watch: 15 * time.Minute, Every: 15 * time.Second, Confidence: 0.99,
	}}
	st, err := store.Open(t.Context(), filepath.Join(dir, "sim.db"), func() *verifier.Catalogue { return s.catalogue() })
	if err != nil {
		t.Fatal(err)
	}
	st.Now = func() time.Time { return s.clock }
	s.store = st
	s.world = World{
		URL: "https://v", Unrelated: DefaultUnrelated,
		Rules: func(verifier.Deploy) ([]verifier.Rule, string) { return s.rules, "sha256:sim" },
	}
	s.runner = &Runner{
		lanes: newLanes(), Store: st, Now: func() time.Time { return s.clock }, Log: slog.New(slog.DiscardHandler),
		World:   func() World { w := s.world; w.Catalogue, w.Route = s.catalogue(), s.route; return w },
		Sources: func() Backends { return Backends{"logs": s} },
		Performers: map[verifier.ActionKind]verifier.Performer{
			verifier.ActionAlert: performs(s.tell), verifier.ActionRollback: performs(s.roll),
		},
		Observer: Observer{Failed: func(where string, err error) { t.Errorf("%s: %v", where, err) }},
	}
	return s
}

func (s *sim) catalogue() *verifier.Catalogue {
	return &verifier.Catalogue{Environments: []verifier.Environment{{Name: "production", Production: true}}, Entries: s.entries}
}

// route tells one chat of everything.
func (s *sim) route(in verifier.Incident, now time.Time) []verifier.Action {
	return []verifier.Action{{Key: "alert/" + in.ID + "/chat", Kind: verifier.ActionAlert, Subject: in.ID, State: verifier.ActionWaiting, Created: now, DueAt: now.Add(s.late)}}
}

type performs func(context.Context, verifier.Action) (verifier.Performed, error)

func (p performs) Perform(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	return p(ctx, a)
}

func (s *sim) tell(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	in, err := s.store.Incident(ctx, a.Subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, in)
	return verifier.Performed{}, err
}

func (s *sim) roll(_ context.Context, a verifier.Action) (verifier.Performed, error) {
	var o verifier.RollbackOrder
	if err := json.Unmarshal(a.Payload, &o); err != nil {
		return verifier.Performed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, o.Call)
	return verifier.Performed{Message: "taken"}, s.answer(o.Call)
}

// Ask answers for the traffic: 100 requests in every 15 s of every service, of which its live version's share is bad.
func (s *sim) Ask(_ context.Context, questions []verifier.Question) []verifier.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]verifier.Answer, len(questions))
	for i, q := range questions {
		out[i].Query = "ratio"
		for t := q.From.Add(q.Step); !t.After(q.To); t = t.Add(q.Step) {
			if s.silent[q.Subject.Service] {
				continue
			}
			bad := float64(int(100*s.share(q.Subject, t) + 0.5))
			out[i].Samples = append(out[i].Samples, verifier.Sample{T: t, Value: bad / 100, Count: bad, Exposure: 100})
		}
	}
	return out
}

func (s *sim) share(subject verifier.Subject, t time.Time) float64 {
	name := ""
	place := liveKey(verifier.Place{Service: subject.Service, Target: subject.Target})
	for _, v := range s.live[place] {
		if v.at.Before(t) {
			name = v.name
		}
	}
	key := place + " " + name
	if share, ok := s.broken[key]; ok && t.After(s.since[key]) && (s.until[key].IsZero() || !t.After(s.until[key])) {
		return share
	}
	return 0.01
}

// Lag is 15 s.
func (s *sim) Lag() time.Duration { return 15 * time.Second }

// HasPeers is false: the sim has one host.
func (s *sim) HasPeers(verifier.Measure) bool { return false }

// liveKey names a place in what is live and broken: the service, and its target where it has one.
func liveKey(p verifier.Place) string {
	if p.Target == "" {
		return p.Service
	}
	return p.Service + "/" + p.Target
}

// deploy records a succeeded release now; change may alter the event.
func (s *sim) deploy(service, name string, change ...func(*verifier.Deploy)) verifier.Receipt {
	s.t.Helper()
	s.number++
	d := verifier.Deploy{
		ID: fmt.Sprintf("d%02d", s.number), Place: verifier.Place{Service: service, Environment: "production"}, Version: name, Status: verifier.Succeeded,
		Change: verifier.Release, At: s.clock, By: "anna",
	}
	for _, c := range change {
		c(&d)
	}
	s.mu.Lock()
	if d.Status == verifier.Succeeded {
		key := liveKey(d.Place)
		s.live[key] = append(s.live[key], version{d.At, d.Version})
		slices.SortStableFunc(s.live[key], func(a, b version) int { return a.at.Compare(b.at) })
	}
	s.mu.Unlock()
	world := s.runner.World()
	receipts, err := s.store.Record(s.t.Context(), verifier.Delivery{ID: fmt.Sprint(s.number), Tool: "api", ReceivedAt: s.clock}, []verifier.Deploy{d},
		func(scene *verifier.Scene) (verifier.Effects, error) { return world.Step(scene, Arrived{}, s.clock) })
	if err != nil {
		s.t.Fatal(err)
	}
	return receipts[0]
}

// run lets time pass, from one thing that is due to the next.
func (s *sim) run(d time.Duration) {
	s.t.Helper()
	end := s.clock.Add(d)
	for range 100_000 {
		due, err := s.store.NextDue(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if due.IsZero() || due.After(end) {
			s.clock = end
			return
		}
		if due.After(s.clock) {
			s.clock = due
		}
		s.turn()
		s.followCalls()
	}
	s.t.Fatal("time does not pass")
}

// turn does all that is due: side by side as the daemon does, or messages before calls where a test reads the messages in their order.
func (s *sim) turn() {
	var group sync.WaitGroup
	ctx, r := s.t.Context(), s.runner
	if !s.inTurn {
		r.claim(ctx, ctx, &group)
		group.Wait()
		return
	}
	r.claimWatches(ctx, ctx, &group)
	group.Wait()
	r.claimActions(ctx, ctx, &group, r.lanes.actions, false)
	group.Wait()
	r.claimActions(ctx, ctx, &group, r.lanes.rollbacks, true)
	group.Wait()
}

// followCalls is the deploy tool: it deploys what it was told to, and says so.
func (s *sim) followCalls() {
	s.mu.Lock()
	calls := s.calls
	s.mu.Unlock()
	for _, c := range calls[min(len(calls), s.done):] {
		if s.follows && s.answer(c) == nil {
			s.clock = s.clock.Add(5 * time.Second)
			s.deploy(c.Service, c.To, func(d *verifier.Deploy) { d.Target = c.Target })
		}
		s.done++
	}
}

// breaks lets a version fail from now on.
func (s *sim) breaks(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[key], s.since[key] = 0.2, s.clock
}

func (s *sim) order(id string, verb verifier.Verb, to string) error {
	return s.decide(id, Ordered{Verification: id, Order: verifier.Order{Verb: verb, By: "ben", Reason: "because", To: to}})
}

func (s *sim) decide(id string, e Event) error {
	world := s.runner.World()
	_, err := s.store.Decide(s.t.Context(), id, func(scene *verifier.Scene) (verifier.Effects, error) { return world.Step(scene, e, s.clock) })
	return err
}

func (s *sim) get(id string) verifier.Verification {
	s.t.Helper()
	v, err := s.store.Verification(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// good deploys 1.0 and lets it pass.
func (s *sim) good(services ...string) {
	s.t.Helper()
	for _, name := range services {
		s.deploy(name, "0.9")
	}
	s.run(40 * time.Minute)
	for _, name := range services {
		s.deploy(name, "1.0")
	}
	s.run(30 * time.Minute)
	for _, name := range services {
		list, _, err := s.store.Verifications(s.t.Context(), verifier.VerificationFilter{Service: name})
		if err != nil || list[0].State != verifier.Passed {
			s.t.Fatalf("1.0 of %s is %s %s %+v (%v), want passed", name, list[0].State, list[0].Reason, list[0].Findings, err)
		}
	}
}

func (s *sim) expect(id string, state verifier.State, rollback verifier.RollbackState) verifier.Verification {
	s.t.Helper()
	v := s.get(id)
	got := verifier.RollbackState("")
	if v.Rollback != nil {
		got = v.Rollback.State
	}
	if v.State != state || got != rollback {
		s.t.Errorf("%s of %s is %s (%s), rollback %q; want %s, %q\n%s", v.Deploy.Version, v.Deploy.Place, v.State, v.Reason, got, state, rollback, detail(v))
	}
	return v
}

func detail(v verifier.Verification) string {
	text := ""
	for _, f := range v.Findings {
		text += fmt.Sprintf("  %s: %s %s %s\n", f.Rule, f.Outcome, f.Reason, f.Text)
	}
	if v.Rollback != nil {
		text += fmt.Sprintf("  rollback: %v %s\n", v.Rollback.Reasons, v.Rollback.Reason)
		for _, g := range v.Rollback.Guards {
			if g.Denies {
				text += fmt.Sprintf("  %s: %s\n", g.Guard, g.Text)
			}
		}
	}
	return text
}
