package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier/testdata/elasticsearch"
)

// TestExplainOnElasticsearch asks about an index whose texts Elasticsearch mapped by itself, a service that is not there, an empty
// index and a pattern that matches none.
func TestExplainOnElasticsearch(t *testing.T) {
	t.Parallel()
	for _, line := range []string{elasticsearch.Line8, elasticsearch.Line7} {
		t.Run(line, func(t *testing.T) {
			server := elasticsearch.URL(t, line)
			w := &town{TB: t}
			w.elastic(http.MethodPut, server+"/explained-empty", "application/json", `{"settings":{"number_of_replicas":0}}`)
			var bulk, config, rules strings.Builder
			for i := range 600 {
				fmt.Fprintf(&bulk, `{"index":{}}`+"\n"+`{"@timestamp":%q,"service.name":"shop","service.environment":"production","log.level":"INFO"}`+"\n",
					time.Now().Add(time.Duration(i-590)*time.Second).UTC().Format(time.RFC3339Nano))
			}
			w.elastic(http.MethodPost, server+"/explained-logs/_bulk?refresh=true", "application/x-ndjson", bulk.String())
			config.WriteString("listen: 127.0.0.1:0\nenvironments: [{name: production, production: true}]\nsources:\n")
			rules.WriteString("defaults: {watch: 2m, every: 1s}\nrules:\n")
			for _, name := range []string{"logs", "empty", "nothing"} {
				fmt.Fprintf(&config, "  %s: {type: elasticsearch, url: '%s', index: 'explained-%s*'}\n", name, server, name)
				fmt.Fprintf(&rules, "  - {name: of-%s, measure: {source: %s, count: 'log.level:ERROR'}, limit: {above: 3, within: 1m}}\n", name, name)
			}
			f := openFront(t, config.String(), rules.String())
			defer f.stop()
			for service, wants := range map[string][]string{
				"shop": {"service.name is text: service.name.keyword is asked", "log.level is text: its words are searched, without case", "explained-empty* holds no document of the day before", "no index matches explained-nothing*"},
				"shpo": {`"nearest":"shop"`},
			} {
				var said string
				if code := f.ask("GET", "/v1/explain?service="+service+"&environment=production", "", &said); code != http.StatusOK {
					t.Fatalf("%d %s", code, said)
				}
				for _, want := range wants {
					if !strings.Contains(said, want) {
						t.Errorf("explain of %s does not say %q:\n%s", service, want, said)
					}
				}
			}
		})
	}
}
