package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"verifier"
)

// realworld reads a file of an input that a user met.
func realworld(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/realworld", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func skippedLines(a verifier.Answer) (n int) {
	for _, s := range a.Skipped {
		n += s.Lines
	}
	return n
}

// What a crashing .NET service writes: a JSON line, and behind it a stack trace of sixteen lines.
func TestRealworldFilesJSONCrashTrace(t *testing.T) {
	script := realworld(t, "files-json-crash-trace/app.py")
	query := regexp.MustCompile(`count: '([^']+)'`).FindStringSubmatch(realworld(t, "files-json-crash-trace/rules.yaml"))[1]
	first := regexp.MustCompile(`f.write\('(Unhandled[^\\]+)`).FindStringSubmatch(script)[1]
	path := filepath.Join(t.TempDir(), "app.log")
	var text strings.Builder
	for i := range 20 {
		at := midday.Add(time.Duration(i)*500*time.Millisecond + time.Millisecond).Format(time.RFC3339Nano)
		fmt.Fprintf(&text, `{"@timestamp":%q,"level":"Information","message":"request","service":"shop"}`+"\n", at)
		if i >= 10 {
			fmt.Fprintf(&text, `{"@timestamp":%q,"level":"Critical","message":"host terminated","service":"shop"}`+"\n%s\n", at, first)
			for k := range 15 {
				fmt.Fprintf(&text, "   at Shop.Startup.M%d() in /src/Startup.cs:line %d\n", k, k)
			}
		}
	}
	write(t, filepath.Dir(path), "app.log", text.String())
	name := func(s string) *string { return &s }
	f, err := NewFiles(FilesConfig{Path: path, Fields: Fields{Service: name("service"), Environment: name(""), Version: name(""), Host: name("")}})
	if err != nil {
		t.Fatal(err)
	}
	got := f.Ask(t.Context(), asking(verifier.Measure{Count: query}, ofShop, midday, midday.Add(10*time.Second), 2*time.Second))[0]
	if count, documents := counted(got); got.Err != nil || got.Partial != "" || count != 10 || documents != 30 {
		t.Errorf("%g of %g, %v; want the 10 critical lines of 30", count, documents, got.Err)
	}
	if skippedLines(got) != 160 || !strings.Contains(got.Lines, "not JSON") || !strings.Contains(got.Lines, first) {
		t.Errorf("skipped %d: %s; want the 160 lines of the traces", skippedLines(got), got.Lines)
	}
}

// What a crash leaves in a log, in each format. Of every input the two errors are counted.
func TestFilesCrash(t *testing.T) {
	name := func(s string) *string { return &s }
	at := func(second int) string { return midday.Add(time.Duration(second) * time.Second).Format(time.RFC3339) }
	object := func(second int) string {
		return fmt.Sprintf(`{"ts":%q,"app":"shop","level":"error","message":"x"}`, at(second))
	}
	pairs := func(second int) string { return fmt.Sprintf(`ts=%s app=shop level=error msg="x"`, at(second)) }
	plain := func(second int) string { return at(second) + " shop error x" }
	java := "java.lang.IllegalStateException: x\n" + strings.Repeat("\tat shop.Cart.add(Cart.java:12)\n", 2000) + "Caused by: y\n\t... 12 more\n"
	python := "Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    total = add(a=1, b=2)\nValueError: x=1\n"
	for _, c := range []struct {
		name, format string
		text         string
		skipped      int
	}{
		{"a Java trace", "json", object(1) + "\n" + java + object(2) + "\n", 2003},
		{"a trace after the last line", "json", object(1) + "\n" + object(2) + "\n" + java, 2003},
		{"a trace at the beginning of the file", "json", java + object(1) + "\n" + object(2) + "\n", 2003},
		{"objects of another kind", "json", object(1) + "\n" + object(2) + "\n" + `{"no":"time"}` + "\n", 1},
		{"a line that a crash cut", "json", `{"ts":"2026-11-24T12:00:01Z","app":"shop","lev` + object(1) + "\n" + object(2) + "\n", 0},
		{"half a line alone", "json", object(1) + "\n" + `{"ts":"2026-11-24T12:00:01Z","lev` + "\n" + object(2) + "\n", 1},
		{"half a last line", "json", object(1) + "\n" + object(2) + "\n" + `{"ts":"2026-11-24T12:00:01Z","lev`, 0},
		{"a last line without its newline", "json", object(1) + "\n" + object(2), 0},
		{"NUL before a line", "json", object(1) + "\n" + strings.Repeat("\x00", 4096) + object(2) + "\n", 0},
		{"much NUL", "json", object(1) + "\n" + strings.Repeat("\x00", 9<<20) + object(2) + "\n", 0},
		{"NUL at the end", "json", object(1) + "\n" + object(2) + "\n" + strings.Repeat("\x00", 300<<10), 0},
		{"a byte order mark", "json", "\ufeff" + object(1) + "\r\n" + object(2) + "\r\n", 0},
		{"a line of 2 MB", "json", object(1) + "\n" + strings.Replace(object(2), `"x"`, `"`+strings.Repeat("x", 2<<20)+`"`, 1) + "\n", 0},
		{"a line beyond all measure", "json", object(1) + "\n" + strings.Repeat("x", 9<<20) + "\n" + object(2) + "\n", 1},
		{"a Go panic", "logfmt", pairs(1) + "\npanic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1d\n" + pairs(2) + "\n", 4},
		{"a Python trace", "logfmt", pairs(1) + "\n" + python + pairs(2) + "\n", 4},
		{"a quote over several lines", "logfmt", fmt.Sprintf("ts=%s app=shop level=error msg=\"one\ntwo\"\n", at(1)) + pairs(2) + "\n", 1},
		{"a trace in plain text", "regexp", plain(1) + "\n" + java + plain(2) + "\n", 2003},
		{"a trace that the expression matches", "regexp", plain(1) + "\nSystem.InvalidOperation: boom here\n   at Shop.Cart.Add (Int32 id) in x\n" + plain(2) + "\n", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, folder, "a.log", c.text)
			config := FilesConfig{Path: folder + "/a.log", Format: c.format, Fields: Fields{Time: name("ts"), Service: name("app"), Environment: name("")}}
			if c.format == "regexp" {
				config.Regexp = `^\s*(?P<ts>\S+) (?P<app>\S+) (?P<level>\S+)`
			}
			f, err := NewFiles(config)
			if err != nil {
				t.Fatal(err)
			}
			got := f.Ask(t.Context(), asking(verifier.Measure{Count: "level:error"}, ofShop, midday, midday.Add(time.Minute), time.Minute))[0]
			if count, _ := counted(got); got.Err != nil || got.Partial != "" || count != 2 {
				t.Errorf("%g errors, want 2: %v", count, got.Err)
			}
			if skippedLines(got) != c.skipped || (got.Lines == "") != (c.skipped == 0) {
				t.Errorf("skipped %d (%s), want %d", skippedLines(got), got.Lines, c.skipped)
			}
		})
	}
}

// A wrong format, a wrong field of the time and times that cannot be read are no answer, although some lines look right by chance.
func TestFilesWrongFormat(t *testing.T) {
	name := func(s string) *string { return &s }
	good := logLine(midday.Add(time.Second), "shop", "h", 500, 1) + "\n"
	for _, c := range []struct{ name, text, problem string }{
		{"plain text", strings.Repeat("2026-11-24 12:00:01 INFO done\n", 50), `50 of 50 lines cannot be read; the first: `},
		{"one object by chance", good + strings.Repeat("2026-11-24 12:00:01 INFO done\n", 20_000), "20000 of 20001 lines"},
		{"the time has another name", strings.Repeat(`{"when":"2026-11-24T12:00:01Z"}`+"\n", 5) + good, "no time in its field @timestamp"},
		{"times of another form", strings.Repeat(`{"@timestamp":"11/24/2026 12:00"}`+"\n", 5), `"11/24/2026 12:00" fits no known layout; set time_format`},
	} {
		folder := t.TempDir()
		write(t, folder, "a.log", c.text)
		f, err := NewFiles(FilesConfig{Path: folder + "/a.log", Fields: Fields{Environment: name("")}})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Ask(t.Context(), ofMinute)[0]; reasonOf(got) != verifier.BadData || !strings.Contains(got.Err.Error(), c.problem) {
			t.Errorf("%s: %v, want %s", c.name, got.Err, c.problem)
		}
	}
}

// A file of the folder that holds another format is named, and the others answer.
func TestFilesNoteUnreadableFile(t *testing.T) {
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log"), logLine(midday.Add(time.Second), "shop", "h", 500, 1))
	writeLog(t, filepath.Join(folder, "gc.log"), "[0.001s] Using G1", "[0.002s] Pause Young")
	got := filesIn(t, folder).Ask(t.Context(), ofMinute)[0]
	if count, _ := counted(got); got.Err != nil || count != 1 || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "none of the 2 lines of ") {
		t.Errorf("%+v", got)
	}
}
