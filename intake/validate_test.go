package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestOneValidator sends the same deploys by the API, by a file and by a hook: they are the same deploy, or the same fields are wrong.
func TestOneValidator(t *testing.T) {
	hosts := make([]string, 1500)
	for i := range hosts {
		hosts[i] = fmt.Sprint("web", i)
	}
	for name, c := range map[string]struct {
		field, value string
		bad          bool
		hook         bool // it is refused there too
	}{
		"a script for a link":         {"url", "javascript:alert(1)", true, false},
		"a file for a repository":     {"repository", "file:///etc/passwd", true, false},
		"1,500 hosts":                 {"hosts", strings.Join(hosts, ";"), true, true},
		"a version with a quote":      {"version", "1'2", true, true},
		"a name of two lines":         {"service", "a\nb", true, true},
		"a text that is too long":     {"by", strings.Repeat("x", 501), true, false},
		"a time ahead":                {"at", "2026-11-24T10:06:00Z", true, true},
		"a start ahead":               {"started_at", "2026-11-24T10:06:00Z", true, true},
		"blanks around a version":     {"version", " 1.4.2\t", false, false},
		"blanks around a name":        {"service", " shop ", false, false},
		"a mark before a name":        {"service", "\ufeffshop", false, false},
		"a name with a dash and more": {"environment", "Production – O'Neill & Co. (EU) #1 🚀", false, false},
		"a status in capitals":        {"status", "FAILED", false, false},
	} {
		fields := map[string]string{"service": "shop", "environment": "production", "version": "1.4.2", "at": "2026-11-24T09:00:00Z"}
		fields[c.field] = c.value
		byAPI, apiErr := MapAPI(verifier.Delivery{ReceivedAt: now, Body: asJSON(t, fields)})
		byFile, fileErr := asCSV(fields)
		if (apiErr != nil) != c.bad || (fileErr != nil) != c.bad {
			t.Errorf("%s: the API says %v, the file %v", name, apiErr, fileErr)
			continue
		}
		if !c.bad {
			if diff := cmp.Diff(byAPI, byFile); diff != "" {
				t.Errorf("%s: (-API +file)\n%s", name, diff)
			}
		} else if !strings.Contains(apiErr.Error(), c.field) || !strings.Contains(fileErr.Error(), c.field) {
			t.Errorf("%s: the API says %.200v, the file %.200v", name, apiErr, fileErr)
		}
		if problem := (&hook{}).unfit(fitting(raw(fields)), now); (problem != "") != c.hook {
			t.Errorf("%s: a hook says %.200q", name, problem)
		}
	}
}

// raw is the deploy as a tool's reader gives it.
func raw(fields map[string]string) verifier.Deploy {
	at, _ := time.Parse(time.RFC3339, fields["at"])
	d := verifier.Deploy{
		ID: "x:1", Place: verifier.Place{Service: fields["service"], Environment: fields["environment"]}, Version: fields["version"], At: at, Status: verifier.Succeeded,
		Change: verifier.Release, By: fields["by"], URL: fields["url"], Repository: fields["repository"],
	}
	if fields["hosts"] != "" {
		d.Hosts = strings.Split(fields["hosts"], ";")
	}
	if started, err := time.Parse(time.RFC3339, fields["started_at"]); err == nil {
		d.StartedAt = &started
	}
	return d
}

func asJSON(t *testing.T, fields map[string]string) []byte {
	t.Helper()
	body := map[string]any{}
	for name, value := range fields {
		body[name] = value
	}
	if hosts, ok := fields["hosts"]; ok {
		body["hosts"] = strings.Split(hosts, ";")
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("\ufeff"), text...) // as PowerShell sends it
}

func asCSV(fields map[string]string) (d verifier.Deploy, err error) {
	var header, row []string
	for name, value := range fields {
		header, row = append(header, name), append(row, `"`+strings.ReplaceAll(value, `"`, `""`)+`"`)
	}
	text := "\ufeff" + strings.Join(header, ",") + "\r\n" + strings.Join(row, ",") + "\r\n"
	err = ReadCSV(strings.NewReader(text), now, time.UTC, func(_ int, got verifier.Deploy) error { d = got; return nil })
	return d, err
}

// TestCSVTimes reads times as programs export them.
func TestCSVTimes(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	want := time.Date(2024, 5, 1, 8, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2024-05-01T10:00:00+02:00", "2024-05-01 10:00:00 +02:00", // RFC 3339; .NET's DateTimeOffset and SQL Server
		"2024-05-01 10:00:00+02", "2024-05-01 10:00:00.000000+02", // PostgreSQL
		"2024-05-01 10:00:00+02:00", "2024-05-01 10:00:00.000001+02:00", "2024-05-01 10:00:00,000+0200", // Python
		"2024-05-01 10:00:00 +0200", "2024-05-01 08:00:00 UTC", "2024-05-01 08:00:00Z", "2024-05-01T08:00Z", // Ruby, Go
		"2024-05-01T10:00:00.0000000+02:00", "2024-05-01 13:30:00+05:30", "2024/05/01 09:00", "2024-05-01 09:00:00", "2024-05-01T09:00",
	} {
		if at, problem := csvTime(text, berlin); problem != "" || !at.Equal(want) {
			t.Errorf("%s is %s, %s", text, at, problem)
		}
	}
	for _, text := range []string{"5/1/2024 10:00:00 AM +02:00", "01/05/2024 10:00", "1.9.2016 10:00", "01-05-2024 10:00"} {
		if _, problem := csvTime(text, berlin); !strings.Contains(problem, "which is the day and which the month") {
			t.Errorf("%s: %s", text, problem)
		}
	}
	for _, text := range []string{"", "noon", "2024-05-01", "2024-13-01 10:00", "1714550400"} {
		if at, problem := csvTime(text, berlin); problem == "" {
			t.Errorf("%q is %s", text, at)
		}
	}
}

// TestCSVTables reads what spreadsheets leave beside and below a table, and leaves out columns by name.
func TestCSVTables(t *testing.T) {
	read := func(text string, ignore ...string) (versions []string, err error) {
		err = ReadCSV(strings.NewReader(text), now, time.UTC, func(line int, d verifier.Deploy) error {
			versions = append(versions, fmt.Sprintf("%d:%s", line, d.Version))
			return nil
		}, ignore...)
		return versions, err
	}
	got, err := read("at,service,environment,version,,\n2024-05-01 10:00,shop,production,1,,\n,,,,,\n,,\n , ,,\n2024-05-01 11:00,shop,production,2,,,,\n,,,,,,,,\n")
	if err != nil || !slices.Equal(got, []string{"2:1", "6:2"}) {
		t.Errorf("got %v, %v", got, err)
	}
	ticket := "at,service,Change Ticket,environment,version\n2024-05-01 10:00,shop,CHG-1,production,1\n"
	if _, err := read(ticket); err == nil || !strings.Contains(err.Error(), "--ignore-column 'change ticket'") {
		t.Errorf("an unknown column: %v", err)
	}
	if got, err := read(ticket, "change ticket"); err != nil || !slices.Equal(got, []string{"2:1"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"at,service,environment,version,\n2024-05-01 10:00,shop,production,1,x\n":   `line 2, column 5: has the value "x" and no name`,
		"at,service,environment,version\n2024-05-01 10:00,shop,production,1,x\n":    "line 2: it has another number of columns",
		"at,service,environment,version\n2024-05-01 10:00,shop\n":                   "line 2: it has another number of columns",
		"at,service,environment,version,at\n2024-05-01 10:00,shop,production,1,x\n": "at is there twice",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
