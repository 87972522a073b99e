// Package memory keeps the files of tests in memory. A store waits for the disk at every transaction, which is most of the time of tests
// that have one; they kill processes at most, never the machine, so they see the same without.
package memory

import (
	"os"
	"slices"
	"strings"
	"syscall"
)

const (
	folder = "/dev/shm"
	room   = 2 << 30 // bytes; containers often have 64 MiB
	noExec = 8       // ST_NOEXEC of statfs(2): tests write programs and run them
)

// ForTemp lets t.TempDir and os.MkdirTemp of this process, and of those that it starts, be in memory, where the system has room there.
// Who set TMPDIR keeps it, and benchmarks keep the disk.
func ForTemp() {
	measures := slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.bench=") && arg != "-test.bench=" })
	var at syscall.Statfs_t
	if measures || os.Getenv("TMPDIR") != "" || syscall.Statfs(folder, &at) != nil || at.Flags&noExec != 0 || at.Bavail*uint64(at.Bsize) < room {
		return
	}
	probe, err := os.MkdirTemp(folder, "verifier-")
	if err != nil || os.Remove(probe) != nil {
		return
	}
	_ = os.Setenv("TMPDIR", folder) // without it they are on the disk, and slower
}
