package intake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"verifier"
)

var csvColumns = map[string]bool{
	"at": true, "service": true, "environment": true, "version": true, "status": true, "team": true, "id": true, "target": true, "change": true,
	"by": true, "commit": true, "group": true, "url": true, "repository": true, "started_at": true, "previous_version": true, "hosts": true,
}

// ignored stands for a column that is not read.
const ignoredColumn = "-"

// maxProblems is how many bad lines are named before reading stops.
const maxProblems = 20

// ReadCSV gives each deploy of the file to each, line by line. The header names the columns: at, service, environment and version,
// the others of choice; ignore names columns that are not read. Rows without any value are passed over. Bad lines are named by line and
// column, up to 20 of them; an error of each ends it at once.
func ReadCSV(r io.Reader, now time.Time, zone *time.Location, each func(line int, d verifier.Deploy) error, ignore ...string) error {
	rows, columns, err := openCSV(r, ignore)
	if err != nil {
		return err
	}
	var problems []error
	for len(problems) < maxProblems {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(problems...)
		}
		line := 0
		if err == nil {
			line, _ = rows.FieldPos(0)
			row, err = fittingRow(row, columns)
		}
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			problems = append(problems, fmt.Errorf("line %d: it has another number of columns than the header", line))
			continue
		case err != nil:
			problems = append(problems, csvProblem(err))
			continue
		case row == nil:
			continue
		}
		d, bad := csvDeploy(columns, row, now, zone)
		for _, b := range bad {
			problems = append(problems, b.at(line, columns))
		}
		if len(problems) == 0 {
			if err := each(line, d); err != nil {
				return err
			}
		}
	}
	return errors.Join(append(problems, errors.New("and perhaps more: reading stopped here"))...)
}

// openCSV reads the header.
func openCSV(r io.Reader, ignore []string) (*csv.Reader, []string, error) {
	buffered := bufio.NewReader(r)
	mark, _ := buffered.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		buffered.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return nil, nil, errors.New("line 1: the file is UTF-16; save it as UTF-8")
	}
	rows := csv.NewReader(buffered)
	rows.ReuseRecord = true
	rows.FieldsPerRecord = -1
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("the file is empty; its first line names the columns, like at,service,environment,version,status,team,id")
	}
	if err != nil {
		return nil, nil, csvProblem(err)
	}
	columns, err := csvHeader(header, ignore)
	return rows, columns, err
}

// fittingRow is the row as wide as the header; nil without any value, which spreadsheets leave below their tables. Empty cells beside
// the table say nothing either.
func fittingRow(row, columns []string) ([]string, error) {
	filled := len(row)
	for filled > 0 && strings.TrimSpace(row[filled-1]) == "" {
		filled--
	}
	switch {
	case filled == 0:
		return nil, nil
	case filled > len(columns) || len(row) < len(columns):
		return nil, csv.ErrFieldCount
	}
	return row[:len(columns)], nil
}

func csvProblem(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	return fmt.Errorf("line %d, character %d: %w", parse.Line, parse.Column, parse.Err)
}

func csvHeader(header, ignore []string) ([]string, error) {
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.ToLower(strings.TrimSpace(name))
		if slices.ContainsFunc(ignore, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), columns[i]) }) {
			columns[i] = ignoredColumn
			continue
		}
		if columns[i] == "" {
			continue // a cell that was left over; it is an error where it has values
		}
		if !csvColumns[columns[i]] {
			if separator := strings.IndexAny(name, ";\t|"); len(header) == 1 && separator >= 0 {
				return nil, fmt.Errorf("line 1: the columns are separated by %q; separate them by commas", name[separator])
			}
			hint := "columns are " + strings.Join(slices.Sorted(maps.Keys(csvColumns)), ", ") + "."
			if near := nearest(columns[i], csvColumns); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, fmt.Errorf("line 1, column %d: %.60q is not known; %s To leave the column out: --ignore-column %s", i+1, name, hint, quotedWord(columns[i]))
		}
		if slices.Contains(columns[:i], columns[i]) {
			return nil, fmt.Errorf("line 1, column %d: %s is there twice", i+1, columns[i])
		}
	}
	for _, required := range []string{"at", "service", "environment", "version"} {
		if !slices.Contains(columns, required) {
			return nil, fmt.Errorf("line 1: the column %s is missing; at, service, environment and version are needed", required)
		}
	}
	return columns, nil
}

// cellError is what is wrong with one cell, or with a row where it has no such column.
type cellError struct{ verifier.FieldError }

func (e cellError) at(line int, columns []string) error {
	column, _, _ := strings.Cut(e.Field, "[")
	i := slices.Index(columns, column)
	if i < 0 {
		return fmt.Errorf("line %d: %s: %s", line, e.Field, e.Problem)
	}
	if column == "" {
		return fmt.Errorf("line %d, column %d: %s", line, i+1, e.Problem)
	}
	return fmt.Errorf("line %d, column %s (%d): %s", line, column, i+1, e.Problem)
}

func csvDeploy(columns, row []string, now time.Time, zone *time.Location) (verifier.Deploy, []cellError) {
	d := verifier.Deploy{Status: verifier.Succeeded, Change: verifier.Release}
	var bad []cellError
	for i, column := range columns {
		if problem := csvField(&d, column, strings.TrimSpace(row[i]), zone); problem != "" {
			bad = append(bad, cellError{verifier.FieldError{Field: column, Problem: problem}})
		}
	}
	d = tidied(d)
	for _, p := range problems(d, now) {
		switch {
		case slices.ContainsFunc(bad, func(b cellError) bool { return b.Field == p.Field }):
			continue
		case p.Field == "id" && d.ID == "":
			p = verifier.FieldError{Field: "status", Problem: "a started deploy needs an id"}
		}
		bad = append(bad, cellError{p})
	}
	d.Hosts = verifier.UnionHosts(d.Hosts, nil)
	if d.ID == "" {
		d.ID, d.WithoutID = key(d), true
	}
	return d, bad
}

// SetField sets one field of a deploy by the name of its column in a file; times without a zone are in that one.
func SetField(d *verifier.Deploy, column, value string, now time.Time, zone *time.Location) error {
	if !csvColumns[column] {
		return verifier.Invalid(column, "is not known")
	}
	if problem := csvField(d, column, strings.TrimSpace(value), zone); problem != "" {
		return verifier.Invalid(column, "%s", problem)
	}
	*d = tidied(*d)
	d.Hosts = verifier.UnionHosts(d.Hosts, nil)
	for _, p := range problems(*d, now) {
		if field, _, _ := strings.Cut(p.Field, "["); field == column {
			return verifier.Invalid(column, "%s", p.Problem)
		}
	}
	return nil
}

// csvField sets one field; it returns why the value cannot be read. Whether it is right is the validator's to say.
func csvField(d *verifier.Deploy, column, value string, zone *time.Location) string {
	value = strings.Clone(value) // the row's memory is used again
	texts := map[string]*string{
		"service": &d.Service, "environment": &d.Environment, "target": &d.Target, "version": &d.Version, "previous_version": &d.PreviousVersion, "id": &d.ID,
		"team": &d.Team, "by": &d.By, "commit": &d.Commit, "group": &d.Group, "url": &d.URL, "repository": &d.Repository,
	}
	if to, ok := texts[column]; ok {
		*to = value
		return ""
	}
	switch {
	case column == ignoredColumn, value == "" && column != "at":
		return ""
	case column == "":
		return fmt.Sprintf("has the value %.40q and no name in line 1", value)
	case column == "hosts":
		d.Hosts = strings.Split(value, ";")
	case column == "status":
		d.Status = verifier.Status(strings.ToLower(value))
		return listProblem(d.Status, verifier.Statuses)
	case column == "change":
		d.Change = verifier.Change(strings.ToLower(value))
		return listProblem(d.Change, verifier.Changes)
	default:
		at, problem := csvTime(value, zone)
		if column == "at" {
			d.At = at
		} else {
			d.StartedAt = &at
		}
		return problem
	}
	return ""
}

func listProblem[T ~string](s T, all []T) string {
	if slices.Contains(all, s) {
		return ""
	}
	return fmt.Sprintf("%.40q is none of %v", s, all)
}

// csvLayouts are the ways in which programs write a time: RFC 3339 and its kin, PostgreSQL, Python, .NET, Ruby and spreadsheets. A fraction
// of the second may follow the seconds in any of them.
var csvLayouts = func() (all []string) {
	for _, date := range []string{"2006-01-02T", "2006-01-02 ", "2006/01/02 "} {
		for _, clock := range []string{"15:04:05", "15:04"} {
			for _, zone := range []string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " Z0700", " Z07"} {
				all = append(all, date+clock+zone)
			}
		}
	}
	return all
}()

func csvTime(value string, zone *time.Location) (time.Time, string) {
	text := value
	for _, utc := range []string{" UTC", " GMT", " Z"} {
		if head, ok := strings.CutSuffix(text, utc); ok {
			text = head + "Z"
		}
	}
	for _, layout := range csvLayouts {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at.UTC().Truncate(time.Millisecond), ""
		}
	}
	if slashes.MatchString(value) {
		return time.Time{}, fmt.Sprintf("%.40q does not say which is the day and which the month; write 2016-09-01 10:00 (in a spreadsheet, format the column as yyyy-mm-dd hh:mm)", value)
	}
	return time.Time{}, fmt.Sprintf("%.40q is no time; write 2016-09-01T10:00:00Z or 2016-09-01 10:00", value)
}

var slashes = regexp.MustCompile(`^\d{1,2}[./-]\d{1,2}[./-]\d{4}\b`)

// quotedWord is one word of a shell.
func quotedWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !isPlain(r) }) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func isPlain(r rune) bool {
	return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
}
