package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// gitHubList is the deployments of repositories with their statuses, and runs of workflows where the map asks for them.
var gitHubList = listing{
	url: "https://api.github.com", example: "https://api.github.com", projects: "the repositories, like acme/shop",
	header: func(_ API, key string) http.Header {
		return http.Header{"Authorization": {"Bearer " + key}, "Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}
	},
	list: listGitHub,
}

// longestDeployment is how long before its last status a deployment may have been made.
const longestDeployment = 24 * time.Hour

func listGitHub(ctx context.Context, l *lister, since time.Time) error {
	for _, repo := range l.Projects {
		owner, name, ok := strings.Cut(repo, "/")
		if !ok {
			return fmt.Errorf("%q is no repository; write owner/name", repo)
		}
		base := "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
		if err := l.gitHubDeployments(ctx, repo, base, since); err != nil {
			return err
		}
		if !l.hook.maps("workflow", "workflow_path") {
			continue
		}
		if err := l.gitHubRuns(ctx, base, since); err != nil {
			return err
		}
	}
	return nil
}

// gitHubPages asks page after page, until one is not full or the reader has enough.
func (l *lister) gitHubPages(ctx context.Context, address string, read func(json.RawMessage) (items int, more bool, err error)) error {
	const size = 100
	for page := 1; ; page++ {
		if page > mostPages {
			return fmt.Errorf("there are more than %d pages of %s", mostPages, address)
		}
		var got json.RawMessage
		if err := l.get(ctx, fmt.Sprintf("%s%sper_page=%d&page=%d", address, map[bool]string{true: "&", false: "?"}[strings.Contains(address, "?")], size, page), &got); err != nil {
			return err
		}
		items, more, err := read(got)
		if err != nil || !more || items < size {
			return err
		}
	}
}

func (l *lister) gitHubDeployments(ctx context.Context, repo, base string, since time.Time) error {
	return l.gitHubPages(ctx, base+"/deployments", func(page json.RawMessage) (int, bool, error) {
		var items []json.RawMessage
		if err := json.Unmarshal(page, &items); err != nil {
			return 0, false, fmt.Errorf("the answer is no list of deployments: %w", err)
		}
		for _, item := range items {
			var d struct {
				ID        json.Number `json:"id"`
				CreatedAt time.Time   `json:"created_at"`
				UpdatedAt time.Time   `json:"updated_at"`
			}
			if err := json.Unmarshal(item, &d); err != nil || d.ID == "" {
				return 0, false, unread("a deployment", err)
			}
			if d.CreatedAt.Before(since.Add(-longestDeployment)) {
				return 0, false, nil // the newest come first
			}
			if d.UpdatedAt.Before(since) && !d.UpdatedAt.IsZero() {
				continue
			}
			if err := l.gitHubStatuses(ctx, repo, base+"/deployments/"+d.ID.String()+"/statuses", item, since); err != nil {
				return 0, false, err
			}
		}
		return len(items), true, nil
	})
}

func (l *lister) gitHubStatuses(ctx context.Context, repo, address string, deployment json.RawMessage, since time.Time) error {
	repository := map[string]string{"name": path.Base(repo), "full_name": repo, "html_url": l.gitHubPage() + "/" + repo}
	return l.gitHubPages(ctx, address, func(page json.RawMessage) (int, bool, error) {
		var items []json.RawMessage
		if err := json.Unmarshal(page, &items); err != nil {
			return 0, false, fmt.Errorf("the answer is no list of a deployment's statuses: %w", err)
		}
		for _, item := range items {
			var s struct {
				ID        json.Number `json:"id"`
				CreatedAt time.Time   `json:"created_at"`
			}
			if err := json.Unmarshal(item, &s); err != nil || s.ID == "" {
				return 0, false, unread("a deployment's status", err)
			}
			if s.CreatedAt.Before(since) {
				continue
			}
			body := map[string]any{"action": "created", "deployment_status": item, "deployment": deployment, "repository": repository}
			if err := l.add("status/"+s.ID.String(), map[string]string{"X-GitHub-Event": "deployment_status"}, body); err != nil {
				return 0, false, err
			}
		}
		return len(items), true, nil
	})
}

// gitHubPage is where people look at the server whose API is asked.
func (l *lister) gitHubPage() string {
	if page, ok := strings.CutSuffix(l.URL, "/api/v3"); ok {
		return page
	}
	return strings.Replace(l.URL, "://api.", "://", 1)
}

func (l *lister) gitHubRuns(ctx context.Context, base string, since time.Time) error {
	from := since.Add(-longestDeployment).UTC().Format(time.RFC3339)
	return l.gitHubPages(ctx, base+"/actions/runs?"+url.Values{"status": {"completed"}, "created": {">=" + from}}.Encode(), func(page json.RawMessage) (int, bool, error) {
		var got struct {
			Runs []json.RawMessage `json:"workflow_runs"`
		}
		if err := json.Unmarshal(page, &got); err != nil {
			return 0, false, fmt.Errorf("the answer is no list of workflow runs: %w", err)
		}
		for _, item := range got.Runs {
			var r struct {
				ID         json.Number     `json:"id"`
				Attempt    json.Number     `json:"run_attempt"`
				UpdatedAt  time.Time       `json:"updated_at"`
				Repository json.RawMessage `json:"repository"`
			}
			if err := json.Unmarshal(item, &r); err != nil || r.ID == "" {
				return 0, false, unread("a workflow run", err)
			}
			if r.UpdatedAt.Before(since) {
				continue
			}
			body := map[string]any{"action": "completed", "workflow_run": item, "repository": r.Repository}
			if err := l.add("run/"+r.ID.String()+"/"+r.Attempt.String(), map[string]string{"X-GitHub-Event": "workflow_run"}, body); err != nil {
				return 0, false, err
			}
		}
		return len(got.Runs), true, nil
	})
}
