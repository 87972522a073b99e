package intake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// teamCity are TeamCity's own webhooks (2023 and later). They sign nothing, and operators may trim what they send, so that every
// member is optional.
var teamCity = tool{
	check: checkSecret, read: readTeamCity, lists: &teamCityList,
	fields: []string{"build_type", "build_type_name", "project", "project_name", "number", "branch", "revision", "build_status", "property.*"},
	where:  map[string]string{"version": "payload.number", "at": "payload.finishDate", "by": "payload.triggered.user.username", "url": "payload.webUrl"},
}

type teamCityBody struct {
	EventType string         `json:"eventType"`
	Payload   *teamCityBuild `json:"payload"`
}

type teamCityBuild struct {
	ID          json.Number `json:"id"`
	BuildTypeID string      `json:"buildTypeId"`
	Number      string      `json:"number"`
	Status      string      `json:"status"` // says something of a finished build alone
	State       string      `json:"state"`
	BranchName  string      `json:"branchName"`
	WebURL      string      `json:"webUrl"`
	StartDate   string      `json:"startDate"`
	FinishDate  string      `json:"finishDate"`
	BuildType   struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		ProjectID   string `json:"projectId"`
		ProjectName string `json:"projectName"`
	} `json:"buildType"`
	ProjectName string `json:"projectName"`
	Triggered   struct {
		User struct {
			Username string `json:"username"`
		} `json:"user"`
	} `json:"triggered"`
	Personal  bool            `json:"personal"`
	Canceled  json.RawMessage `json:"canceledInfo"`
	Revisions struct {
		Revision []struct {
			Version string `json:"version"`
		} `json:"revision"`
	} `json:"revisions"`
	Properties struct {
		Property []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"property"`
	} `json:"properties"`
}

// readTeamCity reads a build that was started, finished or interrupted. A build's number is its version unless a mapping says another.
func readTeamCity(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var body teamCityBody
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of a TeamCity webhook: %v", misread(err))
	}
	b := body.Payload
	switch body.EventType {
	case "BUILD_STARTED", "BUILD_FINISHED", "BUILD_INTERRUPTED":
	case "":
		return nil, "", verifier.Invalid("eventType", "is missing; send the events of TeamCity's webhooks")
	default:
		return nil, fmt.Sprintf("%.60q says nothing about how a build went; BUILD_STARTED, BUILD_FINISHED and BUILD_INTERRUPTED do", body.EventType), nil
	}
	if b == nil || b.ID == "" {
		return nil, "", verifier.Invalid("payload.id", "is missing; let teamcity.internal.webhooks.%s.fields keep it", body.EventType)
	}
	if b.Personal || b.property("build.is.personal") == "true" {
		return nil, personalBuild, nil
	}
	status, err := b.outcome(body.EventType)
	if err != nil {
		return nil, "", err
	}
	d := verifier.Deploy{ID: b.ID.String(), Version: b.Number, Status: status, By: b.Triggered.User.Username, URL: b.WebURL}
	if len(b.Revisions.Revision) > 0 {
		d.Commit = b.Revisions.Revision[0].Version
	}
	d.At, d.AtAssumed, err = b.time(status, in.ReceivedAt)
	return []Event{{d, b.fields()}}, "", err
}

// personalBuild is why a personal build is ignored: somebody tries out changes that nobody else has.
const personalBuild = "it is a personal build, which is no deploy"

// property is a parameter of the build; empty where the event does not have it.
func (b *teamCityBuild) property(name string) string {
	for _, p := range b.Properties.Property {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func (b *teamCityBuild) outcome(event string) (verifier.Status, error) {
	switch {
	case event == "BUILD_STARTED":
		return verifier.Started, nil
	case event == "BUILD_INTERRUPTED", len(b.Canceled) > 0 && string(b.Canceled) != "null", b.Status == "FAILURE", b.Status == "UNKNOWN":
		return verifier.Failed, nil
	case b.Status == "SUCCESS":
		return verifier.Succeeded, nil
	}
	return "", verifier.Invalid("payload.status", "is %.40q and no SUCCESS, FAILURE or UNKNOWN; let teamcity.internal.webhooks.%s.fields keep it", b.Status, event)
}

const teamCityTime = "20060102T150405-0700"

func (b *teamCityBuild) time(status verifier.Status, received time.Time) (at time.Time, assumed bool, err error) {
	name, text := "finishDate", b.FinishDate
	if status == verifier.Started {
		name, text = "startDate", b.StartDate
	}
	if text == "" {
		return received, true, nil
	}
	at, err = time.Parse(teamCityTime, text)
	if err != nil {
		return at, false, verifier.Invalid("payload."+name, "%.40q is no time of TeamCity's, like 20261124T100000+0000", text)
	}
	return at.UTC(), false, nil
}

func (b *teamCityBuild) fields() map[string]string {
	fields := map[string]string{
		"build_type": cmp.Or(b.BuildTypeID, b.BuildType.ID), "build_type_name": b.BuildType.Name, "project": b.BuildType.ProjectID,
		"project_name": cmp.Or(b.BuildType.ProjectName, b.ProjectName), "number": b.Number, "branch": b.BranchName, "build_status": b.Status,
	}
	if len(b.Revisions.Revision) > 0 {
		fields["revision"] = b.Revisions.Revision[0].Version
	}
	for _, p := range b.Properties.Property {
		fields["property."+p.Name] = p.Value
	}
	return fields
}
