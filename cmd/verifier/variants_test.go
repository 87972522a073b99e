package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
)

func TestVariantHotfixBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	s := openShops(t, "auto", "500ms", shopsRules, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	s.deploy("fix", "shop", "1.2", time.Time{}, "")
	s.expect("bad", verifier.Superseded, "")
	s.expect("fix", verifier.Passed, "")
	s.quiet()
	s.month(map[string]int{"deploys": 3, "rollbacks": 0, "coverage.deployed": 3, "coverage.caught": 0})
}

func TestVariantRollbackByHand(t *testing.T) {
	t.Parallel()
	s := openShops(t, "off", "500ms", shopsRules, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	if v := s.expect("bad", verifier.FailedState, verifier.RollbackVetoed); reasons(v) != "[off]" {
		t.Errorf("reasons %s", reasons(v))
	}
	s.until("somebody is woken", func() bool { open, _ := s.pages(); return len(open) == 1 })
	var text string
	if code := s.order("bad", verifier.RollBack, `{"to":"7.7"}`, &text); code != http.StatusUnprocessableEntity || !strings.Contains(text, `"field":"to"`) {
		t.Errorf("to a version that never was live: %d %s", code, text)
	}
	var v verifier.Verification
	if code := s.order("bad", verifier.RollBack, `{"to":"1.0","reason":"customers call"}`, &v); code != http.StatusOK || v.Rollback.State != verifier.RollbackSent || *v.Rollback.By != "local" {
		t.Fatalf("%d %+v", code, v.Rollback)
	}
	s.expect("bad", verifier.FailedState, verifier.RollbackRecovered)
	calls := s.hook.all()
	if len(calls) != 1 || calls[0].Body["to"] != "1.0" || calls[0].Body["from"] != "1.1" || calls[0].Body["by"] != "local" {
		t.Errorf("calls %+v", calls)
	}
	checkSignature(t, calls[0])
	s.until("the page is resolved", func() bool { _, resolved := s.pages(); return len(resolved) == 1 })
	s.month(map[string]int{"deploys": 3, "rollbacks": 1, "manual_rollbacks": 1, "automatic_rollbacks": 0, "coverage.caught": 1})
}

func TestVariantLateEvent(t *testing.T) {
	t.Parallel()
	s := openShops(t, "auto", "500ms", shopsRules)
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	parts := []struct {
		from    time.Time
		version string
	}{{ago(3 * time.Hour), "1.0"}, {ago(2 * time.Hour), "1.1"}, {ago(30 * time.Second), "1.2"}}
	for _, part := range parts {
		for n := range 240 {
			s.log.WriteString(s.text(part.from.Add(time.Duration(n)*s.every), "shop", part.version))
		}
	}
	s.deploy("good", "shop", "1.0", parts[0].from, "")
	s.expect("good", verifier.Passed, "")
	s.deploy("bad", "shop", "1.1", parts[1].from, "")
	v := s.expect("bad", verifier.FailedState, verifier.RollbackVetoed)
	if reasons(v) != "[late]" || !v.Late || v.Incident != "" {
		t.Errorf("reasons %s, late %v, incident %q", reasons(v), v.Late, v.Incident)
	}
	s.deploy("now", "shop", "1.2", parts[2].from, "")
	s.expect("now", verifier.Passed, "")
	if r := s.deploy("older", "shop", "1.1.2", parts[2].from.Add(-time.Second), ""); r.State != verifier.Superseded {
		t.Errorf("an older one that was cut short is %s, want it superseded at once", r.State)
	}
	s.deploy("whole", "shop", "1.1.1", ago(time.Hour), "")
	s.expect("whole", verifier.Undecided, "") // its watch was whole: it is judged, and there are no data
	s.quiet()
	s.month(map[string]int{"rollbacks": 0, "coverage.caught": 1})
}

func TestVariantIrreversible(t *testing.T) {
	t.Parallel()
	s := openShops(t, "auto", "500ms", shopsRules, "shop")
	_, secret := command(t, "token", "create", "ben", "--scope", "operate", "--store", filepath.Join(s.folder, "verifier.db"))
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, `,"rollback":{"allowed":false,"reason":"migration 12"}`)
	if v := s.expect("bad", verifier.FailedState, verifier.RollbackVetoed); reasons(v) != "[irreversible]" {
		t.Errorf("reasons %s", reasons(v))
	}
	s.until("somebody is woken", func() bool { open, _ := s.pages(); return len(open) == 1 })
	var problem struct {
		Detail       string
		Verification verifier.Verification
	}
	code := s.order("bad", verifier.RollBack, `{"to":"1.0","reason":"I must"}`, &problem, "Authorization", "Bearer "+strings.TrimSpace(secret))
	if code != http.StatusConflict || !strings.Contains(problem.Detail, "migration 12") || problem.Verification.State != verifier.FailedState {
		t.Errorf("an operator crosses it: %d %+v", code, problem)
	}
	if code := s.order("bad", verifier.RollBack, `{"to":"1.0"}`, nil); code != http.StatusConflict {
		t.Errorf("an admin crosses it without a reason: %d", code)
	}
	if len(s.hook.all()) != 0 {
		t.Error("the tool was called")
	}
	if code := s.order("bad", verifier.RollBack, `{"to":"1.0","reason":"the migration is undone"}`, nil); code != http.StatusOK {
		t.Errorf("an admin with a reason: %d", code)
	}
	s.expect("bad", verifier.FailedState, verifier.RollbackRecovered)
	s.month(map[string]int{"deploys": 3, "rollbacks": 1})
}

func TestVariantFirstDeploy(t *testing.T) {
	t.Parallel()
	rules := shopsRules + `    select: {service: [shop]}
  - name: ratio
    measure: {source: logs, ratio: {of: 'log.level:ERROR', to: 'log.level:*'}}
    compare: {with: before, over: 1m, worse: higher}
    select: {service: [cart]}
`
	s := openShops(t, "auto", "500ms", rules, "shop", "cart")
	s.deploy("cart", "cart", "1.0", time.Time{}, "")
	s.deploy("shop", "shop", "1.1", time.Time{}, "")
	if v := s.expect("shop", verifier.FailedState, verifier.RollbackVetoed); reasons(v) != "[no_target]" || v.Baseline != nil {
		t.Errorf("reasons %s, baseline %+v", reasons(v), v.Baseline)
	}
	s.until("somebody is woken", func() bool { open, _ := s.pages(); return len(open) == 1 })
	if v := s.expect("cart", verifier.Undecided, ""); v.Reason != "no_baseline" || v.Findings[0].Reason != verifier.NoBaseline {
		t.Errorf("reason %q %+v", v.Reason, v.Findings)
	}
	var text string
	if code := s.order("shop", verifier.RollBack, `{"reason":"back"}`, &text); code != http.StatusConflict || !strings.Contains(text, "no version was live here before") {
		t.Errorf("rolled back to nothing: %d %s", code, text)
	}
	if len(s.hook.all()) != 0 {
		t.Error("the tool was called")
	}
	s.month(map[string]int{"deploys": 2, "rollbacks": 0, "coverage.inconclusive": 1, "coverage.caught": 1})
}

func TestVariantNoTraffic(t *testing.T) {
	t.Parallel()
	rules := shopsRules + `    select: {service: [ghost, quiet, mute]}
  - name: must
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 5, within: 1s}
    on_fail: rollback
    on_no_data: fail
    select: {service: [must]}
  - name: requests
    measure: {source: edge, count: '*'}
    limit: {below: 1, within: 1s}
    select: {service: [mute]}
`
	services := []string{"quiet", "must", "mute"}
	s := openShops(t, "approve", "500ms", rules, services...)
	edge, err := os.OpenFile(filepath.Join(s.folder, "edge.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer edge.Close()
	for at := time.Now().Add(-2 * time.Minute); at.Before(time.Now().Add(20 * time.Second)); at = at.Add(20 * time.Millisecond) {
		fmt.Fprintf(edge, `{"@timestamp":%q,"service.name":"mute","service.environment":"production"}`+"\n", at.UTC().Format(time.RFC3339Nano))
	}
	s.past(services...)
	s.mu.Lock()
	services = append(services, "ghost")
	for _, name := range services {
		s.silent[name] = true
	}
	s.mu.Unlock()
	time.Sleep(50 * time.Millisecond) // so that no line is newer than the deploys
	for _, name := range services {
		s.deploy(name, name, "1.2", time.Time{}, "")
	}
	for id, want := range map[string]verifier.Reason{"ghost": verifier.NeverSeen, "quiet": verifier.NoData} {
		if v := s.expect(id, verifier.Undecided, ""); v.Reason != string(want) || v.Findings[0].Reason != want {
			t.Errorf("%s: reason %s: %+v", id, v.Reason, v.Findings)
		}
	}
	for _, id := range []string{"must", "mute"} {
		v := s.expect(id, verifier.FailedState, verifier.RollbackProposed)
		if v.Findings[0].Reason != verifier.WentSilent {
			t.Errorf("%s: %+v", id, v.Findings)
		}
	}
	s.until("somebody is woken for both", func() bool { open, _ := s.pages(); return len(open) == 2 })
	s.month(map[string]int{"deploys": 7, "rollbacks": 0, "coverage.inconclusive": 2, "coverage.caught": 2})
}

func TestVariantUnrelatedServicesTogether(t *testing.T) {
	t.Parallel()
	services := []string{"cart", "search", "shop"}
	s := openShops(t, "auto", "20s", shopsRules, services...)
	s.past(services...)
	for _, name := range services {
		s.deploy(name, name, "1.1", time.Time{}, "")
	}
	for _, name := range services {
		v := s.expect(name, verifier.FailedState, verifier.RollbackVetoed)
		if r := reasons(v); r != "[environment]" && r != "[held]" {
			t.Errorf("%s: reasons %s", name, r)
		}
	}
	var holds struct{ Items []verifier.Hold }
	s.ask(http.MethodGet, "/v1/holds", "", &holds)
	if len(holds.Items) != 1 || holds.Items[0].By != "verifier" || holds.Items[0].Until == nil || time.Until(*holds.Items[0].Until) > time.Hour ||
		time.Until(*holds.Items[0].Until) < 59*time.Minute || !slices.Equal(holds.Items[0].Environments, []string{"production"}) {
		t.Fatalf("holds %+v", holds.Items)
	}
	s.until("somebody is woken", func() bool { open, _ := s.pages(); return len(open) > 0 })
	time.Sleep(300 * time.Millisecond)
	if open, _ := s.pages(); len(open) != 1 || !strings.Contains(string(s.pager.all()[0].Raw), "production itself seems to be the trouble") {
		t.Errorf("pages %v, want the environment's alone", open)
	}
	if len(s.hook.all()) != 0 {
		t.Error("the tool was called")
	}
	if code := s.ask(http.MethodDelete, "/v1/holds/"+holds.Items[0].ID, "", nil); code >= 300 {
		t.Errorf("to end the hold is answered %d", code)
	}
	s.daemon.resolveEnvironments(t.Context())
	s.until("the page is resolved", func() bool { _, resolved := s.pages(); return len(resolved) == 1 })
	list, _, err := s.daemon.store.Incidents(t.Context(), verifier.IncidentFilter{Kind: verifier.IncidentEnvironment})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Text, "Not yet back to normal: ") || !strings.Contains(list[0].Text, "shop 1.1") {
		t.Errorf("at the end of the hold the incident reads %+v (%v)", list, err)
	}
	s.month(map[string]int{"deploys": 6, "rollbacks": 0, "coverage.caught": 3})
}

func TestVariantThirtyDeploysOfOneGroup(t *testing.T) {
	t.Parallel()
	size := 8 // lifecycle has the thirty in simulated time
	if long {
		size = 30
	}
	services := []string{"other"}
	for i := range size {
		services = append(services, fmt.Sprintf("s%02d", i))
	}
	patient := strings.Replace(shopsRules, "watch: 2500ms", "watch: 6s", 1) // late answers are waited for as long again
	s := openShops(t, "approve", "500ms", patient, services...)
	s.past(services...)
	incident := ""
	for _, name := range services[1:] {
		s.deploy(name, name, "1.1", time.Time{}, `,"group":"big-bang"`)
	}
	for _, name := range services[1:] {
		v := s.expect(name, verifier.FailedState, verifier.RollbackProposed)
		if incident == "" {
			incident = v.Incident
		}
		if v.Incident != incident {
			t.Errorf("%s is in %s, not in %s", name, v.Incident, incident)
		}
	}
	s.until("all are told of", func() bool {
		chat := s.chat.all()
		return len(chat) > 0 && strings.Contains(string(chat[len(chat)-1].Raw), fmt.Sprintf(" and %d more failed", size-3))
	})
	if open, _ := s.pages(); len(open) != 1 {
		t.Errorf("pages %v, want one", open)
	}
	for _, name := range services[1:] {
		if code := s.order(name, verifier.Approve, `{}`, nil); code != http.StatusOK {
			t.Errorf("approve %s: %d", name, code)
		}
	}
	for _, name := range services[1:] {
		s.expect(name, verifier.FailedState, verifier.RollbackRecovered)
	}
	s.deploy("other", "other", "1.1", time.Time{}, "")
	v := s.expect("other", verifier.FailedState, verifier.RollbackProposed) // the rollbacks of one group count once among 5
	for _, g := range v.Rollback.Guards {
		if g.Guard == verifier.GuardTooMany && !strings.Contains(g.Text, "1 over all") {
			t.Errorf("the guard says %q", g.Text)
		}
	}
	s.until("the page is resolved", func() bool { _, resolved := s.pages(); return len(resolved) == 1 })
	s.month(map[string]int{"deploys": 3*size + 2, "rollbacks": size})
}

func TestVariantApproveAndDenyAtOnce(t *testing.T) {
	t.Parallel()
	s := openShops(t, "approve", "500ms", shopsRules, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	s.expect("bad", verifier.FailedState, verifier.RollbackProposed)
	verbs := []verifier.Verb{verifier.Approve, verifier.Deny}
	codes, texts := make([]int, 2), make([]string, 2)
	var group sync.WaitGroup
	for i, verb := range verbs {
		group.Go(func() { codes[i] = s.order("bad", verb, `{"reason":"at once"}`, &texts[i]) })
	}
	group.Wait()
	if slices.Sort(codes); codes[0] != http.StatusOK || codes[1] != http.StatusConflict {
		t.Fatalf("answers %v %v, want one 200 and one 409", codes, texts)
	}
	var loser struct{ Verification verifier.Verification }
	won := 0
	for i, text := range texts {
		if strings.Contains(text, `"status":409`) {
			if err := json.Unmarshal([]byte(text), &loser); err != nil || loser.Verification.Rollback == nil || loser.Verification.Rollback.State == verifier.RollbackProposed {
				t.Errorf("the loser is told %s", text)
			}
			won = 1 - i
		}
	}
	if verbs[won] == verifier.Deny {
		s.expect("bad", verifier.FailedState, verifier.RollbackDenied)
		if len(s.hook.all()) != 0 {
			t.Error("denied, and called all the same")
		}
		s.month(map[string]int{"deploys": 2, "rollbacks": 0})
		return
	}
	s.expect("bad", verifier.FailedState, verifier.RollbackRecovered)
	if len(s.hook.all()) != 1 {
		t.Errorf("%d calls", len(s.hook.all()))
	}
	s.month(map[string]int{"deploys": 3, "rollbacks": 1})
}
