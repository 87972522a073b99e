package rollback

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// OctopusConfig rolls back by deploying the earlier release again. The project is what the catalogue's names.octopus says, else the service.
type OctopusConfig struct {
	APIConfig   `yaml:",inline"`
	Space       string `yaml:"space"`       // its id, like Spaces-1; default the default space
	Environment string `yaml:"environment"` // default {{.Environment}}
	Tenant      string `yaml:"tenant"`      // default {{.Target}}
	Hook        string `yaml:"hook"`        // that its events come through; default octopus
}

type octopus struct {
	*api
	base, page          string
	environment, tenant filler
	hook                string
}

func newOctopus(c OctopusConfig, rt http.RoundTripper) (Way, error) {
	a, err := c.open("octopus", "https://octopus.example.com", rt, func(key string) http.Header {
		return http.Header{"X-Octopus-ApiKey": {key}}
	})
	if err != nil {
		return nil, err
	}
	o := &octopus{api: a, base: "/api", page: a.url + "/app#/", hook: cmp.Or(c.Hook, "octopus")}
	if c.Space != "" {
		o.base += "/" + url.PathEscape(c.Space)
		o.page += url.PathEscape(c.Space) + "/"
	}
	if o.environment, err = parseText("octopus.environment", cmp.Or(c.Environment, "{{.Environment}}")); err != nil {
		return nil, err
	}
	if o.tenant, err = parseText("octopus.tenant", cmp.Or(c.Tenant, "{{.Target}}")); err != nil {
		return nil, err
	}
	return follow(o), nil
}

func (o *octopus) name() string { return "Octopus" }

type octopusNamed struct {
	ID   string `json:"Id"`
	Name string `json:"Name"`
	Slug string `json:"Slug"`
}

type octopusPage[T any] struct {
	Items []T `json:"Items"`
}

type octopusDeployment struct {
	ID            string    `json:"Id"`
	ReleaseID     string    `json:"ReleaseId"`
	ProjectID     string    `json:"ProjectId"`
	EnvironmentID string    `json:"EnvironmentId"`
	TenantID      string    `json:"TenantId"`
	TaskID        string    `json:"TaskId"`
	Name          string    `json:"Name"`
	Comments      string    `json:"Comments"`
	DeployedBy    string    `json:"DeployedBy"`
	Created       time.Time `json:"Created"`
}

type octopusTask struct {
	ID            string `json:"Id"`
	Description   string `json:"Description"`
	State         string `json:"State"`
	ErrorMessage  string `json:"ErrorMessage"`
	Interruptions bool   `json:"HasPendingInterruptions"`
	Arguments     struct {
		DeploymentID string `json:"DeploymentId"`
	} `json:"Arguments"`
}

// octopusPlace is where a rollback goes, in Octopus' ids.
type octopusPlace struct {
	project, environment, tenant string
}

func (p octopusPlace) holds(d octopusDeployment) bool {
	return d.ProjectID == p.project && d.EnvironmentID == p.environment && d.TenantID == p.tenant
}

// place looks the names up.
func (o *octopus) place(ctx context.Context, c verifier.RollbackCall) (p octopusPlace, err error) {
	environment, err := o.environment.fill("octopus", c)
	if err != nil {
		return p, err
	}
	tenant, err := o.tenant.fill("octopus", c)
	if err != nil {
		return p, err
	}
	if p.project, err = o.find1(ctx, "projects", "project", c.ServiceAs("octopus")); err != nil {
		return p, err
	}
	if p.environment, err = o.find1(ctx, "environments", "environment", environment); err != nil {
		return p, err
	}
	if tenant != "" {
		p.tenant, err = o.find1(ctx, "tenants", "tenant", tenant)
	}
	return p, err
}

// find1 is the id of the one with that name; names compare without case, as in Octopus.
func (o *octopus) find1(ctx context.Context, list, what, name string) (string, error) {
	var page octopusPage[octopusNamed]
	if err := o.call(ctx, http.MethodGet, o.base+"/"+list+"?"+url.Values{"partialName": {name}, "take": {"1000"}}.Encode(), nil, &page); err != nil {
		return "", fmt.Errorf("look for the %s %s: %w", what, name, err)
	}
	for _, one := range page.Items {
		if strings.EqualFold(one.Name, name) || strings.EqualFold(one.Slug, name) || one.ID == name {
			return one.ID, nil
		}
	}
	return "", fmt.Errorf("Octopus has no %s %q, or the key may not see it; write names: {octopus: …} in the catalogue, or octopus.environment and tenant", what, name) //nolint:staticcheck // a name
}

// release is the version's, which must be neither deleted nor blocked.
func (o *octopus) release(ctx context.Context, p octopusPlace, version string) (id string, _ error) {
	var release struct {
		ID string `json:"Id"`
	}
	err := o.call(ctx, http.MethodGet, o.base+"/projects/"+url.PathEscape(p.project)+"/releases/"+url.PathEscape(version), nil, &release)
	switch {
	case notFound(err):
		return "", fmt.Errorf("the release %s is not in Octopus any more: %w", version, err)
	case err != nil:
		return "", fmt.Errorf("look for the release %s: %w", version, err)
	case release.ID == "":
		return "", fmt.Errorf("look for the release %s: the answer is none; is octopus.url right?", version)
	}
	var defects octopusPage[struct {
		Status      string `json:"Status"`
		Description string `json:"Description"`
	}]
	if err := o.call(ctx, http.MethodGet, o.base+"/releases/"+url.PathEscape(release.ID)+"/defects", nil, &defects); err != nil && !notFound(err) {
		return "", fmt.Errorf("ask whether the release %s is blocked: %w", version, err)
	}
	for _, d := range defects.Items {
		if d.Status == "Unresolved" {
			return "", fmt.Errorf("the release %s is blocked in Octopus: %s", version, outbound.Excerpt(d.Description))
		}
	}
	return release.ID, nil
}

func (o *octopus) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	p, err := o.place(ctx, c)
	if err != nil {
		return "", err
	}
	if _, err := o.release(ctx, p, c.To); err != nil {
		return "", err
	}
	return "the release " + c.To + " is there, and not blocked", nil
}

// running are the tasks that deploy this project there, to this tenant.
func (o *octopus) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	p, err := o.place(ctx, c)
	if err != nil {
		return nil, err
	}
	query := url.Values{"name": {"Deploy"}, "project": {p.project}, "environment": {p.environment}, "states": {"Queued,Executing,Cancelling"}, "take": {"100"}}
	if p.tenant != "" {
		query.Set("tenant", p.tenant)
	}
	var page octopusPage[octopusTask]
	if err := o.call(ctx, http.MethodGet, o.base+"/tasks?"+query.Encode(), nil, &page); err != nil {
		return nil, err
	}
	var out []task
	for _, t := range page.Items {
		one := o.task(t)
		if one.State.over() || t.Arguments.DeploymentID == "" {
			continue
		}
		var d octopusDeployment
		if err := o.call(ctx, http.MethodGet, o.base+"/deployments/"+url.PathEscape(t.Arguments.DeploymentID), nil, &d); err != nil {
			return nil, fmt.Errorf("ask what %s deploys: %w", t.ID, err)
		}
		if !p.holds(d) {
			continue
		}
		one.By, one.Deploy = d.DeployedBy, o.hook+":"+t.Arguments.DeploymentID
		out = append(out, one)
	}
	return out, nil
}

// find looks for a deployment whose comment names this call.
func (o *octopus) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	p, err := o.place(ctx, c)
	if err != nil {
		return nil, err
	}
	query := url.Values{"projects": {p.project}, "environments": {p.environment}, "take": {"30"}}
	if p.tenant != "" {
		query.Set("tenants", p.tenant)
	}
	var page octopusPage[octopusDeployment]
	if err := o.call(ctx, http.MethodGet, o.base+"/deployments?"+query.Encode(), nil, &page); err != nil {
		return nil, err
	}
	for _, d := range page.Items {
		if p.holds(d) && strings.Contains(d.Comments, "["+c.ID+"]") {
			t, err := o.state(ctx, task{ID: d.TaskID, By: d.DeployedBy})
			return &t, err
		}
	}
	return nil, nil
}

// start deploys the release. Its comment names the call, so that it is found again.
func (o *octopus) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	p, err := o.place(ctx, c)
	if err != nil {
		return task{}, beforehand{err}
	}
	release, err := o.release(ctx, p, c.To)
	if err != nil {
		return task{}, beforehand{err}
	}
	in := map[string]string{
		"ReleaseId": release, "EnvironmentId": p.environment,
		"Comments": fmt.Sprintf("verifier rolls back from %s: %s [%s] %s", c.From, outbound.Excerpt(c.Reason), c.ID, c.URL),
	}
	if p.tenant != "" {
		in["TenantId"] = p.tenant
	}
	var d octopusDeployment
	if err := o.call(ctx, http.MethodPost, o.base+"/deployments", in, &d); err != nil {
		return task{}, fmt.Errorf("deploy %s: %w", c.To, err)
	}
	if d.TaskID == "" {
		return task{}, fmt.Errorf("deploy %s: the answer names no task", c.To)
	}
	return task{ID: d.TaskID, URL: o.page + "tasks/" + d.TaskID, By: d.DeployedBy, Note: c.To, State: queued}, nil
}

func (o *octopus) state(ctx context.Context, t task) (task, error) {
	var got octopusTask
	if err := o.call(ctx, http.MethodGet, o.base+"/tasks/"+url.PathEscape(t.ID), nil, &got); err != nil {
		return t, err
	}
	if got.ID != t.ID || octopusStates[got.State] == "" {
		return t, &verifier.TemporaryError{Err: fmt.Errorf("the answer says %q of task %q", got.State, got.ID)}
	}
	now := o.task(got)
	now.By, now.Deploy = t.By, t.Deploy
	if now.State == paused {
		now.Problem = o.interruption(ctx, t.ID)
	}
	return now, nil
}

// interruption is what a person is asked for.
func (o *octopus) interruption(ctx context.Context, id string) string {
	var page octopusPage[struct {
		Title string `json:"Title"`
	}]
	err := o.call(ctx, http.MethodGet, o.base+"/interruptions?"+url.Values{"regarding": {id}, "pendingOnly": {"true"}}.Encode(), nil, &page)
	if err != nil || len(page.Items) == 0 || page.Items[0].Title == "" {
		return "an intervention is asked for"
	}
	return "an intervention is asked for: " + page.Items[0].Title
}

func (o *octopus) cancel(ctx context.Context, t task) error {
	return o.call(ctx, http.MethodPost, o.base+"/tasks/"+url.PathEscape(t.ID)+"/cancel", struct{}{}, nil)
}

var octopusStates = map[string]taskState{
	"Queued": queued, "Executing": running, "Cancelling": running, "Success": succeeded, "Failed": failed, "TimedOut": failed, "Canceled": canceled,
}

func (o *octopus) task(t octopusTask) task {
	out := task{ID: t.ID, URL: o.page + "tasks/" + t.ID, Note: t.Description, State: octopusStates[t.State], Problem: t.ErrorMessage}
	if out.State == running && t.Interruptions && t.State != "Cancelling" {
		out.State = paused
	}
	return out
}
