package record

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"verifier"
)

// How a service's versions are ordered, as its catalogue entry says.
const (
	Auto   = "auto"   // by number where both versions clearly are numbers, else by when they were first seen
	Number = "number" // by number wherever both can be read as one
	Seen   = "seen"   // by when they were first seen
)

// Older reports whether version a is older than b. firstSeen says when a version first succeeded in the place; a version that
// never did is not older than any. Spellings of one version (see [verifier.SameVersion]) are never older than each other.
//
// Auto goes by number, part by part, where both have a dot (1.4, v1.4.2, 2016.9.1.3, release-2024.05.2) or both are whole numbers of
// at most 8 digits; Number also compares longer whole numbers, and whole ones with dotted ones. After equal numbers, alpha,
// beta, rc and their like come before the plain version, hotfix, patch, sp and their like after it, and so do the commits that git describe
// counts. Digits inside a part are numbers: rc9 is older than rc10.
//
// When the versions were first seen decides everything else: other words (main, hotfix-login), a bare number against none
// (1.4.2-1), hashes, and builds of one number (1.4.2+7).
func Older(a, b string, firstSeen func(version string) (time.Time, bool), mode string) bool {
	if verifier.SameVersion(a, b) {
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

// number is a version read as one.
type number struct {
	epoch   string // of Debian (1:2.3) and Python (1!2.3)
	prefix  string
	core    []string
	suffix  string // what follows, without build metadata
	commits string // that git describe counts since the suffix, empty without
	dotted  bool
}

var (
	epochPattern    = regexp.MustCompile(`^(\d+)[:!]$`)
	describePattern = regexp.MustCompile(`^(.*)-(\d+)-g[0-9a-f]{4,40}(?:-dirty)?$`)
)

func parseNumber(version, mode string) (n number, ok bool) {
	version, _, _ = strings.Cut(version, "+")
	n.prefix, n.core, n.suffix = verifier.SplitVersion(version)
	n.dotted = strings.Contains(version, ".")
	whole := n.prefix == "" && n.suffix == "" && len(strings.TrimLeft(version, "vV")) <= 8
	if len(n.core) == 0 || mode != Number && !n.dotted && !whole {
		return number{}, false
	}
	if m := epochPattern.FindStringSubmatch(n.prefix); m != nil {
		n.epoch, n.prefix = strings.TrimLeft(m[1], "0"), ""
	}
	if m := describePattern.FindStringSubmatch(n.suffix); m != nil {
		n.suffix, n.commits = m[1], strings.TrimLeft(m[2], "0")
	}
	return n, true
}

// byNumber compares a and b as numbers; known is false where that says nothing about their order.
func byNumber(a, b, mode string) (order int, known bool) {
	na, okA := parseNumber(a, mode)
	nb, okB := parseNumber(b, mode)
	if !okA || !okB || na.prefix != nb.prefix || mode != Number && na.dotted != nb.dotted {
		return 0, false
	}
	if order := compareDigits(na.epoch, nb.epoch); order != 0 {
		return order, true
	}
	if order, known := compareCores(na, nb); order != 0 || !known {
		return order, known
	}
	if order, known := compareSuffixes(na.suffix, nb.suffix); order != 0 || !known {
		return order, known
	}
	order = compareDigits(na.commits, nb.commits)
	return order, order != 0
}

// compareCores takes missing parts for zero, but where a word stands in their place that may be any number: 1.4.x against 1.4.2.
func compareCores(a, b number) (order int, known bool) {
	for i := range min(len(a.core), len(b.core)) {
		if order := compareNumbers(a.core[i], b.core[i]); order != 0 {
			return order, true
		}
	}
	if len(a.core) != len(b.core) && (openEnded(a.suffix) || openEnded(b.suffix)) {
		return 0, false
	}
	return cmp.Compare(len(a.core), len(b.core)), true
}

// openEnded reports whether a suffix begins with a word in the place of a number.
func openEnded(suffix string) bool {
	ts := tokens(suffix)
	return strings.HasPrefix(suffix, ".") && len(ts) > 0 && ts[0].kind == wordToken && placeOf(ts, 0) == (place{})
}

func compareNumbers(a, b string) int {
	return compareDigits(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
}

// compareDigits compares numbers without leading zeros.
func compareDigits(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// compareSuffixes compares what follows equal numbers; the first difference decides. Known without an order is no difference.
func compareSuffixes(a, b string) (order int, known bool) {
	as, bs := tokens(a), tokens(b)
	n := min(len(as), len(bs))
	for i := range n {
		if as[i] != bs[i] {
			return compareTokens(as, bs, i)
		}
	}
	switch {
	case len(as) < len(bs):
		return fromNothing(bs, n)
	case len(as) > len(bs):
		order, known = fromNothing(as, n)
		return -order, known
	}
	return 0, true
}

func compareTokens(as, bs []token, i int) (order int, known bool) {
	a, b := as[i], bs[i]
	if a.kind == numberToken && b.kind == numberToken {
		return compareDigits(a.text, b.text), true
	}
	pa, pb := placeOf(as, i), placeOf(bs, i)
	switch {
	case pa == (place{}) || pb == (place{}):
		return 0, false
	case pa.side != pb.side:
		return cmp.Compare(pa.side, pb.side), true
	case pa.step == 0 || pb.step == 0 || pa.step == pb.step:
		return 0, false
	}
	return cmp.Compare(pa.step, pb.step), true
}

// fromNothing is the order of a version that ends before ts[i] against the one that goes on with it.
func fromNothing(ts []token, i int) (order int, known bool) {
	p := placeOf(ts, i)
	switch {
	case p.side == afterPlain, p.side == beforePlain && i == 0:
		return -int(p.side), true
	case ts[i].kind == numberToken && counted(ts[:i]): // alpha, alpha.1
		return -1, true
	}
	return 0, false
}

// counted reports whether a suffix is a known word with its numbers, so that one more of them is later.
func counted(ts []token) bool {
	return len(ts) > 0 && placeOf(ts, 0) != (place{}) &&
		!slices.ContainsFunc(ts[1:], func(t token) bool { return t.kind != numberToken })
}

// place is where a word puts a version beside the plain one; the zero place is that of words whose order nobody knows.
type place struct {
	side side
	step int // among those of one side; 0 where that is not known
}

type side int

const (
	beforePlain side = -1
	afterPlain  side = 1
)

var places = map[string]place{
	"alpha": {beforePlain, 1}, "beta": {beforePlain, 2}, "rc": {beforePlain, 3}, "cr": {beforePlain, 3},
	"pre": {side: beforePlain}, "preview": {side: beforePlain}, "dev": {side: beforePlain}, "snapshot": {side: beforePlain},
	"milestone": {side: beforePlain},
	"final":     {step: 1}, "ga": {step: 1}, "release": {step: 1},
	"hotfix": {side: afterPlain}, "patch": {side: afterPlain}, "sp": {side: afterPlain}, "h": {side: afterPlain},
	"hf": {side: afterPlain}, "p": {side: afterPlain}, "post": {side: afterPlain}, "r": {side: afterPlain},
}

// placeOf is that of a word alone or with a number. One that another word follows is a part of a name: hotfix-login.
func placeOf(ts []token, i int) place {
	if ts[i].kind != wordToken || i+1 < len(ts) && ts[i+1].kind != numberToken {
		return place{}
	}
	return places[ts[i].text]
}

// token is a number or a word of a version, or what is neither: a commit.
type token struct {
	kind tokenKind
	text string
}

type tokenKind int

const (
	numberToken tokenKind = iota
	wordToken
	otherToken
)

// tokens are the parts of a suffix; rc10 is a word and a number.
func tokens(suffix string) (out []token) {
	parts := strings.FieldsFunc(suffix, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, part := range parts {
		word := strings.TrimRight(part, "0123456789")
		count := part[len(word):]
		if verifier.IsHash(part) || strings.ContainsAny(word, "0123456789") {
			out = append(out, token{otherToken, part})
			continue
		}
		if word != "" {
			out = append(out, token{wordToken, word})
		}
		if count != "" {
			out = append(out, token{numberToken, strings.TrimLeft(count, "0")})
		}
	}
	return out
}
