package alerting

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// value is one value of the file, with aliases and merge keys resolved, and where an error about it points.
type value struct {
	kind         ast.NodeType // MappingType, SequenceType, NullType, or StringType for every scalar
	text         string       // of a scalar
	written      string       // of a scalar: as Alertmanager's loader is given it
	keys         []string     // of a mapping
	values       []*value     // of a mapping or a list
	line, column int
	key          *token.Position // nil: it has none
	name         string          // of the key
}

// get is the value of a key; nil where there is none.
func (v *value) get(key string) *value {
	if v != nil && v.kind == ast.MappingType {
		for i, k := range v.keys {
			if k == key {
				return v.values[i]
			}
		}
	}
	return nil
}

// at goes down a path of keys and indexes; nil where it ends before.
func (v *value) at(path ...string) *value {
	for _, part := range path {
		if v != nil && v.kind == ast.SequenceType {
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v.values) {
				return nil
			}
			v = v.values[i]
			continue
		}
		v = v.get(part)
	}
	return v
}

// without is the mapping or list without one of its entries.
func (v *value) without(i int) *value {
	out := *v
	out.values = slices.Delete(slices.Clone(v.values), i, i+1)
	if v.kind == ast.MappingType {
		out.keys = slices.Delete(slices.Clone(v.keys), i, i+1)
	}
	return &out
}

// with is the mapping or list with another entry in that place.
func (v *value) with(i int, inner *value) *value {
	out := *v
	out.values = slices.Clone(v.values)
	out.values[i] = inner
	return &out
}

func mapping(keys []string, values ...*value) *value {
	return &value{kind: ast.MappingType, keys: keys, values: values}
}

func list(values ...*value) *value { return &value{kind: ast.SequenceType, values: values} }

func text(s string) *value {
	quoted, _ := json.Marshal(s) // unreachable error: a string
	return &value{kind: ast.StringType, text: s, written: string(quoted)}
}

// reader makes values of nodes.
type reader struct {
	anchors map[string]*value
	open    int
	size    int
}

// maxValues bounds what aliases of aliases may grow to, and maxDepth what they may hold of themselves.
const (
	maxValues = 500_000
	maxDepth  = 100
)

func (r *reader) read(n ast.Node) *value {
	if r.size++; r.size > maxValues || r.open > maxDepth || n == nil {
		return &value{kind: ast.NullType}
	}
	r.open++
	defer func() { r.open-- }()
	at := n.GetToken().Position
	v := &value{kind: ast.StringType, line: at.Line, column: at.Column}
	switch n := n.(type) {
	case *ast.AnchorNode:
		v = r.read(n.Value)
		r.anchors[n.Name.GetToken().Value] = v
	case *ast.AliasNode:
		v.kind = ast.NullType
		if known := r.anchors[n.Value.GetToken().Value]; known != nil {
			copied := *known
			copied.line, copied.column = at.Line, at.Column
			return &copied
		}
	case *ast.TagNode:
		v = r.read(n.Value)
		v.line, v.column = at.Line, at.Column
	case *ast.NullNode:
		v.kind = ast.NullType
	case *ast.MappingNode:
		r.mapping(v, n.Values)
	case *ast.MappingValueNode:
		r.mapping(v, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		v.kind = ast.SequenceType
		for _, entry := range n.Values {
			v.values = append(v.values, r.read(entry))
		}
	case *ast.LiteralNode:
		v.text, v.written = n.Value.Value, text(n.Value.Value).written
	default:
		v.text, v.written = scalarText(n), plain(n)
	}
	return v
}

// scalarText is the text of a scalar.
func scalarText(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

// plain is a scalar as the loader is given it: what stands without quotes is left to its own reading of yes, 010 and the like.
func plain(n ast.Node) string {
	s := scalarText(n)
	if t := n.GetToken(); t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType || strings.ContainsAny(s, "\n\r") {
		return text(s).written
	}
	return s
}

func (r *reader) mapping(v *value, pairs []*ast.MappingValueNode) {
	v.kind = ast.MappingType
	if len(pairs) > 0 && v.line == pairs[0].GetToken().Position.Line && v.column == pairs[0].GetToken().Position.Column {
		first := pairs[0].Key.GetToken().Position // the token of a block of keys is its first colon
		v.line, v.column = first.Line, first.Column
	}
	var merged []*value
	for _, pair := range pairs {
		key := pair.Key.GetToken()
		inner := r.read(pair.Value)
		if _, merge := pair.Key.(*ast.MergeKeyNode); merge {
			merged = append(merged, inner)
			continue
		}
		copied := *inner
		copied.key, copied.name = key.Position, key.Value
		v.keys, v.values = append(v.keys, key.Value), append(v.values, &copied)
	}
	for _, m := range merged {
		if m.kind == ast.SequenceType {
			merged = append(merged, m.values...)
		}
		for i, key := range m.keys {
			if v.get(key) == nil {
				v.keys, v.values = append(v.keys, key), append(v.values, m.values[i])
			}
		}
	}
}

// written is a text for Alertmanager's loader, and which value each of its lines is about.
type written struct {
	text  strings.Builder
	lines []*value
}

func write(v *value) *written {
	w := &written{}
	w.value(v, 0)
	return w
}

// at is what a line of the text is about; nil where there is no such line.
func (w *written) at(line int) *value {
	if line < 1 || line > len(w.lines) {
		return nil
	}
	return w.lines[line-1]
}

func (w *written) line(indent int, s string, about *value) {
	w.text.WriteString(strings.Repeat(" ", indent) + s + "\n")
	w.lines = append(w.lines, about)
}

// value writes what stands below a key or a dash.
func (w *written) value(v *value, indent int) {
	if v.kind == ast.MappingType {
		for i, key := range v.keys {
			w.item(text(key).written+":", v.values[i], indent)
		}
		return
	}
	for _, entry := range v.values {
		w.item("-", entry, indent)
	}
}

func (w *written) item(head string, v *value, indent int) {
	switch {
	case v.kind == ast.NullType:
		w.line(indent, head, v)
	case v.kind == ast.StringType:
		w.line(indent, head+" "+v.written, v)
	case len(v.values) == 0 && v.kind == ast.MappingType:
		w.line(indent, head+" {}", v)
	case len(v.values) == 0:
		w.line(indent, head+" []", v)
	default:
		w.line(indent, head, v)
		w.value(v, indent+1)
	}
}
