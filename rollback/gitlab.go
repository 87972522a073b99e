package rollback

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"verifier"
)

// GitLabConfig rolls back by a pipeline with variables. Texts may name {{.To}} and the like.
type GitLabConfig struct {
	APIConfig   `yaml:",inline"`
	Project     string            `yaml:"project"`     // like acme/shop
	Ref         string            `yaml:"ref"`         // whose .gitlab-ci.yml runs; default main
	Variables   map[string]string `yaml:"variables"`   // of the pipeline; VERIFIER_ID is added
	Environment string            `yaml:"environment"` // as GitLab calls it; default {{.Environment}}
	Hook        string            `yaml:"hook"`        // that its events come through; default gitlab
}

type gitLab struct {
	*api
	project, ref, environment filler
	variables                 map[string]filler
	hook                      string
}

const gitLabAPI = "https://gitlab.com"

// gitLabID is the variable that holds the call's id, by which its pipeline is found again.
const gitLabID = "VERIFIER_ID"

func newGitLab(c GitLabConfig, rt http.RoundTripper) (Way, error) {
	c.URL = cmp.Or(c.URL, gitLabAPI)
	a, err := c.open("gitlab", gitLabAPI, rt, func(key string) http.Header { return http.Header{"Private-Token": {key}} })
	switch {
	case err != nil:
		return nil, err
	case c.Project == "":
		return nil, errors.New("gitlab.project is missing; write its path, like acme/shop")
	case len(c.Variables) == 0:
		return nil, errors.New("gitlab.variables are missing; write what tells the pipeline which version to deploy, like VERSION: '{{.To}}'")
	}
	g := &gitLab{api: a, hook: cmp.Or(c.Hook, "gitlab"), variables: map[string]filler{}}
	var problems []error
	parse := func(to *filler, key, text string) {
		f, err := parseText("gitlab."+key, text)
		*to, problems = f, append(problems, err)
	}
	parse(&g.project, "project", c.Project)
	parse(&g.ref, "ref", cmp.Or(c.Ref, "main"))
	parse(&g.environment, "environment", cmp.Or(c.Environment, "{{.Environment}}"))
	for name, text := range c.Variables {
		var f filler
		parse(&f, "variables."+name, text)
		g.variables[name] = f
	}
	return follow(g), errors.Join(problems...)
}

func (g *gitLab) name() string { return "GitLab" }

type gitLabPipeline struct {
	ID     json.Number `json:"id"`
	Status string      `json:"status"`
	WebURL string      `json:"web_url"`
	User   struct {
		Username string `json:"username"`
	} `json:"user"`
}

// at is a path below the project, in its escaped form.
func (g *gitLab) at(c verifier.RollbackCall, path string) (string, error) {
	project, err := g.project.fill("gitlab", c)
	return "/api/v4/projects/" + url.PathEscape(project) + path, err
}

func (g *gitLab) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	ref, err := g.ref.fill("gitlab", c)
	if err != nil {
		return "", err
	}
	path, err := g.at(c, "/repository/commits/"+url.PathEscape(ref))
	if err != nil {
		return "", err
	}
	var commit struct {
		ID string `json:"id"`
	}
	switch err := g.call(ctx, http.MethodGet, path, nil, &commit); {
	case notFound(err):
		return "", fmt.Errorf("the project has no %s, or the key may not see it: %w", ref, err)
	case err != nil:
		return "", err
	case commit.ID == "":
		return "", fmt.Errorf("the answer for %s is no commit; is gitlab.url right?", ref)
	}
	return ref + " is there", nil
}

// running are the deployments to the environment that have not ended, each with its pipeline.
func (g *gitLab) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	environment, err := g.environment.fill("gitlab", c)
	if err != nil {
		return nil, err
	}
	var out []task
	for _, status := range []string{"running", "created", "blocked"} {
		path, err := g.at(c, "/deployments?"+url.Values{"environment": {environment}, "status": {status}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {"20"}}.Encode())
		if err != nil {
			return nil, err
		}
		var list []struct {
			ID          json.Number `json:"id"`
			Ref         string      `json:"ref"`
			Status      string      `json:"status"`
			Environment struct {
				Name string `json:"name"`
			} `json:"environment"`
			User struct {
				Username string `json:"username"`
			} `json:"user"`
			Deployable struct {
				Pipeline gitLabPipeline `json:"pipeline"`
			} `json:"deployable"`
		}
		if err := g.call(ctx, http.MethodGet, path, nil, &list); err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Status != status || d.Environment.Name != "" && !strings.EqualFold(d.Environment.Name, environment) || status == "created" && d.Deployable.Pipeline.state().over() {
				continue
			}
			t := g.task(c, d.Deployable.Pipeline)
			t.By, t.Note, t.State, t.Deploy = cmp.Or(d.User.Username, t.By), d.Ref, running, g.hook+":"+d.ID.String()
			out = append(out, t)
		}
	}
	return out, nil
}

// task names a pipeline by its project and number: state and cancel know nothing else.
func (g *gitLab) task(c verifier.RollbackCall, p gitLabPipeline) task {
	path, _ := g.at(c, "/pipelines/"+p.ID.String()) // it was filled before
	t := task{ID: strings.TrimPrefix(path, "/api/v4/projects/"), URL: p.WebURL, By: p.User.Username, State: p.state()}
	if t.State == failed {
		t.Problem = "the pipeline ended with " + p.Status
	}
	if t.State == paused {
		t.Problem = "a manual job, or an approval, is waited for"
	}
	return t
}

// state is how far the pipeline is.
func (p gitLabPipeline) state() taskState {
	switch p.Status {
	case "created", "waiting_for_resource", "preparing", "pending", "scheduled":
		return queued
	case "running", "canceling":
		return running
	case "manual", "waiting_for_callback":
		return paused
	case "success":
		return succeeded
	case "canceled":
		return canceled
	case "failed", "skipped":
		return failed
	}
	return ""
}

// mostPipelines is how many of the latest pipelines are asked for their variables.
const mostPipelines = 20

func (g *gitLab) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	path, err := g.at(c, "/pipelines?"+url.Values{"source": {"api"}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {fmt.Sprint(mostPipelines)}}.Encode())
	if err != nil {
		return nil, err
	}
	var list []gitLabPipeline
	if err := g.call(ctx, http.MethodGet, path, nil, &list); err != nil {
		return nil, err
	}
	for _, p := range list {
		path, err := g.at(c, "/pipelines/"+url.PathEscape(p.ID.String())+"/variables")
		if err != nil {
			return nil, err
		}
		var variables []gitLabVariable
		if err := g.call(ctx, http.MethodGet, path, nil, &variables); err != nil {
			return nil, fmt.Errorf("ask for the variables of pipeline %s: %w", p.ID, err)
		}
		for _, v := range variables {
			if v.Key == gitLabID && v.Value == c.ID {
				t := g.task(c, p)
				return &t, nil
			}
		}
	}
	return nil, nil
}

type gitLabVariable struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (g *gitLab) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	ref, err := g.ref.fill("gitlab", c)
	if err != nil {
		return task{}, beforehand{err}
	}
	variables := []gitLabVariable{{gitLabID, c.ID}}
	for name, f := range g.variables {
		text, err := f.fill("gitlab", c)
		if err != nil {
			return task{}, beforehand{err}
		}
		if name != gitLabID {
			variables = append(variables, gitLabVariable{name, text})
		}
	}
	path, err := g.at(c, "/pipeline")
	if err != nil {
		return task{}, beforehand{err}
	}
	var p gitLabPipeline
	if err := g.call(ctx, http.MethodPost, path, map[string]any{"ref": ref, "variables": variables}, &p); err != nil {
		return task{}, fmt.Errorf("begin the pipeline: %w", err)
	}
	if p.ID == "" {
		return task{}, errors.New("the answer is no pipeline")
	}
	return g.task(c, p), nil
}

func (g *gitLab) state(ctx context.Context, t task) (task, error) {
	var p gitLabPipeline
	if err := g.call(ctx, http.MethodGet, "/api/v4/projects/"+t.ID, nil, &p); err != nil {
		return t, err
	}
	if p.state() == "" || !strings.HasSuffix(t.ID, "/"+p.ID.String()) {
		return t, &verifier.TemporaryError{Err: fmt.Errorf("the answer says %q of pipeline %q", p.Status, p.ID)}
	}
	now := g.task(verifier.RollbackCall{}, p)
	now.ID, now.URL, now.Deploy, now.By = t.ID, cmp.Or(p.WebURL, t.URL), t.Deploy, cmp.Or(now.By, t.By)
	return now, nil
}

func (g *gitLab) cancel(ctx context.Context, t task) error {
	return g.call(ctx, http.MethodPost, "/api/v4/projects/"+t.ID+"/cancel", nil, nil)
}
