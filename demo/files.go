package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

const config = `# What the demo runs on: a small verifier.yaml.
listen: 127.0.0.1:0
rules: ./rules.yaml
store: ./verifier.db
environments: [{name: production, production: true}]
sources:
  logs: {type: files, path: ./shop.log, format: json, lag: 500ms}
services:
  - match: {service: shop, environment: production}
    team: orders
    rollback:
      mode: auto
      by: {webhook: {url: %q, secret: %q}}
      countdown: 3s
receivers:
  - name: orders
    pagerduty_configs: [{routing_key: demo, url: %q}]
    webhook_configs: [{url: %q}]
route: {receiver: orders}
`

const ruleFile = `# What the demo watches: the same kinds of rule as in earnest, over seconds instead of minutes.
defaults: {settle: 1s, watch: 14s, every: 250ms}
rules:
  - name: error-burst
    measure: {source: logs, count: 'log.level:(ERROR OR Error)'}
    limit: {above: 60, within: 10s}
    on_fail: rollback
  - name: error-ratio
    measure: {source: logs, ratio: {of: 'http.response.status_code:>=500', to: 'http.response.status_code:*'}}
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 0.03}
    on_fail: rollback
  - name: answer-time
    measure: {source: logs, percentile: {field: event.duration, p: 95}, unit: ns}
    compare: {with: before, over: 5m, worse: higher, tolerate: 50%, at_least: 10000000}
`

// writeFiles writes the configuration into the folder and gives its path.
func writeFiles(folder, hook, secret, pager, chat string) (string, error) {
	path := filepath.Join(folder, "verifier.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, config, hook, secret, pager, chat), 0o600); err != nil {
		return "", err
	}
	return path, os.WriteFile(filepath.Join(folder, "rules.yaml"), []byte(ruleFile), 0o644)
}
