package sources

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"verifier"
)

// reading is one pass over the files for some questions.
type reading struct {
	*Files
	ctx      context.Context
	asked    []*asked
	from, to time.Time
	services map[string]bool // seen
	bytes    int64
	lines    int
	bad      int
	firstBad string
	partial  string
}

var errEnough = errors.New("enough")

// all reads what may hold lines of the questions' stretches.
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
	for _, name := range files {
		err := r.file(name)
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil && !os.IsNotExist(err) { // rotated away meanwhile: its brother is read
			return &verifier.SourceError{Reason: verifier.SourceDown, Err: fmt.Errorf("read %s: %w", name, err)}
		}
	}
	if r.bad > 0 && r.bad*2 > r.lines {
		return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("%d of %d lines cannot be read; the first: %s", r.bad, r.lines, r.firstBad)}
	}
	return nil
}

func (r *reading) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(name, ".gz") {
		unzipped, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		return r.scan(name, unzipped, false, false)
	}
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
	return r.scan(name, f, true, start > 0)
}

// blockSize is how fine the bisection is.
const blockSize = 64 << 10

// bisect finds a place at or before the first line of the stretch. Lines are in order but for a few seconds, which slack covers.
func (r *reading) bisect(f *os.File, size int64) (int64, error) {
	var failed error
	want := r.from.Add(-slack)
	blocks := int(size / blockSize)
	n := sort.Search(blocks, func(i int) bool {
		at, ok, err := r.timeAfter(f, int64(i)*blockSize)
		if err != nil {
			failed = err
		}
		return !ok || at.After(want)
	})
	return int64(max(0, n-1)) * blockSize, failed
}

// timeAfter is the time of the first readable line that begins after the offset.
func (r *reading) timeAfter(f *os.File, offset int64) (time.Time, bool, error) {
	lines := bufio.NewReaderSize(io.NewSectionReader(f, offset, 4<<20), blockSize)
	if offset > 0 {
		if _, err := lines.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return time.Time{}, false, notEOF(err)
		}
	}
	for range 100 {
		line, err := lines.ReadBytes('\n')
		if fields, bad := r.parse(bytes.TrimSpace(line)); bad == nil {
			if at, ok := r.timeOf(fields); ok {
				return at, true, nil
			}
		}
		if err != nil {
			return time.Time{}, false, notEOF(err)
		}
	}
	return time.Time{}, false, nil
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// scan reads lines to the end of the stretch. A last line without its newline is being written: it is left out.
// cut says that the first line may be half a one, which is not counted as bad.
func (r *reading) scan(name string, from io.Reader, ordered, cut bool) error {
	lines := bufio.NewReaderSize(from, blockSize)
	for {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.bytes += int64(len(line))
		if r.bytes > r.MaxBytes || r.ctx.Err() != nil {
			r.partial = fmt.Sprintf("reading stopped after %d MiB (max_bytes %d MiB, max_time %s)", r.bytes>>20, r.MaxBytes>>20, r.MaxTime)
			return errEnough
		}
		if r.line(name, line, cut) && ordered {
			return nil
		}
		cut = false
	}
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

// line takes one line; it reports whether the stretch is over.
func (r *reading) line(name string, line []byte, cut bool) (over bool) {
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
