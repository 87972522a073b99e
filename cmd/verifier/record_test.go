package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"verifier"
	"verifier/store"
)

// event is one line of an import, or one body of POST /v1/deploys.
type event struct {
	At          string `json:"at"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Version     string `json:"version"`
	Status      string `json:"status"`
	Team        string `json:"team"`
	ID          string `json:"id"`
	Change      string `json:"change"`
}

// seedEvents are 418 deploys to production in September 2016, 10 of them to an older version than was live and 14 of the one that was
// live, among failed ones, other changes, starts, deploys to staging and those of the months around.
func seedEvents() []event {
	var events []event
	add := func(service int, environment, version string, at time.Time, status, change string) {
		e := event{
			At: at.Format(time.RFC3339), Service: fmt.Sprint("service-", service), Environment: environment, Version: version, Status: status,
			Team: fmt.Sprint("team-", service%3), Change: change,
		}
		if len(events)%2 == 0 { // every other one without an id
			e.ID = fmt.Sprint("d-", len(events))
		}
		events = append(events, e)
		if e.ID != "" && change == "release" && status != "started" && len(events)%3 == 0 {
			e.At, e.Status = at.Add(-5*time.Minute).Format(time.RFC3339), "started"
			events = append(events, e)
		}
	}
	start := time.Date(2016, 9, 1, 0, 0, 0, 0, time.UTC)
	const services = 7
	minor := [services]int{}
	for s := range services {
		add(s, "production", "1.0", start.AddDate(0, 0, -3), "succeeded", "release")
		add(s, "production", "0.1", start.AddDate(0, 1, 0), "succeeded", "release")
	}
	for i := range 418 {
		s, at := i%services, start.Add(time.Duration(i)*100*time.Minute)
		switch {
		case i%41 == 40: // 10 times
			minor[s]--
		case i%29 != 28: // else 14 times what is live already
			minor[s] += 2
		}
		add(s, "production", fmt.Sprint("1.", minor[s]), at, "succeeded", "release")
		add(s, "staging", fmt.Sprint("1.", i*7%400), at, "succeeded", "release")
		if i%10 == 0 {
			add(s, "production", fmt.Sprint("1.", i*7%400), at.Add(time.Minute), "failed", "release")
			add(s, "production", "0.1", at.Add(2*time.Minute), "succeeded", "config")
		}
	}
	return events
}

func shuffled(events []event, seed uint64) []event {
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

func csvOf(events []event) string {
	var b strings.Builder
	b.WriteString("at,service,environment,version,status,team,id,change\n")
	for _, e := range events {
		fmt.Fprintf(&b, "%s,%s,%s,%s,%s,%s,%s,%s\n", e.At, e.Service, e.Environment, e.Version, e.Status, e.Team, e.ID, e.Change)
	}
	return b.String()
}

type seedReport struct {
	Month                         string
	Deploys, Rollbacks, Redeploys int
	FailedDeploys                 int       `json:"failed_deploys"`
	Rate                          float64   `json:"rollback_rate"`
	Interval                      []float64 `json:"rollback_rate_interval"`
}

func checkSeed(t *testing.T, from string, text string) {
	t.Helper()
	var r seedReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%s: %v: %s", from, err, text)
	}
	if r.Deploys != 418 || r.Rollbacks != 10 || r.Redeploys != 14 || r.FailedDeploys != 42 || r.Rate != 0.0239 || fmt.Sprint(r.Interval) != "[0.013 0.043]" {
		t.Errorf("%s: %+v", from, r)
	}
	if want := "{\n  \"month\": \"2016-09\",\n  \"deploys\": 418,\n  \"rollbacks\": 10,\n  \"rollback_rate\": 0.0239,\n  \"rollback_rate_interval\": [\n"; !strings.HasPrefix(text, want) {
		t.Errorf("%s begins with %.200s", from, text)
	}
}

// TestSeedThroughTheCommandLine imports the month in several orders and several files, and reads its report.
func TestSeedThroughTheCommandLine(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		dir := t.TempDir()
		dsn := filepath.Join(dir, "v.db")
		events := shuffled(seedEvents(), seed)
		for i, part := range [][]event{events[:len(events)/3], events[len(events)/3:]} {
			if seed == 0 { // in one file: a start and its end may come in different files, where an import only adds
				part = map[int][]event{0: events, 1: events}[i]
			} else if part = ended(part); i == 1 {
				part = append(part, part...)
			}
			file := filepath.Join(dir, fmt.Sprint(i, ".csv"))
			if err := os.WriteFile(file, []byte(csvOf(part)), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, out := command(t, "import", file, "--store", dsn); code != exitOK {
				t.Fatal(out)
			}
		}
		_, text := command(t, "report", "--month", "2016-09", "--format", "json", "--store", dsn)
		checkSeed(t, fmt.Sprint("order ", seed), text)
		if _, text = command(t, "report", "--month", "2016-09", "--store", dsn); !strings.Contains(text, "418 deploys to production, 10 rollbacks: 2.4 %") {
			t.Error(text)
		}
		checkCommands(t, text, dsn)
	}
}

// checkCommands runs the commands that a report names and holds the number of deploys that each lists against the figure.
func checkCommands(t *testing.T, text, dsn string) {
	t.Helper()
	_, after, _ := strings.Cut(text, "The deploys behind these figures")
	lines := strings.Split(strings.TrimSpace(after), "\n")
	want := []int{418, 10, 14, 42}
	if len(lines) != len(want) {
		t.Fatalf("the report ends with %s", after)
	}
	for i, line := range lines {
		args := append(strings.Fields(line)[1:], "--format", "json", "--store", dsn)
		var list []verifier.Deploy
		if code, out := command(t, args...); code != exitOK || json.Unmarshal([]byte(out), &list) != nil || len(list) != want[i] {
			t.Errorf("%s lists %d deploys, want %d: %.200s", line, len(list), want[i], out)
		}
	}
}

// TestMonthsBeginInTheTimeZone imports deploys around the borders of a month, whose times are in the configuration's zone too.
func TestMonthsBeginInTheTimeZone(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"verifier.yaml": "timezone: Europe/Berlin\nstore: ./v.db\n",
		"d.csv": "at,service,environment,version\n2016-08-31T22:00:00Z,a,production,1\n2016-08-31T21:59:59Z,b,production,1\n" +
			"2016-09-30 23:59:59,c,production,1\n2016-10-01 00:00:00,d,production,1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "verifier.yaml")
	if code, out := command(t, "import", filepath.Join(dir, "d.csv"), "--config", config); code != exitOK {
		t.Fatal(out)
	}
	_, out := command(t, "deploys", "list", "--month", "2016-09", "--format", "json", "--config", config)
	var list []verifier.Deploy
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 || list[0].Service != "c" || list[1].Service != "a" {
		t.Errorf("%v %s", err, out)
	}
	if _, out := command(t, "report", "--month", "2016-09", "--config", config); !strings.Contains(out, "2 deploys to production") {
		t.Error(out)
	}
}

func ended(events []event) (out []event) {
	for _, e := range events {
		if e.Status != "started" {
			out = append(out, e)
		}
	}
	return out
}

// TestSeedThroughTheAPI posts the month, starts and ends in any order and some twice, beside an import that keeps the writer busy.
func TestSeedThroughTheAPI(t *testing.T) {
	t.Parallel()
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	dsn := filepath.Join(f.folder, "verifier.db")
	var other strings.Builder
	other.WriteString("at,service,environment,version\n")
	for i := range 2000 {
		fmt.Fprintf(&other, "%s,other,production,1.%d\n", time.Date(2016, 10, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339), i)
	}
	f.write("other.csv", other.String())
	var group sync.WaitGroup
	group.Go(func() {
		if code, out := command(t, "import", filepath.Join(f.folder, "other.csv"), "--store", dsn); code != exitOK {
			t.Error(out)
		}
	})
	var slowest time.Duration
	for i, e := range shuffled(seedEvents(), 7) {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if code := f.ask("POST", "/v1/deploys", string(body), nil); code != http.StatusAccepted && code != http.StatusOK {
			t.Fatalf("%s answers %d", body, code)
		}
		slowest = max(slowest, time.Since(begun))
		if i%50 == 0 {
			if code := f.ask("POST", "/v1/deploys", string(body), nil); code != http.StatusOK {
				t.Errorf("%s again answers %d", body, code)
			}
		}
	}
	group.Wait()
	if slowest > 5*time.Second {
		t.Errorf("an import beside it let a deploy wait %s", slowest)
	}
	var text string
	f.ask("GET", "/v1/reports/2016-09", "", &text)
	checkSeed(t, "GET /v1/reports", text)
	_, text = command(t, "report", "--month", "2016-09", "--format", "json", "--store", dsn)
	checkSeed(t, "verifier report", text)
}

func TestImportNamesTheLine(t *testing.T) {
	dir := t.TempDir()
	dsn, file := filepath.Join(dir, "v.db"), filepath.Join(dir, "deploys.csv")
	lines := []string{"at,service,environment,version,id"}
	for i := 2; i <= 100_000; i++ {
		lines = append(lines, fmt.Sprintf("2016-09-01T10:00:00Z,shop,production,1.0,d%d", i))
	}
	bad := func(line int, text string) {
		was := lines[line-1]
		lines[line-1] = text
		defer func() { lines[line-1] = was }()
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bad(99_999, "2016-09-01T10:00:00Z,shop,,1.0,x")
	if code, out := command(t, "import", file, "--store", dsn); code != exitTrouble || !strings.Contains(out, "nothing was imported") || !strings.Contains(out, "line 99999, column environment (3)") {
		t.Errorf("%d %s", code, out)
	}
	lines = lines[:2500]
	bad(2_222, "2016-09-01T10:00:00Z,shop,production,2.0,d7")
	if code, out := command(t, "import", file, "--store", dsn); code != exitTrouble || !strings.Contains(out, "nothing was imported: line 2222: version: deploy \"d7\"") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := command(t, "deploys", "list", "--store", dsn, "--format", "json"); code != exitOK || strings.TrimSpace(out) != "[]" {
		t.Errorf("%d: after two failed imports there is %.300s", code, out)
	}
}

// TestRunAsProgram is the program for tests that kill it.
func TestRunAsProgram(t *testing.T) {
	if args := os.Getenv("VERIFIER_TEST_ARGS"); args != "" {
		os.Exit(run(t.Context(), strings.Split(args, "\x1f")))
	}
}

// TestImportKilled kills imports at different moments: before the restart reports show nothing of it, after it everything.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dsn, file := filepath.Join(dir, "v.db"), filepath.Join(dir, "deploys.csv")
	var text strings.Builder
	text.WriteString("at,service,environment,version\n")
	for i := range 8000 {
		fmt.Fprintf(&text, "%s,shop,production,1.%d\n", time.Date(2016, 9, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339), i-i%20/19*2)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	deploys := func() (n int) {
		_, out := command(t, "report", "--month", "2016-09", "--format", "json", "--store", dsn)
		var r seedReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(out)
		}
		if r.Deploys != 0 && (r.Deploys != 8000 || r.Rollbacks != 400) {
			t.Errorf("half an import is seen: %d deploys, %d rollbacks", r.Deploys, r.Rollbacks)
		}
		return r.Deploys
	}
	for _, after := range []time.Duration{60, 120, 200, 300, 400} {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunAsProgram$")
		c.Env = append(os.Environ(), "VERIFIER_TEST_ARGS="+strings.Join([]string{"import", file, "--store", dsn}, "\x1f"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		c.Process.Kill()
		c.Wait()
		if _, err := os.Stat(dsn); err == nil {
			t.Logf("killed after %d ms: %d deploys", after, deploys())
		}
	}
	if code, out := command(t, "import", file, "--store", dsn); code != exitOK || deploys() != 8000 {
		t.Error(out)
	}
	s, err := store.Open(t.Context(), dsn, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if list, _, _ := s.Deploys(t.Context(), verifier.DeployFilter{Kind: verifier.KindRollback, Page: verifier.Page{Limit: 500}}); len(list) != 400 {
		t.Errorf("%d rollbacks are listed, want 400", len(list))
	}
}

// TestUnclaimed records names that nobody claims, lists them with the nearest that is known, and moves their history once they are
// claimed.
func TestUnclaimed(t *testing.T) {
	t.Parallel()
	config := strings.Replace(frontConfig, "[{name: production, production: true}]", "[{name: production, production: true}, {name: staging}]", 1)
	f := openFront(t, config+"services: [{match: {service: checkout}, team: payments}]\n", frontRules)
	defer f.stop()
	for i, body := range []string{
		`"service":"Checkout","environment":"Production"`, `"service":"chekout","environment":"production"`, `"service":"zzz","environment":"prodution"`,
	} {
		if code := f.ask("POST", "/v1/deploys", fmt.Sprintf(`{"id":"d%d","version":"1.%d",%s}`, i, i, body), nil); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	var status Status
	f.ask("GET", "/v1/status", "", &status)
	if want := []Unclaimed{{"service", "chekout", "checkout"}, {"service", "zzz", ""}, {"environment", "prodution", "production"}}; !slices.Equal(status.Unclaimed, want) {
		t.Errorf("unclaimed are %+v, want %+v", status.Unclaimed, want)
	}
	if _, out := command(t, "status", "--server", f.url); !strings.Contains(out, "unclaimed  service chekout  (did you mean checkout?") {
		t.Error(out)
	}
	f.write("verifier.yaml", config+"services: [{match: {service: checkout}, aliases: [chekout], team: payments}]\n")
	var d verifier.Deploy
	for range 100 {
		if f.ask("GET", "/v1/deploys/d1", "", &d); d.Service == "checkout" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if d.Service != "checkout" || d.Previous != "1.0" || d.Kind != verifier.KindRelease {
		t.Errorf("after it was claimed: %+v", d)
	}
	if code := f.ask("POST", "/v1/deploys", `{"id":"d1","version":"1.1","service":"CHEKOUT","environment":"production"}`, nil); code != http.StatusOK {
		t.Errorf("the old name for the moved deploy answers %d", code)
	}
}

// TestCorrections takes a record through void, edit, mark and the report that counts them, and reads what was before.
func TestCorrections(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	dsn := filepath.Join(f.folder, "verifier.db")
	for i, version := range []string{"1.0", "1.1", "1.0", "1.2"} {
		body := fmt.Sprintf(`{"id":"d%d","service":"shop","environment":"production","version":%q,"at":"2016-09-0%dT10:00:00Z"}`, i, version, i+1)
		if code := f.ask("POST", "/v1/deploys", body, nil); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"deploys list --kind rollback", exitOK, "1.0      succeeded  rollback  1.1"},
		{"deploys void d1", exitTrouble, "--reason is missing"},
		{"deploys void d9 --reason x", exitTrouble, "deploy d9: not found"},
		{"deploys void d1 --reason never", exitOK, "is void"},
		{"deploys void d1 --reason never", exitTrouble, "is void already"},
		{"deploys edit d3 --reason typo", exitTrouble, "nothing is corrected: write some of --at"},
		{"deploys edit d3 --reason typo --version 1'2 --at 2050-01-01T00:00:00Z", exitTrouble, "version: has"},
		{"deploys edit d3 --reason typo --at 2050-01-01T00:00:00Z", exitTrouble, "ahead of this server's clock"},
		{"deploys edit d3 --reason typo --status done", exitTrouble, "\"done\" is none of"},
		{"deploys edit d3 --reason typo --version 0.9", exitOK, "rollback (corrected)  1.0"},
		{"deploys show d3", exitOK, `"version":"1.2"`},
		{"deploys show d1", exitOK, "void by"},
		{"deploys list --kind sideways", exitTrouble, "invalid --kind \"sideways\": must be one of release, rollback, redeploy"},
		{"deploys list --limit 0", exitTrouble, "--limit 0"},
		{"deploys list --limit 2", exitOK, "and more"},
		{"deploys list --month 2016", exitTrouble, "month"},
		{"report --month 2016-09", exitOK, "3 deploys to production, 1 rollback: 33.3 %"},
		{"report --month 2016-09", exitOK, "2 corrected"},
		{"report --month 2016-09 --by colour", exitTrouble, "write team, service or environment"},
		{"report --month 2016-09 --format pdf", exitTrouble, "write text, json"},
		{"report --month september", exitTrouble, "like 2016-09"},
		{"token create ci --scope deploys:write --for 90d", exitOK, "vt_"},
		{"token create ci --scope read", exitTrouble, "a token named ci exists"},
		{"token create c2 --scope read --for -1h", exitTrouble, "--for"},
		{"token create c2 --scope all", exitTrouble, "deploys:write"},
		{"token list", exitOK, "ci    deploys:write"},
		{"token revoke ci", exitOK, "removed"},
		{"token revoke ci", exitTrouble, "token ci: not found"},
		{"restore nothing.db", exitTrouble, "another daemon"},
		{"migrate", exitOK, "up to date"},
	} {
		args := append(strings.Fields(c.args), "--store", dsn)
		if code, out := command(t, args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s, want %d with %q", c.args, code, out, c.code, c.want)
		}
	}
	var page string
	if f.ask("GET", "/v1/reports/2016-09?format=html&by=service", "", &page); !strings.Contains(page, `/?change=release&amp;environment=production&amp;kind=rollback&amp;month=2016-09&amp;service=shop&amp;status=succeeded"`) {
		t.Errorf("the report leads nowhere: %s", page)
	}
	if f.ask("GET", "/?change=release&environment=production&kind=rollback&month=2016-09&status=succeeded", "", &page); !strings.Contains(page, "0.9") || strings.Contains(page, "1.1") {
		t.Errorf("the console lists other deploys: %s", page)
	}
	if code, out := command(t, "mark", "bad", "d2", "--cause", "lost orders", "--server", f.url); code != exitOK {
		t.Error(out)
	}
	if code, out := command(t, "report", "--store", filepath.Join(f.folder, "typo.db")); code != exitTrouble || !strings.Contains(out, "there is no store at") {
		t.Errorf("a report on no store: %d %s", code, out)
	}
}

// TestBackupAndRestore takes a backup beside the daemon, and puts it in the place of a damaged store.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	dsn, copied, damaged := filepath.Join(dir, "v.db"), filepath.Join(dir, "b.db"), filepath.Join(dir, "damaged.db")
	file := filepath.Join(dir, "d.csv")
	for path, text := range map[string]string{file: "at,service,environment,version\n2016-09-01 10:00,shop,production,1.0\n", damaged: strings.Repeat("damaged", 1000)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"import", file, "--store", dsn}, exitOK, "1 deploys added"},
		{[]string{"backup", copied, "--store", dsn}, exitOK, "copied"},
		{[]string{"backup", copied, "--store", dsn}, exitTrouble, "exists"},
		{[]string{"backup", filepath.Join(dir, "no", "b.db"), "--store", dsn}, exitTrouble, "back up to"},
		{[]string{"restore", damaged, "--store", dsn}, exitTrouble, "is no backup of verifier"},
		{[]string{"report", "--month", "2016-09", "--store", dsn}, exitOK, "1 deploy to production"},
		{[]string{"report", "--month", "2016-09", "--store", damaged}, exitTrouble, "it is damaged"},
		{[]string{"restore", copied, "--store", damaged}, exitOK, "is kept as"},
		{[]string{"report", "--month", "2016-09", "--store", damaged}, exitOK, "1 deploy to production"},
	} {
		if code, out := command(t, c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: %d %s, want %d with %q", c.args, code, out, c.code, c.want)
		}
	}
}
