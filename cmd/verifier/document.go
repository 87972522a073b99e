package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document is one YAML file: as it stands, and as a tree that knows where each key is. Excerpts are of what stands there, so that
// no value of the environment gets into an error.
type document struct {
	path string
	raw  []byte
	tree *ast.File // nil where there is none
}

func newDocument(path string, raw, expanded []byte) *document {
	tree, err := parser.ParseBytes(expanded, 0)
	if err != nil {
		tree = nil // unreachable: it was decoded
	}
	return &document{path: path, raw: raw, tree: tree}
}

// key is the way to a value: names of keys (string) and numbers in lists (int).
type key []any

// String writes the key as people do: services[2].rollback.mode.
func (k key) String() string {
	var out strings.Builder
	for _, part := range k {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&out, "[%d]", part)
		default:
			fmt.Fprintf(&out, ".%v", part)
		}
	}
	return strings.TrimPrefix(out.String(), ".")
}

// bad is an error about the value of a key, with where it stands, or else the nearest key around it that is there.
func (d *document) bad(k key, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if d == nil {
		return fmt.Errorf("configuration: %s: %s", k, text)
	}
	for n := len(k); n > 0; n-- {
		if node := d.find(k[:n]); node != nil {
			at := node.GetToken().Position
			return d.at(at.Line, at.Column, fmt.Sprintf("%s: %s", k, text))
		}
	}
	return fmt.Errorf("%s: %s: %s", d.path, k, text)
}

func (d *document) find(k key) ast.Node {
	if d.tree == nil {
		return nil
	}
	path := (&yaml.PathBuilder{}).Root()
	for _, part := range k {
		switch part := part.(type) {
		case int:
			path = path.Index(uint(part))
		case string:
			path = path.Child(part)
		}
	}
	node, err := path.Build().FilterFile(d.tree)
	if err != nil || node == nil || node.GetToken() == nil {
		return nil
	}
	return node
}

// at puts file, line and column before the text, and an excerpt behind it.
func (d *document) at(line, column int, text string) error {
	return fmt.Errorf("%s:%d:%d: %s\n%s", d.path, line, column, text, excerpt(d.raw, line, column))
}

// excerpt is the line with those around it, and a mark below the column.
func excerpt(raw []byte, line, column int) string {
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	var out []string
	for i := max(1, line-1); i <= min(len(lines), line+1); i++ {
		mark := " "
		if i == line {
			mark = ">"
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %3d | %s", mark, i, lines[i-1]), " "))
		if i == line {
			out = append(out, strings.Repeat(" ", len("> 123 | ")+column-1)+"^")
		}
	}
	return strings.Join(out, "\n")
}

// valueError is a value that cannot be read; who decodes does not know where it stands.
type valueError struct {
	value string
	error
}

// decodeError says where decoding went wrong.
func (d *document) decodeError(err error) error {
	var known yaml.Error
	if errors.As(err, &known) && known.GetToken() != nil {
		at := known.GetToken().Position
		message := known.GetMessage()
		if _, field, found := strings.Cut(message, `unknown field "`); found {
			keys := keysOf(append(append(sourceStructs(), sinkStructs()...), reflect.TypeFor[Config](), reflect.TypeFor[ServiceConfig]()))
			field = strings.TrimSuffix(field, `"`)
			if slices.Contains(keys, field) {
				message += " here; it belongs elsewhere"
			} else if near := nearest(field, keys); near != "" {
				message += "; did you mean " + near + "?"
			}
		}
		return d.at(at.Line, at.Column, message)
	}
	var value *valueError
	if errors.As(err, &value) && d.tree != nil {
		if at := d.position(value.value); at != nil {
			return d.at(at.Line, at.Column, value.Error())
		}
	}
	return fmt.Errorf("%s: %w", d.path, err)
}

// position is where a plain value stands first.
func (d *document) position(value string) *token.Position {
	for _, doc := range d.tree.Docs {
		for _, kind := range []ast.NodeType{ast.StringType, ast.IntegerType, ast.FloatType} {
			for _, node := range ast.Filter(kind, doc.Body) {
				if t := node.GetToken(); t.Value == value {
					return t.Position
				}
			}
		}
	}
	return nil
}

// keysOf are all keys that the types know, at any depth.
func keysOf(types []reflect.Type) (keys []string) {
	for _, t := range types {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		for f := range t.Fields() {
			name, inline, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name != "" {
				keys = append(keys, name)
			}
			if name != "" || inline == "inline" {
				keys = append(keys, keysOf([]reflect.Type{f.Type})...)
			}
		}
	}
	return keys
}
