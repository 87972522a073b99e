package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"

	"verifier"
)

// TemplateProblem is a text of a receiver that its template cannot make.
type TemplateProblem struct {
	Receiver string
	Path     []string // below the receiver: slack_configs, 0, text
	Problem  string
}

func (p TemplateProblem) String() string { return strings.Join(p.Path, ".") + ": " + p.Problem }

// note keeps what is wrong with a receiver's templates.
func (a *Alerting) note(receiver string, problems []TemplateProblem) {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.broken, receiver)
	if len(texts) > 0 {
		a.broken[receiver] = strings.Join(texts, "; ")
	}
}

// Broken is what is wrong with the templates of receivers, by the receiver, as their last messages found them: these went out with the
// default text.
func (a *Alerting) Broken() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.broken)
}

// TemplateProblems tries every template of every receiver on the incident.
func (a *Alerting) TemplateProblems(in verifier.Incident, now time.Time) []TemplateProblem {
	var out []TemplateProblem
	for _, name := range a.Receivers() {
		_, problems := a.withWorkingTexts(a.receivers[name].config, in, now)
		out = append(out, problems...)
	}
	return out
}

// SampleIncident is what templates are tried on: one failed deploy with all that an alert can have.
func SampleIncident(now time.Time) verifier.Incident {
	return verifier.Incident{
		ID: "sample", Kind: verifier.IncidentVerdict, Severity: verifier.SeverityPage, Person: true, Opened: now, Updated: now, URL: "https://verifier.example.com/verifications/1",
		Labels: map[string]string{
			"kind": "verdict", "service": "checkout", "environment": "production", "target": "eu-1", "team": "payments", "severity": "page", "outcome": "failed",
		},
		Title: "checkout 1.4.2 failed in production (eu-1). Approve the rollback to 1.4.1?",
		Text:  "Errors: 4.1 % (131 of 3,210), 14:02 to 14:09 UTC; before 0.6 % (18 of 3,000; 1.4.1, 13:32 to 14:02), limit 0.9 % (confidence 99.7 %)\nDeployed 14:02 UTC by anna, replacing 1.4.1",
		Links: []verifier.Link{
			{Text: "Approve the rollback", URL: "https://verifier.example.com/verifications/1/approve"},
			{Text: "Evidence", URL: "https://verifier.example.com/verifications/1"},
			{Text: "Runbook", URL: "https://wiki.example.com/checkout"},
		},
	}
}

// withWorkingTexts is the receiver with the default text wherever its own template fails on the incident, and what failed. Alertmanager's
// notifiers would send an empty text, or nothing.
func (a *Alerting) withWorkingTexts(r config.Receiver, in verifier.Incident, now time.Time) (config.Receiver, []TemplateProblem) {
	t := trying{texts: a.texts, receiver: r.Name}
	fields := reflect.ValueOf(&r).Elem()
	for n := range fields.NumField() {
		list := fields.Field(n)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Pointer {
			continue
		}
		key := yamlKey(fields.Type().Field(n))
		sent := alertOf(in, strings.TrimSuffix(key, "_configs"))
		t.data = notify.GetTemplateData(describe(context.Background(), matched{receiver: r.Name}, in, sent, now), a.texts, []*alert.Alert{sent}, slog.New(slog.DiscardHandler))
		copied := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
		for i := range list.Len() {
			copied.Index(i).Set(list.Index(i))
			if fixed := t.copyOf(list.Index(i), []string{key, strconv.Itoa(i)}); fixed.IsValid() {
				copied.Index(i).Set(fixed)
			}
		}
		list.Set(copied)
	}
	return r, t.problems
}

// trying runs the templates of one receiver.
type trying struct {
	texts    *template.Template
	data     *template.Data
	receiver string
	problems []TemplateProblem
}

// copyOf is the channel's configuration with default texts for those that fail; invalid where none does.
func (t *trying) copyOf(channel reflect.Value, path []string) reflect.Value {
	if channel.IsNil() {
		return reflect.Value{}
	}
	before := len(t.problems)
	out := reflect.New(channel.Type().Elem())
	out.Elem().Set(channel.Elem())
	t.fields(out.Elem(), defaultsOf(channel.Type().Elem()), path)
	if len(t.problems) == before {
		return reflect.Value{}
	}
	return out
}

// defaultsOf is the channel's configuration where nothing is written.
func defaultsOf(channel reflect.Type) reflect.Value {
	out := reflect.New(channel)
	if own, ok := out.Interface().(interface{ UnmarshalYAML(func(any) error) error }); ok {
		_ = own.UnmarshalYAML(func(any) error { return nil }) // that keys are missing matters not
	}
	return out.Elem()
}

// mainTexts are the fields that have to say something.
var mainTexts = []string{"title", "text", "message", "description", "body", "html", "summary"}

// fields replaces each text of a structure that fails.
func (t *trying) fields(v, defaults reflect.Value, path []string) {
	for n := range v.NumField() {
		f, key := v.Field(n), yamlKey(v.Type().Field(n))
		if !v.Type().Field(n).IsExported() || key == "" {
			continue
		}
		at := append(slices.Clone(path), key)
		switch {
		case f.Kind() == reflect.String:
			if t.fails(f.String(), key == "html", at) {
				f.SetString(replacement(key, defaults.Field(n).String()))
			}
		case f.Kind() == reflect.Map && f.Type().Elem().Kind() == reflect.String, f.Kind() == reflect.Map && f.Type().Elem().Kind() == reflect.Interface:
			t.entries(f, at)
		case f.Kind() == reflect.Slice:
			t.items(f, at)
		}
	}
}

// entries leaves out what fails of a map, such as the details of a page.
func (t *trying) entries(f reflect.Value, at []string) {
	if f.IsNil() {
		return
	}
	kept := reflect.MakeMap(f.Type())
	for _, key := range f.MapKeys() {
		value := f.MapIndex(key)
		text, _ := value.Interface().(string)
		if !t.fails(text, false, append(slices.Clone(at), fmt.Sprint(key))) {
			kept.SetMapIndex(key, value)
		}
	}
	f.Set(kept)
}

// items leaves out what fails of a list: a button whose address cannot be made, say.
func (t *trying) items(f reflect.Value, at []string) {
	kept := reflect.MakeSlice(f.Type(), 0, f.Len())
	for i := range f.Len() {
		item, before := f.Index(i), len(t.problems)
		inner := reflect.Indirect(item)
		if inner.Kind() == reflect.Struct {
			probe := reflect.New(inner.Type()).Elem()
			probe.Set(inner)
			t.fields(probe, reflect.New(inner.Type()).Elem(), append(slices.Clone(at), strconv.Itoa(i)))
		}
		if len(t.problems) == before {
			kept = reflect.Append(kept, item)
		}
	}
	f.Set(kept)
}

// fails reports whether the text is a template that cannot be run, and notes why.
func (t *trying) fails(text string, html bool, at []string) bool {
	if !strings.Contains(text, "{{") {
		return false
	}
	run := t.texts.ExecuteTextString
	if html {
		run = t.texts.ExecuteHTMLString
	}
	if _, err := run(text, t.data); err != nil {
		t.problems = append(t.problems, TemplateProblem{t.receiver, at, templateError(err)})
		return true
	}
	return false
}

// templateError is the error without what Go's templates call themselves: template: :1:12: executing "" at ...
func templateError(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, `executing "" at `); ok {
		text = after
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "template: "), "html/")
	if name, ok := strings.CutPrefix(text, `<{{template `); ok {
		if _, after, found := strings.Cut(name, ">: "); found {
			text = after
		}
	}
	return text
}

// replacement is the default of the field; a main text that has none is the incident's.
func replacement(key, byDefault string) string {
	switch {
	case byDefault != "":
		return byDefault
	case key == "title" || key == "summary":
		return `{{ template "__subject" . }}`
	case slices.Contains(mainTexts, key):
		return `{{ template "verifier.text" . }}`
	}
	return ""
}

func yamlKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}
