package sources

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// criLine is how containerd and CRI-O write a container's output: time, stream, whether the line is whole, and the line.
var criLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+) (stdout|stderr) [FP] ?`)

// container takes off what a container's runtime puts around each line: docker's {"log":"…","stream":"…","time":"…"} or the
// beginning of CRI's. around is nil for all other lines.
func container(line []byte) (inner []byte, around map[string]any) {
	if len(line) == 0 {
		return line, nil
	}
	if line[0] == '{' && bytes.Contains(line, []byte(`"log":`)) {
		var tree map[string]any
		if json.Unmarshal(line, &tree) == nil {
			if text, ok := tree["log"].(string); ok {
				return []byte(strings.TrimSpace(text)), tree
			}
		}
		return line, nil
	}
	if found := criLine.FindSubmatchIndex(line); found != nil {
		inner = bytes.TrimSpace(line[found[1]:])
		return inner, map[string]any{"time": string(line[found[2]:found[3]]), "stream": string(line[found[4]:found[5]]), "log": string(inner)}
	}
	return line, nil
}

// read gives the fields of one line. Those that a container's output has itself come before those of its runtime.
func (f *Files) read(line []byte) (getField, error) {
	inner, around := container(line)
	if around == nil {
		return f.parse(line)
	}
	own, err := f.parse(inner)
	outer := fieldsOf(around)
	switch {
	case err == nil:
		return func(name string) (any, bool) {
			if v, ok := own(name); ok {
				return v, true
			}
			return outer(name)
		}, nil
	case f.json():
		if _, timed := outer(f.fields.time); timed {
			return outer, nil // plain text, which is asked for by the runtime's own fields
		}
	}
	return nil, err
}

func (f *Files) json() bool { return f.Format == "" || f.Format == "json" }
