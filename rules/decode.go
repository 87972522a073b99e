package rules

import (
	"errors"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// mostMistakes is how many mistakes of one file are named at once.
const mostMistakes = 50

// decode reads a file of rules. Where a key or a value is wrong it is named, taken out of the tree, and the rest is read all the same,
// so that all mistakes are named at once. wrong are the rules that had any: what they lack is not to be reported again.
func (l *loader) decode(name string, tree *ast.File) (f ruleFile, wrong map[int]bool) {
	wrong = map[int]bool{}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return f, wrong
	}
	body := tree.Docs[0].Body
	for range mostMistakes {
		f = ruleFile{}
		err := yaml.NodeToValue(body, &f, yaml.Strict())
		if err == nil {
			break
		}
		l.problems = append(l.problems, fileError(name, err))
		var known yaml.Error
		if !errors.As(err, &known) || known.GetToken() == nil {
			wrong[-1] = true
			break
		}
		rule, ok := prune(body, known.GetToken())
		wrong[rule] = true
		if !ok {
			break
		}
	}
	return f, wrong
}

// prune takes the key or the entry of a list that the token belongs to out of the tree. rule is the index of the rule that it was in,
// or -1; ok is false where nothing could be taken out.
func prune(node ast.Node, at *token.Token) (rule int, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for i, value := range n.Values {
			if !holds(value, at) {
				continue
			}
			if !same(value.GetToken(), at) && !same(value.Key.GetToken(), at) && !same(value.Value.GetToken(), at) {
				if rule, ok := prune(value.Value, at); ok {
					return rule, true
				}
			}
			n.Values = slices.Delete(n.Values, i, i+1)
			return -1, true
		}
	case *ast.SequenceNode:
		for i, value := range n.Values {
			if !holds(value, at) {
				continue
			}
			if !same(value.GetToken(), at) {
				if _, ok := prune(value, at); ok {
					return i, true
				}
			}
			n.Values[i] = ast.Null(value.GetToken()) // the others keep their places
			return i, true
		}
	}
	return -1, false
}

// holds reports whether the token is of the node or of anything in it.
func holds(node ast.Node, at *token.Token) bool {
	found := false
	ast.Walk(finder(func(n ast.Node) {
		found = found || same(n.GetToken(), at)
	}), node)
	return found
}

type finder func(ast.Node)

// Visit looks at every node.
func (f finder) Visit(n ast.Node) ast.Visitor {
	if n != nil {
		f(n)
	}
	return f
}

func same(a, b *token.Token) bool {
	return a != nil && b != nil && a.Position.Line == b.Position.Line && a.Position.Column == b.Position.Column
}
