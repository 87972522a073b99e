package intake

import (
	"bytes"
	"encoding/json"
	"fmt"

	"verifier"
)

// tcWebHooks is the TeamCity plugin of that name with its legacy JSON, whose values are all texts. Other templates may leave out the
// object around it. It has no time.
var tcWebHooks = tool{
	check: checkSecret, read: readTCWebHooks,
	fields: []string{"build_type", "build_name", "project", "project_name", "number", "branch", "triggered_by", "agent_host", "notify_type", "build_result", "property.*", "parameter.*"},
	where:  map[string]string{"version": "build.buildNumber", "by": "build.triggeredBy", "url": "build.buildStatusUrl"},
}

type tcBuild struct {
	Result      string      `json:"buildResult"`
	NotifyType  string      `json:"notifyType"`
	ID          scalar      `json:"buildId"` // a text in the plugin's old templates, a number in new ones
	Name        string      `json:"buildName"`
	TypeID      string      `json:"buildTypeId"`
	Number      scalar      `json:"buildNumber"`
	ProjectID   string      `json:"projectId"`
	ProjectName string      `json:"projectName"`
	StatusURL   string      `json:"buildStatusUrl"`
	BranchName  string      `json:"branchName"`
	AgentHost   string      `json:"agentHostname"`
	TriggeredBy string      `json:"triggeredBy"`
	Personal    scalar      `json:"buildIsPersonal"`
	Parameters  namedValues `json:"extraParameters"`
	Properties  namedValues `json:"teamcityProperties"`
}

// scalar is a text, number or truth as a text.
type scalar string

// UnmarshalJSON takes all of them; anything else is empty. A number keeps all of its digits.
func (s *scalar) UnmarshalJSON(text []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	*s = scalar(worded(v))
	return nil
}

// namedValues come as a list of names and values, or as one object.
type namedValues map[string]string

// UnmarshalJSON takes both forms; what is no text is passed over.
func (n *namedValues) UnmarshalJSON(text []byte) error {
	*n = namedValues{}
	var list []struct {
		Name  string `json:"name"`
		Value any    `json:"value"`
	}
	if json.Unmarshal(text, &list) == nil {
		for _, p := range list {
			(*n)[p.Name] = worded(p.Value)
		}
		return nil
	}
	var object map[string]any
	if json.Unmarshal(text, &object) == nil {
		for k, v := range object {
			(*n)[k] = worded(v)
		}
	}
	return nil
}

// worded is a text, number or truth as a text; empty for everything else.
func worded(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		text, _ := json.Marshal(v) // unreachable error: JSON has no infinities
		return string(text)
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// readTCWebHooks reads a build that was started or came to an end. One end may come under several notifyTypes: they are the same fact.
func readTCWebHooks(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var body struct {
		Build *tcBuild `json:"build"`
		tcBuild
	}
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of tcWebHooks: %v", misread(err))
	}
	b := body.Build
	if b == nil {
		b = &body.tcBuild
	}
	if b.ID == "" {
		return nil, "", verifier.Invalid("build.buildId", "is missing; choose the template Legacy Webhook (JSON)")
	}
	if yes := truth(string(b.Personal)); yes != nil && *yes || b.Properties["teamcity.build.personal"] == "true" || b.Properties["build.is.personal"] == "true" {
		return nil, personalBuild, nil
	}
	var status verifier.Status
	switch b.NotifyType {
	case "buildStarted":
		status = verifier.Started
	case "buildInterrupted":
		status = verifier.Failed
	case "buildFinished", "buildSuccessful", "buildFailed", "buildFixed", "buildBroken":
		switch b.Result {
		case "success":
			status = verifier.Succeeded
		case "failure":
			status = verifier.Failed
		default:
			return nil, "", verifier.Invalid("build.buildResult", "is %.40q and neither success nor failure", b.Result)
		}
	default:
		return nil, fmt.Sprintf("%.60q says nothing about how a build went; buildStarted, buildFinished and buildInterrupted do", b.NotifyType), nil
	}
	d := verifier.Deploy{ID: string(b.ID), Version: string(b.Number), Status: status, At: in.ReceivedAt, AtAssumed: true, By: b.TriggeredBy, URL: b.StatusURL}
	fields := map[string]string{
		"build_type": b.TypeID, "build_name": b.Name, "project": b.ProjectID, "project_name": b.ProjectName, "number": string(b.Number), "branch": b.BranchName,
		"triggered_by": b.TriggeredBy, "agent_host": b.AgentHost, "notify_type": b.NotifyType, "build_result": b.Result,
	}
	for k, v := range b.Properties {
		fields["property."+k] = v
	}
	for k, v := range b.Parameters {
		fields["parameter."+k] = v
	}
	return []Event{{d, fields}}, "", nil
}
