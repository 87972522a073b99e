package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// stage is a scene in which 1.1 of checkout failed five minutes after it was deployed, and nothing stands against going back to 1.0.
type stage struct {
	scene  verifier.Scene
	v      verifier.Verification
	policy verifier.RollbackPolicy
	needs  map[string][]string // depends_on by service
	asked  asked
	frozen string
}

func newStage() *stage {
	st := &stage{policy: verifier.DefaultPolicy, needs: map[string][]string{}}
	st.policy.Mode, st.policy.By = verifier.ModeAuto, "hook"
	st.past("d0", "0.9", -4*time.Hour, verifier.Passed)
	st.past("d1", "1.0", -2*time.Hour, verifier.Passed)
	d := st.past("d2", "1.1", -5*time.Minute, verifier.FailedState)
	failed := begin
	st.v = verifier.Verification{
		ID: "d2", Deploy: d, State: verifier.FailedState, From: d.At, Until: d.At.Add(15 * time.Minute), FailedAt: &failed,
		Findings: []verifier.Finding{{Rule: "errors", Outcome: verifier.Fail, Reason: verifier.IsWorse, OnFail: verifier.FailRollback, Samples: 9}},
	}
	return st
}

// past adds a deploy of checkout, newer than those before; change may alter it.
func (st *stage) past(id, version string, after time.Duration, state verifier.State, change ...func(*verifier.Deploy)) verifier.Deploy {
	at := begin.Add(after)
	d := verifier.Deploy{
		ID: id, Place: verifier.Place{Service: "checkout", Environment: "production"}, Version: version, Status: verifier.Succeeded,
		Change: verifier.Release, Kind: verifier.KindRelease, At: at, RecordedAt: at,
	}
	for _, c := range change {
		c(&d)
	}
	ended := at.Add(4 * time.Minute)
	st.scene.History = append([]verifier.Past{{Deploy: d, State: state, Ended: &ended}}, st.scene.History...)
	return d
}

func (st *stage) world() World {
	return World{Unrelated: DefaultUnrelated, Frozen: st.frozen, Catalogue: &verifier.Catalogue{Entries: []verifier.Entry{{Apply: func(to *verifier.Service) {
		to.Rollback, to.DependsOn = st.policy, st.needs[to.Name]
	}}}}}
}

func (st *stage) denials() []verifier.GuardReason {
	return st.world().guard(&st.scene, &st.v, st.asked, begin).denials()
}

func (st *stage) failure(service, group string, ago time.Duration) {
	st.scene.Failures = append(st.scene.Failures, verifier.Failure{
		Verification: service + group, Place: verifier.Place{Service: service, Environment: "production"}, Group: group, At: begin.Add(-ago),
	})
}

func (st *stage) sent(service, group string, ago time.Duration) {
	st.scene.Rollbacks = append(st.scene.Rollbacks, verifier.Sent{
		Verification: service + group, Place: verifier.Place{Service: service, Environment: "production"}, Group: group, At: begin.Add(-ago),
	})
}

func (st *stage) hold(h verifier.Hold) {
	h.At, h.By, h.Reason = begin.Add(-time.Minute), "ben", "sale"
	st.scene.Holds = append(st.scene.Holds, h)
}

func irreversible(d *verifier.Deploy) { no := false; d.Rollback.Allowed = &no }
func status(s verifier.Status) func(*verifier.Deploy) {
	return func(d *verifier.Deploy) { d.Status = s }
}

func changed(c verifier.Change) func(*verifier.Deploy) {
	return func(d *verifier.Deploy) { d.Change, d.Kind = c, "" }
}

// TestGuards holds each guard to its reason, and to whom it is asked of: a person skips exactly off, late, too_few_samples, too_many,
// recent_rollback and environment.
func TestGuards(t *testing.T) {
	rollbackHold := verifier.Hold{ID: "h", Stops: []string{verifier.StopsRollback}}
	for _, c := range []struct {
		name   string
		change func(*stage)
		want   verifier.GuardReason
	}{
		{"nothing", func(*stage) {}, ""},
		{"off", func(st *stage) { st.policy.Mode = verifier.ModeOff }, verifier.GuardOff},
		{"suggest is not off", func(st *stage) { st.policy.Mode = verifier.ModeSuggest }, ""},
		{"the mode was lowered during the countdown", func(st *stage) {
			st.policy.Mode = verifier.ModeApprove
			st.v.Rollback = &verifier.Rollback{State: verifier.RollbackApproved}
		}, verifier.GuardOff},

		{"held", func(st *stage) { st.hold(rollbackHold) }, verifier.GuardHeld},
		{"held by glob", func(st *stage) {
			h := rollbackHold
			h.Services = []string{"check*"}
			st.hold(h)
		}, verifier.GuardHeld},
		{"another is held", func(st *stage) {
			h := rollbackHold
			h.Services = []string{"cart"}
			st.hold(h)
		}, ""},
		{"the gate is held", func(st *stage) { st.hold(verifier.Hold{ID: "h", Stops: []string{verifier.StopsGate}}) }, ""},
		{"the hold is over", func(st *stage) {
			h := rollbackHold
			h.Until = &st.v.Deploy.At
			st.hold(h)
		}, ""},
		{"the kill switch file", func(st *stage) { st.frozen = "verifier.db.hold exists" }, verifier.GuardHeld},

		{"newer release", func(st *stage) { st.past("d3", "1.2", -time.Minute, verifier.Observing) }, verifier.GuardNewer},
		{"newer scale-out", func(st *stage) { st.past("d3", "", -time.Minute, "", changed(verifier.Scale)) }, ""},
		{"a newer start lets it wait", func(st *stage) { st.past("d3", "1.2", -time.Minute, verifier.Waiting, status(verifier.Started)) }, ""},
		{"a newer configuration in mode approve", func(st *stage) {
			st.policy.Mode = verifier.ModeApprove
			st.past("d3", "", -time.Minute, "", changed(verifier.Config))
		}, ""},
		{"a newer configuration that failed", func(st *stage) {
			st.past("d3", "", -time.Minute, "", changed(verifier.Config), status(verifier.Failed))
		}, ""},
		{"newer start without end", func(st *stage) { st.past("d3", "1.2", -time.Minute, verifier.CancelledState, status(verifier.Started)) }, ""},
		{"newer, but failed", func(st *stage) { st.past("d3", "1.2", -time.Minute, verifier.CancelledState, status(verifier.Failed)) }, ""},
		{"the same version on another server", func(st *stage) { st.past("d3", "1.1", -time.Minute, "") }, ""},

		{"a rollback itself", func(st *stage) { st.v.Deploy.Kind = verifier.KindRollback; st.scene.History[0].Deploy = st.v.Deploy }, verifier.GuardRollback},
		{"a rollback, as a late arrival shows", func(st *stage) { st.scene.History[0].Deploy.Kind = verifier.KindRollback }, verifier.GuardRollback},
		{"a configuration", func(st *stage) { changed(verifier.Config)(&st.v.Deploy) }, verifier.GuardNotRelease},
		{"a toggle", func(st *stage) { changed(verifier.Toggle)(&st.v.Deploy) }, verifier.GuardNotRelease},
		{"a redeploy", func(st *stage) { st.v.Deploy.Kind = verifier.KindRedeploy }, verifier.GuardNotRelease},

		{"irreversible", func(st *stage) { irreversible(&st.v.Deploy) }, verifier.GuardIrreversible},
		{"crosses an irreversible one", func(st *stage) {
			st.scene.History[1].State = verifier.Undecided // so that 0.9 is the target
			irreversible(&st.scene.History[1].Deploy)
		}, verifier.GuardIrreversible},
		{"crosses an irreversible failed deploy", func(st *stage) {
			st.past("d3", "1.0.1", -time.Hour, verifier.CancelledState, status(verifier.Failed), irreversible)
			h := st.scene.History
			h[0], h[1] = h[1], h[0]
		}, verifier.GuardIrreversible},
		{"irreversible on another server", func(st *stage) { st.past("d3", "1.1", -time.Minute, "", irreversible) }, verifier.GuardIrreversible},
		{"the target itself is irreversible", func(st *stage) { irreversible(&st.scene.History[1].Deploy) }, ""},

		{"a first deploy", func(st *stage) { st.scene.History = st.scene.History[:1] }, verifier.GuardNoTarget},
		{"only candidates", func(st *stage) {
			st.scene.History[1].State, st.scene.History[2].State = verifier.Undecided, verifier.Undecided
		}, ""},
		{"the target was condemned since", func(st *stage) {
			st.asked.to = "1.0"
			st.scene.History[1].Deploy.Mark = &verifier.Mark{At: begin}
		}, verifier.GuardKnownBad},
		{"the target was left by a rollback since", func(st *stage) {
			st.asked.to = "1.0"
			st.past("d3", "0.9", -time.Hour, verifier.Passed, func(d *verifier.Deploy) { d.Kind, d.Previous = verifier.KindRollback, "1.0" })
			h := st.scene.History
			h[0], h[1] = h[1], h[0]
		}, verifier.GuardKnownBad},
		{"the target is live", func(st *stage) { st.asked.to, st.scene.History[0].State = "1.1", verifier.Undecided }, verifier.GuardLive},

		{"recorded late", func(st *stage) { st.v.Deploy.RecordedAt = st.v.Deploy.At.Add(2 * time.Hour) }, verifier.GuardLate},
		{"judged late", func(st *stage) { st.v.Late = true }, verifier.GuardLate},
		{"later than act_within", func(st *stage) { st.policy.ActWithin = 4 * time.Minute }, verifier.GuardLate},
		{"after the watch", func(st *stage) { st.v.Until = st.v.Deploy.At.Add(time.Minute) }, verifier.GuardLate},
		{"too few samples", func(st *stage) { st.v.Findings[0].Samples = 0 }, verifier.GuardTooFewSamples},
		{"went silent", func(st *stage) { st.v.Findings[0].Samples, st.v.Findings[0].Reason = 0, verifier.WentSilent }, ""},

		{"too many of the service", func(st *stage) { st.sent("checkout", "x", 2*time.Hour) }, verifier.GuardTooMany},
		{"of the service in staging counts too", func(st *stage) {
			st.sent("checkout", "x", 2*time.Hour)
			st.scene.Rollbacks[0].Place.Environment = "staging"
		}, verifier.GuardTooMany},
		{"longer ago than in", func(st *stage) { st.sent("checkout", "x", 25*time.Hour) }, ""},
		{"too many over all", func(st *stage) {
			for i := range 5 {
				st.sent(fmt.Sprint("s", i), fmt.Sprint("g", i), time.Hour)
			}
		}, verifier.GuardTooMany},
		{"many of one group count once", func(st *stage) {
			for i := range 9 {
				st.sent(fmt.Sprint("s", i), "g", time.Hour)
			}
		}, ""},
		{"its own group does not count", func(st *stage) {
			st.v.Deploy.Group, st.policy.All = "mine", 1
			st.sent("cart", "mine", time.Minute)
		}, ""},
		{"recent rollback", func(st *stage) { st.policy.PerService = 9; st.sent("checkout", "x", 59*time.Minute) }, verifier.GuardRecentRollback},
		{"not so recent", func(st *stage) { st.policy.PerService = 9; st.sent("checkout", "x", time.Hour) }, ""},

		{"three unrelated services", func(st *stage) { st.failure("cart", "a", time.Minute); st.failure("search", "b", time.Minute) }, verifier.GuardEnvironment},
		{"only two", func(st *stage) { st.failure("cart", "a", time.Minute) }, ""},
		{"not within", func(st *stage) { st.failure("cart", "a", time.Minute); st.failure("search", "b", 6*time.Minute) }, ""},
		{"two of one group", func(st *stage) { st.failure("cart", "a", time.Minute); st.failure("search", "a", time.Minute) }, ""},
		{"one service twice", func(st *stage) { st.failure("cart", "a", time.Minute); st.failure("CART", "b", time.Minute) }, ""},
		{"one depends on this", func(st *stage) {
			st.needs["cart"] = []string{"checkout"}
			st.failure("cart", "a", time.Minute)
			st.failure("search", "b", time.Minute)
		}, ""},
		{"this depends on one", func(st *stage) {
			st.needs["checkout"] = []string{"search"}
			st.failure("cart", "a", time.Minute)
			st.failure("search", "b", time.Minute)
		}, verifier.GuardEnvironment},
		{"this depends on one that is fine", func(st *stage) {
			st.needs["checkout"] = []string{"stock"}
			st.failure("search", "b", time.Minute)
		}, ""},
		{"the others depend on each other", func(st *stage) {
			st.needs["cart"] = []string{"search"}
			st.failure("cart", "a", time.Minute)
			st.failure("search", "b", time.Minute)
		}, ""},
		{"a group joins what is unrelated", func(st *stage) {
			st.needs["stock"] = []string{"search"}
			st.failure("cart", "a", time.Minute)
			st.failure("stock", "a", time.Minute)
			st.failure("search", "b", time.Minute)
		}, ""},
		{"two without a deploy are worse too", func(st *stage) { st.asked.shared = []string{"cart", "search"} }, verifier.GuardEnvironment},
		{"one without a deploy is worse too", func(st *stage) { st.asked.shared = []string{"cart"} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			skipped := []verifier.GuardReason{
				verifier.GuardOff, verifier.GuardLate, verifier.GuardTooFewSamples, verifier.GuardTooMany, verifier.GuardRecentRollback, verifier.GuardEnvironment,
			}
			for _, person := range []bool{false, true} {
				st := newStage()
				c.change(st)
				st.asked.person = person
				want := []verifier.GuardReason{}
				if c.want != "" && !(person && slices.Contains(skipped, c.want)) {
					want = append(want, c.want)
				}
				got := st.denials()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("person %v (-want +got):\n%s", person, diff)
				}
			}
		})
	}
}

// TestWhoCrossesAnIrreversibleDeploy is an admin with a reason, and nobody else.
func TestWhoCrossesAnIrreversibleDeploy(t *testing.T) {
	for _, a := range []asked{{}, {person: true}, {person: true, reason: "sure"}, {person: true, admin: true}, {person: true, admin: true, reason: "sure"}} {
		st := newStage()
		irreversible(&st.v.Deploy)
		st.asked = a
		may := a.admin && a.reason != ""
		if got := st.denials(); may != (len(got) == 0) {
			t.Errorf("%+v: %v", a, got)
		}
	}
}

// TestEveryGuardAnswers checks that all answers are recorded, those of the guards that do not deny too.
func TestEveryGuardAnswers(t *testing.T) {
	st := newStage()
	answers, to, candidates := st.world().Guards(&st.scene, st.v, begin)
	if len(answers) != len(guards) || to != "1.0" || candidates == nil {
		t.Errorf("%d answers of %d guards, target %q, candidates %v", len(answers), len(guards), to, candidates)
	}
	for _, a := range answers {
		if a.Denies || strings.TrimSpace(a.Text) == "" {
			t.Errorf("%+v", a)
		}
	}
}

// TestChargedToWhatItDependsOn: the rollback of a service is vetoed while one that it depends on failed after a deploy of its own, and
// that alone holds no environment.
func TestChargedToWhatItDependsOn(t *testing.T) {
	st := newStage()
	st.needs["checkout"] = []string{"search"}
	st.failure("search", "b", 30*time.Minute)
	g := st.world().guard(&st.scene, &st.v, st.asked, begin)
	i := slices.IndexFunc(g.answers, func(a verifier.GuardAnswer) bool { return a.Denies })
	if i < 0 || g.answers[i].Guard != verifier.GuardEnvironment || !strings.Contains(g.answers[i].Text, "search, which it depends on, failed") {
		t.Errorf("%+v", g.answers)
	}
	if g.environment != "" {
		t.Errorf("the environment is held: %s", g.environment)
	}
}

// TestNoTargetSaysWhy: nothing live before, nothing proven, all bad, or live already.
func TestNoTargetSaysWhy(t *testing.T) {
	for want, change := range map[string]func(*stage){
		"back to 1.0": func(*stage) {},
		"no version was live here before": func(st *stage) {
			st.scene.History = st.scene.History[:1]
		},
		"no earlier version has passed its watch here or was marked good; a person may choose among 1.0, 0.9": func(st *stage) {
			st.scene.History[1].State, st.scene.History[2].State = verifier.Undecided, ""
		},
		"the earlier versions (1.0 and 0.9) are known to be bad": func(st *stage) {
			st.scene.History[1].State, st.scene.History[2].State = verifier.FailedState, verifier.FailedState
		},
	} {
		st := newStage()
		change(st)
		answers, _, _ := st.world().Guards(&st.scene, st.v, begin)
		i := slices.IndexFunc(answers, func(a verifier.GuardAnswer) bool { return a.Guard == verifier.GuardNoTarget })
		if answers[i].Text != want {
			t.Errorf("%q, want %q", answers[i].Text, want)
		}
	}
}

// TestGuardsBeforeAVerdict: what only a failing rule can answer is pending and denies nothing.
func TestGuardsBeforeAVerdict(t *testing.T) {
	st := newStage()
	st.v.Findings = nil
	answers, _, _ := st.world().Guards(&st.scene, st.v, begin)
	for _, a := range answers {
		if a.Denies || a.Pending != (a.Guard == verifier.GuardTooFewSamples) {
			t.Errorf("%+v", a)
		}
	}
}

// TestUnproven says on day 0 that nothing can be rolled back yet, until one version has passed.
func TestUnproven(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	for i, name := range []string{"1.0", "1.1", "1.2"} { // 1.0 has nothing to be compared with
		id := s.deploy("checkout", name).Verification
		s.run(30 * time.Minute)
		if v := s.get(id); v.Unproven != (i < 2) {
			t.Errorf("%s: unproven %v (%s)", name, v.Unproven, v.State)
		}
	}
	s.policy(func(p *verifier.RollbackPolicy) { p.Mode = verifier.ModeOff })
	if v := s.get(s.deploy("cart", "1.0").Verification); v.Unproven {
		t.Error("said of a service that is not to be rolled back")
	}
}

// TestGuardsOfAnImaginedDeploy go back to what is live now.
func TestGuardsOfAnImaginedDeploy(t *testing.T) {
	st := newStage()
	st.scene.History = st.scene.History[1:] // 1.0 is live, and passed
	v := verifier.Verification{ID: "explain", State: verifier.FailedState, Deploy: st.v.Deploy}
	v.Deploy.ID, v.Deploy.Version, v.Deploy.At = "explain", "explain", begin
	if answers, to, _ := st.world().Guards(&st.scene, v, begin); to != "1.0" {
		t.Errorf("back to %q, want 1.0: %+v", to, answers)
	}
}
