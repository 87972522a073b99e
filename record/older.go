package record

import (
	"cmp"
	"regexp"
	"strings"
	"time"
)

// How a service's versions are ordered, as its catalogue entry says.
const (
	Auto   = "auto"   // by number where both versions clearly are numbers, else by when they were first seen
	Number = "number" // by number wherever both can be read as one
	Seen   = "seen"   // by when they were first seen
)

// Older reports whether version a is older than b. firstSeen says when a version first succeeded in the place; a version that
// never did is not older than any.
//
// Auto goes by number where both have a dot (1.4, v1.4.2, 2016.9.1.3, 1.4.2-rc.1) or both are whole numbers of at most 8 digits;
// Number also compares longer whole numbers, and whole ones with dotted ones. Hashes are never numbers, also not as a
// pre-release: with equal numbers before them the first seen decides, as it does between builds of one number (1.4.2+7).
func Older(a, b string, firstSeen func(version string) (time.Time, bool), mode string) bool {
	if a == b {
		return false
	}
	if mode != Seen {
		if order, known := byNumber(a, b, mode); known {
			return order < 0
		}
	}
	seenA, okA := firstSeen(a)
	seenB, okB := firstSeen(b)
	return okA && (!okB || seenA.Before(seenB))
}

// number is a version read as one. core has no leading zeros.
type number struct {
	core []string
	pre  string
}

var numberPattern = regexp.MustCompile(`^([vV]?)([0-9]+(?:\.[0-9]+)*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$`)

func parseNumber(s, mode string) (n number, dotted, ok bool) {
	m := numberPattern.FindStringSubmatch(s)
	if m == nil {
		return number{}, false, false
	}
	dotted = strings.Contains(m[2], ".")
	whole := m[1] == "" && len(m[2]) <= 8 && m[2] == s
	if mode != Number && !dotted && !whole {
		return number{}, false, false
	}
	for _, part := range strings.Split(m[2], ".") {
		n.core = append(n.core, strings.TrimLeft(part, "0"))
	}
	n.pre = m[3]
	return n, dotted, true
}

// byNumber compares a and b as numbers; known is false where that says nothing about their order.
func byNumber(a, b, mode string) (order int, known bool) {
	na, dottedA, okA := parseNumber(a, mode)
	nb, dottedB, okB := parseNumber(b, mode)
	if !okA || !okB || mode != Number && dottedA != dottedB {
		return 0, false
	}
	if order := compareCores(na.core, nb.core); order != 0 {
		return order, true
	}
	if hasHash(na.pre) || hasHash(nb.pre) {
		return 0, false
	}
	order = comparePre(na.pre, nb.pre)
	return order, order != 0
}

// compareCores takes missing parts for zero: 1.4 is 1.4.0.
func compareCores(a, b []string) int {
	part := func(parts []string, i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	for i := range max(len(a), len(b)) {
		if order := compareDigits(part(a, i), part(b, i)); order != 0 {
			return order
		}
	}
	return 0
}

func compareDigits(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// comparePre is the precedence of pre-releases in Semantic Versioning 2.0.0, item 11.
func comparePre(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if order := compareIdentifiers(as[i], bs[i]); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func compareIdentifiers(a, b string) int {
	digitsA, digitsB := allDigits(a), allDigits(b)
	switch {
	case digitsA && digitsB:
		return compareDigits(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
	case digitsA:
		return -1
	case digitsB:
		return 1
	}
	return cmp.Compare(a, b)
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

var hashPattern = regexp.MustCompile(`^g?[0-9a-f]{7,40}$`)

// hasHash finds 9fceb02 and git describe's g9fceb02; only digits (20161123) are a date or a count.
func hasHash(pre string) bool {
	for _, s := range strings.FieldsFunc(pre, func(r rune) bool { return r == '.' || r == '-' }) {
		if hashPattern.MatchString(s) && !allDigits(s) && strings.ContainsAny(s, "0123456789") {
			return true
		}
	}
	return false
}
