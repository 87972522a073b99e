//go:build unix

package store

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// Lock takes the daemon's lock: at most one process serves a file. The system lets go of it when the process ends, however.
func (s *Store) Lock() error {
	f, err := os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("lock the store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		return fmt.Errorf("another daemon (pid %s) serves %s; stop it, or give this one a store of its own", strings.TrimSpace(string(holder)), s.path)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("lock the store: %w", err)
	}
	s.lock = f
	return nil
}
