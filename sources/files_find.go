package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"verifier"
)

// rotated is how the names of rotated brothers end: .1, .2.gz, -20161101, .2016-11-01.bz2, .old.
var rotated = regexp.MustCompile(`([-.]\d[\d._T-]*|\.old)?(\.(gz|bz2|xz|zst))?$`)

// logFile is one file that may hold lines of the stretch.
type logFile struct {
	name string
	info fs.FileInfo
}

// packed is how the file is compressed, by the end of its name; empty where it is not.
func (l logFile) packed() string {
	switch end := filepath.Ext(l.name); end {
	case ".gz", ".bz2", ".xz", ".zst":
		return end
	}
	return ""
}

// filesOf lists the files that may hold lines of the stretch, rotated ones too. A file that is there by two names is read once.
func (f *Files) filesOf(from time.Time) ([]logFile, error) {
	names, err := f.names()
	if err != nil {
		return nil, &verifier.SourceError{Reason: verifier.SourceGone, Permanent: true, Err: err}
	}
	var files []logFile
	found := false
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		found = true
		one := logFile{name, info}
		if one.packed() != "" && info.ModTime().Before(from.Add(-slack)) { // what is packed cannot be bisected
			continue
		}
		if !slices.ContainsFunc(files, func(l logFile) bool { return os.SameFile(l.info, info) }) {
			files = append(files, one)
		}
	}
	if !found {
		return nil, f.gone()
	}
	return slices.DeleteFunc(files, func(l logFile) bool { return l.beingPacked(files) }), nil
}

// beingPacked reports whether the file that this one is made from is still there: its lines would count twice.
func (l logFile) beingPacked(files []logFile) bool {
	plain := strings.TrimSuffix(l.name, l.packed())
	return plain != l.name && slices.ContainsFunc(files, func(other logFile) bool { return other.name == plain })
}

// gone says why no file was found. The folder stays out of it: the status shows the error to everybody who may read.
func (f *Files) gone() error {
	err := fmt.Errorf("no file matches %s", filepath.Base(f.Path))
	if _, why := os.Stat(f.Path); why != nil && !errors.Is(why, fs.ErrNotExist) {
		err = fmt.Errorf("no file matches %s: %w", filepath.Base(f.Path), withoutPath(why))
	}
	return &verifier.SourceError{Reason: verifier.SourceGone, Err: err}
}

// withoutPath is the error of a file without its name, which is said already.
func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
