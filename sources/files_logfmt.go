package sources

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

var errNotLogfmt = errors.New("no key=value pairs")

// parseLogfmt reads key=value and key="quoted value" pairs.
func parseLogfmt(line []byte) (getField, error) {
	flat, pairs := map[string]any{}, 0
	s := strings.TrimSpace(string(line))
	for s != "" {
		end := strings.IndexAny(s, " \t=")
		if end < 0 || s[end] != '=' {
			key := s
			if end >= 0 {
				key = s[:end]
			}
			flat[key] = true
			s = strings.TrimLeft(s[len(key):], " \t")
			continue
		}
		pairs++
		key := s[:end]
		flat[key], s = logfmtValue(s[end+1:])
		s = strings.TrimLeft(s, " \t")
	}
	if pairs == 0 {
		return nil, errNotLogfmt
	}
	return fieldsOf(flat), nil
}

// logfmtValue is a value and what follows it. A quote that does not end holds the rest of the line: the value goes on in the next one,
// or was cut short.
func logfmtValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t")
		if end < 0 {
			return s, ""
		}
		return s[:end], s[end:]
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unquoteLogfmt(s[1:i]), s[i+1:]
		}
	}
	return unquoteLogfmt(s[1:]), ""
}

// escapes are those that stand for a character of their own. Writers agree on no list: \/ and \' are plain characters, and what nobody
// knows stays as it is written, such as the \d of a regular expression or a path of Windows.
var escapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'a': "\a", 'v': "\v", '0': "\x00", 'e': "\x1b", '"': `"`, '\\': `\`, '/': "/", '\'': "'",
}

func unquoteLogfmt(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if r, size := codePoint(s[i+1:]); size > 0 {
			b.WriteRune(r)
			i += size
			continue
		}
		if plain, known := escapes[s[i+1]]; known {
			b.WriteString(plain)
			i++
			continue
		}
		b.WriteByte('\\')
	}
	return b.String()
}

// codePoint reads uXXXX, UXXXXXXXX and xXX, and how many bytes they take: 0 for any other escape. A surrogate pair is one rune.
func codePoint(s string) (rune, int) {
	digits := map[byte]int{'u': 4, 'U': 8, 'x': 2}[s[0]]
	if digits == 0 || len(s) <= digits {
		return 0, 0
	}
	n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil {
		return 0, 0
	}
	r, size := rune(n), 1+digits
	if digits == 4 && n >= 0xd800 && n < 0xdc00 && strings.HasPrefix(s[size:], `\u`) {
		if low, lowSize := codePoint(s[size+1:]); lowSize > 0 && low == utf8.RuneError {
			if n2, err := strconv.ParseUint(s[size+2:size+6], 16, 32); err == nil && n2 >= 0xdc00 && n2 < 0xe000 {
				return rune((n-0xd800)<<10|(n2-0xdc00)) + 0x10000, size + 1 + lowSize
			}
		}
	}
	if !utf8.ValidRune(r) {
		r = utf8.RuneError
	}
	return r, size
}
