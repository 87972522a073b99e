package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier/testdata/elasticsearch"
)

// TestExplainOnElasticsearch runs `verifier explain` about an index whose texts Elasticsearch mapped by itself, a service that is not
// there, an empty index, a pattern that matches none, an index that does not exist and a field that no document has.
func TestExplainOnElasticsearch(t *testing.T) {
	t.Parallel()
	for _, line := range elasticLines() {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			server := elasticsearch.URL(t, line)
			w := &town{TB: t, folder: t.TempDir()}
			port := freePort(t)
			w.url = fmt.Sprintf("http://127.0.0.1:%d", port)
			w.elastic(http.MethodPut, server+"/explained-empty", "application/json", `{"settings":{"number_of_replicas":0}}`)
			var bulk strings.Builder
			for i := range 600 {
				fmt.Fprintf(&bulk, `{"index":{}}`+"\n"+`{"@timestamp":%q,"service.name":"shop","service.environment":"production","log.level":"INFO","message":"order %d of anna@example.com done"}`+"\n",
					time.Now().Add(time.Duration(i-590)*time.Second).UTC().Format(time.RFC3339Nano), i)
			}
			w.elastic(http.MethodPost, server+"/explained-logs/_bulk?refresh=true", "application/x-ndjson", bulk.String())
			config := fmt.Sprintf("listen: 127.0.0.1:%d\nenvironments: [{name: production, production: true}]\nsources:\n", port)
			rules := "defaults: {watch: 2m, every: 1s}\nrules:\n  - {name: no-field, measure: {source: logs, average: {field: basket.items}}, compare: {with: before}}\n"
			rules += "  - {name: new-patterns, measure: {source: logs, patterns: 'log.level:INFO'}, limit: {new: 0}}\n"
			for name, index := range map[string]string{"logs": "explained-logs*", "empty": "explained-empty*", "nothing": "explained-nothing*", "gone": "explained-gone"} {
				config += fmt.Sprintf("  %s: {type: elasticsearch, url: '%s', index: '%s'}\n", name, server, index)
				rules += fmt.Sprintf("  - {name: of-%s, measure: {source: %s, count: 'log.level:ERROR'}, limit: {above: 3, within: 1m}}\n", name, name)
			}
			w.write("verifier.yaml", config)
			w.write("rules.yaml", rules)
			w.start()
			t.Cleanup(w.kill)
			for service, wants := range map[string][]string{
				"shop": {
					"service.name is text: service.name.keyword is asked", "log.level is text: its words are searched, without case",
					"empty has no data", "explained-empty* holds no document of the day before", "nothing has no data", "no index matches explained-nothing*",
					"gone cannot say: ", "no such index [explained-gone]", "no document has basket.items", " of <mail> done\n", "explained-logs*: patterns of log.level:INFO",
				},
				"shpo": {"it knows shop"},
			} {
				said := w.command("explain", service, "production")
				for _, want := range wants {
					if !strings.Contains(said, want) {
						t.Errorf("explain %s does not say %q:\n%s", service, want, said)
					}
				}
			}
		})
	}
}
