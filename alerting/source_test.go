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
	for _, tt := range []struct{ text, want string }{
		{good + "route:\n  receiver: a\n  group_by: [team]", "verifier.yaml:4:3: group_by has no effect: incidents are grouped"},
		{good + "route:\n  receiver: a\n  routes:\n    - {receiver: a, group_wait: 5s}", "verifier.yaml:5:21: group_wait has no effect"},
		{good + "route: {receiver: a, group_interval: 5s}", "verifier.yaml:2:22: group_interval has no effect"},
		{good + "route: {receiver: a}\ninhibit_rules:\n  - {source_matchers: [a=b], target_matchers: [c=d]}", "verifier.yaml:3:1: inhibit_rules: there is nothing to inhibit"},
		{good + "route: {receiver: a}\ninhibit_rules: []", "verifier.yaml:3:1: inhibit_rules"},
		{good + "route: {receiver: a}\nrecievers: []", "verifier.yaml:3:1: unknown key \"recievers\"; did you mean \"receivers\"?\n    3 | recievers: []\n      | ^"},
		{good + "route:\n  receiver: b\n", "verifier.yaml:3:3: undefined receiver \"b\" used in route; receivers are: a\n    3 |   receiver: b\n      |   ^"},
		{good + "route:\n  receiver: a\n  routes: [{receiver: a, mute_time_intervals: [night]}]\n", "verifier.yaml:4:48: undefined time interval \"night\" used in route; time intervals are: none"},
		{good, "verifier.yaml:1:1: route is missing; write route: {receiver: NAME}"},
		{good + "route: {}", "verifier.yaml:2:1: route has no receiver; write route: {receiver: NAME}; receivers are: a"},
		{good + "route: {receiver: a, continue: true}", "verifier.yaml:2:22: cannot have continue in root route"},
		{good + "route: {receiver: a, routes: [{matchers: ['team=~\"(\"'], receiver: a}]}", "verifier.yaml:2:43: error parsing regexp"},
		{good + "route: {receiver: a, mute_time_intervals: [night]}", "verifier.yaml:2:22: root route must not have any mute time intervals"},
		{good + "route: {receiver: a, repeat_interval: often}", "verifier.yaml:2:"},
		{"receivers: [{name: a}, {name: a}]\nroute: {receiver: a}", "verifier.yaml:1:25: notification config name \"a\" is not unique"},
		{"receivers:\n  - name: a\n    email_configs:\n      - {to: x@example.com}\nroute: {receiver: a}", "verifier.yaml:4:"},
		{"receivers:\n  - name: a\n    webhook_configs:\n      - url: http://x\n        sendresolved: true\nroute: {receiver: a}", "verifier.yaml:5:9: unknown key \"sendresolved\"; did you mean \"send_resolved\"?"},
		{"receivers:\n  - name: a\n    pagerduty_configs:\n      - {routing_key: k}\n      - {client: x}\nroute: {receiver: a}", "verifier.yaml:5:"},
		{"receivers:\n  - name: a\n    pagerduty_configs: [{routing_key_file: ./key}]\nroute: {receiver: a}", "verifier.yaml:3:26: routing_key_file: \"./key\" cannot be read"},
		{"receivers:\n  - name: a\n    slack_configs: yes\nroute: {receiver: a}", "verifier.yaml:3:20: \"yes\" is no"},
		{"receivers: [{name: a, slack_configs: [{app_token: x, channel: c, update_message: true}]}]\nroute: {receiver: a}", "verifier.yaml:1:40: a receiver lacks a key"},
		{good + "route: {receiver: a}\ntemplates: ['*.tmpl']", "verifier.yaml:3:13: templates: "},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "bad.tmpl"), []byte("{{ define"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load([]byte(tt.text), filepath.Join(folder, "verifier.yaml"), outbound.Dial(outbound.Config{}), &url.URL{}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n%v\nwant in it:\n%s", tt.text, err, tt.want)
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
