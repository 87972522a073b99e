package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"verifier"
	"verifier/cases"
	"verifier/rules"
	"verifier/sources"
)

func judgeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "judge", Short: "Judge recorded cases, and score the verdicts", Args: cobra.NoArgs,
		Long: "Judge recorded cases: one deploy a line, with the samples around it (docs/judgement.md has the format; .gz too).\n\n" +
			"It writes one verdict a line: {\"id\",\"outcome\",\"at\",\"reason\"}. Without --rules there is one rule for each series, and\n" +
			"silence. --score holds the verdicts against the labels, which nothing else reads.\n" +
			"A line that is no case is an error with exit code 2; the others are judged all the same.",
		RunE: func(c *cobra.Command, _ []string) error { return judgeCases(c) },
	}
	c.Flags().String("cases", "", "file of cases, JSON Lines")
	c.Flags().String("rules", "", "judge by these rules (a file or a folder) instead of one for each series")
	c.Flags().Bool("score", false, "print precision, recall and times to detect instead of the verdicts")
	_ = c.MarkFlagRequired("cases") // unreachable error: the flag is there
	addFormatFlag(c)
	return c
}

func judgeCases(c *cobra.Command) error {
	path, _ := c.Flags().GetString("cases")
	rulesPath, _ := c.Flags().GetString("rules")
	score, _ := c.Flags().GetBool("score")
	var set *rules.Set
	if rulesPath != "" {
		var err error
		if set, err = rules.Load(rulesPath, map[string]rules.CheckMeasure{cases.SourceName: sources.CheckRecorded}); err != nil {
			return err
		}
	}
	list, problems := cases.Open(path)
	if problems != nil && len(list) == 0 {
		return problems
	}
	verdicts, err := judgeAll(c.Context(), list, set)
	if err != nil {
		return errors.Join(problems, err)
	}
	if score {
		err = printScores(c, list, verdicts)
	} else {
		err = printVerdicts(c.OutOrStdout(), verdicts)
	}
	return errors.Join(problems, err)
}

func printScores(c *cobra.Command, list []cases.Case, verdicts []cases.Verdict) error {
	scores, err := cases.Score(list, verdicts)
	if err != nil {
		return err
	}
	return printed(c, scores, scores.Print)
}

func printVerdicts(w io.Writer, verdicts []cases.Verdict) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, v := range verdicts {
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write the verdicts: %w", err)
		}
	}
	return nil
}

// judgeAll judges cases side by side, and keeps their order.
func judgeAll(ctx context.Context, list []cases.Case, set *rules.Set) ([]cases.Verdict, error) {
	verdicts, errs := make([]cases.Verdict, len(list)), make([]error, len(list))
	next := make(chan int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				verdicts[i], errs[i] = judgeCase(ctx, list[i], set)
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	group.Wait()
	return verdicts, errors.Join(errs...)
}

func judgeCase(ctx context.Context, c cases.Case, set *rules.Set) (cases.Verdict, error) {
	c.Label = nil // nothing that judges knows the truth
	var by func(verifier.Deploy) ([]verifier.Rule, string)
	if set != nil {
		by = c.Under(set.For)
	}
	v, err := replayCase(ctx, c, by)
	if err != nil {
		return cases.Verdict{}, fmt.Errorf("line %d: case %s: %w", c.Line, c.ID, err)
	}
	return verdictOf(c.ID, v), nil
}

// verdictOf is what a verification came to, in the words of the finding that decided it.
func verdictOf(id string, v verifier.Verification) cases.Verdict {
	out := cases.Verdict{ID: id, Outcome: verifier.Inconclusive}
	decided := v.DecidedAt
	switch v.State {
	case verifier.FailedState:
		out.Outcome, decided = verifier.Fail, v.FailedAt
	case verifier.Passed:
		out.Outcome = verifier.Pass
	default:
		out.Reason = v.Reason
	}
	if decided == nil {
		decided = &v.Until
	}
	out.At = float64(decided.UnixMilli()) / 1000
	var texts []string
	for _, f := range v.Findings {
		if f.Outcome == out.Outcome && !(out.Outcome == verifier.Fail && f.At != nil && f.At.After(*decided)) {
			texts = append(texts, f.Text)
		}
	}
	if len(texts) > 0 {
		out.Reason = strings.TrimPrefix(out.Reason+" ", " ") + strings.Join(texts, " ")
	}
	return out
}
