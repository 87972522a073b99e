package main

import (
	"bytes"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestConfigSchema holds the example, and what is wrong with it, against the schema that editors get.
func TestConfigSchema(t *testing.T) {
	text, err := configSchema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("verifier.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("verifier.json")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../verifier.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text string) error {
		var tree any
		if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(tree)
	}
	if err := valid(string(example)); err != nil {
		t.Errorf("the example: %v", err)
	}
	for _, wrong := range []string{
		"lisen: 127.0.0.1:8080", "listen: [1]", "retention: {evidence: soon}", "retention: {evidense: 90d}", "environments: {production: true}",
		"sources: {m: {type: prometheus, url: x, lagg: 1s}}", "sources: {m: {type: nothing}}", "sources: {m: {url: x}}", "services: [{match: {servise: x}}]",
	} {
		if valid(wrong) == nil {
			t.Errorf("%s is valid by the schema", wrong)
		}
	}
}

// TestEveryKeyIsShown looks for each key of verifier.yaml in the example or the documents.
func TestEveryKeyIsShown(t *testing.T) {
	text := ""
	for _, file := range []string{"../../verifier.example.yaml", "../../README.md"} {
		text += readText(t, file)
	}
	docs, err := os.ReadDir("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(folder string, entries []os.DirEntry)
	walk = func(folder string, entries []os.DirEntry) {
		for _, e := range entries {
			if e.IsDir() {
				inner, err := os.ReadDir(folder + "/" + e.Name())
				if err != nil {
					t.Fatal(err)
				}
				walk(folder+"/"+e.Name(), inner)
				continue
			}
			text += readText(t, folder+"/"+e.Name())
		}
	}
	walk("../../docs", docs)
	keys := map[string]bool{}
	for _, of := range []any{&Config{}, &ServiceConfig{}, &RollbackConfig{}} {
		yamlKeys(reflect.TypeOf(of), keys)
	}
	for _, make := range sourceTypes {
		yamlKeys(reflect.TypeOf(make()), keys)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !regexp.MustCompile(`(^|[^a-z_])`+regexp.QuoteMeta(key)+`:`).MatchString(text) && !strings.Contains(text, "`"+key+"`") {
			t.Errorf("no example and no document shows the key %s", key)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// notShown are Alertmanager's own, and keys of what is not there yet, which are refused with the reason.
var notShown = []string{"global", "time_intervals", "templates", "inhibit_rules", "sinks"}

func yamlKeys(t reflect.Type, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for field := range t.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key != "" && key != "-" && !slices.Contains(notShown, key) && !strings.HasSuffix(key, "_file") {
			into[key] = true
		}
		if field.IsExported() {
			yamlKeys(field.Type, into)
		}
	}
}
