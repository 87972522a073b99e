package alerting

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"verifier/outbound"
)

// TestBadConfigurations holds each problem against its place in the file.
func TestBadConfigurations(t *testing.T) {
	const good = "receivers: [{name: a}]\n"
	const grouped = "incidents are grouped by deploy group, environment and team, and are sent at once; remove it"
	const inhibits = "verifier.yaml:3:1: inhibit_rules has no effect: one incident already stands for all deploys of a group; remove it"
	const lacks = "a receiver lacks a key that another of its keys needs (Slack's update_message needs api_url: https://slack.com/api/chat.postMessage)"
	for _, tt := range []struct{ text, want string }{
		{good + "route:\n  receiver: a\n  group_by: [team]", "verifier.yaml:4:3: group_by has no effect: " + grouped},
		{good + "route:\n  receiver: a\n  routes:\n    - {receiver: a, group_wait: 5s}", "verifier.yaml:5:21: group_wait has no effect: " + grouped},
		{good + "route: {receiver: a, group_interval: 5s}", "verifier.yaml:2:22: group_interval has no effect: " + grouped},
		{good + "route: {receiver: a}\ninhibit_rules:\n  - {source_matchers: [a=b], target_matchers: [c=d]}", inhibits},
		{good + "route: {receiver: a}\ninhibit_rules: []", inhibits},
		{good + "route:\n  receiver: b\n", "verifier.yaml:3:3: undefined receiver \"b\" used in route; receivers are: a"},
		{good + "route:\n  receiver: a\n  routes: [{receiver: a, mute_time_intervals: [night]}]\n", "verifier.yaml:4:48: undefined time interval \"night\" used in route; time intervals are: none"},
		{good, "verifier.yaml:1:1: route is missing; write route: {receiver: NAME}"},
		{good + "route: {}", "verifier.yaml:2:1: route has no receiver; write route: {receiver: NAME}; receivers are: a"},
		{good + "route: {receiver: a, continue: true}", "verifier.yaml:2:22: route.continue: cannot have continue in root route"},
		{good + "route: {receiver: a, routes: [{matchers: ['team=~\"(\"'], receiver: a}]}", "verifier.yaml:2:43: route.routes[0].matchers[0]: error parsing regexp: missing closing ): `^(?:()$`"},
		{good + "route: {receiver: a, mute_time_intervals: [night]}", "verifier.yaml:2:22: route.mute_time_intervals: root route must not have any mute time intervals\n" +
			"verifier.yaml:2:44: undefined time interval \"night\" used in route; time intervals are: none"},
		{good + "route: {receiver: a, repeat_interval: often}", "verifier.yaml:2:22: route.repeat_interval: not a valid duration string: \"often\""},
		{"receivers: [{name: a}, {name: a}]\nroute: {receiver: a}", "verifier.yaml:1:25: duplicate name \"a\", first in line 1"},
		{"receivers:\n  - name: a\n    email_configs:\n      - {to: x@example.com}\nroute: {receiver: a}", "verifier.yaml:4:9: receivers[0].email_configs[0]: no global SMTP smarthost set"},
		{"receivers:\n  - name: a\n    webhook_configs:\n      - url: http://x\n        sendresolved: true\nroute: {receiver: a}", "verifier.yaml:5:9: unknown key \"sendresolved\"; did you mean \"send_resolved\"?"},
		{"receivers:\n  - name: a\n    pagerduty_configs:\n      - {routing_key: k}\n      - {client: x}\nroute: {receiver: a}", "verifier.yaml:5:9: receivers[0].pagerduty_configs[1]: missing service or routing key in PagerDuty config"},
		{"receivers:\n  - name: a\n    pagerduty_configs: [{routing_key_file: ./key}]\nroute: {receiver: a}", "verifier.yaml:3:26: routing_key_file: cannot read \"./key\": no such file or directory"},
		{"receivers:\n  - name: a\n    slack_configs: yes\nroute: {receiver: a}", "verifier.yaml:3:5: receivers[0].slack_configs: must be a list"},
		{"receivers: [{name: a, slack_configs: [{app_token: x, channel: c, update_message: true}]}]\nroute: {receiver: a}", "verifier.yaml:1:66: receivers[0].slack_configs[0].update_message: " + lacks},
		// The same wrong text stands elsewhere, rightly: in a name, a comment, a value.
		{"receivers: [{name: often}] # often\nroute:\n  receiver: often\n  repeat_interval: often", "verifier.yaml:4:3: route.repeat_interval: not a valid duration string: \"often\""},
		{"receivers: [{name: b, webhook_configs: [{url: 'http://b'}]}]\nroute: {receiver: b, routes: [{receiver: B, matchers: [team=b]}]}", "verifier.yaml:2:32: undefined receiver \"B\" used in route; receivers are: b"},
		{
			"receivers:\n- name: a\n  webhook_configs: [{url: x}, {url: 'http://x'}]\n- name: x\n  webhook_configs: [{url: x}]\nroute: {receiver: a}",
			"verifier.yaml:3:22: receivers[0].webhook_configs[0].url: invalid URL: unsupported scheme \"\" for URL\n" +
				"verifier.yaml:5:22: receivers[1].webhook_configs[0].url: invalid URL: unsupported scheme \"\" for URL",
		},
		// Anchors, aliases and merge keys; the anchor is in another part of the file.
		{
			"x-slack: &slack {api_url: 'http://s', send_resolved: maybe}\nreceivers: [{name: a, slack_configs: [{<<: *slack, channel: c}]}]\nroute: {receiver: a}",
			"verifier.yaml:1:39: receivers[0].slack_configs[0].send_resolved: must be true or false",
		},
		// Several mistakes of several kinds, all at once.
		{
			"receivers:\n- {name: a, webhook_configs: [{url: 'http://x', colour: red}]}\n- {name: a}\nroute: {receiver: z, group_by: [a], routes: [{receiver: y, mute_time_intervals: [n]}]}\ntime_intervals: [{name: m, time_intervals: [{weekdays: [funday]}]}]",
			"verifier.yaml:4:22: group_by has no effect: " + grouped + "\nverifier.yaml:2:49: unknown key \"colour\"; did you mean \"color\"?\n" +
				"verifier.yaml:5:57: time_intervals[0].time_intervals[0].weekdays[0]: funday is not a valid weekday\n" +
				"verifier.yaml:3:4: duplicate name \"a\", first in line 2\nverifier.yaml:4:9: undefined receiver \"z\" used in route; receivers are: a, a\n" +
				"verifier.yaml:4:47: undefined receiver \"y\" used in route; receivers are: a, a\nverifier.yaml:4:82: undefined time interval \"n\" used in route; time intervals are: m",
		},
		{good + "route: {receiver: a}\ntemplates: ['*.tmpl']", "verifier.yaml:3:13: templates: \"*.tmpl\": template: bad.tmpl:1: unclosed action"},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "bad.tmpl"), []byte("{{ define"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load([]byte(tt.text), filepath.Join(folder, "verifier.yaml"), outbound.Dial(outbound.Config{}), &url.URL{}, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%q loads", tt.text)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), folder+"/", ""); got != tt.want {
			t.Errorf("%q:\n%s\nwant:\n%s", tt.text, got, tt.want)
		}
	}
	for _, nothing := range []string{"", "receivers: []\nroute: {}\n"} {
		if a, err := Load([]byte(nothing), "verifier.yaml", nil, nil, nil); err != nil || len(a.Targets(trouble14(), now)) != 0 {
			t.Errorf("%q: %v", nothing, err)
		}
	}
}

// TestAllChannelsLoad builds one of each of the 18, with secrets in files beside the configuration.
func TestAllChannelsLoad(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"key", "url"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("http://127.0.0.1:9/x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Load([]byte(everyChannel), filepath.Join(folder, "verifier.yaml"), outbound.Dial(outbound.Config{}), &url.URL{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, i := range a.receivers["all"].integrations {
		kinds[i.Name()] = true
	}
	if len(kinds) != 18 {
		t.Errorf("%d kinds of channel, want 18: %v", len(kinds), kinds)
	}
	if got := a.receivers["all"].config.PagerdutyConfigs[0].RoutingKeyFile; got != filepath.Join(folder, "key") {
		t.Errorf("routing_key_file is %s, want it beside the configuration", got)
	}
	if got := a.receivers["all"].config.SlackConfigs[0].HTTPConfig.Authorization.CredentialsFile; got != filepath.Join(folder, "key") {
		t.Errorf("credentials_file is %s, want it beside the configuration", got)
	}
}

const everyChannel = `
global: {smtp_smarthost: '127.0.0.1:9', smtp_from: verifier@example.com}
receivers:
  - name: all
    webhook_configs: [{url_file: ./url}]
    email_configs: [{to: a@example.com}]
    pagerduty_configs: [{routing_key_file: key}]
    opsgenie_configs: [{api_key_file: key}]
    wechat_configs: [{api_secret_file: key, corp_id: c}]
    slack_configs: [{api_url: 'https://slack.com/api/chat.postMessage', channel: '#d', update_message: true, http_config: {authorization: {credentials_file: key}}}]
    victorops_configs: [{api_key_file: key, routing_key: r}]
    pushover_configs: [{user_key_file: key, token_file: key}]
    sns_configs: [{topic_arn: 'arn:aws:sns:us-east-2:1:t', sigv4: {region: us-east-2, access_key: a, secret_key: b}}]
    telegram_configs: [{bot_token_file: key, chat_id: 1}]
    discord_configs: [{webhook_url_file: url}]
    webex_configs: [{room_id: r, http_config: {authorization: {credentials_file: key}}}]
    msteams_configs: [{webhook_url_file: url}]
    msteamsv2_configs: [{webhook_url_file: url}]
    jira_configs: [{api_url: 'http://127.0.0.1:9/', project: P, issue_type: Bug}]
    incidentio_configs: [{url_file: url, alert_source_token_file: key}]
    rocketchat_configs: [{token_file: key, token_id_file: key, channel: c}]
    mattermost_configs: [{webhook_url_file: url}]
route: {receiver: all}
`

// TestEmptyReceivers holds each channel without keys against its place and what it lacks.
func TestEmptyReceivers(t *testing.T) {
	for key, lacks := range map[string]string{
		"pagerduty_configs": "routing", "slack_configs": "Slack API URL", "email_configs": "to address", "webhook_configs": "url", "opsgenie_configs": "OpsGenie",
		"pushover_configs": "user_key", "victorops_configs": "routing key", "telegram_configs": "chat_id", "discord_configs": "webhook_url",
	} {
		for entry, lacks := range map[string]string{"{}": lacks, "": strings.TrimSuffix(key, "_configs")} {
			text := "route: {receiver: a}\nreceivers:\n  - name: a\n    " + key + ":\n      - " + entry + "\n"
			_, err := Load([]byte(text), "verifier.yaml", outbound.Dial(outbound.Config{}), &url.URL{}, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), "verifier.yaml:5:") || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(lacks)) {
				t.Errorf("%s [%s]: %v\nwant its place, line 5, and %q", key, entry, err, lacks)
			}
		}
	}
}
