package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Dial connects to an address; it is outbound.Dial's, so that channels are guarded as every other client.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Alerting is one configuration of receivers and routes.
type Alerting struct {
	route     *dispatch.Route // nil: nobody is told
	receivers map[string]*channels
	intervals *timeinterval.Intervener
	texts     *template.Template
	dial      Dial
	log       *slog.Logger
	source    *source // where each receiver stands in the file; nil where there are none

	mu     sync.Mutex
	broken map[string]string // what is wrong with a receiver's templates, as the last message found them
}

// channels are one receiver: what it was configured as, and its integrations, which answer questions and send nothing.
type channels struct {
	config       config.Receiver
	integrations []notify.Integration
}

// Load reads the keys global, receivers, route, time_intervals and templates of the file's text, and leaves the others alone; relative
// paths begin beside the file. external is the console's address. A text that has none of the keys, or only empty ones, tells nobody. The
// error joins a FileError for each mistake.
func Load(text []byte, file string, dial Dial, external *url.URL, log *slog.Logger) (*Alerting, error) {
	a := &Alerting{receivers: map[string]*channels{}, broken: map[string]string{}, dial: dial, log: log}
	if strings.TrimSpace(string(text)) == "" {
		return a, nil
	}
	source := newSource(text, file)
	if source.empty() {
		return a, nil
	}
	c, err := parse(write(source.tree).text.String())
	if err != nil {
		return nil, errors.Join(source.refused(), source.explain(err))
	}
	problems := []error{source.refused(), source.files(besideFile(c, filepath.Dir(file)))}
	source.defaults(c)
	if a.texts, err = texts(c, source, filepath.Dir(file), external); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	for i, r := range c.Receivers {
		built, err := a.build(r, "")
		if err != nil {
			return nil, source.problem(source.tree.at("receivers", strconv.Itoa(i)), "receiver %q: %v", r.Name, err)
		}
		a.receivers[r.Name] = &channels{r, built}
	}
	a.source = source
	a.route = dispatch.NewRoute(c.Route, nil)
	a.intervals = intervals(c)
	return a, nil
}

// parse reads the text as Alertmanager does. Its own checks panic at some texts, such as update_message without an api_url.
func parse(text string) (c *config.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("a receiver lacks a key that another of its keys needs (Slack's update_message needs api_url: https://slack.com/api/chat.postMessage)")
		}
	}()
	return config.Load(text)
}

// build makes the integrations of a receiver. A key goes out as the Idempotency-Key of every request that they make: the notifiers
// take no header with a call, so that a call gets notifiers of its own.
func (a *Alerting) build(r config.Receiver, key string) ([]notify.Integration, error) {
	if key != "" {
		r = withHeader(r, "Idempotency-Key", key)
	}
	return receiver.BuildReceiverIntegrations(r, a.texts, a.log, commoncfg.WithUserAgent("verifier"),
		commoncfg.WithDialContextFunc(commoncfg.DialContextFunc(a.dial)), commoncfg.WithKeepAlivesDisabled(), commoncfg.WithHTTP2Disabled())
}

// integration finds one of a receiver's by its kind and its place among those of the kind.
func (a *Alerting) integration(name, kind string, index int) (notify.Integration, bool) {
	c, ok := a.receivers[name]
	if !ok {
		return notify.Integration{}, false
	}
	return pick(c.integrations, kind, index)
}

func pick(list []notify.Integration, kind string, index int) (notify.Integration, bool) {
	i := slices.IndexFunc(list, func(i notify.Integration) bool { return i.Name() == kind && i.Index() == index })
	if i < 0 {
		return notify.Integration{}, false
	}
	return list[i], true
}

func texts(c *config.Config, source *source, folder string, external *url.URL) (*template.Template, error) {
	t, err := template.FromGlobs(nil, withFunctions)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if err := t.Parse(strings.NewReader(ownTexts)); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	var problems []error
	for i, pattern := range c.Templates {
		if err := t.FromGlob(inFolder(folder, pattern)); err != nil {
			problems = append(problems, source.problem(source.tree.at("templates", strconv.Itoa(i)), "templates: %q: %v", pattern, err))
		}
	}
	t.ExternalURL = external
	return t, errors.Join(problems...)
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
