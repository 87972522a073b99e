package main

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// resolver puts what aliases and merge keys stand for into their place, so that everybody else sees plain mappings and lists.
type resolver struct {
	doc      *document
	anchors  map[string]ast.Node
	open     []string // anchors that are being read
	size     int
	problems []error
}

// maxNodes bounds what aliases of aliases may grow to.
const maxNodes = 500_000

func (r *resolver) bad(node ast.Node, text string) {
	at := start(node)
	r.problems = append(r.problems, r.doc.at(at.Line, at.Column, text))
}

// resolve is the node that stands there; where says where it hangs.
func (r *resolver) resolve(node ast.Node, where spot) ast.Node {
	switch node := node.(type) {
	case *ast.AnchorNode:
		name := node.Name.GetToken().Value
		r.open = append(r.open, name)
		value := r.resolve(node.Value, where)
		r.open = r.open[:len(r.open)-1]
		r.anchors[name] = value
		return value
	case *ast.AliasNode:
		return r.alias(node, where)
	case *ast.MappingNode:
		r.mapping(node)
	case *ast.MappingValueNode: // a mapping of one key
		whole := ast.Mapping(node.Start, false, node)
		r.mapping(whole)
		return whole
	case *ast.SequenceNode:
		for i, entry := range node.Values {
			node.Values[i] = r.resolve(entry, spot{node, i})
		}
	}
	return node
}

func (r *resolver) alias(node *ast.AliasNode, where spot) ast.Node {
	name := node.Value.GetToken().Value
	value, known := r.anchors[name]
	switch {
	case slices.Contains(r.open, name):
		r.bad(node, "the alias stands for a value that it is part of")
	case !known:
		r.bad(node, "there is no anchor of that name; a value that begins with * stands between quotes")
	}
	if known {
		if r.size += nodesIn(value); r.size > maxNodes {
			r.bad(node, "the aliases of this file make it too large")
			known = false
		}
	}
	if !known {
		value = ast.Null(node.GetToken())
	}
	r.doc.aliases[where] = node.GetToken().Position
	return value
}

// mapping resolves the values, and puts the keys of << beside those that are written.
func (r *resolver) mapping(node *ast.MappingNode) {
	var own, merged []*ast.MappingValueNode
	written := map[string]bool{}
	for _, pair := range node.Values {
		pair.Value = r.resolve(pair.Value, spot{pair, -1})
		if _, merge := pair.Key.(*ast.MergeKeyNode); merge {
			merged = append(merged, r.merge(pair)...)
			continue
		}
		own = append(own, pair)
		written[keyOf(pair)] = true
	}
	for _, pair := range merged {
		if !written[keyOf(pair)] {
			written[keyOf(pair)] = true
			own = append(own, pair)
		}
	}
	node.Values = own
}

func (r *resolver) merge(pair *ast.MappingValueNode) (pairs []*ast.MappingValueNode) {
	if list, ok := pair.Value.(*ast.SequenceNode); ok {
		for _, entry := range list.Values {
			pairs = append(pairs, pairsOf(entry)...)
		}
		return pairs
	}
	if _, ok := pair.Value.(*ast.MappingNode); !ok {
		r.bad(pair.Key, "<< takes a map, or an alias of one")
	}
	return pairsOf(pair.Value)
}

// nodesIn is how many values a node holds, itself too.
func nodesIn(node ast.Node) int {
	n := 1
	for _, pair := range pairsOf(node) {
		n += nodesIn(pair.Value)
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, entry := range list.Values {
			n += nodesIn(entry)
		}
	}
	return n
}
