package main

import (
	"strings"
	"testing"
)

// TestCheckWayToRollBack refuses a mode whose buttons would all be refused, wherever the way might have come from.
func TestCheckWayToRollBack(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rules.yaml", "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n")
	const head = "rules: ./rules.yaml\nstore: ./v.db\nsources: {logs: {type: files, path: './*.log', format: json}}\nservices:\n"
	const way = "by: {webhook: {url: 'http://127.0.0.1:9/', secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz}}"
	for _, c := range []struct{ services, problem string }{
		{"  - {match: {service: shop}, rollback: {mode: suggest}}", "verifier.yaml:5:"},
		{"  - {match: {service: shop}, rollback: {mode: approve}}", "mode approve needs a way to roll back"},
		{"  - {match: {service: shop}, rollback: {mode: auto}}\n  - {match: {service: cart}, rollback: {" + way + "}}", "services[0].rollback.mode: mode auto needs a way to roll back"},
		{"  - {match: {service: shop}, rollback: {mode: off}}", ""},
		{"  - {match: {service: shop}, rollback: {mode: suggest, " + way + "}}", ""},
		{"  - {match: {}, rollback: {" + way + "}}\n  - {match: {service: shop}, rollback: {mode: auto}}", ""},
	} {
		write(t, "verifier.yaml", head+c.services+"\n")
		code, out := command(t, "check", "--config", "verifier.yaml")
		if c.problem == "" && code != exitOK || c.problem != "" && (code != exitTrouble || !strings.Contains(out, c.problem)) {
			t.Errorf("%s: exit %d, want %q: %s", c.services, code, c.problem, out)
		}
	}
}
