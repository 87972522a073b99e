package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// benchEmbedded is what the daemon holds while it scrapes ten pages of a thousand series every 15 s, and fifty watches ask about them.
// -short scrapes for a second.
func benchEmbedded(b *testing.B, table *benchTable, size benchSize) {
	const pages, series, watches = 10, 1000, 50
	var scrapes atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := scrapes.Add(1)
		var page bytes.Buffer
		for i := range series {
			fmt.Fprintf(&page, "http_requests_total{service=\"svc-%d\",code=\"%d\",path=\"/path/%d\"} %d\n", i%watches, 200+i%5*100, i, n*int64(i%100))
		}
		w.Write(page.Bytes())
	}))
	defer site.Close()
	folder := b.TempDir()
	binary := buildVerifier(b, folder)
	config := "sources:\n  metrics:\n    type: embedded\n    every: 15s\n    pages:\n"
	for i := range pages {
		config += fmt.Sprintf("      - {url: '%s/%d', labels: {host: web%d}}\n", site.URL, i, i)
	}
	port := freePort(b)
	for name, text := range map[string]string{
		"verifier.yaml": fmt.Sprintf("listen: 127.0.0.1:%d\n", port) + config,
		"rules.yaml": "defaults: {settle: 0s, watch: 30m, every: 15s}\nrules:\n  - name: errors\n    measure: {source: metrics, promql: " +
			"'sum(rate(http_requests_total{service=\"{{.Service}}\",code=\"500\"}[1m]))'}\n    compare: {with: before, over: 5m}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	daemon := startIdle(b, ctx, folder, binary, "serve", "--config", "verifier.yaml")
	time.Sleep(min(10*time.Second, 5*size.scrapes)) // pages are spread over the first 15 s
	for i := range watches {
		body := fmt.Sprintf(`{"service":"svc-%d","environment":"production","version":"1.1"}`, i)
		resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/deploys", port), "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	most := 0
	for end := time.Now().Add(size.scrapes); time.Now().Before(end); time.Sleep(time.Second) {
		most = max(most, resident(b, daemon))
	}
	table.add(fmt.Sprintf("memory with %d embedded series every 15 s (resident)", pages*series), "none", fmt.Sprintf("%d MB", resident(b, daemon)),
		fmt.Sprintf("%d MB at most; %d watches; %d scrapes; %.1f MB on the disk", most, watches, scrapes.Load(), float64(bytesBelow(b, filepath.Join(folder, "verifier.metrics")))/1e6))
}

func bytesBelow(b *testing.B, folder string) (sum int64) {
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
