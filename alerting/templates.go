package alerting

// ownTexts are the default texts of all channels: Alertmanager's speak of Alertmanager, and of lists of labels.
const ownTexts = `
{{ define "__alertmanager" }}verifier{{ end }}
{{ define "__alertmanagerURL" }}{{ .CommonAnnotations.url }}{{ end }}
{{ define "__subject" }}{{ .CommonAnnotations.title }}{{ end }}
{{ define "__description" }}{{ .CommonAnnotations.text }}{{ end }}
{{ define "verifier.text" }}{{ .CommonAnnotations.text }}{{ if .CommonAnnotations.links }}
{{ .CommonAnnotations.links }}{{ end }}{{ end }}
{{ define "slack.default.text" }}{{ template "verifier.text" . }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "verifier.text" . }}{{ end }}
{{ define "opsgenie.default.description" }}{{ template "verifier.text" . }}{{ end }}
{{ define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "verifier.text" . }}{{ end }}
{{ define "victorops.default.state_message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "pushover.default.message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "sns.default.message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "telegram.default.message" }}{{ template "__subject" . }}
{{ template "verifier.text" . }}{{ end }}
{{ define "discord.default.message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "webex.default.message" }}{{ template "__subject" . }}
{{ template "verifier.text" . }}{{ end }}
{{ define "msteams.default.text" }}{{ template "verifier.text" . }}{{ end }}
{{ define "msteamsv2.default.text" }}{{ template "verifier.text" . }}{{ end }}
{{ define "jira.default.description" }}{{ template "verifier.text" . }}{{ end }}
{{ define "rocketchat.default.text" }}{{ template "verifier.text" . }}{{ end }}
{{ define "mattermost.default.text" }}{{ template "verifier.text" . }}{{ end }}
{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "email.default.html" }}<!DOCTYPE html><html><body style="font-family:sans-serif;max-width:42em">
<h2>{{ .CommonAnnotations.title }}</h2>
<p style="white-space:pre-wrap">{{ .CommonAnnotations.text }}</p>
<p style="white-space:pre-wrap">{{ .CommonAnnotations.links }}</p>
<p><a href="{{ .CommonAnnotations.url }}">{{ .CommonAnnotations.url }}</a></p>
</body></html>{{ end }}
`
