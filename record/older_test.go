package record_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"verifier"
	"verifier/record"
)

func seenIn(order ...string) func(string) (time.Time, bool) {
	return func(version string) (time.Time, bool) {
		for i, v := range order {
			if verifier.SameVersion(v, version) {
				return at(i), true
			}
		}
		return time.Time{}, false
	}
}

func TestOlder(t *testing.T) {
	const auto, number, seen = record.Auto, record.Number, record.Seen
	for _, c := range []struct {
		a, b  string
		seen  []string
		mode  string
		older bool // a than b
		newer bool // b than a
	}{
		{"1.4.1", "1.4.2", nil, auto, true, false},
		{"1.9", "1.10", nil, auto, true, false},
		{"v1.9", "1.10", nil, auto, true, false},
		{"1.4", "1.4.0.1", nil, auto, true, false},
		{"2016.09.01.3", "2016.9.2", nil, auto, true, false},
		{"1.99999999999999999999", "1.100000000000000000000", nil, auto, true, false},
		{"1.4.2-rc.1", "1.4.2", nil, auto, true, false},
		{"1.4.2-rc.2", "1.4.2-rc.10", nil, auto, true, false},
		{"1.4.2-alpha", "1.4.2-alpha.1", nil, auto, true, false},
		{"1.4.2-1", "1.4.2-alpha", nil, auto, false, false},
		{"1.4.2-rc.1", "1.4.2-rc.1", nil, auto, false, false},
		{"99", "100", nil, auto, true, false},
		{"00000099", "100", nil, auto, true, false},

		{"1.4.1", "1.4.2", []string{"1.4.2", "1.4.1"}, auto, true, false},
		{"1.4.1", "1.4.2", []string{"1.4.2", "1.4.1"}, seen, false, true},
		{"1.4", "1.4.0", []string{"1.4", "1.4.0"}, auto, false, false},
		{"1.4.0+9", "1.4.0+10", []string{"1.4.0+10", "1.4.0+9"}, auto, false, true},
		{"9fceb02", "1a2b3c4", []string{"9fceb02", "1a2b3c4"}, auto, true, false},
		{"1234567", "1a2b3c4", []string{"1a2b3c4", "1234567"}, auto, false, true},
		{"123456789", "223456789", []string{"223456789", "123456789"}, auto, false, true},
		{"123456789", "223456789", []string{"223456789", "123456789"}, number, true, false},
		{"5", "1.2", []string{"5", "1.2"}, auto, true, false},
		{"5", "1.2", []string{"5", "1.2"}, number, false, true},
		{"1.4.2-9-g9fceb02", "1.4.2-10-g1a2b3c4", []string{"1.4.2-9-g9fceb02", "1.4.2-10-g1a2b3c4"}, auto, true, false},
		{"1.4.2-9fceb02", "1.4.3-1a2b3c4", []string{"1.4.3-1a2b3c4"}, auto, true, false},
		{"1.4.2-20161123", "1.4.2-20161124", nil, auto, true, false},
		{"blue", "green", []string{"green", "blue"}, auto, false, true},
		{"blue", "green", []string{"blue"}, auto, true, false},
		{"blue", "green", nil, auto, false, false},
		{"1.x", "1.2", []string{"1.2", "1.x"}, number, false, true},
	} {
		got := record.Older(c.a, c.b, seenIn(c.seen...), c.mode)
		back := record.Older(c.b, c.a, seenIn(c.seen...), c.mode)
		if got != c.older || back != c.newer {
			t.Errorf("%s, %s (%s, seen %v): older %v, newer %v; want %v, %v", c.a, c.b, c.mode, c.seen, got, back, c.older, c.newer)
		}
	}
}

func TestOlderIsOneWay(t *testing.T) {
	version := rapid.OneOf(
		rapid.StringMatching(`v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-(rc|[0-9]{1,2})(\.[0-9]{1,2})?)?(\+[0-9]{1,2})?`),
		rapid.StringMatching(`[0-9a-f]{7,9}`), rapid.String(),
		rapid.StringMatching(`(release-|v|2:)?[01](\.[01x]){0,3}([-.]?(rc|beta|SP|hotfix|main|Final|9fceb02)[-.]?[0-9]?){0,2}(-[12]-g9fceb0[12])?`),
	)
	mode := rapid.SampledFrom([]string{record.Auto, record.Number, record.Seen})
	rapid.Check(t, func(t *rapid.T) {
		a, b, m := version.Draw(t, "a"), version.Draw(t, "b"), mode.Draw(t, "mode")
		seen := seenIn(a, b)
		if record.Older(a, b, seen, m) && record.Older(b, a, seen, m) {
			t.Fatalf("%q and %q are older than each other", a, b)
		}
		if !verifier.SameVersion(a, b) && !record.Older(a, b, seen, m) && !record.Older(b, a, seen, m) {
			t.Fatalf("%q and %q were seen one after the other, and neither is older", a, b)
		}
	})
}

func FuzzOlder(f *testing.F) {
	f.Add("1.4.2-rc.1+7", "v1.4", "auto")
	f.Add("9fceb02", "00000000", "number")
	f.Fuzz(func(t *testing.T, a, b, mode string) {
		if record.Older(a, b, seenIn(b, a), mode) && record.Older(b, a, seenIn(b, a), mode) {
			t.Errorf("%q and %q are older than each other", a, b)
		}
	})
}
