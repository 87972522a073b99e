package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"verifier"
)

// Event is a deploy as its tool tells it. Deploy holds what the tool says in our words: its id there (without the tool's name), status,
// time, and service, environment and version where the tool has them. Fields holds its own words, which a mapping may match and copy.
type Event struct {
	Deploy verifier.Deploy
	Fields map[string]string
}

// entry is one entry of a hook's map: it holds for events whose fields fit all of its globs, and says what a deploy's fields are.
type entry struct {
	match, set map[string]string
}

// settable are the fields of a deploy that a mapping may say. ignore says why such an event is no deploy.
var settable = map[string]func(*verifier.Deploy, string){
	"service":          func(d *verifier.Deploy, s string) { d.Service = s },
	"environment":      func(d *verifier.Deploy, s string) { d.Environment = s },
	"target":           func(d *verifier.Deploy, s string) { d.Target = s },
	"version":          func(d *verifier.Deploy, s string) { d.Version = s },
	"previous_version": func(d *verifier.Deploy, s string) { d.PreviousVersion = s },
	"change":           func(d *verifier.Deploy, s string) { d.Change = verifier.Change(strings.ToLower(s)) },
	"team":             func(d *verifier.Deploy, s string) { d.Team = s },
	"group":            func(d *verifier.Deploy, s string) { d.Group = s },
	"by":               func(d *verifier.Deploy, s string) { d.By = s },
	"commit":           func(d *verifier.Deploy, s string) { d.Commit = s },
	"repository":       func(d *verifier.Deploy, s string) { d.Repository = s },
	"rollback.allowed": func(d *verifier.Deploy, s string) { d.Rollback.Allowed = truth(s) },
	"rollback.reason":  func(d *verifier.Deploy, s string) { d.Rollback.Reason = s },
}

const ignore = "ignore"

// truth reads what people write for yes and no; anything else says nothing.
func truth(s string) *bool {
	yes, no := true, false
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "1", "allowed":
		return &yes
	case "false", "no", "0", "forbidden":
		return &no
	}
	return nil
}

// holes are the places in a text that a field fills: {{.number}}.
var holes = regexp.MustCompile(`\{\{\s*\.([^\s{}]+)\s*\}\}`)

func readEntry(m map[string]string, fields []string) (entry, error) {
	e := entry{match: map[string]string{}, set: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value := m[key]
		_, sets := settable[key]
		label := strings.HasPrefix(key, "labels.") && len(key) > len("labels.")
		switch {
		case sets || label || key == ignore:
			for _, hole := range holes.FindAllStringSubmatch(value, -1) {
				if !isField(hole[1], fields) {
					return e, fmt.Errorf("%s: the tool says nothing called %q; there are %s", key, hole[1], strings.Join(fields, ", "))
				}
			}
			if key == "change" && !isField(value, fields) && !holes.MatchString(value) && !slices.Contains(verifier.Changes, verifier.Change(value)) {
				return e, fmt.Errorf("change: %q is none; write release, config, toggle, infra or scale", value)
			}
			e.set[key] = value
		case isField(key, fields):
			e.match[key] = value
		default:
			return e, fmt.Errorf("%s: is neither of a deploy (%s, labels.NAME or ignore) nor of this tool (%s)", key,
				strings.Join(slices.Sorted(maps.Keys(settable)), ", "), strings.Join(fields, ", "))
		}
	}
	if len(e.set) == 0 {
		return e, fmt.Errorf("says nothing: write what such events are, like service: shop, or ignore: why") //nolint:err113 // read by people
	}
	return e, nil
}

func isField(name string, fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool {
		many, ok := strings.CutSuffix(f, "*")
		return f == name || ok && strings.HasPrefix(name, many) && len(name) > len(many)
	})
}

func (e entry) fits(fields map[string]string) bool {
	for name, glob := range e.match {
		if !verifier.Glob(glob, fields[name]) {
			return false
		}
	}
	return true
}

// apply fills in what the map says: all entries that fit, later ones over earlier ones. why says what is missing for a deploy; skip
// that it is none.
func (h *hook) apply(e *Event) (why string, skip bool) {
	d := &e.Deploy
	if d.Change == "" {
		d.Change = verifier.Release
	}
	if d.ID != "" {
		d.ID = fittingID(h.name + ":" + d.ID)
	}
	if d.RollsBack != "" {
		d.RollsBack = fittingID(h.name + ":" + d.RollsBack)
	}
	for _, entry := range h.entries {
		if !entry.fits(e.Fields) {
			continue
		}
		if text, ok := entry.set[ignore]; ok {
			return h.value(text, e.Fields), true
		}
		for key, text := range entry.set {
			h.set(d, key, h.value(text, e.Fields))
		}
	}
	if d.ID == "" {
		d.ID, d.WithoutID = h.name+":"+key(*d), true
	}
	return h.missing(*e), false
}

// fittingID is an id out of a tool's: what does not fit is replaced, and a sum keeps it apart from others.
func fittingID(id string) string {
	if idProblem(id) == "" {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	id = strings.Map(func(c rune) rune {
		if idProblem(string(c)) != "" {
			return '_'
		}
		return c
	}, id)
	return id[:min(len(id), 180)] + "~" + hex.EncodeToString(sum[:6])
}

func (h *hook) set(d *verifier.Deploy, key, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if name, ok := strings.CutPrefix(key, "labels."); ok {
		labels := maps.Clone(d.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[name] = value
		d.Labels = labels
		return
	}
	settable[key](d, value)
}

// value is a field's where the text is its name, else the text with its holes filled.
func (h *hook) value(text string, fields map[string]string) string {
	if isField(text, h.fields) {
		return fields[text]
	}
	return holes.ReplaceAllStringFunc(text, func(hole string) string { return fields[holes.FindStringSubmatch(hole)[1]] })
}

// maxShown is how many of a tool's words a message shows.
const maxShown = 8

// missing says what a deploy lacks that only a mapping can give; empty: nothing.
func (h *hook) missing(e Event) string {
	var lacks []string
	for _, f := range []struct{ name, value string }{{"service", e.Deploy.Service}, {"environment", e.Deploy.Environment}, {"version", e.Deploy.Version}} {
		if f.value == "" {
			lacks = append(lacks, f.name)
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	var said []string
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		if v := e.Fields[name]; v != "" && len(said) < maxShown {
			if strings.HasPrefix(name, "pillar.") {
				v = "…" // it may be a secret, and this goes to logs and people
			}
			said = append(said, fmt.Sprintf("%s: %.60q", name, v))
		}
	}
	return fmt.Sprintf("no %s: no entry of hooks.%s.map says it for {%s}", strings.Join(lacks, ", no "), h.name, strings.Join(said, ", "))
}
