package alerting

import (
	htmltemplate "html/template"
	"regexp"
	"strings"
	texttemplate "text/template"
	"unicode/utf8"

	"verifier"
)

// withFunctions adds what our texts use besides Alertmanager's functions: links takes the annotation of that name apart, slack escapes
// a text for Slack.
func withFunctions(text *texttemplate.Template, html *htmltemplate.Template) {
	functions := map[string]any{"links": readLinks, "slack": slackText, "slackBody": slackBody, "severity": pagerDutySeverity}
	text.Funcs(functions)
	html.Funcs(functions)
}

// writeLinks puts each link on a line of its own: the text, a colon, the address.
func writeLinks(links []verifier.Link) string {
	var lines []string
	for _, l := range links {
		lines = append(lines, l.Text+": "+l.URL)
	}
	return strings.Join(lines, "\n")
}

func readLinks(lines string) []verifier.Link {
	var links []verifier.Link
	for line := range strings.Lines(lines) {
		if text, url, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			links = append(links, verifier.Link{Text: text, URL: url})
		}
	}
	return links
}

var (
	slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	slackMarks   = regexp.MustCompile("[*~`]|\\b_|_\\b")
)

// slackText shows a text as it is: Slack wants &, < and > escaped, and takes marks for formatting unless something invisible stands
// beside them. A _ inside a word is none.
func slackText(s string) string {
	return slackMarks.ReplaceAllString(slackEscapes.Replace(s), "\u200b$0\u200b")
}

// mostSlackText is how long a text of Slack's may be: what is longer is cut off or refused.
const mostSlackText = 3000

// slackBody is the text and the links under it, as long as Slack takes: the text gives way at the end of a line. A table keeps its
// columns.
func slackBody(text, links, layout string) string {
	var under []string
	for _, l := range readLinks(links) {
		under = append(under, "<"+l.URL+"|"+slackEscapes.Replace(l.Text)+">")
	}
	end := ""
	if len(under) > 0 {
		end = "\n" + strings.Join(under, " · ")
	}
	most := mostSlackText - utf8.RuneCountInString(end)
	if layout == "" {
		return shortened(slackText(text), most) + end
	}
	const fence = "```"
	text = strings.ReplaceAll(slackEscapes.Replace(strings.TrimSpace(text)), "`", "´")
	return fence + "\n" + shortened(text, most-2*len(fence)-2) + "\n" + fence + end
}

var halfEscape = regexp.MustCompile(`&[a-z]*$`)

// shortened is the text, or as many of its lines as have room beside a last one that says so; a line that is too long alone is cut.
func shortened(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	const more = "\n… more in verifier"
	cut := string([]rune(text)[:max(0, most-utf8.RuneCountInString(more))])
	if i := strings.LastIndexByte(cut, '\n'); i > 0 {
		cut = cut[:i]
	}
	return halfEscape.ReplaceAllString(cut, "") + more
}

// pagerDutySeverity is PagerDuty's word for ours.
func pagerDutySeverity(ours string) string {
	if ours == string(verifier.SeverityPage) {
		return "critical"
	}
	return "warning"
}

// ownTexts are the default texts of all channels: Alertmanager's speak of Alertmanager, and of lists of labels.
const ownTexts = `
{{ define "__alertmanager" }}verifier{{ end }}
{{ define "__alertmanagerURL" }}{{ .CommonAnnotations.url }}{{ end }}
{{ define "__subject" }}{{ .CommonAnnotations.title }}{{ end }}
{{ define "__description" }}{{ .CommonAnnotations.text }}{{ end }}
{{ define "__text_alert_list" }}{{ range . }}{{ .Annotations.text }}
{{ end }}{{ end }}
{{ define "__text_alert_list_markdown" }}{{ template "__text_alert_list" . }}{{ end }}
{{ define "verifier.text" }}{{ .CommonAnnotations.text }}{{ if .CommonAnnotations.links }}
{{ .CommonAnnotations.links }}{{ end }}{{ end }}
{{ define "verifier.markdown" }}{{ .CommonAnnotations.text }}{{ if .CommonAnnotations.links }}

{{ range $i, $l := links .CommonAnnotations.links }}{{ if $i }} · {{ end }}[{{ $l.Text }}]({{ $l.URL }}){{ end }}{{ end }}{{ end }}
{{ define "slack.default.color" }}{{ if eq .CommonLabels.kind "report" }}#888888{{ else if or (eq .Status "resolved") (eq .CommonLabels.outcome "passed") }}good{{ else if .CommonAnnotations.easing }}warning{{ else if eq .CommonLabels.severity "page" }}danger{{ else }}warning{{ end }}{{ end }}
{{ define "slack.default.title" }}{{ slack .CommonAnnotations.title }}{{ end }}
{{ define "slack.default.text" }}{{ slackBody .CommonAnnotations.text .CommonAnnotations.links .CommonAnnotations.layout }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "verifier.text" . }}{{ end }}
{{ define "pagerduty.default.severity" }}{{ severity .CommonLabels.severity }}{{ end }}
{{ define "opsgenie.default.description" }}{{ template "verifier.text" . }}{{ end }}
{{ define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "verifier.text" . }}{{ end }}
{{ define "victorops.default.state_message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "pushover.default.message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "sns.default.message" }}{{ template "verifier.text" . }}{{ end }}
{{ define "telegram.default.message" }}{{ template "__subject" . }}
{{ template "verifier.text" . }}{{ end }}
{{ define "discord.default.message" }}{{ template "verifier.markdown" . }}{{ end }}
{{ define "webex.default.message" }}{{ template "__subject" . }}
{{ template "verifier.markdown" . }}{{ end }}
{{ define "msteams.default.text" }}{{ template "verifier.markdown" . }}{{ end }}
{{ define "msteamsv2.default.text" }}{{ template "verifier.markdown" . }}{{ end }}
{{ define "jira.default.description" }}{{ template "verifier.text" . }}{{ end }}
{{ define "jira.default.priority" }}{{ if eq .CommonLabels.severity "page" }}High{{ else }}Medium{{ end }}{{ end }}
{{ define "rocketchat.default.text" }}{{ template "verifier.markdown" . }}{{ end }}
{{ define "mattermost.default.text" }}{{ template "verifier.markdown" . }}{{ end }}
{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "email.default.text" }}{{ .CommonAnnotations.title }}

{{ .CommonAnnotations.text }}
{{ if .CommonAnnotations.links }}
{{ .CommonAnnotations.links }}
{{ end }}
{{ .CommonAnnotations.url }}
{{ end }}
{{ define "email.default.html" }}{{ if .CommonAnnotations.html }}{{ safeHtml .CommonAnnotations.html }}{{ else }}<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="margin:0;padding:24px;background:#f4f5f7;color:#1c1f23;font:15px/1.5 -apple-system,'Segoe UI',Roboto,Arial,sans-serif">
<div style="max-width:600px;margin:0 auto;padding:20px 24px;background:#fff;border:1px solid #dfe2e6;border-radius:6px">
<h1 style="margin:0 0 12px;font-size:19px;line-height:1.35;overflow-wrap:anywhere">{{ .CommonAnnotations.title }}</h1>
{{ if .CommonAnnotations.layout }}<pre style="margin:0 0 16px;overflow-x:auto;font:13px/1.45 Consolas,Menlo,monospace">{{ .CommonAnnotations.text }}</pre>
{{ else }}<div style="margin:0 0 16px;white-space:pre-wrap;overflow-wrap:anywhere">{{ .CommonAnnotations.text }}</div>
{{ end }}{{ if .CommonAnnotations.links }}<p style="margin:0 0 16px">{{ range $i, $l := links .CommonAnnotations.links }}<a href="{{ $l.URL }}" style="display:inline-block;margin:0 8px 8px 0;padding:6px 14px;border:1px solid #b9c0c8;border-radius:4px;color:#0b57b7;text-decoration:none">{{ $l.Text }}</a>{{ end }}</p>
{{ end }}{{ if .CommonAnnotations.url }}<p style="margin:0;font-size:13px;color:#636b74">verifier · <a href="{{ .CommonAnnotations.url }}" style="color:#636b74">{{ .CommonAnnotations.url }}</a></p>
{{ end }}</div></body></html>{{ end }}{{ end }}
`
