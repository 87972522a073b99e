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

// gitHubDeploys makes deployments, for whoever listens to them.
type gitHubDeploys struct {
	gitHub
	environment filler
	work        string
}

type gitHubDeployment struct {
	ID          json.Number     `json:"id"`
	Environment string          `json:"environment"`
	Description string          `json:"description"`
	Payload     json.RawMessage `json:"payload"`
	URL         string          `json:"url"`
	CreatedAt   time.Time       `json:"created_at"`
	Creator     struct {
		Login string `json:"login"`
	} `json:"creator"`
}

type gitHubStatus struct {
	State       string `json:"state"`
	Description string `json:"description"`
	LogURL      string `json:"log_url"`
	TargetURL   string `json:"target_url"`
}

// statusesOf is how many of the latest deployments are looked at; older ones that still run would be odd.
const statusesOf = 10

func (g *gitHubDeploys) list(ctx context.Context, c verifier.RollbackCall, most int) ([]gitHubDeployment, error) {
	environment, err := g.environment.fill("github", c)
	if err != nil {
		return nil, err
	}
	path, err := g.at(c, "/deployments?"+url.Values{"environment": {environment}, "per_page": {fmt.Sprint(most)}}.Encode())
	if err != nil {
		return nil, err
	}
	var list []gitHubDeployment
	err = g.call(ctx, http.MethodGet, path, nil, &list)
	return list, err
}

func (g *gitHubDeploys) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	ref, err := g.ref.fill("github", c)
	if err != nil {
		return "", err
	}
	return ref + " is there", g.known(ctx, c, ref)
}

// running are the environment's latest deployments of this service that have begun and not ended. One without any status was never taken up.
func (g *gitHubDeploys) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	list, err := g.list(ctx, c, statusesOf)
	if err != nil {
		return nil, err
	}
	var out []task
	for _, d := range list {
		if service := d.says("service"); service != "" && !strings.EqualFold(service, c.ServiceAs("github")) && !strings.EqualFold(service, c.Service) {
			continue
		}
		t, begun, err := g.look(ctx, d.task(g.gitHubID(c, d.ID)))
		if err != nil {
			return nil, err
		}
		if !begun || t.State.over() {
			continue
		}
		t.Deploy = g.hook + ":" + d.ID.String()
		out = append(out, t)
	}
	return out, nil
}

func (g *gitHubDeploys) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	list, err := g.list(ctx, c, 100)
	for _, d := range list {
		if d.says("verifier") == c.ID || hasWord(d.Description, "["+c.ID+"]") {
			t, _, err := g.look(ctx, d.task(g.gitHubID(c, d.ID)))
			return &t, err
		}
	}
	return nil, err
}

// says is a text of the deployment's payload, which may be an object or a text that holds one.
func (d gitHubDeployment) says(name string) string {
	raw, text := d.Payload, ""
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return ""
	}
	s, _ := fields[name].(string)
	return s
}

func (d gitHubDeployment) task(id string) task {
	return task{ID: id, URL: d.URL, By: d.Creator.Login, Note: d.Description, State: queued}
}

// start makes the deployment. Its payload names the call, so that it is found again.
func (g *gitHubDeploys) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	payload, err := g.filled(c)
	if err != nil {
		return task{}, beforehand{err}
	}
	for name, text := range map[string]string{"service": c.Service, "version": c.To, "target": c.Target, "verifier": c.ID} {
		if _, given := payload[name]; !given && text != "" {
			payload[name] = text
		}
	}
	payload["verifier"] = c.ID
	ref, err := g.ref.fill("github", c)
	if err != nil {
		return task{}, beforehand{err}
	}
	environment, err := g.environment.fill("github", c)
	if err != nil {
		return task{}, beforehand{err}
	}
	path, err := g.at(c, "/deployments")
	if err != nil {
		return task{}, beforehand{err}
	}
	var d gitHubDeployment
	err = g.call(ctx, http.MethodPost, path, map[string]any{
		"ref": ref, "environment": environment, "task": g.work, "auto_merge": false, "required_contexts": []string{}, "payload": payload,
		"description": shortened(fmt.Sprintf("verifier rolls back from %s: %s", c.From, outbound.Excerpt(c.Reason)), 140),
	}, &d)
	switch {
	case err != nil:
		return task{}, fmt.Errorf("make the deployment: %w", err)
	case d.ID == "":
		return task{}, errors.New("the answer is no deployment") // as 202, where a merge would have to come first
	}
	return d.task(g.gitHubID(c, d.ID)), nil
}

func shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-3]) + "..."
}

func (g *gitHubDeploys) state(ctx context.Context, t task) (task, error) {
	now, _, err := g.look(ctx, t)
	return now, err
}

// look reads the deployment's latest status. begun is false where it has none.
func (g *gitHubDeploys) look(ctx context.Context, t task) (_ task, begun bool, _ error) {
	var list []gitHubStatus
	if err := g.call(ctx, http.MethodGet, t.below("/deployments/%s/statuses?per_page=1"), nil, &list); err != nil {
		return t, false, err
	}
	if len(list) == 0 {
		return t, false, nil
	}
	s := list[0]
	t.State, t.Problem = gitHubStatusStates[s.State], s.Description
	if t.State == "" {
		return t, false, &verifier.TemporaryError{Err: fmt.Errorf("the answer says %q of deployment %s", s.State, t.ID)}
	}
	if t.State == paused {
		t.Problem = cmp.Or(s.Description, "the environment's protection rules ask for an approval")
	}
	return t, true, nil
}

var gitHubStatusStates = map[string]taskState{
	"pending": queued, "queued": queued, "in_progress": running, "waiting": paused,
	"success": succeeded, "failure": failed, "error": failed, "inactive": canceled,
}

func (g *gitHubDeploys) cancel(context.Context, task) error {
	return errors.New("GitHub has no way to cancel a deployment; whoever carries it out must")
}
