package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestFullDisk fills the file to its last page: what was answered is kept, what could not be written is a temporary error that says
// so, and all goes on when there is room again.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pages := func(n int) {
		if _, err := s.writer.tx.conn.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", n)); err != nil {
			t.Fatal(err)
		}
	}
	record := func(i int) error {
		d := release(fmt.Sprint(i), "1.0", noon)
		_, err := s.Record(t.Context(), verifier.Delivery{ID: d.ID, Tool: "api", ReceivedAt: noon, Body: make([]byte, 1000)}, []verifier.Deploy{d}, nil)
		return err
	}
	pages(60)
	kept := 0
	for ; err == nil && kept < 1000; kept++ {
		err = record(kept)
	}
	kept--
	if !errors.Is(err, verifier.ErrTemporary) || !strings.Contains(err.Error(), "the disk is full") || s.Trouble() == nil {
		t.Fatalf("after %d deploys: %v, trouble %v", kept, err, s.Trouble())
	}
	if _, err := s.Deploy(t.Context(), fmt.Sprint(kept)); !errors.Is(err, verifier.ErrNotFound) {
		t.Errorf("what was refused is recorded: %v", err)
	}
	pages(1 << 20)
	if err := record(kept); err != nil || s.Trouble() != nil {
		t.Errorf("with room again: %v, trouble %v", err, s.Trouble())
	}
	for i := range kept + 1 {
		if _, err := s.Deploy(t.Context(), fmt.Sprint(i)); err != nil {
			t.Errorf("deploy %d was answered and is gone: %v", i, err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	s, err := Open(t.Context(), newer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	_, known, err := s.versions(t.Context())
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("at,service\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		newer: fmt.Sprintf("its schema is version 99 and this program knows %d: use a newer verifier, or restore a backup", known),
		text:  "it is damaged, or no store of verifier", dir: "it is a folder; write a file in it",
		filepath.Join(dir, "none", "v.db"): "its folder is missing", "postgres://u:secret@db/v": "only SQLite files",
	} {
		if _, err := Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q in it", path, err, want)
		}
	}
}

// A file that nobody has open is read without a trace; one that is written to meanwhile is an error, since what was read may be wrong.
func TestOpenReadingLeavesNothing(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	path := filepath.Join(dir, "v.db")
	s, err := Open(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reading, err := OpenReading(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(dir)
	if err := reading.Close(); err != nil || len(files) != 1 {
		t.Errorf("%v; files %v", err, files)
	}
	if reading, err = OpenReading(ctx, path, nil); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(ctx, path, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := reading.Close(); err == nil || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("opened for writing meanwhile: %v", err)
	}
	if reading, err = OpenReading(ctx, path, nil); err != nil {
		t.Fatal(err)
	}
	if err := reading.Close(); err != nil {
		t.Errorf("beside a daemon: %v", err)
	}
}

// TestWriterStandsStill holds that a write that does not end is trouble while it runs, though nothing failed.
func TestWriterStandsStill(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "verifier.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.writer.patience != 10*time.Second {
		t.Errorf("a write may take %s", s.writer.patience)
	}
	s.writer.patience = 20 * time.Millisecond
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- s.writer.do(t.Context(), func(*tx) error { close(begun); <-end; return nil })
	}()
	<-begun
	time.Sleep(2 * s.writer.patience)
	if err := s.Trouble(); err == nil || !strings.Contains(err.Error(), "busy with one write for") {
		t.Errorf("while the writer stands still: %v", err)
	}
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	put(t, s, release("a", "1.0", noon), nil) // the batch before is over
	if err := s.Trouble(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
