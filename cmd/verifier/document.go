package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"verifier"
)

// document is one YAML file as a tree that knows where each key is. Errors about it name file, line, column and the problem; they show
// no value of a key that may hold a secret. Excerpts are made by check alone.
type document struct {
	path    string
	text    []byte   // with ${NAME} replaced, without a byte order mark, lines ending in \n
	lines   []spans  // where replaced names stand, by line
	body    ast.Node // nil where the file is empty or cannot be parsed
	aliases map[spot]*token.Position
	secrets *secrets
}

// spot is a value in the tree: that of a pair (index -1), or an entry of a sequence.
type spot struct {
	in    ast.Node
	index int
}

// key is the path to a value: names of keys (string) and indexes of lists (int).
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

func (k key) with(more ...any) key { return append(slices.Clone(k), more...) }

// within reports whether one key is the other, or part of it.
func (k key) within(other key) bool {
	return len(k) >= len(other) && slices.Equal(k[:len(other)], other)
}

// parseDocument reads a file's text; with names it is a file of the configuration, in which ${NAME} is replaced and secrets stand. The errors are those of names that are not set and of the syntax; the document is never nil.
func parseDocument(path string, raw []byte, names bool) (*document, []error) {
	d := &document{path: path, aliases: map[spot]*token.Position{}, secrets: &secrets{}}
	text := plainLines(raw)
	d.text = []byte(text)
	var problems []error
	if names {
		problems = d.expand(text)
	}
	tree, err := parser.ParseBytes(d.text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return d, append(problems, d.syntaxError(err))
	}
	for i, doc := range tree.Docs {
		if i > 0 && doc.Body != nil {
			at := start(doc.Body)
			problems = append(problems, d.at(at.Line, at.Column, "a second document begins here; write one document"))
			break
		}
	}
	if len(tree.Docs) > 0 && tree.Docs[0].Body != nil {
		resolver := &resolver{doc: d, anchors: map[string]ast.Node{}}
		d.body = resolver.resolve(tree.Docs[0].Body, spot{})
		problems = append(problems, resolver.problems...)
		if names {
			d.secrets.gather(d.body, nil)
		}
	}
	return d, problems
}

// plainLines is the text without a byte order mark and with \n at the end of its lines.
func plainLines(raw []byte) string {
	text := strings.TrimPrefix(string(raw), "\ufeff")
	return strings.ReplaceAll(text, "\r\n", "\n")
}

// syntaxError says where the text is no YAML, in words that show none of it.
func (d *document) syntaxError(err error) error {
	var known yaml.Error
	if !errors.As(err, &known) || known.GetToken() == nil {
		return &verifier.FileError{File: d.path, Problem: "this is not valid YAML"}
	}
	at := known.GetToken().Position
	message := known.GetMessage()
	lines := strings.Split(string(d.text), "\n")
	for i := range min(at.Line, len(lines)) {
		indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && strings.TrimSpace(lines[i]) != "" && strings.Contains(message, "\t") {
			return d.at(i+1, tab+1, "the line is indented with a tab; YAML takes spaces only")
		}
	}
	if message == "unexpected key name" || message == "non-map value is specified" {
		message = "a key is followed by a colon and a space"
	}
	return d.at(at.Line, at.Column, "invalid YAML: "+message)
}

// bad is an error about the value of a key, with its place, or else that of the nearest key around it that is there.
func (d *document) bad(k key, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if d == nil {
		return fmt.Errorf("configuration: %s: %s", k, text)
	}
	line, column := d.position(k)
	return d.at(line, column, fmt.Sprintf("%s: %s", k, text))
}

// at is an error at a place of the expanded text; line 0 is no place.
func (d *document) at(line, column int, text string) error {
	if line > 0 && line <= len(d.lines) {
		column = d.lines[line-1].raw(column)
	}
	return &verifier.FileError{File: d.path, Line: line, Column: column, Problem: d.secrets.hide(text)}
}

// shown are another package's errors about the expanded text, with their places in the file and without its secrets.
func (d *document) shown(err error) error {
	list := verifier.EachError(err)
	for i, one := range list {
		var at *verifier.FileError
		switch {
		case errors.As(one, &at):
			list[i] = d.at(at.Line, at.Column, at.Problem)
		case d != nil:
			list[i] = &verifier.FileError{File: d.path, Problem: d.secrets.hide(one.Error())}
		}
	}
	return errors.Join(list...)
}

// position is where the value of a key stands, or else the nearest key around it; 0 where nothing of it is there.
func (d *document) position(k key) (line, column int) {
	node, at := d.body, (*token.Position)(nil)
	for _, part := range k {
		next, where := d.step(node, part)
		if next == nil {
			break
		}
		node, at = next, where
	}
	if at == nil {
		return 0, 0
	}
	return at.Line, at.Column
}

// step goes down to a key or an entry.
func (d *document) step(node ast.Node, part any) (ast.Node, *token.Position) {
	switch part := part.(type) {
	case string:
		for _, pair := range slices.Backward(pairsOf(node)) {
			if keyOf(pair) == part {
				return pair.Value, d.valuePosition(pair)
			}
		}
	case int:
		if list, ok := node.(*ast.SequenceNode); ok && part < len(list.Values) {
			if at := d.aliases[spot{list, part}]; at != nil {
				return list.Values[part], at
			}
			return list.Values[part], start(list.Values[part])
		}
	}
	return nil, nil
}

// find is the value of a key, or nil.
func (d *document) find(k key) ast.Node {
	node := d.body
	for _, part := range k {
		if node, _ = d.step(node, part); node == nil {
			return nil
		}
	}
	return node
}

// valuePosition is where the value of a pair stands: a block of keys or entries stands at its key, and so does nothing.
func (d *document) valuePosition(pair *ast.MappingValueNode) *token.Position {
	if at := d.aliases[spot{pair, -1}]; at != nil {
		return at
	}
	value := pair.Value
	if tag, ok := value.(*ast.TagNode); ok {
		return tag.GetToken().Position
	}
	key := pair.Key.GetToken().Position
	switch value := value.(type) {
	case *ast.NullNode:
		return key
	case *ast.MappingNode:
		if !value.IsFlowStyle {
			return key
		}
	case *ast.SequenceNode:
		if !value.IsFlowStyle {
			return key
		}
	case *ast.MappingValueNode:
		return key
	}
	return value.GetToken().Position
}

// start is where a node begins; the token of a block of keys is its first colon.
func start(node ast.Node) *token.Position {
	switch node := node.(type) {
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return node.Values[0].Key.GetToken().Position
		}
	case *ast.MappingValueNode:
		return node.Key.GetToken().Position
	}
	return node.GetToken().Position
}

// pairsOf are the keys of a mapping with their values; none of anything else.
func pairsOf(node ast.Node) []*ast.MappingValueNode {
	switch node := node.(type) {
	case *ast.MappingNode:
		return node.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{node}
	}
	return nil
}

func keyOf(pair *ast.MappingValueNode) string { return pair.Key.GetToken().Value }

// scalar is the text of a plain value.
func scalar(node ast.Node) (text string, ok bool) {
	switch node := node.(type) {
	case *ast.TagNode:
		return scalar(node.Value)
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}
