package words_test

import (
	"testing"
	"time"

	"verifier/words"
)

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 24, 14, 2, 5, 0, time.UTC)
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct{ got, want string }{
		{words.Number(0), "0"},
		{words.Number(0.03149), "0.0315"},
		{words.Number(4.166), "4.17"},
		{words.Number(-1520), "-1,520"},
		{words.Number(12345678), "12,345,678"},
		{words.Percent(0.041), "4.1 %"},
		{words.Percent(0.99996), "99.99 %"},
		{words.Percent(0.9966), "99.7 %"},
		{words.Percent(1), "100 %"},
		{words.Count(1, "rollback"), "1 rollback"},
		{words.Count(0, "request"), "0 requests"},
		{words.Count(1234, "query"), "1,234 queries"},
		{words.Count(2, "deploy"), "2 deploys"},
		{words.Count(3, "match"), "3 matches"},
		{words.CountOf(2, "person", "people"), "2 people"},
		{words.Duration(350 * time.Millisecond), "350 ms"},
		{words.Duration(59500 * time.Millisecond), "1 min"},
		{words.Duration(9 * time.Minute), "9 min"},
		{words.Duration(90 * time.Minute), "1 h 30 min"},
		{words.Duration(49 * time.Hour), "2 d 1 h"},
		{words.Duration(-time.Minute), "-1 min"},
		{words.Time(now, now, nil), "14:02 UTC"},
		{words.Time(now.Add(-24*time.Hour), now, berlin), "23 Nov 15:02 CET"},
		{words.TimeSeconds(now.AddDate(-1, 0, 0), now, nil), "24 Nov 2025 14:02:05 UTC"},
		{words.Time(time.Time{}, now, nil), "–"},
		{words.Nearest("prodction", []string{"staging", "production"}), "production"},
		{words.Nearest("Production", []string{"production"}), "production"},
		{words.Nearest("production", []string{"production", "productions"}), ""},
		{words.DidYouMean("x", []string{"production"}), ""},
		{words.DidYouMean("chekout", []string{"checkout"}), `; did you mean "checkout"?`},
		{words.List([]string{"a"}, 3), "a"},
		{words.List([]string{"a", "b", "c"}, 3), "a, b and c"},
		{words.List([]string{"a", "b", "c", "d"}, 2), "a, b and 2 more"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
