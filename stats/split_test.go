package stats_test

import (
	"math"
	"testing"

	"verifier/stats"
)

func TestTails(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"two heads", stats.Above(2, 2, 0.5), 0.25},
		{"8 of 10 or more", stats.Above(8, 10, 0.5), 56.0 / 1024},
		{"2 of 10 or fewer", stats.Below(2, 10, 0.5), 56.0 / 1024},
		{"none or more", stats.Above(0, 10, 0.5), 1},
		{"all or fewer", stats.Below(10, 10, 0.5), 1},
		{"of nothing", stats.Above(0, 0, 0.5), 1},
		{"impossible", stats.Above(1, 10, 0), 0},
		{"certain", stats.Above(1, 10, 1), 1},
		{"split in half", stats.Split(1, 10, 10), 0.5},
		{"split by a tolerance", stats.Split(1.5, 10, 30), 1.0 / 3},
		{"split without exposure", stats.Split(1, 0, 0), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s: got %.8g, want %.8g", c.name, c.got, c.want)
		}
	}
}
