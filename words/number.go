package words

import (
	"math"
	"strconv"
	"strings"
)

// Number writes three significant digits, whole numbers with their thousands apart: 1,520, 0.031, 4.17.
func Number(x float64) string {
	a := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case a >= 1e15 || a > 0 && a < 0.0001:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case x == math.Trunc(x) || a >= 1000:
		return thousands(strconv.FormatFloat(x, 'f', 0, 64))
	}
	return trim(strconv.FormatFloat(x, 'f', max(0, 2-int(math.Floor(math.Log10(a)))), 64))
}

// Percent writes a share of 1 as 4.1 %, with three significant digits at most. Nearly all is never rounded to 100 %.
func Percent(share float64) string {
	x := share * 100
	if a := math.Abs(x); a > 99.9 && a < 100 {
		return trim(strconv.FormatFloat(math.Trunc(x*100)/100, 'f', 2, 64)) + " %"
	}
	return Number(x) + " %"
}

// Count writes a number with its noun: 1 rollback, 1,234 rollbacks. The noun is regular and in the singular; see CountOf for others.
func Count(n int, noun string) string { return CountOf(n, noun, plural(noun)) }

// CountOf is Count for nouns whose plural is irregular.
func CountOf(n int, one, many string) string {
	noun := many
	if n == 1 {
		noun = one
	}
	return thousands(strconv.Itoa(n)) + " " + noun
}

// plural adds s, es after a hiss, and ies for a y that follows a consonant.
func plural(noun string) string {
	switch {
	case hasAnySuffix(noun, "s", "x", "ch", "sh"):
		return noun + "es"
	case strings.HasSuffix(noun, "y") && !hasAnySuffix(noun, "ay", "ey", "oy", "uy"):
		return strings.TrimSuffix(noun, "y") + "ies"
	}
	return noun + "s"
}

func hasAnySuffix(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// thousands separates the digits of a whole number in threes.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// trim takes zeros off the end of a decimal number.
func trim(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
