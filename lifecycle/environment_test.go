package lifecycle

import (
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestLateFailuresAreNoEnvironment: deploys of hours ago that are judged now hold nothing and wake nobody.
func TestLateFailuresAreNoEnvironment(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.good("cart", "checkout", "search")
	at := s.clock
	s.clock = s.clock.Add(2 * time.Hour)
	for _, name := range []string{"cart", "checkout", "search"} {
		s.broken[name+" 1.1"] = 0.2
		s.deploy(name, "1.1", func(d *verifier.Deploy) { d.At = at })
	}
	s.run(30 * time.Minute)
	holds, err := s.store.Holds(t.Context(), s.clock, true)
	if err != nil || len(holds) != 0 || len(s.told) != 0 {
		t.Errorf("holds %+v (%v), told %d times", holds, err, len(s.told))
	}
}

// TestWhatDependsOnItIsNoEnvironment: a bad deploy makes those worse that call it, and is rolled back all the same.
func TestWhatDependsOnItIsNoEnvironment(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.entries = append(s.entries, verifier.Entry{Apply: func(to *verifier.Service) {
		if to.Name != "checkout" {
			to.DependsOn = []string{"checkout"}
		}
	}})
	s.good("cart", "checkout", "search", "stock")
	s.run(time.Hour)
	id := s.deploy("checkout", "1.1").Verification
	s.run(90 * time.Second)
	for _, key := range []string{"checkout 1.1", "cart 1.0", "search 1.0", "stock 1.0"} {
		s.breaks(key)
	}
	s.run(10 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackConfirmed)
}

// TestDismissedFailureIsNoEnvironment: of three services that fail together one was found to be well.
func TestDismissedFailureIsNoEnvironment(t *testing.T) {
	t.Parallel()
	for _, dismissed := range []bool{true, false} {
		s := newSim(t, verifier.ModeApprove)
		s.good("cart", "checkout", "search")
		ids := map[string]string{}
		fail := func(name string) {
			s.broken[name+" 1.1"] = 0.2
			ids[name] = s.deploy(name, "1.1").Verification
			for range 40 {
				if s.run(5 * time.Second); s.get(ids[name]).State == verifier.FailedState {
					return
				}
			}
			t.Fatalf("%s did not fail", name)
		}
		s.world.Unrelated.Within = 30 * time.Minute
		fail("cart")
		if dismissed {
			if err := s.order(ids["cart"], verifier.Dismiss, ""); err != nil {
				t.Fatal(err)
			}
		}
		fail("checkout")
		fail("search")
		want := verifier.RollbackVetoed
		if dismissed {
			want = verifier.RollbackProposed
		}
		s.expect(ids["search"], verifier.FailedState, want)
		s.expect(ids["checkout"], verifier.FailedState, want) // at once, not at its next wake
	}
}

// TestEnvironmentHasOnePage fails three unrelated services together, in every mode and where nothing rolls back: pagers hear of the
// environment, and of none of the services whose page is not sent yet.
func TestEnvironmentHasOnePage(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.RollbackMode{verifier.ModeOff, verifier.ModeSuggest, verifier.ModeApprove, verifier.ModeAuto, "alert"} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := newSim(t, mode)
			if mode == "alert" {
				s = newSim(t, verifier.ModeAuto)
				s.rules[0].OnFail = verifier.FailAlert
			}
			s.late = time.Minute // pages take their time
			names := []string{"cart", "checkout", "search"}
			s.good(names...)
			ids := map[string]string{}
			for _, name := range names {
				s.broken[name+" 1.1"] = 0.2
				ids[name] = s.deploy(name, "1.1").Verification
				s.clock = s.clock.Add(5 * time.Second)
			}
			s.run(10 * time.Minute)
			pages, chats := map[string]bool{}, map[string]string{}
			for _, in := range s.told {
				if in.Person && in.Resolved == nil {
					pages[in.Title] = true
				}
				chats[in.Labels["service"]] = in.Text
			}
			if len(pages) != 1 || !pages["production itself seems to be the trouble: rollbacks are held"] {
				t.Errorf("pages %v, want the environment's alone", pages)
			}
			for name, id := range ids {
				v := s.get(id)
				if mode != "alert" && (v.Rollback == nil || v.Rollback.State != verifier.RollbackVetoed) {
					t.Errorf("rollback of %s %+v", name, v.Rollback)
				}
				if said := chats[name]; !strings.Contains(said, "environment") && !strings.Contains(said, "itself seems to be the trouble") && !strings.Contains(said, "unrelated services") {
					t.Errorf("the chat hears of %s: %q", name, said)
				}
			}
			if len(s.calls) != 0 {
				t.Errorf("%d calls", len(s.calls))
			}
		})
	}
}

// TestPersonsRollbackOfAHeldEnvironment that goes wrong is still told to a person: they asked for it.
func TestPersonsRollbackOfAHeldEnvironment(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.answer = func(verifier.RollbackCall) error { return errors.New("no") }
	s.good("cart", "checkout", "search")
	var id string
	for _, name := range []string{"cart", "checkout", "search"} {
		s.broken[name+" 1.1"] = 0.2
		id = s.deploy(name, "1.1").Verification
	}
	s.run(10 * time.Minute)
	s.expect(id, verifier.FailedState, verifier.RollbackVetoed)
	if err := s.order(id, verifier.RollBack, "1.0"); err != nil {
		t.Fatal(err)
	}
	s.run(time.Minute)
	v := s.expect(id, verifier.FailedState, verifier.RollbackRefused)
	if in, err := s.store.Incident(t.Context(), v.Incident); err != nil || !in.Person {
		t.Errorf("the incident needs nobody: %+v (%v)", in, err)
	}
}
