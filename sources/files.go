package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"verifier"
)

// FilesConfig is log files of this machine: one event on each line.
type FilesConfig struct {
	Path       string        `yaml:"path"`   // a glob; rotated brothers (.1, .2.gz, -20260101) are read too
	Format     string        `yaml:"format"` // json (default), logfmt or regexp
	Regexp     string        `yaml:"regexp"` // with named groups, for format: regexp
	Fields     Fields        `yaml:"fields"`
	TimeFormat string        `yaml:"time_format"` // Go's layout; default RFC 3339 and its kin, and unix seconds or milliseconds
	Lag        time.Duration `yaml:"lag"`         // default 5 s: what is written by then is there
	MaxBytes   int64         `yaml:"max_bytes"`   // read for one question; default 256 MiB
	MaxTime    time.Duration `yaml:"max_time"`    // default 10 s
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

// Files answers count, ratio, percentile and average from log files. Nothing is followed and nothing is kept open: each question opens
// the files, finds its stretch by bisection, and reads that.
type Files struct {
	FilesConfig
	fields fields
	parse  parseLine
}

const (
	slack   = 10 * time.Second // how far lines may be out of order
	maxLine = 1 << 20
)

// NewFiles makes the source; it opens no file.
func NewFiles(c FilesConfig) (*Files, error) {
	if c.Path == "" {
		return nil, verifier.Invalid("path", "is missing; write a glob like /var/log/shop/*.log")
	}
	if _, err := filepath.Match(c.Path, ""); err != nil {
		return nil, verifier.Invalid("path", "%q is no glob: %v", c.Path, err)
	}
	c.Lag, c.MaxBytes, c.MaxTime = cmp.Or(c.Lag, 5*time.Second), cmp.Or(c.MaxBytes, 256<<20), cmp.Or(c.MaxTime, 10*time.Second)
	f := &Files{FilesConfig: c, fields: c.Fields.named()}
	if f.fields.time == "" {
		return nil, verifier.Invalid("fields.time", "is empty; name the field that holds a line's time")
	}
	switch c.Format {
	case "", "json":
		f.parse = parseJSON
	case "logfmt":
		f.parse = parseLogfmt
	case "regexp":
		re, err := regexp.Compile(c.Regexp)
		if err != nil || c.Regexp == "" {
			return nil, verifier.Invalid("regexp", "%q does not compile: %v", c.Regexp, err)
		}
		if !slices.Contains(re.SubexpNames(), f.fields.time) {
			return nil, verifier.Invalid("regexp", "has no group named %s, which holds the time; write (?P<%s>…) or set fields.time", f.fields.time, f.fields.time)
		}
		f.parse = parseRegexp(re)
	default:
		return nil, verifier.Invalid("format", "%q is none; write json, logfmt or regexp", c.Format)
	}
	return f, nil
}

// CheckFiles says what is wrong with a measure for log files, without reading any. window is always 0.
func CheckFiles(m verifier.Measure) (window time.Duration, err error) {
	for _, no := range []struct {
		field string
		set   bool
	}{
		{"patterns", m.Patterns != ""}, {"promql", m.PromQL != ""}, {"nrql", m.NRQL != ""}, {"query", m.Query != ""},
		{"command", len(m.Command) > 0}, {"http", m.HTTP != ""}, {"pick", len(m.Pick) > 0},
	} {
		if no.set {
			return 0, verifier.Invalid(no.field, "is nothing log files can answer; write count, ratio, percentile or average")
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

// asked is one question being answered.
type asked struct {
	verifier.Question
	measure measured
	steps   map[int64]*bucket // by the end of the step, in unix nanoseconds
	docs    int               // of the service, in the whole stretch
	newest  time.Time
}

// bucket is what was seen in one step.
type bucket struct {
	docs, of, to float64
	values       []float64
}

// Ask reads every file once for all questions.
func (f *Files) Ask(ctx context.Context, questions []verifier.Question) []verifier.Answer {
	ctx, cancel := context.WithTimeout(ctx, f.MaxTime)
	defer cancel()
	answers := make([]verifier.Answer, len(questions))
	var open []*asked
	at := map[*asked]int{}
	for i, q := range questions {
		m, err := compileMeasure(q.Measure, q.Subject, q.Step)
		if err == nil && q.Step <= 0 {
			err = errors.New("a step must be longer than 0")
		}
		if err != nil {
			answers[i].Err = badQuestion(err)
			continue
		}
		a := &asked{Question: q, measure: m, steps: map[int64]*bucket{}}
		open, at[a] = append(open, a), i
	}
	if len(open) == 0 {
		return answers
	}
	r := &reading{Files: f, ctx: ctx, asked: open, services: map[string]bool{}}
	err := r.all()
	for _, a := range open {
		if err != nil {
			answers[at[a]].Err = err
			continue
		}
		answers[at[a]] = r.answer(a)
	}
	return answers
}

// answer adds up what was seen for one question.
func (r *reading) answer(a *asked) verifier.Answer {
	out := verifier.Answer{Newest: a.newest, Query: a.measure.text, Partial: r.partial}
	if a.docs == 0 {
		out.Nearest = nearestOf(a.Subject.Service, r.services)
	}
	for end, b := range a.steps {
		if s, ok := a.measure.sample(b); ok {
			s.T = time.Unix(0, end).UTC()
			out.Samples = append(out.Samples, s)
		}
	}
	slices.SortFunc(out.Samples, func(x, y verifier.Sample) int { return x.T.Compare(y.T) })
	return out
}

func nearestOf(name string, known map[string]bool) string {
	best, distance := "", math.MaxInt
	for k := range known {
		if n := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)); n < distance || n == distance && k < best {
			best, distance = k, n
		}
	}
	return best
}

// take counts one line for every question that it is about.
func (r *reading) take(at time.Time, d document) {
	service, _ := d.text(r.fields.service)
	if len(r.services) < 1000 && service != "" {
		r.services[service] = true
	}
	for _, a := range r.asked {
		if !at.After(a.From) || at.After(a.To) || !r.about(d, service, a.Subject) {
			continue
		}
		a.docs++
		if at.After(a.newest) {
			a.newest = at
		}
		end := ceilStep(at, a.Step)
		b := a.steps[end]
		if b == nil {
			b = &bucket{}
			a.steps[end] = b
		}
		a.measure.count(b, d)
	}
}

// ceilStep is the end of the step that holds the moment: (end-step, end].
func ceilStep(at time.Time, step time.Duration) int64 {
	n, s := at.UnixNano(), int64(step)
	return (n + s - 1) / s * s
}

// about reports whether the line is of the subject.
func (r *reading) about(d document, service string, s verifier.Subject) bool {
	is := func(field, want string) bool {
		if field == "" || want == "" {
			return true
		}
		got, _ := d.text(field)
		return got == want
	}
	if r.fields.service != "" && service != s.Service || !is(r.fields.environment, s.Environment) || !is(r.fields.target, s.Target) {
		return false
	}
	if len(s.Hosts) > 0 && r.fields.host != "" {
		host, _ := d.text(r.fields.host)
		return slices.Contains(s.Hosts, host) != s.Peers
	}
	if s.Peers && r.fields.version != "" {
		version, ok := d.text(r.fields.version)
		return ok && version != s.Version
	}
	return !s.Peers
}

// filesOf lists the files that may hold lines of the stretch, rotated ones too.
func (f *Files) filesOf(from time.Time) ([]string, error) {
	var files []string
	found := false
	for _, pattern := range []string{f.Path, f.Path + ".*", f.Path + "-*"} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			return nil, &verifier.SourceError{Reason: verifier.SourceGone, Permanent: true, Err: err}
		}
		for _, name := range list {
			info, err := os.Stat(name)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			found = true
			if !slices.Contains(files, name) && !info.ModTime().Before(from.Add(-slack)) {
				files = append(files, name)
			}
		}
	}
	if !found {
		return nil, &verifier.SourceError{Reason: verifier.SourceGone, Err: fmt.Errorf("no file matches %s", f.Path)}
	}
	return files, nil
}
