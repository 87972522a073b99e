package verifier_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the table of the architecture: which packages of this module each package may import.
var mayImport = map[string][]string{
	"verifier":  {},
	"stats":     {},
	"words":     {},
	"record":    {"verifier"},
	"outbound":  {"verifier"},
	"intake":    {"verifier", "outbound", "words"},
	"rules":     {"verifier", "stats"},
	"sources":   {"verifier", "outbound"},
	"lifecycle": {"verifier", "rules", "record"},
	"rollback":  {"verifier", "outbound"},
	"alerting":  {"verifier", "outbound"},
	"sinks":     {"verifier", "outbound"},
	"report":    {"verifier", "stats", "record"},
	"cases":     {"verifier"},
	"store":     {"verifier", "record"},
	"web":       {"verifier", "report"},
	"demo":      {"verifier"},

	"testdata/elasticsearch": {},
	"testdata/memory":        {},
}

// TestImports parses the files themselves: what go list says is cached and hides changes.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = "verifier"
		}
		seen[pkg] = true
		checkImports(t, path, pkg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("package %s is in the table and not there", pkg)
		}
	}
}

func checkImports(t *testing.T, path, pkg string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	allowed, known := mayImport[pkg]
	if !known && pkg != "cmd/verifier" {
		t.Errorf("%s: package %s is not in the table", path, pkg)
	}
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		own := name == "verifier" || strings.HasPrefix(name, "verifier/")
		switch {
		case pkg == "cmd/verifier":
		case name == "verifier/words" && pkg != "verifier": // how people read figures: any package but the root
		case own && !slices.Contains(allowed, strings.TrimPrefix(name, "verifier/")):
			t.Errorf("%s: %s must not import %s", path, pkg, name)
		case !own && strings.Contains(name, ".") && (pkg == "verifier" || pkg == "lifecycle"):
			t.Errorf("%s: %s uses the standard library alone, not %s", path, pkg, name)
		}
	}
}
