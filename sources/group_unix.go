//go:build unix

package sources

import (
	"os/exec"
	"syscall"
)

// ownGroup lets a timeout end the program with all that it started.
func ownGroup(run *exec.Cmd) {
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
}

// killGroup ends what a program that has ended left running. Its group lives as long as one of those does, so that its number is
// nobody else's; without any there is no such group.
func killGroup(run *exec.Cmd) { _ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
