package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
)

// ArgoCDConfig rolls an application back to an entry of its history. While auto-sync is on Argo CD refuses that, and so does verifier.
type ArgoCDConfig struct {
	APIConfig    `yaml:",inline"`
	Application  string `yaml:"application"`   // default {{.Service}}
	AppNamespace string `yaml:"app_namespace"` // of the application, where it is not Argo CD's own
	Project      string `yaml:"project"`       // of the application, where keys are limited to projects
	Prune        bool   `yaml:"prune"`         // delete what the older revision does not have
	Hook         string `yaml:"hook"`          // that its events come through; default argocd
}

type argoCD struct {
	*api
	application filler
	namespace   string
	project     string
	prune       bool
	hook        string
}

func newArgoCD(c ArgoCDConfig, rt http.RoundTripper) (Way, error) {
	a, err := c.open("argocd", "https://argocd.example.com", rt, func(key string) http.Header {
		return http.Header{"Authorization": {"Bearer " + key}}
	})
	if err != nil {
		return nil, err
	}
	f, err := parseText("argocd.application", cmp.Or(c.Application, "{{.Service}}"))
	return follow(&argoCD{a, f, c.AppNamespace, c.Project, c.Prune, cmp.Or(c.Hook, "argocd")}), err
}

func (a *argoCD) name() string { return "ArgoCD" }

type argoApp struct {
	Metadata struct {
		Name string `json:"name"`
		UID  string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		SyncPolicy struct {
			Automated *struct {
				Enabled *bool `json:"enabled"`
			} `json:"automated"`
		} `json:"syncPolicy"`
	} `json:"spec"`
	Operation *argoOperation `json:"operation"` // begun, and not yet taken up
	Status    struct {
		OperationState *struct {
			Phase      string        `json:"phase"`
			Message    string        `json:"message"`
			StartedAt  time.Time     `json:"startedAt"`
			Operation  argoOperation `json:"operation"`
			SyncResult struct {
				Revision  string   `json:"revision"`
				Revisions []string `json:"revisions"`
			} `json:"syncResult"`
		} `json:"operationState"`
		History []argoHistory `json:"history"`
	} `json:"status"`
}

type argoOperation struct {
	Sync struct {
		Revision  string   `json:"revision"`
		Revisions []string `json:"revisions"`
	} `json:"sync"`
	InitiatedBy struct {
		Username  string `json:"username"`
		Automated bool   `json:"automated"`
	} `json:"initiatedBy"`
}

type argoHistory struct {
	ID        int64    `json:"id"`
	Revision  string   `json:"revision"`
	Revisions []string `json:"revisions"`
	Source    struct {
		TargetRevision string `json:"targetRevision"`
	} `json:"source"`
}

// of is the revision that the entry stands for, as events tell it.
func (h argoHistory) of() string { return cmp.Or(h.Revision, strings.Join(h.Revisions, "+")) }

func (o argoOperation) of() string {
	return cmp.Or(o.Sync.Revision, strings.Join(o.Sync.Revisions, "+"))
}

func (a *argoCD) get(ctx context.Context, name string) (app argoApp, err error) {
	err = a.call(ctx, http.MethodGet, a.path(name, ""), nil, &app)
	switch {
	case notFound(err):
		return app, fmt.Errorf("the application %s is not in Argo CD: %w", name, err)
	case err == nil && app.Metadata.Name == "":
		return app, fmt.Errorf("the answer for %s is no application; is argocd.url right?", name)
	}
	return app, err
}

func (a *argoCD) path(name, below string) string {
	q := url.Values{}
	if a.namespace != "" {
		q.Set("appNamespace", a.namespace)
	}
	if a.project != "" {
		q.Set("project", a.project)
	}
	path := "/api/v1/applications/" + url.PathEscape(name) + below
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// open is the application with the entry of its history that the version is, or why it cannot be rolled back there.
func (a *argoCD) open(ctx context.Context, c verifier.RollbackCall) (app argoApp, to argoHistory, err error) {
	name, err := a.application.fill("argocd", c)
	if err != nil {
		return app, to, err
	}
	if app, err = a.get(ctx, name); err != nil {
		return app, to, err
	}
	if auto := app.Spec.SyncPolicy.Automated; auto != nil && (auto.Enabled == nil || *auto.Enabled) {
		return app, to, fmt.Errorf("auto-sync of %s is on: Argo CD refuses a rollback, and would undo one; revert in git, or switch it off (argocd app set %s --sync-policy none)", name, name)
	}
	for i := len(app.Status.History) - 1; i >= 0; i-- { // the newest stand last
		h := app.Status.History[i]
		if verifier.SameVersion(h.of(), c.To) || verifier.SameVersion(h.Source.TargetRevision, c.To) {
			return app, h, nil
		}
	}
	return app, to, fmt.Errorf("the history of %s has no %s; it keeps %d entries (spec.revisionHistoryLimit), and versions must be revisions", name, c.To, len(app.Status.History))
}

func (a *argoCD) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	_, to, err := a.open(ctx, c)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("auto-sync is off, and the history has %s as %d", c.To, to.ID), nil
}

// running is the sync that runs, or is about to.
func (a *argoCD) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	name, err := a.application.fill("argocd", c)
	if err != nil {
		return nil, err
	}
	app, err := a.get(ctx, name)
	if err != nil {
		return nil, err
	}
	if op := app.Operation; op != nil && (app.Status.OperationState == nil || argoPhases[app.Status.OperationState.Phase].over()) {
		return []task{a.task(name, time.Time{}, op.InitiatedBy.Username, op.of(), queued)}, nil
	}
	op := app.Status.OperationState
	if op == nil || argoPhases[op.Phase].over() {
		return nil, nil
	}
	t := a.task(name, op.StartedAt, op.Operation.InitiatedBy.Username, op.Operation.of(), running)
	t.Deploy = a.hook + ":" + app.Metadata.UID + "/" + op.StartedAt.UTC().Format(time.RFC3339)
	return []task{t}, nil
}

// task names an operation by its application and its start, which is all that tells one from another.
func (a *argoCD) task(name string, started time.Time, by, revision string, state taskState) task {
	return task{
		ID: name + "@" + started.UTC().Format(time.RFC3339), URL: a.url + "/applications/" + url.PathEscape(name), By: by, Note: revision, State: state,
	}
}

// find is the operation that brings the version back and began after the call was ordered. Argo CD keeps nothing else of a rollback.
func (a *argoCD) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	app, to, err := a.open(ctx, c)
	if err != nil && app.Metadata.Name == "" {
		return nil, err
	}
	if err != nil {
		return nil, nil // nothing of ours can run where it is refused; asked again before the call, with the reason
	}
	since := c.At.Truncate(time.Second)
	if op := app.Status.OperationState; op != nil && !op.StartedAt.Before(since) && op.Operation.of() == to.of() {
		t := a.task(app.Metadata.Name, since, op.Operation.InitiatedBy.Username, to.of(), argoPhases[op.Phase])
		return &t, nil
	}
	if op := app.Operation; op != nil && op.of() == to.of() {
		t := a.task(app.Metadata.Name, since, op.InitiatedBy.Username, to.of(), queued)
		return &t, nil
	}
	return nil, nil
}

func (a *argoCD) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	app, to, err := a.open(ctx, c)
	if err != nil {
		return task{}, beforehand{err}
	}
	name := app.Metadata.Name
	in := map[string]any{"name": name, "id": to.ID, "prune": a.prune, "dryRun": false}
	if a.namespace != "" {
		in["appNamespace"] = a.namespace
	}
	if a.project != "" {
		in["project"] = a.project
	}
	var answer argoApp
	if err := a.call(ctx, http.MethodPost, "/api/v1/applications/"+url.PathEscape(name)+"/rollback", in, &answer); err != nil {
		return task{}, fmt.Errorf("roll back to %d of the history: %w", to.ID, err)
	}
	if answer.Metadata.Name == "" {
		return task{}, errors.New("the answer to the rollback is no application")
	}
	return a.task(name, c.At.Truncate(time.Second), "", to.of(), queued), nil
}

var argoPhases = map[string]taskState{
	"Running": running, "Terminating": running, "Succeeded": succeeded, "Failed": failed, "Error": failed,
}

// state looks at the operation of the task's revision that began at its time or later.
func (a *argoCD) state(ctx context.Context, t task) (task, error) {
	name, text, _ := strings.Cut(t.ID, "@")
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("the task %s names no time: %w", t.ID, err)
	}
	app, err := a.get(ctx, name)
	if err != nil {
		return t, err
	}
	op := app.Status.OperationState
	switch {
	case op != nil && op.Operation.of() == t.Note && !op.StartedAt.Before(since):
		t.State, t.Problem, t.By = argoPhases[op.Phase], op.Message, op.Operation.InitiatedBy.Username
		if t.State == "" {
			return t, &verifier.TemporaryError{Err: fmt.Errorf("the answer says %q of the operation", op.Phase)}
		}
	case app.Operation != nil && app.Operation.of() == t.Note:
		t.State = queued
	case op != nil && op.StartedAt.After(since):
		t.State, t.Problem = canceled, "another operation came first: "+op.Operation.of()
	default:
		t.State = queued
	}
	return t, nil
}

func (a *argoCD) cancel(ctx context.Context, t task) error {
	name, _, _ := strings.Cut(t.ID, "@")
	return a.call(ctx, http.MethodDelete, a.path(name, "/operation"), nil, nil)
}
