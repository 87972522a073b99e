package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"verifier"
)

func deployCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "deploy SERVICE ENV VERSION",
		Short: "Record a deploy; with --wait, stay for its verdict",
		Long: `Record a deploy; with --wait, stay for its verdict.

With --wait it ends with 0 when the deploy passed, 1 when it failed, 3 when nobody could tell (inconclusive, superseded or
cancelled too) and 2 on any trouble.`,
		Example: "  verifier deploy checkout production 1.4.2 --by anna --wait",
		Args:    cobra.ExactArgs(3),
		RunE:    deploy,
	}
	addServerFlags(c)
	f := c.Flags()
	f.String("id", "", "id of the deploy, to join later events of it")
	f.String("target", "", "tenant, region or cell")
	f.String("status", "", "started, succeeded (default) or failed")
	f.String("change", "", "release (default), config, toggle, infra or scale")
	f.String("at", "", "when, RFC 3339; default now")
	f.String("group", "", "what belongs together")
	f.String("team", "", "whose it is; default the catalogue's")
	f.String("by", os.Getenv("USER"), "who deployed")
	f.String("commit", "", "commit")
	f.String("repository", "", "address of the repository")
	f.String("url", "", "address of the deploy in its tool")
	f.StringSlice("host", nil, "changed host; may be repeated")
	f.StringToString("label", nil, "name=value; may be repeated")
	f.String("irreversible", "", "why it must not be rolled back")
	f.Bool("wait", false, "wait for the verdict")
	addDurationFlag(c, "timeout", "wait at most so long; then exit 2")
	return c
}

func deploy(c *cobra.Command, args []string) error {
	ask, err := clientOf(c)
	if err != nil {
		return err
	}
	var receipt verifier.Receipt
	if err := ask.do(c.Context(), http.MethodPost, "/v1/deploys", deployBody(c, args), &receipt); err != nil {
		return err
	}
	if receipt.Note != "" {
		fmt.Fprintln(c.ErrOrStderr(), "note:", receipt.Note)
	}
	wait, _ := c.Flags().GetBool("wait")
	if !wait || receipt.Verification == "" {
		err := printed(c, receipt, func(w io.Writer) {
			fmt.Fprintf(w, "%s %s in %s is recorded (%s)\n", args[0], args[2], deployedTo(c, args).Where(), receipt.ID)
			if receipt.URL != "" {
				fmt.Fprintln(w, receipt.URL)
			}
		})
		if err == nil && wait {
			return exitError(exitUndecided)
		}
		return err
	}
	ctx := c.Context()
	if limit, _ := c.Flags().GetDuration("timeout"); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return waitFor(ctx, c, ask, receipt.Verification)
}

func deployedTo(c *cobra.Command, args []string) verifier.Place {
	target, _ := c.Flags().GetString("target")
	return verifier.Place{Service: args[0], Environment: args[1], Target: target}
}

func deployBody(c *cobra.Command, args []string) map[string]any {
	body := map[string]any{"service": args[0], "environment": args[1], "version": args[2], "at": time.Now().UTC().Format(time.RFC3339Nano)}
	for _, name := range []string{"id", "target", "status", "change", "at", "group", "team", "by", "commit", "repository", "url"} {
		if v, _ := c.Flags().GetString(name); v != "" {
			body[name] = v
		}
	}
	if hosts, _ := c.Flags().GetStringSlice("host"); len(hosts) > 0 {
		body["hosts"] = hosts
	}
	if labels, _ := c.Flags().GetStringToString("label"); len(labels) > 0 {
		body["labels"] = labels
	}
	if why, _ := c.Flags().GetString("irreversible"); why != "" {
		body["rollback"] = map[string]any{"allowed": false, "reason": why}
	}
	return body
}

// waitFor follows the verification until its verdict, and ends with its exit code.
func waitFor(ctx context.Context, c *cobra.Command, ask *client, id string) error {
	line := newLiveLine(c.ErrOrStderr())
	var last verifier.Verification
	for {
		err := ask.follow(ctx, id, func(v verifier.Verification) bool {
			last = v
			line.show(liveText(v, time.Now()))
			return !v.State.Watching()
		})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			line.end()
			return fmt.Errorf("no verdict on %s yet; it is %s", id, last.State)
		}
		if final(err) {
			line.end()
			return err
		}
		line.show("waiting for the server: " + err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	line.end()
	if err := printed(c, last, func(w io.Writer) { printVerdict(w, last) }); err != nil {
		return err
	}
	if code := exitCode(last.State); code != exitOK {
		return exitError(code)
	}
	return nil
}

func exitCode(s verifier.State) int {
	switch s {
	case verifier.Passed:
		return exitOK
	case verifier.FailedState:
		return exitFailed
	}
	return exitUndecided
}

// follow reads the verification's events until done says so.
func (c *client) follow(ctx context.Context, id string, done func(verifier.Verification) bool) error {
	response, err := c.send(ctx, http.MethodGet, "/v1/verifications/"+url.PathEscape(id)+"/events", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		return problemError(response, body)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var v verifier.Verification
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		if done(v) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return errors.New("the server closed the stream")
}

// liveLine is one line that is written over on a terminal, and printed anew at each change elsewhere.
type liveLine struct {
	w        io.Writer
	terminal bool
	last     string
}

func newLiveLine(w io.Writer) *liveLine {
	f, ok := w.(*os.File)
	return &liveLine{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (l *liveLine) show(text string) {
	if text == l.last {
		return
	}
	l.last = text
	if l.terminal {
		fmt.Fprintf(l.w, "\r\x1b[2K%s", clip(text, l.width()))
		return
	}
	fmt.Fprintln(l.w, text)
}

// width is the terminal's as it is now; a longer line could not be written over.
func (l *liveLine) width() int {
	if f, ok := l.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 10 {
			return columns - 1
		}
	}
	return 79
}

func (l *liveLine) end() {
	if l.terminal && l.last != "" {
		fmt.Fprintln(l.w)
	}
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func liveText(v verifier.Verification, now time.Time) string {
	text := fmt.Sprintf("%s %s in %s: %s", v.Deploy.Service, v.Deploy.Version, v.Deploy.Where(), v.State)
	if !v.State.Watching() {
		return text
	}
	if left := v.Until.Sub(now); left > 0 {
		text += fmt.Sprintf(", %s left", left.Round(10*time.Second))
	}
	for _, f := range v.Findings {
		if f.Outcome != verifier.Pass && f.Text != "" {
			return text + " · " + f.Rule + ": " + f.Text
		}
	}
	return text
}

// marks of outcomes in terminal output.
var outcomeMarks = map[verifier.Outcome]string{verifier.Pass: "✓", verifier.Fail: "✗", verifier.Inconclusive: "?", verifier.Pending: "…"}

func printVerdict(w io.Writer, v verifier.Verification) {
	fmt.Fprintf(w, "%s %s in %s: %s\n", v.Deploy.Service, v.Deploy.Version, v.Deploy.Where(), strings.ToUpper(string(v.State)))
	if v.Reason != "" {
		fmt.Fprintf(w, "  reason: %s\n", v.Reason)
	}
	findings := slices.Clone(v.Findings)
	slices.SortStableFunc(findings, func(a, b verifier.Finding) int { return weight(a) - weight(b) })
	for _, f := range findings {
		fmt.Fprintf(w, "  %s %-18s %s\n", outcomeMarks[f.Outcome], f.Rule, f.Text)
	}
	if r := v.Rollback; r != nil {
		fmt.Fprintf(w, "  rollback to %s: %s", r.To, r.State)
		for _, reason := range r.Reasons {
			fmt.Fprintf(w, " %s", reason)
		}
		fmt.Fprintln(w)
	}
}

func weight(f verifier.Finding) int {
	return slices.Index([]verifier.Outcome{verifier.Fail, verifier.Inconclusive, verifier.Pending, verifier.Pass}, f.Outcome)
}
