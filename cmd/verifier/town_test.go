package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"verifier"
	"verifier/testdata/memory"
)

// asProgram makes the test's binary the program itself, so that tests can kill what users run.
const asProgram = "VERIFIER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	memory.ForTemp()
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		_ = flag.Set("test.parallel", "6") // nearly all of them wait most of the time
	}
	os.Exit(m.Run())
}

// long says that the tests run that take too long for every change: make long.
var long = os.Getenv("VERIFIER_LONG") != ""

// town is all that stands around a daemon: a shop with its log and metrics, a deploy tool, a pager, a chat, and the daemon itself
// as a process of its own.
type town struct {
	testing.TB
	folder, url string
	pager       *receiver
	slack       *receiver
	chat        *receiver
	hook        *receiver
	live        atomic.Pointer[string]

	log *os.File
	bad map[string]bool // versions with a fault

	mu               sync.Mutex
	requests, errors int

	daemon *exec.Cmd
	output bytes.Buffer // of all daemons, for a test that fails
	outMu  sync.Mutex
}

// townOptions are what tests differ by.
type townOptions struct {
	rules      string
	sources    string // besides logs
	mode       string // default auto
	countdown  string // default 1s
	config     string // more of verifier.yaml
	pager      func(int, taken, http.ResponseWriter)
	chat       func(int, taken, http.ResponseWriter)
	hook       func(int, taken, http.ResponseWriter)
	wholeWatch string // default 4s
}

const townConfig = `
listen: 127.0.0.1:%d
environments: [{name: production, production: true}]
sources:
  logs: {type: files, path: ./shop.log, lag: 300ms}
%s
services:
  - match: {service: shop, environment: production}
    team: orders
    rollback: {mode: %s, countdown: %s, by: {webhook: {url: '%s', secret: %s}}}
receivers:
  - name: orders
    pagerduty_configs: [{routing_key: k, url: '%s', send_resolved: true}]
    slack_configs:
      - {api_url: 'https://slack.com/api/chat.postMessage', channel: '#deploys', update_message: true, send_resolved: true,
         http_config: {authorization: {credentials: xoxb-test}, proxy_url: '%s', tls_config: {insecure_skip_verify: true}}}
    webhook_configs: [{url: '%s', send_resolved: true}]
route: {receiver: orders, repeat_interval: 4h}
%s
`

const townRules = `
defaults: {settle: 0, watch: %s, every: 200ms}
rules:
  - name: error-ratio
    measure: {source: logs, ratio: {of: 'http.response.status_code:>=500', to: 'http.response.status_code:*'}}
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%%, at_least: 0.05}
    on_fail: rollback
`

// openTown builds everything but the daemon. 0.9 and 1.0 were deployed some minutes ago and ran well; 1.1 fails every third request.
func openTown(t testing.TB, o townOptions) *town {
	t.Helper()
	w := &town{TB: t, folder: t.TempDir(), bad: map[string]bool{"1.1": true}}
	w.url = fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
	w.pager, w.chat, w.hook = openReceiver(t, o.pager), openReceiver(t, o.chat), openReceiver(t, o.hook)
	var proxy string
	w.slack, proxy = openSlack(t)
	port := w.url[strings.LastIndexByte(w.url, ':')+1:]
	config := fmt.Sprintf(strings.Replace(townConfig, "%d", port, 1), o.sources, orDefault(o.mode, "auto"), orDefault(o.countdown, "1s"), w.hook.URL, hookSecret, w.pager.URL, proxy, w.chat.URL, o.config)
	w.write("verifier.yaml", config)
	w.write("rules.yaml", orDefault(o.rules, fmt.Sprintf(townRules, orDefault(o.wholeWatch, "4s"))))
	var err error
	if w.log, err = os.OpenFile(filepath.Join(w.folder, "shop.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	w.openShop()
	t.Cleanup(func() {
		w.kill()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", w.said())
		}
	})
	return w
}

// lastPort is the last that was given away. The system gives clients' sockets ports from 32768 on, which another test may get in between.
var lastPort atomic.Int64

func init() { lastPort.Store(int64(os.Getpid()) * 101 % 12000) }

// freePort is one that nobody listens on, and that no other test gets.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + int(lastPort.Add(1)%12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (w *town) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// openShop writes the log of the last minutes, and goes on at a hundred requests a second until the test ends.
func (w *town) openShop() {
	version := "1.0"
	w.live.Store(&version)
	now := time.Now()
	n := 0
	for at := now.Add(-4 * time.Minute); at.Before(now); at = at.Add(10 * time.Millisecond) {
		w.serve(at, n)
		n++
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; n++ {
			w.serve(<-tick.C, n)
		}
	})
	w.Cleanup(func() { stop(); group.Wait(); w.log.Close() })
}

// serve is one request to the shop: every 200th fails, with a fault every third.
func (w *town) serve(at time.Time, n int) {
	version := *w.live.Load()
	status, failsEvery := 200, 200
	if w.bad[version] {
		failsEvery = 3
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	if n%failsEvery == failsEvery-1 {
		status = 503
		w.errors++
	}
	fmt.Fprintf(w.log, `{"@timestamp":%q,"service.name":"shop","service.environment":"production","service.version":%q,"http.response.status_code":%d}`+"\n",
		at.UTC().Format(time.RFC3339Nano), version, status)
}

// start runs the daemon and waits until it answers.
func (w *town) start() {
	w.Helper()
	w.daemon = w.program("serve", "--config", filepath.Join(w.folder, "verifier.yaml"))
	w.daemon.Stderr, w.daemon.Stdout = w, w
	if err := w.daemon.Start(); err != nil {
		w.Fatal(err)
	}
	w.until("the daemon is ready", func() bool {
		response, err := http.Get(w.url + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// Write takes what the daemon says.
func (w *town) Write(p []byte) (int, error) {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	return w.output.Write(p)
}

func (w *town) said() string {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	return w.output.String()
}

func (w *town) program(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1", "VERIFIER_URL="+w.url)
	return c
}

// kill ends the daemon as kill -9 does.
func (w *town) kill() {
	if w.daemon == nil {
		return
	}
	_ = w.daemon.Process.Signal(syscall.SIGKILL)
	_ = w.daemon.Wait()
	w.daemon = nil
}

// terminate ends the daemon as an operator does, and says how long it took.
func (w *town) terminate() (took time.Duration, err error) {
	began := time.Now()
	if err := w.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err = w.daemon.Wait()
	w.daemon = nil
	return time.Since(began), err
}

// command runs one of the program's commands and gives what it prints.
func (w *town) command(args ...string) string {
	w.Helper()
	out, err := w.program(args...).CombinedOutput()
	if err != nil {
		w.Fatalf("verifier %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// until waits for something that must come; the machine may be slow.
func (w *town) until(what string, is func() bool) {
	w.Helper()
	end := time.Now().Add(60 * time.Second)
	for !is() {
		if w.daemon != nil && w.daemon.Process.Signal(syscall.Signal(0)) != nil || time.Now().After(end) {
			w.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ask sends a request; an answer that does not come is status 0.
func (w *town) ask(method, path, body string, out any) int {
	w.Helper()
	request, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0
	}
	if s, ok := out.(*string); ok {
		*s = string(text)
	} else if out != nil && json.Unmarshal(text, out) != nil {
		w.Fatalf("%s %s answered %d %s", method, path, response.StatusCode, text)
	}
	return response.StatusCode
}

// deploy puts a version live and tells the daemon until it has heard, as a deploy tool that tries again does.
func (w *town) deploy(id, version string, at time.Time) verifier.Receipt {
	w.Helper()
	var r verifier.Receipt
	w.until("the deploy of "+version+" is taken", func() bool {
		var code int
		r, code = w.tell(id, version, at)
		if code >= 400 {
			w.Fatalf("the deploy of %s was answered %d", version, code)
		}
		return code != 0
	})
	return r
}

// tell puts a version live and tells the daemon once; 0 is no answer.
func (w *town) tell(id, version string, at time.Time) (verifier.Receipt, int) {
	w.live.Store(&version)
	body := fmt.Sprintf(`{"id":%q,"service":"shop","environment":"production","version":%q,"by":"anna","at":%q}`, id, version, at.UTC().Format(time.RFC3339Nano))
	var r verifier.Receipt
	code := w.ask("POST", "/v1/deploys", body, &r)
	return r, code
}

// past tells the daemon of the versions that ran before, and waits for their verdict.
func (w *town) past() {
	w.Helper()
	now := time.Now()
	w.deploy("d0.9", "0.9", now.Add(-3*time.Minute))
	w.state("d0.9", verifier.Undecided) // nothing to compare it with
	w.deploy("d1.0", "1.0", now.Add(-2*time.Minute))
	w.state("d1.0", verifier.Passed)
}

func (w *town) verification(id string) verifier.Verification {
	w.Helper()
	var v verifier.Verification
	w.ask("GET", "/v1/verifications/"+id, "", &v)
	return v
}

func (w *town) state(id string, want verifier.State) {
	w.Helper()
	w.until(id+" is "+string(want), func() bool {
		v := w.verification(id)
		if v.Ended != nil && v.State != want {
			w.Fatalf("%s ended as %s %s, not as %s: %+v", id, v.State, v.Reason, want, v.Findings)
		}
		return v.State == want
	})
}

func (w *town) rollback(id string, want verifier.RollbackState) {
	w.Helper()
	var r *verifier.Rollback
	defer func() {
		if w.Failed() {
			w.Logf("the rollback of %s is %+v", id, r)
		}
	}()
	w.until("the rollback of "+id+" is "+string(want), func() bool {
		r = w.verification(id).Rollback
		return r != nil && r.State == want
	})
}

func (w *town) incident(id string) verifier.Incident {
	w.Helper()
	var list struct{ Items []verifier.Incident }
	w.ask("GET", "/v1/incidents", "", &list)
	for _, in := range list.Items {
		if in.ID == id {
			return in
		}
	}
	return verifier.Incident{}
}

// replace changes a file's text.
func (w *town) replace(name, old, by string) {
	w.Helper()
	w.write(name, strings.ReplaceAll(w.read(name), old, by))
}

func (w *town) read(name string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.folder, name))
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

func decode(from io.Reader, into any) error { return json.NewDecoder(from).Decode(into) }
