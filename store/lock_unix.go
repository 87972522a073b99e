//go:build unix

package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"verifier"
)

// Lock takes the daemon's lock: at most one process serves a file. The system lets go of it when the process ends, however.
func (s *Store) Lock() error {
	f, err := LockFile(s.path)
	if err != nil {
		return err
	}
	s.lock = f
	return nil
}

// LockFile takes the daemon's lock of a store that is not opened; to close it is to let go of it.
func LockFile(path string) (*os.File, error) {
	f, holder, err := lockFile(path + ".lock")
	if errors.Is(err, verifier.ErrConflict) {
		return nil, fmt.Errorf("another daemon (pid %s) serves %s; stop it, or give this one a store of its own", holder, path)
	}
	return f, err
}

// lockImports takes the turn to import; an ErrConflict says that another import runs.
func (s *Store) lockImports() error {
	f, holder, err := lockFile(s.path + ".import")
	if errors.Is(err, verifier.ErrConflict) {
		return &verifier.ConflictError{Problem: fmt.Sprintf("another import (pid %s) runs on %s; try again when it is over", holder, s.path)}
	}
	if err == nil {
		s.importing.Store(f)
	}
	return err
}

func (s *Store) unlockImports() {
	if f := s.importing.Swap(nil); f != nil {
		f.Close()
	}
}

// lockFile locks the file and writes who has it. Where somebody else does, it says who, with ErrConflict.
func lockFile(path string) (f *os.File, holder string, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, "", fmt.Errorf("lock the store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		text, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		return nil, strings.TrimSpace(string(text)), verifier.ErrConflict
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return nil, "", fmt.Errorf("lock the store: %w", err)
	}
	return f, "", nil
}
