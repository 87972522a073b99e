package intake

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// azureDevOpsList is the deployments of classic releases. Runs of pipelines have no list over all pipelines.
var azureDevOpsList = listing{
	example: "https://vsrm.dev.azure.com/acme", projects: "the projects",
	header: func(a API, key string) http.Header {
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+key))}}
	},
	list: listAzureDevOps,
}

type azureDeployment struct {
	ID      json.Number `json:"id"`
	Release struct {
		ID    json.Number `json:"id"`
		Name  string      `json:"name"`
		Links azureLinks  `json:"_links"`
	} `json:"release"`
	Definition  any `json:"releaseDefinition"`
	Environment struct {
		ID   json.Number `json:"id"`
		Name string      `json:"name"`
	} `json:"releaseEnvironment"`
	Status       string `json:"deploymentStatus"`
	Operation    string `json:"operationStatus"`
	RequestedFor any    `json:"requestedFor"`
	StartedOn    string `json:"startedOn"`
	CompletedOn  string `json:"completedOn"`
	ModifiedOn   string `json:"lastModifiedOn"`
}

func listAzureDevOps(ctx context.Context, l *lister, since time.Time) error {
	for _, project := range l.Projects {
		if err := l.azureDeployments(ctx, project, since); err != nil {
			return err
		}
	}
	return nil
}

// azureDeployments asks for page after page, each from the id after the last one on.
func (l *lister) azureDeployments(ctx context.Context, project string, since time.Time) error {
	const size = 100
	asked := url.Values{
		"minModifiedTime": {since.UTC().Format(time.RFC3339)}, "queryOrder": {"ascending"}, "$top": {strconv.Itoa(size)}, "api-version": {"7.1"},
	}
	for range mostPages {
		var got struct {
			Value []azureDeployment `json:"value"`
		}
		if err := l.get(ctx, "/"+url.PathEscape(project)+"/_apis/release/deployments?"+asked.Encode(), &got); err != nil {
			return err
		}
		var last int64
		for _, d := range got.Value {
			var err error
			if last, err = d.ID.Int64(); err != nil {
				return unread("a deployment", nil)
			}
			if err := l.add("deployment/"+d.ID.String()+"/"+d.Status, nil, d.event(project)); err != nil {
				return err
			}
		}
		if len(got.Value) < size {
			return nil
		}
		asked.Set("continuationToken", strconv.FormatInt(last+1, 10))
	}
	return fmt.Errorf("there are more than %d pages of deployments of %s", mostPages, project)
}

// event is the deployment in the words of a service hook.
func (d azureDeployment) event(project string) map[string]any {
	kind, status, at := "ms.vss-release.deployment-completed-event", d.Status, firstOf(d.CompletedOn, d.ModifiedOn)
	switch {
	case d.Operation == "Canceled":
		status = "canceled"
	case status == "inProgress":
		kind, at = "ms.vss-release.deployment-started-event", d.StartedOn
	}
	return map[string]any{"eventType": kind, "id": d.ID.String(), "createdDate": at, "resource": map[string]any{
		"project":    map[string]any{"name": project},
		"deployment": map[string]any{"id": d.ID, "requestedFor": d.RequestedFor},
		"environment": map[string]any{
			"id": d.Environment.ID, "name": d.Environment.Name, "status": status, "release": d.Release, "releaseDefinition": d.Definition,
		},
	}}
}
