package sources

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// A crash writes plain text between the lines of a log: stack traces, half a line, NUL. Such lines are skipped and counted, and the rest
// is believed. What protects from a wrong format is that then no line can be read, or nearly none.

// tally is how the lines of a reading could be read.
type tally struct {
	lines    int // all of them
	skipped  int // not of the format
	untimed  int // of the format, without a time that can be read
	first    string
	firstOne string // of the untimed
	notes    []string
}

// fileTally is the same of one file.
type fileTally struct {
	name     string
	readable int
	skipped  int
	waiting  int    // skipped before the first line that could be read
	first    string // of the skipped
}

func (r *reading) begin(l logFile) { r.here, r.steps = fileTally{name: l.name}, nil }

// end notes a file of which nothing could be read, since its lines belong to no service.
func (r *reading) end(l logFile) {
	if h := r.here; h.readable == 0 && h.skipped > 0 && !l.info.ModTime().Before(r.from) && len(r.tally.notes) < mostNotes {
		r.tally.notes = append(r.tally.notes, fmt.Sprintf("none of the %s of %s can be read; the first: %s", words.Count(h.skipped, "line"), h.name, h.first))
	}
}

// mostNotes is how many remarks an answer holds.
const mostNotes = 5

// skip counts one line that cannot be read. It belongs to the line before it.
func (r *reading) skip(line []byte, why error, untimed bool) {
	t := &r.tally
	t.lines++
	told := fmt.Sprintf("%s: %.80q: %v", r.here.name, line, why)
	if untimed {
		t.untimed++
		if t.firstOne == "" {
			t.firstOne = told
		}
	} else {
		t.skipped++
	}
	if t.first == "" {
		t.first = told
	}
	r.here.skipped++
	if r.here.first == "" {
		r.here.first = fmt.Sprintf("%.80q", line)
	}
	if r.here.readable == 0 {
		r.here.waiting++
	}
	for _, b := range r.steps {
		b.skip(1, r.here)
	}
}

// skip adds lines that belong to the step.
func (b *bucket) skip(lines int, in fileTally) {
	if b.skipped == 0 {
		b.first = filepath.Base(in.name) + ": " + in.first
	}
	b.skipped += lines
}

// nearlyNone is among how many lines one that can be read proves nothing: it may look like the format by chance.
const nearlyNone = 10_000

// believable fails where the format or the field of the time is a wrong one: no line can be read, or nearly none, or most of the objects
// in a JSON log have no time. A crash does not write objects.
func (r *reading) believable() error {
	t := r.tally
	readable := t.lines - t.skipped - t.untimed
	first := t.first
	switch {
	case t.lines == 0, readable == t.lines:
		return nil
	case r.json() && t.untimed > readable:
		first = t.firstOne
	case readable > 0 && readable*nearlyNone >= t.lines:
		return nil
	}
	return &verifier.SourceError{
		Reason: verifier.BadData, Err: fmt.Errorf("%d of %d lines cannot be read; the first: %s", t.lines-readable, t.lines, first),
	}
}

// skipped puts the lines that were skipped into the answer.
func (r *reading) skipped(a *asked, out *verifier.Answer) {
	for end, b := range a.steps {
		if b.skipped == 0 {
			continue
		}
		out.Skipped = append(out.Skipped, verifier.Skipped{T: time.Unix(0, end).UTC(), Lines: b.skipped})
		if out.Lines == "" || strings.Compare(b.first, out.Lines) < 0 {
			out.Lines = b.first
		}
	}
	slices.SortFunc(out.Skipped, func(x, y verifier.Skipped) int { return x.T.Compare(y.T) })
	if out.Lines != "" {
		out.Lines = r.unreadable() + ", such as " + out.Lines
	}
}

// unreadable says what lines are that cannot be read.
func (f *Files) unreadable() string {
	switch f.Format {
	case "logfmt":
		return "not logfmt with a time in " + f.fields.time
	case "regexp":
		return "not matched by the regular expression"
	}
	return "not JSON with a time in " + f.fields.time
}
