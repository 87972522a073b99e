package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"verifier"
	"verifier/stats"
)

// MonthsBefore is how many months a report looks back for its trend.
const MonthsBefore = 6

const confidence = 0.95

// Report is one month. URL, where the caller sets it, is a list of deploys that takes month, kind, status, change, team, service and
// environment (several with commas) as its query, so that figures lead to their deploys; without it text names the commands.
type Report struct {
	Month string `json:"month"`
	Figures
	From         time.Time `json:"from"`
	Until        time.Time `json:"until"`
	Environments []string  `json:"environments"` // the production environments that deploys went to, in these months
	By           string    `json:"by,omitempty"` // team, service or environment
	Rows         []Row     `json:"rows"`         // the same month by that, most deploys first
	Rules        []Rule    `json:"rules"`        // how far each rule can be believed, by name
	Before       []Trend   `json:"before"`       // the months before, oldest first, from the first with a deploy
	URL          string    `json:"url,omitempty"`
}

// Figures is what is counted. Rate, interval (95 %) and medians are null where there is nothing to say; the months before have no
// medians.
type Figures struct {
	Deploys              int       `json:"deploys"`
	Rollbacks            int       `json:"rollbacks"`
	RollbackRate         *float64  `json:"rollback_rate"`
	RollbackRateInterval []float64 `json:"rollback_rate_interval"`
	FailedDeploys        int       `json:"failed_deploys"`
	Redeploys            int       `json:"redeploys"`
	AutomaticRollbacks   int       `json:"automatic_rollbacks"`
	ManualRollbacks      int       `json:"manual_rollbacks"`
	Corrected            int       `json:"corrected"` // edited or voided by a person
	MedianToVerdict      *float64  `json:"median_to_verdict_seconds"`
	MedianToRecovery     *float64  `json:"median_to_recovery_seconds"`
	Coverage             Coverage  `json:"coverage"`
}

// Coverage says how much of the truth the figures know.
type Coverage struct {
	Deployed         int `json:"deployed"`
	Watched          int `json:"watched"` // came to passed, failed or inconclusive
	Inconclusive     int `json:"inconclusive"`
	Caught           int `json:"caught"`            // failed, and nobody called them good
	Missed           int `json:"missed"`            // watched and rolled back or marked bad, did not fail, and nobody called it good
	FalselyCondemned int `json:"falsely_condemned"` // failed, and marked good
	Suspected        int `json:"suspected"`         // of Missed, passed and then rolled back, and nobody has said whether it was bad

	Precision *float64 `json:"precision"` // of what failed, the share that nobody called good; null where nothing failed
	Recall    *float64 `json:"recall"`    // of what was bad, the share that failed; null where nothing was
}

// judged works out how far the judge can be believed.
func (c *Coverage) judged() {
	c.Precision, c.Recall = share(c.Caught, c.Caught+c.FalselyCondemned), share(c.Caught, c.Caught+c.Missed)
}

// Row is the figures of one team, service or environment. Name is empty for deploys without a team.
type Row struct {
	Name string `json:"name"`
	Figures
}

// Trend is the figures of one month.
type Trend struct {
	Month string `json:"month"`
	Figures
}

// Make adds up the report of a month from tallies of it and of the MonthsBefore months before it (others are passed over) and from
// the month's timings. by is empty, team, service or environment; production says which environments count.
func Make(month Bounds, by string, tallies []verifier.Tally, ruled []verifier.RuleTally, timings []verifier.Timing, production func(environment string) bool) (Report, error) {
	if !slices.Contains([]string{"", "team", "service", "environment"}, by) {
		return Report{}, verifier.Invalid("by", "%.40q is nothing to group by; write team, service or environment", by)
	}
	total, rows, months := &sums{}, map[string]*sums{}, map[string]*sums{}
	environments := []string{}
	for _, t := range tallies {
		if !production(t.Environment) {
			continue
		}
		of(months, t.Month).count(t)
		if t.Month == month.Name {
			total.count(t)
			of(rows, group(by, t.Team, t.Service, t.Environment)).count(t)
		}
		if !slices.Contains(environments, t.Environment) {
			environments = append(environments, t.Environment)
		}
	}
	slices.Sort(environments)
	for _, t := range timings {
		if production(t.Environment) && !t.At.Before(month.From) && t.At.Before(month.To) {
			total.time(t)
			of(rows, group(by, t.Team, t.Service, t.Environment)).time(t)
		}
	}
	return Report{
		Month: month.Name, From: month.From, Until: month.To, Environments: environments, By: by,
		Figures: total.figures(), Rows: makeRows(by, rows), Rules: makeRules(month.Name, ruled, production), Before: makeTrend(month, months),
	}, nil
}

func group(by, team, service, environment string) string {
	return map[string]string{"team": team, "service": service, "environment": environment}[by]
}

func makeRows(by string, sums map[string]*sums) []Row {
	rows := []Row{}
	if by == "" {
		return rows
	}
	for name, s := range sums {
		rows = append(rows, Row{name, s.figures()})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Deploys, a.Deploys), cmp.Compare(b.FailedDeploys, a.FailedDeploys), cmp.Compare(a.Name, b.Name))
	})
	return rows
}

func makeTrend(month Bounds, sums map[string]*sums) []Trend {
	trend := []Trend{}
	for n := MonthsBefore; n > 0; n-- {
		name := month.Back(n).Name
		if f := of(sums, name).figures(); len(trend) > 0 || f.Deploys+f.FailedDeploys > 0 {
			trend = append(trend, Trend{name, f})
		}
	}
	return trend
}

// sums is figures being added up.
type sums struct {
	Figures
	toVerdict, toRecovery []time.Duration
}

func of(m map[string]*sums, name string) *sums {
	if m[name] == nil {
		m[name] = &sums{}
	}
	return m[name]
}

func (s *sums) count(t verifier.Tally) {
	if t.Change != verifier.Release {
		return
	}
	if t.Corrected {
		s.Corrected += t.N
	}
	switch {
	case t.Void:
	case t.Status == verifier.Failed:
		s.FailedDeploys += t.N
	case t.Status == verifier.Succeeded:
		s.deployed(t)
	}
}

func (s *sums) deployed(t verifier.Tally) {
	s.Deploys += t.N
	switch {
	case t.Kind == verifier.KindRedeploy:
		s.Redeploys += t.N
	case t.Kind == verifier.KindRollback && t.Auto:
		s.Rollbacks += t.N
		s.AutomaticRollbacks += t.N
	case t.Kind == verifier.KindRollback:
		s.Rollbacks += t.N
		s.ManualRollbacks += t.N
	}
	s.cover(t)
}

func (s *sums) cover(t verifier.Tally) {
	c := &s.Coverage
	c.Deployed += t.N
	if t.State == verifier.Passed || t.State == verifier.FailedState || t.State == verifier.Undecided {
		c.Watched += t.N
	}
	if t.State == verifier.Undecided {
		c.Inconclusive += t.N
	}
	switch {
	case t.Condemned && t.Marked == "good":
		c.FalselyCondemned += t.N
	case t.Condemned:
		c.Caught += t.N
	case t.Marked == "good" || t.State == "": // nobody watched it: an import, or a deploy that joined another's watch
	case t.Reverted || t.Marked == "bad":
		c.Missed += t.N
		if t.Marked == "" && t.State == verifier.Passed {
			c.Suspected += t.N
		}
	}
}

func (s *sums) time(t verifier.Timing) {
	if t.ToVerdict > 0 {
		s.toVerdict = append(s.toVerdict, t.ToVerdict)
	}
	if t.ToRecovery > 0 {
		s.toRecovery = append(s.toRecovery, t.ToRecovery)
	}
}

func (s *sums) figures() Figures {
	f := s.Figures
	f.MedianToVerdict, f.MedianToRecovery = median(s.toVerdict), median(s.toRecovery)
	f.Coverage.judged()
	if f.Deploys > 0 {
		low, high := f.interval()
		// Two digits of the interval's width are worth printing, and one more of the rate itself.
		digits := max(3, 1-int(math.Floor(math.Log10(high-low))))
		rate := round(f.rate(), digits+1)
		f.RollbackRate, f.RollbackRateInterval = &rate, []float64{round(low, digits), round(high, digits)}
	}
	return f
}

func (f Figures) rate() float64 { return float64(f.Rollbacks) / float64(f.Deploys) }

func (f Figures) interval() (low, high float64) {
	return stats.Wilson(f.Rollbacks, f.Deploys, confidence)
}

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}

// median is in seconds, nil without any.
func median(all []time.Duration) *float64 {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	middle := (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	seconds := round(middle.Seconds(), 3)
	return &seconds
}
