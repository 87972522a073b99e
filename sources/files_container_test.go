package sources

import (
	"testing"
	"time"

	"verifier"
)

// What a service writes is read through what docker and containerd put around it, in each format.
func TestFilesContainers(t *testing.T) {
	name := func(s string) *string { return &s }
	inner := Fields{Time: name("ts"), Service: name("app"), Environment: name("")}
	around := Fields{Time: name("time"), Service: name(""), Environment: name(""), Message: name("log")}
	for _, c := range []struct {
		name   string
		config FilesConfig
		lines  []string
		query  string
	}{
		{"JSON in docker's log", FilesConfig{Fields: inner}, []string{
			`{"log":"{\"ts\":\"2026-11-24T12:00:01Z\",\"app\":\"shop\",\"level\":\"error\",\"message\":\"out of memory\"}\n","stream":"stderr","time":"2026-11-24T12:00:09Z"}`,
			`{"log":"   at Shop.Cart.Add()\n","stream":"stderr","time":"2026-11-24T12:00:09Z"}`,
			`{"log":"   at Shop.Cart.Remove()\n","stream":"stderr","time":"2026-11-24T12:00:09Z"}`,
		}, "level:error AND memory AND stream:stderr"},
		{"docker's time", FilesConfig{Fields: around}, []string{
			`{"log":"{\"level\":\"error\"}\n","stream":"stderr","time":"2026-11-24T12:00:01.123456789Z"}`,
			`{"log":"plain text\n","stream":"stderr","time":"2026-11-24T12:00:01.123456789Z"}`,
		}, "level:error"},
		{"plain text in docker's log", FilesConfig{Fields: around}, []string{`{"log":"out of memory\n","stream":"stderr","time":"2026-11-24T12:00:01.123456789Z"}`}, "memory AND stream:stderr"},
		{"logfmt in docker's log", FilesConfig{Format: "logfmt", Fields: inner}, []string{
			`{"log":"ts=2026-11-24T12:00:01Z app=shop level=error msg=\"x y\"\n","stream":"stderr","time":"2026-11-24T12:00:09Z"}`,
		}, "level:error AND msg:\"x y\""},
		{"text by an expression in docker's log", FilesConfig{Format: "regexp", Regexp: `^(?P<ts>\S+) (?P<app>\S+) (?P<level>\S+)`, Fields: inner}, []string{
			`{"log":"2026-11-24T12:00:01Z shop error x\n","stream":"stderr","time":"2026-11-24T12:00:09Z"}`,
		}, "level:error"},
		{"JSON from containerd", FilesConfig{Fields: inner}, []string{
			`2026-11-24T12:00:01.123456789Z stdout F {"ts":"2026-11-24T12:00:01Z","app":"shop","level":"error"}`,
			`2026-11-24T12:00:01.123456789Z stderr F    at Shop.Cart.Add()`,
		}, "level:error AND stream:stdout"},
		{"plain text from containerd", FilesConfig{Fields: around}, []string{`2026-11-24T12:00:01.123456789+00:00 stdout F out of memory`}, "memory"},
		{"logfmt from containerd", FilesConfig{Format: "logfmt", Fields: inner}, []string{`2026-11-24T12:00:01.123456789Z stdout F ts=2026-11-24T12:00:01Z app=shop level=error`}, "level:error"},
		{"a field that is called log", FilesConfig{Fields: inner}, []string{`{"ts":"2026-11-24T12:00:01Z","app":"shop","log":{"level":"error"}}`}, "log.level:error"},
	} {
		folder := t.TempDir()
		writeLog(t, folder+"/a.log", c.lines...)
		c.config.Path = folder + "/a.log"
		f, err := NewFiles(c.config)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Ask(t.Context(), asking(verifier.Measure{Count: c.query}, ofShop, midday, midday.Add(time.Minute), time.Minute))[0]
		if count, _ := counted(got); got.Err != nil || count != 1 {
			t.Errorf("%s: %g matches, want 1: %v", c.name, count, got.Err)
		}
	}
}

// Writers of logfmt agree on no list of escapes: what Go does not know is no reason to lose the line.
func TestLogfmtEscapes(t *testing.T) {
	for text, want := range map[string]string{
		`msg="a \"quote\""`:            `a "quote"`,
		`msg="a\/b"`:                   "a/b",
		`msg="it\'s"`:                  "it's",
		`msg="C:\logs\data"`:           `C:\logs\data`,
		`msg="\d+\.\w"`:                `\d+\.\w`,
		`msg="line\none\ttab"`:         "line\none\ttab",
		`msg="\u00e9\x41\ud83d\ude00"`: "éA😀",
		`msg="\u12"`:                   `\u12`,
		`msg="\e[31mred\u001b[0m"`:     "\x1b[31mred\x1b[0m",
		`msg="half`:                    "half",
		`msg="half \`:                  `half \`,
		`msg=`:                         "",
		"a=b\tmsg=tab":                 "tab",
		`flag msg="x"y=1`:              "x",
	} {
		fields, err := parseLogfmt([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := fields("msg"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if _, err := parseLogfmt([]byte("panic: runtime error")); err == nil {
		t.Error("a line without a pair was taken for logfmt")
	}
}

func FuzzFilesLine(f *testing.F) {
	for _, seed := range []string{`{"log":"{\"a\":1}"}`, `{"a":"b{"c":1}`, `a="\u12\`, `2026-11-24T12:00:01Z stdout F x=1`, "I1124 12:00:01"} {
		f.Add(seed)
	}
	json, err := NewFiles(FilesConfig{Path: "x"})
	if err != nil {
		f.Fatal(err)
	}
	logfmt, err := NewFiles(FilesConfig{Path: "x", Format: "logfmt"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, files := range []*Files{json, logfmt} {
			if fields, err := files.read(trimLine([]byte(line))); err == nil {
				files.timeOf(fields)
				document{field: fields}.has("a.b", "c")
			}
		}
		json.readTime(line)
	})
}
