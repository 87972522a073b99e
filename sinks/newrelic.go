package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// NewRelicConfig is one account of New Relic: events of verdicts, and markers of deploys where a user key is given.
type NewRelicConfig struct {
	AccountID      int               `yaml:"account_id"`
	Region         string            `yaml:"region"`      // us (default) or eu
	LicenseKey     outbound.Secret   `yaml:"license_key"` // for events
	LicenseKeyFile string            `yaml:"license_key_file"`
	APIKey         outbound.Secret   `yaml:"api_key"` // a user key, NRAK-...: for markers; without one there are none
	APIKeyFile     string            `yaml:"api_key_file"`
	Entities       map[string]string `yaml:"entities"`   // service to entity guid; others are looked for by name
	EventsURL      string            `yaml:"events_url"` // where it is not the region's own
	URL            string            `yaml:"url"`        // of NerdGraph, where it is not the region's own
}

// NewRelic writes VerifierVerdict and VerifierFinding events and deployment markers.
type NewRelic struct {
	account  int
	license  outbound.Secret
	key      outbound.Secret
	entities map[string]string
	events   string
	graph    string
	client   *http.Client
}

var nrRegions = map[string]struct{ events, graph string }{
	"us": {"https://insights-collector.newrelic.com", "https://api.newrelic.com/graphql"},
	"eu": {"https://insights-collector.eu01.nr-data.net", "https://api.eu.newrelic.com/graphql"},
}

// NewNewRelic makes the sink; it calls nobody.
func NewNewRelic(c NewRelicConfig, rt http.RoundTripper) (*NewRelic, error) {
	region, known := nrRegions[cmp.Or(strings.ToLower(c.Region), "us")]
	switch {
	case !known:
		return nil, verifier.Invalid("region", "invalid region %q: must be us or eu", c.Region)
	case c.AccountID <= 0:
		return nil, verifier.Invalid("account_id", "is missing; write the number of the account that is written to")
	}
	license, err := outbound.ReadSecret(c.LicenseKey.Reveal(), c.LicenseKeyFile)
	if err != nil {
		return nil, fmt.Errorf("license_key: %w", err)
	}
	key, err := outbound.ReadSecret(c.APIKey.Reveal(), c.APIKeyFile)
	if err != nil {
		return nil, fmt.Errorf("api_key: %w", err)
	}
	if license == "" && key == "" {
		return nil, verifier.Invalid("license_key", "is missing; write license_key_file for events of verdicts, api_key_file for deployment markers, or both")
	}
	events, err := address("events_url", cmp.Or(c.EventsURL, region.events))
	if err != nil {
		return nil, err
	}
	graph, err := address("url", cmp.Or(c.URL, region.graph))
	if err != nil {
		return nil, err
	}
	return &NewRelic{
		account: c.AccountID, license: license, key: key, entities: c.Entities, client: outbound.Client(rt, 0),
		events: fmt.Sprintf("%s/v1/accounts/%d/events", events, c.AccountID), graph: graph,
	}, nil
}

// address checks a server's address and takes a slash off its end.
func address(field, text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", verifier.Invalid(field, "is missing; write the server's address")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", verifier.Invalid(field, "is not a URL (try https://host)")
	case u.User != nil:
		return "", verifier.Invalid(field, "holds a user; write it under keys of its own")
	case u.RawQuery != "" || u.Fragment != "":
		return "", verifier.Invalid(field, "holds a query or a fragment; write the address alone")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// Wants takes verdicts where there is a license key, and live deploys where there is a user key.
func (n *NewRelic) Wants(s verifier.State) bool {
	return n.license != "" && isVerdict(s) || n.key != "" && s == verifier.Waiting
}

// Write sends one verdict's events, or one deploy's marker.
func (n *NewRelic) Write(ctx context.Context, o Order) (string, error) {
	if o.State == verifier.Waiting {
		return n.mark(ctx, o)
	}
	events := []map[string]any{n.verdict(o)}
	for _, f := range o.Verification.Findings {
		events = append(events, n.finding(o, f))
	}
	for chunk := range slices.Chunk(events, nrEvents) {
		if err := n.send(ctx, chunk); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d events taken", len(events)), nil
}

// Limits of the Event API: 1 MB a call, 4,096 bytes a text.
const (
	nrEvents = 20
	nrText   = 4095
	nrOldest = 24 * time.Hour // events with older times are dropped without a word
)

func (n *NewRelic) send(ctx context.Context, events []map[string]any) error {
	var answer struct {
		Success *bool  `json:"success"`
		UUID    string `json:"uuid"`
	}
	header := http.Header{"Api-Key": {n.license.Reveal()}}
	if err := outbound.JSON(ctx, n.client, http.MethodPost, n.events, header, events, &answer); err != nil {
		return err
	}
	if answer.Success != nil && !*answer.Success {
		return fmt.Errorf("the events were not taken (%s)", answer.UUID)
	}
	return nil
}

// common are the attributes of both kinds of events. key stays the same through retries: an event may be there twice.
func (n *NewRelic) common(kind string, o Order) map[string]any {
	d := o.Verification.Deploy
	e := map[string]any{
		"eventType": kind, "key": o.Key, "verification": o.Verification.ID, "state": string(o.State), "appName": o.Service, "service": d.Service,
		"environment": d.Environment, "version": d.Version,
	}
	for name, text := range map[string]string{
		"target": d.Target, "team": d.Team, "previousVersion": d.Previous, "change": string(d.Change), "kind": string(d.Kind), "commit": d.Commit,
		"deployedBy": d.By, "url": o.URL,
	} {
		if text != "" {
			e[name] = cut(text, nrText)
		}
	}
	if at := decided(o); time.Since(at) < nrOldest {
		e["timestamp"] = at.UnixMilli()
	}
	return e
}

func (n *NewRelic) verdict(o Order) map[string]any {
	e, v := n.common("VerifierVerdict", o), o.Verification
	e["text"] = cut(summary(o), nrText)
	e["deployedAt"] = v.Deploy.At.UnixMilli()
	e["secondsToVerdict"] = max(0, decided(o).Sub(v.From).Seconds())
	for _, outcome := range []verifier.Outcome{verifier.Pass, verifier.Fail, verifier.Inconclusive} {
		e["findings."+string(outcome)] = count(v, outcome)
	}
	if v.Reason != "" {
		e["reason"] = v.Reason
	}
	if f := telling(o); f != nil {
		e["rule"] = f.Rule
	}
	if r := v.Rollback; r != nil {
		e["rollback"], e["rollbackTo"] = string(r.State), r.To
	}
	return e
}

func (n *NewRelic) finding(o Order, f verifier.Finding) map[string]any {
	e := n.common("VerifierFinding", o)
	e["key"] = o.Key + "/" + f.Rule
	e["rule"], e["outcome"], e["text"], e["muted"] = f.Rule, string(f.Outcome), cut(f.Text, nrText), f.Muted
	e["count"], e["exposure"] = f.Count, f.Exposure
	for name, text := range map[string]string{"reason": string(f.Reason), "unit": f.Unit, "query": f.Query, "link": f.Link, "onFail": string(f.OnFail)} {
		if text != "" {
			e[name] = cut(text, nrText)
		}
	}
	for name, value := range map[string]*float64{"value": f.Value, "limit": f.Limit, "baseline": f.Baseline, "confidence": f.Confidence} {
		if value != nil {
			e[name] = *value
		}
	}
	return e
}

const markerDocument = `mutation($changeTrackingEvent: ChangeTrackingCreateEventInput!) {
  changeTrackingCreateEvent(changeTrackingEvent: $changeTrackingEvent) {
    changeTrackingEvent { changeTrackingId }
    messages
  }
}`

// mark sets a deployment marker at the service's entity.
func (n *NewRelic) mark(ctx context.Context, o Order) (string, error) {
	guid, err := n.entity(ctx, o)
	if err != nil {
		return "", err
	}
	var answer struct {
		Created struct {
			Event struct {
				ID string `json:"changeTrackingId"`
			} `json:"changeTrackingEvent"`
			Messages []string `json:"messages"`
		} `json:"changeTrackingCreateEvent"`
	}
	if err := n.nerdGraph(ctx, markerDocument, map[string]any{"changeTrackingEvent": marker(o, guid)}, &answer); err != nil {
		return "", fmt.Errorf("mark the deployment: %w", err)
	}
	said := "change " + answer.Created.Event.ID
	if m := answer.Created.Messages; len(m) > 0 {
		said += ": " + strings.Join(m, "; ")
	}
	return said, nil
}

// marker is a deployment as change tracking takes it.
func marker(o Order, guid string) map[string]any {
	d := o.Verification.Deploy
	deployment := map[string]any{"version": d.Version, "deepLink": cmp.Or(d.URL, o.URL)}
	if d.Commit != "" {
		deployment["commit"] = d.Commit
	}
	event := map[string]any{
		"categoryAndTypeData": map[string]any{
			"kind": map[string]string{"category": "DEPLOYMENT", "type": "BASIC"}, "categoryFields": map[string]any{"deployment": deployment},
		},
		"entitySearch": map[string]string{"query": "id = '" + guid + "'"}, "timestamp": d.At.UnixMilli(), "groupId": d.GroupOrID(),
		"shortDescription": d.Service + " " + d.Version, "description": "verifier watches it: " + o.URL,
		"customAttributes": map[string]string{"environment": d.Environment, "verification": o.Verification.ID, "key": o.Key},
	}
	if d.By != "" {
		event["user"] = d.By
	}
	return event
}

const entityDocument = `query($query: String) {
  actor {
    entitySearch(query: $query) {
      results { entities { guid name } }
    }
  }
}`

// entity is the guid of the application of that name, which must be the only one.
func (n *NewRelic) entity(ctx context.Context, o Order) (string, error) {
	for service, guid := range n.entities {
		if strings.EqualFold(service, o.Verification.Deploy.Service) {
			return guid, nil
		}
	}
	var answer struct {
		Actor struct {
			EntitySearch struct {
				Results struct {
					Entities []struct{ GUID, Name string }
				}
			}
		}
	}
	name := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(o.Service)
	query := fmt.Sprintf("accountId = %d AND domain = 'APM' AND type = 'APPLICATION' AND name = '%s'", n.account, name)
	if err := n.nerdGraph(ctx, entityDocument, map[string]any{"query": query}, &answer); err != nil {
		return "", fmt.Errorf("look for the entity of %s: %w", o.Service, err)
	}
	var found []string
	for _, e := range answer.Actor.EntitySearch.Results.Entities {
		if strings.EqualFold(e.Name, o.Service) {
			found = append(found, e.GUID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", verifier.Invalid("entities", "no APM application is called %q; name it in the catalogue's names under %s, or write its guid under entities", o.Service, o.Sink)
	}
	return "", verifier.Invalid("entities", "%d APM applications are called %q (%s); write the guid of the right one under entities", len(found), o.Service, strings.Join(found, ", "))
}

// nerdGraph makes a call whose errors come inside HTTP 200.
func (n *NewRelic) nerdGraph(ctx context.Context, document string, variables map[string]any, out any) error {
	err := outbound.GraphQL(ctx, n.client, n.graph, http.Header{"Api-Key": {n.key.Reveal()}}, document, variables, out)
	var refused outbound.GraphQLErrors
	if errors.As(err, &refused) && slices.ContainsFunc(refused, func(e outbound.GraphQLError) bool {
		return slices.Contains([]string{"TIMEOUT", "TOO_MANY_REQUESTS", "INTERNAL_SERVER_ERROR", "SERVER_ERROR"}, e.Class)
	}) {
		return &verifier.TemporaryError{Err: err}
	}
	return err
}
