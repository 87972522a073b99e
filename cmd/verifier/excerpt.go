package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"verifier"
)

// excerpt is the line that an error is about with those around it, and a mark below the column. Values that may be secret are hidden,
// in the lines around it too. It is for the terminal of who checks, and for nothing else. It is empty where the file cannot be read.
func excerpt(e *verifier.FileError) string {
	raw, err := os.ReadFile(e.File)
	if err != nil || e.Line == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(plainLines(raw), "\n"), "\n")
	var out []string
	m := &masker{block: -1}
	for i, line := range lines {
		seen, columns := m.line(line)
		n := i + 1
		if n < e.Line-1 || n > e.Line+1 {
			continue
		}
		mark := " "
		if n == e.Line {
			mark = ">"
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %3d | %s", mark, n, seen), " "))
		if n == e.Line {
			column := columns[min(max(e.Column-1, 0), len(columns)-1)]
			out = append(out, strings.Repeat(" ", len(fmt.Sprintf("> %3d | ", n))+column)+"^")
		}
	}
	return strings.Join(out, "\n")
}

// masker hides the values of lines, one after the other. It reads only as much of YAML as it needs, and needs no sound file: what it does
// not understand, it hides.
type masker struct {
	path  []level // the keys that lines further in belong to
	flow  []string
	block int // the indentation of the key whose text goes on over the next lines; -1: none does
	held  string

	in      []rune
	at      int
	out     []rune
	columns []int
}

// level is a key and its indentation.
type level struct {
	indent int
	key    string
}

// line is the line as it may be seen, and for each of its columns where that is now.
func (m *masker) line(text string) (seen string, columns []int) {
	m.in, m.at, m.out, m.columns = []rune(text), 0, nil, nil
	m.blanks()
	indent := m.at
	switch {
	case m.at == len(m.in):
	case m.starts("---") || m.starts("..."):
		m.copy(3)
		m.replace(len(m.in), "")
	case m.block >= 0 && indent > m.block:
		m.replace(len(m.in), masked(string(m.in[m.at:]), m.keys(m.held)))
	default:
		m.block = -1
		if len(m.flow) > 0 && indent == 0 && m.key() != "" {
			m.flow = nil // a bracket was never closed
		}
		m.content(indent)
	}
	return string(m.out), append(m.columns, len(m.out))
}

// content reads what stands on a line behind its indentation.
func (m *masker) content(indent int) {
	if len(m.flow) == 0 {
		dash := false
		for m.starts("- ") || m.starts("-") && m.at+1 == len(m.in) {
			m.pop(indent + 1)
			m.copy(1)
			m.blanks()
			indent, dash = m.at, true
		}
		if m.at < len(m.in) && (m.key() != "" || !dash) {
			m.pop(indent) // a text that goes on stands further in than its key
		}
	}
	key := ""
	if len(m.flow) > 0 {
		key = m.flow[len(m.flow)-1]
	}
	for m.at < len(m.in) {
		m.blanks()
		if m.at == len(m.in) {
			return
		}
		switch r := m.in[m.at]; {
		case r == '#' && (m.at == 0 || m.in[m.at-1] == ' ' || m.in[m.at-1] == '\t'):
			m.replace(len(m.in), "# …")
		case r == '{' || r == '[':
			m.flow = append(m.flow, key)
			m.copy(1)
		case r == '}' || r == ']':
			if len(m.flow) > 0 {
				m.flow = m.flow[:len(m.flow)-1]
			}
			m.copy(1)
		case r == ',' && len(m.flow) > 0:
			key = m.flow[len(m.flow)-1]
			m.copy(1)
		case m.key() != "":
			key = m.takeKey(indent, key)
		default:
			m.scalar(indent, key)
		}
	}
}

// closeKey is a key between brackets without a blank after its colon, unless it is the scheme of a URL.
var closeKey = regexp.MustCompile(`^(?:"([^"]*)"|'([^']*)'|([A-Za-z_][A-Za-z0-9_.-]*)):(?:[^/]|$)`)

var writtenKey = regexp.MustCompile(`^(?:"([^"]*)"|'([^']*)'|([^\s"'\[\]{},#&*!|>][^\[\]{},#"']*?))\s*:(?:[\s,}\]]|$)`)

// key is the key that begins here with its colon, or nothing.
func (m *masker) key() string {
	rest := string(m.in[m.at:])
	found := writtenKey.FindStringSubmatch(rest)
	if found == nil && len(m.flow) > 0 {
		found = closeKey.FindStringSubmatch(rest)
	}
	if found == nil {
		return ""
	}
	return found[1] + found[2] + found[3]
}

// takeKey copies the key and its colon, and remembers what it is in.
func (m *masker) takeKey(indent int, within string) string {
	name := m.key()
	length := strings.Index(string(m.in[m.at:]), name) + len(name)
	length = len([]rune(string(m.in[m.at:])[:length]))
	for m.in[m.at+length] != ':' {
		length++
	}
	length++
	if plainKey.MatchString(name) {
		m.copy(length)
	} else {
		m.replace(m.at+length, hidden+":")
	}
	if len(m.flow) == 0 {
		m.path = append(m.path, level{indent, name})
		return name
	}
	if base := m.flow[len(m.flow)-1]; base != "" {
		return base + "\x00" + name
	}
	return name
}

var blockStart = regexp.MustCompile(`^[|>][+-]?\d?[+-]?\s*(#.*)?$`)

// scalar replaces a value by what may be seen of it.
func (m *masker) scalar(indent int, key string) {
	rest := string(m.in[m.at:])
	if blockStart.MatchString(rest) {
		m.block, m.held = indent, key
		m.copy(1)
		m.replace(len(m.in), "")
		return
	}
	end := m.at
	if quote := m.in[m.at]; quote == '"' || quote == '\'' {
		for end++; end < len(m.in) && (m.in[end] != quote || quote == '"' && m.in[end-1] == '\\'); {
			end++
		}
		end = min(end+1, len(m.in))
	} else {
		for end < len(m.in) && !(len(m.flow) > 0 && strings.ContainsRune(",}]", m.in[end])) && !(m.in[end] == '#' && end > 0 && m.in[end-1] == ' ') {
			end++
		}
		for m.in[end-1] == ' ' {
			end--
		}
	}
	m.replace(end, masked(string(m.in[m.at:end]), m.keys(key)))
}

// masked is what may be seen of a value, with its quotes.
func masked(text string, keys []string) string {
	if quote := text[:1]; (quote == `"` || quote == `'`) && len(text) > 1 && strings.HasSuffix(text, quote) {
		return quote + nameOrValue(text[1:len(text)-1], keys) + quote
	}
	return nameOrValue(text, keys)
}

var onlyName = regexp.MustCompile(`^\$\{[A-Za-z0-9_]+\}$`)

// nameOrValue is the name of an environment variable, whose value does not stand there, or what may be seen of a value.
func nameOrValue(text string, keys []string) string {
	if onlyName.MatchString(text) {
		return text
	}
	return shownValue(text, shown(keys))
}

// keys is the whole path to a value: the lines above, and the keys of this one.
func (m *masker) keys(last string) (keys []string) {
	for _, l := range m.path {
		keys = append(keys, l.key)
	}
	for part := range strings.SplitSeq(last, "\x00") {
		if part != "" && (len(keys) == 0 || keys[len(keys)-1] != part) {
			keys = append(keys, part)
		}
	}
	return keys
}

// pop forgets the keys that a line of that indentation does not belong to.
func (m *masker) pop(indent int) {
	for len(m.path) > 0 && m.path[len(m.path)-1].indent >= indent {
		m.path = m.path[:len(m.path)-1]
	}
}

func (m *masker) starts(s string) bool { return strings.HasPrefix(string(m.in[m.at:]), s) }

func (m *masker) blanks() {
	for m.at < len(m.in) && (m.in[m.at] == ' ' || m.in[m.at] == '\t') {
		m.columns = append(m.columns, len(m.out))
		m.out = append(m.out, ' ')
		m.at++
	}
}

func (m *masker) copy(n int) {
	for range n {
		m.columns = append(m.columns, len(m.out))
		m.out = append(m.out, m.in[m.at])
		m.at++
	}
}

// replace writes something else for what stands up to that column.
func (m *masker) replace(end int, instead string) {
	from, same := len(m.out), string(m.in[m.at:end]) == instead
	for i := m.at; i < end; i++ {
		column := from
		if same {
			column += i - m.at
		}
		m.columns = append(m.columns, column)
	}
	m.out = append(m.out, []rune(instead)...)
	m.at = end
}
