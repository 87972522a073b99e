package intake

import (
	"encoding/json"
	"strings"
	"time"

	"verifier"
)

// argoCD are notifications of Argo CD with a whole Application under app, or with the few fields of the template in
// docs/tools/argocd.md.
var argoCD = tool{
	check: checkSecret, read: readArgoCD, lists: &argoCDList,
	fields: []string{"app", "argo_project", "namespace", "server", "cluster", "revision", "image_tag", "health", "sync_status", "phase", "app_label.*"},
	where: map[string]string{
		"service": "app.metadata.name", "environment": "app.spec.destination.namespace", "version": "app.status.operationState.syncResult.revision",
		"at": "app.status.operationState.finishedAt", "by": "app.status.operationState.operation.initiatedBy.username",
	},
}

type argoApp struct {
	Metadata struct {
		Name   string            `json:"name"`
		UID    string            `json:"uid"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Project     string `json:"project"`
		Destination struct {
			Namespace string `json:"namespace"`
			Server    string `json:"server"`
			Name      string `json:"name"`
		} `json:"destination"`
	} `json:"spec"`
	Status struct {
		Health struct {
			Status string `json:"status"`
		} `json:"health"`
		Sync struct {
			Status    string   `json:"status"`
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"sync"`
		History []struct {
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"history"`
		OperationState *struct {
			Phase      string `json:"phase"`
			Message    string `json:"message"`
			StartedAt  string `json:"startedAt"`
			FinishedAt string `json:"finishedAt"`
			SyncResult struct {
				Revision  string   `json:"revision"`
				Revisions []string `json:"revisions"`
			} `json:"syncResult"`
			Operation struct {
				InitiatedBy struct {
					Username  string `json:"username"`
					Automated bool   `json:"automated"`
				} `json:"initiatedBy"`
			} `json:"operation"`
		} `json:"operationState"`
		Summary struct {
			Images []string `json:"images"`
		} `json:"summary"`
	} `json:"status"`
}

// argoShort is the template that docs/tools/argocd.md gives.
type argoShort struct {
	App, UID, Namespace, Project, Revision, Phase, Health string

	Server     string `json:"server"`
	Cluster    string `json:"cluster"`
	StartedAt  string `json:"started_at"`
	FinishedAt string `json:"finished_at"`
	By         string `json:"by"`
}

var argoPhases = map[string]verifier.Status{
	"Running": verifier.Started, "Terminating": verifier.Started, "Succeeded": verifier.Succeeded, "Failed": verifier.Failed, "Error": verifier.Failed,
}

// readArgoCD reads how the sync went that an application's state tells of. A sync that succeeded is live, whatever the health: judging
// that is what the watch is for.
func readArgoCD(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var outer struct {
		App json.RawMessage `json:"app"`
	}
	if err := json.Unmarshal(in.Body, &outer); err != nil {
		return nil, "", verifier.Invalid("body", "is no notification of Argo CD: %v", misread(err))
	}
	var name string
	if json.Unmarshal(outer.App, &name) == nil && name != "" {
		return readArgoShort(in)
	}
	var app argoApp
	if err := json.Unmarshal(outer.App, &app); err != nil || app.Metadata.Name == "" {
		return nil, "", verifier.Invalid("app", "is missing, or no Application; use the template of docs/tools/argocd.md")
	}
	op := app.Status.OperationState
	if op == nil {
		return nil, "the application was never synced", nil
	}
	status, known := argoPhases[op.Phase]
	if !known {
		return nil, "", verifier.Invalid("app.status.operationState.phase", "is %.40q and no Running, Succeeded, Failed, Error or Terminating", op.Phase)
	}
	revision := firstOf(joined(op.SyncResult.Revision, op.SyncResult.Revisions), joined(app.Status.Sync.Revision, app.Status.Sync.Revisions))
	at, assumed, err := argoTime(status, op.StartedAt, op.FinishedAt, in.ReceivedAt)
	if err != nil {
		return nil, "", err
	}
	d := verifier.Deploy{
		ID:    app.Metadata.UID + "/" + op.StartedAt,
		Place: verifier.Place{Service: app.Metadata.Name, Environment: app.Spec.Destination.Namespace}, Version: revision, Status: status,
		At: at, AtAssumed: assumed, By: op.Operation.InitiatedBy.Username, PreviousVersion: app.before(revision),
	}
	if op.Operation.InitiatedBy.Automated && d.By == "" {
		d.By = "auto-sync"
	}
	return []Event{{d, app.fields(revision)}}, "", nil
}

func readArgoShort(in verifier.Delivery) ([]Event, string, error) {
	var e argoShort
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no notification of Argo CD: %v", misread(err))
	}
	status, known := argoPhases[e.Phase]
	if !known {
		return nil, "", verifier.Invalid("phase", "is %.40q and no Running, Succeeded, Failed, Error or Terminating", e.Phase)
	}
	at, assumed, err := argoTime(status, e.StartedAt, e.FinishedAt, in.ReceivedAt)
	if err != nil {
		return nil, "", err
	}
	return []Event{{verifier.Deploy{
		ID: firstOf(e.UID, e.App) + "/" + e.StartedAt, Place: verifier.Place{Service: e.App, Environment: e.Namespace}, Version: e.Revision, Status: status,
		At: at, AtAssumed: assumed, By: e.By,
	}, map[string]string{
		"app": e.App, "argo_project": e.Project, "namespace": e.Namespace, "server": e.Server, "cluster": e.Cluster, "revision": e.Revision, "health": e.Health, "phase": e.Phase,
	}}}, "", nil
}

func argoTime(status verifier.Status, started, finished string, received time.Time) (at time.Time, assumed bool, err error) {
	where, text := "app.status.operationState.finishedAt", finished
	if status == verifier.Started {
		where, text = "app.status.operationState.startedAt", started
	}
	if text == "" {
		return received, true, nil
	}
	at, err = parseTime(where, text, time.RFC3339Nano)
	return at, false, err
}

// joined is one revision, or those of several sources with + between them.
func joined(one string, several []string) string {
	if one != "" {
		return one
	}
	return strings.Join(several, "+")
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// before is the revision before this one in the application's history.
func (a *argoApp) before(revision string) string {
	for i := len(a.Status.History) - 1; i >= 0; i-- {
		h := a.Status.History[i]
		if r := joined(h.Revision, h.Revisions); r != revision {
			return r
		}
	}
	return ""
}

func (a *argoApp) fields(revision string) map[string]string {
	fields := map[string]string{
		"app": a.Metadata.Name, "argo_project": a.Spec.Project, "namespace": a.Spec.Destination.Namespace, "server": a.Spec.Destination.Server,
		"cluster": a.Spec.Destination.Name, "revision": revision, "health": a.Status.Health.Status, "sync_status": a.Status.Sync.Status,
		"phase": a.Status.OperationState.Phase,
	}
	if images := a.Status.Summary.Images; len(images) == 1 {
		fields["image_tag"] = imageTag(images[0])
	}
	for k, v := range a.Metadata.Labels {
		fields["app_label."+k] = v
	}
	return fields
}

// imageTag is an image's tag, else its digest, else empty.
func imageTag(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[i+1:]
	}
	return digest
}
