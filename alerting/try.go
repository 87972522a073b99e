package alerting

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"

	"verifier"
)

// CheckTemplates runs every template of every receiver over an incident in each state. The error names each that does not exist, fails, or
// leaves out a text that its channel needs, where it stands in the file; each once, by the first state that it fails in.
func (a *Alerting) CheckTemplates(now time.Time) error {
	var problems []error
	seen := map[string]bool{}
	for _, s := range samples(now) {
		for _, p := range a.TemplateProblems(s.incident, now) {
			path := a.source.pathOf(p)
			if at := keyPath(path); !seen[at] {
				seen[at] = true
				problems = append(problems, a.source.problem(a.source.nearest(path), "%s: the template fails for %s: %s", at, s.name, p.Problem))
			}
		}
	}
	if len(problems) == 0 {
		for _, name := range a.Receivers() {
			problems = append(problems, a.blank(name, now)...)
		}
	}
	return verifier.SortErrors(problems...)
}

// needed are the texts of which each kind of channel shows at least one.
var needed = map[string][]string{
	"slack_configs": {"title", "text", "pretext"}, "email_configs": {"html", "text"}, "pagerduty_configs": {"description"},
	"opsgenie_configs": {"message"}, "msteams_configs": {"title", "text"}, "msteamsv2_configs": {"title", "text"}, "discord_configs": {"title", "message", "content"},
	"telegram_configs": {"message"}, "pushover_configs": {"message"}, "webex_configs": {"message"}, "sns_configs": {"message"},
	"wechat_configs": {"message"}, "jira_configs": {"summary"}, "rocketchat_configs": {"title", "text"}, "mattermost_configs": {"text"},
}

// blank names the channels of a receiver whose messages about a firing incident would have no text.
func (a *Alerting) blank(name string, now time.Time) (problems []error) {
	in := SampleIncident(now)
	fields := reflect.ValueOf(a.receivers[name].config)
	for n := range fields.NumField() {
		kind := yamlKey(fields.Type().Field(n))
		if needed[kind] == nil {
			continue
		}
		sent := alertOf(in, strings.TrimSuffix(kind, "_configs"))
		data := notify.GetTemplateData(describe(context.Background(), matched{receiver: name}, in, sent, now), a.texts, []*alert.Alert{sent}, slog.New(slog.DiscardHandler))
		for j := range fields.Field(n).Len() {
			channel, text := reflect.Indirect(fields.Field(n).Index(j)), ""
			for f := range channel.NumField() {
				if slices.Contains(needed[kind], yamlKey(channel.Type().Field(f))) && channel.Field(f).Kind() == reflect.String {
					out, _ := a.texts.ExecuteTextString(channel.Field(f).String(), data) // unreachable error: all of them were run before
					text += strings.TrimSpace(out)
				}
			}
			if text == "" {
				path := a.source.pathOf(TemplateProblem{Receiver: name, Path: []string{kind, strconv.Itoa(j), needed[kind][0]}})
				problems = append(problems, a.source.problem(a.source.nearest(path), "%s: the message about a firing incident has no text (%s)", keyPath(path[:4]), strings.Join(needed[kind], ", ")))
			}
		}
	}
	return problems
}

// pathOf is the path in the file of a receiver's text.
func (s *source) pathOf(p TemplateProblem) []string {
	i := slices.Index(s.names("receivers"), p.Receiver)
	return append([]string{"receivers", strconv.Itoa(max(i, 0))}, p.Path...)
}

// nearest is the value at a path, or the last one on the way to it.
func (s *source) nearest(path []string) *value {
	for n := len(path); n > 0; n-- {
		if v := s.tree.at(path[:n]...); v != nil {
			return v
		}
	}
	return nil
}

// keyPath is receivers[0].slack_configs[1].text.
func keyPath(path []string) string {
	var out strings.Builder
	for _, part := range path {
		if _, err := strconv.Atoi(part); err == nil {
			out.WriteString("[" + part + "]")
			continue
		}
		out.WriteString("." + part)
	}
	return strings.TrimPrefix(out.String(), ".")
}

// sample is an incident to try templates on.
type sample struct {
	name     string
	incident verifier.Incident
}

// samples are an incident in each of the states that receivers hear of.
func samples(now time.Time) []sample {
	firing := SampleIncident(now)
	resolved := firing
	resolved.Resolved, resolved.Title, resolved.Text = &now, "checkout is back on 1.4.1 in production (eu-1)", "Errors: 0.6 %; bad for 9 min"
	news := firing
	news.News, news.Person, news.Severity, news.Title = true, false, verifier.SeverityWarn, "checkout 1.4.2 passed in production (eu-1)"
	report := firing
	report.Kind, report.Person, report.Links = verifier.IncidentReport, false, nil
	report.Labels = map[string]string{"kind": "report", "severity": "warn"}
	report.Title, report.Text = "Deploys and rollbacks of 2026-10", "team      deploys  rollbacks\npayments       41          2"
	return []sample{{"a firing incident", firing}, {"a resolved incident", resolved}, {"good news", news}, {"a report", report}}
}
