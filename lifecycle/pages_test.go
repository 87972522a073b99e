package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"verifier"
)

// scenario is one story of a deploy that goes wrong; every message that is sent in it is kept.
type scenario struct {
	name string
	mode verifier.RollbackMode
	play func(*sim)
}

var scenarios = []scenario{
	{"auto: rolled back, and it helped", verifier.ModeAuto, func(s *sim) { s.fails(); s.run(40 * time.Minute) }},
	{"auto: rolled back, and it did not help", verifier.ModeAuto, func(s *sim) { s.fails(); s.breaks("checkout 1.0"); s.run(40 * time.Minute) }},
	{"auto: rolled back, and nobody can tell whether it helped", verifier.ModeAuto, func(s *sim) {
		id := s.fails()
		for s.rollbackOf(id) != verifier.RollbackConfirmed {
			s.run(5 * time.Second)
		}
		s.run(75 * time.Second) // the stretch before was read
		s.silent["checkout"] = true
		s.run(40 * time.Minute)
	}},
	{"auto: the errors are over during the countdown", verifier.ModeAuto, func(s *sim) { s.fails(); delete(s.broken, "checkout 1.1"); s.run(20 * time.Minute) }},
	{"auto: a person stops the countdown", verifier.ModeAuto, func(s *sim) { s.must(s.order(s.fails(), verifier.Cancel, "")); s.run(5 * time.Minute) }},
	{"auto: the deploy tool refuses", verifier.ModeAuto, func(s *sim) {
		s.answer = func(verifier.RollbackCall) error { return errors.New("409 Conflict: a deployment is running") }
		s.fails()
		s.run(10 * time.Minute)
	}},
	{"auto: nothing comes of the call", verifier.ModeAuto, func(s *sim) { s.follows = false; s.fails(); s.run(20 * time.Minute) }},
	{"auto: a hotfix starts, and fails", verifier.ModeAuto, func(s *sim) {
		s.fails()
		s.deploy("checkout", "1.2", withID("hotfix", verifier.Started))
		s.run(2 * time.Minute)
		s.deploy("checkout", "1.2", withID("hotfix", verifier.Failed))
		s.run(time.Minute)
	}},
	{"auto: a hotfix starts, and takes long", verifier.ModeAuto, func(s *sim) {
		s.fails()
		s.deploy("checkout", "1.2", withID("hotfix", verifier.Started))
		s.run(20 * time.Minute)
	}},
	{"auto: a hotfix goes live, and passes", verifier.ModeAuto, func(s *sim) { s.fails(); s.deploy("checkout", "1.2"); s.run(40 * time.Minute) }},
	{"auto: held", verifier.ModeAuto, func(s *sim) {
		s.must(s.store.PutHold(s.t.Context(), verifier.Hold{ID: "h", By: "ben", Reason: "sale", At: s.clock, Stops: []string{verifier.StopsRollback}}))
		s.fails()
	}},
	{"auto: irreversible", verifier.ModeAuto, func(s *sim) {
		no := false
		s.fails(func(d *verifier.Deploy) { d.Rollback = verifier.Consent{Allowed: &no, Reason: "migration 17"} })
	}},
	{"auto: the second rollback of a day", verifier.ModeAuto, func(s *sim) {
		s.fails()
		s.run(3 * time.Hour)
		s.told = nil
		s.broken["checkout 1.2"] = 0.2
		s.failed(s.deploy("checkout", "1.2").Verification)
	}},
	{"auto: three services fail together", verifier.ModeAuto, func(s *sim) {
		s.good("cart", "search")
		for _, name := range []string{"cart", "checkout", "search"} {
			s.broken[name+" 1.1"] = 0.2
			s.deploy(name, "1.1")
			s.run(20 * time.Second)
		}
		s.run(5 * time.Minute)
	}},
	{"approve: approved", verifier.ModeApprove, func(s *sim) { s.must(s.order(s.fails(), verifier.Approve, "")); s.run(40 * time.Minute) }},
	{"approve: denied", verifier.ModeApprove, func(s *sim) { s.must(s.order(s.fails(), verifier.Deny, "")) }},
	{"approve: nobody answers", verifier.ModeApprove, func(s *sim) { s.fails(); s.run(70 * time.Minute) }},
	{"approve: dismissed", verifier.ModeApprove, func(s *sim) { s.must(s.order(s.fails(), verifier.Dismiss, "")) }},
	{"approve: no earlier version is known to be good", verifier.ModeApprove, func(s *sim) {
		s.must(s.store.MarkDeploy(s.t.Context(), "d01", verifier.Mark{Good: false, Cause: "leaks", By: "ben", At: s.clock}))
		s.silent["checkout"] = true
		s.deploy("checkout", "1.0.1")
		s.run(40 * time.Minute)
		s.silent["checkout"] = false
		s.run(time.Hour)
		s.must(s.store.MarkDeploy(s.t.Context(), "d02", verifier.Mark{Good: false, Cause: "leaks too", By: "ben", At: s.clock}))
		s.fails()
	}},
	{"approve: all earlier versions are known to be bad", verifier.ModeApprove, func(s *sim) {
		for _, id := range []string{"d01", "d02"} {
			s.must(s.store.MarkDeploy(s.t.Context(), id, verifier.Mark{Good: false, Cause: "leaks", By: "ben", At: s.clock}))
		}
		s.fails()
	}},
	{"suggest: a person deploys the suggested version", verifier.ModeSuggest, func(s *sim) {
		s.fails()
		s.deploy("checkout", "1.0")
		s.run(40 * time.Minute)
	}},
	{"off", verifier.ModeOff, func(s *sim) { s.fails() }},
	{"off: a person rolls back", verifier.ModeOff, func(s *sim) { s.must(s.order(s.fails(), verifier.RollBack, "")); s.run(40 * time.Minute) }},
	{"off: a config change fails", verifier.ModeOff, func(s *sim) {
		s.broken["checkout 17"] = 0.2
		s.failed(s.deploy("checkout", "17", func(d *verifier.Deploy) { d.Change = verifier.Config }).Verification)
	}},
	{"a rule that only alerts", verifier.ModeAuto, func(s *sim) {
		s.changeRule(func(r *verifier.Rule) { r.OnFail, r.Severity = verifier.FailAlert, verifier.SeverityWarn })
		s.fails()
	}},
	{"a limit that was crossed before too", verifier.ModeAuto, func(s *sim) {
		above := 0.005
		s.changeRule(func(r *verifier.Rule) { r.Name, r.Compare, r.Limit = "errors", nil, &verifier.Limit{Above: &above} })
		s.deploy("checkout", "1.1")
		s.run(20 * time.Minute)
	}},
	{"a group of three", verifier.ModeApprove, func(s *sim) {
		s.good("cart", "search")
		train := func(d *verifier.Deploy) { d.Group = "train" }
		for _, name := range []string{"cart", "checkout", "search"} {
			s.broken[name+" 1.1"] = 0.2
			s.deploy(name, "1.1", train)
			s.run(20 * time.Second)
		}
		s.run(5 * time.Minute)
		for _, name := range []string{"cart", "checkout", "search"} {
			s.deploy(name, "1.2")
			s.run(20 * time.Second)
		}
		s.run(40 * time.Minute)
	}},
	{"a deploy that passes, where the team wants to hear of it", verifier.ModeOff, func(s *sim) {
		s.entries = append(s.entries, verifier.Entry{Match: verifier.Match{Service: "checkout"}, Apply: func(to *verifier.Service) { to.Tell = []verifier.Outcome{verifier.Pass} }})
		s.deploy("checkout", "1.1")
		s.run(30 * time.Minute)
	}},
	{"a version that passed and was rolled back", verifier.ModeOff, func(s *sim) {
		s.deploy("checkout", "1.1")
		s.run(30 * time.Minute)
		s.deploy("checkout", "1.0")
		s.run(time.Minute)
	}},
}

// TestPages writes down every message of every scenario, for a person to read from top to bottom.
func TestPages(t *testing.T) {
	t.Parallel()
	texts := make([]string, len(scenarios))
	t.Run("all", func(t *testing.T) {
		for i, c := range scenarios {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := newSim(t, c.mode)
				s.world.URL = "https://verifier.example.com"
				s.good("checkout")
				s.told, s.inTurn = nil, true
				s.runner.Performers[verifier.ActionRollback] = performs(s.silently)
				c.play(s)
				s.run(time.Minute)
				texts[i] = "# " + c.name + "\n\n" + s.messages()
			})
		}
	})
	got := "What receivers get, message by message. Made by TestPages; go test ./lifecycle -run TestPages -update writes it anew.\n\n" + strings.Join(texts, "\n")
	file := filepath.Join("testdata", "pages.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"not_recovered", "no_target", "0001-01-01", "  \n", ": \n", " to .", "to  ", "%!", "<nil>", "UTC UTC", "is worse in"} {
		if strings.Contains(got, bad) {
			t.Errorf("the messages hold %q", bad)
		}
	}
}

// fails deploys 1.1, which is bad, and waits for the verdict.
func (s *sim) fails(change ...func(*verifier.Deploy)) string {
	s.t.Helper()
	s.broken["checkout 1.1"] = 0.2
	return s.failed(s.deploy("checkout", "1.1", change...).Verification)
}

// failed waits for the verdict.
func (s *sim) failed(id string) string {
	s.t.Helper()
	for range 200 {
		if s.get(id).State == verifier.FailedState {
			return id
		}
		s.run(5 * time.Second)
	}
	s.t.Fatalf("%s does not fail", id)
	return ""
}

// changeRule is a reload of the rules.
func (s *sim) changeRule(change func(*verifier.Rule)) {
	change(&s.rules[0])
	s.world.Rules = func(verifier.Deploy) ([]verifier.Rule, string) { return s.rules, "sha256:changed" }
}

// silently takes what the deploy tool says to a call, which comes in before or after the message about it.
func (s *sim) silently(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	done, err := s.roll(ctx, a)
	done.Message = ""
	return done, err
}

func (s *sim) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func withID(id string, status verifier.Status) func(*verifier.Deploy) {
	return func(d *verifier.Deploy) { d.ID, d.Status, d.By = id, status, "cara" }
}

// messages are all that was told, as a person reads them, with what a pager does. One that reads as the one before is left out. What is
// told of in one moment goes out side by side, in any order: here it is by incident.
func (s *sim) messages() string {
	var b strings.Builder
	paged, last := map[string]bool{}, map[string]string{}
	told := slices.Clone(s.told)
	slices.SortStableFunc(told, func(a, b verifier.Incident) int {
		return cmp.Or(a.Updated.Compare(b.Updated), strings.Compare(a.ID, b.ID))
	})
	for _, in := range told {
		pager := "no"
		switch needed := in.Person && in.Resolved == nil; {
		case needed && !paged[in.ID]:
			pager, paged[in.ID] = "triggered", true
		case needed:
			pager = "updated"
		case paged[in.ID]:
			pager, paged[in.ID] = "ended", false
		}
		var links []string
		for _, l := range in.Links {
			links = append(links, l.Text)
		}
		text := in.Headline() + "\n" + in.Text + "\n"
		if len(links) > 0 {
			text += "[" + strings.Join(links, "] [") + "]\n"
		}
		text += fmt.Sprintf("(severity %s; pager: %s)\n\n", in.Severity, pager)
		if text != last[in.ID] {
			b.WriteString(text)
		}
		last[in.ID] = text
	}
	return b.String()
}
