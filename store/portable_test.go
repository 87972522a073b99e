package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sqliteOnly are words of SQL that PostgreSQL does not know or takes for something else.
var sqliteOnly = regexp.MustCompile(`(?i)\b(rowid|pragma|vacuum into|json_extract|json_each|ifnull|insert or|replace into|strftime|julianday|datetime\(|glob|group_concat|autoincrement|without rowid|begin immediate)\b`)

// TestSQLIsPortable keeps what only SQLite understands in sqlite.go.
func TestSQLIsPortable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name == "sqlite.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				if word := sqliteOnly.FindString(text.Value); word != "" {
					t.Errorf("%s: %q is SQLite's alone: %s", name, word, text.Value)
				}
			}
			return true
		})
	}
}
