package intake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// codeDeploy are triggers and events of AWS CodeDeploy that come through SNS, which signs them; or EventBridge's as they are, with a
// secret in a header.
var codeDeploy = tool{
	delivery: "X-Amz-Sns-Message-Id", topics: true, check: checkCodeDeploy, confirm: confirmSNS, read: readCodeDeploy,
	fields: []string{"application", "deployment_group", "deployment_id", "deploy_state", "region", "account"},
	where: map[string]string{
		"service": "applicationName", "environment": "deploymentGroupName", "version": "deploymentId", "at": "completeTime", "id": "deploymentId",
	},
}

func checkCodeDeploy(h *hook, r *http.Request, body []byte) error {
	if len(h.Topics) > 0 {
		return checkSNS(h, r, body)
	}
	return checkSecret(h, r, body)
}

// codeDeployTrigger is the message of a CodeDeploy trigger, whose numbers are texts.
type codeDeployTrigger struct {
	Region       string `json:"region"`
	Account      string `json:"accountId"`
	Application  string `json:"applicationName"`
	DeploymentID string `json:"deploymentId"`
	Group        string `json:"deploymentGroupName"`
	Status       string `json:"status"`
	CreateTime   string `json:"createTime"`
	CompleteTime string `json:"completeTime"`
	InstanceID   string `json:"instanceId"`
	InstanceStat string `json:"instanceStatus"`
	Rollback     string `json:"rollbackInformation"` // JSON in a text, of codeDeployRollback
}

// codeDeployRollback says how a deployment and a rollback by CodeDeploy itself belong together.
type codeDeployRollback struct {
	Undoes string `json:"RollbackTriggeringDeploymentId"` // at the deployment that rolls back; the one that failed
}

// codeDeployEvent is EventBridge's.
type codeDeployEvent struct {
	DetailType string `json:"detail-type"`
	Account    string `json:"account"`
	Region     string `json:"region"`
	Time       string `json:"time"`
	Detail     struct {
		Application  string `json:"application"`
		DeploymentID string `json:"deploymentId"`
		Group        string `json:"deploymentGroup"`
		State        string `json:"state"`
		InstanceID   string `json:"instanceId"`
	} `json:"detail"`
}

var codeDeployStatuses = map[string]verifier.Status{
	"CREATED": verifier.Started, "START": verifier.Started, "INPROGRESS": verifier.Started, "SUCCESS": verifier.Succeeded, "SUCCEEDED": verifier.Succeeded,
	"FAILURE": verifier.Failed, "FAILED": verifier.Failed, "STOP": verifier.Failed, "STOPPED": verifier.Failed,
}

// readCodeDeploy reads how a deployment went, or that one instance of it was changed. CodeDeploy does not say a version: a mapping does.
func readCodeDeploy(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	body := in.Body
	var sns snsMessage
	if json.Unmarshal(body, &sns) == nil && sns.Type != "" && sns.TopicARN != "" {
		if sns.Type != "Notification" {
			return nil, "it is about the subscription itself", nil
		}
		body = []byte(sns.Message)
	}
	var bridge codeDeployEvent
	if err := json.Unmarshal(body, &bridge); err != nil {
		return nil, "", verifier.Invalid("Message", "is no event of CodeDeploy: %v", misread(err))
	}
	if bridge.DetailType != "" {
		return bridge.read(in.ReceivedAt)
	}
	var t codeDeployTrigger
	if err := json.Unmarshal(body, &t); err != nil {
		return nil, "", verifier.Invalid("Message", "is no event of CodeDeploy: %v", misread(err))
	}
	text := t.CompleteTime
	if codeDeployStatuses[t.Status] == verifier.Started || text == "" {
		text = t.CreateTime
	}
	at, assumed := in.ReceivedAt, true
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1e11 {
		at, assumed = time.UnixMilli(int64(seconds*1000)).UTC(), false
	}
	var back codeDeployRollback
	_ = json.Unmarshal([]byte(t.Rollback), &back) // empty where nothing is rolled back
	d := verifier.Deploy{
		ID: t.DeploymentID, Place: verifier.Place{Service: t.Application, Environment: t.Group}, RollsBack: back.Undoes, At: at, AtAssumed: assumed,
	}
	return codeDeployed(d, t.Status, t.InstanceID, t.InstanceStat, t.Region, t.Account)
}

func (e *codeDeployEvent) read(received time.Time) ([]Event, string, error) {
	at, assumed := received, true
	if e.Time != "" {
		var err error
		if at, err = parseTime("time", e.Time, time.RFC3339Nano); err != nil {
			return nil, "", err
		}
		assumed = false
	}
	state, instance := e.Detail.State, ""
	if e.Detail.InstanceID != "" {
		state, instance = "", e.Detail.State
	}
	d := verifier.Deploy{ID: e.Detail.DeploymentID, Place: verifier.Place{Service: e.Detail.Application, Environment: e.Detail.Group}, At: at, AtAssumed: assumed}
	return codeDeployed(d, state, e.Detail.InstanceID, instance, e.Region, e.Account)
}

// codeDeployed is a deployment's state, or that of one instance: one that went well tells how far the deployment has come.
func codeDeployed(d verifier.Deploy, state, instance, instanceState, region, account string) ([]Event, string, error) {
	if d.ID == "" {
		return nil, "", verifier.Invalid("deploymentId", "is missing")
	}
	said := strings.ToUpper(state)
	d.Status = codeDeployStatuses[said]
	if instance != "" {
		if codeDeployStatuses[strings.ToUpper(instanceState)] != verifier.Succeeded {
			return nil, fmt.Sprintf("the instance %.40q is %.40q: it runs what it ran before", instance, instanceState), nil
		}
		d.Status, d.Hosts = verifier.Started, []string{instance}
	}
	if d.Status == "" {
		return nil, fmt.Sprintf("the state %.40q says nothing about how a deployment went", state), nil
	}
	return []Event{{d, map[string]string{
		"application": d.Service, "deployment_group": d.Environment, "deployment_id": d.ID, "deploy_state": said, "region": region, "account": account,
	}}}, "", nil
}
