package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
	alertmanager "github.com/prometheus/alertmanager/config"

	"verifier/outbound"
	"verifier/rules"
)

// shows says what of a key's value people may see in messages and excerpts.
type shows int

const (
	showsNothing shows = iota // a key that is not known, and what holds keys
	showsSecret               // nothing either; what stands there is hidden wherever else it stands
	showsHost                 // of an address, the scheme and the host
	showsValue
	showsValues // and the values of the keys under it
)

// hidden stands for what is not shown.
const hidden = "<hidden>"

// openMaps hold plain texts by keys that people choose.
var openMaps = []string{"names", "links", "fields", "labels", "map", "pick"}

// alwaysShown are keys that hold no secret although their name or type looks like it.
var alwaysShown = []string{"header", "services", "tell"}

// neverShown are keys whose values may hold a secret although their type does not say so.
var neverShown = []string{"command", "env", "headers", "http_headers", "details", "heartbeat", "body"}

var secretName = regexp.MustCompile(`(?i)secret|token|passw|credential|key|auth|cookie|header|licen[cs]e|private|signature`)

// alertmanagers are the top-level keys that Alertmanager's types are below.
var alertmanagers = []string{"global", "receivers", "route", "time_intervals", "templates", "inhibit_rules"}

// ownShown says for every key of verifier's own files what may be seen of it, and allShown for those of Alertmanager's part too. A key
// that several types know is as secret as in the worst of them.
var (
	ownShown = sync.OnceValue(func() map[string]shows {
		return shownIn(append(append(sourceStructs(), sinkStructs()...), reflect.TypeFor[Config](), reflect.TypeFor[ServiceConfig](), reflect.TypeFor[GateConfig]()))
	})
	allShown = sync.OnceValue(func() map[string]shows {
		return shownIn(append(append(sourceStructs(), sinkStructs()...), reflect.TypeFor[Config](), reflect.TypeFor[ServiceConfig](), reflect.TypeFor[GateConfig](), reflect.TypeFor[alertmanager.Config]()))
	})
)

func shownIn(types []reflect.Type) map[string]shows {
	out := map[string]shows{"url": showsHost}
	for _, t := range types {
		addShown(out, t, map[reflect.Type]bool{})
	}
	for _, name := range rules.Keys() {
		if _, known := out[name]; !known {
			out[name] = showsValue
		}
	}
	for name, what := range out {
		if what > showsSecret && secretName.MatchString(name) && !strings.HasSuffix(name, "_file") {
			out[name] = showsSecret
		}
	}
	for _, name := range neverShown {
		out[name] = showsSecret
	}
	for _, name := range alwaysShown {
		out[name] = showsValue
	}
	return out
}

func addShown(out map[string]shows, t reflect.Type, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for name, field := range fieldsOf(t) {
		what := shownOf(name, field)
		if was, known := out[name]; !known || what < was && (what != showsNothing || was == showsValue) {
			out[name] = what
		}
		addShown(out, field, seen)
	}
}

// shownOf is what may be seen of one field.
func shownOf(name string, t reflect.Type) shows {
	list := false
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		list = list || t.Kind() == reflect.Map
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[outbound.Secret]() || strings.HasPrefix(t.Name(), "Secret"):
		if t.Name() == "SecretURL" {
			return showsHost
		}
		return showsSecret
	case list && t.Kind() == reflect.String && contains(openMaps, name):
		return showsValues
	case list || t.Kind() == reflect.Struct && t.PkgPath() != "time" && t.Name() != "URL" || t.Kind() == reflect.Interface:
		return showsNothing
	}
	return showsValue
}

// shown is what may be seen of the value at the end of a path of keys.
func shown(keys []string) shows {
	if len(keys) == 0 {
		return showsNothing
	}
	known := allShown()
	if own, top := ownShown()[keys[0]]; top && own != showsSecret && !contains(alertmanagers, keys[0]) {
		known = ownShown()
	}
	for i, k := range keys {
		if known[k] == showsSecret && !isName(keys, i) {
			return showsSecret
		}
	}
	last := keys[len(keys)-1]
	if what, ok := known[last]; ok && what != showsValues {
		if len(keys) == 1 && last == "url" {
			return showsValue // the console's address
		}
		return what
	}
	if len(keys) > 1 && known[keys[len(keys)-2]] == showsValues {
		return showsValue
	}
	return showsNothing
}

// isName reports whether a key is a name that people chose, of a source for example, and no key of ours.
func isName(keys []string, i int) bool {
	return i == 1 && slices.Contains([]string{"sources", "sinks", "hooks", "gates"}, keys[0]) || i > 1 && keys[i-1] == "environments"
}

var (
	plainKey = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_.@/ -]{0,40}$`)
	address  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#\s]*@)?([^/?#\s@]*)(.*)$`)
	inValue  = regexp.MustCompile(`(?i)(passw\w*|secret|token|api_?key)\s*[=:]`)
)

// shownKey is a key between quotes, or only the fact that one is there: a value whose key was mistyped can look like one.
func shownKey(name string) string {
	if before, _, colon := strings.Cut(name, ":"); colon && plainKey.MatchString(before) {
		return `"` + before + `:…"`
	}
	if !plainKey.MatchString(name) {
		return hidden
	}
	return `"` + name + `"`
}

// shownValue is a value as far as it may be seen.
func shownValue(value string, what shows) string {
	host := address.FindStringSubmatch(value)
	switch {
	case what <= showsSecret || inValue.MatchString(value):
		return hidden
	case host != nil && strings.Trim(host[3], "/") == "" && len(host[0]) == len(host[1])+len(host[2])+len(host[3]):
		return value
	case host != nil:
		return host[1] + host[2] + "/…"
	case what == showsHost:
		return hidden
	}
	return value
}

// secrets are the values of one file that no message may hold.
type secrets struct {
	list []secret
}

// secret is one of them.
type secret struct {
	value, instead string
	anywhere       bool // and not only between quotes
}

// leastHidden is the length from which a value is hidden outside quotes too: shorter ones are parts of ordinary sentences.
const leastHidden = 4

func (s *secrets) add(value, instead string, anywhere bool) {
	if strings.TrimSpace(value) != "" {
		s.list = append(s.list, secret{value, instead, anywhere && len(value) >= leastHidden})
	}
}

// from is a value that came out of the environment: messages name its variable.
func (s *secrets) from(name, value string) { s.add(value, "${"+name+"}", true) }

// gather takes in all values under a node that may not be shown.
func (s *secrets) gather(node ast.Node, keys []string) {
	for _, pair := range pairsOf(node) {
		s.gather(pair.Value, append(keys[:len(keys):len(keys)], keyOf(pair)))
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, entry := range list.Values {
			s.gather(entry, keys)
		}
	}
	text, ok := scalar(node)
	if what := shown(keys); ok && shownValue(text, what) != text {
		s.add(text, shownValue(text, what), what != showsNothing)
	}
}

// hide is a message without the values that it may not hold.
func (s *secrets) hide(text string) string {
	text = outbound.RedactText(text)
	slices.SortStableFunc(s.list, func(a, b secret) int { return len(b.value) - len(a.value) })
	for _, one := range s.list {
		for _, quote := range []string{`"`, "`", "'"} {
			text = strings.ReplaceAll(text, quote+one.value+quote, quote+one.instead+quote)
		}
		if one.anywhere {
			text = replaceWord(text, one.value, one.instead)
		}
	}
	return text
}

var wordRune = regexp.MustCompile(`[A-Za-z0-9_]`)

// replaceWord replaces a value wherever it is no part of a longer word.
func replaceWord(text, value, instead string) string {
	var out strings.Builder
	for {
		i := strings.Index(text, value)
		if i < 0 {
			return out.String() + text
		}
		end := i + len(value)
		if i > 0 && wordRune.MatchString(text[i-1:i]) || end < len(text) && wordRune.MatchString(text[end:end+1]) {
			out.WriteString(text[:end])
		} else {
			out.WriteString(text[:i] + instead)
		}
		text = text[end:]
	}
}
