//go:build unix

package rollback

import (
	"os/exec"
	"syscall"
)

// ownGroup lets a timeout end the program with all that it started.
func ownGroup(run *exec.Cmd) {
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
}
