package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"verifier"
)

// backtested is one deploy as it was judged then and as it would be now.
type backtested struct {
	Deploy  string         `json:"deploy"`
	Service string         `json:"service"`
	Place   string         `json:"place"`
	Version string         `json:"version"`
	At      time.Time      `json:"at"`
	Bad     *bool          `json:"bad"` // what people did or said: rolled back or marked; null where nobody did
	Why     string         `json:"why"` // in words
	Then    verifier.State `json:"then"`
	Now     verifier.State `json:"now"`
	Text    string         `json:"text"`
	Reason  string         `json:"reason,omitempty"`
	By      []string       `json:"by,omitempty"` // the rules that would fail

	untold bool // nothing could be asked that its verdict needs; Text says why
}

// backtestResult is what --format json prints. Deploys, Condemned, Bad and Missed are of those that could be judged again.
type backtestResult struct {
	Summary   string       `json:"summary"`
	Deploys   int          `json:"deploys"`
	Condemned int          `json:"condemned"`
	Bad       int          `json:"bad"`
	Missed    int          `json:"missed"`
	Untold    int          `json:"untold"`        // a source did not answer, or no longer has that time
	Why       string       `json:"why,omitempty"` // of the first of these
	Running   int          `json:"running"`       // their watch is not over: left out
	Differ    []backtested `json:"differ"`
}

// judged notes what the replay came to. A verdict that was only not reached because nobody could be asked is none.
func (one *backtested) judged(v verifier.Verification, heard *heard) {
	one.Now, one.Reason = v.State, v.Reason
	for _, f := range v.Findings {
		if one.Text == "" || f.Outcome == verifier.Fail {
			one.Text = f.Text
		}
		if f.Outcome == verifier.Fail && f.Counts() {
			one.By = append(one.By, f.Rule)
		}
	}
	if v.State != verifier.Undecided {
		return
	}
	if heard.answered == 0 && heard.trouble != nil {
		one.untold, one.Text = true, heard.trouble.Error()
		return
	}
	for _, f := range v.Findings {
		if !f.Optional && (f.Reason == verifier.SourceDown || f.Reason == verifier.SourceGone) {
			one.untold, one.Text = true, f.Text
			return
		}
	}
}

// truth is what became of a deploy, as the month's report counts it: a person's mark has the last word, else a rollback away from it
// within a day, else that it failed then and nobody called it good.
func truth(d verifier.Deploy, then verifier.State, history []verifier.Past, automatic bool) (bad *bool, why string) {
	yes, no := true, false
	if d.Mark != nil {
		if d.Mark.Good {
			return &no, "marked good"
		}
		return &yes, "marked bad"
	}
	var next *verifier.Past // the release after it
	for i := range history {
		if p := &history[i]; p.Deploy.MovesLive() && d.Before(p.Deploy) && !verifier.SameVersion(p.Deploy.Version, d.Version) {
			next = p
		}
	}
	if next != nil && next.Deploy.Kind == verifier.KindRollback && next.Deploy.At.Sub(d.At) <= rolledBackFor {
		by := "rolled back by hand"
		if automatic {
			by = "rolled back"
		}
		return &yes, by
	}
	if then == verifier.FailedState {
		return &yes, failedThen
	}
	return nil, "fine"
}

// failedThen is a deploy that was judged bad when it was made, and that nobody called good.
const failedThen = "caught then"

func (r *backtestResult) add(one backtested) {
	if one.untold {
		r.Untold++
		r.Why = cmp.Or(r.Why, one.Text)
		return
	}
	r.Deploys++
	bad := one.Bad != nil && *one.Bad
	condemned := one.Now == verifier.FailedState
	if bad {
		r.Bad++
	}
	if condemned {
		r.Condemned++
	}
	if bad && !condemned {
		r.Missed++
	}
	if condemned || bad || one.Now != one.Then && one.Then != "" {
		r.Differ = append(r.Differ, one)
	}
}

// summarize says it in one sentence: would have condemned 3 of 418: 2 were rolled back by hand, 1 was fine; would have missed 1 of 10.
func (r *backtestResult) summarize() {
	why := map[string]int{}
	for _, one := range r.Differ {
		if one.Now == verifier.FailedState {
			why[one.Why]++
		}
	}
	var parts []string
	for _, w := range []string{"rolled back by hand", "rolled back", "marked bad", failedThen, "marked good", "fine"} {
		if n := why[w]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s %s", n, map[bool]string{true: "was", false: "were"}[n == 1], w))
		}
	}
	r.Summary = fmt.Sprintf("would have condemned %d of %d", r.Condemned, r.Deploys)
	if len(parts) > 0 {
		r.Summary += ": " + strings.Join(parts, ", ")
	}
	r.Summary += fmt.Sprintf("; would have missed %d of %d", r.Missed, r.Bad)
	if r.Untold > 0 {
		r.Summary += fmt.Sprintf("; %d more could not be judged again", r.Untold)
	}
}

func (r *backtestResult) print(w io.Writer, zone *time.Location) {
	fmt.Fprintln(w, r.Summary)
	if r.Untold > 0 {
		fmt.Fprintf(w, "the first of those that could not be judged: %s\n", r.Why)
	}
	if r.Running > 0 {
		fmt.Fprintf(w, "left out because their watch is not over: %d\n", r.Running)
	}
	if len(r.Differ) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nAT ("+zone.String()+")\tSERVICE\tPLACE\tVERSION\tTHEN\tNOW\tIT WAS\tBY")
	for _, one := range r.Differ {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.At.In(zone).Format("2006-01-02 15:04"), one.Service, one.Place, one.Version,
			cmp.Or(string(one.Then), "-"), cmp.Or(string(one.Now), "-"), one.Why, strings.Join(one.By, " "))
	}
	_ = t.Flush() // the writer's error is the caller's to see
}
