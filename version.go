package verifier

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SameVersion reports whether two versions differ only in spelling: in a leading v, in case, in leading zeros of a number, or in
// parts at the end that are zero. v1.10.0, 1.10 and 1.10.0 are one version.
func SameVersion(a, b string) bool {
	return a == b || len(a) > 0 && len(b) > 0 && VersionKey(a) == VersionKey(b)
}

// VersionKey is the one spelling that all spellings of a version share, for comparing and for indexes. It is not for people.
func VersionKey(version string) string {
	prefix, numbers, rest := SplitVersion(version)
	if len(numbers) == 0 {
		return rest
	}
	return prefix + strings.Join(numbers, ".") + rest
}

// SplitVersion reads a version as a run of numbers between what stands before and after them, all in one spelling: release-v1.04.0-RC1
// is "release-", 1 and 4, "-rc1". The numbers are the first that have a dot between them, else the first one. A hash has none, and
// all of it is rest.
func SplitVersion(version string) (prefix string, numbers []string, rest string) {
	s := strings.ToLower(strings.TrimSpace(version))
	from, to := numberRun(s)
	if from == to {
		return "", nil, s
	}
	numbers = strings.Split(s[from:to], ".")
	prefix, rest = withoutV(s[:from]), s[to:]
	for i, n := range numbers {
		numbers[i] = strings.TrimLeft(n, "0")
		if numbers[i] == "" {
			numbers[i] = "0"
		}
	}
	for len(numbers) > 1 && numbers[len(numbers)-1] == "0" && !wildcard(rest) {
		numbers = numbers[:len(numbers)-1]
	}
	return prefix, numbers, rest
}

// numberRun finds where the numbers of a version begin and end.
func numberRun(s string) (from, to int) {
	for i := 0; i < len(s); {
		if !isDigit(s[i]) {
			i++
			continue
		}
		end := digitsFrom(s, i)
		if to == 0 {
			from, to = i, end
		}
		if dotted(s, end) {
			from, to = i, end
			break
		}
		i = end
	}
	for dotted(s, to) {
		to = digitsFrom(s, to+1)
	}
	return cutHash(s, from, to)
}

// cutHash leaves numbers out that are the beginning or the end of a commit, like the 9 of 1.4.9fceb02.
func cutHash(s string, from, to int) (int, int) {
	if from == to || IsHash(partAround(s, from)) {
		return 0, 0
	}
	dot := strings.LastIndexByte(s[from:to], '.')
	switch part := partAround(s, to-1); {
	case partEnd(s, to) == to: // nothing attached
		return from, to
	case dot < 0: // a word that begins with a digit
		return 0, 0
	case IsHash(part) || !numberAndWord(part):
		return from, from + dot
	}
	return from, to
}

// numberAndWord reports whether a part is a number, a word and perhaps another number, like the 3rc1 of 1.2.3rc1.
func numberAndWord(part string) bool {
	word := strings.Trim(part, digits)
	return !strings.ContainsAny(word, digits)
}

const digits = "0123456789"

// IsHash reports whether a part of a version is a commit: 9fceb02, or git describe's g9fceb02. Only digits (20161123) are a date or a
// count.
func IsHash(part string) bool {
	hex := strings.TrimPrefix(part, "g")
	return len(hex) >= 7 && len(hex) <= 40 && strings.Trim(hex, "0123456789abcdef") == "" &&
		strings.ContainsAny(hex, digits) && strings.Trim(hex, digits) != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digitsFrom(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// dotted reports whether another number follows after a dot.
func dotted(s string, i int) bool { return i > 0 && i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) }

func separates(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func partEnd(s string, i int) int {
	if n := strings.IndexFunc(s[i:], separates); n >= 0 {
		return i + n
	}
	return len(s)
}

func partAround(s string, i int) string {
	from := 0
	if sep := strings.LastIndexFunc(s[:i], separates); sep >= 0 {
		_, size := utf8.DecodeRuneInString(s[sep:])
		from = sep + size
	}
	return s[from:partEnd(s, i)]
}

// withoutV leaves out the v before the numbers.
func withoutV(prefix string) string {
	p, ok := strings.CutSuffix(strings.TrimRight(prefix, ". "), "v")
	last, _ := utf8.DecodeLastRuneInString(p)
	if !ok || p != "" && !separates(last) {
		return prefix
	}
	return p
}

// wildcard reports whether what follows the numbers stands for any number: 1.0.x is not 1.x.
func wildcard(rest string) bool {
	return slices.Contains([]string{".x", ".*"}, rest) || strings.HasPrefix(rest, ".x.") || strings.HasPrefix(rest, ".x-")
}
