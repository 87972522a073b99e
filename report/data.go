package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"verifier"
)

// Formats lists what Write can write.
var Formats = []string{"text", "json", "csv", "markdown", "html"}

// Write writes the report in one of the Formats.
func (r Report) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return r.Text(w)
	case "json":
		return r.JSON(w)
	case "csv":
		return r.CSV(w)
	case "markdown":
		return r.Markdown(w)
	case "html":
		return r.HTML(w)
	}
	return verifier.Invalid("format", "%.40q is not a format; write text, json, csv, markdown or html", format)
}

// JSON writes the report as one indented object.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// CSV writes a line for the month, then one for each row and for each month before. by and name are empty where the line is of a
// whole month, and figures that are not known are empty.
func (r Report) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	lines := [][]string{
		{
			"month", "by", "name", "deploys", "rollbacks", "rollback_rate", "rollback_rate_low", "rollback_rate_high", "failed_deploys",
			"redeploys", "automatic_rollbacks", "manual_rollbacks", "corrected", "median_to_verdict_seconds", "median_to_recovery_seconds",
			"watched", "inconclusive", "caught", "missed", "falsely_condemned", "precision", "recall",
		},
		r.csv(r.Month, "", ""),
	}
	for _, row := range r.Rows {
		lines = append(lines, row.csv(r.Month, r.By, row.Name))
	}
	for _, t := range r.Before {
		lines = append(lines, t.csv(t.Month, "", ""))
	}
	return c.WriteAll(lines)
}

func (f Figures) csv(month, by, name string) []string {
	var low, high *float64
	if i := f.RollbackRateInterval; len(i) == 2 {
		low, high = &i[0], &i[1]
	}
	c := f.Coverage
	return []string{
		month, by, name, strconv.Itoa(f.Deploys), strconv.Itoa(f.Rollbacks), decimal(f.RollbackRate), decimal(low), decimal(high),
		strconv.Itoa(f.FailedDeploys), strconv.Itoa(f.Redeploys), strconv.Itoa(f.AutomaticRollbacks), strconv.Itoa(f.ManualRollbacks),
		strconv.Itoa(f.Corrected), decimal(f.MedianToVerdict), decimal(f.MedianToRecovery),
		strconv.Itoa(c.Watched), strconv.Itoa(c.Inconclusive), strconv.Itoa(c.Caught), strconv.Itoa(c.Missed), strconv.Itoa(c.FalselyCondemned),
		decimal(c.Precision), decimal(c.Recall),
	}
}

func decimal(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'f', -1, 64)
}
