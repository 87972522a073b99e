//go:build !unix

package store

import (
	"errors"
	"os"
)

var errUnix = errors.New("this needs Linux or macOS; elsewhere only the commands that ask a server work")

// Lock is for the daemon, which runs on Unix; elsewhere only the client commands do.
func (s *Store) Lock() error { return errUnix }

// LockFile is for commands that run on Unix.
func LockFile(string) (*os.File, error) { return nil, errUnix }

func (s *Store) lockImports() error { return errUnix }

func (s *Store) unlockImports() {}
