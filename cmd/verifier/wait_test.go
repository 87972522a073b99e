package main

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// waits runs `verifier deploy --wait` as people do, and gives its exit code and what it prints.
func (w *town) waits(args ...string) (code int, out string) {
	w.Helper()
	var text bytes.Buffer
	c := w.program(append([]string{"deploy", "shop", "production"}, args...)...)
	c.Stdout, c.Stderr = &text, &text
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return c.ProcessState.ExitCode(), text.String()
}

// TestDeployWaitsForItsVerdict holds the exit codes that scripts go by.
func TestDeployWaitsForItsVerdict(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{mode: "off", wholeWatch: "6s"})
	if code, out := w.waits("1.0", "--wait"); code != exitTrouble || !strings.Contains(out, "verifier serve") {
		t.Errorf("without a server: %d %s", code, out)
	}
	w.start()
	w.past()
	first := []string{"deploy", "cart", "production", "1.0", "--wait", "--by", "anna"}
	if out, err := w.program(first...).CombinedOutput(); err == nil || !strings.Contains(string(out), "INCONCLUSIVE") || !strings.Contains(string(out), "no_baseline") {
		t.Errorf("the first deploy of a service: %v %s", err, out)
	}
	same := "1.0.1"
	w.live.Store(&same)
	if code, out := w.waits(same, "--wait"); code != exitOK || !strings.Contains(out, "PASSED") {
		t.Errorf("a good version: %d %s", code, out)
	}
	bad := "1.1"
	w.live.Store(&bad)
	if code, out := w.waits(bad, "--wait", "--format", "json"); code != exitFailed || !strings.Contains(out, `"state": "failed"`) {
		t.Errorf("a bad version: %d %s", code, out)
	}
	if code, out := w.waits("1.2", "--wait", "--timeout", "500ms"); code != exitTrouble || !strings.Contains(out, "no verdict") {
		t.Errorf("a wait that is too short: %d %s", code, out)
	}
	if code, out := w.waits("1.3", "--wait", "--status", "nothing"); code != exitTrouble || !strings.Contains(out, "status") {
		t.Errorf("a wrong status: %d %s", code, out)
	}
}

// TestDeployWaitsThroughARestart kills the daemon while somebody waits, and replaces the deploy by a newer one after that.
func TestDeployWaitsThroughARestart(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{mode: "off", wholeWatch: "20s"})
	w.start()
	w.past()
	type ended struct {
		code int
		out  string
	}
	done := make(chan ended, 1)
	go func() {
		code, out := w.waits("1.0.1", "--wait", "--id", "waited", "--at", time.Now().UTC().Format(time.RFC3339Nano))
		done <- ended{code, out}
	}()
	w.until("it is recorded", func() bool { return w.daemonKnows("waited") })
	w.kill()
	time.Sleep(300 * time.Millisecond)
	w.start()
	w.deploy("newer", "1.4", time.Now().Add(time.Second))
	got := <-done
	if got.code != exitUndecided || !strings.Contains(got.out, "SUPERSEDED") {
		t.Errorf("after a restart and a newer deploy: %d %s", got.code, got.out)
	}
}

func (w *town) daemonKnows(id string) bool {
	return w.ask("GET", "/v1/verifications/"+id, "", nil) == http.StatusOK
}
