package sources

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// timeOf is the line's time. The error says which field lacks one, or why what it holds is not read as one.
func (f *Files) timeOf(field getField) (time.Time, error) {
	v, ok := field(f.fields.time)
	if !ok || v == nil {
		return time.Time{}, fmt.Errorf("no time in its field %s", f.fields.time)
	}
	switch v := v.(type) {
	case float64:
		if v > 0 && v < math.MaxInt64 {
			return unixTime(v), nil
		}
	case string:
		return f.readTime(v)
	}
	return time.Time{}, fmt.Errorf("its field %s holds %.40v, which is not a time", f.fields.time, v)
}

// readTime reads a text by time_format, or by the first of the known layouts that fits.
func (f *Files) readTime(text string) (time.Time, error) {
	if f.TimeFormat != "" {
		if t, err := time.ParseInLocation(f.TimeFormat, text, f.zone); err == nil {
			return t, nil
		}
		return time.Time{}, fmt.Errorf("the time %.60q does not fit time_format %q", text, f.TimeFormat)
	}
	plain := plainTime(text)
	if at, zone, ok := f.parseTime(plain); ok && zone == "" {
		return at, nil
	} else if ok {
		return time.Time{}, fmt.Errorf("the time %.60q has the zone %s, which stands for several; set timezone, such as Europe/Berlin, or time_format", text, zone)
	}
	if v, err := strconv.ParseFloat(plain, 64); err == nil && v > 0 && v < math.MaxInt64 {
		return unixTime(v), nil
	}
	return time.Time{}, fmt.Errorf("the time %.60q fits no known layout; set time_format to its layout in Go's notation, such as 2006-01-02 15:04:05", text)
}

// unixTime takes seconds, or milli-, micro- or nanoseconds where the number is too large for them.
func unixTime(v float64) time.Time {
	switch {
	case v > 1e17:
		return time.Unix(0, int64(v))
	case v > 1e14:
		return time.UnixMicro(int64(v))
	case v > 1e11:
		return time.UnixMilli(int64(v))
	}
	return time.UnixMicro(int64(v * 1e6))
}

// plainTime leaves out brackets, doubled blanks and klog's letter.
func plainTime(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "[]")
	if strings.Contains(s, "  ") {
		s = strings.Join(strings.Fields(s), " ")
	}
	if len(s) > 5 && strings.ContainsRune("IWEFD", rune(s[0])) && s[1] >= '0' && s[1] <= '9' {
		s = s[1:]
	}
	return s
}

// timeLayouts also take a fraction of a second after a point or a comma. Left out is what can be read in two ways, such as 5/2/2024.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", // most
	"2006-01-02 15:04:05 -07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05Z07:00", // Serilog, Ruby
	"2006-01-02T15:04:05-0700", "2006-01-02T15:04:05-07", "2006-01-02T15:04:05 -07:00", "2006-01-02T15:04:05 -0700",
	"2006-01-02 15:04:05-0700", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05 -07", // PostgreSQL
	"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700 MST", "2006-01-02T15:04:05 MST", // PostgreSQL, Go
	"2006/01/02 15:04:05", "2006/01/02 15:04:05 -0700", "2006/01/02 15:04:05 MST", "2006/01/02T15:04:05Z07:00", // nginx's errors, Go's log
	"02/Jan/2006:15:04:05 -0700", "02/Jan/2006:15:04:05", // Apache, nginx, HAProxy
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", // Apache's errors, Java
	"Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700",
	"2 Jan 2006 15:04:05", "02-Jan-2006 15:04:05", "02-Jan-2006 15:04:05 MST", "02-Jan-2006 15:04:05 -0700", // log4j's DATE, Redis, Tomcat, PHP
	"Jan 2, 2006 3:04:05 PM", "Jan 2, 2006 15:04:05", "Jan 2 2006 15:04:05", // java.util.logging
	"2.1.2006 15:04:05", "2006.01.02 15:04:05", "2006-01-02_15:04:05", "2006-01-02-15:04:05",
	"20060102T150405Z0700", "20060102T150405", "20060102 15:04:05", "20060102 150405", "060102 15:04:05", // MySQL 5.6
	"Jan 2 15:04:05", "0102 15:04:05", // syslog and klog, which leave out the year
}

// layoutHint is the layout that fitted last: lines of a file are alike.
type layoutHint struct{ at atomic.Int32 }

// parseTime reads a text by the known layouts. zone is set where its abbreviation is not known to stand for one offset.
func (f *Files) parseTime(s string) (at time.Time, zone string, ok bool) {
	if s == "" || strings.IndexByte("0123456789JFMASONDTW", s[0]) < 0 {
		return at, "", false // no layout begins like that
	}
	last := int(f.layout.at.Load())
	if at, unclear, fits := f.parseLayout(timeLayouts[last], s); fits && unclear == "" {
		return at, "", true
	}
	for i, layout := range timeLayouts {
		switch at, unclear, fits := f.parseLayout(layout, s); {
		case fits && unclear == "":
			f.layout.at.Store(int32(i))
			return at, "", true
		case fits:
			zone = unclear
		}
	}
	return at, zone, zone != ""
}

var utcNames = regexp.MustCompile(`^(UTC|GMT|UCT|Z)?$`)

func (f *Files) parseLayout(layout, s string) (at time.Time, zone string, ok bool) {
	at, err := time.ParseInLocation(layout, s, f.zone)
	if err != nil {
		return at, "", false
	}
	if at.Year() == 0 {
		return withYear(at, time.Now()), "", true
	}
	if strings.Contains(layout, "MST") && !strings.Contains(layout, "-0700") {
		// Go takes an abbreviation that its zone does not know for UTC.
		if name, offset := at.Zone(); offset == 0 && !utcNames.MatchString(name) && at.Location() != f.zone {
			zone = name
		}
	}
	return at, zone, true
}

// withYear adds the year that the layout leaves out: the latest that is not in the future, but for a day of clocks that differ.
func withYear(at, now time.Time) time.Time {
	for _, year := range []int{now.Year() + 1, now.Year()} {
		if full := at.AddDate(year, 0, 0); !full.After(now.Add(24 * time.Hour)) {
			return full
		}
	}
	return at.AddDate(now.Year()-1, 0, 0)
}
