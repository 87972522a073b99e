package lifecycle

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestWhatIsTold keeps what receivers are told at each turn of a bad deploy; alerting's golden files are made of these.
func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	refused := func(verifier.RollbackCall) error { return errors.New("409 Conflict: a deployment is running") }
	for name, c := range map[string]struct {
		mode   verifier.RollbackMode
		answer func(verifier.RollbackCall) error
		holds  string // what the incident that is kept says
	}{
		"rolling-back":      {verifier.ModeAuto, nil, "Rolling back to"},
		"awaiting-approval": {verifier.ModeApprove, nil, "Approve the rollback to 1.0?"},
		"refused":           {verifier.ModeAuto, refused, "refused"},
		"recovered":         {verifier.ModeAuto, nil, "checkout is back on 1.0"},
		"off":               {verifier.ModeOff, nil, "No rollback: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, c.mode)
			s.world.URL, s.world.Zone = "https://verifier.example.com", time.FixedZone("CET", 3600)
			if c.answer != nil {
				s.answer = c.answer
			}
			s.good("checkout")
			s.broken["checkout 1.1"] = 0.2
			s.deploy("checkout", "1.1", func(d *verifier.Deploy) { d.Repository = "https://git.example.com/shop/checkout" })
			s.run(40 * time.Minute)
			s.keep(name, c.holds)
		})
	}
	t.Run("environment", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, verifier.ModeAuto)
		s.world.URL, s.world.Zone = "https://verifier.example.com", time.FixedZone("CET", 3600)
		names := []string{"cart", "checkout", "search"}
		s.good(names...)
		for _, name := range names {
			s.broken[name+" 1.1"] = 0.2
			s.deploy(name, "1.1")
		}
		s.run(10 * time.Minute)
		s.keep("environment", "are held until")
	})
}

// keep holds the first incident that was told with that text against its golden file.
func (s *sim) keep(name, text string) {
	s.t.Helper()
	file := filepath.Join("testdata", "told", name+".json")
	for _, in := range s.told {
		if !strings.Contains(in.Title+"\n"+in.Text, text) {
			continue
		}
		got, err := json.MarshalIndent(in, "", "  ")
		if err != nil {
			s.t.Fatal(err)
		}
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, append(got, '\n'), 0o644)); err != nil {
				s.t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		if d := cmp.Diff(strings.TrimSpace(string(want)), string(got)); d != "" {
			s.t.Errorf("%s:\n%s", file, d)
		}
		return
	}
	s.t.Fatalf("nothing told says %q: %+v", text, s.told)
}
