package words

import (
	"fmt"
	"time"
)

// Duration writes the largest unit and, where it says something, the next: 350 ms, 15 s, 9 min, 1 h 30 min, 2 d.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "min")
	}
	return two(d, 24*time.Hour, "d", time.Hour, "h")
}

func two(d, big time.Duration, bigUnit string, small time.Duration, smallUnit string) string {
	s := fmt.Sprintf("%d %s", d/big, bigUnit)
	if rest := d % big / small; rest > 0 {
		s += fmt.Sprintf(" %d %s", rest, smallUnit)
	}
	return s
}

// Time writes when something is, with its zone, and with the day where that is not the day of now: 14:11 UTC, 30 Nov 14:11 UTC,
// 30 Nov 2025 14:11 UTC. A nil zone is UTC; a zero time is a dash.
func Time(t, now time.Time, zone *time.Location) string { return clock(t, now, zone, "15:04 MST") }

// TimeSeconds is Time to the second: 14:11:05 UTC.
func TimeSeconds(t, now time.Time, zone *time.Location) string {
	return clock(t, now, zone, "15:04:05 MST")
}

func clock(t, now time.Time, zone *time.Location, layout string) string {
	if t.IsZero() {
		return "–"
	}
	if zone == nil {
		zone = time.UTC
	}
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Year() != now.Year():
		layout = "2 Jan 2006 " + layout
	case t.YearDay() != now.YearDay():
		layout = "2 Jan " + layout
	}
	return t.Format(layout)
}
