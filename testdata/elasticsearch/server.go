// Package elasticsearch starts real Elasticsearch servers for tests: nodes of Maven Central's artifacts, on loopback, with 512 MB of
// heap. There is one for each line and test binary, and it ends with that. The libraries are fetched and the launcher is compiled once,
// into $XDG_CACHE_HOME/verifier-elasticsearch. There are no modules: no data streams, and GET / answers 405.
package elasticsearch

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The lines that are there.
const (
	Line7 = "7" // 7.17.29
	Line8 = "8" // 8.15.5
)

type started struct {
	url string
	err error
}

var (
	mu      sync.Mutex
	servers = map[string]func() started{}
	inputs  = map[string]io.Closer{} // what is forgotten is closed some time, and the server with it
)

// URL is the address of the line's server, which is started by the first test that asks. Tests share it: each keeps to indices of its
// own. Without java and mvn the test is skipped, or fails where VERIFIER_NO_SKIP is set.
func URL(t testing.TB, line string) string {
	t.Helper()
	for _, program := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("VERIFIER_NO_SKIP") != "" {
				t.Fatalf("no %s: testdata/tools.sh installs it", program)
			}
			t.Skipf("SKIPPED: no %s, so nothing is asked of a real Elasticsearch; testdata/tools.sh installs it", program)
		}
	}
	mu.Lock()
	if servers[line] == nil {
		servers[line] = sync.OnceValue(func() started {
			url, err := start(line)
			return started{url, err}
		})
	}
	run := servers[line]
	mu.Unlock()
	s := run()
	if s.err != nil {
		t.Fatalf("start Elasticsearch %s: %v", line, s.err)
	}
	return s.url
}

// start runs a node in a fresh folder. It ends when its standard input does, which is with this process at the latest.
func start(line string) (string, error) {
	built, err := build(line)
	if err != nil {
		return "", err
	}
	home, err := os.MkdirTemp("", "verifier-elasticsearch-")
	if err != nil {
		return "", err
	}
	for _, folder := range []string{"config", "plugins", "modules", "logs"} {
		if err := os.Mkdir(filepath.Join(home, folder), 0o700); err != nil {
			return "", err
		}
	}
	args := []string{
		"-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Des.path.home=" + home,
		"-Dlog4j.configurationFile=" + filepath.Join(built, "log4j2.properties"), "-Dlog4j2.formatMsgNoLookups=true",
	}
	libraries := filepath.Join(built, "lib")
	if line == Line8 {
		if err := os.CopyFS(filepath.Join(home, "modules"), os.DirFS(filepath.Join(built, "modules"))); err != nil {
			return "", err
		}
		args = append(args, "--module-path", libraries, "--add-modules", "org.elasticsearch.server,jdk.net,java.management",
			"--add-opens", "java.base/java.io=ALL-UNNAMED", "-cp", filepath.Join(built, "classes"))
	} else {
		args = append(args, "-cp", filepath.Join(built, "classes")+":"+libraries+"/*")
	}
	run := exec.Command("sh", append([]string{"-c", `"$@"; rm -rf "$0"`, home, "java"}, append(args, "Launch", home)...)...)
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the test, whose end ends the server, which is then cleared away
	input, err := run.StdinPipe()
	if err != nil {
		return "", err
	}
	mu.Lock()
	inputs[line] = input
	mu.Unlock()
	out, err := run.StdoutPipe()
	if err != nil {
		return "", err
	}
	run.Stderr = run.Stdout
	if err := run.Start(); err != nil {
		return "", err
	}
	return listening(out)
}

// listening waits for the address that the node tells, and goes on reading what it says.
func listening(out io.Reader) (string, error) {
	address := make(chan string, 1)
	var said strings.Builder
	go func() {
		defer close(address)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if at, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
				address <- "http://" + at
				io.Copy(io.Discard, out)
				return
			}
			fmt.Fprintln(&said, lines.Text())
		}
	}()
	select {
	case url := <-address:
		if url == "" {
			return "", fmt.Errorf("it ended: %s", said.String())
		}
		return url, nil
	case <-time.After(2 * time.Minute):
		return "", fmt.Errorf("it does not listen after 2 minutes")
	}
}

// build fetches the libraries and compiles the launcher, once for each content of its folder: test binaries that run at the same time
// wait for the one that does.
func build(line string) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	from := filepath.Join(filepath.Dir(here), line)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range []string{"pom.xml", "Launch.java"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	built := filepath.Join(cache, "verifier-elasticsearch", fmt.Sprintf("%s-%x", line, sum.Sum(nil)[:6]))
	if err := os.MkdirAll(filepath.Dir(built), 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(built+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(built); err == nil {
		return built, nil
	}
	script := filepath.Join(filepath.Dir(from), "build.sh")
	if out, err := exec.Command("sh", script, from, built+".new").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, err, out)
	}
	return built, os.Rename(built+".new", built)
}
