package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// misplaced are bad files in which the wrong text stands elsewhere too, rightly, or in which lines and columns are hard to tell, by what is
// said of each, whole.
var misplaced = []struct{ name, text, want string }{
	{"the same text as a reason", "holds: [{cron: '0 0 * * *', for: 1h, reason: soon}]\nretention: {evidence: soon}", `verifier.yaml:2:23: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"the same text as a key", "sources: {soon: {type: files, path: soon}}\nretention:\n  deliveries: soon", `verifier.yaml:3:15: retention.deliveries: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"the same text in a comment", "# soon\nretention:   # soon\n  evidence: soon # soon", `verifier.yaml:3:13: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"twice wrong", "retention: {evidence: soon, deliveries: soon}", `verifier.yaml:1:23: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)
verifier.yaml:1:41: retention.deliveries: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"the same text in a block of text", "holds:\n- cron: '0 0 * * *'\n  for: 1h\n  reason: |\n    evidence: soon\nretention:\n  evidence: soon", `verifier.yaml:7:13: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"the same words in Alertmanager's part", "receivers: [{name: soon}]\nroute: {receiver: soon}\nself: {receiver: Soon}", `verifier.yaml:3:18: self.receiver: undefined receiver "Soon"; receivers are: soon`},
	{"an index", "gates:\n  production:\n  - {after: [staging]}\n  - {after: [staging], max_age: 1y}", `verifier.yaml:4:33: gates.production[1].max_age: "1y" is not a valid duration (try 30s, 15m, 12h)`},
	{"deep", "services:\n- match: {service: a}\n  rollback:\n    mode: suggest\n    most: {in: 1 day}\n- match: {service: 1 day}", `verifier.yaml:5:16: services[0].rollback.most.in: "1 day" is not a valid duration (try 30s, 15m, 12h)`},
	{"inside a source", "sources:\n  a: {type: files, path: 30}\n  b:\n    type: prometheus\n    url: 'http://b'\n    lag: 30", `verifier.yaml:6:10: sources.b.lag: "30" is not a valid duration (try 30s, 15m, 12h)`},
	{"a number", "unrelated: {services: three}\ntimezone: three", `verifier.yaml:1:23: unrelated.services: "three" must be a whole number, like 5
verifier.yaml:2:11: timezone: unknown time zone "three" (try Europe/Berlin or UTC)`},
	{"a yes", "environments: [{name: yes, production: yes}]", `verifier.yaml:1:40: environments[0].production: "yes" must be true or false`},
	{"a map for a list", "environments: {production: true}", `verifier.yaml:1:15: environments: must be a list, not a map`},
	{"a list for a map", "sources:\n- type: files", `verifier.yaml:1:1: sources: must be a map, like {key: value}, not a list`},
	{"a text for a map", "self: on-call", `verifier.yaml:1:7: self: must be a map, like {key: value}, not a single value`},
	{"a list for the file", "- listen: x", `verifier.yaml:1:1: must be a map, like {key: value}, not a list`},
	{"a duplicate key", "url: http://a\nlisten: 127.0.0.1:1\nurl: http://b", `verifier.yaml:3:1: duplicate key "url", first in line 1`},
	{"a duplicate key further in", "sources:\n  a: {type: files, path: x}\n  a: {type: files, path: y}", `verifier.yaml:3:3: duplicate key "a", first in line 2`},
	{"no space after the colon", "retention:\n  evidence:90d", `verifier.yaml:2:3: retention: must be a map, like {key: value}, not a single value`},
	{"an anchor", "sources:\n  a: &a {type: prometheus, url: 'http://a', lag: soon}\n  b: *a", `verifier.yaml:2:50: sources.a.lag: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"an alias", "holds: [{cron: '0 0 * * *', for: 1h, reason: &soon soon}]\nretention: {evidence: *soon}", `verifier.yaml:2:23: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"a merge key", "sources:\n  a: &a {type: files, path: x}\n  b: {<<: *a, formt: json}", `verifier.yaml:3:15: unknown field "formt"; did you mean format?`},
	{"an alias of nothing", "url: *nobody", `verifier.yaml:1:6: there is no anchor of that name; a value that begins with * stands between quotes`},
	{"an alias of itself", "sources: &s {a: *s}", `verifier.yaml:1:17: the alias stands for a value that it is part of`},
	{"a second document", "url: http://a\n---\nlisten: 127.0.0.1:1", `verifier.yaml:3:1: a second document begins here; write one document`},
	{"a first document", "---\nretention: {evidence: soon}\n", `verifier.yaml:2:23: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"a tab", "retention:\n\tevidence: soon", `verifier.yaml:2:1: the line is indented with a tab; YAML takes spaces only`},
	{"a byte order mark", "\ufefflisen: x", `verifier.yaml:1:1: unknown field "lisen"; did you mean listen?`},
	{"a byte order mark and carriage returns", "\ufeffurl: http://a\r\nretention:\r\n  evidence: soon\r\n  # soon\r\n", `verifier.yaml:3:13: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"letters of several bytes", "environments: [{name: übung}, {nam: straße}]", `verifier.yaml:1:31: environments[1].name: is empty; write 1 to 200 characters
verifier.yaml:1:32: unknown field "nam"; did you mean name?`},
	{"a name of the environment before it", "sources: {a: {type: files, path: '${TWO}/${TWO}', lag: soon}}", `verifier.yaml:1:56: sources.a.lag: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"a name of the environment that is wrong", "url: ${TWO}\nlisten: ${TWO}", `verifier.yaml:1:6: url: "${TWO}" is not a URL (try https://verifier.example.com)
verifier.yaml:2:9: listen: "${TWO}" is not an address to listen on (try 127.0.0.1:8080)`},
	{"a name that is not set, and the rest", "hooks: {octopus: {header: X-Key, secret: ${NO_SUCH_NAME}}}\nretention: {evidence: ${NO_SUCH_NAME}, deliveries: soon}", `verifier.yaml:1:42: ${NO_SUCH_NAME} is not set in the environment
verifier.yaml:2:23: ${NO_SUCH_NAME} is not set in the environment
verifier.yaml:2:52: retention.deliveries: "soon" is not a valid duration (try 30s, 15m, 12h)`},
	{"a name in a comment", "url: http://a # ${NO_SUCH_NAME}\n# ${NO_SUCH_NAME}\nlisen: x", `verifier.yaml:3:1: unknown field "lisen"; did you mean listen?`},
	{"Alertmanager's part behind a name", "receivers: [{name: '${TWO}${TWO}', webhook_configs: [{url: 'http://x', colour: red}]}]\nroute: {receiver: '${TWO}${TWO}'}", `verifier.yaml:1:72: unknown key "colour"; did you mean "color"?`},
	{"Alertmanager's part by an anchor of another", "timezone: &a soon\nreceivers: [{name: a}]\nroute: {receiver: a, repeat_interval: *a}", `verifier.yaml:1:14: timezone: unknown time zone "soon" (try Europe/Berlin or UTC)
verifier.yaml:3:22: route.repeat_interval: not a valid duration string: "soon"`},
	{"a key of Alertmanager's", "recievers: []", `verifier.yaml:1:1: unknown field "recievers"; did you mean receivers?`},
	{"in a rollback", "sources: {logs: {type: files, path: ./x.log}}\nservices:\n- match: {service: x}\n- match: {service: y}\n  rollback:\n    by:\n      webhook:\n        url: x", `verifier.yaml:8:14: services[1].rollback.by: webhook.url is not a URL (try https://deploys.example.com/rollback)`},
	{"in a hook", "hooks:\n  github:\n    secret: x\n    header: x", `verifier.yaml:4:13: hooks.github: header has no meaning here: github signs what it sends; take it out`},
	{"two hooks", "hooks: {gitbub: {secret: x}, gitlab: {}}", `verifier.yaml:1:17: hooks.gitbub: no such tool: "gitbub"; argocd, azuredevops, cdevents, codedeploy, custom, github, gitlab, jenkins, kubewatch, octopus, salt, tcwebhooks, teamcity are there, others post to /v1/deploys
verifier.yaml:1:38: hooks.gitlab: the secret is missing; write secret_file`},
}

// TestErrorsPointAtTheirKey holds the whole of what is said about each file.
func TestErrorsPointAtTheirKey(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TWO", "a longer text")
	write(t, "rules.yaml", "rules:\n  - name: a\n    measure: {source: logs, count: x}\n    limit: {above: 1, within: 1m}\n")
	for _, c := range misplaced {
		write(t, "verifier.yaml", c.text)
		_, err := load("verifier.yaml", http.DefaultTransport, slog.New(slog.DiscardHandler), nil)
		var got []string
		for _, one := range verifier.EachError(ofConfig(err)) {
			got = append(got, one.Error())
		}
		if diff := cmp.Diff(strings.Split(c.want, "\n"), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
