// Package store keeps the record: deliveries, deploys, verifications and all that follows from them.
//
// All writes of a process go through one goroutine, which takes whatever waits, runs each in a savepoint, commits once, and only
// then answers: an answer means that it is on the disk. Reads use a pool of their own and never wait for a writer. What waits for
// a time is a row with due_at and revision: a claim raises the revision and puts due_at off, a save says which revision it is
// made from, and of two savers one gets an ErrConflict. Several processes may open the same file; only one may hold its [Store.Lock].
//
// The interface, the schema and the text of SQL are meant for SQLite and PostgreSQL alike (with collation C, since ids and places are
// compared by bytes); SQLite is what there is now, and what only it understands is in sqlite.go.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"verifier"
)

// Store is one open record. It is safe for many goroutines.
type Store struct {
	Now func() time.Time // the clock that decisions go by; a test may set its own before anything is decided

	path      string
	catalogue func() *verifier.Catalogue
	read      *sql.DB
	write     *sql.DB
	writer    *writer
	still     os.FileInfo // the file as OpenReading found it, where nobody had it open
	lock      *os.File
	importing atomic.Pointer[os.File] // the lock while an import of this Store runs
	used      sync.Map                // hash of a token to when its use was written last
	rules     sync.Map                // hash to []verifier.Rule; rule sets never change

	mu          sync.Mutex
	subscribers map[chan struct{}]bool
	changed     chan struct{}
}

// Open opens the SQLite file (made where it is missing) and brings its schema up to date. catalogue gives the names as they are
// configured now; nil knows none.
func Open(ctx context.Context, dsn string, catalogue func() *verifier.Catalogue) (*Store, error) {
	if strings.Contains(dsn, "://") {
		return nil, notSQLite(dsn)
	}
	if catalogue == nil {
		empty := &verifier.Catalogue{}
		catalogue = func() *verifier.Catalogue { return empty }
	}
	if _, err := os.Stat(filepath.Dir(dsn)); err != nil {
		return nil, fmt.Errorf("open the store %s: its folder is missing: %w", dsn, err)
	}
	if file, err := os.Stat(dsn); err == nil && file.IsDir() {
		return nil, fmt.Errorf("open the store %s: it is a folder; write a file in it, like %s", dsn, filepath.Join(dsn, "verifier.db"))
	}
	s := &Store{Now: time.Now, path: dsn, catalogue: catalogue, subscribers: map[chan struct{}]bool{}, changed: make(chan struct{}, 1)}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open the store %s: %w", dsn, damaged(err))
	}
	return s, nil
}

// notSQLite leaves out what follows the scheme: a password may be in it.
func notSQLite(dsn string) error {
	scheme, _, _ := strings.Cut(dsn, "://")
	return verifier.Invalid("store", "%s://…: only SQLite files are supported so far; write a path like ./verifier.db", scheme)
}

// Trouble is why the last write failed, or that one has run for 10 s; nil otherwise.
func (s *Store) Trouble() error {
	if err := s.writer.stands(); err != nil {
		return err
	}
	if err := s.writer.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Close finishes what waits to be written and closes the file.
func (s *Store) Close() error {
	if s.writer != nil {
		s.writer.close()
	}
	s.unlockImports()
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(append(errs, s.moved())...)
}

// Changed is signalled after writes that may have made something due; several writes may be one signal. It is for one reader.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Subscribe gives a channel that is signalled after every write, and what ends it.
func (s *Store) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, c)
	}
}

func (s *Store) announce() {
	signal(s.changed)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.subscribers {
		signal(c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func millisOrNull(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
