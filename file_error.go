package verifier

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// FileError says what is wrong at one place of a file that people write. Its text names the place and the problem and shows nothing
// else of the file, so that it may go to a log, a page and an alert.
type FileError struct {
	File         string
	Line, Column int // from 1; 0 where the place is unknown
	Problem      string
}

// Error is file:line:column: problem.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *FileError) Is(target error) bool { return target == ErrInvalid }

// EachError takes apart what errors.Join joined, at any depth. nil has no parts.
func EachError(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, part := range joined.Unwrap() {
		list = append(list, EachError(part)...)
	}
	return list
}

// SortErrors joins all parts of the errors, each once: by file, line and column, those without a place last.
func SortErrors(list ...error) error {
	var all []error
	seen := map[string]bool{}
	for _, err := range EachError(errors.Join(list...)) {
		if !seen[err.Error()] {
			seen[err.Error()] = true
			all = append(all, err)
		}
	}
	slices.SortStableFunc(all, func(a, b error) int {
		var x, y *FileError
		if inX, inY := errors.As(a, &x), errors.As(b, &y); !inX || !inY {
			return cmp.Compare(btoi(inY), btoi(inX))
		}
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	return errors.Join(all...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
