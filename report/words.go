package report

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"verifier/stats"
	"verifier/words"
)

// line is one line of the summary: what it is about, and a sentence.
type line struct{ Label, Text string }

// title is the month for people: September 2016.
func (r Report) title() string {
	t, err := time.Parse(monthLayout, r.Month)
	if err != nil {
		return r.Month
	}
	return t.Format("January 2006")
}

func (r Report) headline() string {
	if r.Deploys == 0 && r.FailedDeploys > 0 {
		return fmt.Sprintf("No deploy to production succeeded; %s failed.", number(r.FailedDeploys))
	}
	if r.Deploys == 0 {
		return "No deploys to production."
	}
	return fmt.Sprintf("%s to production, %s: %s (95 %% confidence interval %s)",
		words.Count(r.Deploys, "deploy"), words.Count(r.Rollbacks, "rollback"), r.percent(), r.between())
}

// lines say what the tables do not.
func (r Report) lines() []line {
	var lines []line
	if text := r.compared(); text != "" {
		lines = append(lines, line{"Before", text})
	}
	if r.Rollbacks > 0 {
		lines = append(lines, line{"Rollbacks", fmt.Sprintf("%s automatic, %s by hand", number(r.AutomaticRollbacks), number(r.ManualRollbacks))})
	}
	if text := r.apart(); text != "" {
		lines = append(lines, line{"Deploys", text})
	}
	if text := r.medians(); text != "" {
		lines = append(lines, line{"Median", text})
	}
	if c := r.Coverage; c.Deployed > 0 {
		lines = append(lines, line{"Coverage", fmt.Sprintf("%s of %s watched (%s), %s inconclusive; %s caught, %s missed, %s",
			number(c.Watched), number(c.Deployed), percent(float64(c.Watched)/float64(c.Deployed)), number(c.Inconclusive),
			number(c.Caught), number(c.Missed), words.Count(c.FalselyCondemned, "false alarm"))})
		if c.Suspected > 0 {
			lines = append(lines, line{"Unanswered", fmt.Sprintf("%s passed and then rolled back, and nobody has said whether they were bad: verifier mark", number(c.Suspected))})
		}
		lines = append(lines, line{"Judge", c.belief()})
	}
	return lines
}

// belief is the judge's own precision and recall with their counts; a dash where there is nothing to tell them by.
func (c Coverage) belief() string {
	share := func(name string, x *float64, n, of int) string {
		if x == nil {
			return name + " –"
		}
		return fmt.Sprintf("%s %s (%s of %s)", name, percent(*x), number(n), number(of))
	}
	return share("precision", c.Precision, c.Caught, c.Caught+c.FalselyCondemned) + ", " + share("recall", c.Recall, c.Caught, c.Caught+c.Missed)
}

// fewDeploys is so few that one of them could make a difference significant.
const fewDeploys = 5

// compared sets the month against those before, by Fisher's exact test of the two proportions.
func (r Report) compared() string {
	var before Figures
	for _, t := range r.Before {
		before.Deploys += t.Deploys
		before.Rollbacks += t.Rollbacks
	}
	if before.Deploys == 0 {
		return ""
	}
	months := "the month"
	if len(r.Before) > 1 {
		months = fmt.Sprintf("the %d months", len(r.Before))
	}
	text := fmt.Sprintf("%s in %s before: %s of %s rolled back", before.percent(), months, number(before.Rollbacks), number(before.Deploys))
	if r.Deploys == 0 {
		return text
	}
	if min(r.Deploys, before.Deploys) < fewDeploys {
		return text + "; too few deploys to compare"
	}
	p := stats.Fisher(r.Rollbacks, r.Deploys, before.Rollbacks, before.Deploys)
	word := "not significant"
	if p < 1-confidence {
		word = "significant"
	}
	return fmt.Sprintf("%s; the difference is %s (Fisher's exact test, p %s)", text, word, chance(p))
}

// chance is a p-value with two digits.
func chance(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return "= " + strconv.FormatFloat(p, 'g', 2, 64)
}

func (r Report) apart() string {
	var parts []string
	if r.Redeploys > 0 {
		parts = append(parts, words.Count(r.Redeploys, "redeploy")+" among them")
	}
	if r.FailedDeploys > 0 && r.Deploys > 0 {
		parts = append(parts, number(r.FailedDeploys)+" more failed and changed nothing")
	}
	if r.Corrected > 0 {
		parts = append(parts, number(r.Corrected)+" corrected")
	}
	return strings.Join(parts, "; ")
}

func (r Report) medians() string {
	var parts []string
	if r.MedianToVerdict != nil {
		parts = append(parts, duration(*r.MedianToVerdict)+" to a failed verdict")
	}
	if r.MedianToRecovery != nil {
		parts = append(parts, duration(*r.MedianToRecovery)+" to recovery")
	}
	return strings.Join(parts, ", ")
}

func (f Figures) percent() string {
	if f.Deploys == 0 {
		return "–"
	}
	return percent(f.rate())
}

func (f Figures) between() string {
	if f.Deploys == 0 {
		return "–"
	}
	low, high := f.interval()
	return percent(low) + " to " + percent(high)
}

// percent shows one decimal, or the first two digits of what is smaller than that.
func percent(x float64) string {
	x *= 100
	if x >= 0.1 || x < 1e-9 {
		return strconv.FormatFloat(x, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(x, 'g', 2, 64) + " %"
}

func number(n int) string { return words.Number(float64(n)) }

func duration(seconds float64) string {
	return words.Duration(time.Duration(seconds * float64(time.Second)).Round(time.Millisecond))
}

// name is what a row is called; empty names say so.
func (r Report) name(s string) string {
	if s == "" {
		return "(no " + r.By + ")"
	}
	return s
}

// commands list the deploys behind the figures, for a terminal; none where there are none.
func (r Report) commands() []string {
	if len(r.Environments) == 0 || r.Deploys+r.FailedDeploys+r.Corrected == 0 {
		return nil
	}
	environments := strings.Join(r.Environments, ",")
	if strings.ContainsAny(environments, " ") {
		environments = "'" + environments + "'"
	}
	all := fmt.Sprintf("verifier deploys list --month %s --environment %s --change release", r.Month, environments)
	commands := []string{all + " --status succeeded"}
	for _, more := range []struct {
		n     int
		flags string
	}{
		{r.Rollbacks, " --status succeeded --kind rollback"},
		{r.Redeploys, " --status succeeded --kind redeploy"},
		{r.FailedDeploys, " --status failed"},
		{r.Corrected, " --corrected"},
		{r.Coverage.Caught + r.Coverage.FalselyCondemned, " --state failed"},
		{r.Coverage.Inconclusive, " --state inconclusive"},
	} {
		if more.n > 0 {
			commands = append(commands, all+more.flags)
		}
	}
	return commands
}

// link leads to the deploys behind a figure; empty without a URL.
func (r Report) link(month, kind, status, name string) string {
	if r.URL == "" {
		return ""
	}
	q := url.Values{"month": {month}, "change": {"release"}, "status": {status}}
	if kind != "" {
		q.Set("kind", kind)
	}
	if len(r.Environments) > 0 {
		q.Set("environment", strings.Join(r.Environments, ","))
	}
	if name != "" {
		q.Set(r.By, name)
	}
	separator := "?"
	if strings.Contains(r.URL, "?") {
		separator = "&"
	}
	return r.URL + separator + q.Encode()
}
