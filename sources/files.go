package sources

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"verifier"
)

// FilesConfig is log files of this machine: one event on each line.
type FilesConfig struct {
	Path       string        `yaml:"path"`   // a glob; rotated brothers (.1, .2.gz, -20260101) are read too
	Format     string        `yaml:"format"` // json (default), logfmt or regexp
	Regexp     string        `yaml:"regexp"` // with named groups, for format: regexp
	Fields     Fields        `yaml:"fields"`
	TimeFormat string        `yaml:"time_format"` // Go's layout; default RFC 3339 and its kin, and unix seconds to nanoseconds
	Timezone   string        `yaml:"timezone"`    // of times that name none; default UTC
	Lag        time.Duration `yaml:"lag"`         // default 5 s: what is written by then is there
	MaxBytes   int64         `yaml:"max_bytes"`   // read for one question; default 256 MiB
	MaxTime    time.Duration `yaml:"max_time"`    // default 10 s
	Budget     BudgetConfig  `yaml:"budget"`      // of readings; default 4 at once

	Patterns PatternsConfig `yaml:"patterns"`
}

// Fields says where in a line to find what. One that is set to "" is not filtered by.
type Fields struct {
	Time        *string `yaml:"time"`
	Message     *string `yaml:"message"`
	Service     *string `yaml:"service"`
	Environment *string `yaml:"environment"`
	Target      *string `yaml:"target"`
	Version     *string `yaml:"version"`
	Host        *string `yaml:"host"`
}

// fields are the names in force: Elastic's common schema where nothing is written.
type fields struct{ time, message, service, environment, target, version, host string }

func (f Fields) named() fields {
	or := func(name *string, otherwise string) string {
		if name == nil {
			return otherwise
		}
		return *name
	}
	return fields{
		or(f.Time, "@timestamp"), or(f.Message, "message"), or(f.Service, "service.name"), or(f.Environment, "service.environment"),
		or(f.Target, ""), or(f.Version, "service.version"), or(f.Host, "host.name"),
	}
}

// Files answers count, ratio, percentile, average and patterns from log files. Nothing is followed and nothing is kept open: each question opens
// the files, finds its stretch by bisection, and reads that.
type Files struct {
	FilesConfig
	fields fields
	zone   *time.Location
	parse  parseLine
	masks  *masks
	budget *budget // of readings at once: two cores read no faster by more
	layout layoutHint
	values *shared[string, fieldValues] // of the fields that are asked for, by service
}

const (
	slack   = 10 * time.Second // how far lines may be out of order
	maxLine = 4 << 20
)

// NewFiles makes the source; it opens no file.
func NewFiles(c FilesConfig) (*Files, error) {
	if c.Path == "" {
		return nil, verifier.Invalid("path", "is missing; write a glob like /var/log/shop/*.log")
	}
	if _, err := filepath.Match(c.Path, ""); err != nil {
		return nil, verifier.Invalid("path", "%q is no glob: %v", c.Path, err)
	}
	if c.Lag < 0 || c.MaxBytes < 0 || c.MaxTime < 0 {
		return nil, verifier.Invalid("lag", "max_bytes and max_time must not be negative")
	}
	zone, err := time.LoadLocation(cmp.Or(c.Timezone, "UTC"))
	if err != nil {
		return nil, verifier.Invalid("timezone", "%q is none; write one like Europe/Berlin", c.Timezone)
	}
	if err := checkLayout(c.TimeFormat); err != nil {
		return nil, err
	}
	c.Lag, c.MaxBytes, c.MaxTime = cmp.Or(c.Lag, 5*time.Second), cmp.Or(c.MaxBytes, 256<<20), cmp.Or(c.MaxTime, 10*time.Second)
	c.Budget.AtOnce = cmp.Or(c.Budget.AtOnce, 4)
	f := &Files{FilesConfig: c, fields: c.Fields.named(), zone: zone, budget: newBudget(c.Budget)}
	f.values = newShared[string](valuesKept, func(fieldValues) bool { return true })
	if f.fields.time == "" {
		return nil, verifier.Invalid("fields.time", "is empty; name the field that holds a line's time")
	}
	if f.masks, err = c.Patterns.masks(mostMessages); err != nil {
		return nil, err
	}
	f.parse, err = f.parser()
	return f, err
}

// parser is what reads one line of the format.
func (f *Files) parser() (parseLine, error) {
	switch f.Format {
	case "", "json":
		return parseJSON, nil
	case "logfmt":
		return parseLogfmt, nil
	case "regexp":
		re, err := regexp.Compile(f.Regexp)
		if f.Regexp == "" {
			return nil, verifier.Invalid("regexp", "is missing; write one with named groups, such as ^(?P<%s>\\S+) (?P<level>\\w+)", f.fields.time)
		}
		if err != nil {
			return nil, verifier.Invalid("regexp", "%q does not compile: %v", f.Regexp, err)
		}
		if !slices.Contains(re.SubexpNames(), f.fields.time) {
			return nil, verifier.Invalid("regexp", "has no group named %s, which holds the time; write (?P<%s>…) or set fields.time", f.fields.time, f.fields.time)
		}
		return parseRegexp(re), nil
	}
	return nil, verifier.Invalid("format", "%q is none; write json, logfmt or regexp", f.Format)
}

// checkLayout refuses layouts that do not give back the time they were written from; those without a year are the usual case.
func checkLayout(layout string) error {
	at := time.Date(2021, 11, 29, 15, 47, 38, 0, time.UTC)
	if back, err := time.Parse(layout, at.Format(layout)); layout != "" && (err != nil || !back.Equal(at)) {
		return verifier.Invalid("time_format", "%q does not hold a whole time with its year; write Go's layout, such as 2006-01-02 15:04:05", layout)
	}
	return nil
}

// CheckFiles says what is wrong with a measure for log files, without reading any. window is always 0.
func CheckFiles(m verifier.Measure) (window time.Duration, err error) {
	for _, no := range []struct {
		field string
		set   bool
	}{
		{"promql", m.PromQL != ""},
		{"nrql", m.NRQL != ""},
		{"query", m.Query != ""},
		{"command", len(m.Command) > 0},
		{"http", m.HTTP != ""},
		{"pick", len(m.Pick) > 0},
	} {
		if no.set {
			return 0, verifier.Invalid(no.field, "is nothing log files can answer; write count, ratio, percentile, average or patterns")
		}
	}
	if m.Where != "" && m.Percentile == nil && m.Average == nil {
		return 0, verifier.Invalid("where", "narrows percentile and average; put the condition of a count into its query")
	}
	_, err = compileMeasure(m, verifier.Subject{Service: "x", Environment: "x", Target: "x", Version: "x", Team: "x", Labels: labelsIn(m)}, time.Second)
	return 0, err
}

// labelsIn gives every label that the texts name some value, for checking them.
func labelsIn(m verifier.Measure) map[string]string {
	labels := map[string]string{}
	for _, text := range append(queries(m), m.Where) {
		for _, name := range names(text) {
			if key, ok := strings.CutPrefix(name, labelsDot); ok {
				labels[key] = "x"
			}
		}
	}
	return labels
}

// Lag is how late lines may be written.
func (f *Files) Lag() time.Duration { return f.FilesConfig.Lag }

// HasPeers reports whether lines tell hosts or versions apart.
func (f *Files) HasPeers(verifier.Measure) bool { return f.fields.host != "" || f.fields.version != "" }
