package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// spans are the replaced names of one line, from left to right.
type spans []span

// span is one ${NAME} and where its value stands, in runes.
type span struct{ rawFrom, rawTo, from, to int }

// raw is the column of the file for one of the expanded text; both from 1.
func (s spans) raw(column int) int {
	shift := 0
	for _, one := range s {
		switch {
		case column-1 < one.from:
			return column + shift
		case column-1 < one.to:
			return one.rawFrom + 1
		}
		shift = one.rawTo - one.to
	}
	return column + shift
}

// unset stands in the text for a name that is not set, so that the rest of the file can be checked.
const unset = "unset"

// expand replaces ${NAME} by the environment's value, outside comments. Lines stay where they are.
func (d *document) expand(text string) (problems []error) {
	lines := strings.Split(text, "\n")
	d.lines = make([]spans, len(lines))
	for i, line := range lines {
		if !strings.Contains(line, "${") {
			continue
		}
		out := ""
		for rest := line; ; {
			start := strings.Index(rest, "${")
			if start < 0 || inComment(line[:len(line)-len(rest)+start]) {
				out += rest
				break
			}
			column := len([]rune(line[:len(line)-len(rest)+start]))
			from := len([]rune(out + rest[:start]))
			end := strings.IndexByte(rest[start:], '}')
			if end < 0 {
				problems = append(problems, d.at(i+1, from+1, "${ without }"))
				out += rest[:start] + unset
				break
			}
			name := rest[start+2 : start+end]
			value, problem := valueOf(name)
			if problem != "" {
				problems = append(problems, d.at(i+1, from+1, problem))
			} else {
				d.secrets.from(name, value)
			}
			out += rest[:start] + value
			d.lines[i] = append(d.lines[i], span{column, column + end + 1, from, from + len([]rune(value))})
			rest = rest[start+end+1:]
		}
		lines[i] = out
	}
	d.text = []byte(strings.Join(lines, "\n"))
	return problems
}

// valueOf is the value of an environment variable, or why it cannot stand in the file.
func valueOf(name string) (value, problem string) {
	value, set := os.LookupEnv(name)
	switch {
	case !set && isVariable(name):
		return unset, fmt.Sprintf("${%s} is not set in the environment", name)
	case !set:
		return unset, "what stands between ${ and } is not the name of an environment variable"
	case strings.ContainsAny(value, "\n\r\"'\\#") || strings.Contains(value, ": "):
		return unset, fmt.Sprintf("the value of ${%s} contains quotes, a backslash, # or a newline; put it into a file and use the …_file key", name)
	}
	return value, ""
}

func isVariable(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// inComment reports whether a line that begins like that is in a comment by now.
func inComment(before string) bool {
	quote := rune(0)
	last := ' '
	for _, r := range before {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case (r == '"' || r == '\'') && strings.ContainsRune(" [{,:", last):
			quote = r
		case r == '#' && (last == ' ' || last == '\t'):
			return true
		}
		last = r
	}
	return false
}

// isUnset reports whether a value is only the place holder of a name that is not set.
func (d *document) isUnset(node ast.Node) bool {
	text, ok := scalar(node)
	return ok && strings.Contains(text, unset) && d.unsetAt(node)
}

func (d *document) unsetAt(node ast.Node) bool {
	at := node.GetToken().Position
	if at.Line > len(d.lines) {
		return false
	}
	for _, s := range d.lines[at.Line-1] {
		if s.from >= at.Column-1 && s.to-s.from == len(unset) {
			return true
		}
	}
	return false
}
