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
	total := 0.0
	for _, s := range got.Samples {
		total += s.Count
	}
	if got.Err != nil || total != 4 {
		t.Errorf("%+v, want 4 errors in the file and its brothers", got)
	}
}

func TestFilesTroubles(t *testing.T) {
	reasonOf := func(a verifier.Answer) verifier.Reason {
		var e *verifier.SourceError
		errors.As(a.Err, &e)
		if e == nil {
			return ""
		}
		return e.Reason
	}
	folder := t.TempDir()
	question := asking(errorsCounted, ofShop, midday, midday.Add(time.Minute), time.Minute)
	if got := reasonOf(filesIn(t, folder).Ask(t.Context(), question)[0]); got != verifier.SourceGone {
		t.Errorf("no file: %q", got)
	}
	writeLog(t, filepath.Join(folder, "a.log"), "this is", "no JSON", `{"no":"time"}`, logLine(midday.Add(time.Second), "shop", "h", 200, 1))
	answer := filesIn(t, folder).Ask(t.Context(), question)[0]
	if got := reasonOf(answer); got != verifier.BadData || !strings.Contains(answer.Err.Error(), "3 of 4 lines") {
		t.Errorf("bad lines: %q %v", got, answer.Err)
	}
	small, err := NewFiles(FilesConfig{Path: filepath.Join(folder, "b*.log"), MaxBytes: 300})
	if err != nil {
		t.Fatal(err)
	}
	writeLog(t, filepath.Join(folder, "b.log"), logLine(midday.Add(time.Second), "shop", "h", 200, 1), logLine(midday.Add(2*time.Second), "shop", "h", 200, 1))
	if got := small.Ask(t.Context(), question)[0]; !strings.Contains(got.Partial, "max_bytes") {
		t.Errorf("partial %q", got.Partial)
	}
	bad := question
	bad[0].Measure.Count = "a:(b"
	if got := reasonOf(small.Ask(t.Context(), bad)[0]); got != verifier.BadData {
		t.Errorf("a query that does not parse: %q", got)
	}
}

func TestFilesFormats(t *testing.T) {
	folder := t.TempDir()
	name := func(s string) *string { return &s }
	for _, c := range []struct {
		config FilesConfig
		line   string
	}{
		{FilesConfig{Format: "logfmt", Fields: Fields{Time: name("ts"), Service: name("app"), Environment: name("")}},
			`ts=2026-11-24T12:00:01Z app=shop level=error msg="it said \"no\"" status=500 flag`},
		{FilesConfig{Format: "regexp", Regexp: `^(?P<ts>\S+ \S+) (?P<app>\w+) (?P<level>\w+) (?P<status>\d+)`, Fields: Fields{Time: name("ts"), Service: name("app"), Environment: name("")}},
			`2026-11-24 12:00:01,250 shop error 500 whatever`},
	} {
		c.config.Path = filepath.Join(folder, "f.log")
		writeLog(t, c.config.Path, c.line)
		f, err := NewFiles(c.config)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ask(t.Context(), asking(verifier.Measure{Count: "level:error AND status:>=500"}, ofShop, midday, midday.Add(time.Minute), time.Minute))[0]
		if got.Err != nil || len(got.Samples) != 1 || got.Samples[0].Count != 1 {
			t.Errorf("%s: %+v", c.config.Format, got)
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
		"":                        {Count: "a:{{.Service}}"},
		"nothing log files can":   {PromQL: "up"},
		"where: narrows":          {Count: "a", Where: "b"},
		"asks for nothing":        {},
		"column 1":                {Count: ")"},
		"regular expressions are": {Ratio: &verifier.Ratio{Of: "/a/", To: "*"}},
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
