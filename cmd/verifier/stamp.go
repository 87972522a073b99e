package main

import "time"

// stamp is a time in a list of what is recorded: with its day, which sorts, and its zone.
func stamp(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04 MST")
}

// stampSeconds is stamp to the second.
func stampSeconds(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// stampOr is stamp, or another text where there is no time.
func stampOr(t *time.Time, zone *time.Location, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return stamp(*t, zone)
}
