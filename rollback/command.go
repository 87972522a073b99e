package rollback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// CommandConfig is a program that does it. No shell is between; the fields of the call are VERIFIER_… variables.
type CommandConfig struct {
	Command []string          `yaml:"command"`
	Dir     string            `yaml:"dir"`
	Timeout time.Duration     `yaml:"timeout"` // default 40 s
	Env     map[string]string `yaml:"env"`     // besides PATH, HOME and the fields of the call
}

// UnmarshalYAML takes the program and its arguments as a list, or the keys one by one.
func (c *CommandConfig) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&c.Command) == nil {
		return nil
	}
	type plain CommandConfig
	return unmarshal((*plain)(c))
}

type command struct{ CommandConfig }

// exitAgain is EX_TEMPFAIL of sysexits.h: try again later.
const exitAgain = 75

const maxOutput = 64 << 10

func newCommand(c CommandConfig) (*command, error) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return nil, errors.New("command is empty; write [\"/usr/local/bin/roll-back\", \"--now\"]")
	}
	if _, err := exec.LookPath(c.Command[0]); err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	if c.Timeout == 0 {
		c.Timeout = 40 * time.Second
	}
	return &command{c}, nil
}

// Call runs the program. Exit 0 is taken, 75 (EX_TEMPFAIL) and a timeout are temporary, everything else is refused.
func (c *command) Call(ctx context.Context, call verifier.RollbackCall) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	run := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	run.Dir = c.Dir
	run.Env = c.environment(call)
	out := &tail{}
	run.Stdout, run.Stderr = out, out
	ownGroup(run)
	run.WaitDelay = time.Second
	err := run.Run()
	said := out.last()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return said, nil
	case ctx.Err() != nil:
		return "", &verifier.TemporaryError{Err: fmt.Errorf("%s did not end within %s: %s", c.Command[0], c.Timeout, said)}
	case errors.As(err, &exit) && exit.ExitCode() == exitAgain:
		return "", &verifier.TemporaryError{Err: fmt.Errorf("%s asks to be tried again (exit 75): %s", c.Command[0], said)}
	case errors.As(err, &exit):
		return "", fmt.Errorf("%s refused with exit %d: %s", c.Command[0], exit.ExitCode(), said)
	}
	return "", fmt.Errorf("run %s: %w", c.Command[0], err)
}

// environment is clean: nothing of the daemon's own (its secrets) goes to the program.
func (c *command) environment(call verifier.RollbackCall) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"VERIFIER_ID=" + call.ID, "VERIFIER_VERIFICATION=" + call.Verification, "VERIFIER_SERVICE=" + call.Service,
		"VERIFIER_ENVIRONMENT=" + call.Environment, "VERIFIER_TARGET=" + call.Target, "VERIFIER_FROM=" + call.From, "VERIFIER_TO=" + call.To,
		"VERIFIER_REASON=" + call.Reason, "VERIFIER_BY=" + call.By, "VERIFIER_URL=" + call.URL,
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value)
	}
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "\x00", "") // the system refuses them
	}
	slices.Sort(env)
	return env
}

// tail keeps the end of what is written.
type tail struct{ buf bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - maxOutput; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

// last is the last line that says anything.
func (t *tail) last() string {
	text := strings.TrimSpace(t.buf.String())
	return outbound.Excerpt(text[strings.LastIndexByte(text, '\n')+1:])
}
