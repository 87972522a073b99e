package sources

import (
	"strings"
	"testing"
	"time"

	"verifier"
)

// What loggers write where nobody set a layout, all of one moment: 24 November, 12:00:01 UTC.
func TestFilesTimes(t *testing.T) {
	year := time.Now().Year()
	if time.Now().Before(time.Date(year, 11, 25, 0, 0, 0, 0, time.UTC)) {
		year--
	}
	want := time.Date(year, 11, 24, 12, 0, 1, 0, time.UTC)
	for _, c := range []struct{ name, text, timezone string }{
		{"RFC 3339", "2006-11-24T12:00:01.5Z", ""},
		{"Serilog", "2006-11-24 13:00:01.123 +01:00", ""},
		{"NLog", "2006-11-24 12:00:01.1234", ""},
		{"log4net, logback, Python", "2006-11-24 12:00:01,123", ""},
		{"Kafka", "[2006-11-24 12:00:01,123]", ""},
		{"log4j ISO8601", "2006-11-24T12:00:01,123", ""},
		{"log4j with an offset", "2006-11-24T13:00:01,123+0100", ""},
		{"log4j DATE", "24 Nov 2006 12:00:01,123", ""},
		{"java.util.logging", "Nov 24, 2006 12:00:01 PM", ""},
		{"Java's Date", "Fri Nov 24 12:00:01 UTC 2006", ""},
		{"Tomcat", "24-Nov-2006 12:00:01.123", ""},
		{"nginx error", "2006/11/24 12:00:01", ""},
		{"Go", "2006/11/24 12:00:01.123456", ""},
		{"Go's String", "2006-11-24 13:00:01.123 +0100 CET", ""},
		{"nginx, Apache access", "24/Nov/2006:13:00:01 +0100", ""},
		{"HAProxy", "24/Nov/2006:12:00:01.123", ""},
		{"Apache error", "Fri Nov 24 12:00:01.123456 2006", ""},
		{"PostgreSQL", "2006-11-24 12:00:01.123 UTC", ""},
		{"PostgreSQL GMT", "2006-11-24 12:00:01 GMT", ""},
		{"PostgreSQL in its zone", "2006-11-24 13:00:01.123 CET", "Europe/Berlin"},
		{"PostgreSQL's timestamptz", "2006-11-24 13:00:01.123+01", ""},
		{"PostgreSQL with a zone by number", "2006-11-24 15:00:01.123 +03", ""},
		{"MySQL 8", "2006-11-24T12:00:01.123456Z", ""},
		{"MySQL 5.6", "061124 12:00:01", ""},
		{"MariaDB", "2006-11-24 12:00:01", ""},
		{"IIS", "2006-11-24 12:00:01", ""},
		{"syslog", "Nov 24 12:00:01", ""},
		{"syslog in a zone", "Nov 24 13:00:01", "Europe/Berlin"},
		{"syslog RFC 5424", "2006-11-24T13:00:01.123456+01:00", ""},
		{"klog", "I1124 12:00:01.123456", ""},
		{"klog without its letter", "1124 12:00:01.123456", ""},
		{"Ruby", "2006-11-24 13:00:01 +0100", ""},
		{"RFC 1123", "Fri, 24 Nov 2006 12:00:01 GMT", ""},
		{"PHP", "[24-Nov-2006 12:00:01 UTC]", ""},
		{"German", "24.11.2006 12:00:01", ""},
		{"basic", "20061124T120001Z", ""},
		{"epoch", "1164369601.5", ""},
		{"epoch in milliseconds", "1164369601500", ""},
	} {
		config := FilesConfig{Path: "x.log", Timezone: c.timezone}
		f, err := NewFiles(config)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time by the layout that fitted
			got, err := f.readTime(c.text)
			expected := want
			if strings.Contains(c.text, "06") && !strings.HasPrefix(c.text, "I") && !strings.HasPrefix(c.text, "1124") || strings.HasPrefix(c.text, "116") {
				expected = want.AddDate(2006-year, 0, 0)
			}
			if err != nil || !got.Truncate(time.Second).Equal(expected) {
				t.Errorf("%s %q: %s %v, want %s", c.name, c.text, got, err, expected)
			}
		}
	}
}

// A file may mix layouts; the one that fitted last decides nothing.
func TestFilesTimesMixed(t *testing.T) {
	f, err := NewFiles(FilesConfig{Path: "x.log"})
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2006, 11, 24, 12, 0, 1, 0, time.UTC)
	for _, text := range []string{
		"2006-11-24 12:00:01 UTC", "2006-11-24 15:00:01 +03", "2006-11-24 12:00:01 UTC", "2006-11-24 15:00:01 +0300", "2006-11-24 15:00:01+03:00", "061124 12:00:01",
		"20061124 12:00:01", "24.11.2006 12:00:01",
	} {
		if got, err := f.readTime(text); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
}

// What can be read in two ways is not guessed: the error shows the line and says what to set.
func TestFilesUnclearTimes(t *testing.T) {
	timeName := "time"
	for _, c := range []struct{ time, set string }{
		{"5/2/2024 10:00:01 AM", "set time_format"},
		{"05/02/2024 10:00:01", "set time_format"},
		{"10:00:01,123", "set time_format"},
		{"2006-11-24 12:00:01 CET", "set timezone"},
		{"2006-11-24 12:00:01 CST", "set timezone"},
		{"yesterday", "set time_format"},
	} {
		folder := t.TempDir()
		write(t, folder, "a.log", "["+c.time+"] ERROR boom\n")
		f, err := NewFiles(FilesConfig{Path: folder + "/a.log", Format: "regexp", Regexp: `^\[(?P<time>[^]]+)\] (?P<level>\w+)`, Fields: Fields{Time: &timeName}})
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ask(t.Context(), ofMinute)[0]
		if reasonOf(got) != verifier.BadData || !strings.Contains(got.Err.Error(), c.set) || !strings.Contains(got.Err.Error(), "time_format") || !strings.Contains(got.Err.Error(), "ERROR boom") {
			t.Errorf("%s: %v, want it to say %s", c.time, got.Err, c.set)
		}
	}
}

// Serilog's default file template, stack traces included.
func TestRealworldSerilogDefaultTime(t *testing.T) {
	folder := t.TempDir()
	text := realworld(t, "serilog-default-time/app.txt")
	write(t, folder, "app.txt", text)
	name := func(s string) *string { return &s }
	f, err := NewFiles(FilesConfig{
		Path: folder + "/app.txt", Format: "regexp", Regexp: `^(?P<time>\S+ \S+ \S+) \[(?P<level>\w+)\] (?P<message>.*)$`,
		Fields: Fields{Time: name("time"), Service: name(""), Environment: name("")},
	})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 30, 21, 39, 0, 0, time.UTC)
	got := f.Ask(t.Context(), asking(verifier.Measure{Count: "level:ERR"}, ofShop, from, from.Add(time.Hour), time.Hour))[0]
	if count, lines := counted(got); got.Err != nil || count != float64(strings.Count(text, "[ERR]")) || lines != float64(strings.Count(text, "+01:00")) {
		t.Errorf("%g of %g, %v", count, lines, got.Err)
	}
	if skippedLines(got) == 0 {
		t.Error("the lines of the stack traces are not told of")
	}
}
