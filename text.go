package verifier

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func isLetterOrDigit(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isPrintable(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }

func quoteRune(r rune) string { return fmt.Sprintf("%q", r) }

func lengthProblem(n int) string {
	switch {
	case n == 0:
		return "is empty; write 1 to 200 characters"
	case n > 200:
		return fmt.Sprintf("has %d characters; write 1 to 200", n)
	}
	return ""
}

// Glob reports whether s matches the pattern without case; * stands for any run of characters, ? for one.
func Glob(pattern, s string) bool {
	return glob([]rune(strings.ToLower(pattern)), []rune(strings.ToLower(s)))
}

func glob(p, s []rune) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// MatchAny reports whether any pattern matches s, or there is no pattern.
func MatchAny(patterns []string, s string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if Glob(p, s) {
			return true
		}
	}
	return false
}

// ParseDuration reads Go's durations, and days and weeks as 90d and 2w. Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		var n int
		if head, ok := strings.CutSuffix(s, unit); ok {
			if _, err := fmt.Sscanf(head, "%d", &n); err == nil && fmt.Sprint(n) == head && n >= 0 {
				return time.Duration(n) * length, nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a valid duration (try 30s, 15m, 12h)", s)
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative: a duration is 0 or more", s)
	}
	return d, nil
}
