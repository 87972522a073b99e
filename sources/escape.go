package sources

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"verifier"
)

// escape is the value as it must be written at its place; quote is 0 outside of literals.
func escape(lang Language, quote byte, regex bool, v string) (string, error) {
	v = strings.ToValidUTF8(v, string(utf8.RuneError))
	if regex {
		v = regexp.QuoteMeta(v)
	}
	switch {
	case lang == LogQL && quote == '`' && strings.ContainsAny(v, "\r\x00"): // which Loki's scanner leaves out or refuses
		return "", fmt.Errorf("value %q cannot be written between backticks; use double quotes", v)
	case lang.likePromQL() && quote == '`':
		return rawString(v)
	case lang.likePromQL():
		return escapePromQL(v, quote), nil
	case lang == NRQL:
		return escapeNRQL(v)
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v), nil // Lucene's phrases
}

func rawString(v string) (string, error) {
	if strings.ContainsAny(v, "`\ufffd") {
		return "", fmt.Errorf("value %q cannot be written between backticks; use double quotes", v)
	}
	return v, nil
}

func escapePromQL(v string, quote byte) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError: // Prometheus takes the rune itself for bad UTF-8
			b.WriteString(`\ufffd`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escapeNRQL writes what goes between single quotes. NRQL documents no escapes but of the quote and the backslash.
func escapeNRQL(v string) (string, error) {
	if strings.ContainsFunc(v, unicode.IsControl) {
		return "", fmt.Errorf("value %q has control characters, which NRQL cannot write", v)
	}
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v), nil
}

func stepText(lang Language, step time.Duration) string {
	if lang == NRQL {
		return strconv.FormatFloat(step.Seconds(), 'f', -1, 64)
	}
	return model.Duration(step).String()
}

func operator(lang Language, peers bool) string {
	switch {
	case lang == NRQL && peers:
		return "NOT IN"
	case lang == NRQL:
		return "IN"
	case peers:
		return "!~"
	}
	return "=~"
}

// hostList is the changed hosts: an alternation in PromQL, a list of literals in NRQL. Where nobody named them, a release went to
// all hosts; what all others do then cannot be asked.
func hostList(lang Language, quote byte, s verifier.Subject) (string, error) {
	if len(s.Hosts) == 0 && (s.Peers || lang == NRQL) {
		return "", errors.New("the deploy names no hosts")
	}
	if len(s.Hosts) == 0 {
		return ".*", nil
	}
	list := make([]string, len(s.Hosts))
	for i, h := range s.Hosts {
		v, err := escape(lang, quote, lang.likePromQL(), h)
		if err != nil {
			return "", err
		}
		list[i] = v
	}
	if lang == NRQL {
		return "'" + strings.Join(list, "', '") + "'", nil
	}
	return "(?:" + strings.Join(list, "|") + ")", nil
}
