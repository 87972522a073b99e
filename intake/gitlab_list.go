package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// gitLabList is the deployments of projects.
var gitLabList = listing{
	url: "https://gitlab.com", example: "https://gitlab.com", projects: "the projects, like acme/shop",
	header: func(_ API, key string) http.Header { return http.Header{"Private-Token": {key}} },
	list:   listGitLab,
}

type gitLabProject struct {
	Name   string `json:"name"`
	Path   string `json:"path_with_namespace"`
	WebURL string `json:"web_url"`
}

type gitLabItem struct {
	ID          json.Number `json:"id"`
	Ref         string      `json:"ref"`
	SHA         string      `json:"sha"`
	Status      string      `json:"status"`
	UpdatedAt   time.Time   `json:"updated_at"`
	User        any         `json:"user"`
	Environment struct {
		Name string `json:"name"`
		Tier string `json:"tier"`
	} `json:"environment"`
	Deployable struct {
		WebURL     string     `json:"web_url"`
		FinishedAt *time.Time `json:"finished_at"`
	} `json:"deployable"`
}

func listGitLab(ctx context.Context, l *lister, since time.Time) error {
	const size = 100
	for _, name := range l.Projects {
		base := "/api/v4/projects/" + url.PathEscape(name)
		var project gitLabProject
		if err := l.get(ctx, base, &project); err != nil {
			return err
		}
		for page := 1; ; page++ {
			if page > mostPages {
				return fmt.Errorf("there are more than %d pages of deployments of %s", mostPages, name)
			}
			var items []gitLabItem
			if err := l.get(ctx, base+"/deployments?"+url.Values{
				"updated_after": {since.UTC().Format(time.RFC3339)}, "order_by": {"updated_at"}, "sort": {"asc"}, "per_page": {fmt.Sprint(size)}, "page": {fmt.Sprint(page)},
			}.Encode(), &items); err != nil {
				return err
			}
			for _, item := range items {
				if item.ID == "" {
					return unread("a deployment", nil)
				}
				if item.UpdatedAt.Before(since) {
					continue
				}
				if err := l.add(item.ID.String()+"/"+item.Status, map[string]string{"X-Gitlab-Event": "Deployment Hook"}, item.event(project)); err != nil {
					return err
				}
			}
			if len(items) < size {
				break
			}
		}
	}
	return nil
}

// event is the item in the words of the webhook.
func (i gitLabItem) event(p gitLabProject) map[string]any {
	return map[string]any{
		"object_kind": "deployment", "status": i.Status, "status_changed_at": i.changedAt().UTC().Format(time.RFC3339), "deployment_id": i.ID, "deployable_url": i.Deployable.WebURL,
		"environment": i.Environment.Name, "environment_tier": i.Environment.Tier, "short_sha": i.SHA[:min(len(i.SHA), 8)], "commit_url": p.WebURL + "/-/commit/" + i.SHA, "ref": i.Ref,
		"project": p, "user": i.User,
	}
}

// changedAt is when the job ended, where it has: what is updated later is not.
func (i gitLabItem) changedAt() time.Time {
	if f := i.Deployable.FinishedAt; f != nil && i.Status != "running" && i.Status != "created" {
		return *f
	}
	return i.UpdatedAt
}
