package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// giveBack lets go of what only the start needed: free heap, and pages of the program's own file, most of which its many channels and
// sources touched once. The kernel maps those that are used again as they are used. What cannot be read or let go of stays.
func giveBack() {
	debug.FreeOSMemory()
	program, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var access string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &access); n != 3 || !strings.HasSuffix(lines.Text(), " "+program) {
			continue
		}
		if access == "r-xp" || access == "r--p" { // never written, so that nothing is lost
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}
