package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"verifier"
)

// Alerting is one configuration of receivers and routes.
type Alerting struct {
	route        *dispatch.Route // nil: nobody is told
	integrations map[string][]notify.Integration
	intervals    *timeinterval.Intervener
}

// Load reads the keys global, receivers, route, time_intervals and templates of the text. Templates are found beside baseDir;
// external is the console's address. A text without any of them tells nobody.
func Load(text []byte, baseDir string, _ http.RoundTripper, external *url.URL, log *slog.Logger) (*Alerting, error) {
	a := &Alerting{integrations: map[string][]notify.Integration{}}
	if strings.TrimSpace(string(text)) == "" {
		return a, nil
	}
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("receivers and route: %w", err)
	}
	if err := refused(c); err != nil {
		return nil, err
	}
	texts, err := texts(c, baseDir, external)
	if err != nil {
		return nil, err
	}
	for _, r := range c.Receivers {
		if a.integrations[r.Name], err = receiver.BuildReceiverIntegrations(r, texts, log, commoncfg.WithUserAgent("verifier")); err != nil {
			return nil, fmt.Errorf("receiver %s: %w", r.Name, err)
		}
	}
	a.route = dispatch.NewRoute(c.Route, nil)
	a.intervals = intervals(c)
	return a, nil
}

// parse reads the text as Alertmanager does. Its own checks panic at some texts, such as update_message without an api_url.
func parse(text []byte) (c *config.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("a receiver lacks a key that another of its keys needs (Slack's update_message needs api_url: https://slack.com/api/chat.postMessage)")
		}
	}()
	return config.Load(string(text))
}

// refused names the keys that have no meaning here.
func refused(c *config.Config) error {
	var problems []error
	if len(c.InhibitRules) > 0 {
		problems = append(problems, errors.New("inhibit_rules: there is nothing to inhibit: one incident already stands for all deploys of a group; take it out"))
	}
	var walk func(*config.Route)
	walk = func(r *config.Route) {
		if len(r.GroupByStr) > 0 || r.GroupWait != nil || r.GroupInterval != nil {
			problems = append(problems, errors.New("route: group_by, group_wait and group_interval have no effect: incidents are grouped by deploy group, environment and team; take them out"))
		}
		for _, child := range r.Routes {
			walk(child)
		}
	}
	walk(c.Route)
	return errors.Join(problems...)
}

func texts(c *config.Config, baseDir string, external *url.URL) (*template.Template, error) {
	t, err := template.FromGlobs(nil)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if err := t.Parse(strings.NewReader(ownTexts)); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, pattern := range c.Templates {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(baseDir, pattern)
		}
		if err := t.FromGlob(pattern); err != nil {
			return nil, fmt.Errorf("templates: %s: %w", pattern, err)
		}
	}
	t.ExternalURL = external
	return t, nil
}

func intervals(c *config.Config) *timeinterval.Intervener {
	all := map[string][]timeinterval.TimeInterval{}
	for _, i := range c.TimeIntervals {
		all[i.Name] = i.TimeIntervals
	}
	for _, i := range c.MuteTimeIntervals {
		all[i.Name] = i.TimeIntervals
	}
	return timeinterval.NewIntervener(all)
}

// matched is one receiver that an incident goes to.
type matched struct {
	receiver string
	repeat   time.Duration
	mute     []string
	active   []string
}

// match evaluates the routes.
func (a *Alerting) match(labels map[string]string) []matched {
	if a.route == nil {
		return nil
	}
	set := model.LabelSet{}
	for name, value := range labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	var out []matched
	for _, r := range a.route.Match(set) {
		o := r.RouteOpts
		if !slices.ContainsFunc(out, func(m matched) bool { return m.receiver == o.Receiver }) {
			out = append(out, matched{o.Receiver, o.RepeatInterval, o.MuteTimeIntervals, o.ActiveTimeIntervals})
		}
	}
	return out
}

// quiet reports whether the route is silent at that time.
func (a *Alerting) quiet(m matched, now time.Time) (bool, error) {
	if len(m.mute) > 0 {
		if muted, _, err := a.intervals.Mutes(m.mute, now); err != nil || muted {
			return muted, err
		}
	}
	if len(m.active) > 0 {
		active, _, err := a.intervals.Mutes(m.active, now)
		return !active, err
	}
	return false, nil
}

// send gives the incident to one notifier. thread is Slack's place of the message, kept between calls.
func send(ctx context.Context, i notify.Integration, m matched, in verifier.Incident, thread map[string]string, now time.Time) (map[string]string, error) {
	a := alertOf(in)
	ctx = notify.WithGroupKey(ctx, in.ID)
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"alertname": "Verifier"})
	ctx = notify.WithRouteLabels(ctx, model.LabelSet{})
	ctx = notify.WithReceiverName(ctx, m.receiver)
	ctx = notify.WithNow(ctx, now)
	ctx = notify.WithRepeatInterval(ctx, m.repeat)
	ctx = notify.WithRouteID(ctx, m.receiver)
	reason := notify.ReasonFirstNotification
	if in.Resolved != nil {
		reason = notify.ReasonAllAlertsResolved
		ctx = notify.WithResolvedAlerts(ctx, []uint64{uint64(a.Fingerprint())})
		ctx = notify.WithFiringAlerts(ctx, nil)
	} else {
		ctx = notify.WithFiringAlerts(ctx, []uint64{uint64(a.Fingerprint())})
		ctx = notify.WithResolvedAlerts(ctx, nil)
	}
	ctx = notify.WithNotificationReason(ctx, reason)
	store := nflog.NewStore(nil)
	for k, v := range thread {
		store.SetStr(k, v)
	}
	ctx = notify.WithNflogStore(ctx, store)
	again, err := i.Notify(ctx, a)
	if err == nil && again {
		err = errors.New("the channel asks to be tried again")
	}
	if err != nil {
		return thread, trouble(err, again)
	}
	out := map[string]string{}
	for _, key := range []string{"threadTs", "channelId"} {
		if v, ok := store.GetStr(key); ok && v != "" {
			out[key] = v
		}
	}
	return out, nil
}

// alertOf is the incident as Alertmanager knows it.
func alertOf(in verifier.Incident) *alert.Alert {
	labels := model.LabelSet{"alertname": "Verifier"}
	for name, value := range in.Labels {
		if value != "" {
			labels[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	var links []string
	for _, l := range in.Links {
		links = append(links, l.Text+": "+l.URL)
	}
	annotations := model.LabelSet{
		"title": model.LabelValue(title(in)), "text": model.LabelValue(in.Text), "url": model.LabelValue(in.URL),
		"links": model.LabelValue(strings.Join(links, "\n")),
	}
	a := &alert.Alert{Alert: model.Alert{Labels: labels, Annotations: annotations, StartsAt: in.Opened, GeneratorURL: in.URL}, UpdatedAt: in.Updated}
	if in.Resolved != nil {
		a.EndsAt = *in.Resolved
	}
	return a
}

func title(in verifier.Incident) string {
	switch {
	case in.Resolved != nil:
		return "🟢 " + in.Title
	case in.Kind == verifier.IncidentReport:
		return in.Title
	case in.Labels["outcome"] == string(verifier.Passed):
		return "🟢 " + in.Title
	case in.Severity == verifier.SeverityPage:
		return "🔴 " + in.Title
	}
	return "🟠 " + in.Title
}
