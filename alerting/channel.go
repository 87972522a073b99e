package alerting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"verifier"
	"verifier/outbound"
)

// sendTimeout bounds one call of one channel; it is shorter than the lease of an action.
const sendTimeout = 30 * time.Second

// send gives the incident to one notifier. key is the same for all tries of one revision; thread is Slack's place of the message,
// kept between calls.
func (a *Alerting) send(ctx context.Context, t target, in verifier.Incident, key string, thread map[string]string, now time.Time) (map[string]string, error) {
	working, problems := a.withWorkingTexts(a.receivers[t.receiver].config, in, now)
	a.note(t.receiver, problems)
	built, err := a.build(working, key)
	if err != nil {
		return thread, err
	}
	i, _ := pick(built, t.kind, t.index) // unreachable otherwise: the target was found among the same
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	sent := alertOf(in, t.kind)
	store := nflog.NewStore(nil)
	for k, v := range thread {
		store.SetStr(k, v)
	}
	again, err := i.Notify(notify.WithNflogStore(describe(ctx, t.matched, in, sent, now), store), sent)
	if err == nil && again {
		err = errors.New("the channel asks to be tried again")
	}
	if err != nil {
		if lost(err) {
			return nil, &verifier.TemporaryError{Err: hideKeys(err)} // somebody deleted the message: the next try posts a new one
		}
		return thread, trouble(err, again)
	}
	out := map[string]string{}
	for _, name := range []string{"threadTs", "channelId"} {
		if v, ok := store.GetStr(name); ok && v != "" {
			out[name] = v
		}
	}
	return out, nil
}

// describe is what notifiers want to find in the context.
func describe(ctx context.Context, m matched, in verifier.Incident, a *alert.Alert, now time.Time) context.Context {
	ctx = notify.WithGroupKey(ctx, in.ID)
	ctx = notify.WithGroupLabels(ctx, groupLabels(a.Labels))
	ctx = notify.WithRouteLabels(ctx, model.LabelSet{})
	ctx = notify.WithReceiverName(ctx, m.receiver)
	ctx = notify.WithNow(ctx, now)
	ctx = notify.WithRepeatInterval(ctx, m.repeat)
	ctx = notify.WithRouteID(ctx, m.receiver)
	firing, resolved, reason := []uint64{uint64(a.Fingerprint())}, []uint64(nil), notify.ReasonFirstNotification
	if in.Resolved != nil {
		firing, resolved, reason = nil, firing, notify.ReasonAllAlertsResolved
	}
	return notify.WithNotificationReason(notify.WithResolvedAlerts(notify.WithFiringAlerts(ctx, firing), resolved), reason)
}

// groupLabels are those that an incident's messages have in common, where receivers copied from an Alertmanager look for them.
func groupLabels(labels model.LabelSet) model.LabelSet {
	out := model.LabelSet{}
	for _, name := range []model.LabelName{"alertname", "service", "environment", "target", "team"} {
		if value, ok := labels[name]; ok {
			out[name] = value
		}
	}
	return out
}

// alertOf is the incident as Alertmanager knows it, for a channel of that kind.
func alertOf(in verifier.Incident, kind string) *alert.Alert {
	labels := model.LabelSet{"alertname": "Verifier"}
	for name, value := range in.Labels {
		if value != "" {
			labels[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	annotations := model.LabelSet{
		"title": model.LabelValue(in.Headline()), "text": model.LabelValue(in.Text), "url": model.LabelValue(in.URL), "links": model.LabelValue(writeLinks(in.Links)),
	}
	// what receivers copied from an Alertmanager call them
	annotations["summary"], annotations["description"] = annotations["title"], annotations["text"]
	for _, l := range in.Links {
		if l.Text == "Runbook" {
			annotations["runbook"], annotations["runbook_url"] = model.LabelValue(l.URL), model.LabelValue(l.URL)
		}
	}
	if in.Easing {
		annotations["easing"] = "true"
	}
	if in.Kind == verifier.IncidentReport && !test(in) {
		annotations["layout"] = "table"
	}
	if kind == "email" && in.HTML != "" {
		annotations["html"] = model.LabelValue(in.HTML)
	}
	a := &alert.Alert{Alert: model.Alert{Labels: labels, Annotations: annotations, StartsAt: in.Opened, GeneratorURL: in.URL}, UpdatedAt: in.Updated}
	if in.Resolved != nil {
		a.EndsAt = *in.Resolved
	}
	return a
}

// headerSafe percent-escapes what no header may hold.
func headerSafe(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' || b == '%' {
			fmt.Fprintf(&out, "%%%02X", b)
			continue
		}
		out.WriteByte(b)
	}
	return out.String()
}

// withHeader is a copy of the receiver, all of whose HTTP requests carry the header.
func withHeader(r config.Receiver, name, value string) config.Receiver {
	fields := reflect.ValueOf(&r).Elem()
	for n := range fields.NumField() {
		list := fields.Field(n)
		if list.Kind() != reflect.Slice {
			continue
		}
		copied := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
		for i := range list.Len() {
			one := reflect.New(list.Index(i).Type().Elem())
			one.Elem().Set(list.Index(i).Elem())
			copied.Index(i).Set(one)
			if client := one.Elem().FieldByName("HTTPConfig"); client.IsValid() && !client.IsNil() {
				client.Set(reflect.ValueOf(clientWith(*client.Interface().(*commoncfg.HTTPClientConfig), name, value)))
			}
		}
		list.Set(copied)
	}
	return r
}

func clientWith(c commoncfg.HTTPClientConfig, name, value string) *commoncfg.HTTPClientConfig {
	headers := map[string]commoncfg.Header{}
	if c.HTTPHeaders != nil {
		maps.Copy(headers, c.HTTPHeaders.Headers)
	}
	headers[name] = commoncfg.Header{Values: []string{headerSafe(value)}}
	c.HTTPHeaders = &commoncfg.Headers{Headers: headers}
	return &c
}

// missingFile is a file of a secret that cannot be read.
type missingFile struct {
	key, given string
	err        error
}

// besideFile makes the relative paths of secrets begin in the folder, and says which secret files cannot be read.
func besideFile(c *config.Config, folder string) (missing []missingFile) {
	if whole, err := filepath.Abs(folder); err == nil {
		folder = whole
	}
	missing = movePaths(reflect.ValueOf(c.Global).Elem(), folder)
	for i := range c.Receivers {
		missing = append(missing, movePaths(reflect.ValueOf(&c.Receivers[i]).Elem(), folder)...)
	}
	return missing
}

func inFolder(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// movePaths follows the structures of Alertmanager's configuration: a text whose name ends in File is a path.
func movePaths(v reflect.Value, folder string) (missing []missingFile) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if own, ok := v.Interface().(interface{ SetDirectory(string) }); ok {
			own.SetDirectory(folder)
			return nil
		}
		return movePaths(v.Elem(), folder)
	case reflect.Slice:
		for i := range v.Len() {
			missing = append(missing, movePaths(v.Index(i), folder)...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch {
			case !field.IsExported():
			case field.Type.Kind() != reflect.String:
				missing = append(missing, movePaths(v.Field(i), folder)...)
			case strings.HasSuffix(field.Name, "File") && v.Field(i).String() != "":
				given := v.Field(i).String()
				v.Field(i).SetString(inFolder(folder, given))
				if _, err := os.Stat(v.Field(i).String()); err != nil {
					key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
					var at *os.PathError
					if errors.As(err, &at) {
						err = at.Err
					}
					missing = append(missing, missingFile{key, given, err})
				}
			}
		}
	}
	return missing
}

var statusCode = regexp.MustCompile(`status code:? (\d{3})\b`)

// trouble says whether a failed sending is worth another try: always, but for what the channel refused for good.
func trouble(err error, again bool) error {
	hidden := hideKeys(err)
	var smtp *textproto.Error
	if errors.As(err, &smtp) && smtp.Code >= 500 {
		return hidden
	}
	if m := statusCode.FindStringSubmatch(err.Error()); m != nil && !again {
		code, _ := strconv.Atoi(m[1]) // unreachable error: three digits
		if code >= 400 && code < 500 && code != 408 && code != 425 && code != 429 {
			return hidden
		}
	}
	return &verifier.TemporaryError{Err: hidden}
}

// lost reports whether Slack no longer has the message that was to be edited.
func lost(err error) bool {
	text := err.Error()
	return strings.Contains(text, "message_not_found") || strings.Contains(text, "cant_update_message") || strings.Contains(text, "edit_window_closed")
}

var (
	addressPath = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>/?#]+)[/?#][^\s"'<>]*`)
	givenKeys   = regexp.MustCompile(`(?i)\b(xox[a-z]-[\w-]+|xapp-[\w-]+|bot\d+:[\w-]+|(?:routing|service|integration|api)[_ ]?key"?[:= ]+"?[\w-]{8,})`)
)

// hideKeys keeps the secrets of channels out of an error: they stand in the paths of addresses, and servers repeat keys.
func hideKeys(err error) error {
	text := outbound.RedactText(err.Error())
	text = addressPath.ReplaceAllString(text, "$1/...")
	return &quietError{outbound.Excerpt(givenKeys.ReplaceAllString(text, "<secret>")), err}
}

type quietError struct {
	text string
	err  error
}

func (q *quietError) Error() string { return q.text }
func (q *quietError) Unwrap() error { return q.err }
