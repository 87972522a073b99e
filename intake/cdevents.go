package intake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
)

// cdEvents are CDEvents 0.4 and 0.5, as they are or in CloudEvents, structured or binary.
var cdEvents = tool{
	check: checkSecret, read: readCDEvents,
	fields: []string{"subject", "subject_source", "event_source", "event_type", "cd_environment", "artifact"},
	where: map[string]string{
		"service": "subject.id", "environment": "subject.content.environment.id", "version": "subject.content.artifactId", "at": "context.timestamp", "id": "context.id",
	},
}

type cdEvent struct {
	Context struct {
		ID        string `json:"id"`
		ChainID   string `json:"chainId"`
		Source    string `json:"source"`
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string `json:"id"`
		Source  string `json:"source"`
		Content struct {
			Environment struct {
				ID string `json:"id"`
			} `json:"environment"`
			ArtifactID string `json:"artifactId"`
		} `json:"content"`
	} `json:"subject"`
}

// readCDEvents reads that a service was deployed, upgraded or rolled back; what follows in the type is the version of the event.
func readCDEvents(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	body := cloudEvent(in.Body)
	var e cdEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no CDEvent: %v", misread(err))
	}
	if strings.HasPrefix(e.Context.Source, verifier.OwnEvents) {
		return nil, "it is verifier's own event", nil
	}
	kind := firstOf(e.Context.Type, http.Header(in.Header).Get("Ce-Type"))
	predicate, isService := strings.CutPrefix(kind, "dev.cdevents.service.")
	predicate, _, _ = strings.Cut(predicate, ".")
	switch {
	case kind == "":
		return nil, "", verifier.Invalid("context.type", "is missing; send CDEvents as they are or in CloudEvents")
	case !isService || predicate != "deployed" && predicate != "upgraded" && predicate != "rolledback":
		return nil, fmt.Sprintf("%.80q is no deploy; dev.cdevents.service.deployed, upgraded and rolledback are", kind), nil
	case e.Context.ID == "":
		return nil, "", verifier.Invalid("context.id", "is missing")
	}
	at, err := parseTime("context.timestamp", e.Context.Timestamp, time.RFC3339Nano)
	if err != nil {
		return nil, "", err
	}
	d := verifier.Deploy{
		ID: e.Context.Source + "#" + e.Context.ID, Place: verifier.Place{Service: e.Subject.ID, Environment: e.Subject.Content.Environment.ID},
		Version: purlVersion(e.Subject.Content.ArtifactID), Status: verifier.Succeeded, At: at,
	}
	return []Event{{d, map[string]string{
		"subject": e.Subject.ID, "subject_source": e.Subject.Source, "event_source": e.Context.Source, "event_type": kind,
		"cd_environment": e.Subject.Content.Environment.ID, "artifact": e.Subject.Content.ArtifactID,
	}}}, "", nil
}

// cloudEvent is the data of a CloudEvent in structured mode: JSON, JSON in a text, or base64 of it, which Python's SDK sends of data that it was
// given as bytes. In binary mode, with ce- headers, and without CloudEvents the event is the body, which may be such a text too.
func cloudEvent(body []byte) []byte {
	var cloud struct {
		Data   json.RawMessage `json:"data"`
		Base64 string          `json:"data_base64"`
	}
	if json.Unmarshal(body, &cloud) == nil {
		switch data, err := base64.StdEncoding.DecodeString(cloud.Base64); {
		case len(cloud.Data) > 0 && string(cloud.Data) != "null":
			body = cloud.Data
		case cloud.Base64 != "" && err == nil:
			body = data
		}
	}
	body = bytes.TrimSpace(body)
	var text string
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	if decoded, err := base64.StdEncoding.DecodeString(string(body)); err == nil && json.Valid(decoded) {
		body = decoded
	}
	return body
}

// purlVersion is what stands after @ in a package URL (github.com/package-url/purl-spec), before ? and #.
func purlVersion(purl string) string {
	purl, _, _ = strings.Cut(purl, "#")
	purl, _, _ = strings.Cut(purl, "?")
	i := strings.LastIndexByte(purl, '@')
	if i < 0 {
		return ""
	}
	version, err := url.PathUnescape(purl[i+1:])
	if err != nil {
		return purl[i+1:]
	}
	return version
}
