package intake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

var csvColumns = map[string]bool{
	"at": true, "service": true, "environment": true, "version": true, "status": true, "team": true, "id": true, "target": true, "change": true,
	"by": true, "commit": true, "group": true, "url": true, "started_at": true, "previous_version": true, "hosts": true,
}

// maxProblems is how many bad lines are named before reading stops.
const maxProblems = 20

// ReadCSV gives each deploy of the file to each, line by line. The header names the columns: at, service, environment and version,
// the others of choice. Bad lines are named by line and column, up to 20 of them; an error of each ends it at once.
func ReadCSV(r io.Reader, now time.Time, zone *time.Location, each func(line int, d verifier.Deploy) error) error {
	buffered := bufio.NewReader(r)
	mark, _ := buffered.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		buffered.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return errors.New("line 1: the file is UTF-16; save it as UTF-8")
	}
	rows := csv.NewReader(buffered)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the file is empty; its first line names the columns, like at,service,environment,version,status,team,id")
		}
		return csvProblem(err)
	}
	columns, err := csvHeader(header)
	if err != nil {
		return err
	}
	var problems []error
	for len(problems) < maxProblems {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(problems...)
		}
		if err != nil {
			problems = append(problems, csvProblem(err))
			continue
		}
		line, _ := rows.FieldPos(0)
		d, bad := csvDeploy(columns, row, now, zone)
		for _, b := range bad {
			problems = append(problems, fmt.Errorf("line %d, column %s (%d): %s", line, b.Field, slices.Index(columns, b.Field)+1, b.Problem))
		}
		if len(problems) == 0 {
			if err := each(line, d); err != nil {
				return err
			}
		}
	}
	return errors.Join(append(problems, errors.New("and perhaps more: reading stopped here"))...)
}

func csvProblem(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(parse.Err, csv.ErrFieldCount) {
		return fmt.Errorf("line %d: it has another number of columns than the header", parse.Line)
	}
	return fmt.Errorf("line %d, character %d: %w", parse.Line, parse.Column, parse.Err)
}

func csvHeader(header []string) ([]string, error) {
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.ToLower(strings.TrimSpace(name))
		if !csvColumns[columns[i]] {
			if separator := strings.IndexAny(name, ";\t|"); len(header) == 1 && separator >= 0 {
				return nil, fmt.Errorf("line 1: the columns are separated by %q; separate them by commas", name[separator])
			}
			hint := strings.Join(slices.Sorted(maps.Keys(csvColumns)), ", ")
			if near := nearest(columns[i], csvColumns); near != "" {
				hint = near
			}
			return nil, fmt.Errorf("line 1, column %d: %.60q is not known; did you mean %s?", i+1, name, hint)
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

func csvDeploy(columns, row []string, now time.Time, zone *time.Location) (verifier.Deploy, []verifier.FieldError) {
	d := verifier.Deploy{Status: verifier.Succeeded, Change: verifier.Release}
	var problems []verifier.FieldError
	for i, column := range columns {
		if problem := csvField(&d, column, strings.TrimSpace(row[i]), now, zone); problem != "" {
			problems = append(problems, verifier.FieldError{Field: column, Problem: problem})
		}
	}
	if d.ID == "" && d.Status == verifier.Started && len(problems) == 0 {
		problems = append(problems, verifier.FieldError{Field: "status", Problem: "a started deploy needs an id"})
	}
	if d.ID == "" {
		d.ID = key(d)
	}
	return d, problems
}

// SetField sets one field of a deploy by the name of its column in a file; times without a zone are in that one.
func SetField(d *verifier.Deploy, column, value string, now time.Time, zone *time.Location) error {
	if !csvColumns[column] {
		return verifier.Invalid(column, "is not known")
	}
	if problem := csvField(d, column, strings.TrimSpace(value), now, zone); problem != "" {
		return verifier.Invalid(column, "%s", problem)
	}
	return nil
}

// csvField sets one field; it returns what is wrong with the value.
func csvField(d *verifier.Deploy, column, value string, now time.Time, zone *time.Location) string {
	text := map[string]*string{"by": &d.By, "commit": &d.Commit, "group": &d.Group, "url": &d.URL}
	if to, ok := text[column]; ok {
		*to = strings.Clone(value)
		return textProblem(value)
	}
	if value == "" && column != "at" && column != "service" && column != "environment" && column != "version" {
		return ""
	}
	value = strings.Clone(value)
	switch column {
	case "service", "environment", "target", "team":
		*map[string]*string{"service": &d.Service, "environment": &d.Environment, "target": &d.Target, "team": &d.Team}[column] = value
		return verifier.NameProblem(value)
	case "version", "previous_version":
		*map[string]*string{"version": &d.Version, "previous_version": &d.PreviousVersion}[column] = value
		return verifier.VersionProblem(value)
	case "id":
		d.ID = value
		return idProblem(value)
	case "hosts":
		d.Hosts = verifier.UnionHosts(strings.Split(value, ";"), nil)
		for _, host := range d.Hosts {
			if problem := verifier.NameProblem(host); problem != "" {
				return fmt.Sprintf("%.40q %s", host, problem)
			}
		}
		return ""
	case "status":
		d.Status = verifier.Status(strings.ToLower(value))
		return listProblem(d.Status, verifier.Statuses)
	case "change":
		d.Change = verifier.Change(strings.ToLower(value))
		return listProblem(d.Change, verifier.Changes)
	}
	at, problem := csvTime(value, now, zone)
	if column == "at" {
		d.At = at
	} else {
		d.StartedAt = &at
	}
	return problem
}

func listProblem[T ~string](s T, all []T) string {
	if slices.Contains(all, s) {
		return ""
	}
	return fmt.Sprintf("%.40q is none of %v", s, all)
}

func csvTime(value string, now time.Time, zone *time.Location) (time.Time, string) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, value, zone); err == nil {
			return at.UTC().Truncate(time.Millisecond), timeProblem(at, now)
		}
	}
	return time.Time{}, fmt.Sprintf("%.40q is no time; write 2016-09-01T10:00:00Z or 2016-09-01 10:00", value)
}
