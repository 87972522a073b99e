package demo

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	text := strings.Repeat("checkout ", 40)
	for i, line := range strings.Split(wrap(text, 8), "\n") {
		if n := len(line); n > width || i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", 8)+"checkout") {
			t.Errorf("line %d of %d characters: %q", i, n, line)
		}
	}
	if got := strings.Join(strings.Fields(wrap(text, 8)), " "); got != strings.TrimSpace(text) {
		t.Errorf("words are lost: %q", got)
	}
}

func TestNews(t *testing.T) {
	before := "shop 1.1 is worse. Errors 15 %. Rolling back to 1.0 at 16:44."
	for now, want := range map[string]string{
		before: "",
		"shop 1.1 is worse. Errors 15 %. Rolled back to 1.0. ": "Rolled back to 1.0.",
	} {
		if got := news(before, now); got != want {
			t.Errorf("%q: %q, want %q", now, got, want)
		}
	}
}
