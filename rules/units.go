package rules

import (
	"math"
	"time"

	"verifier/words"
)

// quantity writes a value with its unit: s, ms, us, ns, %, B, 1 or any other.
func quantity(x float64, unit string) string {
	switch unit {
	case "s":
		return seconds(x)
	case "ms":
		return seconds(x / 1000)
	case "us":
		return seconds(x / 1e6)
	case "ns":
		return seconds(x / 1e9)
	case "%":
		return words.Percent(x / 100)
	case "B":
		return bytes(x)
	case "", "1":
		return number(x)
	}
	return number(x) + " " + unit
}

// percent writes a share.
func percent(share float64) string { return words.Percent(share) }

// number writes whole numbers with thousands apart, others with three digits.
func number(x float64) string { return words.Number(x) }

func seconds(s float64) string {
	a := math.Abs(s)
	switch {
	case a == 0:
		return "0 s"
	case a < 0.001:
		return number(s*1e6) + " µs"
	case a < 0.9995:
		return number(s*1000) + " ms"
	case a < 120:
		return number(s) + " s"
	}
	return number(s/60) + " min"
}

func bytes(b float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for math.Abs(b) >= 1000 && i < len(units)-1 {
		b /= 1000
		i++
	}
	return number(b) + " " + units[i]
}

// length writes a duration: 15 s, 5 min, 1 h.
func length(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return number(d.Hours()) + " h"
	case d >= time.Minute && d%time.Minute == 0:
		return number(d.Minutes()) + " min"
	}
	return seconds(d.Seconds())
}

func plural(n int, word string) string { return words.Count(n, word) }
