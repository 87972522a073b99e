package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchReports asks the command itself, as a process of its own, for a month of a large record.
func benchReports(b *testing.B, table *benchTable, size benchSize) {
	folder := b.TempDir()
	binary := buildVerifier(b, folder)
	for _, shape := range []struct {
		name   string
		months int
	}{{"over 100 months", 100}, {"all in that month", 1}} {
		db := filepath.Join(folder, fmt.Sprintf("of%d.db", shape.months))
		importDeploys(b, binary, folder, db, size.deploys/copies, shape.months)
		copyDeploys(b, db)
		first := reportTime(b, binary, db)
		second := reportTime(b, binary, db)
		table.add(fmt.Sprintf("a month's report, %d deploys %s", size.deploys, shape.name), "1 s", short(second),
			fmt.Sprintf("first time %s; the process's start included", short(first)))
	}
}

// copies is how often each imported deploy stands in the record of the bench: importing a million lines takes minutes.
const copies = 100

// copyDeploys multiplies the rows where they are, seconds apart.
func copyDeploys(b *testing.B, path string) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(context.Background(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `+strconv.Itoa(copies-1)+`)
		INSERT INTO deploys (id, place, environment, version, at, live, team, kind, status, change, void, day, sha, import, watch, state, reverted, automatic, facets,
		body) SELECT id || '-' || i, place, environment, version, at + i * 1000, live, team, kind, status, change, void, (at + i * 1000) / 86400000, sha, import, watch, state, reverted, automatic,
		facets, body FROM n, deploys`)
	if err != nil {
		b.Fatal(err)
	}
}

func buildVerifier(b *testing.B, folder string) string {
	binary := filepath.Join(folder, "verifier")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// importDeploys spreads the deploys evenly over months that end with 2024-12; one in fifty goes back a version.
func importDeploys(b *testing.B, binary, folder, db string, count, months int) {
	path := filepath.Join(folder, "deploys.csv")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	end := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	start := end.AddDate(0, -months, 0)
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, "at,service,environment,version,team,id")
	for n := range count {
		at := start.Add(end.Sub(start) / time.Duration(count) * time.Duration(n))
		minor := n / 500
		if minor%50 == 49 {
			minor -= 2
		}
		fmt.Fprintf(w, "%s,svc-%d,production,1.%d,team-%d,i-%d\n", at.Format(time.RFC3339Nano), n%500, minor, n%20, n)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	file.Close()
	if out, err := exec.Command(binary, "import", path, "--store", db).CombinedOutput(); err != nil {
		b.Fatalf("import: %v\n%s", err, out)
	}
}

func reportTime(b *testing.B, binary, db string) time.Duration {
	began := time.Now()
	out, err := exec.Command(binary, "report", "--month", "2024-12", "--store", db).CombinedOutput()
	if err != nil {
		b.Fatalf("report: %v\n%s", err, out)
	}
	return time.Since(began)
}

// benchIdle is what the daemon holds after a while without work, and Alertmanager beside it where it is installed. A source that scrapes
// is never idle; it has a row of its own.
func benchIdle(b *testing.B, table *benchTable, size benchSize) {
	folder := b.TempDir()
	binary := buildVerifier(b, folder)
	for _, name := range []string{"verifier.example.yaml", "rules.example.yaml"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			b.Fatal(err)
		}
		text = regexp.MustCompile(`\{type: embedded.*`).ReplaceAll(text, []byte("{type: prometheus, url: 'http://127.0.0.1:9'}"))
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	daemon := startIdle(b, ctx, folder, binary, "serve", "--config", "verifier.example.yaml", "--listen", "127.0.0.1:0")
	beside := "Alertmanager is not installed here"
	alertmanager := 0
	if path, err := exec.LookPath("prometheus-alertmanager"); err == nil {
		os.WriteFile(filepath.Join(folder, "am.yml"), []byte("route: {receiver: a}\nreceivers: [{name: a}]\n"), 0o600)
		alertmanager = startIdle(b, ctx, folder, path, "--config.file=am.yml", "--storage.path=am", "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	}
	time.Sleep(size.idle)
	if alertmanager != 0 {
		beside = fmt.Sprintf("Alertmanager in the same run: %d MB", resident(b, alertmanager))
	}
	table.add("memory when idle (resident)", "40 MB", fmt.Sprintf("%d MB", resident(b, daemon)), beside)
}

func startIdle(b *testing.B, ctx context.Context, folder, name string, args ...string) int {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = folder
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Wait() })
	return c.Process.Pid
}

// resident is VmRSS in MB, rounded up.
func resident(b *testing.B, pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatalf("read VmRSS of %d: %v", pid, err)
	}
	return (kb + 1023) / 1024
}
