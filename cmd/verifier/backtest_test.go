package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// past is a folder with a record of four deploys and the log of that day: 1.1 fails every fifth request until it is rolled back.
func past(t *testing.T) (dir string, at func(string) time.Time) {
	t.Helper()
	dir = t.TempDir()
	at = func(clock string) time.Time {
		when, err := time.Parse(time.RFC3339, "2026-10-05T"+clock+":00Z")
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	write(t, filepath.Join(dir, "verifier.yaml"), "rules: rules.yaml\nsources: {logs: {type: files, path: app.log, format: json, lag: 1s}}\n")
	write(t, filepath.Join(dir, "rules.yaml"), "rules: [{name: none, measure: {source: logs, count: nothing}, limit: {above: 1e9, within: 5m}}]\n")
	write(t, filepath.Join(dir, "new.yaml"), `rules:
  - name: error-ratio
    measure: {source: logs, ratio: {of: 'log.level:ERROR', to: '*'}}
    compare: {with: before, worse: higher, tolerate: 50%}
    on_fail: rollback
`)
	var log, deploys strings.Builder
	for when := at("09:00"); when.Before(at("16:00")); when = when.Add(2 * time.Second) {
		level, version := "INFO", "1.0"
		bad := !when.Before(at("12:00")) && when.Before(at("12:30"))
		if n := when.Unix() / 2; bad && n%5 == 0 || n%100 == 0 {
			level = "ERROR"
		}
		fmt.Fprintf(&log, `{"@timestamp":%q,"log.level":%q,"message":"m","service.name":"shop","service.environment":"production","service.version":%q}`+"\n",
			when.Format(time.RFC3339), level, version)
	}
	deploys.WriteString("at,service,environment,version\n")
	for _, d := range [][2]string{{"09:05", "1.0"}, {"12:00", "1.1"}, {"12:30", "1.0"}, {"14:00", "1.2"}} {
		fmt.Fprintf(&deploys, "%s,shop,production,%s\n", at(d[0]).Format(time.RFC3339), d[1])
	}
	write(t, filepath.Join(dir, "app.log"), log.String())
	write(t, filepath.Join(dir, "deploys.csv"), deploys.String())
	if code, out := command(t, "import", filepath.Join(dir, "deploys.csv"), "--config", filepath.Join(dir, "verifier.yaml")); code != exitOK {
		t.Fatal(out)
	}
	return dir, at
}

// backtestIn is what a backtest of the two days prints, without the progress that a slow machine shows on standard error.
func backtestIn(t *testing.T, dir, rules string, more ...string) (int, string) {
	t.Helper()
	code, out := command(t, append([]string{
		"backtest", "--config", filepath.Join(dir, "verifier.yaml"), "--rules", filepath.Join(dir, rules),
		"--from", "2026-10-05", "--to", "2026-10-06",
	}, more...)...)
	return code, backtestProgress.ReplaceAllString(out, "")
}

var backtestProgress = regexp.MustCompile(`(?m)^judged \d+ of \d+\n`)

// Rules that would have seen the bad deploy, and rules that would not, are told apart by one sentence; the record stays as it is.
func TestBacktest(t *testing.T) {
	t.Parallel()
	dir, at := past(t)
	before := sumsOf(t, dir)
	code, out := backtestIn(t, dir, "new.yaml")
	if code != exitOK || !strings.HasPrefix(out, "would have condemned 1 of 4: 1 was rolled back by hand; would have missed 0 of 1\n") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if !strings.Contains(out, "2026-10-05 12:00  shop     production  1.1") || !strings.Contains(out, "error-ratio") {
		t.Errorf("the deploys that differ:\n%s", out)
	}
	code, out = backtestIn(t, dir, "rules.yaml", "--format", "json")
	var r backtestResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || r.Condemned != 0 || r.Missed != 1 || r.Bad != 1 || r.Deploys != 4 {
		t.Errorf("exit %d: %v: %s", code, err, out)
	}
	if len(r.Differ) != 1 || r.Differ[0].Version != "1.1" || !r.Differ[0].At.Equal(at("12:00")) {
		t.Errorf("differ: %+v", r.Differ)
	}
	if code, out := backtestIn(t, dir, "new.yaml", "--evidence"); code != exitOK || !strings.HasPrefix(out, "would have condemned 0 of 2; would have missed 0 of 0; 2 more could not be judged again\n") {
		t.Errorf("without any evidence, exit %d: %s", code, out)
	}
	if code, out := backtestIn(t, dir, "new.yaml", "--service", "cart"); code != exitOK || !strings.HasPrefix(out, "would have condemned 0 of 0") {
		t.Errorf("of another service, exit %d: %s", code, out)
	}
	if after := sumsOf(t, dir); !maps.Equal(after, before) {
		t.Errorf("something was written: %v, before %v", after, before)
	}
}

// TestTruth: backtest and the month's report count the same deploys as caught.
func TestTruth(t *testing.T) {
	t.Parallel()
	d := verifier.Deploy{ID: "a", Version: "1.1"}
	good, bad := d, d
	good.Mark, bad.Mark = &verifier.Mark{Good: true}, &verifier.Mark{}
	for _, c := range []struct {
		name string
		d    verifier.Deploy
		then verifier.State
		bad  string
		why  string
	}{
		{"failed then", d, verifier.FailedState, "true", "caught then"},
		{"failed then, a false alarm", good, verifier.FailedState, "false", "marked good"},
		{"passed then", d, verifier.Passed, "unknown", "fine"},
		{"passed then, marked", bad, verifier.Passed, "true", "marked bad"},
		{"nobody watched", d, "", "unknown", "fine"},
	} {
		got, why := truth(c.d, c.then, nil, false)
		text := "unknown"
		if got != nil {
			text = fmt.Sprint(*got)
		}
		if text != c.bad || why != c.why {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, text, why, c.bad, c.why)
		}
	}
}

// sumsOf is the check sum of each file of a folder: nothing may be made beside the store either.
func sumsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[f.Name()] = fmt.Sprintf("%x", sha256.Sum256(raw))
	}
	return sums
}

// A source that does not answer says nothing about the rules: nobody was missed, and it is named. The first deploy and the rollback
// have no baseline, which nobody needs to be asked about.
func TestBacktestSourceDown(t *testing.T) {
	t.Parallel()
	dir, _ := past(t)
	write(t, filepath.Join(dir, "verifier.yaml"), "rules: rules.yaml\nsources: {logs: {type: elasticsearch, url: 'http://127.0.0.1:9', index: 'logs-*', lag: 1s}}\n")
	code, out := backtestIn(t, dir, "new.yaml")
	for _, want := range []string{"would have condemned 0 of 2; would have missed 0 of 0; 2 more could not be judged again\n", "connection refused"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, want %q:\n%s", code, want, out)
		}
	}
}

// A watch that is not over is left out: there is nothing yet to judge it by.
func TestBacktestRunning(t *testing.T) {
	t.Parallel()
	dir, _ := past(t)
	write(t, filepath.Join(dir, "now.csv"), "at,service,environment,version\n"+time.Now().UTC().Format(time.RFC3339)+",shop,production,1.3\n")
	config := filepath.Join(dir, "verifier.yaml")
	if code, out := command(t, "import", filepath.Join(dir, "now.csv"), "--config", config); code != exitOK {
		t.Fatal(out)
	}
	from := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	code, out := command(t, "backtest", "--config", config, "--rules", filepath.Join(dir, "new.yaml"), "--from", from)
	if code != exitOK || !strings.HasPrefix(out, "would have condemned 0 of 0; would have missed 0 of 0\nleft out because their watch is not over: 1\n") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// The log is gone, the daemon was killed: what it saw of each deploy is enough to judge by the same rules again.
func TestBacktestByWhatWasKept(t *testing.T) {
	t.Parallel()
	w := openTown(t, townOptions{})
	w.start()
	w.past()
	w.deploy("bad", "1.1", time.Now())
	w.rollback("bad", verifier.RollbackSent)
	w.deploy("back", "1.0", time.Now())
	w.rollback("bad", verifier.RollbackRecovered)
	w.until("all watches are over", func() bool { return w.verification("bad").Ended != nil && w.verification("back").Ended != nil })
	w.kill()
	if err := os.Truncate(filepath.Join(w.folder, "shop.log"), 0); err != nil {
		t.Fatal(err)
	}
	out := w.command("backtest", "--config", filepath.Join(w.folder, "verifier.yaml"), "--rules", filepath.Join(w.folder, "rules.yaml"),
		"--from", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "--evidence", "--format", "json")
	var r backtestResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err, out)
	}
	if !strings.HasPrefix(r.Summary, "would have condemned 1 of ") || !strings.Contains(r.Summary, ": 1 was rolled back; would have missed 0 of 1") {
		t.Errorf("%+v", r)
	}
	i := slices.IndexFunc(r.Differ, func(one backtested) bool { return one.Deploy == "bad" })
	if i < 0 || r.Differ[i].Then != verifier.FailedState || r.Differ[i].Now != verifier.FailedState {
		t.Errorf("%+v", r.Differ)
	}
}

func TestBacktestBad(t *testing.T) {
	t.Parallel()
	dir, _ := past(t)
	config := filepath.Join(dir, "verifier.yaml")
	for want, args := range map[string][]string{
		`required flag(s) "from"`:       {"--rules", filepath.Join(dir, "new.yaml")},
		"nothing.yaml":                  {"--rules", filepath.Join(dir, "nothing.yaml"), "--from", "2026-10-05"},
		`--from "yesterday" is no time`: {"--rules", filepath.Join(dir, "new.yaml"), "--from", "yesterday"},
		"is not before --to":            {"--rules", filepath.Join(dir, "new.yaml"), "--from", "2026-10-05", "--to", "2026-10-04"},
		"there is no store at":          {"--rules", filepath.Join(dir, "new.yaml"), "--from", "2026-10-05", "--store", filepath.Join(dir, "other.db")},
		"postgres://…: only SQLite":     {"--rules", filepath.Join(dir, "new.yaml"), "--from", "2026-10-05", "--store", "postgres://anna:hunter2@127.0.0.1:1/v"},
		"file is not a database":        {"--rules", filepath.Join(dir, "new.yaml"), "--from", "2026-10-05", "--store", filepath.Join(dir, "app.log")},
	} {
		if code, out := command(t, append([]string{"backtest", "--config", config}, args...)...); code != exitTrouble || !strings.Contains(out, want) {
			t.Errorf("%v: exit %d, want %q: %s", args, code, want, out)
		}
	}
}
