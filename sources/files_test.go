package sources

import (
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"verifier"
)

var midday = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func logLine(at time.Time, service, host string, status int, took float64) string {
	level := "INFO"
	if status >= 500 {
		level = "ERROR"
	}
	return fmt.Sprintf(`{"@timestamp":%q,"log.level":%q,"message":"request done","service":{"name":%q,"version":"1"},"service.environment":"production","host.name":%q,"http":{"response":{"status_code":%d}},"event.duration":%g}`,
		at.Format(time.RFC3339Nano), level, service, host, status, took)
}

func writeLog(t interface{ Fatal(...any) }, path string, lines ...string) {
	text := strings.Join(lines, "\n") + "\n"
	if strings.HasSuffix(path, ".gz") {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		z.Write([]byte(text))
		if err := errors.Join(z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func filesIn(t interface{ Fatal(...any) }, folder string) *Files {
	f, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "*.log")})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var ofShop = verifier.Subject{Service: "shop", Environment: "production"}

func asking(m verifier.Measure, s verifier.Subject, from, to time.Time, step time.Duration) []verifier.Question {
	return []verifier.Question{{Measure: m, Subject: s, From: from, To: to, Step: step}}
}

var (
	errorsCounted = verifier.Measure{Source: "logs", Count: "log.level:ERROR"}
	errorRatio    = verifier.Measure{Source: "logs", Ratio: &verifier.Ratio{Of: "http.response.status_code:>=500", To: "http.response.status_code:*"}}
)

func TestFilesAnswer(t *testing.T) {
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log"),
		logLine(midday.Add(1*time.Second), "shop", "h1", 200, 10), logLine(midday.Add(2*time.Second), "shop", "h2", 500, 20),
		logLine(midday.Add(10*time.Second), "shop", "h1", 200, 30), logLine(midday.Add(11*time.Second), "shop", "h1", 503, 50),
		logLine(midday.Add(12*time.Second), "other", "h1", 500, 70), logLine(midday.Add(31*time.Second), "shop", "h1", 200, 90))
	f := filesIn(t, folder)
	sample := func(second int, value, count, exposure float64) verifier.Sample {
		return verifier.Sample{T: midday.Add(time.Duration(second) * time.Second), Value: value, Count: count, Exposure: exposure}
	}
	onH1 := ofShop
	onH1.Hosts = []string{"h1"}
	peers := onH1
	peers.Peers = true
	for name, c := range map[string]struct {
		measure verifier.Measure
		subject verifier.Subject
		want    []verifier.Sample
	}{
		"count":      {errorsCounted, ofShop, []verifier.Sample{sample(10, 1, 1, 3), sample(20, 1, 1, 1)}},
		"ratio":      {errorRatio, ofShop, []verifier.Sample{sample(10, 1.0/3, 1, 3), sample(20, 1, 1, 1)}},
		"percentile": {verifier.Measure{Percentile: &verifier.Percentile{Field: "event.duration", P: 50}}, ofShop, []verifier.Sample{sample(10, 20, 0, 3), sample(20, 50, 0, 1)}},
		"average":    {verifier.Measure{Average: &verifier.Average{Field: "event.duration"}, Where: "log.level:INFO"}, ofShop, []verifier.Sample{sample(10, 20, 0, 2)}},
		"hosts":      {errorsCounted, onH1, []verifier.Sample{sample(10, 0, 0, 2), sample(20, 1, 1, 1)}},
		"peers":      {errorsCounted, peers, []verifier.Sample{sample(10, 1, 1, 1)}},
	} {
		got := f.Ask(t.Context(), asking(c.measure, c.subject, midday, midday.Add(30*time.Second), 10*time.Second))[0]
		if got.Err != nil {
			t.Errorf("%s: %v", name, got.Err)
		}
		if diff := cmp.Diff(c.want, got.Samples); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got := f.Ask(t.Context(), asking(errorsCounted, verifier.Subject{Service: "shpo"}, midday, midday.Add(time.Minute), time.Minute))[0]
	if got.Nearest != "shop" || len(got.Samples) != 0 {
		t.Errorf("nearest %q, %d samples; want shop, and no sample for a service that was never seen", got.Nearest, len(got.Samples))
	}
}

func TestFilesRotated(t *testing.T) {
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log.2.gz"), logLine(midday, "shop", "h", 500, 1))
	writeLog(t, filepath.Join(folder, "a.log.1"), logLine(midday.Add(time.Minute), "shop", "h", 500, 1))
	writeLog(t, filepath.Join(folder, "a.log-20261124"), logLine(midday.Add(2*time.Minute), "shop", "h", 500, 1))
	writeLog(t, filepath.Join(folder, "a.log"), logLine(midday.Add(3*time.Minute), "shop", "h", 500, 1))
	f, err := os.OpenFile(filepath.Join(folder, "a.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(logLine(midday.Add(4*time.Minute), "shop", "h", 500, 1)[:100]) // being written
	f.Close()
	got := filesIn(t, folder).Ask(t.Context(), asking(errorsCounted, ofShop, midday.Add(-10*time.Minute), midday.Add(10*time.Minute), 20*time.Minute))[0]
	total, _ := counted(got)
	if got.Err != nil || total != 4 {
		t.Errorf("%+v, want 4 errors in the file and its brothers", got)
	}
}

func reasonOf(a verifier.Answer) verifier.Reason {
	var e *verifier.SourceError
	if errors.As(a.Err, &e) {
		return e.Reason
	}
	return ""
}

func counted(a verifier.Answer) (count, documents float64) {
	for _, s := range a.Samples {
		count += s.Count
		documents += s.Exposure
	}
	return count, documents
}

var ofMinute = asking(errorsCounted, ofShop, midday, midday.Add(time.Minute), time.Minute)

func TestFilesTroubles(t *testing.T) {
	good := logLine(midday.Add(time.Second), "shop", "h", 500, 1)
	for _, c := range []struct {
		name    string
		config  FilesConfig
		lay     func(folder string)
		reason  verifier.Reason
		problem string
		partial string
		count   float64
	}{
		{name: "no file", lay: func(string) {}, reason: verifier.SourceGone, problem: "no file matches "},
		{name: "empty", lay: func(f string) { write(t, f, "a.log", "") }},
		{name: "only a line that is being written", lay: func(f string) { write(t, f, "a.log", good[:50]) }},
		{
			name: "another format", lay: func(f string) { writeLog(t, f+"/a.log", "this is", "no JSON", `{"no":"time"}`) },
			reason: verifier.BadData, problem: "3 of 3 lines cannot be read; the first: ",
		},
		{
			name: "no times", lay: func(f string) { writeLog(t, f+"/a.log", `{"at":"2026-11-24T12:00:01Z"}`) },
			reason: verifier.BadData, problem: "no time in its field @timestamp",
		},
		{name: "rubbish", lay: func(f string) { write(t, f, "a.log", strings.Repeat("\x00\xff\xfe\n", 5000)) }, reason: verifier.BadData, problem: "5000 of 5000 lines"},
		{name: "few bad lines", lay: func(f string) { writeLog(t, f+"/a.log", good, "rubbish", good, good) }, count: 3},
		{name: "a huge line", lay: func(f string) { writeLog(t, f+"/a.log", good, strings.Repeat("x", 3<<20), good) }, count: 2},
		{name: "one clock far ahead", lay: func(f string) {
			writeLog(t, f+"/a.log", good, logLine(midday.AddDate(50, 0, 0), "shop", "h", 500, 1), good)
		}, count: 2},
		{name: "many bytes", config: FilesConfig{MaxBytes: 300}, lay: func(f string) { writeLog(t, f+"/a.log", good, good) }, partial: "after 300 bytes (max_bytes)", count: 1},
		{name: "all of the bytes", config: FilesConfig{MaxBytes: int64(2 * (len(good) + 1))}, lay: func(f string) { writeLog(t, f+"/a.log", good, good) }, count: 2},
		{name: "no time", config: FilesConfig{MaxTime: 1}, lay: func(f string) { writeLog(t, f+"/a.log", good) }, partial: "max_time"},
		{name: "a bomb", config: FilesConfig{MaxBytes: 1 << 20}, lay: func(f string) {
			writeLog(t, f+"/a.log", good)
			writeLog(t, f+"/a.log.1.gz", strings.Repeat("0", 64<<20))
		}, partial: "max_bytes", count: 1},
		{name: "a broken brother", lay: func(f string) {
			writeLog(t, f+"/a.log", good)
			write(t, f, "a.log.1.gz", "no gzip at all")
		}, partial: "a.log.1.gz: gzip: invalid header", count: 1},
		{name: "an empty brother", lay: func(f string) {
			writeLog(t, f+"/a.log", good)
			write(t, f, "a.log.1.gz", "")
		}, count: 1},
		{name: "a brother that cannot be unpacked", lay: func(f string) {
			writeLog(t, f+"/a.log", good)
			write(t, f, "a.log.1.zst", "x")
		}, partial: "files that end in .zst are not read; use gzip", count: 1},
		{name: "a folder of that name", lay: func(f string) { os.Mkdir(f+"/a.log", 0o700) }, reason: verifier.SourceGone, problem: "no file matches"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Path = filepath.Join(t.TempDir(), "*.log")
			c.lay(filepath.Dir(c.config.Path))
			f, err := NewFiles(c.config)
			if err != nil {
				t.Fatal(err)
			}
			got := f.Ask(t.Context(), ofMinute)[0]
			if reasonOf(got) != c.reason || c.reason != "" && !strings.Contains(got.Err.Error(), c.problem) {
				t.Errorf("got %q %v, want %q %s", reasonOf(got), got.Err, c.reason, c.problem)
			}
			if !strings.Contains(got.Partial, c.partial) || c.partial == "" && got.Partial != "" {
				t.Errorf("partial %q, want %q", got.Partial, c.partial)
			}
			if count, _ := counted(got); count != c.count {
				t.Errorf("%g errors, want %g", count, c.count)
			}
		})
	}
	bad := asking(verifier.Measure{Count: "a:(b"}, ofShop, midday, midday.Add(time.Minute), time.Minute)
	if got := filesIn(t, t.TempDir()).Ask(t.Context(), bad)[0]; reasonOf(got) != verifier.BadData {
		t.Errorf("a query that does not parse: %v", got.Err)
	}
}

func write(t interface{ Fatal(...any) }, folder, name, text string) {
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Only root may read everything: others are told what they may not.
func TestFilesUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log"), "x")
	if err := os.Chmod(filepath.Join(folder, "a.log"), 0); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, folder).Ask(t.Context(), ofMinute)[0]; reasonOf(got) != verifier.SourceDown || !strings.HasSuffix(got.Err.Error(), "a.log: permission denied") {
		t.Errorf("%v", got.Err)
	}
}

// A file by two names, and one that is just being packed, count once.
func TestFilesCountOnce(t *testing.T) {
	folder := t.TempDir()
	line := logLine(midday.Add(time.Second), "shop", "h", 500, 1)
	writeLog(t, filepath.Join(folder, "a-2026.log"), line)
	if err := os.Symlink("a-2026.log", filepath.Join(folder, "a.log")); err != nil {
		t.Fatal(err)
	}
	writeLog(t, filepath.Join(folder, "a.log.1"), line)
	writeLog(t, filepath.Join(folder, "a.log.1.gz"), line)
	writeLog(t, filepath.Join(folder, "a.log.swp"), line)
	if got := filesIn(t, folder).Ask(t.Context(), ofMinute)[0]; got.Err != nil || got.Partial != "" || got.Samples[0].Count != 2 {
		t.Errorf("%+v, want one error of each of two files", got)
	}
}

// What a service that was never seen may be called, and fields that nothing has.
func TestFilesNameWhatIsMissing(t *testing.T) {
	folder := t.TempDir()
	writeLog(t, filepath.Join(folder, "a.log"), logLine(midday.Add(time.Second), "shop", "h", 200, 1))
	f := filesIn(t, folder)
	ask := func(m verifier.Measure, s verifier.Subject) verifier.Answer {
		return f.Ask(t.Context(), asking(m, s, midday, midday.Add(time.Minute), time.Minute))[0]
	}
	for _, c := range []struct {
		subject verifier.Subject
		unseen  bool
		nearest string
	}{
		{ofShop, false, ""},
		{verifier.Subject{Service: "shpo", Environment: "production"}, true, "shop"},
		{verifier.Subject{Service: "shop", Environment: "staging"}, true, "shop in production"},
		{verifier.Subject{Service: "shop", Environment: "production", Hosts: []string{"other"}}, false, ""},
	} {
		if got := ask(errorsCounted, c.subject); got.Unseen != c.unseen || got.Nearest != c.nearest {
			t.Errorf("%+v: unseen %t, nearest %q; want %t, %q", c.subject, got.Unseen, got.Nearest, c.unseen, c.nearest)
		}
	}
	got := ask(verifier.Measure{Percentile: &verifier.Percentile{Field: "event.duraton", P: 95}, Where: "log.level:INFO AND NOT lvl:x AND @timestamp:[a TO b]"}, ofShop)
	if diff := cmp.Diff([]string{"event.duraton", "lvl"}, got.Missing); diff != "" {
		t.Error(diff)
	}
	if !got.Newest.Equal(midday.Add(time.Second)) {
		t.Errorf("the newest is of %s", got.Newest)
	}
	name := "service.nam"
	f.fields.service = name
	if got := ask(errorsCounted, ofShop); !got.Unseen || cmp.Diff([]string{name}, got.Missing) != "" {
		t.Errorf("%+v, want the field of the service named", got)
	}
}

func TestFilesFormats(t *testing.T) {
	name := func(s string) *string { return &s }
	flat := Fields{Time: name("ts"), Service: name("app"), Environment: name(""), Version: name("version")}
	for _, c := range []struct {
		name   string
		config FilesConfig
		lines  []string
		query  string
		count  float64
	}{
		{"logfmt", FilesConfig{Format: "logfmt", Fields: flat}, []string{
			`ts=2026-11-24T12:00:01Z app=shop level=error msg="it said \"no\"" status=500 version=1.10 flag`,
			`ts=1795521602 app=shop level=error msg= status=- version=1.1 flag`,
		}, "level:error AND status:>=500 AND version:1.10 AND flag:true", 1},
		{"regexp with a stack trace", FilesConfig{Format: "regexp", Regexp: `^(?P<ts>\S+ \S+) (?P<app>\w+) (?P<level>\w+) (?P<status>\d+)`, Fields: flat}, []string{
			"2026-11-24 12:00:01,250 shop error 500 whatever", "  at a", "  at b", "  at c",
		}, "level:error AND status:[500 TO 599]", 1},
		{"a zone of its own", FilesConfig{Format: "logfmt", Fields: flat, Timezone: "Europe/Berlin"}, []string{`ts="2026-11-24 13:00:01" app=shop`}, "*", 1},
		{"a layout of its own", FilesConfig{Format: "logfmt", Fields: flat, TimeFormat: "Jan _2, 2006 15:04:05"}, []string{`ts="Nov 24, 2026 12:00:01" app=shop`}, "*", 1},
		{"Apache", FilesConfig{Format: "regexp", Regexp: `^\S+ (?P<app>\S+) \S+ \[(?P<ts>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d+)`, Fields: flat}, []string{
			`10.0.0.1 shop - [24/Nov/2026:13:00:01 +0100] "GET / HTTP/1.1" 503 12`,
		}, `status:>=500 AND request:GET*`, 1},
		{"unix milliseconds", FilesConfig{Fields: flat}, []string{`{"ts":1795521601500,"app":["shop"]}`}, "*", 1},
		{"nothing is filtered by", FilesConfig{Fields: Fields{Service: name(""), Environment: name("")}}, []string{`{"@timestamp":"2026-11-24T12:00:01.5+00:00"}`}, "*", 1},
		{"a list of objects", FilesConfig{Fields: flat}, []string{`{"ts":"2026-11-24T12:00:01Z","app":"shop","errors":[{"code":1},{"code":{"x":2},"y.z":"w"}]}`}, "errors.code:1 AND errors.code.x:2 AND errors.y.z:w", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Path = filepath.Join(t.TempDir(), "f.log")
			writeLog(t, c.config.Path, c.lines...)
			f, err := NewFiles(c.config)
			if err != nil {
				t.Fatal(err)
			}
			got := f.Ask(t.Context(), asking(verifier.Measure{Count: c.query}, ofShop, midday, midday.Add(time.Minute), time.Minute))[0]
			if count, _ := counted(got); got.Err != nil || count != c.count {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestNewFilesRefuses(t *testing.T) {
	empty := ""
	for want, c := range map[string]FilesConfig{
		"path: is missing":                     {},
		`path: "[" is no glob`:                 {Path: "["},
		"format: \"xml\" is none":              {Path: "x", Format: "xml"},
		"regexp: is missing; write one":        {Path: "x", Format: "regexp"},
		"regexp: \"(\" does not compile":       {Path: "x", Format: "regexp", Regexp: "("},
		"no group named @timestamp":            {Path: "x", Format: "regexp", Regexp: "(?P<t>.)"},
		"fields.time: is empty":                {Path: "x", Fields: Fields{Time: &empty}},
		"must not be negative":                 {Path: "x", MaxBytes: -1},
		"timezone: \"Mars\" is none":           {Path: "x", Timezone: "Mars"},
		"does not hold a whole time":           {Path: "x", TimeFormat: "Jan _2 15:04:05"},
		"\"YYYY-MM-DD\" does not hold a whole": {Path: "x", TimeFormat: "YYYY-MM-DD"},
	} {
		if _, err := NewFiles(c); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestBisectionMissesNothing compares reading by bisection with counting every line.
func TestBisectionMissesNothing(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		n := rapid.IntRange(1, 3000).Draw(t, "lines")
		at := midday
		var lines []string
		var times []time.Time
		for range n {
			at = at.Add(time.Duration(random.Intn(2000)) * time.Millisecond)
			when := at.Add(-time.Duration(random.Intn(5000)) * time.Millisecond) // a little out of order
			times = append(times, when)
			lines = append(lines, logLine(when, "shop", "h", 500, 1)+strings.Repeat(" ", random.Intn(300)))
		}
		writeLog(t, filepath.Join(folder, "a.log"), lines...)
		from := midday.Add(time.Duration(random.Intn(n)) * time.Second)
		to := from.Add(time.Duration(1+random.Intn(600)) * time.Second)
		want := 0
		for _, w := range times {
			if w.After(from) && !w.After(to) {
				want++
			}
		}
		got := 0
		for _, s := range filesIn(t, folder).Ask(t.Context(), asking(errorsCounted, ofShop, from, to, to.Sub(from)))[0].Samples {
			got += int(s.Count)
		}
		if got != want {
			t.Fatalf("%d lines, want %d, of %d", got, want, n)
		}
	})
}

func TestCheckFiles(t *testing.T) {
	for want, m := range map[string]verifier.Measure{
		"":                         {Count: `a:"{{.Service}}"`},
		"outside a quoted literal": {Count: "a:{{.Service}}"},
		"nothing log files can":    {PromQL: "up"},
		"where: narrows":           {Count: "a", Where: "b"},
		"asks for nothing":         {},
		"column 1":                 {Count: ")"},
		"regular expressions are":  {Ratio: &verifier.Ratio{Of: "/a/", To: "*"}},
	} {
		_, err := CheckFiles(m)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", m, err, want)
		}
	}
}

// BenchmarkFiles asks for half an hour of a file of a day.
func BenchmarkFiles(b *testing.B) {
	folder := b.TempDir()
	f, err := os.Create(filepath.Join(folder, "a.log"))
	if err != nil {
		b.Fatal(err)
	}
	midday := midday.Add(-48 * time.Hour)
	for i := range 400_000 {
		fmt.Fprintln(f, logLine(midday.Add(time.Duration(i)*216*time.Millisecond), "shop", "h", 200+i%2*300, 5))
	}
	f.Close()
	source := filesIn(b, folder)
	for b.Loop() {
		if a := source.Ask(b.Context(), asking(errorRatio, ofShop, midday.Add(12*time.Hour), midday.Add(12*time.Hour+30*time.Minute), 15*time.Second))[0]; a.Err != nil || len(a.Samples) != 120 {
			b.Fatal(a.Err, len(a.Samples))
		}
	}
}

// TestFilesMixed: where lines name versions and no hosts, those of the deployed one speak for the hosts that have it, and others are peers.
func TestFilesMixed(t *testing.T) {
	folder := t.TempDir()
	line := func(version string) string {
		return fmt.Sprintf(`{"@timestamp":"2026-11-24T12:00:01Z","log.level":"ERROR","service.name":"shop","service.environment":"production","service.version":%q}`, version)
	}
	writeLog(t, filepath.Join(folder, "a.log"), line("1.1"), line("1.0"), line("1.0"))
	f := filesIn(t, folder)
	f.fields.host = ""
	of := ofShop
	of.Version, of.Hosts = "1.1", []string{"h1"}
	for name, c := range map[string]struct {
		mixed, peers bool
		want         float64
	}{"whole": {want: 3}, "changed": {mixed: true, want: 1}, "peers": {mixed: true, peers: true, want: 2}} {
		of.Mixed, of.Peers = c.mixed, c.peers
		got := f.Ask(t.Context(), asking(errorsCounted, of, midday, midday.Add(time.Minute), time.Minute))[0]
		if count, _ := counted(got); got.Err != nil || count != c.want {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}
