package sources

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"verifier"
)

// reading is one pass over the files for some questions.
type reading struct {
	*Files
	ctx      context.Context
	asked    []*asked
	from, to time.Time
	services map[place]bool
	missing  map[string]bool // fields that are filtered by and that no line had so far
	bytes    int64
	lines    int
	bad      int
	firstBad string
	partial  string
}

var errEnough = errors.New("enough")

// all reads what may hold lines of the questions' stretches. What cannot be read of several files makes the answer partial.
func (r *reading) all() error {
	r.from, r.to = r.asked[0].From, r.asked[0].To
	for _, a := range r.asked[1:] {
		if a.From.Before(r.from) {
			r.from = a.From
		}
		if a.To.After(r.to) {
			r.to = a.To
		}
	}
	files, err := r.filesOf(r.from)
	if err != nil {
		return err
	}
	var failed []error
	for _, f := range files {
		err := r.file(f)
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil && !os.IsNotExist(err) { // rotated away meanwhile: its brother is read
			failed = append(failed, fmt.Errorf("read %s: %w", f.name, withoutPath(err)))
		}
	}
	switch {
	case len(failed) > 0 && len(failed) == len(files):
		return &verifier.SourceError{Reason: verifier.SourceDown, Err: failed[0]}
	case len(failed) > 0:
		r.partial = cmp.Or(r.partial, failed[0].Error())
	}
	return r.believable()
}

// believable fails where most lines cannot be read: the format is another one, or the field of the time. A regular expression may
// leave out lines, such as those of a stack trace, as long as it reads any.
func (r *reading) believable() error {
	if r.bad == 0 || r.bad*2 <= r.lines || r.Format == "regexp" && r.bad < r.lines {
		return nil
	}
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("%d of %d lines cannot be read; the first: %s", r.bad, r.lines, r.firstBad)}
}

func (r *reading) file(l logFile) error {
	f, err := os.Open(l.name)
	if err != nil {
		return err
	}
	defer f.Close()
	switch l.packed() {
	case ".gz":
		unzipped, err := gzip.NewReader(f)
		if errors.Is(err, io.EOF) {
			return nil // empty
		}
		if err != nil {
			return err
		}
		return r.scan(l.name, unzipped, false)
	case ".bz2":
		return r.scan(l.name, bzip2.NewReader(f), false)
	case "":
		return r.plain(l.name, f)
	}
	return fmt.Errorf("files that end in %s are not read; use gzip", l.packed())
}

// plain reads a file that can be bisected.
func (r *reading) plain(name string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	start, err := r.bisect(f, info.Size())
	if err != nil {
		return err
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return err
	}
	return r.scan(name, f, start > 0)
}

// blockSize is how fine the bisection is.
const blockSize = 64 << 10

// bisect finds a place at or before the first line of the stretch. Lines are in order but for a few seconds, which slack covers.
func (r *reading) bisect(f *os.File, size int64) (int64, error) {
	var failed error
	want := r.from.Add(-slack)
	blocks := int(size / blockSize)
	after := func(i int) bool {
		at, ok, err := r.timeAfter(f, int64(i)*blockSize)
		if err != nil {
			failed = err
		}
		return !ok || at.After(want)
	}
	n := blocks
	if blocks > 0 && after(blocks-1) { // most rotated files end before the stretch: they are left at once
		n = sort.Search(blocks-1, after)
	}
	return int64(max(0, n-1)) * blockSize, failed
}

// looks is of how many lines the latest time counts while bisecting, so that a single wrong one does not lead astray.
const looks = 5

// timeAfter is the latest time of the first readable lines that begin after the offset.
func (r *reading) timeAfter(f *os.File, offset int64) (latest time.Time, ok bool, err error) {
	lines := bufio.NewReaderSize(io.NewSectionReader(f, offset, maxLine), blockSize)
	if offset > 0 {
		if _, err := readLine(lines); err != nil {
			return latest, false, notEOF(err)
		}
	}
	seen := 0
	for range 100 {
		line, err := readLine(lines)
		if err != nil {
			return latest, seen > 0, notEOF(err)
		}
		fields, bad := r.parse(bytes.TrimSpace(line))
		if bad != nil {
			continue
		}
		if at, ok := r.timeOf(fields); ok {
			seen++
			if at.After(latest) {
				latest = at
			}
		}
		if seen == looks {
			break
		}
	}
	return latest, seen > 0, nil
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// beyond is after how many lines in a row that are later than the stretch the reading ends. One wrong clock does not end it.
const beyond = 100

// scan reads lines to the end of the stretch. A last line without its newline is being written: it is left out.
// cut says that the first line may be half a one, which is not counted as bad.
func (r *reading) scan(name string, from io.Reader, cut bool) error {
	lines := bufio.NewReaderSize(metered{r, from}, blockSize)
	for late := 0; late < beyond; cut = false {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.line(name, line, cut) {
			late++
		} else {
			late = 0
		}
	}
	return nil
}

// metered stops reading when the question's bytes or its time are used up, however long a line is or a packed file gets.
type metered struct {
	*reading
	from io.Reader
}

func (m metered) Read(p []byte) (int, error) {
	if m.ctx.Err() != nil {
		m.partial = fmt.Sprintf("reading stopped after %s (max_time)", m.MaxTime)
		return 0, errEnough
	}
	n, err := m.from.Read(p[:min(int64(len(p)), max(m.MaxBytes-m.bytes, 0)+1)])
	m.bytes += int64(n)
	if m.bytes > m.MaxBytes {
		m.partial = fmt.Sprintf("reading stopped after %d bytes (max_bytes)", m.MaxBytes)
		return n, errEnough
	}
	return n, err
}

// readLine is one whole line; one that is longer than maxLine is cut there.
func readLine(lines *bufio.Reader) ([]byte, error) {
	var long []byte
	for {
		part, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if len(long) < maxLine {
				long = append(long, part...)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if long == nil {
			return part, nil
		}
		return append(long, part...), nil
	}
}

// line takes one line; it reports whether it is later than the stretch.
func (r *reading) line(name string, line []byte, cut bool) (late bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return false
	}
	fields, err := r.parse(line)
	var at time.Time
	ok := false
	if err == nil {
		at, ok = r.timeOf(fields)
	}
	if !ok && cut {
		return false
	}
	r.lines++
	if !ok {
		r.bad++
		if r.firstBad == "" {
			r.firstBad = fmt.Sprintf("%s: %.80q: %v", name, line, orNoTime(err, r.fields.time))
		}
		return false
	}
	if at.After(r.to.Add(slack)) {
		return true
	}
	r.take(at, document{field: fields, analyzed: r.fields.message})
	return false
}

func orNoTime(err error, field string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("no time in its field %s", field)
}
