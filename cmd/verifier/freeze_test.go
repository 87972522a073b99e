package main

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestFreezeEndsWithItsConfiguration takes freezes out of the file and changes them: their holds follow, at a reload and at a restart, and
// those of people do not.
func TestFreezeEndsWithItsConfiguration(t *testing.T) {
	const one, other = "{cron: '* * * * *', for: 2h, environments: [production], reason: sale}", "{cron: '* * * * *', for: 3h, environments: [staging], reason: exams}"
	f := openFront(t, frontConfig+"holds: ["+one+", "+other+"]\n", frontRules)
	defer func() { f.stop() }()
	reasons := func() string {
		list, err := f.daemon.store.Holds(t.Context(), time.Now(), false)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, h := range list {
			out = append(out, strings.Join(h.Environments, "")+" "+h.Reason)
		}
		return strings.Join(out, ", ")
	}
	wait := func(what string, want ...string) {
		t.Helper()
		for range 200 {
			got := reasons()
			right := len(strings.Split(got, ", ")) == len(want)
			for _, w := range want {
				right = right && strings.Contains(got, w)
			}
			if right {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s: %s, want %v", what, reasons(), want)
	}
	err := f.daemon.store.PutHold(t.Context(), verifier.Hold{ID: "freeze-mine", By: "anna", Reason: "mine", At: time.Now().Add(-time.Minute), Stops: []string{"rollback"}})
	if err != nil {
		t.Fatal(err)
	}
	wait("at the start", "production sale", "staging exams", "mine")
	f.write("verifier.yaml", frontConfig+"holds: ["+other+"]\n")
	wait("one taken out", "staging exams", "mine")
	f.write("verifier.yaml", frontConfig+"holds: ["+strings.Replace(other, "[staging]", "[live]", 1)+"]\n")
	wait("one changed", "live exams", "mine")

	list, _ := f.daemon.store.Holds(t.Context(), time.Now(), false)
	for _, h := range list {
		if h.Reason == "exams" {
			if err := f.daemon.store.EndHold(t.Context(), h.ID, "anna", time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := f.daemon.settleFreezes(t.Context(), f.daemon.live().cfg, h.At); err != nil { // a reload within the same minute
				t.Fatal(err)
			}
			kept, _ := f.daemon.store.Holds(t.Context(), time.Now(), true)
			for _, k := range kept {
				if k.ID == h.ID && k.Ended == nil {
					t.Error("a reload begins a freeze again that somebody ended")
				}
			}
		}
	}
}
