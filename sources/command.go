package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/outbound"
)

// CommandConfig is programs of this machine that check something. No shell is between.
type CommandConfig struct {
	Dir     string            `yaml:"dir"`     // where they run; default the folder of verifier.yaml
	Env     map[string]string `yaml:"env"`     // besides PATH, HOME and the VERIFIER_… variables
	Timeout time.Duration     `yaml:"timeout"` // of one run, then the program and all that it started are killed; default 20 s
	Budget  BudgetConfig      `yaml:"budget"`  // at_once: programs running; default 10
}

// Command answers command: the program's exit code where the rule has limit.exit, else the number that it writes. It is asked about
// the present alone: it runs once a step, and its sample stands at the end of the newest one.
type Command struct {
	CommandConfig
	budget *budget
	shared *shared[string, ran]
}

const (
	commandTimeout = 20 * time.Second
	maxOutput      = 64 << 10
	exitAgain      = 75 // EX_TEMPFAIL of sysexits.h: it could not check
	exitNotRun     = 126
	exitNotFound   = 127
)

// NewCommand makes the source; it runs nothing.
func NewCommand(c CommandConfig) (*Command, error) {
	if c.Timeout < 0 {
		return nil, verifier.Invalid("timeout", "must not be negative")
	}
	c.Timeout = cmp.Or(c.Timeout, commandTimeout)
	for name := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, verifier.Invalid("env", "%q is no name of a variable", name)
		}
	}
	return &Command{c, newBudget(c.Budget), newShared[string](moment, func(r ran) bool { return r.err == nil })}, nil
}

// CheckCommand says what is wrong with a measure for a source of type command, without running anything.
func CheckCommand(m verifier.Measure) (time.Duration, error) {
	if err := onlyKeys(m, "a command source", "command: [./smoke, --env, '{{.Environment}}']", "command"); err != nil {
		return 0, err
	}
	if m.Command[0] == "" || strings.Contains(m.Command[0], "{{") {
		return 0, verifier.Invalid("command", "must begin with a program; templates are for its arguments")
	}
	for i, text := range m.Command {
		if err := checkArgument(text); err != nil {
			return 0, verifier.Invalid("command", "argument %d: %v", i, err)
		}
	}
	return 0, nil
}

func checkArgument(text string) error {
	for _, found := range action.FindAllString(text, -1) {
		name, err := nameOf(found)
		if err != nil {
			return fmt.Errorf("%s %w", found, err)
		}
		if name == hostOp {
			return fmt.Errorf("%s is for queries alone", found)
		}
	}
	if strings.Contains(action.ReplaceAllString(text, ""), "{{") {
		return errors.New("{{ has no }}")
	}
	if strings.Contains(text, "\x00") {
		return errors.New("a zero byte cannot be in an argument")
	}
	return nil
}

// Lag is none: a program sees the present.
func (c *Command) Lag() time.Duration { return 0 }

// HasPeers is false: a program knows no hosts but those that it is told.
func (c *Command) HasPeers(verifier.Measure) bool { return false }

// Ask runs each distinct command once, within the budget's number at once.
func (c *Command) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	answers := make([]verifier.Answer, len(questions))
	now := time.Now()
	var group sync.WaitGroup
	for i, q := range questions {
		group.Go(func() { answers[i] = c.answer(ctx, q, now) })
	}
	group.Wait()
	return answers
}

func (c *Command) answer(ctx context.Context, q verifier.Question, now time.Time) verifier.Answer {
	args, err := c.arguments(q)
	if err != nil {
		return verifier.Answer{Err: badQuestion(err)}
	}
	query := shown(args)
	if tooLate(q, now) {
		return ofThePast(q, query)
	}
	env := c.environment(q.Subject)
	key := fmt.Sprintf("%q %q %d", args, env, q.To.UnixNano())
	got, err := c.shared.do(ctx, key, func(ctx context.Context) ran { return c.run(ctx, args, env) })
	if err == nil {
		err = got.err
	}
	if err != nil {
		return verifier.Answer{Query: query, Err: asSourceError(fmt.Errorf("run %s: %w", args[0], err))}
	}
	value, err := got.value(q.Measure.Exit)
	if err != nil {
		return verifier.Answer{Query: query, Err: asSourceError(fmt.Errorf("run %s: %w", args[0], err))}
	}
	return verifier.Answer{Query: query, Samples: stands(q, value)}
}

// asSourceError keeps what the error means; what says nothing of itself is a source that is down.
func asSourceError(err error) error {
	var known *verifier.SourceError
	if !errors.As(err, &known) {
		return down(err)
	}
	return &verifier.SourceError{Reason: known.Reason, Permanent: known.Permanent, After: known.After, Err: err}
}

// arguments are the command with its templates filled in, as they are: nothing reads them again.
func (c *Command) arguments(q verifier.Question) ([]string, error) {
	if err := onlyPresent(q); err != nil {
		return nil, err
	}
	if _, err := CheckCommand(q.Measure); err != nil {
		return nil, err
	}
	out := make([]string, len(q.Measure.Command))
	for i, text := range q.Measure.Command {
		filled, err := argument(text, q)
		if err != nil {
			return nil, err
		}
		out[i] = filled
	}
	return out, nil
}

// argument is one argument. A value must not become an option of the program.
func argument(text string, q verifier.Question) (string, error) {
	var bad error
	filled := action.ReplaceAllStringFunc(text, func(found string) string {
		name, err := nameOf(found)
		var v string
		switch {
		case err != nil:
		case name == hostsName:
			v = strings.Join(q.Subject.Hosts, ",")
		case name == stepName:
			v = q.Step.String()
		default:
			v, err = valueOf(name, q.Subject)
		}
		if err == nil && strings.Contains(v, "\x00") {
			err = fmt.Errorf("the value %q cannot be in an argument", v)
		}
		bad = cmp.Or(bad, err)
		return v
	})
	if bad == nil && strings.HasPrefix(filled, "-") && strings.HasPrefix(text, "{{") {
		bad = verifier.Invalid("command", "%s would be %q, an option; write --name=%s", text, filled, text)
	}
	return filled, bad
}

func shown(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"'\`, r) }) {
			out[i] = strconv.Quote(a)
		}
	}
	return strings.Join(out, " ")
}

// environment is clean: nothing of the daemon's own (its secrets) goes to the program.
func (c *Command) environment(s verifier.Subject) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "VERIFIER_SERVICE=" + s.Service, "VERIFIER_ENVIRONMENT=" + s.Environment,
		"VERIFIER_TARGET=" + s.Target, "VERIFIER_VERSION=" + s.Version, "VERIFIER_TEAM=" + s.Team, "VERIFIER_HOSTS=" + strings.Join(s.Hosts, ","),
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

// ran is how a program ended.
type ran struct {
	code int
	out  *head
	said string // its last line
	err  error  // it did not run to its end
}

func (c *Command) run(ctx context.Context, args, env []string) ran {
	leave, err := c.budget.enter(ctx)
	if err != nil {
		return ran{err: down(err)}
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	run := exec.CommandContext(limited, args[0], args[1:]...)
	out, written, complained := &head{}, &tail{}, &tail{}
	run.Dir, run.Env, run.WaitDelay = c.Dir, env, time.Second
	run.Stdout, run.Stderr = both{out, written}, complained
	ownGroup(run)
	if err := run.Start(); err != nil {
		return ran{err: down(fmt.Errorf("it does not start: %w", err))}
	}
	err = run.Wait()
	killGroup(run) // what it left behind
	said := cmp.Or(complained.line(), written.line())
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return ran{out: out, said: said}
	case ctx.Err() != nil:
		return ran{err: down(ctx.Err())}
	case limited.Err() != nil:
		return ran{err: down(fmt.Errorf("it did not end within %s: %s", c.Timeout, said))}
	case errors.As(err, &exit):
		return ended(exit, out, said)
	}
	return ran{err: down(err)}
}

// ended tells a program that checked something from one that could not.
func ended(exit *exec.ExitError, out *head, said string) ran {
	switch code := exit.ExitCode(); code {
	case -1:
		return ran{err: down(fmt.Errorf("it was ended by a signal: %w: %s", exit, said))}
	case exitAgain:
		return ran{err: down(fmt.Errorf("it could not check (exit 75): %s", said))}
	case exitNotRun, exitNotFound:
		return ran{err: down(fmt.Errorf("it did not find what to run (exit %d): %s", code, said))}
	default:
		return ran{code: code, out: out, said: said}
	}
}

// value is the exit code, or the number that was written.
func (r ran) value(exit bool) (float64, error) {
	if exit {
		return float64(r.code), nil
	}
	text := strings.TrimSpace(string(r.out.text))
	switch {
	case r.code != 0:
		return 0, badValue("it ended with exit %d: %s; to judge that write limit: {exit: 0}", r.code, r.said)
	case r.out.cut:
		return 0, badValue("it wrote more than %d bytes where one number is needed", maxOutput)
	case text == "":
		return 0, badValue("it wrote nothing where a number is needed; to judge its exit code write limit: {exit: 0}")
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, badValue("it wrote no number: %s", outbound.Excerpt(text))
	}
	return n, nil
}

func badValue(format string, args ...any) error {
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf(format, args...)}
}

// both keeps the head and the tail.
type both struct {
	head *head
	tail *tail
}

func (b both) Write(p []byte) (int, error) {
	b.head.write(p)
	return b.tail.Write(p)
}

// head keeps the beginning of what is written.
type head struct {
	text []byte
	cut  bool
}

func (h *head) write(p []byte) {
	room := maxOutput - len(h.text)
	h.cut = h.cut || len(p) > room
	h.text = append(h.text, p[:min(len(p), room)]...)
}

// tail keeps the end of what is written.
type tail struct{ end []byte }

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-maxTail):]...)
	t.end = t.end[max(0, len(t.end)-maxTail):]
	return len(p), nil
}

// line is the last line that says anything.
func (t *tail) line() string {
	text := strings.TrimSpace(string(t.end))
	return outbound.Excerpt(text[strings.LastIndexByte(text, '\n')+1:])
}
