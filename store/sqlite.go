package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"verifier"
)

// All that only SQLite understands is in this file; portable_test.go holds the others to what PostgreSQL understands too.

//go:embed migrations/*.sql
var migrations embed.FS

// begin takes the write lock at once, so that a transaction never has to give up half way.
const begin = "BEGIN IMMEDIATE"

func (s *Store) open(ctx context.Context) (err error) {
	pragmas := "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=temp_store(memory)&_pragma=cache_size(-4000)"
	if s.write, err = sql.Open("sqlite", "file:"+escapePath(s.path)+pragmas); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(2) // the writer's, and one for migrations and backups
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.openPool(""); err != nil {
		return err
	}
	s.writer, err = newWriter(ctx, s.write, s.announce)
	return err
}

func (s *Store) openPool(more string) (err error) {
	readOnly := "?mode=ro" + more + "&_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=temp_store(memory)&_pragma=cache_size(-4000)"
	if s.read, err = sql.Open("sqlite", "file:"+escapePath(s.path)+readOnly); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	return nil
}

// OpenReading opens the SQLite file for reading alone: nothing is made, migrated or locked. Only methods that read may be called; a
// file whose schema is another than this program's is refused.
//
// A file that nobody has open is read as one that does not change: SQLite would else leave files beside it, which belong to whoever
// reads and keep a daemon of another user out. Close says so where it did change.
func OpenReading(ctx context.Context, path string, catalogue func() *verifier.Catalogue) (*Store, error) {
	if strings.Contains(path, "://") {
		return nil, notSQLite(path)
	}
	s := &Store{Now: time.Now, path: path, catalogue: catalogue, subscribers: map[chan struct{}]bool{}, changed: make(chan struct{}, 1)}
	more := ""
	if s.still = stillFile(path); s.still != nil {
		more = "&immutable=1"
	}
	if err := s.openPool(more); err != nil {
		return nil, fmt.Errorf("open the store %s: %w", path, damaged(err))
	}
	current, newest, err := s.versions(ctx)
	if err == nil && current != newest {
		err = fmt.Errorf("its schema is version %d and this program's %d: run verifier migrate, or use the verifier that wrote it", current, newest)
	}
	if err != nil {
		_ = s.Close() // nothing was read that could be wrong
		return nil, fmt.Errorf("open the store %s: %w", path, damaged(err))
	}
	return s, nil
}

// stillFile is a store's file where nobody has it open, else nil.
func stillFile(path string) os.FileInfo {
	file, err := os.Stat(path)
	if _, open := os.Stat(path + "-wal"); err != nil || !errors.Is(open, fs.ErrNotExist) {
		return nil
	}
	return file
}

// moved is an error where a file that was read as one that does not change did change.
func (s *Store) moved() error {
	if s.still == nil {
		return nil
	}
	if now := stillFile(s.path); now != nil && now.Size() == s.still.Size() && now.ModTime().Equal(s.still.ModTime()) {
		return nil
	}
	return fmt.Errorf("the store %s was opened for writing while it was read; run it again", s.path)
}

// versions are the schema's version as the file has it, and the newest that there is.
func (s *Store) versions(ctx context.Context) (current, newest int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, 0, err
		}
		newest = max(newest, version)
	}
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&current)
	return current, newest, err
}

func escapePath(p string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(p)
}

// migrate brings the schema up to date. A file written by a newer version is refused.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.write, files)
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if current > target {
		return fmt.Errorf("its schema is version %d and this program knows %d: use a newer verifier, or restore a backup", current, target)
	}
	if current == target {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Backup writes a whole copy of the record to a file that must not exist, while others go on writing.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return verifier.Invalid("path", "%s exists; name a file that does not", path)
	}
	if _, err := s.write.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	return nil
}

// damaged is the error of opening a file for people.
func damaged(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR:
		return fmt.Errorf("it is damaged, or no store of verifier; verifier restore puts a backup in its place: %w", err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return fmt.Errorf("the file and its folder must be readable and writable for this user: %w", err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk is full: %w", err)
	}
	return err
}

// unwritten is the error of a write for callers: what the disk or another process is to blame for is worth another try.
func unwritten(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return &verifier.TemporaryError{Err: fmt.Errorf("the record cannot be written, the disk is full: %w", err)}
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN:
		return &verifier.TemporaryError{Err: fmt.Errorf("the record cannot be written: %w", err)}
	}
	return err
}

// code is SQLite's primary result code; 0 where the error is not SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
