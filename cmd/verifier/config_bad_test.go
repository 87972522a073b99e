package main

// badConfigurations are wrong files by what is said of each, whole.
var badConfigurations = []struct{ text, want string }{
	{`lisen: x`, `verifier.yaml:1:1: unknown field "lisen"; did you mean listen?
>   1 | lisen: <hidden>
        ^`},
	{`timezone: Mars/Base
url: example.com
listen: 8080`, `verifier.yaml:1:11: timezone: unknown time zone "Mars/Base" (try Europe/Berlin or UTC)
>   1 | timezone: Mars/Base
                  ^
    2 | url: example.com
verifier.yaml:2:6: url: "example.com" is not a URL (try https://verifier.example.com)
    1 | timezone: Mars/Base
>   2 | url: example.com
             ^
    3 | listen: 8080
verifier.yaml:3:9: listen: "8080" is not an address to listen on (try 127.0.0.1:8080)
    2 | url: example.com
>   3 | listen: 8080
                ^
3 errors`},
	{`sources: {c: {type: files, path: x, formt: json}}`, `verifier.yaml:1:37: unknown field "formt"; did you mean format?
>   1 | sources: {c: {type: files, path: x, formt: <hidden>}}
                                            ^`},
	{`sources: {c: {type: files, path: x, budget: {at_once: 2, every: 3s}}}`, `verifier.yaml:1:58: unknown field "every" here; it belongs elsewhere
>   1 | sources: {c: {type: files, path: x, budget: {at_once: 2, every: 3s}}}
                                                                 ^`},
	{`sources:
  a: {type: carbon}
  b: {url: x}
`, `verifier.yaml:2:13: sources.a.type: unknown type "carbon": use by_environment, command, elasticsearch, embedded, files, http, loki, newrelic or prometheus
    1 | sources:
>   2 |   a: {type: carbon}
                    ^
    3 |   b: {url: <hidden>}
verifier.yaml:3:6: sources.b.type: is missing: use by_environment, command, elasticsearch, embedded, files, http, loki, newrelic or prometheus
    2 |   a: {type: carbon}
>   3 |   b: {url: <hidden>}
             ^
2 errors`},
	{`sources:
  a: {type: files}
  p: {type: prometheus}
`, `verifier.yaml:2:6: sources.a.path: is missing; write a glob like /var/log/shop/*.log
    1 | sources:
>   2 |   a: {type: files}
             ^
    3 |   p: {type: prometheus}
verifier.yaml:3:6: sources.p.url: is no address; write http://host:9090 or https://...
    2 |   a: {type: files}
>   3 |   p: {type: prometheus}
             ^
2 errors`},
	{`sources: {q: {type: prometheus, url: 'http://a', lag: -3s}}`, `verifier.yaml:1:55: sources.q.lag: "-3s" is negative: a duration is 0 or more
>   1 | sources: {q: {type: prometheus, url: 'http://a', lag: -3s}}
                                                              ^`},
	{`retention: {evidence: soon}`, `verifier.yaml:1:23: retention.evidence: "soon" is not a valid duration (try 30s, 15m, 12h)
>   1 | retention: {evidence: soon}
                              ^`},
	{`unrelated: {services: -1}`, `verifier.yaml:1:23: unrelated.services: -1 is negative: use 3, or 0 to never hold an environment
>   1 | unrelated: {services: -1}
                              ^`},
	{`environments:
  - {name: production, aliases: [live]}
  - {name: Production}
  - {name: x, aliases: [LIVE]}`, `verifier.yaml:3:12: environments[1].name: duplicate name "Production": it is a name of production already; names are compared without case
    2 |   - {name: production, aliases: [live]}
>   3 |   - {name: Production}
                   ^
    4 |   - {name: x, aliases: [LIVE]}
verifier.yaml:4:25: environments[2].aliases[0]: duplicate name "LIVE": it is a name of production already; names are compared without case
    3 |   - {name: Production}
>   4 |   - {name: x, aliases: [LIVE]}
                                ^
2 errors`},
	{`reports: [{cron: monthly}]
holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]`, `verifier.yaml:1:11: reports[0].receiver: is missing: name one of the receivers
>   1 | reports: [{cron: monthly}]
                  ^
    2 | holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]
verifier.yaml:1:18: reports[0].cron: "monthly" is not a valid cron expression (five fields, like '0 9 1 * *'): expected exactly 5 fields, found 1: [monthly]
>   1 | reports: [{cron: monthly}]
                         ^
    2 | holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]
verifier.yaml:2:9: holds[0].for: is missing: write how long the freeze lasts, like 48h
    1 | reports: [{cron: monthly}]
>   2 | holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]
                ^
verifier.yaml:2:37: holds[0].stops[0]: invalid value "all": must be rollback or gate
    1 | reports: [{cron: monthly}]
>   2 | holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]
                                            ^
verifier.yaml:2:54: holds[0].services[0]: "[" is not a valid glob (try checkout-*)
    1 | reports: [{cron: monthly}]
>   2 | holds: [{cron: '0 0 * * *', stops: [all], services: ['[']}]
                                                             ^
5 errors`},
	{`services:
  - match: {service: a}
    aliases: [b]
    rollback: {mode: always, most: {all: -1}}
  - match: {service: B}
    aliases: [A]
    versions: x
    tell: [failed]`, `verifier.yaml:3:15: services[0].aliases[0]: duplicate name "b": it is a name or an alias of B already
    2 |   - match: {service: a}
>   3 |     aliases: [b]
                      ^
    4 |     rollback: {mode: always, most: {all: -1}}
verifier.yaml:4:22: services[0].rollback.mode: invalid mode "always": must be off, suggest, approve or auto
    3 |     aliases: [b]
>   4 |     rollback: {mode: always, most: {all: -1}}
                             ^
    5 |   - match: {service: B}
verifier.yaml:4:42: services[0].rollback.most.all: -1 is negative: use 0 or more
    3 |     aliases: [b]
>   4 |     rollback: {mode: always, most: {all: -1}}
                                                 ^
    5 |   - match: {service: B}
verifier.yaml:6:15: services[1].aliases[0]: duplicate name "A": it is a name or an alias of a already
    5 |   - match: {service: B}
>   6 |     aliases: [A]
                      ^
    7 |     versions: x
verifier.yaml:7:15: services[1].versions: invalid order "x": must be auto, number or seen
    6 |     aliases: [A]
>   7 |     versions: x
                      ^
    8 |     tell: [failed]
verifier.yaml:8:12: services[1].tell[0]: invalid outcome "failed": must be passed or inconclusive
    7 |     versions: x
>   8 |     tell: [failed]
                   ^
6 errors`},
	{`services: [{aliases: [x]}]`, `verifier.yaml:1:22: services[0].aliases: only an entry whose match names one service can have aliases: write match: {service: NAME}
>   1 | services: [{aliases: [x]}]
                             ^`},
	{`sources: {logs: {type: files, path: ./x.log}}
services: [{match: {service: a}, rollback: {by: {webhook: {url: x}}}}]`, `verifier.yaml:2:65: services[0].rollback.by: webhook.url is not a URL (try https://deploys.example.com/rollback)
    1 | sources: {logs: {type: files, path: ./x.log}}
>   2 | services: [{match: {service: a}, rollback: {by: {webhook: {url: <hidden>}}}}]
                                                                        ^`},
	{`sources: {logs: {type: files, path: ./x.log}}
hooks: {octopus: {secret: x}}`, `verifier.yaml:2:18: hooks.octopus: header is missing; write the name of the header that holds the secret, like X-Key, or user for Basic authentication
    1 | sources: {logs: {type: files, path: ./x.log}}
>   2 | hooks: {octopus: {secret: <hidden>}}
                         ^`},
	{`sources: {logs: {type: files, path: ./x.log}}
self: {receiver: nobody}`, `verifier.yaml:2:18: self.receiver: undefined receiver "nobody"; receivers are: none
    1 | sources: {logs: {type: files, path: ./x.log}}
>   2 | self: {receiver: nobody}
                         ^`},
	{`url: ${NO_SUCH_NAME_HERE}`, `verifier.yaml:1:6: ${NO_SUCH_NAME_HERE} is not set in the environment
>   1 | url: ${NO_SUCH_NAME_HERE}
             ^`},
	{`services: 5`, `verifier.yaml:1:11: services: must be a list of entries, or the name of a folder with files of them, not a single value
>   1 | services: 5
                  ^`},
	{`local: open`, `verifier.yaml:1:8: local: invalid mode "open": must be admin, read or off; without this key, callers on this machine are admin until a token exists or url is not loopback
>   1 | local: open
               ^`},
	{`listen: [1]`, `verifier.yaml:1:9: listen: must be text, not a list
>   1 | listen: [1]
                ^`},
	{`a: b: c`, `verifier.yaml:1:4: invalid YAML: mapping value is not allowed in this context
>   1 | a: b: <hidden>
           ^`},
	{`sources: {logs: {type: files, path: ./x.log}}
self: {heartbeat: {url: x}}`, `verifier.yaml:2:25: self.heartbeat.url: is not a URL (try https://beats.example.com/verifier)
    1 | sources: {logs: {type: files, path: ./x.log}}
>   2 | self: {heartbeat: {url: <hidden>}}
                                ^`},
	{`sinks: {graphite: {}}`, `verifier.yaml:1:19: sinks.graphite.type: is missing: use cdevents, elasticsearch, github, gitlab, grafana, newrelic or octopus; the daemon's own metrics are at /metrics without any configuration
>   1 | sinks: {graphite: {}}
                          ^`},
	{`sinks: {a: {type: graphite}, b/c: {type: github, token: x}}`, `verifier.yaml:1:19: sinks.a.type: unknown type "graphite": use cdevents, elasticsearch, github, gitlab, grafana, newrelic or octopus; the daemon's own metrics are at /metrics without any configuration
>   1 | sinks: {a: {type: graphite}, b/c: {type: github, token: <hidden>}}
                          ^`},
	{`sources: {logs: {type: files, path: ./x.log}}
sinks:
  a: {type: elasticsearch, url: 'http://x', index: A}
  b: {type: grafana, url: 'http://x', panel_id: 3, token: x}
  c: {type: github, token_file: ./none}
  d: {type: newrelic, account_id: 1}
  e: {type: newrelic, account_id: 1, region: mars, license_key: x}`, `verifier.yaml:3:52: sinks.a.index: "A" is not a valid index name: use lower-case letters, digits, dots, dashes and underscores
    2 | sinks:
>   3 |   a: {type: elasticsearch, url: 'http://x', index: A}
                                                           ^
    4 |   b: {type: grafana, url: 'http://x', panel_id: 3, token: <hidden>}
verifier.yaml:4:6: sinks.b.dashboard_uid: is missing; panel_id is a panel of it
    3 |   a: {type: elasticsearch, url: 'http://x', index: A}
>   4 |   b: {type: grafana, url: 'http://x', panel_id: 3, token: <hidden>}
             ^
    5 |   c: {type: github, token_file: ./none}
verifier.yaml:5:6: sinks.c: token: read secret: open none: no such file or directory
    4 |   b: {type: grafana, url: 'http://x', panel_id: 3, token: <hidden>}
>   5 |   c: {type: github, token_file: ./none}
             ^
    6 |   d: {type: newrelic, account_id: 1}
verifier.yaml:6:6: sinks.d.license_key: is missing; write license_key_file for events of verdicts, api_key_file for deployment markers, or both
    5 |   c: {type: github, token_file: ./none}
>   6 |   d: {type: newrelic, account_id: 1}
             ^
    7 |   e: {type: newrelic, account_id: 1, region: mars, license_key: <hidden>}
verifier.yaml:7:46: sinks.e.region: invalid region "mars": must be us or eu
    6 |   d: {type: newrelic, account_id: 1}
>   7 |   e: {type: newrelic, account_id: 1, region: mars, license_key: <hidden>}
                                                     ^
5 errors`},
	{`sources: {logs: {type: files, path: ./x.log}}
receivers:
  - {name: on-call, pagerduty_configs: [{routing_key: k}, {routing_key: l}], pushover_configs: [{user_key: u, token: t}], webhook_configs: [{url: 'http://127.0.0.1:9'}]}
route: {receiver: on-call}
reports: [{cron: '0 9 1 * *', receiver: on-call}]`, `verifier.yaml:5:41: reports[0].receiver: receiver "on-call" has pagers (pagerduty, pushover), which a report must not trigger; name a receiver without them
    4 | route: {receiver: on-call}
>   5 | reports: [{cron: '0 9 1 * *', receiver: on-call}]
                                                ^`},
	{`sinks: {a: {type: grafana, url: 'http://x', dashbord_uid: x}}`, `verifier.yaml:1:12: sinks.a.token: is missing; write token_file with the token of a service account that may write annotations
>   1 | sinks: {a: {type: grafana, url: 'http://x', dashbord_uid: <hidden>}}
                   ^
verifier.yaml:1:45: unknown field "dashbord_uid"; did you mean dashboard_uid?
>   1 | sinks: {a: {type: grafana, url: 'http://x', dashbord_uid: <hidden>}}
                                                    ^
2 errors`},
	{`self: {newrelic: {license_key: NRAK-TEST}}`, `verifier.yaml:1:32: self.newrelic.license_key: has 9 characters, and an ingest key has 40; is it a user key (NRAK-...)?
>   1 | self: {newrelic: {license_key: <hidden>}}
                                       ^`},
	{`gates: {a: {}}`, `verifier.yaml:1:12: gates.a: after is missing: name the environments where a version must have passed, like after: [staging]
>   1 | gates: {a: {}}
                   ^`},
	{`gates: {a: []}`, `verifier.yaml:1:12: gates.a: is empty: write {after: [staging]}
>   1 | gates: {a: []}
                   ^`},
	{`gates: {production: [{after: [staging]}, {after: [Production], results: [' '], inconclusive: maybe}]}`, `verifier.yaml:1:51: gates.production[1].after[0]: Production is the environment that the gate protects: name one that comes before it
>   1 | gates: {production: [{after: [staging]}, {after: [Production], results: [' '], inconclusive: maybe}]}
                                                          ^
verifier.yaml:1:74: gates.production[1].results[0]: is empty: write the name of a test, or a glob like smoke*
>   1 | gates: {production: [{after: [staging]}, {after: [Production], results: [' '], inconclusive: maybe}]}
                                                                                 ^
verifier.yaml:1:94: gates.production[1].inconclusive: invalid value "maybe": must be block or allow
>   1 | gates: {production: [{after: [staging]}, {after: [Production], results: [' '], inconclusive: maybe}]}
                                                                                                     ^
3 errors`},
	{`gates: {production: {afetr: [staging]}}`, `verifier.yaml:1:22: unknown field "afetr"; did you mean after?
>   1 | gates: {production: {afetr: [<hidden>]}}
                             ^`},
	{`sources:
  m:
    type: by_environment
    environments:
      production: {type: prometheus}
      staging: {type: carbon}
      test: {type: by_environment, environments: {}}
  n: {type: by_environment}
`, `verifier.yaml:5:19: sources.m.environments.production.url: is no address; write http://host:9090 or https://...
    4 |     environments:
>   5 |       production: {type: prometheus}
                          ^
    6 |       staging: {type: carbon}
verifier.yaml:6:23: sources.m.environments.staging.type: unknown type "carbon": use by_environment, command, elasticsearch, embedded, files, http, loki, newrelic or prometheus
    5 |       production: {type: prometheus}
>   6 |       staging: {type: carbon}
                              ^
    7 |       test: {type: by_environment, environments: {}}
verifier.yaml:7:20: sources.m.environments.test.type: by_environment cannot contain by_environment: write the source that the environment has
    6 |       staging: {type: carbon}
>   7 |       test: {type: by_environment, environments: {}}
                           ^
    8 |   n: {type: by_environment}
verifier.yaml:8:6: sources.n.environments: is empty: write {production: {type: prometheus, url: …}, staging: {…}}
    7 |       test: {type: by_environment, environments: {}}
>   8 |   n: {type: by_environment}
             ^
4 errors`},
	{`environments: [{name: production, aliases: [live]}]
sources:
  m:
    type: by_environment
    environments:
      production: {type: prometheus, url: 'http://a'}
      live: {type: files, path: x}
`, `verifier.yaml:6:19: sources.m.environments.production: duplicate: another key stands for production too
    5 |     environments:
>   6 |       production: {type: prometheus, url: 'http://a'}
                          ^
    7 |       live: {type: files, path: x}`},
	{`sources:
  a: {type: embedded, pages: [{url: 'http://x'}]}
  b: {type: embedded, pages: [{url: 'http://y'}], data: ./x/../verifier.metrics}
  c:
    type: by_environment
    environments:
      staging: {type: embedded, pages: [{url: 'http://z'}]}
`, `verifier.yaml:3:57: sources.b.data: ./x/../verifier.metrics is the folder of sources.a too: use another folder for one of them
    2 |   a: {type: embedded, pages: [{url: 'http://x'}]}
>   3 |   b: {type: embedded, pages: [{url: 'http://y'}], data: ./x/../verifier.metrics}
                                                                ^
    4 |   c:
verifier.yaml:7:16: sources.c.environments.staging.data: ./verifier.metrics is the folder of sources.a too: use another folder for one of them
    6 |     environments:
>   7 |       staging: {type: embedded, pages: [{url: 'http://z'}]}
                       ^
2 errors`},
}
