package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
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
		return digits(x) + " %"
	case "B":
		return bytes(x)
	case "", "1":
		return number(x)
	}
	return number(x) + " " + unit
}

// percent writes a share.
func percent(share float64) string { return digits(share*100) + " %" }

// digits writes two digits, or more where a value near 100 needs them.
func digits(x float64) string {
	a := math.Abs(x)
	switch {
	case a == 0:
		return "0"
	case a >= 99 && a < 100:
		cut := math.Trunc(x*100+math.Copysign(1e-6, x)) / 100 // nearly all is not all
		return trim(strconv.FormatFloat(cut, 'f', 2, 64))
	case a >= 10:
		return trim(strconv.FormatFloat(x, 'f', 1, 64))
	case a < 0.0001:
		return strconv.FormatFloat(x, 'g', 2, 64)
	}
	return trim(strconv.FormatFloat(x, 'f', max(1, 1-int(math.Floor(math.Log10(a)))), 64))
}

// number writes whole numbers with thousands apart, others with three digits.
func number(x float64) string {
	a := math.Abs(x)
	switch {
	case a >= 1e15 || a > 0 && a < 0.0001:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case x == math.Trunc(x) || a >= 1000:
		return thousands(strconv.FormatFloat(x, 'f', 0, 64))
	}
	return trim(strconv.FormatFloat(x, 'f', max(0, 2-int(math.Floor(math.Log10(a)))), 64))
}

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

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%s %ss", number(float64(n)), word)
}
