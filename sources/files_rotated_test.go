package sources

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Each of these is read as belonging to app.log, whoever rotated it; the others are files of their own.
func TestFilesRotatedNames(t *testing.T) {
	for _, name := range []string{
		"app.log", "app.log.1", "app.log.2.gz", "app.log.old", "app.log-20261124", "app.log-20261124.gz", "app.log.2026-11-24", "app.log2026-11-24", "app.log.2026-11-24_10",
		"app.1.log", "app.01.log", "app.2026-11-24.log", "app.2026-11-24.0.log.gz", "app-2026-11-24.0.log", "app-2026-11-24T10-00-00.000.log", "app-2026-11-24T10-00-00.000.log.gz",
		"app-20261124.log", "app-20261124.log.gz", "app20261124.log", "app20261124_001.log", "app-11-24-2026-1.log.gz", "app_20261124.log", "app.20261124-100000.log",
	} {
		folder := t.TempDir()
		writeLog(t, filepath.Join(folder, name), logLine(midday.Add(time.Second), "shop", "h", 500, 1))
		f, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "app.log")})
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ask(t.Context(), ofMinute)[0]
		if count, _ := counted(got); got.Err != nil || count != 1 {
			t.Errorf("%s: %g errors, want 1: %v", name, count, got.Err)
		}
	}
	folder := t.TempDir()
	for _, name := range []string{"app-2.log", "app2.log", "apple.log", "app-web.log", "app.log.swp", "app.log.gz.part", "app-web-2026-11-24.log"} {
		writeLog(t, filepath.Join(folder, name), logLine(midday.Add(time.Second), "shop", "h", 500, 1))
	}
	writeLog(t, filepath.Join(folder, "app.log"), logLine(midday.Add(time.Second), "shop", "h", 500, 1))
	f, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "app.log")})
	if err != nil {
		t.Fatal(err)
	}
	if count, _ := counted(f.Ask(t.Context(), ofMinute)[0]); count != 1 {
		t.Errorf("%g errors, want that of app.log alone", count)
	}
}

// Kubernetes' links lead to the current file of a container; what the kubelet rotated lies beside that.
func TestFilesKubernetesLinks(t *testing.T) {
	folder := t.TempDir()
	pod := filepath.Join(folder, "pods", "default_shop_1", "app")
	links := filepath.Join(folder, "containers")
	for _, d := range []string{pod, links} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	line := logLine(midday.Add(time.Second), "shop", "h", 500, 1)
	writeLog(t, filepath.Join(pod, "0.log"), "2026-11-24T12:00:01.123456789Z stdout F "+line)
	writeLog(t, filepath.Join(pod, "0.log.20261124-115900"), "2026-11-24T12:00:01.123456789Z stdout F "+line)
	writeLog(t, filepath.Join(pod, "0.log.20261124-115800.gz"), "2026-11-24T12:00:01.123456789Z stdout F "+line)
	if err := os.Symlink(filepath.Join(pod, "0.log"), filepath.Join(links, "shop_default_app-0123.log")); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, links).Ask(t.Context(), ofMinute)[0]; got.Err != nil || len(got.Samples) != 1 || got.Samples[0].Count != 3 {
		t.Errorf("%+v, want the errors of the file and of both that were rotated", got)
	}
}
