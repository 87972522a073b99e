package rules

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/printer"
	"github.com/goccy/go-yaml/token"

	"verifier"
)

// CheckMeasure is a source's own check of a measure: it compiles queries and templates and asks nobody. window is the longest range
// that the query looks back over; it is added to the settle.
type CheckMeasure func(verifier.Measure) (window time.Duration, err error)

const maxFile = 1 << 20

// firstRule is what stands in the error of somebody who has no rules yet; logs is a source of verifier.yaml.
const firstRule = `rules:
  - name: error-burst
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 10, within: 5m}
`

// Load reads the rules of a file, or of all *.yaml and *.yml files of a folder, which inherit the defaults of its defaults.yaml. sources are the checks by source name; with nil
// neither names nor queries are checked. The error names everything that is wrong, each with file, line, column and what to write.
func Load(path string, sources map[string]CheckMeasure) (*Set, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	l := &loader{set: &Set{files: files}, sources: sources, names: map[string]string{}}
	var all []read
	for _, name := range files {
		f, ok := l.read(name)
		if !ok {
			continue
		}
		if name != path && isDefaults(name) {
			l.share(f)
		}
		all = append(all, f)
	}
	for _, f := range all {
		l.file(f)
	}
	for _, o := range l.waiting {
		l.override(o)
	}
	if len(l.problems) == 0 && len(l.set.rules) == 0 {
		l.problems = append(l.problems, fmt.Errorf("%s: it has defaults and no rules; write a file with rules: beside them", path))
	}
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return l.set, nil
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w; name the file or folder with `rules:` in verifier.yaml, or write a first one:\n\n%s", err, firstRule)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read the rules: the folder %s has no *.yaml", path)
	}
	slices.Sort(files)
	return files, nil
}

// loader gathers rules and everything that is wrong with them.
type loader struct {
	set      *Set
	sources  map[string]CheckMeasure
	names    map[string]string // where each rule stands
	waiting  []waiting
	wrong    []string // rules that could not be read whole
	partly   bool     // the rule at hand is one of these
	shared   read     // the folder's defaults
	problems []error
}

// waiting is an override that waits until all rules are known.
type waiting struct {
	rule  rule
	team  string
	place place
}

// place is one rule in its file.
type place struct {
	file  string
	tree  *ast.File
	index int
	base  string // the file of defaults that it inherits
}

// token is where a key of the rule stands, or else what it is in, or the rule itself.
func (p place) token(keys ...string) *token.Token {
	for n := len(keys); n >= 0; n-- {
		text := fmt.Sprintf("$.rules[%d]", p.index)
		if n > 0 {
			text += "." + strings.Join(keys[:n], ".")
		}
		path, err := yaml.PathString(text)
		if err != nil {
			continue
		}
		if node, err := path.FilterFile(p.tree); err == nil && node != nil && node.GetToken() != nil {
			return node.GetToken()
		}
	}
	return nil
}

// line is file:line of the rule.
func (p place) line() string {
	if at := p.token("name"); at != nil {
		return fmt.Sprintf("%s:%d", p.file, at.Position.Line)
	}
	return p.file // unreachable: the rule was read from there
}

// where is line with the file of defaults that the rule inherits.
func (p place) where() string {
	if p.base == "" {
		return p.line()
	}
	return p.line() + " (defaults: " + p.base + ")"
}

func (l *loader) bad(p place, keys []string, format string, args ...any) {
	if l.partly && lacks(keys, format) {
		return
	}
	at := strings.Join(keys, ".")
	if at != "" {
		at += ": "
	}
	l.problems = append(l.problems, problem(p.file, p.token(keys...), at+fmt.Sprintf(format, args...)))
}

// lacks reports whether a mistake is that something is not there.
func lacks(keys []string, format string) bool {
	key := strings.Join(keys, ".")
	return key == "" || (key == "measure" || key == "limit") && !strings.Contains(format, "at once") || strings.HasPrefix(format, "needs ")
}

// problem is what is wrong with file, line, column and an excerpt.
func problem(file string, at *token.Token, what string) error {
	if at == nil {
		return &verifier.FileError{File: file, Problem: what}
	}
	var excerpt printer.Printer
	place := &verifier.FileError{File: file, Line: at.Position.Line, Column: at.Position.Column, Problem: what}
	return fmt.Errorf("%w\n%s", place, strings.TrimRight(excerpt.PrintErrorToken(at, false), "\n"))
}

// read is one file as it is written.
type read struct {
	ruleFile
	name  string
	tree  *ast.File
	wrong map[int]bool // rules of which a part could not be read, -1 for anything else
}

func (l *loader) read(name string) (read, bool) {
	text, err := readFile(name)
	if err != nil {
		l.problems = append(l.problems, err)
		return read{}, false
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		l.problems = append(l.problems, fileError(name, err))
		return read{}, false
	}
	if len(tree.Docs) > 1 && tree.Docs[1].Body != nil {
		l.problems = append(l.problems, problem(name, tree.Docs[1].Body.GetToken(), "a second document begins; write one, and other files for the rest"))
	}
	f, wrong := l.decode(name, tree)
	return read{f, name, tree, wrong}, true
}

func (l *loader) file(f read) {
	if len(f.Rules) == 0 && len(f.wrong) == 0 && f.name != l.shared.name {
		l.problems = append(l.problems, fmt.Errorf("%s: it has no rules; write rules: with at least one", f.name))
	}
	base := first(l.shared.Defaults, f.Team, f.Defaults)
	for i, r := range f.Rules {
		p := place{f.name, f.tree, i, l.sharedBy(f)}
		switch {
		case f.wrong[i] && r.Override == "" && r.Name != "":
			l.wrong = append(l.wrong, r.Name)
			l.partly = true // what it lacks may be what was taken out
			l.add(r, base, p)
			l.partly = false
		case f.wrong[i]:
		case r.Override != "":
			l.waiting = append(l.waiting, waiting{r, f.Team, p})
		default:
			l.add(r, base, p)
		}
	}
}

// isDefaults reports whether a file of a folder holds the defaults of all others.
func isDefaults(name string) bool {
	base := filepath.Base(name)
	return base == "defaults.yaml" || base == "defaults.yml"
}

// share reads the folder's file of defaults.
func (l *loader) share(f read) {
	if f.Team != "" {
		l.problems = append(l.problems, fmt.Errorf("%s: team: not allowed in the folder's defaults, which all files inherit; write it in the team's own file", f.name))
	}
	if l.shared.name != "" {
		l.problems = append(l.problems, fmt.Errorf("%s: the folder's defaults are in %s already; keep one of the two", f.name, l.shared.name))
		return
	}
	l.shared = f
}

// sharedBy is where the defaults stand that a file inherits, empty where there are none.
func (l *loader) sharedBy(f read) string {
	if l.shared.name == "" || l.shared.name == f.name {
		return ""
	}
	return l.shared.name
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB; split it into a folder of files", name)
	}
	return text, nil
}

// fileError puts file, line and column in front, and the nearest known key behind an unknown one.
func fileError(name string, err error) error {
	var known yaml.Error
	if !errors.As(err, &known) || known.GetToken() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	message := known.GetMessage()
	if _, field, ok := strings.Cut(message, `unknown field "`); ok {
		message += didYouMean(strings.TrimSuffix(field, `"`), keysOf(reflect.TypeFor[ruleFile](), nil))
	}
	if strings.Contains(message, "where mapping is expected") {
		message += "; write {key: value}"
	}
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		message = fmt.Sprintf("%s is not %s", valueOf(wrong.Token), kinds[wrong.DstType.Kind()])
	}
	return problem(name, known.GetToken(), message)
}

// kinds are the types of values, as people call them.
var kinds = map[reflect.Kind]string{
	reflect.Float64: "a number; write one like 10 or 0.5", reflect.Int: "a whole number; write one like 5", reflect.String: "a text; write it between quotes",
	reflect.Bool: "true or false; write one of them", reflect.Slice: "a list; write [one, two]", reflect.Map: "a map; write {key: value}",
	reflect.Struct: "a map; write {key: value}",
}

func valueOf(t *token.Token) string {
	switch t.Type {
	case token.SequenceStartType, token.SequenceEntryType:
		return "a list"
	case token.MappingStartType, token.MappingValueType:
		return "a map"
	}
	return fmt.Sprintf("%q", t.Value)
}

// keysOf are all keys that a file may have.
func keysOf(t reflect.Type, keys []string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[when]() || t == reflect.TypeFor[amount]() {
		return keys
	}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		keys = keysOf(t.Field(i).Type, append(keys, key))
	}
	return keys
}

func didYouMean(word string, known []string) string {
	if slices.Contains(known, word) {
		return " here; it belongs elsewhere"
	}
	best, distance := "", len(word)/3+2
	for _, k := range known {
		if n := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k)); n < distance {
			best, distance = k, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// SourcesNamed are the names of the sources that the rules of a file or a folder measure by, as far as they can be read.
func SourcesNamed(path string) []string {
	files, err := filesOf(path)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var read ruleFile
		if yaml.Unmarshal(raw, &read) != nil {
			continue
		}
		for _, r := range read.Rules {
			if r.Measure != nil && r.Measure.Source != "" {
				names[r.Measure.Source] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
