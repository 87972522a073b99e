package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"verifier"
)

const (
	service     = "shop"
	environment = "production"
	warmUp      = 8 * time.Second  // 0.9 runs so long before anything is deployed over it
	patience    = 80 * time.Second // of the whole story
)

// Options are how the demo is run.
type Options struct {
	Good   bool // 1.1 has no fault
	Keep   bool // leave the console up at the end
	Out    io.Writer
	Daemon func(ctx context.Context, config string) (address string, wait func() error, err error) // starts the daemon
}

// story is one run of the demo.
type story struct {
	Options
	began  time.Time
	tools  *deployer
	chat   *chat
	daemon string
	mu     sync.Mutex
}

// Run tells the story. The error says where it went otherwise than the verdicts should have brought it.
func Run(ctx context.Context, o Options) (err error) {
	folder, err := os.MkdirTemp("", "verifier-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ctx, stop := context.WithCancel(ctx)
	s := &story{Options: o, began: time.Now()}
	end, err := s.open(ctx, folder)
	defer func() { stop(); err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	told, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.tell(told); err != nil {
		return err
	}
	if o.Keep {
		s.say("the console stays up at %s until you press Ctrl-C", s.daemon)
		<-ctx.Done()
	}
	return nil
}

// releases are what can be deployed. 1.1 fails every tenth request and is slow, if it is not the good one.
func (s *story) releases() map[string]release {
	bad := release{"1.1", 0.12, 40 * time.Millisecond}
	if s.Good {
		bad = release{"1.1", usually, 0}
	}
	return map[string]release{"0.9": {"0.9", usually, 0}, "1.0": {"1.0", usually, 0}, "1.1": bad}
}

// open starts everything; end stops it again.
func (s *story) open(ctx context.Context, folder string) (end func() error, err error) {
	end = func() error { return nil }
	key := make([]byte, 24)
	rand.Read(key)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	releases := s.releases()
	shop, err := openShop(filepath.Join(folder, "shop.log"), releases["0.9"])
	if err != nil {
		return end, err
	}
	go shop.customers(ctx)
	if s.tools, err = openDeployer(shop, releases, secret, s.say); err != nil {
		shop.close()
		return end, err
	}
	page, talk := openPager(s.say), openChat(s.say)
	s.chat = talk
	closeAll := func() {
		for _, server := range []interface{ Close() }{s.tools.server, page.server, talk.server} {
			server.Close()
		}
		shop.close()
	}
	path, err := writeFiles(folder, s.tools.server.URL+"/rollback", secret, page.server.URL+"/v2/enqueue", talk.server.URL)
	if err != nil {
		closeAll()
		return end, err
	}
	address, wait, err := s.Daemon(ctx, path)
	if err != nil {
		closeAll()
		return end, err
	}
	s.daemon, s.tools.daemon = address, address
	return func() error { err := wait(); closeAll(); return err }, nil
}

// say prints one line of the timeline.
func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp := fmt.Sprintf("%5.1fs  ", time.Since(s.began).Seconds())
	fmt.Fprintln(s.Out, stamp+wrap(fmt.Sprintf(format, args...), len(stamp)))
}

func (s *story) tell(ctx context.Context) error {
	s.say("a shop is running with %d customers a second; verifier watches its log; console: %s", perSecond, s.daemon)
	if _, err := s.tools.deploy(ctx, "0.9", "anna"); err != nil {
		return err
	}
	s.say("anna deploys 0.9, the first version that verifier hears of: nothing to compare it with yet")
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	if err := s.deployed(ctx, "1.0", "anna", verifier.Passed); err != nil {
		return err
	}
	if s.Good {
		if err := s.deployed(ctx, "1.1", "ben", verifier.Passed); err != nil {
			return err
		}
		return s.report(ctx, 0)
	}
	if err := s.deployed(ctx, "1.1", "ben", verifier.FailedState); err != nil {
		return err
	}
	select {
	case <-s.chat.green:
	case <-ctx.Done():
		return fmt.Errorf("the chat never heard that the trouble is over: %w", ctx.Err())
	}
	return s.report(ctx, 1)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// deployed deploys a version and follows its watch to its end, and that of its rollback.
func (s *story) deployed(ctx context.Context, version, by string, expected verifier.State) error {
	s.say("%s deploys %s", by, version)
	id, err := s.tools.deploy(ctx, version, by)
	if err != nil {
		return err
	}
	v, err := s.follow(ctx, id)
	if err != nil {
		return err
	}
	if v.State != expected {
		return fmt.Errorf("%s is %s (%s), which was not to be expected; see the findings above", version, v.State, v.Reason)
	}
	if expected == verifier.FailedState && (v.Rollback == nil || v.Rollback.State != verifier.RollbackRecovered) {
		return fmt.Errorf("the rollback of %s did not end well", version)
	}
	return nil
}

// follow tells what changes of a verification until nothing more is to come.
func (s *story) follow(ctx context.Context, id string) (verifier.Verification, error) {
	var was verifier.Verification
	for {
		var v verifier.Verification
		if err := call(ctx, http.MethodGet, s.daemon+"/v1/verifications/"+url.PathEscape(id), nil, &v); err != nil {
			return v, err
		}
		s.changes(was, v)
		if over(v) {
			return v, nil
		}
		was = v
		if err := pause(ctx, 150*time.Millisecond); err != nil {
			return v, fmt.Errorf("%s was still %s after %s: %w", v.Deploy.Version, v.State, patience, err)
		}
	}
}

// over reports whether nothing more is to come: the verdict is good, or the trouble is dealt with.
func over(v verifier.Verification) bool {
	if v.Rollback != nil && v.Rollback.State.Open() {
		return false
	}
	return v.Ended != nil || v.Rollback != nil && v.State == verifier.FailedState
}

func (s *story) changes(was, v verifier.Verification) {
	if v.State != was.State {
		switch v.State {
		case verifier.Observing:
			s.say("verifier: watching %s%s", v.Deploy.Version, against(v))
		case verifier.Passed, verifier.FailedState, verifier.Undecided:
			s.say("verifier: %s %s %s", v.Deploy.Version, map[verifier.State]string{
				verifier.Passed: "passed", verifier.FailedState: "FAILED", verifier.Undecided: "is inconclusive",
			}[v.State], v.Reason)
			for _, f := range v.Findings {
				if f.Decided() {
					s.say("%s %s: %s", outcome[f.Outcome], f.Rule, f.Text)
				}
			}
		}
	}
	if v.Rollback == nil || was.Rollback != nil && was.Rollback.State == v.Rollback.State {
		return
	}
	r := v.Rollback
	switch r.State {
	case verifier.RollbackApproved:
		s.say("verifier: all guards agree; rolling back to %s when the countdown of 3 s ends", r.To)
	case verifier.RollbackSent:
		s.say("verifier: the trouble goes on; the rollback is called for")
	case verifier.RollbackConfirmed:
		s.say("verifier: the deploy of %s came in, which confirms the rollback; now checking that it helped", r.To)
	case verifier.RollbackRecovered:
		s.say("verifier: %s is as good as it was: recovered", r.To)
	default:
		s.say("verifier: the rollback is %s %s %v", r.State, r.Reason, r.Reasons)
	}
}

var outcome = map[verifier.Outcome]string{verifier.Pass: "✓", verifier.Fail: "✗", verifier.Inconclusive: "?"}

func against(v verifier.Verification) string {
	if v.Baseline == nil {
		return ""
	}
	return fmt.Sprintf(" against %s", v.Baseline.Version)
}

// report shows the month, and holds that it counts the rollback.
func (s *story) report(ctx context.Context, rollbacks int) error {
	month := time.Now().UTC().Format("2006-01")
	var figures struct{ Rollbacks int }
	if err := call(ctx, http.MethodGet, s.daemon+"/v1/reports/"+month, nil, &figures); err != nil {
		return err
	}
	var text string
	if err := call(ctx, http.MethodGet, s.daemon+"/v1/reports/"+month+"?format=text", nil, &text); err != nil {
		return err
	}
	s.say("the month's report:")
	fmt.Fprintf(s.Out, "\n%s\n", text)
	if figures.Rollbacks != rollbacks {
		return fmt.Errorf("the report counts %d rollbacks and not %d", figures.Rollbacks, rollbacks)
	}
	return nil
}
