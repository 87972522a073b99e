package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
)

// parseLine gives the fields of one line.
type parseLine func(line []byte) (getField, error)

// getField gives a field's value by its dotted name.
type getField func(name string) (any, bool)

var errNotJSON = errors.New("not a JSON object")

func parseJSON(line []byte) (getField, error) {
	tree, err := jsonObject(line)
	if err != nil {
		return nil, err
	}
	return fieldsOf(tree), nil
}

// jsonObject reads a line as an object. A line that a crash cut short has the next one behind it, without a newline between them.
func jsonObject(line []byte) (map[string]any, error) {
	if len(line) == 0 || line[0] != '{' {
		return nil, errNotJSON
	}
	for range mostCut {
		var tree map[string]any
		if json.Unmarshal(line, &tree) == nil && tree != nil {
			return tree, nil
		}
		next := bytes.Index(line[1:], []byte(`{"`))
		if next < 0 {
			break
		}
		line = line[1+next:]
	}
	return nil, errNotJSON
}

// mostCut is in how many places of a line an object is looked for.
const mostCut = 5

// fieldsOf finds dotted names in nested objects, in dotted keys, and in mixtures of both.
func fieldsOf(tree map[string]any) getField {
	return func(name string) (any, bool) { return lookup(tree, name) }
}

func lookup(tree map[string]any, name string) (any, bool) {
	if v, ok := tree[name]; ok {
		return v, true
	}
	for i := 0; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		if v, ok := within(tree[name[:i]], name[i+1:]); ok {
			return v, true
		}
	}
	return nil, false
}

// within looks into an object, or into each object of a list: its values are the field's, all of them.
func within(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return lookup(v, name)
	case []any:
		var all []any
		for _, one := range v {
			if inner, ok := within(one, name); ok {
				all = append(all, inner)
			}
		}
		return all, len(all) > 0
	}
	return nil, false
}

func parseRegexp(re *regexp.Regexp) parseLine {
	names := re.SubexpNames()
	return func(line []byte) (getField, error) {
		found := re.FindSubmatch(line)
		if found == nil {
			return nil, errors.New("it does not match the regular expression")
		}
		flat := map[string]any{}
		for i, name := range names {
			if name != "" && found[i] != nil {
				flat[name] = string(found[i])
			}
		}
		return fieldsOf(flat), nil
	}
}
