// Package words says how people read counts, shares, durations and times, and which known name is nearest to one that is not known.
// Every text that a person reads goes through it, so that the same figure reads the same in an alert, on a page and in a terminal.
package words
