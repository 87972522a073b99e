package report

import (
	"time"

	"verifier"
)

// Bounds is one month of a time zone: From is in it, To is not.
type Bounds struct {
	Name string // 2016-09
	From time.Time
	To   time.Time
}

const monthLayout = "2006-01"

// Month reads a month like 2016-09, from 1970 to 9999. A nil zone is UTC.
func Month(s string, zone *time.Location) (Bounds, error) {
	t, err := time.Parse(monthLayout, s)
	if err != nil || t.Year() < 1970 || len(s) != len(monthLayout) {
		return Bounds{}, verifier.Invalid("month", "%.40q is not a month; write a year and a month, like 2016-09", s)
	}
	return bounds(t.Year(), t.Month(), zone), nil
}

// Back is the month n months earlier (later where n is negative).
func (b Bounds) Back(n int) Bounds {
	return bounds(b.From.Year(), b.From.Month()-time.Month(n), b.From.Location())
}

func bounds(year int, month time.Month, zone *time.Location) Bounds {
	if zone == nil {
		zone = time.UTC
	}
	from := time.Date(year, month, 1, 0, 0, 0, 0, zone)
	return Bounds{Name: from.Format(monthLayout), From: from, To: time.Date(year, month+1, 1, 0, 0, 0, 0, zone)}
}
