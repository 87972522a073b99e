package sources

import (
	"encoding/json"
	"errors"
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
		if inner, ok := tree[name[:i]].(map[string]any); ok {
			if v, ok := lookup(inner, name[i+1:]); ok {
				return v, true
			}
		}
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
		flat[key] = scalar(value)
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

// scalar is a number where the text is one, so that ranges and percentiles work.
func scalar(s string) any {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n
	}
	return s
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
				flat[name] = scalar(string(found[i]))
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
		return unixTime(v), v > 0
	case string:
		return f.parseTime(v)
	}
	return time.Time{}, false
}

// unixTime takes seconds, or milliseconds where the number is too large for them.
func unixTime(v float64) time.Time {
	if v > 1e11 {
		return time.UnixMilli(int64(v))
	}
	return time.UnixMicro(int64(v * 1e6))
}

var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999-0700", "02/Jan/2006:15:04:05 -0700",
}

func (f *Files) parseTime(s string) (time.Time, bool) {
	s = strings.Replace(s, ",", ".", 1)
	layouts := timeLayouts
	if f.TimeFormat != "" {
		layouts = []string{f.TimeFormat}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
