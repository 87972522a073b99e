//go:build !unix

package store

import "errors"

// Lock is for the daemon, which runs on Unix; elsewhere only the client commands do.
func (s *Store) Lock() error { return errors.New("the daemon runs on Linux and macOS only") }
