package sources

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"verifier"
)

// PatternsConfig is how messages are made patterns.
type PatternsConfig struct {
	Mask    []MaskConfig `yaml:"mask"`    // what else is a variable, before all others
	Samples string       `yaml:"samples"` // on (default): a masked message is kept of each pattern; or off
	Most    int          `yaml:"most"`    // messages that are grouped for one question
}

// MaskConfig is one kind of variable.
type MaskConfig struct {
	Name   string `yaml:"name"`   // stands in its place as <name>
	Regexp string `yaml:"regexp"` // Go's syntax
}

type mask struct {
	re   *regexp.Regexp
	with string
}

// masks are the configuration, compiled.
type masks struct {
	extra   []mask
	samples bool
	most    int
}

var maskName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// masks compiles the configuration; most is how many messages are grouped where it says nothing.
func (c PatternsConfig) masks(most int) (*masks, error) {
	m := &masks{samples: true, most: cmp.Or(c.Most, most)}
	if m.most < 1 || m.most > mostMessages {
		return nil, verifier.Invalid("patterns.most", "%d is none; write 1 to %d messages", c.Most, mostMessages)
	}
	switch c.Samples {
	case "", "on", "true":
	case "off", "false":
		m.samples = false
	default:
		return nil, verifier.Invalid("patterns.samples", "%q is none; write on or off", c.Samples)
	}
	for i, own := range c.Mask {
		at := fmt.Sprintf("patterns.mask[%d]", i)
		if !maskName.MatchString(own.Name) {
			return nil, verifier.Invalid(at+".name", "%q is none; write small letters, like order", own.Name)
		}
		re, err := regexp.Compile(own.Regexp)
		if err != nil {
			return nil, verifier.Invalid(at+".regexp", "%q does not compile: %v", own.Regexp, err)
		}
		if re.MatchString("") {
			return nil, verifier.Invalid(at+".regexp", "%q matches the empty text, and so everywhere; write what the variable looks like", own.Regexp)
		}
		m.extra = append(m.extra, mask{re, "<" + own.Name + ">"})
	}
	return m, nil
}

// own masks what the configuration names.
func (m *masks) own(text string) string {
	for _, e := range m.extra {
		text = e.re.ReplaceAllLiteralString(text, e.with)
	}
	return text
}

// secretMasks are what no template and no sample holds.
var secretMasks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?`), "<token>"},
	{regexp.MustCompile(`(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}`), "$1 <token>"},
	{regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|authorization|session(?:[_-]?id)?|cookie|credential)s?["']?\s*[=:]\s*["']?)([^\s"'&,;<]+)`), "$1<token>"},
	{regexp.MustCompile(`(?i)(://)[^\s/@:]+:[^\s/@]+@`), "$1<token>@"},
	{regexp.MustCompile(`[\w.%+'-]+@[\w-]+(\.[\w-]+)+`), "<mail>"},
	{regexp.MustCompile(`\b[A-Za-z]{2,12}[_-](?:[A-Za-z]+[_-])?[A-Za-z0-9]*[0-9][A-Za-z0-9]{15,}\b`), "<token>"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`), "<ip>"},
	{regexp.MustCompile(`(?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?`), "<ip>"},
}

var (
	cardLike = regexp.MustCompile(`\b\d(?:[ -]?\d){12,18}\b`)
	longWord = regexp.MustCompile(`[A-Za-z0-9+/_-]{20,}={0,2}`)
	uuidLike = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// secrets masks mail, addresses, cards and tokens.
func (m *masks) secrets(text string) string {
	for _, s := range secretMasks {
		text = s.re.ReplaceAllString(text, s.with)
	}
	text = cardLike.ReplaceAllStringFunc(text, func(digits string) string {
		if isCard(digits) {
			return "<card>"
		}
		return digits
	})
	return longWord.ReplaceAllStringFunc(text, func(word string) string {
		if isToken(word) && !uuidLike.MatchString(word) {
			return "<token>"
		}
		return word
	})
}

// isCard is Luhn's check, of 13 to 19 digits.
func isCard(text string) bool {
	sum, n := 0, 0
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] < '0' || text[i] > '9' {
			continue
		}
		digit := int(text[i] - '0')
		if n%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
		n++
	}
	return n >= 13 && n <= 19 && sum%10 == 0
}

// isToken reports whether a long word looks random: letters and digits that change often. Paths and names of classes do not.
func isToken(word string) bool {
	if len(word) < 20 {
		return false
	}
	letters, digits, changes := 0, 0, 0
	last := byte(0)
	for i := range len(word) {
		kind := charKind(word[i])
		if kind == 'd' {
			digits++
		} else if kind == 'u' || kind == 'l' {
			letters++
		}
		if kind != last {
			changes++
		}
		last = kind
	}
	return letters >= 3 && digits >= 2 && changes >= 5
}

func charKind(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return 'd'
	case c >= 'a' && c <= 'z':
		return 'l'
	case c >= 'A' && c <= 'Z':
		return 'u'
	}
	return 'o'
}

const wordEnds = `=,;()[]{}<>"'|&?#/\!*`

// maskWord puts names in the place of a word's variables; <names> that stand there already stay.
func maskWord(word string) string {
	if !strings.ContainsAny(word, "0123456789@") {
		return word
	}
	var out strings.Builder
	for word != "" {
		if end := strings.IndexByte(word, '>'); word[0] == '<' && end > 0 && maskName.MatchString(word[1:end]) {
			out.WriteString(word[:end+1])
			word = word[end+1:]
			continue
		}
		n := strings.IndexAny(word, wordEnds)
		switch n {
		case 0:
			out.WriteByte(word[0])
			word = word[1:]
			continue
		case -1:
			n = len(word)
		}
		maskPiece(&out, word[:n])
		word = word[n:]
	}
	return out.String()
}

// maskPiece writes a piece without punctuation around it.
func maskPiece(out *strings.Builder, piece string) {
	core := strings.TrimRight(piece, ".:-")
	out.WriteString(variable(core))
	out.WriteString(piece[len(core):])
}

func variable(p string) string {
	switch {
	case p == "" || !strings.ContainsAny(p, "0123456789@"):
		return p
	case strings.IndexByte(p, '@') > 0 && strings.LastIndexByte(p, '.') > strings.IndexByte(p, '@'):
		return "<mail>"
	case isAddress(p):
		return "<ip>"
	case len(p) == 36 && uuidLike.MatchString(p):
		return "<uuid>"
	case isCard(p) && onlyDigits(p):
		return "<card>"
	case onlyDigits(p):
		return "<number>"
	case isHex(p):
		return "<hex>"
	case isToken(p):
		return "<token>"
	case beginsAsNumber(p):
		return "<number>"
	}
	return digitRuns(p)
}

func isAddress(p string) bool {
	if strings.Count(p, ".") != 3 && strings.Count(p, ":") < 2 {
		return false
	}
	if _, err := netip.ParseAddr(p); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(p)
	return err == nil
}

func onlyDigits(p string) bool {
	return strings.IndexFunc(p, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// isHex is 0x…, or eight and more hexadecimal digits with letters among them.
func isHex(p string) bool {
	rest, marked := strings.CutPrefix(strings.ToLower(p), "0x")
	if rest == "" || !marked && len(rest) < 8 {
		return false
	}
	return strings.Trim(rest, "0123456789abcdef") == ""
}

// beginsAsNumber is also true of times, sizes and durations.
func beginsAsNumber(p string) bool {
	p = strings.TrimLeft(p, "+-.$€:")
	return p != "" && p[0] >= '0' && p[0] <= '9'
}

func digitRuns(p string) string {
	var out strings.Builder
	inside := false
	for i := range len(p) {
		digit := p[i] >= '0' && p[i] <= '9'
		switch {
		case !digit:
			out.WriteByte(p[i])
		case !inside:
			out.WriteString("<number>")
		}
		inside = digit
	}
	return out.String()
}
