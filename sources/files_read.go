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
	most     int64 // of bytes
	partial  string
	tally    tally
	here     fileTally
	steps    []*bucket // those that the last line of this file was counted in
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

func (r *reading) file(l logFile) error {
	r.begin(l)
	defer r.end(l)
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
		return r.scan(unzipped, false, true)
	case ".bz2":
		return r.scan(bzip2.NewReader(f), false, true)
	case "":
		return r.plain(f)
	}
	return fmt.Errorf("files that end in %s are not read; use gzip", l.packed())
}

// plain reads a file that can be bisected.
func (r *reading) plain(f *os.File) error {
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
	return r.scan(f, start > 0, time.Since(info.ModTime()) > restsAfter)
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

// lookedAt is among how many lines they are looked for: a crash writes long stack traces.
const lookedAt = 10_000

// timeAfter is the latest time of the first readable lines that begin after the offset.
func (r *reading) timeAfter(f *os.File, offset int64) (latest time.Time, ok bool, err error) {
	lines := bufio.NewReaderSize(io.NewSectionReader(f, offset, maxLine), blockSize)
	if offset > 0 {
		if _, err := readLine(lines); err != nil {
			return latest, false, notEOF(err)
		}
	}
	seen := 0
	for range lookedAt {
		line, err := readLine(lines)
		if err != nil {
			return latest, seen > 0, notEOF(err)
		}
		fields, bad := r.read(trimLine(line))
		if bad != nil {
			continue
		}
		if at, err := r.timeOf(fields); err == nil {
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

// restsAfter is after how long a file that nobody writes to has a last line that is whole, although its newline is missing.
const restsAfter = time.Minute

// scan reads lines to the end of the stretch. A last line without its newline is being written: it is left out, unless the file is at
// rest, or the line is a whole object. cut says that the first line may be half a one, which is not counted as bad.
func (r *reading) scan(from io.Reader, cut, atRest bool) error {
	lines := bufio.NewReaderSize(metered{r, from}, blockSize)
	for late := 0; late < beyond; cut = false {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			if atRest || r.json() {
				r.line(line, true)
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch when := r.line(line, cut); when {
		case later:
			late++
		case inTime:
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
	n, err := m.from.Read(p[:min(int64(len(p)), max(m.most-m.bytes, 0)+1)])
	m.bytes += int64(n)
	if m.bytes > m.most {
		m.partial = fmt.Sprintf("reading stopped after %d bytes (max_bytes)", m.most)
		return n, errEnough
	}
	return n, err
}

// readLine is one whole line; one that is longer than maxLine is cut there. At the end of the file it gives what has no newline. Blocks of
// NUL, which a crash of the machine leaves, are left out.
func readLine(lines *bufio.Reader) ([]byte, error) {
	var long []byte
	for {
		part, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if len(long) < maxLine && !(len(long) == 0 && len(bytes.Trim(part, "\x00")) == 0) {
				long = append(long, part...)
			}
			continue
		}
		if long == nil {
			return part, err
		}
		return append(long, part...), err
	}
}

// trimLine takes off what is around a line and not of it: blanks, a byte order mark, NUL.
func trimLine(line []byte) []byte {
	line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("\ufeff"))
	return bytes.TrimSpace(bytes.Trim(line, "\x00"))
}

// when is where a line lies.
type when int

const (
	unread when = iota // it has no time that can be read
	inTime             // at or before the end of the stretch
	later
)

// line takes one line. One that may be cut is left out silently where it cannot be read.
func (r *reading) line(line []byte, cut bool) when {
	line = trimLine(line)
	if len(line) == 0 {
		return unread
	}
	fields, err := r.read(line)
	if err != nil {
		if !cut {
			r.skip(line, err, false)
		}
		return unread
	}
	at, err := r.timeOf(fields)
	if err != nil {
		if !cut {
			r.skip(line, err, true)
		}
		return unread
	}
	r.tally.lines++
	r.here.readable++
	if at.After(r.to.Add(slack)) {
		r.steps = nil
		return later
	}
	r.take(at, document{field: fields, analyzed: r.fields.message})
	return inTime
}
