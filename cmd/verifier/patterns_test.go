package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/testdata/elasticsearch"
)

// TestVariantNewPatterns is a deploy that writes errors which the version before never wrote: told masked, and by how often.
func TestVariantNewPatterns(t *testing.T) {
	t.Parallel()
	s := openShops(t, "off", "500ms", `
defaults: {settle: 0, watch: 2500ms, every: 250ms}
rules:
  - name: new-error-patterns
    measure: {source: logs, patterns: 'log.level:ERROR'}
    limit: {new: 0, seen_at_least: 5}
    on_fail: rollback
    optional: true # a first deploy has no version before
  - name: flood
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 100000, within: 1s}
    min_exposure: 8
`, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	v := s.expect("bad", verifier.FailedState, verifier.RollbackVetoed)
	i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == "new-error-patterns" })
	if text := v.Findings[i].Text; !strings.HasPrefix(text, "1 error pattern that 1.0 never wrote: “order ") || !strings.Contains(text, " of <mail> handled” (") || v.Findings[i].Reason != verifier.LimitCrossed {
		t.Errorf("%+v", v.Findings)
	}
	if list := v.Findings[i].Patterns; len(list) != 1 || list[0].Template != "order <number> of <mail> handled" || list[0].Count < 5 {
		t.Errorf("the finding's patterns are %+v", list)
	}
	var page string
	if s.ask("GET", "/verifications/bad", "", &page); !strings.Contains(page, `value="order &lt;number&gt; of &lt;mail&gt; handled"`) {
		t.Errorf("no button for known noise: %s", page)
	}
}

const noiseRules = `
defaults: {settle: 0, watch: 2500ms, every: 250ms}
rules:
  - name: new-error-patterns
    measure: {source: logs, patterns: 'log.level:ERROR'}
    limit: {new: 0, seen_at_least: 60}
    optional: true
  - name: flood
    measure: {source: logs, count: 'log.level:ERROR'}
    limit: {above: 100000, within: 1s}
    min_exposure: 8
`

// TestVariantKnownNoise is the same deploy with somebody who knows the message, and says so while it is watched; by the program, which
// takes a whole message. It is there after a restart, and gone when it is removed.
func TestVariantKnownNoise(t *testing.T) {
	t.Parallel()
	s := openShops(t, "off", "500ms", noiseRules, "shop")
	s.past("shop")
	s.deploy("bad", "shop", "1.1", time.Time{}, "")
	program := func(want string, args ...string) string {
		t.Helper()
		code, out := command(t, append(args, "--server", s.url)...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s, want %q", args, code, out, want)
		}
		return out
	}
	said := program("order <number> of <mail> handled is never new", "noise", "add", "order 77 of ben@example.com handled", "--service", "sh*", "--reason", "a test")
	id, _, _ := strings.Cut(said, ":")
	v := s.expect("bad", verifier.Passed, "")
	i := slices.IndexFunc(v.Findings, func(f verifier.Finding) bool { return f.Rule == "new-error-patterns" })
	if f := v.Findings[i]; f.Outcome != verifier.Pass || !strings.HasSuffix(f.Text, "; 1 pattern known as noise is left out.") || len(f.Patterns) > 0 {
		t.Errorf("%+v", f)
	}
	program("order <number> of <mail> handled", "noise", "list")
	program(`"by": "local"`, "noise", "list", "--format", "json")
	explained := program("limit.new: 0, limit.seen_at_least: 60", "explain", "shop", "production")
	if !strings.Contains(explained, " of <mail> handled  (known noise)") {
		t.Errorf("explain does not show the pattern:\n%s", explained)
	}
	program(`"noise": true`, "explain", "shop", "production", "--format", "json")
	program(id+" is removed", "noise", "remove", id)
	program("no noise is known", "noise", "list")
	for _, bad := range []struct {
		want string
		args []string
	}{
		{"--reason is missing", []string{"noise", "add", "x"}},
		{"not found", []string{"noise", "remove", id}},
		{"pattern: \"<*> <*>\" is all messages", []string{"noise", "add", "<*> <*>", "--reason", "x"}},
		{"there is no verifier noise ad; did you mean add", []string{"noise", "ad"}},
	} {
		args := bad.args
		if args[1] != "ad" {
			args = append(args, "--server", s.url)
		}
		if code, out := command(t, args...); code != exitTrouble || !strings.Contains(out, bad.want) {
			t.Errorf("%s: %d %s, want %q", bad.args, code, out, bad.want)
		}
	}
}

// TestNewPatternsInElasticsearch is a deploy whose version writes what the one before never wrote, into a real Elasticsearch of each line:
// more than are fetched, which the finding says.
func TestNewPatternsInElasticsearch(t *testing.T) {
	t.Parallel()
	for _, line := range elasticLines() {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			server := elasticsearch.URL(t, line)
			w := &town{TB: t}
			f := openFront(t, fmt.Sprintf(`
listen: 127.0.0.1:0
environments: [{name: production, production: true}]
sources:
  logs: {type: elasticsearch, url: '%s', index: patterns, lag: 500ms, patterns: {most: 60, mask: [{name: order, regexp: 'SH-[A-Z]+'}]}}
`, server), `
defaults: {settle: 0, watch: 20s, every: 5s}
rules:
  - name: new-error-patterns
    measure: {source: logs, patterns: 'log.level:ERROR'}
    limit: {new: 0, seen_at_least: 5}
`)
			defer f.stop()
			w.elastic(http.MethodPut, server+"/patterns", "application/json", shopMapping)
			write := func(n int, at time.Time, each time.Duration, level, message string) {
				var bulk strings.Builder
				for i := range n {
					fmt.Fprintf(&bulk, "{\"create\":{}}\n"+`{"@timestamp":%q,"log.level":%q,"service.name":"shop","service.environment":"production","message":%q}`+"\n",
						at.Add(time.Duration(i)*each).UTC().Format(time.RFC3339Nano), level, strings.ReplaceAll(message, "#", fmt.Sprint(i)))
				}
				w.elastic(http.MethodPost, server+"/patterns/_bulk?refresh=true", "application/x-ndjson", bulk.String())
			}
			now := time.Now()
			write(50, now.Add(-10*time.Minute), time.Second, "ERROR", "order # declined by 10.0.0.#")
			write(100, now.Add(-10*time.Minute), time.Second, "INFO", "fine")
			f.ask("POST", "/v1/deploys", `{"id":"d0","service":"shop","environment":"production","version":"1.0","at":"`+now.Add(-time.Hour).UTC().Format(time.RFC3339)+`"}`, nil)
			write(120, now.Truncate(5*time.Second).Add(5500*time.Millisecond), 30*time.Millisecond, "ERROR", "no rate for user#@example.com of SH-AB")
			f.ask("POST", "/v1/deploys", `{"id":"d1","service":"shop","environment":"production","version":"1.1","at":"`+now.UTC().Format(time.RFC3339Nano)+`"}`, nil)
			var v verifier.Verification
			for range 300 {
				if f.ask("GET", "/v1/verifications/d1", "", &v); v.Ended != nil || v.State == verifier.FailedState {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			want := "1 error pattern that 1.0 never wrote: “no rate for <mail> of <order>” ("
			if v.State != verifier.FailedState || !strings.HasPrefix(v.Findings[0].Text, want) || !strings.Contains(v.Findings[0].Text, "; patterns are of the first 60 of ") {
				t.Errorf("%s: %+v", v.State, v.Findings)
			}
		})
	}
}
