package sources

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseLine gives the fields of one line.
type parseLine func(line []byte) (func(name string) (any, bool), error)

func parseJSON(line []byte) (func(string) (any, bool), error) {
	var tree map[string]any
	if err := json.Unmarshal(line, &tree); err != nil {
		return nil, err
	}
	return fieldsOf(tree), nil
}

// fieldsOf finds dotted names in nested objects, in dotted keys, and in mixtures of both.
func fieldsOf(tree map[string]any) func(string) (any, bool) {
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

// parseLogfmt reads key=value and key="quoted value" pairs.
func parseLogfmt(line []byte) (func(string) (any, bool), error) {
	flat := map[string]any{}
	s := strings.TrimSpace(string(line))
	for s != "" {
		end := strings.IndexAny(s, " =")
		if end < 0 || s[end] == ' ' {
			key, rest, _ := strings.Cut(s, " ")
			flat[key] = true
			s = strings.TrimLeft(rest, " ")
			continue
		}
		key := s[:end]
		value, rest, err := logfmtValue(s[end+1:])
		if err != nil {
			return nil, err
		}
		flat[key] = value
		s = strings.TrimLeft(rest, " ")
	}
	if len(flat) == 0 {
		return nil, errors.New("an empty line")
	}
	return fieldsOf(flat), nil
}

func logfmtValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", errors.New("a quote that does not end")
	}
	value, err = strconv.Unquote(quoted)
	return value, s[len(quoted):], err
}

func parseRegexp(re *regexp.Regexp) parseLine {
	names := re.SubexpNames()
	return func(line []byte) (func(string) (any, bool), error) {
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

// timeOf is the line's time.
func (f *Files) timeOf(fields func(string) (any, bool)) (time.Time, bool) {
	v, ok := fields(f.fields.time)
	if !ok {
		return time.Time{}, false
	}
	switch v := v.(type) {
	case float64:
		return unixTime(v), v > 0 && v < math.MaxInt64
	case string:
		return f.parseTime(v)
	}
	return time.Time{}, false
}

// unixTime takes seconds, or milli-, micro- or nanoseconds where the number is too large for them.
func unixTime(v float64) time.Time {
	switch {
	case v > 1e17:
		return time.Unix(0, int64(v))
	case v > 1e14:
		return time.UnixMicro(int64(v))
	case v > 1e11:
		return time.UnixMilli(int64(v))
	}
	return time.UnixMicro(int64(v * 1e6))
}

// timeLayouts also take a fraction of a second after a point or a comma.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05 -0700",
	"02/Jan/2006:15:04:05 -0700",
}

func (f *Files) parseTime(s string) (time.Time, bool) {
	layouts := timeLayouts
	if f.TimeFormat != "" {
		layouts = []string{f.TimeFormat}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, f.zone); err == nil {
			return t, true
		}
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && f.TimeFormat == "" && v > 0 && v < math.MaxInt64 {
		return unixTime(v), true
	}
	return time.Time{}, false
}
