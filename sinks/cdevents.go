package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"verifier"
	"verifier/outbound"
)

// CDEventsConfig is who takes CDEvents, as CloudEvents over HTTP.
type CDEventsConfig struct {
	URL       string                     `yaml:"url"`
	Token     outbound.Secret            `yaml:"token"` // sent as Bearer
	TokenFile string                     `yaml:"token_file"`
	Headers   map[string]outbound.Secret `yaml:"headers"`
}

// CDEvents tells of services that were deployed, upgraded or rolled back, and of incidents.
type CDEvents struct {
	url    string
	header http.Header
	client *http.Client
}

// NewCDEvents makes the sink; it calls nobody.
func NewCDEvents(c CDEventsConfig, rt http.RoundTripper) (*CDEvents, error) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return nil, verifier.Invalid("url", "is missing; write the address that takes CloudEvents")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, verifier.Invalid("url", "is not a URL (try https://host/events)")
	}
	token, err := outbound.ReadSecret(c.Token.Reveal(), c.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	e := &CDEvents{c.URL, http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, outbound.Client(rt, 0)}
	if token != "" {
		e.header.Set("Authorization", "Bearer "+token.Reveal())
	}
	for name, value := range c.Headers {
		e.header.Set(name, value.Reveal())
	}
	return e, nil
}

// Wants takes the beginning of a watch, failures, and what passed, which may end an incident.
func (e *CDEvents) Wants(s verifier.State) bool {
	return s == verifier.Waiting || s == verifier.FailedState || s == verifier.Passed
}

// The types of CDEvents 0.5 that are sent.
const (
	cdEventsVersion  = "0.5.1"
	serviceDeployed  = "dev.cdevents.service.deployed.0.3.0"
	serviceUpgraded  = "dev.cdevents.service.upgraded.0.3.0"
	serviceRolledBck = "dev.cdevents.service.rolledback.0.3.0"
	incidentDetected = "dev.cdevents.incident.detected.0.3.0"
	incidentResolved = "dev.cdevents.incident.resolved.0.3.0"
)

// Write sends one event, whose id is the order's key: sent again, it is the same one.
func (e *CDEvents) Write(ctx context.Context, o Order) (string, error) {
	kind, subject := cdEvent(o)
	if kind == "" {
		return "no event: it ends no incident", nil
	}
	source := verifier.OwnEvents
	if u, err := url.Parse(o.URL); err == nil && u.Host != "" {
		source += ":" + u.Host
	}
	at := o.At.UTC().Format(time.RFC3339Nano)
	event := map[string]any{
		"specversion": "1.0", "id": o.Key, "source": source, "type": kind, "time": at, "subject": subject["id"], "datacontenttype": "application/json",
		"data": map[string]any{
			"context":    map[string]any{"specversion": cdEventsVersion, "id": o.Key, "source": source, "type": kind, "timestamp": at},
			"subject":    subject,
			"customData": map[string]any{"verification": o.URL, "state": o.State, "summary": summary(o)}, "customDataContentType": "application/json",
		},
	}
	return kind, e.post(ctx, event)
}

// cdEvent is what the order tells of; the kind is empty where that is nothing.
func cdEvent(o Order) (kind string, subject map[string]any) {
	v := o.Verification
	d := v.Deploy
	id := d.Service
	if d.Target != "" {
		id += "/" + d.Target
	}
	environment, artifact := map[string]string{"id": d.Environment}, "pkg:generic/"+url.PathEscape(d.Service)+"@"+url.PathEscape(d.Version)
	incident := func(of string) map[string]any {
		return map[string]any{"id": "verifier/" + of, "content": map[string]any{
			"description": cut(summary(o), 1000), "environment": environment, "service": map[string]string{"id": id}, "artifactId": artifact,
		}}
	}
	switch {
	case o.State == verifier.FailedState:
		return incidentDetected, incident(v.ID)
	case o.State == verifier.Passed && v.Answers != "":
		return incidentResolved, incident(v.Answers)
	case o.State != verifier.Waiting:
		return "", nil
	case d.Kind == verifier.KindRollback:
		kind = serviceRolledBck
	case d.Previous != "":
		kind = serviceUpgraded
	default:
		kind = serviceDeployed
	}
	return kind, map[string]any{"id": id, "content": map[string]any{"environment": environment, "artifactId": artifact}}
}

func (e *CDEvents) post(ctx context.Context, event map[string]any) error {
	text, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(text))
	if err != nil {
		return outbound.Redact(err)
	}
	request.Header = e.header.Clone()
	response, err := e.client.Do(request)
	if err != nil {
		if errors.Is(err, verifier.ErrInvalid) {
			return outbound.Redact(err)
		}
		return &verifier.TemporaryError{Err: outbound.Redact(err)}
	}
	defer response.Body.Close()
	return outbound.Status(response)
}
