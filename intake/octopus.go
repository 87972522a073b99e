package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"verifier"
)

// octopus sends one static header.
var octopus = tool{
	check: checkSecret, read: readOctopus, lists: &octopusList, complete: completeOctopus,
	fields: []string{"project", "release", "octopus_environment", "tenant", "category", "space", "username", "release_notes", "variable.*"},
	where: map[string]string{
		"service": "Payload.Event.MessageReferences (Projects)", "environment": "Payload.Event.MessageReferences (Environments)",
		"version": "Payload.Event.MessageReferences (Releases)", "target": "Payload.Event.MessageReferences (Tenants)",
		"id": "Payload.Event.RelatedDocumentIds", "at": "Payload.Event.Occurred", "by": "Payload.Event.Username", "url": "Payload.Event.ServerUri",
	},
}

type octopusBody struct {
	Payload struct {
		ServerURI string         `json:"ServerUri"`
		Event     *octopusEvent  `json:"Event"`
		Events    []octopusEvent `json:"Events"` // the digest of old servers
	}
}

func (b octopusBody) events() []octopusEvent {
	if b.Payload.Event == nil {
		return b.Payload.Events
	}
	return append(b.Payload.Events, *b.Payload.Event)
}

// octopusEvent is what is read of an event. Members differ between versions of Octopus, so that nothing else is decoded.
type octopusEvent struct {
	ID         string    `json:"Id"`
	Category   string    `json:"Category"`
	Message    string    `json:"Message"`
	Occurred   time.Time `json:"Occurred"`
	SpaceID    string    `json:"SpaceId"`
	Username   string    `json:"Username"`
	Related    []string  `json:"RelatedDocumentIds"`
	References []struct {
		ID     string `json:"ReferencedDocumentId"`
		Start  int    `json:"StartIndex"`
		Length int    `json:"Length"`
	} `json:"MessageReferences"`
}

var octopusStatuses = map[string]verifier.Status{
	"DeploymentStarted": verifier.Started, "DeploymentSucceeded": verifier.Succeeded, "DeploymentFailed": verifier.Failed, "TaskCanceled": verifier.Failed,
}

// readOctopus reads a subscription's event, or an old server's digest of several. Names are cut out of the message where the event says
// that they stand; ignored says why an event is no deploy.
func readOctopus(h *hook, in verifier.Delivery) (found []Event, ignored string, err error) {
	var body octopusBody
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of an Octopus subscription: %v", misread(err))
	}
	events, more := body.events(), completed(in)
	if len(events) == 0 {
		return nil, "", verifier.Invalid("Payload.Event", "is missing; send the events of an Octopus subscription")
	}
	for _, e := range events {
		status, known := octopusStatuses[e.Category]
		if !known || e.document("Deployments-") == "" {
			ignored = fmt.Sprintf("%.60q says nothing about how a deployment went; DeploymentStarted, DeploymentSucceeded and DeploymentFailed do", e.Category)
			continue
		}
		d := e.deploy(status, body.Payload.ServerURI)
		event := Event{d, map[string]string{
			"project": d.Service, "release": d.Version, "octopus_environment": d.Environment, "tenant": d.Target, "category": e.Category,
			"space": e.SpaceID, "username": e.Username,
		}}
		if m, asked := more[d.ID]; asked {
			m.apply(h, e, &event)
		}
		found = append(found, event)
	}
	return found, ignored, nil
}

func (e octopusEvent) deploy(status verifier.Status, server string) verifier.Deploy {
	id := e.document("Deployments-")
	d := verifier.Deploy{
		ID:      id,
		Place:   verifier.Place{Service: e.named("Projects-"), Environment: e.named("Environments-"), Target: e.named("Tenants-")},
		Version: e.named("Releases-"), Status: status, Change: verifier.Release, At: e.Occurred.UTC(), By: e.Username,
	}
	if strings.HasPrefix(server, "https://") || strings.HasPrefix(server, "http://") {
		d.URL = strings.TrimSuffix(server, "/") + "/app#/"
		if e.SpaceID != "" {
			d.URL += e.SpaceID + "/"
		}
		d.URL += "deployments/" + id
	}
	return d
}

// document is the id of the related document of that kind.
func (e octopusEvent) document(kind string) string {
	i := slices.IndexFunc(e.Related, func(id string) bool { return strings.HasPrefix(id, kind) })
	if i < 0 {
		return ""
	}
	return e.Related[i]
}

// named is the display name of the related document of that kind: a slice of the message, which is counted in UTF-16 units.
func (e octopusEvent) named(kind string) string {
	units := utf16.Encode([]rune(e.Message))
	for _, r := range e.References {
		if strings.HasPrefix(r.ID, kind) && r.Start >= 0 && r.Length > 0 && r.Start <= len(units) && r.Length <= len(units)-r.Start {
			return strings.TrimSpace(string(utf16.Decode(units[r.Start : r.Start+r.Length])))
		}
	}
	return ""
}
