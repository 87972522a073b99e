package sources

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"verifier"
)

func newCommand(t *testing.T, c CommandConfig) *Command {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s, err := NewCommand(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// just asks about the step that ends now.
func just(m verifier.Measure) verifier.Question {
	to := time.Now().Truncate(time.Second)
	return verifier.Question{Measure: m, Subject: shop, From: to.Add(-3 * time.Second), To: to, Step: time.Second}
}

func shell(text string) verifier.Measure {
	return verifier.Measure{Command: []string{"sh", "-c", text}}
}

func exits(m verifier.Measure) verifier.Measure {
	m.Exit = true
	return m
}

func TestCommandAnswers(t *testing.T) {
	c := newCommand(t, CommandConfig{Timeout: 10 * time.Second, Env: map[string]string{"MODE": "quick"}})
	t.Setenv("SECRET_OF_THE_DAEMON", "hush")
	for _, tt := range []struct {
		name    string
		measure verifier.Measure
		want    float64
		reason  verifier.Reason // of an error
		text    string
	}{
		{"good", exits(shell("exit 0")), 0, "", ""},
		{"bad", exits(shell("echo no; exit 3")), 3, "", ""},
		{"number", shell("echo ' 0.25 '"), 0.25, "", ""},
		{"negative", shell("echo -1e3"), -1000, "", ""},
		{"the exit code counts, whatever is written", exits(shell("echo 7")), 0, "", ""},
		{"text", shell("echo all is well"), 0, verifier.BadData, "it wrote no number: all is well"},
		{"two numbers", shell("echo 1; echo 2"), 0, verifier.BadData, "it wrote no number: 1 2"},
		{"nothing", shell("true"), 0, verifier.BadData, "it wrote nothing where a number is needed"},
		{"no number", shell("echo NaN"), 0, verifier.BadData, "no number: NaN"},
		{"infinite", shell("echo 1e999"), 0, verifier.BadData, "no number"},
		{"a number and a failure", shell("echo 5; echo oh dear >&2; exit 2"), 0, verifier.BadData, "it ended with exit 2: oh dear"},
		{"much", shell("yes | head -c 200000"), 0, verifier.BadData, "it wrote more than 65536 bytes"},
		{"much does not hurt an exit code", exits(shell("yes | head -c 300000; exit 4")), 4, "", ""},
		{"not there", exits(verifier.Measure{Command: []string{"/no/such/program"}}), 0, verifier.SourceDown, "it does not start: "},
		{"not found", exits(verifier.Measure{Command: []string{"no-such-program-here"}}), 0, verifier.SourceDown, "it does not start: "},
		{"what it wraps is not found", exits(shell("exec no-such-program-here")), 0, verifier.SourceDown, "it did not find what to run (exit 127)"},
		{"killed", exits(shell("kill -9 $$")), 0, verifier.SourceDown, "it was ended by a signal: signal: killed"},
		{"could not check", exits(shell("echo the queue is locked; exit 75")), 0, verifier.SourceDown, "it could not check (exit 75): the queue is locked"},
		{"variables", exits(shell(`test "$VERIFIER_SERVICE $VERIFIER_ENVIRONMENT $VERIFIER_TARGET $VERIFIER_VERSION $VERIFIER_TEAM $VERIFIER_HOSTS $MODE" = "check.out production eu-1 1.4.2 pay ments web1,web.2 quick"`)), 0, "", ""},
		{"clean", exits(shell(`test -z "$SECRET_OF_THE_DAEMON"`)), 0, "", ""},
		{"arguments", exits(verifier.Measure{Command: []string{"test", "{{.Service}}/{{.Version}}/{{.Labels.odd}}/{{.Hosts}}", "=", "check.out/1.4.2/`\"'\\\n/web1,web.2"}}), 0, "", ""},
		{"no shell", exits(verifier.Measure{Command: []string{"test", "$HOME;exit", "=", "$HOME;exit"}}), 0, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := just(tt.measure)
			a := c.Ask(t.Context(), []verifier.Question{q})[0]
			if tt.reason != "" {
				var failure *verifier.SourceError
				if !errors.As(a.Err, &failure) || failure.Reason != tt.reason || !strings.Contains(a.Err.Error(), tt.text) || len(a.Samples) > 0 {
					t.Fatalf("got %+v, %v; want %s: %s", a.Samples, a.Err, tt.reason, tt.text)
				}
				return
			}
			if a.Err != nil || len(a.Samples) != 1 || a.Samples[0].Value != tt.want || !a.Samples[0].T.Equal(q.To) || !a.Until.IsZero() {
				t.Errorf("got %+v, until %s, %v; want %g at the end of the newest step", a.Samples, a.Until, a.Err, tt.want)
			}
		})
	}
}

// TestCommandIsNotAskedAboutThePast: a program sees the present; the stretch before a deploy is not its.
func TestCommandIsNotAskedAboutThePast(t *testing.T) {
	c := newCommand(t, CommandConfig{})
	ran := filepath.Join(c.Dir, "ran")
	q := just(exits(shell("touch " + ran)))
	q.From, q.To = q.From.Add(-time.Hour), q.To.Add(-time.Hour)
	a := c.Ask(t.Context(), []verifier.Question{q})[0]
	if _, err := os.Stat(ran); err == nil || a.Err != nil || len(a.Samples) > 0 || !a.Until.Equal(q.From) {
		t.Errorf("it ran (%v), and said %+v", err == nil, a)
	}
	q = just(exits(shell("true")))
	q.Subject.Peers = true
	if a := c.Ask(t.Context(), []verifier.Question{q})[0]; !errors.Is(a.Err, verifier.ErrInvalid) {
		t.Errorf("peers: %v", a.Err)
	}
}

// TestCommandIsKilledWithAllThatItStarted ends a program that waits for another one, which would outlive it.
func TestCommandIsKilledWithAllThatItStarted(t *testing.T) {
	c := newCommand(t, CommandConfig{Timeout: 300 * time.Millisecond})
	began := time.Now()
	a := c.Ask(t.Context(), []verifier.Question{just(exits(shell("sleep 60 & echo $! > pid; echo waiting; wait")))})[0]
	if a.Err == nil || !strings.Contains(a.Err.Error(), "it did not end within 300ms: waiting") || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), a.Err)
	}
	gone(t, filepath.Join(c.Dir, "pid"))
}

// TestCommandLeavesNothingBehind: a program that ends well and leaves one running that holds its output.
func TestCommandLeavesNothingBehind(t *testing.T) {
	c := newCommand(t, CommandConfig{Timeout: 10 * time.Second})
	a := c.Ask(t.Context(), []verifier.Question{just(shell("sleep 60 & echo $! > pid; echo 5"))})[0]
	if a.Err != nil || len(a.Samples) != 1 || a.Samples[0].Value != 5 {
		t.Errorf("got %+v, %v", a.Samples, a.Err)
	}
	gone(t, filepath.Join(c.Dir, "pid"))
}

// gone waits until the process whose number the file holds is no more, or only waits to be buried.
func gone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d lives on", pid)
}

// TestEqualCommandsRunOnce, and no more of different ones at once than allowed.
func TestEqualCommandsRunOnce(t *testing.T) {
	c := newCommand(t, CommandConfig{Budget: BudgetConfig{AtOnce: 2}})
	once := just(exits(shell("echo x >> once; sleep 0.2")))
	count := `mkdir slot1 2>/dev/null && d=slot1 || { mkdir slot2 && d=slot2; } || exit 9; sleep 0.1; rmdir $d; exit 0 # `
	questions := []verifier.Question{once, once, once}
	for i := range 6 {
		q := once
		q.Measure = exits(shell(count + strconv.Itoa(i)))
		questions = append(questions, q)
	}
	for i, a := range c.Ask(t.Context(), questions) {
		if a.Err != nil || len(a.Samples) != 1 || a.Samples[0].Value != 0 {
			t.Errorf("%d: %+v, %v", i, a.Samples, a.Err)
		}
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "once"))
	if err != nil || string(text) != "x\n" {
		t.Errorf("it ran %d times, %v", strings.Count(string(text), "x"), err)
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		measure verifier.Measure
		want    string
	}{
		{verifier.Measure{}, "measure: asks for nothing; write command: "},
		{verifier.Measure{PromQL: "up"}, "promql: is nothing a command source can answer"},
		{verifier.Measure{Command: []string{"x"}, Pick: map[string]string{"a": "b"}}, "pick: is nothing a command source"},
		{verifier.Measure{Command: []string{""}}, "must begin with a program"},
		{verifier.Measure{Command: []string{"{{.Service}}"}}, "must begin with a program"},
		{verifier.Measure{Command: []string{"x", "{{.Host}}"}}, "argument 1: {{.Host}} is unknown; write one of .Service"},
		{verifier.Measure{Command: []string{"x", "{{.HostOp}}"}}, "is for queries alone"},
		{verifier.Measure{Command: []string{"x", "a{{.Service"}}, "{{ has no }}"},
	} {
		if _, err := CheckCommand(tt.measure); err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%v: got %v, want %s", tt.measure, err, tt.want)
		}
	}
	c := newCommand(t, CommandConfig{})
	q := just(exits(verifier.Measure{Command: []string{"echo", "{{.Service}}"}}))
	q.Subject.Service = "--delete"
	if a := c.Ask(t.Context(), []verifier.Question{q})[0]; !errors.Is(a.Err, verifier.ErrInvalid) || !strings.Contains(a.Err.Error(), "an option; write --name={{.Service}}") {
		t.Errorf("a service that would be an option: %v", a.Err)
	}
	for _, c := range []CommandConfig{{Timeout: -1}, {Env: map[string]string{"A=B": "x"}}} {
		if _, err := NewCommand(c); !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
