package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/sources"
	"verifier/testdata/elasticsearch"
)

const benchMessages = 100_000

// benchPatterns reads messages of a log file, and of a real Elasticsearch where java is, and groups them.
func benchPatterns(b *testing.B, table *benchTable) {
	from := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var lines, bulk strings.Builder
	for i := range benchMessages {
		line := fmt.Sprintf(`{"@timestamp":%q,"log.level":"ERROR","service.name":"shop","service.environment":"production","message":%q}`+"\n",
			from.Add(time.Millisecond+time.Duration(i)*500*time.Microsecond).Format(time.RFC3339Nano), benchMessage(i))
		lines.WriteString(line)
		bulk.WriteString("{\"create\":{}}\n" + line)
	}
	path := filepath.Join(b.TempDir(), "shop.log")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	ask := func(what, goal string, s verifier.Source) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		best := time.Hour // of three
		for range 3 {
			start := time.Now()
			a := s.Ask(b.Context(), []verifier.Question{{
				Measure: verifier.Measure{Patterns: "log.level:ERROR"}, Subject: verifier.Subject{Service: "shop", Environment: "production"},
				From: from, To: from.Add(time.Minute), Step: 15 * time.Second,
			}})[0]
			if a.Err != nil || a.Partial+a.Bounded != "" {
				b.Fatalf("%v %q %q", a.Err, a.Partial, a.Bounded)
			}
			best = min(best, time.Since(start))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		kept := max(0, int64(after.HeapAlloc)-int64(before.HeapAlloc))
		table.add("100,000 messages of "+what+" into patterns", goal, fmt.Sprintf("%.1f s", best.Seconds()), fmt.Sprintf("%d KB kept", kept>>10))
	}
	files, err := sources.NewFiles(sources.FilesConfig{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	ask("a log file", "2 s", files)
	if _, err := exec.LookPath("mvn"); err != nil {
		table.add("100,000 messages of Elasticsearch into patterns", "", "not measured", "no java and mvn; testdata/tools.sh installs them")
		return
	}
	server := elasticsearch.URL(b, elasticsearch.Line8)
	w := &town{TB: b}
	w.elastic("PUT", server+"/bench-patterns", "application/json", shopMapping)
	w.elastic("POST", server+"/bench-patterns/_bulk?refresh=true", "application/x-ndjson", bulk.String())
	e, err := sources.NewElasticsearch(sources.ElasticsearchConfig{URL: server, Index: "bench-patterns", Patterns: sources.PatternsConfig{Most: benchMessages}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ask("Elasticsearch", "", e)
}

func benchMessage(i int) string {
	switch i % 4 {
	case 0:
		return fmt.Sprintf("order %d of customer %x could not be paid: gateway answered %d after %dms", i, i*7919, 500+i%4, i%900)
	case 1:
		return fmt.Sprintf("connection to 10.0.%d.%d:5432 refused, try %d of 5, next in %ds", i%250, i%199, i%5, i%60)
	case 2:
		return fmt.Sprintf("request 3f2504e0-4f89-11d3-9a0c-%012d failed in com.example.shop.Cart.add(Cart.java:%d)", i, i%400)
	}
	return fmt.Sprintf("user%d@example.com module%c logged in from a new device in region %s", i, 'a'+rune(i%26), strings.Repeat("x", i%7))
}
