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
	"time"

	"verifier"
	"verifier/outbound"
)

// GitHubConfig rolls back by GitHub: it runs a workflow (workflow), sends repository_dispatch (event_type), or makes a deployment
// (deployment). Texts may name {{.To}} and the like.
type GitHubConfig struct {
	APIConfig  `yaml:",inline"`
	Repository string            `yaml:"repository"` // owner/name
	Workflow   string            `yaml:"workflow"`   // the file's name, like deploy.yml
	Ref        string            `yaml:"ref"`        // of the workflow; default main. Of a deployment what is deployed; default {{.To}}
	Inputs     map[string]string `yaml:"inputs"`     // of the workflow
	EventType  string            `yaml:"event_type"`
	Payload    map[string]string `yaml:"payload"`     // of repository_dispatch, or of the deployment
	Title      string            `yaml:"title"`       // what the titles of runs for this service and environment have in them
	RunDetails *bool             `yaml:"run_details"` // the server says which run it began; default true at api.github.com
	Deployment bool              `yaml:"deployment"`
	Task       string            `yaml:"task"`        // of a deployment; default deploy
	Hook       string            `yaml:"hook"`        // that its events come through; default github
	Env        string            `yaml:"environment"` // of a deployment; default {{.Environment}}
}

// gitHub is what both ways share.
type gitHub struct {
	*api
	repository, ref filler
	payload         map[string]filler
	hook            string
}

const gitHubAPI = "https://api.github.com"

func newGitHub(c GitHubConfig, rt http.RoundTripper) (Way, error) {
	if c.URL == "" {
		c.URL = gitHubAPI
	}
	a, err := c.open("github", gitHubAPI, rt, func(key string) http.Header {
		return http.Header{"Authorization": {"Bearer " + key}, "X-Github-Api-Version": {"2022-11-28"}}
	})
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	g := gitHub{api: a, hook: cmp.Or(c.Hook, "github"), payload: map[string]filler{}}
	var problems []error
	parse := func(to *filler, key, text string) {
		f, err := parseText("github."+key, text)
		*to, problems = f, append(problems, err)
	}
	parse(&g.repository, "repository", c.Repository)
	ref := "main"
	if c.Deployment {
		ref = "{{.To}}"
	}
	parse(&g.ref, "ref", cmp.Or(c.Ref, ref))
	texts, named := c.Payload, "payload."
	if c.Workflow != "" {
		texts, named = c.Inputs, "inputs."
	}
	for name, text := range texts {
		var f filler
		parse(&f, named+name, text)
		g.payload[name] = f
	}
	if c.Deployment {
		d := &gitHubDeploys{gitHub: g, work: cmp.Or(c.Task, "deploy")}
		parse(&d.environment, "environment", cmp.Or(c.Env, "{{.Environment}}"))
		return follow(d), errors.Join(problems...)
	}
	if !namesCall(texts) {
		return nil, fmt.Errorf("github: no run could be told from others; hand {{.ID}} to it (%sverifier: '{{.ID}}'), and let the workflow's run-name show it", named)
	}
	r := &gitHubRuns{gitHub: g, workflow: c.Workflow, event: c.EventType, details: c.URL == gitHubAPI}
	if c.RunDetails != nil {
		r.details = *c.RunDetails
	}
	parse(&r.title, "title", c.Title)
	return follow(r), errors.Join(problems...)
}

// check refuses a configuration without exactly one way to roll back, or with keys of another way.
func (c GitHubConfig) check() error {
	ways := 0
	for _, given := range []bool{c.Workflow != "", c.EventType != "", c.Deployment} {
		if given {
			ways++
		}
	}
	switch {
	case strings.Count(c.Repository, "/") != 1:
		return errors.New("github.repository is missing; write owner/name")
	case ways != 1:
		return errors.New("github does not say how to roll back, or says it twice: write one of workflow: deploy.yml, event_type: rollback and deployment: true")
	case c.Workflow == "" && len(c.Inputs) > 0:
		return errors.New("github.inputs are of a workflow; write payload")
	case c.Workflow != "" && len(c.Payload) > 0:
		return errors.New("github.payload is none of a workflow; write inputs")
	}
	return nil
}

// namesCall reports whether any of the texts holds the call's id.
func namesCall(texts map[string]string) bool {
	for _, text := range texts {
		if strings.Contains(text, ".ID}}") || strings.Contains(text, ".ID }}") {
			return true
		}
	}
	return false
}

func (g *gitHub) name() string { return "GitHub" }

// at is a path below the repository.
func (g *gitHub) at(c verifier.RollbackCall, path string) (string, error) {
	repository, err := g.repository.fill("github", c)
	return "/repos/" + repository + path, err
}

// gitHubID is a run or a deployment with its repository: state and cancel know nothing but the task.
func (g *gitHub) gitHubID(c verifier.RollbackCall, id json.Number) string {
	repository, _ := g.repository.fill("github", c) // it was filled before
	return repository + "/" + id.String()
}

// below is a path of the task's repository; the task's number stands where %s is.
func (t task) below(path string) string {
	i := strings.LastIndexByte(t.ID, '/')
	return "/repos/" + t.ID[:max(i, 0)] + fmt.Sprintf(path, url.PathEscape(t.ID[i+1:]))
}

func (g *gitHub) filled(c verifier.RollbackCall) (map[string]string, error) {
	out := map[string]string{}
	for name, f := range g.payload {
		text, err := f.fill("github", c)
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	return out, nil
}

// known asks whether the ref is there, and what commit it is.
func (g *gitHub) known(ctx context.Context, c verifier.RollbackCall, ref string) error {
	path, err := g.at(c, "/commits/"+url.PathEscape(ref))
	if err != nil {
		return err
	}
	var commit struct {
		SHA string `json:"sha"`
	}
	err = g.call(ctx, http.MethodGet, path, nil, &commit)
	var status *outbound.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusUnprocessableEntity) {
		return fmt.Errorf("the repository has no %s, or the key may not see it: %w", ref, err)
	}
	if err == nil && commit.SHA == "" {
		return fmt.Errorf("the answer for %s is no commit; is github.url right?", ref)
	}
	return err
}

// gitHubRuns begins runs of workflows.
type gitHubRuns struct {
	gitHub
	workflow, event string // one of both
	title           filler
	details         bool
}

type gitHubRun struct {
	ID         json.Number `json:"id"`
	Attempt    json.Number `json:"run_attempt"`
	Title      string      `json:"display_title"`
	Name       string      `json:"name"`
	Status     string      `json:"status"`
	Conclusion string      `json:"conclusion"`
	HTMLURL    string      `json:"html_url"`
	CreatedAt  time.Time   `json:"created_at"`
	Actor      struct {
		Login string `json:"login"`
	} `json:"triggering_actor"`
}

// list is the workflow's latest runs, or those of the event.
func (g *gitHubRuns) list(ctx context.Context, c verifier.RollbackCall) ([]gitHubRun, error) {
	path := "/actions/runs?event=repository_dispatch&per_page=100"
	if g.workflow != "" {
		path = "/actions/workflows/" + url.PathEscape(g.workflow) + "/runs?per_page=100"
	}
	path, err := g.at(c, path)
	if err != nil {
		return nil, err
	}
	var got struct {
		Runs []gitHubRun `json:"workflow_runs"`
	}
	err = g.call(ctx, http.MethodGet, path, nil, &got)
	return got.Runs, err
}

func (g *gitHubRuns) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	if g.workflow == "" {
		path, err := g.at(c, "")
		if err == nil {
			err = g.call(ctx, http.MethodGet, path, nil, nil)
		}
		return "the repository is there", err
	}
	path, err := g.at(c, "/actions/workflows/"+url.PathEscape(g.workflow))
	if err != nil {
		return "", err
	}
	var w struct {
		State string `json:"state"`
	}
	switch err := g.call(ctx, http.MethodGet, path, nil, &w); {
	case notFound(err):
		return "", fmt.Errorf("the repository has no workflow %s, or the key may not see it: %w", g.workflow, err)
	case err != nil:
		return "", err
	case w.State != "active":
		return "", fmt.Errorf("the workflow %s is %s, and runs no more", g.workflow, cmp.Or(w.State, "of no state"))
	}
	ref, err := g.ref.fill("github", c)
	if err != nil {
		return "", err
	}
	return "the workflow " + g.workflow + " is active, and " + ref + " is there", g.known(ctx, c, ref)
}

// running are the runs that have not ended and whose title speaks of the place, where the configuration says how it would.
func (g *gitHubRuns) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	title, err := g.title.fill("github", c)
	if err != nil {
		return nil, err
	}
	runs, err := g.list(ctx, c)
	var out []task
	for _, r := range runs {
		if r.Status == "completed" || !strings.Contains(strings.ToLower(r.Title+"\n"+r.Name), strings.ToLower(title)) {
			continue
		}
		t := r.task(g.gitHubID(c, r.ID))
		if id := "run/" + r.ID.String(); c.Deploy.ID == g.hook+":"+id+"/"+r.Attempt.String() || strings.HasSuffix(withoutJob(c.Deploy.URL), "/actions/runs/"+r.ID.String()) {
			t.Deploy = c.Deploy.ID
		}
		out = append(out, t)
	}
	return out, err
}

// withoutJob is the address of a run, of one of its jobs.
func withoutJob(page string) string {
	page, _, _ = strings.Cut(page, "/job")
	return strings.TrimSuffix(page, "/")
}

func (g *gitHubRuns) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	runs, err := g.list(ctx, c)
	for _, r := range runs {
		if hasWord(r.Title+" "+r.Name, c.ID) {
			t := r.task(g.gitHubID(c, r.ID))
			return &t, nil
		}
	}
	return nil, err
}

// hasWord reports whether the id stands in the text as a whole: …/1 is not …/12.
func hasWord(text, id string) bool {
	_, after, found := strings.Cut(text, id)
	return found && (after == "" || after[0] < '0' || after[0] > '9')
}

func (g *gitHubRuns) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	given, err := g.filled(c)
	if err != nil {
		return task{}, beforehand{err}
	}
	ref, err := g.ref.fill("github", c)
	if err != nil {
		return task{}, beforehand{err}
	}
	in, path := map[string]any{"event_type": g.event, "client_payload": given}, "/dispatches"
	if g.workflow != "" {
		in, path = map[string]any{"ref": ref, "inputs": given}, "/actions/workflows/"+url.PathEscape(g.workflow)+"/dispatches"
		if g.details {
			in["return_run_details"] = true
		}
	}
	if path, err = g.at(c, path); err != nil {
		return task{}, beforehand{err}
	}
	var out struct {
		ID   json.Number `json:"workflow_run_id"`
		Page string      `json:"html_url"`
	}
	if err := g.call(ctx, http.MethodPost, path, in, &out); err != nil {
		return task{}, fmt.Errorf("begin the run: %w", err)
	}
	if out.ID == "" {
		return task{}, errors.New("GitHub took it, and says not which run it began")
	}
	return task{ID: g.gitHubID(c, out.ID), URL: out.Page, State: queued}, nil
}

func (g *gitHubRuns) state(ctx context.Context, t task) (task, error) {
	var r gitHubRun
	if err := g.call(ctx, http.MethodGet, t.below("/actions/runs/%s"), nil, &r); err != nil {
		return t, err
	}
	now := r.task(t.ID)
	if !strings.HasSuffix(t.ID, "/"+r.ID.String()) || now.State == "" {
		return t, &verifier.TemporaryError{Err: fmt.Errorf("the answer says %q of run %q", r.Status, r.ID)}
	}
	now.Deploy = t.Deploy
	return now, nil
}

func (g *gitHubRuns) cancel(ctx context.Context, t task) error {
	return g.call(ctx, http.MethodPost, t.below("/actions/runs/%s/cancel"), nil, nil)
}

var gitHubRunStates = map[string]taskState{
	"queued": queued, "requested": queued, "pending": queued, "in_progress": running, "waiting": paused,
}

var gitHubRunEnds = map[string]taskState{"success": succeeded, "cancelled": canceled}

func (r gitHubRun) task(id string) task {
	t := task{ID: id, URL: r.HTMLURL, By: r.Actor.Login, Note: cmp.Or(r.Title, r.Name), State: gitHubRunStates[r.Status]}
	switch {
	case r.Status == "completed":
		t.State = cmp.Or(gitHubRunEnds[r.Conclusion], failed)
		if t.State == failed {
			t.Problem = "the run ended with " + cmp.Or(r.Conclusion, "no conclusion")
		}
	case t.State == paused:
		t.Problem = "the environment's protection rules ask for an approval"
	}
	return t
}
