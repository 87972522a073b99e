package main

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"verifier"
	"verifier/rollback"
	"verifier/words"
)

// checker holds a document against the types that it is decoded into: it names every key that is unknown or written twice and every
// value of the wrong kind, each where it stands, and takes them out of the tree, so that the rest can be decoded and checked further.
type checker struct {
	doc      *document
	known    []string // keys of all types, for keys that stand in the wrong place
	problems []error
	refused  []key // what was taken out
}

// decode reads the document into a value. What is wrong is left out of it and named; refused are the keys of that.
func (d *document) decode(into any, known []string) (refused []key, problems []error) {
	if d.body == nil {
		return nil, nil
	}
	c := &checker{doc: d, known: known}
	if !c.value(d.body, reflect.TypeOf(into).Elem(), nil) {
		return c.refused, c.problems
	}
	if err := yaml.NodeToValue(d.body, into, yaml.CustomUnmarshaler[time.Duration](unmarshalDuration)); err != nil {
		c.problems = append(c.problems, d.syntaxError(err)) // unreachable where the checks above are whole
	}
	return c.refused, c.problems
}

// bad takes a value out and says why. It is always false.
func (c *checker) bad(k key, format string, args ...any) bool {
	c.refused = append(c.refused, k)
	if len(k) == 0 {
		at := start(c.doc.body)
		c.problems = append(c.problems, c.doc.at(at.Line, at.Column, fmt.Sprintf(format, args...)))
		return false
	}
	c.problems = append(c.problems, c.doc.bad(k, format, args...))
	return false
}

// value reports whether a node can be decoded into the type, once what is wrong inside it has been taken out.
func (c *checker) value(node ast.Node, t reflect.Type, k key) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if tag, ok := node.(*ast.TagNode); ok {
		return c.value(tag.Value, t, k)
	}
	if node == nil || node.Type() == ast.NullType || t.Kind() == reflect.Interface {
		return true
	}
	if c.doc.isUnset(node) {
		c.refused = append(c.refused, k)
		return false
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return c.duration(node, k)
	case reflect.TypeFor[SourceConfig]():
		return c.typed(node, k, func(kind string) any { return orNil(sourceTypes, kind) })
	case reflect.TypeFor[SinkConfig]():
		return c.typed(node, k, func(kind string) any { return orNil(sinkTypes, kind) })
	case reflect.TypeFor[ServicesConfig]():
		switch node.(type) {
		case *ast.StringNode:
			return true
		case *ast.SequenceNode:
		default:
			return c.bad(k, "must be a list of entries, or the name of a folder with files of them, not %s", kindOf(node))
		}
		return c.value(node, reflect.TypeFor[[]ServiceConfig](), k)
	case reflect.TypeFor[GatesConfig]():
		if _, several := node.(*ast.SequenceNode); several {
			return c.value(node, reflect.TypeFor[[]GateConfig](), k)
		}
		return c.value(node, reflect.TypeFor[GateConfig](), k)
	case reflect.TypeFor[rollback.CommandConfig]():
		if _, list := node.(*ast.SequenceNode); list {
			return c.value(node, reflect.TypeFor[[]string](), k)
		}
	}
	if reads, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok && t != reflect.TypeFor[time.Time]() {
		return c.text(node, reads, k)
	}
	return c.kind(node, t, k)
}

// text checks a value that its type reads by itself.
func (c *checker) text(node ast.Node, reads encoding.TextUnmarshaler, k key) bool {
	text, ok := scalar(node)
	if !ok {
		return c.bad(k, "must be text, not %s", kindOf(node))
	}
	if err := reads.UnmarshalText([]byte(strings.TrimSpace(text))); err != nil {
		return c.bad(k, "%v", err)
	}
	return true
}

func orNil[T any](types map[string]func() T, kind string) any {
	if empty, known := types[kind]; known {
		return empty()
	}
	return nil
}

// kind checks a node by the kind of its type.
func (c *checker) kind(node ast.Node, t reflect.Type, k key) bool {
	switch t.Kind() {
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return c.time(node, k)
		}
		return c.fields(node, t, k)
	case reflect.Map:
		if _, ok := node.(*ast.MappingNode); !ok {
			return c.bad(k, "must be a map, like {key: value}, not %s", kindOf(node))
		}
		c.pairs(node.(*ast.MappingNode), k, func(pair *ast.MappingValueNode, at key) bool {
			pair.Value = asWritten(pair.Value, t.Elem())
			return c.value(pair.Value, t.Elem(), at)
		})
		return true
	case reflect.Slice:
		return c.list(node, t, k)
	}
	text, ok := scalar(node)
	if !ok {
		return c.bad(k, "must be %s, not %s", wanted(t), kindOf(node))
	}
	return c.scalar(text, t, k)
}

// scalar checks a plain value.
func (c *checker) scalar(text string, t reflect.Type, k key) bool {
	var err error
	switch t.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return c.bad(k, "%q must be true or false", text)
		}
	case reflect.Int, reflect.Int64, reflect.Int32:
		_, err = strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	case reflect.Float64:
		_, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		return c.bad(k, "%q must be %s", text, wanted(t))
	}
	return true
}

func (c *checker) duration(node ast.Node, k key) bool {
	text, ok := scalar(node)
	if !ok {
		return c.bad(k, "must be a duration, like 30s, 15m or 12h, not %s", kindOf(node))
	}
	if _, err := verifier.ParseDuration(strings.TrimSpace(text)); err != nil {
		return c.bad(k, "%v", err)
	}
	return true
}

func (c *checker) time(node ast.Node, k key) bool {
	text, _ := scalar(node)
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return c.bad(k, "%q is not a valid time (try 2026-12-01T10:00:00Z)", text)
}

func (c *checker) list(node ast.Node, t reflect.Type, k key) bool {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return c.bad(k, "must be a list, not %s", kindOf(node))
	}
	for i, entry := range list.Values {
		list.Values[i] = asWritten(entry, t.Elem())
		if !c.value(list.Values[i], t.Elem(), k.with(i)) {
			list.Values[i] = ast.Null(entry.GetToken()) // the others keep their numbers
		}
	}
	return true
}

// typed checks a source or a sink: its type says which keys there are. A type that is missing or unknown is named elsewhere.
func (c *checker) typed(node ast.Node, k key, of func(kind string) any) bool {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		return c.bad(k, "must be a map, like {type: …}, not %s", kindOf(node))
	}
	for _, pair := range mapping.Values {
		if kind, _ := scalar(pair.Value); keyOf(pair) == "type" {
			if empty := of(kind); empty != nil {
				return c.value(node, reflect.TypeOf(empty), k)
			}
		}
	}
	return true
}

// fields checks a mapping against the keys of a struct.
func (c *checker) fields(node ast.Node, t reflect.Type, k key) bool {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		return c.bad(k, "must be a map, like {key: value}, not %s", kindOf(node))
	}
	fields := fieldsOf(t)
	c.pairs(mapping, k, func(pair *ast.MappingValueNode, at key) bool {
		field, known := fields[keyOf(pair)]
		if !known {
			c.unknown(pair, at, fields)
			return false
		}
		pair.Value = asWritten(pair.Value, field)
		return c.value(pair.Value, field, at)
	})
	return true
}

// asWritten is the node as a text where the type wants one, so that a secret of digits and 0x10 are kept as they are written.
func asWritten(node ast.Node, t reflect.Type) ast.Node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.String && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return node
	}
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		at := node.GetToken()
		return ast.String(token.DoubleQuote(at.Value, " "+strconv.Quote(at.Value), at.Position))
	}
	return node
}

// pairs goes through a mapping and takes out those that are written twice and those that are not sound.
func (c *checker) pairs(mapping *ast.MappingNode, k key, sound func(*ast.MappingValueNode, key) bool) {
	first := map[string]int{}
	mapping.Values = slices.DeleteFunc(mapping.Values, func(pair *ast.MappingValueNode) bool {
		at := pair.Key.GetToken().Position
		if line, twice := first[keyOf(pair)]; twice {
			c.problems = append(c.problems, c.doc.at(at.Line, at.Column, fmt.Sprintf("duplicate key %s, first in line %d", shownKey(keyOf(pair)), line)))
			return true
		}
		first[keyOf(pair)] = at.Line
		return !sound(pair, k.with(keyOf(pair)))
	})
}

// unknown says what a key may have been meant to be.
func (c *checker) unknown(pair *ast.MappingValueNode, k key, fields map[string]reflect.Type) {
	name, at := keyOf(pair), pair.Key.GetToken().Position
	c.refused = append(c.refused, k)
	message := "unknown field " + shownKey(name)
	own := make([]string, 0, len(fields))
	for f := range fields {
		own = append(own, f)
	}
	slices.Sort(own)
	near := words.Nearest(name, own)
	if near == "" && !slices.Contains(c.known, name) {
		near = words.Nearest(name, c.known)
	}
	switch before, _, colon := strings.Cut(name, ":"); {
	case colon && slices.Contains(own, before):
		message += "; write a space after the colon"
	case near != "":
		message += "; did you mean " + near + "?"
	case slices.Contains(c.known, name):
		message += " here; it belongs elsewhere"
	}
	c.problems = append(c.problems, c.doc.at(at.Line, at.Column, message))
}

// fieldsOf are the keys of a struct with their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct { // a map takes any key
				maps.Copy(out, fieldsOf(inner))
			}
		case f.IsExported() && name != "-":
			out[orDefault(name, strings.ToLower(f.Name))] = f.Type
		}
	}
	return out
}

// wanted says what a value of the type is.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "a whole number, like 5"
	case reflect.Float64:
		return "a number, like 0.5"
	}
	return "text"
}

// kindOf says what a node is.
func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a single value"
}
