package intake

import (
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// azureDevOps are service hooks of Azure DevOps, which send Basic authentication or headers of one's own.
var azureDevOps = tool{
	check: checkSecret, read: readAzureDevOps, lists: &azureDevOpsList,
	fields: []string{"project", "definition", "release", "stage", "stage_status", "pipeline", "run", "run_result"},
	where: map[string]string{
		"service": "resource.project.name", "environment": "resource.environment.name", "version": "resource.environment.release.name", "at": "createdDate",
		"by": "resource.deployment.requestedFor.displayName", "url": "resource.environment.release._links.web.href",
	},
}

type azureEvent struct {
	EventType   string `json:"eventType"`
	ID          string `json:"id"`
	CreatedDate string `json:"createdDate"`
	Resource    struct {
		Project struct {
			Name string `json:"name"`
		} `json:"project"`
		Environment *struct {
			ID         json.Number  `json:"id"`
			Name       string       `json:"name"`
			Status     string       `json:"status"`
			ModifiedOn string       `json:"modifiedOn"`
			Release    azureRelease `json:"release"`
			Definition struct {
				Name string `json:"name"`
			} `json:"releaseDefinition"`
		} `json:"environment"`
		Release    azureRelease `json:"release"`
		Deployment struct {
			ID           json.Number `json:"id"`
			RequestedFor struct {
				Name string `json:"displayName"`
			} `json:"requestedFor"`
		} `json:"deployment"`
		Run *struct {
			ID           json.Number `json:"id"`
			Name         string      `json:"name"`
			State        string      `json:"state"`
			Result       string      `json:"result"`
			CreatedDate  string      `json:"createdDate"`
			FinishedDate string      `json:"finishedDate"`
			Links        azureLinks  `json:"_links"`
		} `json:"run"`
		Pipeline struct {
			Name string `json:"name"`
		} `json:"pipeline"`
		Stage *struct {
			Name         string `json:"name"`
			DisplayName  string `json:"displayName"`
			State        string `json:"state"`
			Result       string `json:"result"`
			StartedDate  string `json:"startTime"`
			FinishedDate string `json:"finishTime"`
		} `json:"stage"`
	} `json:"resource"`
}

type azureRelease struct {
	ID    json.Number `json:"id"`
	Name  string      `json:"name"`
	Links azureLinks  `json:"_links"`
}

type azureLinks struct {
	Web struct {
		Href string `json:"href"`
	} `json:"web"`
}

var azureStatuses = map[string]verifier.Status{
	"succeeded": verifier.Succeeded, "partiallySucceeded": verifier.Succeeded, // it is live, with a step that failed
	"rejected": verifier.Failed, "canceled": verifier.Failed, "failed": verifier.Failed,
	"skipped": "", "inProgress": verifier.Started, "queued": verifier.Started,
}

// readAzureDevOps reads a release's deployment that started or ended, or a stage or run of a pipeline.
func readAzureDevOps(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var e azureEvent
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of an Azure DevOps service hook: %v", misread(err))
	}
	switch e.EventType {
	case "":
		return nil, "", verifier.Invalid("eventType", "is missing; send the events of a service hook")
	case "ms.vss-release.deployment-completed-event", "ms.vss-release.deployment-started-event":
		return e.released(in.ReceivedAt)
	case "ms.vss-pipelines.stage-state-changed-event", "ms.vss-pipelines.run-state-changed-event":
		return e.ran(in.ReceivedAt)
	}
	return nil, fmt.Sprintf("%.80q says nothing about how a deployment went", e.EventType), nil
}

func (e *azureEvent) released(received time.Time) ([]Event, string, error) {
	env := e.Resource.Environment
	if env == nil || env.ID == "" && e.Resource.Deployment.ID == "" {
		return nil, "", verifier.Invalid("resource.environment", "is missing; let the subscription send all resource details")
	}
	status := azureStatuses[env.Status]
	if e.EventType == "ms.vss-release.deployment-started-event" {
		status = verifier.Started
	}
	if status == "" {
		return nil, fmt.Sprintf("the status %.40q says nothing about how a deployment went", env.Status), nil
	}
	release := env.Release
	if release.Name == "" {
		release = e.Resource.Release
	}
	at, assumed, err := azureTime(received, "createdDate", e.CreatedDate, env.ModifiedOn)
	if err != nil {
		return nil, "", err
	}
	id := or(e.Resource.Deployment.ID.String(), release.ID.String()+"/"+env.ID.String())
	return []Event{{verifier.Deploy{
		ID: "release/" + id, Place: verifier.Place{Service: e.Resource.Project.Name, Environment: env.Name}, Version: release.Name, Status: status,
		At: at, AtAssumed: assumed, By: e.Resource.Deployment.RequestedFor.Name, URL: release.Links.Web.Href,
	}, map[string]string{
		"project": e.Resource.Project.Name, "definition": env.Definition.Name, "release": release.Name, "stage": env.Name, "stage_status": env.Status,
	}}}, "", nil
}

func (e *azureEvent) ran(received time.Time) ([]Event, string, error) {
	run, stage := e.Resource.Run, e.Resource.Stage
	if run == nil || run.ID == "" {
		return nil, "", verifier.Invalid("resource.run", "is missing; let the subscription send all resource details")
	}
	state, result, begun, ended, name := run.State, run.Result, run.CreatedDate, run.FinishedDate, ""
	if stage != nil {
		state, result, begun, ended, name = stage.State, stage.Result, stage.StartedDate, stage.FinishedDate, or(stage.DisplayName, stage.Name)
	}
	status, text := verifier.Started, begun
	if state == "completed" {
		status, text = azureStatuses[result], ended
	}
	if status == "" || state != "completed" && state != "inProgress" && state != "running" {
		return nil, fmt.Sprintf("%.40q %.40q says nothing about how a run went", state, result), nil
	}
	at, assumed, err := azureTime(received, "createdDate", text, e.CreatedDate)
	if err != nil {
		return nil, "", err
	}
	id := "run/" + run.ID.String()
	if name != "" {
		id += "/" + name
	}
	return []Event{{verifier.Deploy{
		ID: id, Place: verifier.Place{Environment: name}, Version: run.Name, Status: status, At: at, AtAssumed: assumed, URL: run.Links.Web.Href,
	}, map[string]string{
		"project": e.Resource.Project.Name, "pipeline": e.Resource.Pipeline.Name, "run": run.Name, "run_result": result, "stage": name, "stage_status": result,
	}}}, "", nil
}

// azureTime is the first time that is there; Azure writes seven digits of a second.
func azureTime(received time.Time, where string, texts ...string) (at time.Time, assumed bool, err error) {
	for _, text := range texts {
		if text != "" {
			at, err := parseTime(where, text, time.RFC3339Nano)
			return at, false, err
		}
	}
	return received, true, nil
}
