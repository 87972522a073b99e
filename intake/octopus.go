package intake

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"verifier"
)

// checkOctopus compares the one static header that a subscription may send.
func checkOctopus(hook hook, r *http.Request, _ []byte) error {
	given := r.Header.Get(hook.header)
	switch {
	case given == "":
		return &Error{http.StatusUnauthorized, "the header " + hook.header + " is missing; set it as the subscription's header key and value in Octopus"}
	case subtle.ConstantTimeCompare([]byte(given), []byte(hook.secret.Reveal())) != 1:
		return &Error{http.StatusUnauthorized, "the header " + hook.header + " does not hold the secret of hooks.octopus"}
	}
	return nil
}

type octopusBody struct {
	Payload struct {
		ServerURI string         `json:"ServerUri"`
		Event     *octopusEvent  `json:"Event"`
		Events    []octopusEvent `json:"Events"` // the digest of old servers
	}
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

// MapOctopus reads a subscription's event, or an old server's digest of several. Names are cut out of the message where the event says
// that they stand; ignored says why an event is no deploy.
func MapOctopus(in verifier.Delivery) (deploys []verifier.Deploy, ignored string, err error) {
	var body octopusBody
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of an Octopus subscription: %v", err)
	}
	events := body.Payload.Events
	if body.Payload.Event != nil {
		events = append(events, *body.Payload.Event)
	}
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
		if err := octopusProblems(d, in.ReceivedAt); err != nil {
			return nil, "", err
		}
		deploys = append(deploys, d)
	}
	if len(deploys) > 0 {
		ignored = ""
	}
	return deploys, ignored, nil
}

func (e octopusEvent) deploy(status verifier.Status, server string) verifier.Deploy {
	id := e.document("Deployments-")
	d := verifier.Deploy{
		ID:      "octopus:" + id,
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

func octopusProblems(d verifier.Deploy, now time.Time) error {
	var problems []verifier.FieldError
	bad := func(field, problem string) {
		if problem != "" {
			problems = append(problems, verifier.FieldError{Field: "Payload.Event." + field, Problem: problem})
		}
	}
	bad("MessageReferences (Projects)", verifier.NameProblem(d.Service))
	bad("MessageReferences (Environments)", verifier.NameProblem(d.Environment))
	bad("MessageReferences (Releases)", verifier.VersionProblem(d.Version))
	if d.Target != "" {
		bad("MessageReferences (Tenants)", verifier.NameProblem(d.Target))
	}
	bad("RelatedDocumentIds", idProblem(d.ID))
	bad("Occurred", timeProblem(d.At, now))
	bad("Username", textProblem(d.By))
	bad("ServerUri", textProblem(d.URL))
	if len(problems) == 0 {
		return nil
	}
	return &verifier.InvalidError{Fields: problems}
}
