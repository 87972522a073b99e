package main

import (
	"encoding/pem"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestDocuments runs `verifier check` over every piece of YAML that a document shows, as a reader would who copies it: a configuration
// as it stands, rules beside the first configuration with sources of the same document, and beside the example's where there is none.
func TestDocuments(t *testing.T) {
	t.Setenv("OCTOPUS_KEY", "hush")
	blocks := 0
	for _, document := range documents(t) {
		text := readText(t, document)
		sources := "sources: {logs: {type: files, path: '/var/log/shop/*.log'}}\n"
		var configurations, rules []string
		for _, found := range yamlBlock.FindAllStringSubmatch(text, -1) {
			blocks++
			switch kindOfYAML(t, document, found[1]) {
			case "rules":
				rules = append(rules, found[1])
			case "tests":
				runDocumentTests(t, document, found[1])
			default:
				configurations = append(configurations, found[1])
			}
		}
		for i := len(configurations) - 1; i >= 0; i-- {
			checkDocument(t, document, withSource(configurations[i]), "rules: [{name: a, measure: {source: of_the_test, count: x}, limit: {above: 1, within: 1m}}]\n")
			if strings.Contains(configurations[i], "sources:") {
				sources = configurations[i]
			}
		}
		for _, text := range rules {
			checkDocument(t, document, sources, text)
		}
	}
	if blocks < 30 {
		t.Errorf("only %d blocks of YAML were found", blocks)
	}
}

// withSource adds a source that a rule may name to a configuration.
func withSource(text string) string {
	const source = "of_the_test: {type: files, path: ./x.log}"
	if before, after, has := strings.Cut(text, "sources:\n"); has {
		return before + "sources:\n  " + source + "\n" + after
	}
	return text + "sources: {" + source + "}\n"
}

var (
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	fileKey   = regexp.MustCompile(`(\w+_file): ([^,}\s]+)`)
)

// kindOfYAML says whether a piece is rules, tests of rules or a configuration. A list is rules without their first line.
func kindOfYAML(t *testing.T, document, text string) string {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%s: %v\n%s", document, err, text)
	}
	top, isMap := tree.(map[string]any)
	if _, has := top["rules"].([]any); !isMap || has {
		return "rules"
	}
	if _, has := top["tests"]; has {
		return "tests"
	}
	return "configuration"
}

// TestDocumentsNameCommands looks for each command and each of its flags that a document tells people to type.
func TestDocumentsNameCommands(t *testing.T) {
	typed := regexp.MustCompile("(?m)(?:`|^ {4}|\\()(?:\\./)?verifier ([a-z][^`\n#]*)")
	n := 0
	for _, document := range documents(t) {
		for _, found := range typed.FindAllStringSubmatch(readText(t, document), -1) {
			words := strings.Fields(strings.TrimRight(found[1], ")"))
			c, _, err := rootCommand().Find(words)
			if err != nil || !c.HasParent() {
				t.Errorf("%s: there is no verifier %s", document, found[1])
				continue
			}
			for _, word := range words {
				name, _, _ := strings.Cut(strings.Trim(word, "[]"), "=")
				if flag, is := strings.CutPrefix(name, "--"); is && c.Flags().Lookup(flag) == nil {
					t.Errorf("%s: verifier %s has no %s", document, found[1], name)
				}
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d commands were found", n)
	}
}

// documents are the README and everything in docs.
func documents(t *testing.T) []string {
	t.Helper()
	list := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// runDocumentTests runs `verifier test` over tests of the two best known rules.
func runDocumentTests(t *testing.T, document, text string) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"tests.yaml": text, "rules.yaml": `
defaults: {settle: 0, watch: 15m, every: 15s}
rules:
  - {name: error-burst, measure: {source: logs, count: 'log.level:ERROR'}, limit: {above: 10, within: 5m}}
  - name: error-ratio
    measure: {source: logs, ratio: {of: 'http.response.status_code:>=500', to: 'http.response.status_code:*'}}
    compare: {with: [before, peers], tolerate: 50%, at_least: 0.005}
`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := command(t, "test", filepath.Join(folder, "tests.yaml")); code != exitOK {
		t.Errorf("%s: %s", document, out)
	}
}

// checkDocument runs the command over both files, with every file that they name in its place.
func checkDocument(t *testing.T, document, configuration, rules string) {
	t.Helper()
	folder := t.TempDir()
	if strings.HasPrefix(rules, "- ") {
		rules = "rules:\n" + rules
	}
	configuration = fileKey.ReplaceAllStringFunc(configuration, func(found string) string {
		key, _, _ := strings.Cut(found, ":")
		text := strings.Repeat("c2VjcmV0", 5) // as long as an ingest key of New Relic's
		if key == "ca_file" {
			text = someCertificate()
		}
		path := filepath.Join(folder, key)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return key + ": " + path
	})
	for name, text := range map[string]string{"verifier.yaml": configuration, "rules.yaml": rules} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := command(t, "check", "--config", filepath.Join(folder, "verifier.yaml")); code != exitOK {
		t.Errorf("%s: %s\nof\n%s\nwith\n%s", document, out, configuration, rules)
	}
}

func someCertificate() string {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}
